"""``tsr session``: have a worker compute, list the sessions of the workspace, remove stale ones.

Exit codes are those of `tsr.cli.dispatch`; what the worker could not do, and its death, are 1.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from session.client import PythonSession
from session.errors import SessionError, WorkerDied, WorkerError, WorkerStartError
from session.mailbox import check_name, default_workspace
from session.survey import STALE, remove, survey
from tsr.cli.arguments import (
    add_color,
    add_json,
    command_parser,
    commands_parser,
    expect_command,
    parse,
)
from tsr.cli.output import encodable, print_json, print_table, printable
from tsr.cli.progress import progress_bar
from tsr.cli.report import SYSTEM, Report
from tsr.errors import ConversionError, TSRError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from session.survey import Session

    Array = NDArray[Any]

__all__ = ["COMMANDS", "RUNNERS", "main"]

COMMANDS = {
    "run": "start a worker, send it tensors and a request, store or print what it answers",
    "ls": "list the sessions in the workspace",
    "clean": "remove what sessions have left whose client is gone",
}

_DESCRIPTION = """\
Have Python workers compute, and look after their sessions. Sessions are in the workspace: what
TR_WORKSPACE says, else a private folder in memory where there is room, else ./workspace."""

_RUN = """\
Start a worker, send it tensors and one request, and end it. WORKER is a script that runs a
TechRenaissanceServer, or 'default' for the worker of this package, which knows matmul, add, relu
and others. REQUEST names the tensors by their TAGs. FILE holds one array of float32, int8 or
int32: .tsr, .npy, or another format that tsr convert reads.

The tensors of the answer go to the files that -o names, which are replaced. Where there is one -o
and several tensors, their numbers go into its name: out_0.tsr, out_1.tsr. Without -o they are
printed, as tsr dump does. So is an answer that is text. What the worker prints is on stderr.

JSON: an object with text, or with tensors, a list of objects with dtype, shape and values, or in
place of values path, the file that -o named."""

_RUN_EXAMPLES = """\
  tsr session run default "matmul a b" a=a.npy b=b.tsr -o product.tsr
  tsr session run worker.py "train images labels" images=x.npy labels=y.npy --timeout 60000
  tsr session run default "hello world\""""

_LS = """\
List the sessions in the workspace: live ones, whose client lives, with its process; stale ones,
whose client is gone; and of unknown state those of a client that takes no lock, as the
framework's own. STATUS is the worker's last word, AGE the time since a file came or went.

JSON: a list of objects with session_id, path, state, pid, status and age_seconds."""

_LS_EXAMPLES = """\
  tsr session ls
  tsr session ls --json | jq '.[] | select(.state == "live").pid'"""

_CLEAN = """\
Remove the directories of stale sessions from the workspace, and name each. Live sessions and
those of unknown state stay.

JSON: a list of objects with session_id and path, one for each that was removed."""

_CLEAN_EXAMPLES = """\
  tsr session clean
  TR_WORKSPACE=/scratch/work tsr session clean"""

# How long a worker that has answered may take to exit.
_EXIT_MS = 5000


def main(arguments: list[str]) -> int:
    """Run what stands behind ``tsr session``, and give the exit code."""
    parser = commands_parser("tsr session", _DESCRIPTION, COMMANDS)
    command = parser.parse_args(arguments[:1]).command
    if command is None:
        expect_command(parser)
    make_parser, run = RUNNERS[command]
    return run(parse(make_parser(), arguments[1:]))


# ------------------------------------------------------------------ run


