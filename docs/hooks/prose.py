"""Markdown text -> the same text changed where it is prose: never inside a fenced block of code."""

from __future__ import annotations

import re
from posixpath import dirname, relpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FENCED", "change_prose", "relative"]

# A fenced block, whole; what opens it is in the first group, what it is of in the second.
FENCED = re.compile(r"^(```+|~~~+)([^\n]*)\n(.*?)^\1[ ]*$\n?", re.MULTILINE | re.DOTALL)


def change_prose(text: str, change: Callable[[str], str]) -> str:
    """Apply a change to each stretch of text between fenced blocks."""
    changed = []
    end = 0
    for block in FENCED.finditer(text):
        changed += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*changed, change(text[end:])])


def relative(target: str, page: str) -> str:
    """Give the link from a page to a target, both named from the root of the site's sources."""
    return relpath(target, dirname(page) or ".")
