"""``tsr scan``: paths and URLs of any number of files -> what their headers say, row by row.

Rows are printed as they come, in memory that does not grow. No numpy.
"""

from __future__ import annotations

import csv
import os
import sys
from argparse import ArgumentTypeError
from collections import Counter
from contextlib import closing
from itertools import groupby
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, cast

from tsr.cli.arguments import add_color, add_json, add_lenient, add_paths, command_parser
from tsr.cli.color import paint
from tsr.cli.inputs import STDIN, opened
from tsr.cli.inputs import label as input_label
from tsr.cli.output import aligned, print_bytes, printable, stream_json
from tsr.cli.progress import progress_bar
from tsr.cli.report import INVALID, SYSTEM, Report, say
from tsr.errors import TSRError
from tsr.remote.urls import is_url
from tsr.remote.urls import label as url_label
from tsr.scanning.facts import ERROR, FORMATS, OK, STATUSES
from tsr.scanning.filters import Filter, ShapePattern
from tsr.scanning.scanner import scan_batches, scan_stream
from tsr.scanning.table import COLUMNS, DTYPES

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator, Iterator

    from tsr.cli.progress import Update
    from tsr.scanning.facts import Facts
    from tsr.scanning.scanner import Batch

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Show what the headers of any number of files say, one line a tensor, as they are read. Only headers
are read: 64 bytes of most files. A PATH may also be a URL of a file, a folder or a pattern, as
s3://bucket/run/*.tsr.

A file that breaks a rule of its format has a line too, with the rule; what the system refused is
told on stderr. Filters choose the lines. The exit code is that of all that was read: 1 where a
file is invalid, 2 where one could not be read.

In a pattern for shapes each dimension is a number, * for any, or a name for any that is the same
wherever the name is; ... stands for any number of dimensions.

