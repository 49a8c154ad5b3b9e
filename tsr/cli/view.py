"""``tsr view``: paths -> pictures, histograms and statistics of the tensors in the files."""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any

from tsr.atomic import check_free
from tsr.cli.arguments import add_color, add_json, add_lenient, add_paths, command_parser
from tsr.cli.inputs import STDIN, expand, label, opened, refuse_urls
from tsr.cli.output import print_bytes, print_json, printable
from tsr.cli.progress import progress_bar
from tsr.cli.report import Report
from tsr.cli.viewing.slices import parse_slice
from tsr.errors import ConversionError, UnsupportedError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from tsr.cli.viewing.look import Look
    from tsr.converters.reading import NamedTensor, Reading

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Show what is in files of any format that 'tsr convert' reads. Of one tensor a picture, a histogram
and statistics, fitted to the window; of several tensors a table with a row for each, with its
histogram in small, from which --tensor picks one.

The picture is of the last two axes, rows and columns; of more axes the first of the matrices that
they make up is drawn, and --slice picks another. Where there is no room for all elements, a cell
of the picture is the mean of several; one with a NaN or an infinity in it is marked all the same.
Colours go from the smallest mean to the largest, or where these have both signs, from blue over
white for 0 to red. Where stdout is no terminal, characters stand for colours.

Of a large tensor a sample is looked at, the same each time, unless --exact; what was looked at is
told. The checksum of such a tensor is not verified.

