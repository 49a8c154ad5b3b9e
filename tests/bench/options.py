"""What the command lines of all benches have in common."""

from __future__ import annotations

import argparse
import os
import tempfile

__all__ = ["bench_parser"]

MEMORY = "/dev/shm"  # noqa: S108 - the system's own place for files in memory


def bench_parser(
    program: str, description: str | None, quick: str, only: str = "works with this in their name"
) -> argparse.ArgumentParser:
    """Make the parser of a bench; `quick` and `only` say what these options do."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", default="", metavar="NAME", help=only)
    parser.add_argument("--seconds", type=float, help="for each row")
    parser.add_argument(
        "--dir",
        default=MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir(),
        help="where the files in memory go (default: %(default)s)",
    )
    parser.add_argument("--markdown", metavar="PATH", help="default: standard output")
    parser.add_argument("--json", metavar="PATH", help="the medians and ratios as data")
    return parser
