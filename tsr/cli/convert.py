"""``tsr convert``: paths -> files of another format, and a line for each one made."""

from __future__ import annotations

import os
import sys
import warnings
from argparse import ArgumentTypeError
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_json, add_lenient, command_parser
from tsr.cli.inputs import is_remote_folder, label, matches
from tsr.cli.output import print_json, printable
from tsr.cli.progress import progress_bar
from tsr.cli.report import Report, say
from tsr.errors import ConversionError, ConversionWarning, TSRError, UnsupportedError
from tsr.remote import urls
from tsr.remote.urls import is_url, join, local_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from tsr.converters import Conversion

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Convert tensors between .tsr, .npy, .npz, .pt, .pth, .safetensors and .h5 files, bit for bit:
what the target has no place for is refused, and the refusal names the option that lets it go.

A .tsr file is read in either format, TSR v1 or TSR4, and written as TSR v1, or with --to tsr4 as
TSR4: several tensors in one file, without names and with four dimensions each. --names keeps the
rest in a file beside it, without which its loss is warned of.

A file with tensors by name becomes a folder of .tsr files, and such a folder becomes one file
again. Another folder has each file in it converted, and those of the folders in it; a symbolic
link to a folder is an error there. DST is what to write; an existing folder, or one with a / at
its end, is where to write. Where there are several SRC, DST is always a folder, in which those
with several tensors get one each. Any of them may be a URL.

--dask has the workers of a dask cluster convert a folder, of any size: at an address such as
tcp://host:8786, or on this machine, with local. What was done is in DST/.tsr-convert.jsonl, and the
same command again goes on where it was cut off, and does what has changed or failed.

JSON: an object for each file or folder that was made, with source, destination and how many
tensors it holds."""

_EXAMPLES = """\
  tsr convert x.npy x.tsr
  tsr convert model.pt model/
  tsr convert model/ model.safetensors
  tsr convert --to tsr4 --zlib --names model.json model.pt model.tsr
  tsr convert --names model.json model.tsr model.npz
  tsr convert --cast float64=float32 --lossy x.npy x.tsr
  tsr convert --to npy 'runs/*.tsr' arrays/
  tsr convert s3://bucket/x.npy s3://bucket/x.tsr
  tsr convert --dask tcp://head:8786 --to npy /data/runs /data/arrays"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("convert", _DESCRIPTION, _EXAMPLES)
    made.add_argument(
        "sources", nargs="+", metavar="SRC", help="a file, folder, quoted pattern or URL"
    )
    made.add_argument("destination", metavar="DST", help="the file or folder to write, or a URL")
    made.add_argument(
        "--to", metavar="SUFFIX",
        help="the format to write, where DST does not say it (default: tsr); tsr4 for .tsr files "
        "that hold several tensors",
    )  # fmt: skip
    made.add_argument(
        "--cast", action="append", default=[], metavar="[FROM=]DTYPE",
        help="convert to float32, int8 or int32, for tsr4 float16 too, what the target has no "
        "dtype for, or exactly what has the dtype FROM; the latter may be given again, or several "
        "with commas between; refused where a value would change",
    )  # fmt: skip
    made.add_argument(
        "--lossy", action="store_true",
        help="let go what has no place in the target: exact values, scalars, nesting, metadata",
    )  # fmt: skip
    made.add_argument(
        "--dataset", metavar="NAME",
        help="take only this entry of the source, of a tsr4 file the one with this index; of a "
        "single array, its name in the target",
    )  # fmt: skip
    made.add_argument(
        "--names", metavar="FILE",
        help="JSON to write with a tsr4 file, or to read with one: names, nesting, scalars, "
        "metadata and shapes, which that has no place for",
    )  # fmt: skip
    made.add_argument("--zlib", action="store_true", help="compress the tensors of tsr4 files")
    made.add_argument(
        "-f", "--force", "--overwrite", dest="overwrite", action="store_true",
        help="replace what exists",
    )  # fmt: skip
    made.add_argument(
        "--durable", action="store_true", help="have each file survive a loss of power"
    )
    made.add_argument(
        "--dask", metavar="ADDRESS",
        help="have the workers of this cluster convert the folder SRC, or those of this machine: "
        "local",
    )  # fmt: skip
    made.add_argument(
        "--batch", type=_count, metavar="N",
        help="files that a worker is given at once, with --dask (default: up to 500)",
    )  # fmt: skip
    add_lenient(made)
    add_json(made, "a list of objects, one for each that was made,")
    return made


def run(options: Namespace) -> int:
    """Convert, print what was made and give the exit code."""
    arguments = {
        "to": options.to,
        "cast": _cast(options.cast),
        "lossy": options.lossy,
        "dataset": options.dataset,
        "strict": not options.lenient,
        "overwrite": options.overwrite,
        "names": options.names,
        "compress": options.zlib,
        "durable": options.durable or None,
    }
    report = Report()
    if options.dask is None:
        if options.batch is not None:
            parser().error("--batch: goes with --dask")
        made = _conversions(options, arguments, report)
    else:
        made = _by_cluster(options, arguments, report)
    if options.json:
        print_json(
            {"source": one.source, "destination": one.destination, "tensors": one.tensors}
            for one in made
        )
        return report.code
    for one in made:
        count = f" ({one.tensors} tensors)" if one.tensors != 1 else ""
        print(printable(f"{label(one.source)} -> {label(str(one.destination))}{count}"))
    return report.code


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"got {text!r}, expected a number above 0")
    return number


