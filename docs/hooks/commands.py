"""``<!-- commands -->`` in a page -> the help of each command, from the parsers themselves."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from functools import cache
from io import StringIO

__all__ = ["expand", "helped"]

DIRECTIVE = "<!-- commands -->"


def expand(text: str) -> str:
    """Put the help of all commands in the place of the directive."""
    return text.replace(DIRECTIVE, "\n".join(_sections())) if DIRECTIVE in text else text


def helped() -> list[tuple[str, ...]]:
    """List the commands whose help is shown, with their words after ``tsr``."""
    from session.cli import COMMANDS as SESSION
    from tsr.cli.dispatch import COMMANDS

    names: list[tuple[str, ...]] = []
    for name in COMMANDS:
        names.append((name,))
        names += [(name, below) for below in SESSION if name == "session"]
    return names


@cache
def _sections() -> list[str]:
    sections = [_block(())]
    for words in helped():
        title = " ".join(("tsr", *words))
        sections.append(f"{'#' * (len(words) + 1)} {title}\n\n{_block(words)}")
    return sections


def _block(words: tuple[str, ...]) -> str:
    return f"```text\n{_help(words)}```\n"


def _help(words: tuple[str, ...]) -> str:
    from tsr.cli import main

    said = StringIO()
    before = dict(os.environ)
    # What argparse asks for the width and the colours of a terminal.
    os.environ.update(COLUMNS="100", NO_COLOR="1")
    try:
        with redirect_stdout(said):
            code = main([*words, "--help"])
    finally:
        os.environ.clear()
        os.environ.update(before)
    if code:
        raise ValueError(f"tsr {' '.join(words)} --help: exit code {code}")
    return said.getvalue()
