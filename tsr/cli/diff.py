"""``tsr diff``: two paths -> what differs between the tensors in them.

Exit codes are those of diff: 0, the same; 1, different; 2, trouble: whatever kept it from finding
out, an invalid file too.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from tsr.cli.arguments import add_color, add_json, add_lenient, command_parser
from tsr.cli.difference import json_text, print_comparison
from tsr.cli.inputs import STDIN, label, opened
from tsr.cli.output import printable
from tsr.cli.progress import progress_bar
from tsr.cli.report import SYSTEM, Report
from tsr.errors import TSRError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from tsr.comparison import Comparison

__all__ = ["parser", "run"]

SAME, DIFFERENT, TROUBLE = 0, 1, SYSTEM

_DESCRIPTION = """\
Show what differs between the tensors of two files or folders of any format that tsr convert reads.
Tensors are matched by name where both have names, else by their order.

Bits are compared, so that -0.0 differs from 0.0, one NaN from another, and a dtype from another.
With a tolerance, be it 0, values are, whatever their dtypes: an element is the same if the two are
equal, or both NaN, or within any one of the tolerances. Formats, compression, byte orders and the
dimensions of 1 that TSR4 puts in front of a shape make no difference.

Errors and ULPs are those of all numbers that are not equal, within the tolerance or not. A ULP
is a step from one float to the next of its dtype.

Exit codes are those of diff: 0, the same; 1, different; 2, trouble, such as an invalid file.

JSON: an object with equal, bits (whether bits are compared), rtol, atol, ulp, equal_nan (null where
not given), same_order, a, b (path, format, mode, number of tensors) and tensors, a list of those
that differ, or of all with --all: name, status ("same", "values", "dtype", "shape",
"only in a", "only in b"), differences or null, and for either side index, dtype, shape, path and
byte_offset, where the first element that differs begins in the file. What JSON has no number for is
a string: "nan", "inf", "-inf"."""

_EXAMPLES = """\
  tsr diff old.pt new.safetensors
  tsr diff model.pt model/ --all
  tsr diff --rtol 1e-5 --atol 1e-8 --tensor fc1.weight a.npz b.npz
  tsr diff --ulp 4 x.tsr - < y.tsr
  tsr diff --quiet a.tsr b.tsr && echo same"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("diff", _DESCRIPTION, _EXAMPLES)
    path = "a file, folder or URL, or '-' for a .tsr file from stdin"
    made.add_argument("a", metavar="A", help=path)
    made.add_argument("b", metavar="B", help="what it is compared with, likewise")
    made.add_argument(
        "--rtol", type=_tolerance, metavar="R",
        help="take numbers for the same if |a - b| <= ATOL + R * |b|, as numpy.allclose does",
    )  # fmt: skip
    made.add_argument(
        "--atol", type=_tolerance, metavar="ATOL", help="the other term of that (default: 0)"
    )
    made.add_argument(
        "--ulp", type=_steps, metavar="N",
        help="take finite floats of one dtype for the same if they are at most N ULPs apart",
    )  # fmt: skip
    made.add_argument(
        "--nan-differs", action="store_true", help="let a NaN differ from any other, and itself"
    )
    made.add_argument("--tensor", metavar="INDEX|NAME", help="compare only this one of the tensors")
    made.add_argument(
        "--all", action="store_true",
        help="list tensors that are the same, too, and have details of any number of others",
    )  # fmt: skip
    short = made.add_mutually_exclusive_group()
    short.add_argument(
        "-q", "--quiet", action="store_true", help="say only that they differ, if they do"
    )
    add_json(short, "an object")
    add_lenient(made)
    add_color(made)
    return made


def run(options: Namespace) -> int:
    """Compare, print what differs and give the exit code."""
    if options.a == options.b == STDIN:
        parser().error("A and B: only one of them can be stdin")
    report = Report()
    try:
        found = _compare(options)
    except (TSRError, OSError, MemoryError) as error:
        report.add(error)
        return TROUBLE
    if options.json:
        print(json_text(found, (options.a, options.b), options.all))
    elif options.quiet:
        if not found.equal:
            print(printable(f"{label(options.a)} and {label(options.b)} differ"))
    else:
        print_comparison(found, (options.a, options.b), options.all, options.color)
    return SAME if found.equal else DIFFERENT


def _compare(options: Namespace) -> Comparison:
    from tsr.comparison import compare

    with progress_bar() as bar:

        def progress(done: int, total: int, name: str) -> None:
            if bar is not None:
                bar(done >> 20, total >> 20, f"MiB {name}")

        return compare(
            opened(options.a),
            opened(options.b),
            rtol=options.rtol,
            atol=options.atol,
            ulp=options.ulp,
            equal_nan=False if options.nan_differs else None,
            tensor=options.tensor,
            strict=not options.lenient,
            progress=progress,
        )


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"got {text!r}, expected a number from 0 up")
    return value


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**64:
        raise ArgumentTypeError(f"got {text!r}, expected a whole number from 0 up")
    return int(text)