JSON: a list of objects with path, index (of the tensor in its file), format, dtype, shape, bytes,
status ("ok", "invalid" or "error") and error. CSV has the same columns. A bad file is one object,
with null where something is not known."""

_EXAMPLES = """\
  tsr scan runs/
  tsr scan --dtype float32 --shape '(*, 5)' runs/ 'more/**/*.tsr'
  tsr scan --status invalid --csv weights/ broken.tsr > bad.csv
  tsr scan --json runs/ | jq 'map(.bytes) | add'"""

# Names of the formats for the shell, as `tsr convert --to` has them.
_FORMATS = dict(zip(("v1", "tsr4"), FORMATS, strict=True))

_WIDTHS = {"STATUS": 7, "FORMAT": 6, "DTYPE": 7, "SHAPE": 16, "BYTES": 11}


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("scan", _DESCRIPTION, _EXAMPLES)
    add_paths(made)
    made.add_argument("--format", choices=(*_FORMATS,), help="only tensors in files of this format")
    made.add_argument("--dtype", choices=DTYPES, help="only tensors of this dtype")
    made.add_argument(
        "--shape", type=_shape, metavar="PATTERN", help="only tensors of such a shape: '(N, *, 3)'"
    )
    made.add_argument("--rank", type=_count, help="only tensors of so many dimensions")
    made.add_argument(
        "--min-bytes", type=_count, metavar="N", help="only tensors of N bytes or more"
    )
    made.add_argument(
        "--max-bytes", type=_count, metavar="N", help="only tensors of N bytes or less"
    )
    made.add_argument("--status", choices=STATUSES, help="only files of this status")
    add_lenient(made)
    made.add_argument(
        "-q", "--quiet", action="store_true", help="leave out the lines, but not the summary"
    )
    output = made.add_mutually_exclusive_group()
    add_json(output, "a list of objects")
    output.add_argument("--csv", action="store_true", help="print the rows as CSV")
    add_color(made)
    return made


def run(options: Namespace) -> int:
    """Print the rows and give the exit code."""
    report = Report()
    tally = _Tally(report)
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    with progress_bar() as update, closing(_batches(options, report, update)) as batches:
        rows = tally.counted(batches, _filter(options))
        if options.json:
            _print_json(rows)
        elif options.csv:
            _print_csv(rows, on_terminal)
        else:
            _print_lines(rows, options)
            tally.print_summary()
    return report.code


def _batches(
    options: Namespace, report: Report, update: Update | None
) -> Generator[Batch, None, None]:
    strict = not options.lenient
    for is_stdin, paths in groupby(options.paths, lambda path: path == STDIN):
        if is_stdin:
            for path in paths:
                with report.blame(input_label(path)):
                    yield scan_stream(cast("IO[bytes]", opened(path)), path, strict)
        else:
            try:
                yield from scan_batches(list(paths), strict=strict, progress=update)
            except TSRError as error:  # of a package that is not there
                report.add(error)


# ------------------------------------------------------------------ rows


class _Tally:
    # Counts what was scanned and what of it is shown, and marks the exit code.

    def __init__(self, report: Report) -> None:
        self._report = report
        self._files: Counter[str] = Counter()
        self._tensors = self._rows = self._shown = 0
        self._nbytes = 0

    def counted(self, batches: Iterator[Batch], chosen: Filter) -> Iterator[list[_Row]]:
        for batch in batches:
            passing = {facts: chosen.passes(facts) for facts in set(batch.facts)}
            rows = list(zip(*batch, strict=True))
            for _, index, facts in rows:
                self._count(index, facts)
            shown = [row for row in rows if passing[row[2]]]
            self._shown += len(shown)
            yield shown

    def _count(self, index: int, facts: Facts) -> None:
        self._rows += 1
        if facts.status == OK:
            self._tensors += 1
            self._nbytes += facts.nbytes
        else:
            self._report.mark(SYSTEM if facts.status == ERROR else INVALID)
        if index == 0:
            self._files[facts.status] += 1

    def print_summary(self) -> None:
        # One row says it all, and of what could not be read stderr has told.
        if self._files.keys() <= {ERROR} or self._rows == self._shown == 1:
            return
        count = sum(self._files.values())
        states = ", ".join(f"{self._files[status]:,} {status}" for status in STATUSES)
        line = f"{count:,} files: {states}; {self._tensors:,} tensors of {self._nbytes:,} bytes"
        rows = "1 row" if self._shown == 1 else f"{self._shown:,} rows"
        print(line if self._shown == self._rows else f"{line}; {rows} shown")


_Row = tuple[str, int, "Facts"]


# ------------------------------------------------------------------ printing


def _print_lines(batches: Iterator[list[_Row]], options: Namespace) -> None:
    headed = options.quiet
    for rows in batches:
        for path, index, facts in rows:
            if facts.status == ERROR:
                say(OSError(facts.error), _label(path))
                continue
            if options.quiet:
                continue
            if not headed:
                print(paint(_line(*_WIDTHS, "PATH"), "bold", options.color))
                headed = True
            print(printable(_row(_label(path), index, facts)))


def _row(path: str, index: int, facts: Facts) -> str:
    if facts.status != OK:
        return _line(facts.status, facts.format or "", "", "", "", f"{path}: {facts.error}")
    name = f"{path}[{index}]" if facts.format == _FORMATS["tsr4"] else path
    return _line(
        facts.status, str(facts.format), str(facts.dtype), str(facts.shape), str(facts.nbytes), name
    )


def _line(*cells: str) -> str:
    *columns, last = cells
    padded = [
        aligned(cell, width, right=name == "BYTES")
        for cell, (name, width) in zip(columns, _WIDTHS.items(), strict=True)
    ]
    return "  ".join([*padded, last])


def _label(path: str) -> str:
    return url_label(path) if is_url(path) else input_label(path)


def _print_json(batches: Iterator[list[_Row]]) -> None:
    stream_json(dict(zip(COLUMNS, _values(*row), strict=True)) for rows in batches for row in rows)


def _print_csv(batches: Iterator[list[_Row]], on_terminal: bool) -> None:
    def put(values: list[Any]) -> None:
        lines: list[str] = []
        # With this end of lines a name with a lone \r gets quotes in every version of Python.
        end = "\r\n"
        csv.writer(SimpleNamespace(write=lines.append), lineterminator=end).writerows(values)
        lines = [line.removesuffix(end) for line in lines]
        if on_terminal:
            for line in lines:
                print(printable(line))
        else:
            print_bytes(os.fsencode("".join(f"{line}\n" for line in lines)))

    put([COLUMNS])
    for rows in batches:
        put([_values(*row) for row in rows])


def _values(path: str, index: int, facts: Facts) -> tuple[Any, ...]:
    known = facts.status == OK
    nbytes = facts.nbytes if known else None
    return (
        path, index, facts.format, facts.dtype, facts.shape, nbytes, facts.status, facts.error,
    )  # fmt: skip


# ------------------------------------------------------------------ arguments


def _filter(options: Namespace) -> Filter:
    return Filter(
        format=_FORMATS.get(options.format), dtype=options.dtype, status=options.status,
        shape=options.shape, rank=options.rank, min_bytes=options.min_bytes,
        max_bytes=options.max_bytes,
    )  # fmt: skip


def _shape(text: str) -> ShapePattern:
    try:
        return ShapePattern(text)
    except TSRError as error:
        raise ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"got {text!r}, expected a number of 0 or more")
    return int(text)
