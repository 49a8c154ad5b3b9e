"""TSR4 files taken apart: offsets, patches and the header's checksum, by struct and zlib alone."""

from __future__ import annotations

import zlib

__all__ = ["ENTRY", "HEADER", "entry_at", "patched", "resealed"]

HEADER = 128
ENTRY = 64


def entry_at(index: int) -> int:
    """Give the offset of an entry."""
    return HEADER + ENTRY * index


def patched(data: bytes, offset: int, piece: bytes) -> bytes:
    """Overwrite bytes."""
    return data[:offset] + piece + data[offset + len(piece) :]


def resealed(data: bytes) -> bytes:
    """Set the header's checksum to what its bytes say."""
    zeroed = patched(data, 40, bytes(4))
    return patched(zeroed, 40, zlib.crc32(zeroed[:HEADER]).to_bytes(4, "little"))
