"""``python -m tsr``: the shell command `tsr`."""

from __future__ import annotations

import sys

from tsr.cli import main

if __name__ == "__main__":
    sys.exit(main())
