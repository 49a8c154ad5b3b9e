"""``tsr repair``: a broken file -> what would mend it, and the mended file. No numpy."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_color, add_json, command_parser
from tsr.cli.color import paint
from tsr.cli.inputs import STDIN, label, opened, refuse_urls
from tsr.cli.output import finding_object, print_bytes, print_json, printable
from tsr.cli.report import INVALID, Report
from tsr.diagnosis.meanings import count_of
from tsr.diagnosis.mending import IN_CONTENTS, are_mended
from tsr.diagnosis.repairing import changed, free_path, mend, write
from tsr.remote.urls import is_url
from tsr.validation import FINDINGS_MAX

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from tsr.diagnosis.explanation import Explanation
    from tsr.diagnosis.mending import Change
    from tsr.diagnosis.repairing import Repair
    from tsr.errors import FormatError

__all__ = ["parser", "repair_command", "run"]

_DESCRIPTION = """\
Mend a file where the rest of it proves what is right: bytes after the end, reserved fields, padding
that is not 0, and a number that follows from others which all agree.

Without -o nothing is written: what would be changed is told, with offset, bytes before and after,
and the clause. With -o a whole new file is written, the broken one too with --force; no byte of a
payload is changed. A file that cannot be mended for certain is not written, and what remains is
told. Where the file goes to stdout, all that is told goes to stderr.

JSON: a list of one object with path, output, which is null where nothing was written, changes, and
remaining, whose objects are the findings of tsr validate."""

_EXAMPLES = """\
  tsr repair broken.tsr
  tsr repair broken.tsr -o mended.tsr
  tsr repair --force broken.tsr -o broken.tsr
  tsr repair -q broken.tsr -o - | tsr info -
  tsr repair --checksums edited.tsr -o edited-right.tsr"""

# Of many changes, of many findings that remain, and of many bytes.
_LINES = 20
_BYTES = 16

# Up to this size payloads are read to find out whether a file can be mended.
_READ_MAX = 1 << 26


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("repair", _DESCRIPTION, _EXAMPLES)
    made.add_argument("path", metavar="PATH", help="the file to mend, or '-' for stdin")
    made.add_argument("-o", "--output", metavar="OUT", help="the file to write, '-' for stdout")
    made.add_argument(
        "--checksums",
        action="store_true",
        help="put right the checksums of a TSR4 file too, which takes header and elements for "
        "right, whatever happened to them",
    )
    made.add_argument(
        "-f", "--force", action="store_true", help="replace OUT where it exists, be it PATH itself"
    )
    made.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    add_color(made)
    add_json(made, "a list of one object")
    return made


def run(options: Namespace) -> int:
    """Mend, print what was or would be changed and give the exit code."""
    if options.json and options.output == STDIN:
        parser().error("--json: the file goes to stdout")
    report = Report()
    found: list[tuple[str | None, Repair]] = []
    with report.blame(label(options.path)):
        refuse_urls("tsr repair", options.path, options.output)
        found.append(_mended(options))
    for target, repaired in found:
        if repaired.remaining:
            report.mark(INVALID)
        if options.json:
            print_json([_as_object(options.path, target, repaired)])
        elif not options.quiet:
            for line in _lines(options, target, repaired):
                print(line, file=sys.stderr if options.output == STDIN else sys.stdout)
    return report.code


def _mended(options: Namespace) -> tuple[str | None, Repair]:
    # What was or would be changed, and the file that was written.
    target = options.output
    if target not in (None, STDIN):
        target = free_path(target, options.force)
    source = opened(options.path)
    repaired, data = mend(source, options.checksums)
    if repaired.remaining:
        target = None
    if target == STDIN:
        for piece in changed(data, repaired.changes):
            print_bytes(piece)
    elif target is not None:
        write(target, data, repaired.changes, source)
    return target, repaired


def repair_command(path: str, explanation: Explanation) -> str | None:
    """Give the command that mends all that is wrong with a file; None where there is none.

    The payloads of a large file are not read for it: then it stays open whether there is one.
    """
    clauses = {finding.clause for finding in explanation.findings}
    if not clauses or explanation.format is None or path == STDIN or is_url(path):
        return None
    name = quote(f"./{path}" if path.startswith("-") else path)  # what a pattern found
    command = f"tsr repair {name} -o OUT"
    with_checksums = f"tsr repair --checksums {name} -o OUT"
    if not clauses.isdisjoint(IN_CONTENTS):  # then nothing is wrong but what is in them
        if len(explanation.findings) >= FINDINGS_MAX:
            return None  # there may be more of them
        if are_mended(clauses, checksums=False):
            return command
        return with_checksums if are_mended(clauses, checksums=True) else None
    if explanation.format == "TSR4" and (explanation.size or 0) > _READ_MAX:
        return None
    try:
        if not mend(path, checksums=False)[0].remaining:
            return command
        if "T4-CRC-1" in clauses and not mend(path, checksums=True)[0].remaining:
            return with_checksums
    except OSError:  # it is gone by now
        pass
    return None


def _lines(options: Namespace, target: str | None, repaired: Repair) -> Iterator[str]:
    changes, remaining = repaired
    name = printable(label(options.path))
    count = count_of(len(changes), "change")
    on_stderr = options.output == STDIN
    if remaining:
        told = f"cannot be mended for certain, {count_of(len(remaining), 'finding')} would remain"
    elif not changes:
        told = "valid, nothing to mend"
    else:
        told = f"mended by {count}"
    yield paint(f"{name}: {told}", "bold", options.color, stderr=on_stderr)
    for change in changes[:_LINES]:
        yield f"  {printable(_change_text(change))}"
    yield from _more(changes, "change")
    for error in remaining[:_LINES]:
        remains = paint("remains", "red", options.color, stderr=on_stderr)
        yield f"  {remains}  {printable(_without_path(error))}"
    yield from _more(remaining, "finding")
    if options.checksums and not remaining and any("-CRC-" in each.clause for each in changes):
        yield "  Header and elements were taken for right as they are: their checksums follow them."
    if target is not None:
        yield f"{name} -> {'<stdout>' if on_stderr else printable(target)}"
    elif changes and not remaining:
        yield "Nothing was written: -o OUT writes the mended file."


def _change_text(change: Change) -> str:
    where = f"{change.field} at offset {change.offset}"
    if not change.after:
        return f"{where}: {count_of(change.size, 'byte')} cut off [{change.clause}]"
    before, after = _hex(change.before), _hex(change.after)
    return f"{where}: {before} -> {after} [{change.clause}]"


def _hex(data: bytes) -> str:
    return data[:_BYTES].hex(" ") + (" ..." if len(data) > _BYTES else "")


def _without_path(error: FormatError) -> str:
    return str(error).removeprefix(f"{error.path}: ")


def _more(items: Sequence[object], noun: str) -> Iterator[str]:
    if len(items) > _LINES:
        yield f"  ... {count_of(len(items) - _LINES, 'more ' + noun)}"


def _as_object(path: str, target: str | None, repaired: Repair) -> dict[str, Any]:
    return {
        "path": path,
        "output": target,
        "changes": [
            {**change._asdict(), "before": change.before.hex(), "after": change.after.hex()}
            for change in repaired.changes
        ],
        "remaining": [finding_object(error) for error in repaired.remaining],
    }
