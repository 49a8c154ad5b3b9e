"""`tsr.layout` -> what the page's JavaScript knows of headers: fields, places, types, clauses.

The page has no table of its own: `layout_tables` gives plain lists and dicts for JSON.
"""

from __future__ import annotations

import re
from struct import calcsize
from typing import TYPE_CHECKING, Any

from tsr.layout import (
    TSR4_ENTRY,
    TSR4_ENTRY_OFFSETS,
    TSR4_ENTRY_SIZE,
    TSR4_HEADER,
    TSR4_HEADER_SIZE,
    TSR4_OFFSETS,
    V1_HEADER,
    V1_HEADER_SIZE,
    V1_OFFSETS,
)

if TYPE_CHECKING:
    from struct import Struct

__all__ = ["ENTRY_CLAUSES", "TSR4_CLAUSES", "V1_CLAUSES", "layout_tables"]

# Which clauses speak of a field: those that are reported with it, as the specifications' tables of
# the order of reporting say, which a test compares.
V1_CLAUSES: dict[str, tuple[str, ...]] = {
    "magic": ("V1-MAGIC-1",),
    "version": ("V1-VERSION-1",),
    "header_size": ("V1-HEADER-1",),
    "reserved_1": ("V1-RESERVED-1",),
    "dtype": ("V1-DTYPE-1",),
    "ndim": ("V1-NDIM-1",),
    "dims": ("V1-DIMS-1", "V1-DIMS-2", "V1-LIMIT-1"),
    "total_elements": ("V1-TOTAL-1",),
    "reserved_2": ("V1-RESERVED-2",),
    "reserved_3": ("V1-RESERVED-3",),
}
TSR4_CLAUSES: dict[str, tuple[str, ...]] = {
    "magic": ("T4-MAGIC-1",),
    "version_major": ("T4-VERSION-1",),
    "version_minor": ("T4-VERSION-2",),
    "header_size": ("T4-HEADER-1",),
    "file_mode": ("T4-MODE-1",),
    "tensor_count": ("T4-COUNT-1",),
    "entry_size": ("T4-ENTRY-1",),
    "dir_offset": ("T4-DIRECTORY-1",),
    "data_offset": ("T4-DATA-1",),
    "header_crc32": ("T4-CRC-1",),
    "reserved_0": ("T4-RESERVED-1",),
    "reserved_1": ("T4-RESERVED-2",),
}
ENTRY_CLAUSES: dict[str, tuple[str, ...]] = {
    "dtype": ("T4-DTYPE-1",),
    "reserved_0": ("T4-RESERVED-3",),
    "shape": ("T4-SHAPE-1", "T4-LIMIT-1"),
    "numel": ("T4-NUMEL-1",),
    "nbytes": ("T4-NBYTES-1",),
    "data_offset": ("T4-OFFSET-1",),
    "payload_size": ("T4-STORED-1",),
    "data_crc32": ("T4-CRC-2",),
}

_TYPES = {"B": "uint8", "H": "uint16", "I": "uint32", "Q": "uint64", "i": "int32", "q": "int64"}


def layout_tables() -> dict[str, Any]:
    """Give the fields of both headers and of an entry, in order, with sizes in bytes."""
    return {
        "v1": {
            "header_size": V1_HEADER_SIZE,
            "header": _fields(V1_HEADER, V1_OFFSETS, V1_CLAUSES),
        },
        "tsr4": {
            "header_size": TSR4_HEADER_SIZE,
            "entry_size": TSR4_ENTRY_SIZE,
            "header": _fields(TSR4_HEADER, TSR4_OFFSETS, TSR4_CLAUSES),
            "entry": _fields(TSR4_ENTRY, TSR4_ENTRY_OFFSETS, ENTRY_CLAUSES),
        },
    }


def _fields(
    struct: Struct, offsets: dict[str, int], clauses: dict[str, tuple[str, ...]]
) -> list[dict[str, Any]]:
    codes, end = {}, 0
    for code in re.findall(r"\d*[a-zA-Z]", struct.format):
        codes[end] = code
        end += calcsize(f"<{code}")
    starts = [offset for offset in offsets.values() if offset < end]
    sizes = [after - start for start, after in zip(starts, [*starts[1:], end], strict=True)]
    return [
        {
            "name": name,
            "offset": offset,
            "size": size,
            "type": _TYPES.get(codes[offset], "bytes"),
            "items": size // calcsize(f"<{codes[offset]}"),
            "clauses": clauses.get(name, ()),
        }
        for (name, offset), size in zip(offsets.items(), sizes, strict=False)
    ]
