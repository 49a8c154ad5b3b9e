"""``tsr info``: paths -> what the headers of the files say. Payloads stay untouched; no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_color, add_json, add_lenient, add_paths, command_parser
from tsr.cli.inputs import expand, label, opened
from tsr.cli.output import print_json, print_table, printable
from tsr.cli.progress import progress_bar
from tsr.cli.report import Report
from tsr.contents import read_layout
from tsr.layout import TSR4_RAW, TSR4_ZLIB

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from tsr.container import TensorInfo
    from tsr.contents import Layout

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Show what the headers of files say. Of one file a listing, with a table of the tensors of a TSR4
file; of many files a table with a row for each tensor.

JSON: an object for each file. TSR v1: path, format, dtype, shape, elements, payload_bytes and
payload_offset. TSR4: path, format, mode ("raw" or "zlib") and tensors, a list of objects with
dtype to payload_offset like those and stored_bytes and crc32, which is a number."""

_EXAMPLES = """\
  tsr info weights.tsr
  tsr info runs/ 'more/**/*.tsr'
  tsr info s3://bucket/runs/
  tsr info --json runs/ | jq '.[].shape'"""

_MODES = {TSR4_RAW: "raw", TSR4_ZLIB: "zlib"}


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("info", _DESCRIPTION, _EXAMPLES)
    add_paths(made)
    add_lenient(made)
    add_json(made, "a list of objects")
    add_color(made)
    return made


def run(options: Namespace) -> int:
    """Print what was asked for and give the exit code."""
    report = Report()
    layouts = _layouts(options, report)
    if options.json:
        print_json(_as_object(path, layout) for path, layout in layouts)
        return report.code
    found = list(layouts)
    if len(found) == 1:
        _print_listing(*found[0], options.color)
    elif found:
        _print_files(found, options.color)
    return report.code


def _layouts(options: Namespace, report: Report) -> Iterator[tuple[str, Layout]]:
    paths = list(expand(options.paths, report))
    with progress_bar() as update:
        for number, path in enumerate(paths):
            if update is not None:
                update(number, len(paths), label(path))
            with report.blame(path):
                yield path, read_layout(opened(path), strict=not options.lenient)


def _as_object(path: str, layout: Layout) -> dict[str, Any]:
    start = {"path": path, "format": layout.format}
    tensors = [_facts(info) for info in layout.infos]
    if layout.mode is None:
        return {**start, **tensors[0]}
    for tensor, info in zip(tensors, layout.infos, strict=True):
        tensor.update(stored_bytes=info.stored_nbytes, crc32=info.crc32)
    return {**start, "mode": _MODES[layout.mode], "tensors": tensors}


def _facts(info: TensorInfo) -> dict[str, Any]:
    return {
        "dtype": info.element.name,
        "shape": info.shape,
        "elements": info.size,
        "payload_bytes": info.nbytes,
        "payload_offset": info.offset,
    }


def _print_listing(path: str, layout: Layout, color: str) -> None:
    print(printable(label(path)))
    print(f"  format    {layout.format}")
    if layout.mode is None:
        [info] = layout.infos
        print(f"  dtype     {info.element.name}")
        print(f"  shape     {info.shape}")
        print(f"  elements  {info.size}")
        print(f"  payload   {info.nbytes} bytes at offset {info.offset}")
        return
    nbytes = sum(info.nbytes for info in layout.infos)
    compressed = layout.mode == TSR4_ZLIB
    print(f"  mode      {_MODES[layout.mode]}")
    print(f"  tensors   {len(layout.infos)}")
    print(f"  payload   {nbytes} bytes")
    if compressed:
        stored = sum(info.stored_nbytes for info in layout.infos)
        print(f"  stored    {stored} bytes ({stored / nbytes:.1%})")
    print()
    print_table(
        ("INDEX", *_columns(compressed), "CRC32"),
        [
            (index, *_cells(info, compressed), f"0x{info.crc32:08x}")
            for index, info in enumerate(layout.infos)
        ],
        color=color,
    )


def _print_files(found: list[tuple[str, Layout]], color: str) -> None:
    # A row for each tensor; those of a file with several are told apart by their index.
    compressed = any(layout.mode == TSR4_ZLIB for _, layout in found)
    rows = [
        (name, _format(layout), *_cells(info, compressed))
        for path, layout in found
        for name, info in zip(_names(path, len(layout.infos)), layout.infos, strict=True)
    ]
    infos = [info for _, layout in found for info in layout.infos]
    count = f"{len(found)} files"
    if len(infos) > len(found):
        count += f", {len(infos)} tensors"
    stored = (sum(info.stored_nbytes for info in infos),) if compressed else ()
    total = (
        count, "", "", "", sum(info.size for info in infos), sum(info.nbytes for info in infos),
        *stored, "",
    )  # fmt: skip
    print_table(("PATH", "FORMAT", *_columns(compressed)), rows, total, color)


def _columns(compressed: bool) -> tuple[str, ...]:
    stored = ("STORED",) if compressed else ()
    return ("DTYPE", "SHAPE", "ELEMENTS", "BYTES", *stored, "OFFSET")


def _cells(info: TensorInfo, compressed: bool) -> tuple[str | int, ...]:
    stored = (info.stored_nbytes,) if compressed else ()
    return (info.element.name, str(info.shape), info.size, info.nbytes, *stored, info.offset)


def _names(path: str, count: int) -> list[str]:
    return [label(path)] if count == 1 else [f"{label(path)}[{index}]" for index in range(count)]


def _format(layout: Layout) -> str:
    return f"{layout.format} zlib" if layout.mode == TSR4_ZLIB else layout.format
