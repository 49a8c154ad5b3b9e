"""The shell command `tsr`: look into ``.tsr`` files, check them, print them, convert them."""

from __future__ import annotations

from tsr.cli.dispatch import main

__all__ = ["main"]
