"""``tsr dump``: a path -> the values of its tensors, as numpy prints them, as CSV or as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from itertools import islice
from typing import TYPE_CHECKING

from tsr.cli.arguments import add_json, add_lenient, command_parser
from tsr.cli.inputs import opened
from tsr.cli.report import Report
from tsr.errors import TSRError, UnsupportedError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from tsr.tensor_file import TensorFile

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Print the values of a file as numpy does: of a large array only the edges, unless --full. Where
there are several tensors, each has a heading; --tensor picks one. Its checksum is verified
before a tensor is printed, and the first that is broken ends the output.

--csv and --json print every value, with the fewest digits that give the same bits when read
back as the tensor's dtype (a NaN is nan, whatever its payload). They take little memory for a
file of any size; where it is compressed, that of its largest tensor.

CSV: a line for each row along the last axis; for rank 0 and 1, a line for each value; for
rank 3 and 4, each line begins with the row's indices. Without elements, there is no line. There
is room for one tensor only.
JSON: an object with path, dtype, shape and values, nested as the shape says, [] without
elements. What JSON has no number for is a string: "nan", "inf", "-inf". Of several tensors, an
object with path and tensors, a list of objects with dtype, shape and values."""

_EXAMPLES = """\
  tsr dump weights.tsr
  tsr dump --full --precision 3 weights.tsr
  tsr dump --csv --tensor 2 model.tsr > bias.csv
  tsr dump --json - < weights.tsr | jq .values"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("dump", _DESCRIPTION, _EXAMPLES)
    made.add_argument("path", metavar="PATH", help="a file, a URL, or '-' for stdin")
    made.add_argument(
        "--tensor", type=int, metavar="INDEX",
        help="print only this one of the file's tensors: 0 is the first, -1 the last",
    )  # fmt: skip
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
    import tsr

    report = Report()
    with report.blame(options.path):
        file = tsr.open(opened(options.path), strict=not options.lenient)
        indexes = _indexes(file, options)
    if report.code:
        return report.code
    try:
        _print_tensors(file, indexes, options)
    except (TSRError, MemoryError) as error:  # an OSError is one of stdout here
        report.add(error, options.path)
    return report.code


def _indexes(file: TensorFile, options: Namespace) -> Sequence[int]:
    # Which tensors to print.
    count = len(file)
    if options.tensor is not None:
        if not -count <= options.tensor < count:
            raise UnsupportedError(
                f"--tensor: got {options.tensor}, expected {-count} to {count - 1}",
                given=options.tensor,
            )
        return [options.tensor]
    if options.csv and count > 1:
        raise UnsupportedError(
            f"--csv: got {count} tensors, expected one; pick it with --tensor INDEX", given=count
        )
    return range(count)


def _print_tensors(file: TensorFile, indexes: Sequence[int], options: Namespace) -> None:
    # Each is read, and checked, before anything of it is printed, and dropped before the next.
    from tsr.cli.values import csv_text, json_text, numpy_text

    if options.csv:
        _print(csv_text(file[indexes[0]]))
    elif options.json and len(indexes) == 1:
        _print(json_text(file[indexes[0]], options.path))
        print()
    elif options.json:
        before = json.dumps({"path": options.path}).removesuffix("}") + ', "tensors": [\n'
        for index in indexes:
            text = json_text(file[index])
            print(before, end="")
            _print(text)
            before = ",\n"
        print("]}")
    else:
        for index in indexes:
            text = numpy_text(file[index], options.full, options.precision)
            if len(indexes) > 1:
                info = file.infos[index]
                heading = f"tensor {index}: {info.element.name} {info.shape}"
                print(f"\n{heading}" if index else heading)
            _print(text)


def _print(text: Iterator[str]) -> None:
    # Most pieces are short, and where stdout has no buffer each write is a system call.
    while pieces := "".join(islice(text, 64)):
        print(pieces, end="")


def _digits(text: str) -> int:
    # numpy takes no more than fits a C int, and no number has that many.
    if not text.isdecimal() or int(text) > 1000:
        raise ArgumentTypeError(f"got {text!r}, expected 0 to 1000")
    return int(text)