def _run_parser() -> ArgumentParser:
    made = command_parser("session run", _RUN, _RUN_EXAMPLES)
    made.add_argument("worker", metavar="WORKER", help="the worker's script, or 'default'")
    made.add_argument("request", metavar="REQUEST", help="a command and its parameters")
    made.add_argument(
        "tensors",
        nargs="*",
        type=_tensor,
        metavar="TAG=FILE",
        help="a tensor to send, and its name",
    )
    made.add_argument(
        "-o", "--output", action="append", default=[], type=_output, metavar="OUT",
        help="where to store a tensor of the answer; may be given once for each",
    )  # fmt: skip
    made.add_argument(
        "--timeout", type=_milliseconds, default=0, metavar="MS",
        help="how long to wait for the worker's start, and then for its answer (default: for ever)",
    )  # fmt: skip
    add_json(made, "an object")
    return made


def _tensor(text: str) -> tuple[str, str]:
    tag, equals, path = text.partition("=")
    if not equals or not path:
        raise ArgumentTypeError(f"got {text!r}, expected TAG=FILE")
    try:
        return check_name("TAG", tag), path
    except SessionError as error:
        raise ArgumentTypeError(str(error)) from error


def _output(text: str) -> str:
    from tsr.converters.registry import Holds, find_format, suffix_of

    suffix = suffix_of(text)
    found = find_format(suffix) if suffix else None
    if found is None or Holds.ONE not in found.HOLDS:
        raise ArgumentTypeError(f"got {text!r}, expected a file for one array: .tsr, .npy or .pt")
    return text


def _milliseconds(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"got {text!r}, expected milliseconds")
    return int(text)


def _run(options: Namespace) -> int:
    if not options.request.strip():
        _run_parser().error("REQUEST: expected a command")
    if len(dict(options.tensors)) < len(options.tensors):
        _run_parser().error("TAG=FILE: expected each TAG once")
    report = Report()
    arrays = {}
    for tag, path in options.tensors:
        with report.blame(path):
            arrays[tag] = _read(path)
    if report.code:
        return report.code
    try:
        answer = _ask(options, arrays)
        _give(answer, options)
    except WorkerStartError as error:
        report.add(error)
        report.mark(SYSTEM)
    except WorkerError as error:
        report.add(_without_traceback(error))
    except WorkerDied as error:  # its output has been shown as it came
        report.add(WorkerDied(error.returncode, ""))
    except TSRError as error:
        report.add(error)
    return report.code


def _read(path: str) -> Array:
    # The one array in a file of any format.
    import numpy as np

    from tsr.converters import Options
    from tsr.converters.registry import find_format, suffix_of
    from tsr.converters.tree import tensors
    from tsr.dtypes import V1_TYPES

    suffix = suffix_of(path)
    found = find_format(suffix) if suffix else None
    if found is None:
        raise ConversionError(f"nothing reads {suffix or 'such'} files", path=path)
    with found.read(path, Options()) as document:
        held = list(tensors(document.tree))
        if len(held) != 1:
            raise ConversionError(f"holds {len(held)} arrays, expected one", path=path)
        if held[0].dtype not in [element.name for element in V1_TYPES]:
            raise ConversionError(
                f"holds {held[0].dtype}, expected float32, int8 or int32; tsr convert --cast makes "
                "one of it",
                path=path,
            )
        return np.asarray(held[0].load())


def _ask(options: Namespace, arrays: dict[str, Array]) -> Any:
    # The answer: text, an array or a tuple of arrays.
    session = PythonSession(options.worker, f"run-{secrets.token_hex(4)}")
    try:
        session.start()
        session.wait_until_ready(options.timeout)
        for tag, array in arrays.items():
            session.send_tensor(array, tag)
        with progress_bar() as update:
            if update is not None:
                session.on_progress = lambda progress: update(*progress)
            answer = session.submit(options.request, timeout_ms=options.timeout).result()
        session.please_exit(_EXIT_MS)
    finally:
        session.terminate()
    return answer


