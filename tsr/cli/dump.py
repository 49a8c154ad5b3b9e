"""``tsr dump``: a path -> the values of the file, as numpy prints them, as CSV or as JSON."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from itertools import islice
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_json, add_lenient, command_parser
from tsr.cli.inputs import opened
from tsr.cli.report import Report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Print the values of a file as numpy does: of a large array only the edges, unless --full.

--csv and --json print every value, with the fewest digits that give the same bits when read
back as the file's dtype (a NaN is nan, whatever its payload). They take little memory for a
file of any size.

CSV: a line for each row along the last axis; for rank 0 and 1, a line for each value; for
rank 3 and 4, each line begins with the row's indices. Without elements, there is no line.
JSON: an object with path, dtype, shape and values, nested as the shape says, [] without
elements. What JSON has no number for is a string: "nan", "inf", "-inf"."""

_EXAMPLES = """\
  tsr dump weights.tsr
  tsr dump --full --precision 3 weights.tsr
  tsr dump --csv weights.tsr > weights.csv
  tsr dump --json - < weights.tsr | jq .values"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("dump", _DESCRIPTION, _EXAMPLES)
    made.add_argument("path", metavar="PATH", help="a file, or '-' for stdin")
    made.add_argument("--full", action="store_true", help="print large arrays whole, too")
    made.add_argument(
        "--precision", type=_digits, metavar="DIGITS",
        help="print at most so many digits after the point (default: 8)",
    )  # fmt: skip
    exact = made.add_mutually_exclusive_group()
    exact.add_argument("--csv", action="store_true", help="print every value exactly, as CSV")
    add_json(exact, "every value exactly,")
    add_lenient(made)
    return made


def run(options: Namespace) -> int:
    """Print the values and give the exit code."""
    if (options.csv or options.json) and (options.full or options.precision is not None):
        parser().error("--csv and --json print every value exactly: no --full, no --precision")
    # Here numpy comes in.
    from tsr.reader import load

    report = Report()
    array = None
    with report.blame(options.path):
        array = load(opened(options.path), strict=not options.lenient)
    if array is not None and sys.stdout is not None:
        pieces = _text(array, options)
        # Most pieces are short, and where stdout has no buffer each write is a system call.
        sys.stdout.writelines(iter(lambda: "".join(islice(pieces, 64)), ""))
    return report.code


def _text(array: NDArray[Any], options: Namespace) -> Iterator[str]:
    from tsr.cli.values import csv_text, json_text, numpy_text

    if options.csv:
        return csv_text(array)
    if options.json:
        return json_text(array, options.path)
    return numpy_text(array, options.full, options.precision)


def _digits(text: str) -> int:
    # numpy takes no more than fits a C int, and no number has that many.
    if not text.isdecimal() or int(text) > 1000:
        raise ArgumentTypeError(f"got {text!r}, expected 0 to 1000")
    return int(text)
