"""``tsr explain``: paths -> what is in the files, byte for byte, and what is wrong. No numpy."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_color, add_json, add_lenient, add_paths, command_parser
from tsr.cli.color import paint
from tsr.cli.hexdump import WRONG, hexdump
from tsr.cli.inputs import expand, label, opened
from tsr.cli.output import encodable, finding_object, plain, printable, stream_json
from tsr.cli.progress import progress_bar
from tsr.cli.repair import repair_command
from tsr.cli.report import INVALID, Report
from tsr.diagnosis.explanation import explain
from tsr.diagnosis.meanings import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Container, Iterator

    from tsr.cli.hexdump import Line
    from tsr.diagnosis.explanation import Explanation
    from tsr.diagnosis.faults import Fault

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Show what is in files, byte for byte, and what is wrong with them.

Of each file a hexdump: a line for each field of header and directory, with its name, its value
and what that says; payloads by their beginning and end. Wrong bytes have ^^ below them and the
clause that they break. Then each finding: what stands there and what should, the rule as the
specification has it, and what would mend the file. A file that is none of these formats is told
what it looks like.

Of many tensors the first and the last are shown, and those with findings; of many findings the
first. --all shows all of them.

JSON: an object for each file, with path, format, size, valid, parts, findings, repair, which is
null or the command that mends all of it, and resemblance, which is null or what a file of no known
format looks like."""

_EXAMPLES = """\
  tsr explain weights.tsr
  tsr explain --color always broken.tsr | less -R
  tsr explain --json broken.tsr | jq '.[].findings[].mend'
  head -c 100 weights.tsr | tsr explain -"""

# Of many tensors, and of many findings.
_FIRST_TENSORS = 8
_FINDINGS = 20

# Where the width of the terminal is not known.
_COLUMNS = 100


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("explain", _DESCRIPTION, _EXAMPLES)
    add_paths(made)
    add_lenient(made)
    made.add_argument("--all", action="store_true", help="show every tensor and every finding")
    add_color(made)
    add_json(made, "a list of objects, one a file,")
    return made


def run(options: Namespace) -> int:
    """Print what was asked for and give the exit code."""
    report = Report()
    explained = _explained(options, report)
    if options.json:
        stream_json(_as_object(path, found, options.all) for path, found in explained)
        return report.code
    width = shutil.get_terminal_size((_COLUMNS, 24)).columns
    for number, (path, explanation) in enumerate(explained):
        if number:
            print()
        for line in _lines(path, explanation, options.all, width):
            print(_painted(line, options.color))
    return report.code


def _explained(options: Namespace, report: Report) -> Iterator[tuple[str, Explanation]]:
    for path in expand(options.paths, report):
        with report.blame(path):
            with progress_bar() as update:
                if update is not None:
                    update(0, None, label(path))  # how much is to be read is known too late
                explanation = explain(opened(path), strict=not options.lenient)
            if explanation.findings:
                report.mark(INVALID)
            yield path, explanation


def _painted(line: Line, color: str) -> str:
    pieces = []
    for text, style in ((encodable(text), style) for text, style in line):
        if style == WRONG:
            pieces.append(paint(paint(text, "red", color), "reverse", color))
        else:
            pieces.append(paint(text, style, color) if style and text.strip() else text)
    return "".join(pieces).rstrip()


# ------------------------------------------------------------------ text


def _lines(path: str, explanation: Explanation, everything: bool, width: int) -> Iterator[Line]:
    name, size = printable(label(path)), explanation.size
    length = "" if size is None else f", {count_of(size, 'byte')}"
    found = count_of(len(explanation.findings), "finding") if explanation.findings else "valid"
    kind = explanation.format or "no TSR file"
    yield [(f"{name}: {kind}{length}, {found}", "bold")]
    limit = None if everything else _FINDINGS
    faults = explanation.faults(limit)
    if explanation.resemblance is not None:
        yield from _resemblance_lines(explanation, width)
    chosen = None if everything else _chosen(explanation)
    yield from hexdump(explanation, explanation.parts(chosen), faults, width)
    for fault in faults:
        yield []
        yield from _fault_lines(fault, width)
        if explanation.resemblance is None:
            yield from _told("mend", fault.clause.mend, width)
    left = len(explanation.findings) - len(faults)
    if left:
        yield []
        yield [(f"... {count_of(left, 'more finding')}, which --all shows", "dim")]
    command = repair_command(path, explanation)
    if command is not None:
        yield []
        condition = ", if it was changed on purpose" if "--checksums" in command else ""
        yield [(f"This mends all of it{condition}: ", ""), (printable(command), "bold")]


def _resemblance_lines(explanation: Explanation, width: int) -> Iterator[Line]:
    found = explanation.resemblance
    if found is not None:
        yield from _told("", f"It looks like this: {found.description}.", width)
        if found.advice:
            yield from _told("", printable(found.advice), width)


def _fault_lines(fault: Fault, width: int) -> Iterator[Line]:
    finding = fault.finding
    where = f": {finding.field} at offset {finding.offset}"
    yield [(fault.clause.id, "red"), (where, "bold")]
    note = f" ({finding.note})" if finding.note else ""
    found = _with_bytes(fault.before, str(finding.found))
    expected = _with_bytes(fault.after, f"{finding.expected}{note}")
    yield from _told("found", found, width)
    yield from _told("expected", expected, width)
    yield from _told("rule", fault.clause.sentence, width)


def _with_bytes(data: bytes | None, text: str) -> str:
    if not data:
        return printable(text)
    text = "" if text == data.hex() else text
    shown = data[:16].hex(" ") + (" ..." if len(data) > 16 else "")
    return printable(f"{shown}   {text}")


def _told(heading: str, text: str, width: int) -> Iterator[Line]:
    start = f"  {heading:10}" if heading else "  "
    room = max(width - len(start), 20)
    for line in textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False):
        yield [(start, "dim"), (line, "")]
        start = " " * len(start)


# ------------------------------------------------------------------ which tensors


def _chosen(explanation: Explanation) -> Container[int] | None:
    # The tensors that are shown: all, where they are few.
    count = explanation.tensors
    if count <= _FIRST_TENSORS + 1:
        return None
    broken = {explanation.index_of(finding) for finding in explanation.findings[:_FINDINGS]}
    return {*range(_FIRST_TENSORS), count - 1, *broken}


# ------------------------------------------------------------------ JSON


def _as_object(path: str, explanation: Explanation, everything: bool) -> dict[str, Any]:
    chosen = None if everything else _chosen(explanation)
    resemblance = explanation.resemblance
    return {
        "path": path,
        "format": explanation.format,
        "size": explanation.size,
        "valid": not explanation.findings,
        "parts": [
            {**part._asdict(), "value": plain(part.value)} for part in explanation.parts(chosen)
        ],
        "findings": [_finding_object(fault) for fault in explanation.faults()],
        "repair": repair_command(path, explanation),
        "resemblance": None if resemblance is None else resemblance._asdict(),
    }


def _finding_object(fault: Fault) -> dict[str, Any]:
    return {
        **finding_object(fault.finding),
        "found_bytes": None if fault.before is None else fault.before.hex(),
        "expected_bytes": None if fault.after is None else fault.after.hex(),
        "marks": [mark._asdict() for mark in fault.marks],
        "sentence": fault.clause.sentence,
        "location": fault.clause.location,
        "mend": fault.clause.mend,
    }
