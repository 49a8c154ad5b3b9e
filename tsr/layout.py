"""The header layout compiled for the hot path.

`tsr.schema` declares the layout; these are the same facts as ``struct`` wants them, because a
construct parse costs two hundred times as much. ``tests/test_layout.py`` derives format, names
and offsets from the schema and fails on any difference.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["V1_HEADER", "V1_HEADER_SIZE", "V1_MAGIC", "V1_OFFSETS", "V1_RANK_MAX", "V1_VERSION"]

V1_MAGIC = b"TSR!"
V1_VERSION = 1
V1_HEADER_SIZE = 64
V1_RANK_MAX = 4

V1_HEADER = Struct("<4siiiiiiiiiqqq")
V1_OFFSETS = {
    "magic": 0,
    "version": 4,
    "header_size": 8,
    "reserved_1": 12,
    "dtype": 16,
    "ndim": 20,
    "dims": 24,
    "total_elements": 40,
    "reserved_2": 48,
    "reserved_3": 56,
    "payload": 64,
}
