"""The code blocks of a Markdown document: taken out, and run as its reader would run them.

Examples of Python print what their comments behind ``print(...)`` say, commands of a console what
stands below them. A failing example is an `AssertionError`, or the error that it raised itself.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from tsr.cli import main

__all__ = ["ROOT", "Block", "blocks", "check_console", "check_python", "link_clone"]

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: +(?P<options>[^\n]*))?\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]*)"')


class Block(NamedTuple):
    """A fenced block of code.

    Attributes
    ----------
    language : str
        Empty where the block names none.
    title : str or None
        The file that the block is to be, for the commands that follow.
    code : str
    """

    language: str
    title: str | None
    code: str


def blocks(text: str, language: str | None = None) -> list[Block]:
    """Take the code blocks out of a document, all of them or those of a language."""
    found = []
    for fence in _FENCE.finditer(text):
        title = _TITLE.search(fence["options"] or "")
        code = re.sub(f"^{fence['indent']}", "", fence["code"], flags=re.MULTILINE)
        found.append(Block(fence["language"], title[1] if title else None, code))
    return [block for block in found if language in (None, block.language)]


def link_clone(folder: Path, *names: str) -> None:
    """Put what a clone of the repository has where a document finds it."""
    for name in names:
        (folder / name).symlink_to(ROOT / name)


def check_python(code: str, names: dict[str, object], file: str) -> None:
    """Run an example in a namespace, and compare what it prints with what its comments say."""
    said = [line.split("#", 1)[1].strip() for line in code.splitlines() if "print(" in line]
    with redirect_stdout(StringIO()) as printed:
        exec(compile(code, file, "exec"), names)  # noqa: S102 - the documents are ours
    _compare(printed.getvalue().splitlines(), said, f"{file}, the example that begins\n{code[:80]}")


def check_console(shell: str) -> None:
    """Run the commands of a console, and compare what they print with what is shown below them."""
    for example in re.split(r"^\$ ", shell, flags=re.MULTILINE)[1:]:
        command, _, expected = example.partition("\n")
        is_plain = command.startswith("tsr ") and not re.search(r"[|&;<>$*(`]", command)
        with _no_window():
            printed = _run_here(command) if is_plain else _run_in_shell(command)
        _compare(printed.splitlines(), expected.splitlines(), command)


@contextmanager
def _no_window() -> Iterator[None]:
    # Whatever runs the tests, commands take it that nobody told how wide their output may be.
    told = {name: os.environ.pop(name) for name in ("COLUMNS", "LINES") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(told)


def _run_here(command: str) -> str:
    # In a tenth of the time that a process of its own takes.
    with (
        redirect_stdout(TextIOWrapper(BytesIO(), "utf-8")) as out,
        redirect_stderr(TextIOWrapper(BytesIO(), "utf-8")) as err,
    ):
        main(shlex.split(command)[1:])
    printed = []
    for stream in (out, err):
        stream.flush()
        printed.append(stream.buffer.getvalue().decode())
    return "".join(printed)


def _run_in_shell(command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def _compare(printed: list[str], shown: list[str], what: str) -> None:
    if printed != shown:
        both = "\n".join(difflib.unified_diff(shown, printed, "shown", "printed", lineterm=""))
        raise AssertionError(f"{what.rstrip()}\n{both}")
