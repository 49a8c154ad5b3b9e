"""``tsr info``: paths -> what the headers of the files say. Payloads stay untouched; no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_json, add_lenient, add_paths, command_parser
from tsr.cli.inputs import expand, label, opened
from tsr.cli.output import print_json, print_table, printable
from tsr.cli.report import Report
from tsr.source import read_header

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from tsr.header import Header

__all__ = ["parser", "run"]

_EXAMPLES = """\
  tsr info weights.tsr
  tsr info runs/ 'more/**/*.tsr'
  tsr info --json runs/ | jq '.[].shape'"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser(
        "info", "Show what the headers of files say: a table for many files.", _EXAMPLES
    )
    add_paths(made)
    add_lenient(made)
    add_json(made, "a list of objects")
    return made


def run(options: Namespace) -> int:
    """Print what was asked for and give the exit code."""
    report = Report()
    headers = _headers(options, report)
    if options.json:
        print_json(_as_object(path, header) for path, header in headers)
        return report.code
    found = list(headers)
    if len(found) == 1:
        _print_listing(*found[0])
    elif found:
        _print_headers(found)
    return report.code


def _headers(options: Namespace, report: Report) -> Iterator[tuple[str, Header]]:
    for path in expand(options.paths, report):
        with report.blame(path):
            yield path, read_header(opened(path), strict=not options.lenient)


def _as_object(path: str, header: Header) -> dict[str, Any]:
    return {
        "path": path,
        "format": _format(header),
        "dtype": header.element.name,
        "shape": header.shape,
        "elements": header.size,
        "payload_bytes": header.nbytes,
        "payload_offset": header.payload_offset,
    }


def _print_listing(path: str, header: Header) -> None:
    print(printable(label(path)))
    print(f"  format    {_format(header)}")
    print(f"  dtype     {header.element.name}")
    print(f"  shape     {header.shape}")
    print(f"  elements  {header.size}")
    print(f"  payload   {header.nbytes} bytes at offset {header.payload_offset}")


def _print_headers(found: list[tuple[str, Header]]) -> None:
    columns = ("PATH", "FORMAT", "DTYPE", "SHAPE", "ELEMENTS", "BYTES", "OFFSET")
    rows = [
        (label(path), _format(header), header.element.name, str(header.shape),
         header.size, header.nbytes, header.payload_offset)
        for path, header in found
    ]  # fmt: skip
    elements = sum(header.size for _, header in found)
    nbytes = sum(header.nbytes for _, header in found)
    print_table(columns, rows, (f"{len(found)} files", "", "", "", elements, nbytes, ""))


def _format(header: Header) -> str:
    return f"TSR v{header.version}"