def _cast(given: list[str]) -> str | dict[str, str] | None:
    # A single dtype, or a dtype for each that is named.
    parts = [part for argument in given for part in argument.split(",")]
    pairs = dict(part.split("=", 1) for part in parts if "=" in part)
    if len(pairs) == len(parts):
        return pairs or None
    if len(parts) > 1:
        parser().error("--cast: expected one DTYPE, or FROM=DTYPE once for each FROM")
    return parts[0]


def _conversions(
    options: Namespace, arguments: dict[str, Any], report: Report
) -> Iterator[Conversion]:
    # Each that was made; what was not goes to the report.
    import tsr

    for source, destination in _pairs(options, report):
        with report.blame(source):
            try:
                with _told_warnings(), progress_bar() as progress:
                    results = tsr.convert(
                        source, destination, **arguments, on_error="report", progress=progress
                    )
            except UnsupportedError as error:  # an option is wrong, for any source
                report.add(error)
                return
            for one in results:
                if one.error is None:
                    yield one
                else:
                    report.add(one.error, one.source)


def _by_cluster(
    options: Namespace, arguments: dict[str, Any], report: Report
) -> Iterator[Conversion]:
    # The same for a folder that the workers of a cluster convert; what was done stands at the end.
    if len(options.sources) > 1 or arguments.pop("names") is not None:
        parser().error("--dask: expected one SRC, a folder, and no --names")
    from tsr.dask.conversion import PATIENCE, Summary, convert_folder

    summary = Summary()
    with report.blame(options.sources[0]):
        with progress_bar() as progress:
            results = convert_folder(
                options.sources[0], options.destination, summary, client=options.dask,
                files_per_task=options.batch, resume=True, patience=PATIENCE, progress=progress,
                **arguments,
            )  # fmt: skip
            with closing(results):
                for one in results:
                    if one.error is None:
                        yield one
        # At the end, where many lines above do not hide them.
        for one in summary.failed:
            report.add(one.error or ConversionError("was not converted"), one.source)
        if summary.warnings:
            more = f" (and {summary.warnings - 1} more)" if summary.warnings > 1 else ""
            say(Warning(summary.warning + more))
        counts = f"{summary.converted} converted, {summary.skipped} done before"
        print(f"tsr: {counts}, {len(summary.failed)} failed", file=sys.stderr)


@contextmanager
def _told_warnings() -> Iterator[None]:
    # Warnings are lines like those of errors, told when the block ends.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        try:
            yield
        finally:
            for warning in caught:
                say(Warning(str(warning.message)))


def _pairs(options: Namespace, report: Report) -> Iterator[tuple[str, str]]:
    # Each source and its destination.
    sources = [path for argument in options.sources for path in matches(argument, report)]
    if len(options.sources) == 1 and sources == [_local(options.sources[0])]:
        yield sources[0], options.destination
        return
    if options.names is not None:
        parser().error("--names: expected one SRC, whose tensors have these names")
    _check_folder(options.destination)
    writers: dict[tuple[str, str], str] = {}  # by place and name
    for source in sources:
        place = _place(source, options.destination, options.to)
        writer = writers.setdefault(place, source)
        if writer == source:
            yield source, place[0]
        else:
            message = f"would be written to the same place as {label(writer)}"
            report.add(ConversionError(message, path=label(source)))


def _local(argument: str) -> str:
    # A URL of file:// is the path in it.
    local = local_path(argument) if is_url(argument) else None
    return argument if local is None else local


def _check_folder(path: str) -> None:
    # Several sources go to a folder, which nobody calls like a file by intent.
    from tsr.converters.registry import find_format, suffix_of

    suffix = suffix_of(path)
    is_folder = path.endswith("/") or os.path.isdir(path)
    if suffix and not is_folder and find_format(suffix):
        parser().error(f"DST: several SRC go to a folder: {path}/, with a / at its end")


def _place(source: str, folder: str, to: str | None) -> tuple[str, str]:
    # The folder that one of several sources goes to, and its name there.
    if is_url(source):
        name, is_folder = urls.basename(source), is_remote_folder(source)
    else:
        name, is_folder = os.path.basename(os.path.abspath(source)), os.path.isdir(source)
    stem, suffix = (name, "") if is_folder else os.path.splitext(name)
    if to is not None and to.lower() not in ("tsr", ".tsr"):
        shared = not is_folder or _has_listing(source)
    else:
        shared = _is_single(source, suffix.lower())  # a file suffices
    if is_url(folder):
        return (folder.rstrip("/") if shared else join(folder, stem)) + "/", stem
    return os.path.join(folder, "" if shared else stem, ""), stem


def _has_listing(folder: str) -> bool:
    if is_url(folder):
        from tsr.remote import exists

        return exists(join(folder, "tensors.json"))
    return os.path.exists(os.path.join(folder, "tensors.json"))


def _is_single(source: str, suffix: str) -> bool:
    # Whether a file holds one array without a name, as far as that is known before it is read.
    if suffix != ".tsr":
        return suffix == ".npy"
    from tsr.contents import read_layout

    try:
        return len(read_layout(source, strict=False).infos) == 1
    except (TSRError, OSError):
        return True  # why it cannot be read is told when it is converted
