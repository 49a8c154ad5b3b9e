"""Places for hexdumps in pages -> the hexdumps, once the pages are HTML.

A fenced block ``hexdump ID`` of a specification, and what `directive` gives, become an empty
element that names a vector; `fill` puts the hexdump of the vector there, with the bytes marked that
break a clause. `ValueError` is raised for a vector that does not exist.
"""

from __future__ import annotations

import re

from docs.hooks.hexdump import render
from docs.hooks.vectors import file_of, vector
from tsr.anatomy import Part, dissect

__all__ = ["directive", "fill", "placeholders"]

_BLOCK = re.compile(r"^```hexdump (\S+)\n.*?^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r'<div class="dump" data-vector="(\w+)/([\w-]+)"></div>')


def directive(format: str, name: str) -> str:
    """Give the Markdown of a place for the hexdump of a vector."""
    return f'<div class="dump" data-vector="{format}/{name}"></div>'


def placeholders(text: str, page: str) -> str:
    """Make places of the hexdumps that are written out in a specification."""
    format = "tsr4" if page == "spec/tsr4.md" else "v1"
    return _BLOCK.sub(lambda found: directive(format, found[1]), text)


def fill(html: str) -> str:
    """Put the hexdumps into their places."""
    return _PLACE.sub(lambda found: _dump(found[1], found[2]), html)


def _dump(format: str, name: str) -> str:
    described = vector(format, name)
    data = file_of(described)
    parts = list(dissect(data, len(data)))
    wrong = set() if described["valid"] else _at_fault(parts, described["offset"])
    return render(data, parts, wrong, label=name)


def _at_fault(parts: list[Part], offset: int) -> set[int]:
    # The part that a report is about; none where what is missing would begin.
    return {
        index for index, part in enumerate(parts) if part.offset <= offset < part.offset + part.size
    }
