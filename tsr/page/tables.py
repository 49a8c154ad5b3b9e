"""The layouts of the formats -> what the page knows of headers: fields, places, types, clauses.

The page has no table of its own: `layout_tables` gives plain lists and dicts for JSON.
"""

from __future__ import annotations

from struct import calcsize
from typing import Any

from tsr.diagnosis.fields import fields_of
from tsr.layout import TSR4_ENTRY_SIZE, TSR4_HEADER_SIZE, V1_HEADER_SIZE

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

# What the page calls the kinds of fields.
_TYPES = {
    "s": "bytes", "B": "uint8", "H": "uint16", "I": "uint32", "Q": "uint64", "i": "int32",
    "q": "int64",
}  # fmt: skip


def layout_tables() -> dict[str, Any]:
    """Give the fields of both headers and of an entry, in order, with sizes in bytes."""
    return {
        "v1": {
            "header_size": V1_HEADER_SIZE,
            "header": _fields("TSR v1", V1_CLAUSES),
        },
        "tsr4": {
            "header_size": TSR4_HEADER_SIZE,
            "entry_size": TSR4_ENTRY_SIZE,
            "header": _fields("TSR4", TSR4_CLAUSES),
            "entry": _fields("entry", ENTRY_CLAUSES),
        },
    }


def _fields(kind: str, clauses: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [
        {
            "name": field.name,
            "offset": field.offset,
            "size": field.size,
            "type": _TYPES[field.kind],
            "items": 1 if field.kind == "s" else field.size // calcsize(f"<{field.kind}"),
            "clauses": clauses.get(field.name, ()),
        }
        for field in fields_of(kind)
    ]