def _give(answer: Any, options: Namespace) -> None:
    # Store it or print it.
    if isinstance(answer, str):
        if options.output:
            raise WorkerError(options.request, f"it answered {answer!r}, no tensor")
        print(json.dumps({"text": answer}) if options.json else encodable(answer))
        return
    arrays = answer if isinstance(answer, tuple) else (answer,)
    if not options.output:
        _print_objects(arrays) if options.json else _print_arrays(arrays)
        return
    paths = options.output
    if len(paths) == 1 and len(arrays) > 1:
        stem, suffix = os.path.splitext(paths[0])
        paths = [f"{stem}_{number}{suffix}" for number in range(len(arrays))]
    if len(paths) != len(arrays):
        count = f"{len(arrays)} tensors" if len(arrays) > 1 else "one tensor"
        raise WorkerError(options.request, f"it answered {count}, expected one for each -o")
    for path, array in zip(paths, arrays, strict=True):
        _write(path, array)
    if options.json:
        stored = [
            {"dtype": array.dtype.name, "shape": array.shape, "path": path}
            for path, array in zip(paths, arrays, strict=True)
        ]
        print(json.dumps({"tensors": stored}))


def _write(path: str, array: Array) -> None:
    from tsr.converters import Document, Options, Tensor
    from tsr.converters.registry import find_format, suffix_of

    found = find_format(suffix_of(path))
    assert found is not None  # noqa: S101 - checked with the arguments
    found.write(
        path, Document(path, Tensor(array.dtype.name, array.shape, lambda: array)), Options()
    )


def _print_arrays(arrays: tuple[Array, ...]) -> None:
    # As `tsr dump` does.
    from tsr.cli.values import numpy_text

    for number, array in enumerate(arrays):
        if len(arrays) > 1:
            heading = f"tensor {number}: {array.dtype.name} {array.shape}"
            print(f"\n{heading}" if number else heading)
        print("".join(numpy_text(array)), end="")


def _print_objects(arrays: tuple[Array, ...]) -> None:
    # As `tsr dump --json` does.
    from tsr.cli.values import json_text

    before = '{"tensors": [\n'
    for array in arrays:
        print(before, end="")
        for piece in json_text(array):
            print(piece, end="")
        before = ",\n"
    print("]}")


def _without_traceback(error: WorkerError) -> WorkerError:
    # All but the last line of a traceback, as lines.
    *lines, last = error.message.strip().splitlines() or [""]
    for line in lines:
        print(printable(line), file=sys.stderr)
    return WorkerError(error.command, last)


# ------------------------------------------------------------------ ls, clean


def _ls_parser() -> ArgumentParser:
    made = command_parser("session ls", _LS, _LS_EXAMPLES)
    add_json(made, "a list of objects")
    add_color(made)
    return made


def _clean_parser() -> ArgumentParser:
    made = command_parser("session clean", _CLEAN, _CLEAN_EXAMPLES)
    add_json(made, "a list of objects")
    return made


def _ls(options: Namespace) -> int:
    sessions = survey(default_workspace())
    if options.json:
        print_json(
            {
                "session_id": session.session_id,
                "path": session.path,
                "state": session.state,
                "pid": session.pid,
                "status": session.status,
                "age_seconds": round(session.age, 3),
            }
            for session in sessions
        )
    elif sessions:
        print_table(
            ("SESSION", "STATE", "CLIENT", "STATUS", "AGE"),
            [
                (session.session_id, session.state, str(session.pid or "-"), session.status,
                 _duration(session.age))
                for session in sessions
            ],
            color=options.color,
        )  # fmt: skip
    return 0


def _clean(options: Namespace) -> int:
    report = Report()
    removed = _removed(report)
    if options.json:
        print_json({"session_id": one.session_id, "path": one.path} for one in removed)
        return report.code
    for one in removed:
        print(printable(f"removed {one.session_id}"))
    return report.code


def _removed(report: Report) -> Iterator[Session]:
    for session in survey(default_workspace()):
        if session.state != STALE:
            continue
        try:
            if remove(session):
                yield session
        except (OSError, SessionError) as error:
            report.add(error)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


# The parser and the function of each command.
RUNNERS = {
    "run": (_run_parser, _run),
    "ls": (_ls_parser, _ls),
    "clean": (_clean_parser, _clean),
}
