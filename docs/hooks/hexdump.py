"""A test vector -> its hexdump as HTML."""

from __future__ import annotations
from html import escape
from docs.hooks.vectors import Vector

__all__ = ["rendered"]


def rendered(format: str, vector: Vector) -> str:
    data = bytes.fromhex(vector["hex"])
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        lines.append(f"{at:08x}  {row.hex(' ')}")
    return f'<figure class="dump"><pre>{escape(chr(10).join(lines))}</pre></figure>'
