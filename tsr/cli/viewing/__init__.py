"""What `tsr view` shows in a terminal: pictures, histograms, tables, fitted to the window."""