JSON: a list with an object for each tensor: path, format, index, name, dtype, shape, slice,
statistics and histogram. Where a picture would be shown, a picture of up to 32 x 64 cells too:
the edges between cells, each cell's mean, or null without finite elements, and how many elements
of which kind are not finite."""

_EXAMPLES = """\
  tsr view weights.tsr
  tsr view --slice 0,3 images.tsr
  tsr view --tensor layer1/weight --range -0.5 0.5 model.safetensors
  tsr view model/ 'more/*.npy'
  tsr view --json weights.tsr | jq '.[].statistics'
  tsr view --html page.html model.tsr"""

# How many elements are looked at of a tensor that is shown, and of one in a table.
LIMIT = 1 << 20
LIMIT_IN_TABLE = 1 << 18

# What begins like a negative number is one: no option does.
_NUMBER = re.compile(r"-\.?\d")

# Cells of the picture in JSON: as many whatever the window.
JSON_ROWS, JSON_COLUMNS = 32, 64

# Bins of a histogram in a row of a table, and in JSON.
_BINS_IN_TABLE = 12
_BINS = 64


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("view", _DESCRIPTION, _EXAMPLES)
    add_paths(made)
    made.add_argument(
        "--tensor", metavar="INDEX|NAME",
        help="show only this tensor of a file: 0 is the first, -1 the last",
    )  # fmt: skip
    made.add_argument(
        "--slice", type=parse_slice, metavar="INDICES",
        help="show only this part of the tensor, in numpy's manner: 0,3 or 0,:,-1,10:20 or ...,0; "
        "--slice=-1 where it begins with a minus",
    )  # fmt: skip
    made.add_argument(
        "--range", nargs=2, type=float, metavar=("LOW", "HIGH"),
        help="have the colours go from LOW to HIGH",
    )  # fmt: skip
    made._negative_number_matcher = _NUMBER  # argparse's own takes -1e3 for an option
    made.add_argument(
        "--robust", action="store_true",
        help="have the colours leave out the 2 %% of cells with the smallest means, and with the "
        "largest",
    )  # fmt: skip
    made.add_argument("--exact", action="store_true", help="look at every element, however many")
    made.add_argument(
        "--html",
        metavar="OUT",
        help="write a page for a browser, with all tensors, to this file, or to stdout for '-'",
    )
    made.add_argument("-f", "--force", action="store_true", help="let --html replace a file")
    add_lenient(made)
    add_color(made)
    add_json(made, "a list of objects")
    return made


def run(options: Namespace) -> int:
    """Show what was asked for and give the exit code."""
    if options.range is not None and not -inf < options.range[0] < options.range[1] < inf:
        parser().error("--range: got {} {}, expected LOW less than HIGH".format(*options.range))
    report = Report()
    if options.html is not None:
        return _write_page(options, report)
    with report.blame("--color"):
        from tsr.cli.spans import color_console

        out = None if options.json else color_console(options.color)
    if report.code:
        return report.code
    seen = _looks(options, report)
    if options.json:
        print_json(_as_object(*one) for one in seen)
        return report.code
    from tsr.cli.viewing.listing import row
    from tsr.cli.viewing.screen import show, show_table

    rows = []
    for path, reading, one, in_table in seen:
        if in_table:
            tensor = one.tensor
            name = tensor.name if reading.named else ""
            rows.append(
                row(label(path), tensor.index, name, tensor.dtype, tensor.shape, one.statistics)
            )
        else:
            show(path, reading, one, options, out)
    if rows:
        show_table(rows, out)
    return report.code


def _write_page(options: Namespace, report: Report) -> int:
    # The page shows what is invalid too, so files go there as they are.
    for name in ("tensor", "slice", "range", "robust", "exact", "json"):
        if getattr(options, name) not in (None, False):
            parser().error(f"--html has all in the page to choose from: no --{name}")
    if options.lenient:
        parser().error("--html tells what is wrong in the page: no --lenient")
    if _is_of_tensors(options.html):  # as where '--html *.tsr' became --html a.tsr b.tsr
        parser().error(f"--html: got {printable(options.html)}, expected a name like page.html")
    with report.blame(options.html):
        refuse_urls("--html", options.html)
        if options.html != STDIN:
            check_free(options.html, options.force, "--force")
    if report.code:
        return report.code
    sources = []
    for path in expand(options.paths, report):
        with report.blame(path):
            _check_suffix(path)
            sources.append((label(path), opened(path)))
    if report.code:
        return report.code
    from tsr.page import build_page, write_page

    names, files = zip(*sources, strict=True)
    with report.blame(options.html):
        if options.html == STDIN:
            print_bytes(build_page(files, names=names).encode())
            return 0
        write_page(options.html, files, names=names)
        print(printable(f"{', '.join(names)} -> {options.html}"))
    return report.code


def _check_suffix(path: str) -> None:
    # The page reads .tsr files, and tells what is wrong with what is none; of other formats it
    # would say no more than that.
    from tsr.converters.registry import suffix_of

    suffix = suffix_of(path)
    if suffix != ".tsr" and _is_of_tensors(path):
        raise ConversionError(
            f"a page shows .tsr files, not {suffix}: 'tsr convert' makes one", path=path
        )


def _is_of_tensors(path: str) -> bool:
    # Whether files that are called so hold tensors, by the suffix.
    from tsr.converters.registry import find_format, suffix_of

    suffix = suffix_of(path)
    return suffix != "" and find_format(suffix) is not None


def _looks(options: Namespace, report: Report) -> Iterator[tuple[str, Reading, Look, bool]]:
    # Each tensor that was looked at, and whether it is to be a row of a table.
    from tsr.converters.reading import open_tensors

    paths = list(expand(options.paths, report))
    picks = options.tensor is not None or options.slice is not None
    for path in paths:
        with (
            report.blame(path),
            open_tensors(opened(path), strict=not options.lenient) as reading,
        ):
            chosen = _chosen(reading, options)
            in_table = len(chosen) > 1 or (len(paths) > 1 and not picks)
            # What is shown at once must not meet with a bar.
            with progress_bar() as progress:
                for done, tensor in enumerate(chosen):
                    if progress is not None and len(chosen) > 1:
                        progress(done, len(chosen), tensor.name or label(path))
                    one = _look(path, reading, tensor, in_table, options, report)
                    if one is not None and in_table:
                        yield path, reading, one, True
            if one is not None and not in_table:
                yield path, reading, one, False


def _look(
    path: str, reading: Reading, tensor: NamedTensor, in_table: bool, options: Namespace,
    report: Report,
) -> Look | None:  # fmt: skip
    from tsr.cli.viewing.look import look
    from tsr.cli.viewing.screen import bins

    limit = LIMIT_IN_TABLE if in_table else LIMIT
    with report.blame(f"{label(path)}: {tensor.name}" if tensor.name else path):
        return look(
            reading, tensor, options.slice or (), limit=None if options.exact else limit,
            bins=_BINS if options.json else _BINS_IN_TABLE if in_table else bins(),
            strict=not options.lenient,
        )  # fmt: skip
    return None


def _chosen(reading: Reading, options: Namespace) -> Sequence[NamedTensor]:
    # The tensors of a file that are asked for.
    from tsr.converters.reading import no_such_tensor

    if not len(reading):
        raise ConversionError("holds no tensors", path=reading.path)
    if options.tensor is not None:
        found = reading.find(options.tensor)
        if found is None:
            raise no_such_tensor("--tensor", options.tensor, reading)
        return [found]
    if options.slice is not None and len(reading) > 1:
        raise UnsupportedError(
            f"--slice: got {len(reading)} tensors, expected one; pick it with --tensor INDEX",
            given=len(reading),
        )
    return reading


def _as_object(path: str, reading: Reading, one: Look, in_table: bool) -> dict[str, Any]:
    drawn = not in_table and one.values.size
    picture = one.picture(JSON_ROWS, JSON_COLUMNS) if drawn else None
    return {"path": path, "format": reading.format, **one.as_object(picture)}
