"""Whether what goes to a stream is coloured: decided here, and here only.

In this order: ``--color always`` or ``never``; ``NO_COLOR`` that is not empty: no; ``FORCE_COLOR``
that is not empty: yes; ``TERM=dumb``: no; else where the stream is a terminal. Nothing is raised.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["AUTO", "CHOICES", "console", "paint", "wants_color"]

AUTO = "auto"
ALWAYS = "always"
NEVER = "never"
CHOICES = (AUTO, ALWAYS, NEVER)

# What `paint` knows: the numbers that terminals have for them.
_STYLES = {
    "bold": 1, "dim": 2, "reverse": 7, "red": 31, "green": 32, "yellow": 33, "blue": 34,
    "magenta": 35, "cyan": 36,
}  # fmt: skip


def wants_color(choice: str = AUTO, *, stderr: bool = False) -> bool:
    """Tell whether stdout, or stderr, is to be coloured; `choice` is what ``--color`` got."""
    if choice != AUTO:
        return choice == ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    stream = sys.stderr if stderr else sys.stdout
    return os.environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


def console(choice: str = AUTO, *, stderr: bool = False) -> Console | None:
    """Make the rich console that prints to stdout, or stderr; None where rich is not installed.

    Where no colour is wanted it prints no escape sequence for any style, bold ones included.
    """
    try:
        from rich.console import Console
    except ImportError:
        return None
    if not wants_color(choice, stderr=stderr):
        return Console(stderr=stderr, color_system=None)
    # rich finds out how many colours there are, but for terminals only, and not dumb ones.
    forced: dict[str, Any] = {"stderr": stderr, "force_terminal": True, "no_color": False}
    made = Console(**forced)
    return made if made.color_system is not None else Console(**forced, color_system="256")


def paint(text: str, style: str, choice: str = AUTO, *, stderr: bool = False) -> str:
    """Put a style around text that is already printable, if it is to be coloured. No rich.

    Styles are bold, dim, reverse, red, green, yellow, blue, magenta and cyan.
    """
    if not wants_color(choice, stderr=stderr):
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
