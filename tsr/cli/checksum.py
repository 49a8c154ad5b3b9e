"""``tsr checksum``: paths -> the SHA-256 of each file, as ``sha256sum`` prints it. No numpy."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, cast

from tsr.cli.arguments import add_json, add_paths, command_parser
from tsr.cli.inputs import STDIN, expand, label, opened, total_size
from tsr.cli.output import print_bytes, print_json, printable
from tsr.cli.progress import progress_bar, tally
from tsr.cli.report import Report
from tsr.digests import Digest, digest_line, file_digests, stream_digest

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Generator

    from tsr.digests import Readable

__all__ = ["as_object", "parser", "print_line", "run"]

_DESCRIPTION = """\
Print the SHA-256 of files, of any format, as sha256sum does, whose --check takes it: the digest
and the name. On a terminal, what in a name would steer it is escaped.

JSON: a list of objects with path, sha256 and bytes."""

_EXAMPLES = """\
  tsr checksum weights.tsr
  tsr checksum runs/ > SHA256SUMS && sha256sum --check SHA256SUMS
  cat weights.tsr | tsr checksum -
  tsr checksum --json 'runs/**/*.tsr' | jq -r '.[].sha256'"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("checksum", _DESCRIPTION, _EXAMPLES)
    add_paths(made)
    add_json(made, "a list of objects")
    return made


def run(options: Namespace) -> int:
    """Print the digests and give the exit code."""
    report = Report()
    with closing(_digests(list(expand(options.paths, report)), report)) as digests:
        if options.json:
            print_json(map(as_object, digests))
        else:
            for digest in digests:
                print_line(digest_line(digest.sha256, os.fsencode(digest.path)))
    return report.code


def as_object(digest: Digest) -> dict[str, object]:
    """Give what JSON has of a digest."""
    return {"path": digest.path, "sha256": digest.sha256, "bytes": digest.size}


def print_line(line: bytes) -> None:
    """Print a line for programs byte by byte, or for people so that it steers no terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        print(printable(os.fsdecode(line).removesuffix("\n")))
    else:
        print_bytes(line)


def _digests(paths: list[str], report: Report) -> Generator[Digest, None, None]:
    with progress_bar(in_bytes=True) as update:
        advance = tally(update, total_size(paths) if update else None)
        files = [path for path in paths if path != STDIN]
        with closing(file_digests(files, len(files), advance)) as found:
            for path in paths:
                with report.blame(label(path)):
                    if path == STDIN:
                        yield stream_digest(cast("Readable", opened(path)), path, advance)
                        continue
                    digest = next(found)
                    if isinstance(digest, Exception):
                        raise digest
                    yield digest
