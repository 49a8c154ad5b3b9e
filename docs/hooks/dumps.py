"""Places for hexdumps in pages -> the hexdumps, once the pages are HTML.

A fenced block ``hexdump ID`` of a specification, and what `directive` gives, become an empty
element that names a vector; `fill` puts the hexdump of the vector there, with the bytes marked that
break a clause. `ValueError` is raised for a vector that does not exist.
"""

from __future__ import annotations

import re

import tsr
from docs.hooks.hexdump import render
from docs.hooks.vectors import file_of, vector

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
    explained = tsr.explain(data)
    parts = list(explained.parts())
    if described["valid"]:
        return render(data, parts, label=name)
    for fault in explained.faults(1):
        if fault.clause.id == described["clause"]:
            wrong = [range(mark.offset, mark.offset + mark.size) for mark in fault.marks]
            return render(data, parts, wrong, label=name, fault=str(fault.finding))
    # Its magic is the other format's, and it was held against the other document.
    said = f"{described['field']} at offset {described['offset']} [{described['clause']}]"
    return render(data, parts, [range(4)], label=name, fault=said)
