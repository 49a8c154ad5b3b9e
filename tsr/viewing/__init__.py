"""Arrays of any size -> statistics, and pictures fitted to a place: what `tsr view` shows."""
