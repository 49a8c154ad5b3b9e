"""``tsr validate``: paths -> every rule of their formats that the files break. No numpy."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_json, add_lenient, add_paths, command_parser
from tsr.cli.inputs import expand, label, opened
from tsr.cli.output import finding_object, print_json, printable
from tsr.cli.progress import Meter, progress_bar
from tsr.cli.report import INVALID, Report
from tsr.validation import check_source

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator, Iterator

    from tsr.errors import FormatError

__all__ = ["parser", "run"]

_DESCRIPTION = """\
Check files against every rule of their format. Every byte of a TSR4 file is read, for the
checksums of its tensors are verified.

A finding names the field, where it begins in bytes, what stands there, what a valid file has
there and the clause of the specification. Findings about the tensors' bytes come only where
header and directory are right.

JSON: an object for each file, with path, valid and findings, a list of objects with clause,
field, offset, found, expected and message."""

_EXAMPLES = """\
  tsr validate weights.tsr
  tsr validate --quiet runs/ && echo all valid
  curl -s https://example.org/x.tsr | tsr validate --lenient -"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("validate", _DESCRIPTION, _EXAMPLES)
    add_paths(made)
    add_lenient(made)
    made.add_argument(
        "-q", "--quiet", action="store_true", help="leave out valid files and the summary"
    )
    add_json(made, "a list of objects, one a file,")
    return made


def run(options: Namespace) -> int:
    """Print the findings and give the exit code."""
    report = Report()
    with closing(_checked(options, report)) as checked:
        if options.json:
            print_json(
                _as_object(path, findings)
                for path, findings in checked
                if findings or not options.quiet
            )
        else:
            _print_findings(checked, options.quiet)
    return report.code


def _checked(
    options: Namespace, report: Report
) -> Generator[tuple[str, list[FormatError]], None, None]:
    paths = list(expand(options.paths, report))
    with progress_bar(in_bytes=True) as update:
        meter = Meter(update, paths)
        for path in paths:
            meter.begin(path)
            with report.blame(path):
                findings = check_source(opened(path), not options.lenient, meter.advance)
                if findings:
                    report.mark(INVALID)
                yield path, findings


def _print_findings(checked: Iterator[tuple[str, list[FormatError]]], quiet: bool) -> None:
    files = valid = 0
    for path, findings in checked:
        files += 1
        valid += not findings
        for finding in findings:
            print(printable(str(finding)))
        if not findings and not quiet:
            print(f"{printable(label(path))}: valid")
    if files > 1 and not quiet:
        print(f"{files} files: {valid} valid, {files - valid} invalid")


def _as_object(path: str, findings: list[FormatError]) -> dict[str, Any]:
    return {
        "path": path,
        "valid": not findings,
        "findings": [finding_object(finding) for finding in findings],
    }
