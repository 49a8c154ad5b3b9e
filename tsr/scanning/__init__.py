"""`scan`: paths, folders, patterns and URLs -> a table of what the headers say.

`sources` tells what stands for what, `local` and `remote` look at the files, `directory` goes
through the tensors of a TSR4 file, `facts` says what there is to say of each; `scanner` has them
work together, in batches, and `table` is what comes out. Only the table needs numpy.
"""

from __future__ import annotations

from tsr.scanning.scanner import Batch, scan, scan_batches
from tsr.scanning.table import COLUMNS, Table

__all__ = ["COLUMNS", "Batch", "Table", "scan", "scan_batches"]
