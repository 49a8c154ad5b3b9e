"""The arguments of a shell -> one command run -> an exit code.

Exit codes: 0, all went well; 1, a file is invalid, or does not hold what was asked for, or a
conversion was refused; 2, the arguments are wrong or the system refused something; 130,
interrupted; 141, the output was closed; 143, terminated. Of several files' codes the highest
counts. Those of `tsr diff` are diff's: 1, there is a difference; 2, anything else is wrong. Nothing
is raised but what is a bug.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from tsr.cli.arguments import commands_parser, expect_command, parse
from tsr.cli.output import print_bytes
from tsr.cli.report import SYSTEM, say

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["COMMANDS", "Parsers", "add_options", "command_parsers", "main"]

Parsers: TypeAlias = "Mapping[str, ArgumentParser | tuple[Mapping[str, str], Parsers]]"

# What a shell reports of a command that SIGINT, SIGPIPE or SIGTERM ended.
INTERRUPTED = 130
PIPE_CLOSED = 141
TERMINATED = 143

# Each is a module of this package, imported when it is called for; but the session is a layer
# above it, and has commands of its own.
COMMANDS = {
    "info": "show what the headers of files say",
    "scan": "list what the headers of any number of files say, with filters, as CSV or JSON",
    "validate": "check files against every rule of their format",
    "explain": "show what is in files byte by byte, and what is wrong with them",
    "repair": "mend a file where the rest of it proves what is right",
    "view": "show pictures, histograms and statistics of what is in files",
    "dump": "print the values of a file",
    "convert": "convert files from and to other formats",
    "diff": "show what differs between two files of any formats",
    "checksum": "print the SHA-256 of files",
    "manifest": "write down the SHA-256 of all files in a folder, and check them later",
    "completion": "print what has a shell complete commands, options and files",
    "session": "have a Python worker compute, and look after such sessions",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell command `tsr`.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default, without its name.

    Returns
    -------
    int
        The exit code.
    """
    try:
        with _termination():
            code = _run(sys.argv[1:] if arguments is None else list(arguments))
        if sys.stdout is not None:  # a process may be started without one
            sys.stdout.flush()
        return code
    except _Terminated:
        code = TERMINATED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = PIPE_CLOSED
    except (OSError, MemoryError) as error:
        code = SYSTEM
        with suppress(OSError):
            say(error)
    _drop_unwritten()
    return code


class _Terminated(KeyboardInterrupt):
    """SIGTERM, of which all that Ctrl-C is for holds as well."""


@contextmanager
def _termination() -> Iterator[None]:
    # SIGTERM ends the block as Ctrl-C does, so that nothing unfinished is left behind.
    try:
        handled = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        if handled:
            signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # only the main thread may
        handled = False
    try:
        yield
    finally:
        if handled:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> None:
    raise _Terminated


def _run(arguments: list[str]) -> int:
    parser = _main_parser()
    try:
        named = next((i for i, text in enumerate(arguments) if text[:1] != "-"), len(arguments))
        options = parser.parse_args(arguments[: named + 1])
        if options.tell:
            for tell in options.tell:
                tell()
            return 0
        if options.command is None:
            expect_command(parser)
        return _run_command(options.command, arguments[named + 1 :])
    except SystemExit as stop:  # argparse has said all
        return int(stop.code or 0)


def _run_command(name: str, arguments: list[str]) -> int:
    if name == "session":
        return int(import_module("session.cli").main(arguments))
    command = import_module(f"tsr.cli.{name}")
    return int(command.run(parse(command.parser(), arguments)))


def _main_parser() -> ArgumentParser:
    parser = commands_parser(
        "tsr", "Read, check, print and convert .tsr tensor files.", COMMANDS,
        "[-h] [--version] [--include-dir] [--cmake-dir]",
    )  # fmt: skip
    add_options(parser)
    return parser


def add_options(parser: ArgumentParser) -> None:
    """Add what may stand in the place of a command, but for ``--help``."""
    for option, tell, does in (
        ("--version", _tell_version, "print the version of the package, and those of the formats"),
        ("--include-dir", _tell_include, "print where the C++ header is, for the compiler's -I"),
        ("--cmake-dir", _tell_cmake, "print where its CMake package is, for -Dtsr_DIR="),
    ):
        parser.add_argument(option, action="append_const", dest="tell", const=tell, help=does)


def command_parsers() -> Parsers:
    """Make the parsers of all commands; of one that has commands, those and their parsers."""
    parsers: Parsers = {
        name: import_module(f"tsr.cli.{name}").parser() for name in COMMANDS if name != "session"
    }
    session = import_module("session.cli")
    inner = {name: make() for name, (make, _) in session.RUNNERS.items()}
    return {**parsers, "session": (session.COMMANDS, inner)}


def _tell_version() -> None:
    from importlib.metadata import PackageNotFoundError

    import tsr
    from tsr.layout import TSR4_MAGIC, TSR4_VERSION, V1_MAGIC, V1_VERSION

    try:
        version = str(tsr.__version__)
    except PackageNotFoundError:  # run from a source tree
        version = "(not installed)"
    v1 = f"TSR version {V1_VERSION} ({V1_MAGIC.decode('ascii')})"
    major, minor = TSR4_VERSION
    tsr4 = f"TSR4 version {major}.{minor} ({TSR4_MAGIC.decode('ascii')})"
    print(f"tsr {version}, reads and writes {v1} and {tsr4}")


def _tell_include() -> None:
    from tsr.cpp import get_include

    print_bytes(os.fsencode(get_include()) + b"\n")


def _tell_cmake() -> None:
    from tsr.cpp import get_cmake_dir

    print_bytes(os.fsencode(get_cmake_dir()) + b"\n")


def _drop_unwritten() -> None:
    # What a stream could not take would make the interpreter complain when it ends.
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # noqa: PERF203 - there are two
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
