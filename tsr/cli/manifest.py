"""``tsr manifest``: a folder -> the SHA-256 of every file in it, and later whether they hold still.

The manifest is what ``sha256sum`` writes and checks. It is written whole or not at all. Names in
it that lead out of its folder are refused. No numpy.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from contextlib import closing, nullcontext
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from tsr.atomic import AtomicFile, check_free
from tsr.cli.arguments import add_color, add_json, command_parser
from tsr.cli.checksum import print_line
from tsr.cli.color import paint
from tsr.cli.inputs import STDIN, label, opened, refuse_urls, total_size
from tsr.cli.output import print_json, printable
from tsr.cli.progress import progress_bar, tally
from tsr.cli.report import INVALID, Report
from tsr.digests import DigestLineError, digest_line, file_digests, read_digest_lines
from tsr.errors import UnsupportedError
from tsr.source import open_regular

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager

    from tsr.digests import Digest

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Write down the SHA-256 of all files in a folder and the folders in it, hidden ones too, in the
form that sha256sum --check takes. A symbolic link to a folder is an error.

--check reads the files again and tells for each whether it is the same (OK), another (FAILED),
missing, unreadable, or extra: not in the manifest. All but OK count for the exit code, which is
1 then. A name that leads out of the folder is refused, as is a line that is none of sha256sum.

JSON: a list of objects. Written: manifest, files and bytes. Checked: name; status, in small
letters; expected and found, digests or null."""

_EXAMPLES = """\
  tsr manifest weights/
  tsr manifest --check weights/
  tsr manifest --force -o weights.sha256 weights/
  tsr manifest --check --root weights/ weights.sha256
  tsr manifest --check --quiet --json weights/ | jq -r '.[].name'"""

_NAME = "SHA256SUMS"

OK = "OK"
FAILED = "FAILED"
MISSING = "missing"
UNREADABLE = "unreadable"
EXTRA = "extra"
_STYLES = {OK: "green", FAILED: "red", MISSING: "red", UNREADABLE: "red", EXTRA: "yellow"}


class _Outcome(NamedTuple):
    name: str
    status: str
    expected: str | None
    found: str | None


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("manifest", _DESCRIPTION, _EXAMPLES)
    made.add_argument(
        "path", nargs="?", default=".", metavar="PATH",
        help=f"a folder; with --check, where {_NAME} is, or another manifest, or '-' for one on "
        "stdin (default: the current folder)",
    )  # fmt: skip
    made.add_argument("--check", action="store_true", help="check what a manifest says")
    made.add_argument(
        "-o", "--output", metavar="OUT",
        help=f"where to write (default: {_NAME} in the folder), '-' for stdout",
    )  # fmt: skip
    made.add_argument("-f", "--force", action="store_true", help="replace what exists")
    made.add_argument(
        "--root", metavar="FOLDER",
        help="with --check: the folder that the names are in (default: that of the manifest)",
    )  # fmt: skip
    made.add_argument(
        "--allow-extra", action="store_true",
        help="with --check: say nothing of files that are not in the manifest",
    )  # fmt: skip
    made.add_argument(
        "-q", "--quiet", action="store_true", help="leave out what is OK and the summary"
    )
    add_json(made, "a list of objects")
    add_color(made)
    return made


def run(options: Namespace) -> int:
    """Write or check, print what came of it and give the exit code."""
    if options.check and (options.output is not None or options.force):
        parser().error("--check writes nothing: no --output, no --force")
    if not options.check and (options.root is not None or options.allow_extra):
        parser().error("--root and --allow-extra: expected --check")
    if options.json and options.output == STDIN:
        parser().error("--json: the manifest goes to stdout")
    report = Report()
    with report.blame(label(options.path)):
        refuse_urls("tsr manifest", options.path, options.output, options.root)
    if report.code:
        return report.code
    return _check(options) if options.check else _write(options)


# ------------------------------------------------------------------ write


def _write(options: Namespace) -> int:
    report = Report()
    folder = options.path
    target = os.path.join(folder, _NAME) if options.output is None else options.output
    _check_free(target, options.force)
    if options.output is not None:
        _check_place(target)
    names = sorted(_names(folder, report) - _own_names(folder, target, "stdout"), key=os.fsencode)
    for name in names:
        if os.path.isdir(os.path.join(folder, name)):
            error = UnsupportedError("a symbolic link to a folder, which is not followed")
            report.add(error, os.path.join(folder, name))
    if not names and not report.code:
        raise FileNotFoundError(errno.ENOENT, "No file in this folder", folder)
    if report.code:
        return report.code
    digests = []
    with closing(_results(folder, names)) as results:
        for name, result in zip(names, results, strict=True):
            with report.blame(os.path.join(folder, name)):
                digests.append(_raised(result))
    if report.code:
        return report.code
    lines = [
        digest_line(digest.sha256, os.fsencode(name))
        for name, digest in zip(names, digests, strict=True)
    ]
    if target == STDIN:
        for line in lines:
            print_line(line)
        return 0
    _check_free(target, options.force)  # time has passed
    with AtomicFile(target) as file:
        file.write(b"".join(lines))
    nbytes = sum(digest.size for digest in digests)
    if options.json:
        print_json([{"manifest": target, "files": len(lines), "bytes": nbytes}])
    elif not options.quiet:
        files = "1 file" if len(lines) == 1 else f"{len(lines)} files"
        print(printable(f"{target}: {files}, {nbytes} bytes"))
    return 0


def _check_free(target: str, force: bool) -> None:
    if target != STDIN:
        check_free(target, force, "--force")


def _check_place(target: str) -> None:
    # What would stop the writing in the end is told before all files are read.
    folder = os.path.dirname(os.path.realpath(target))
    if target != STDIN and not os.path.isdir(folder):
        code = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
        raise OSError(code, os.strerror(code), target)


