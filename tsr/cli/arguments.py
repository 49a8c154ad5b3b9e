"""What the commands' parsers have in common, so that the same option is the same everywhere."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _ActionsContainer

__all__ = ["add_json", "add_lenient", "add_paths", "command_parser"]


def command_parser(name: str, description: str, examples: str) -> ArgumentParser:
    """Make the parser of a command; `description` and `examples` are shown as they stand."""
    return ArgumentParser(
        f"tsr {name}",
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_paths(parser: ArgumentParser) -> None:
    """Take files, folders, patterns and stdin."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file, '-' for stdin, a folder, searched for .tsr files, or a quoted pattern",
    )


def add_lenient(parser: ArgumentParser) -> None:
    """Take ``--lenient``."""
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="accept set reserved fields, padding that is not 0 and bytes after the last payload, "
        "as the original readers do",
    )


def add_json(parser: _ActionsContainer, what: str) -> None:
    """Take ``--json``; `what` it prints."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")
