"""What the commands' parsers have in common, so that the same option is the same everywhere."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, NoReturn

from tsr.cli.color import AUTO, CHOICES

if TYPE_CHECKING:
    from argparse import Namespace, _ActionsContainer
    from collections.abc import Mapping

__all__ = [
    "add_color",
    "add_json",
    "add_lenient",
    "add_paths",
    "command_parser",
    "commands_parser",
    "expect_command",
    "parse",
]


def commands_parser(
    name: str, description: str, commands: Mapping[str, str], options: str = "[-h]"
) -> ArgumentParser:
    """Make the parser of what has commands, which takes the first argument only.

    `commands` says what each of them does, `options` what may stand in the place of one.
    """
    width = max(map(len, commands))
    listing = "\n".join(f"  {command:{width}}  {does}" for command, does in commands.items())
    parser = ArgumentParser(
        name,
        usage=f"{name} {options} COMMAND ...",
        description=description,
        epilog=f"commands:\n{listing}\n\n'{name} COMMAND --help' tells more about one.",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    def known(text: str) -> str:
        if text not in commands:
            raise ArgumentTypeError(_no_command(name, text, commands))
        return text

    parser.add_argument("command", nargs="?", type=known, metavar="COMMAND", help="see below")
    return parser


def expect_command(parser: ArgumentParser) -> NoReturn:
    """Print the help, where a command is missing: it lists them."""
    parser.print_help(sys.stderr)
    parser.exit(2, f"\n{parser.prog}: error: expected a command\n")


def _no_command(name: str, text: str, commands: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(text.lower(), commands, n=1)
    advice = f"did you mean {name} {near[0]}?" if near else f"'{name} --help' lists them"
    return f"got {text!r}, which is no command; {advice}"


def command_parser(name: str, description: str, examples: str) -> ArgumentParser:
    """Make the parser of a command; `description` and `examples` are shown as they stand."""
    return ArgumentParser(
        f"tsr {name}",
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Parse: options may stand anywhere; after ``--`` all are paths, whatever they look like."""
    if "--" in arguments:
        end = arguments.index("--")
        paths = [
            f"./{path}" if path.startswith("-") and path != "-" else path
            for path in arguments[end + 1 :]
        ]
        arguments = arguments[:end] + paths
    return parser.parse_intermixed_args(arguments)


def add_paths(parser: ArgumentParser) -> None:
    """Take files, folders, patterns and stdin."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file, '-' for stdin, a folder, searched for .tsr files, a quoted pattern, or a URL "
        "of any of these",
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


def add_color(parser: _ActionsContainer) -> None:
    """Take ``--color``."""
    parser.add_argument(
        "--color", choices=CHOICES, default=AUTO,
        help="whether to colour: auto, the default, where stdout is a terminal, unless NO_COLOR "
        "is set",
    )  # fmt: skip