# ------------------------------------------------------------------ check


def _check(options: Namespace) -> int:
    report = Report()
    counts: Counter[str] = Counter()
    with closing(_outcomes(options, report)) as outcomes:
        shown = _counted(outcomes, counts, options.quiet)
        if options.json:
            print_json({**one._asdict(), "status": one.status.lower()} for one in shown)
            return report.code
        for outcome in shown:
            status = paint(outcome.status, _STYLES[outcome.status], options.color)
            print(f"{printable(outcome.name)}: {status}")
        if sum(counts.values()) > 1 and not options.quiet:
            listing = ", ".join(
                f"{counts[status]} {status}" for status in _STYLES if counts[status]
            )
            print(f"{sum(counts.values())} files: {listing}")
    return report.code


def _counted(
    outcomes: Iterator[_Outcome], counts: Counter[str], quiet: bool
) -> Generator[_Outcome, None, None]:
    for outcome in outcomes:
        counts[outcome.status] += 1
        if outcome.status != OK or not quiet:
            yield outcome


def _outcomes(options: Namespace, report: Report) -> Generator[_Outcome, None, None]:
    # In the order of the manifest, and then what it does not name.
    manifest = options.path
    if manifest != STDIN and os.path.isdir(manifest):
        manifest = os.path.join(manifest, _NAME)
    folder = os.path.dirname(manifest) if options.root is None else options.root
    entries: list[tuple[str, str]] = []
    with report.blame(label(manifest)):
        entries.extend(_entries(manifest, report))
    if not entries:
        return  # nothing can be said of the files
    present = _names(folder, report)
    with closing(_results(folder, [name for name, _ in entries if name in present])) as results:
        for name, expected in entries:
            if name not in present:
                outcome = _absent(folder, name, expected, report)
            else:
                outcome = _compared(folder, name, expected, next(results), report)
            if outcome.status != OK:
                report.mark(INVALID)
            yield outcome
    if options.allow_extra:
        return
    extra = present.difference((name for name, _ in entries), _own_names(folder, manifest, "stdin"))
    for name in sorted(extra, key=os.fsencode):
        report.mark(INVALID)
        yield _Outcome(name, EXTRA, None, None)


def _absent(folder: str, name: str, expected: str, report: Report) -> _Outcome:
    path = os.path.join(folder, name)
    if not os.path.lexists(path):
        return _Outcome(name, MISSING, expected, None)
    # It need not be in the folder at all.
    report.add(UnsupportedError("a folder, or behind a symbolic link to one"), path)
    return _Outcome(name, UNREADABLE, expected, None)


def _compared(
    folder: str, name: str, expected: str, result: Digest | Exception, report: Report
) -> _Outcome:
    if isinstance(result, Exception):
        report.add(result, os.path.join(folder, name))
        return _Outcome(name, UNREADABLE, expected, None)
    return _Outcome(name, OK if result.sha256 == expected else FAILED, expected, result.sha256)


def _entries(manifest: str, report: Report) -> Iterator[tuple[str, str]]:
    # The names in a manifest, each with its digest.
    empty = True
    with _stream(manifest) as stream:
        for line in read_digest_lines(stream, label(manifest)):
            empty = False
            if isinstance(line, DigestLineError):
                report.add(line)
                continue
            number, sha256, name = line
            try:
                yield _checked_name(os.fsdecode(name)), sha256
            except ValueError as error:
                report.add(DigestLineError(str(error), label(manifest), number))
    if empty:
        report.add(DigestLineError("expected the digest of a file", label(manifest), 1))


def _stream(manifest: str) -> AbstractContextManager[IO[bytes]]:
    if manifest == STDIN:
        return nullcontext(cast("IO[bytes]", opened(manifest)))
    return open(open_regular(manifest)[0], "rb")


def _checked_name(name: str) -> str:
    # The name as the folder's listing has it. That it is there decides whether it is opened;
    # this says why one that leads elsewhere never is.
    if os.path.isabs(name) or ".." in name.split("/"):
        raise ValueError(f"got {name!r}, which leads out of the folder; expected a name in it")
    return os.path.normpath(name)


# ------------------------------------------------------------------ folders


def _names(folder: str, report: Report) -> set[str]:
    # All that is no folder in a folder and those in it, by names relative to it.
    names: set[str] = set()
    root = folder or os.path.curdir
    for directory, folders, files in os.walk(root, onerror=report.add):
        inner = os.path.relpath(directory, root)
        links = (name for name in folders if os.path.islink(os.path.join(directory, name)))
        names.update(os.path.normpath(os.path.join(inner, name)) for name in (*files, *links))
    return names


def _own_names(folder: str, manifest: str, stream: str) -> set[str]:
    # What a manifest is called in a folder, if it is there: by its name, and where that leads.
    # One of a stream may be a file, too, which a shell has opened.
    if manifest == STDIN:
        manifest = f"/dev/{stream}"
    root = os.path.realpath(folder)
    parent, name = os.path.split(manifest)
    places = os.path.join(os.path.realpath(parent), name), os.path.realpath(manifest)
    return {os.path.relpath(place, root) for place in places}


def _results(folder: str, names: list[str]) -> Generator[Digest | Exception, None, None]:
    # The digest of each, or why there is none.
    paths = [os.path.join(folder, name) for name in names]
    with progress_bar(in_bytes=True) as update:
        advance = tally(update, total_size(paths) if update else None)
        with closing(file_digests(paths, len(paths), advance)) as results:
            yield from results


def _raised(result: Digest | Exception) -> Digest:
    if isinstance(result, Exception):
        raise result
    return result
