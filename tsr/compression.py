"""Checksums and zlib streams, at the speed of the best library that is there. No numpy.

zlib-ng computes CRC-32 and inflates, and accepts exactly the streams that zlib does; ISA-L
deflates ten times as fast as zlib. Both come with the extra ``fast``; without them Python's own
zlib does the same work. A stream that is inflated is a stranger's: no more than what it was
declared to give is ever taken from it.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

__all__ = [
    "RATIO_MAX",
    "STREAM_START",
    "StreamError",
    "adler32",
    "crc32",
    "deflate",
    "inflate",
]

if TYPE_CHECKING:
    from collections.abc import Iterator


# Inflated at once, and what of the stream is looked at for it.
_CHUNK_BYTES = 1 << 20
_INPUT_BYTES = 1 << 16

# No stream of deflate gives more: its shortest code for 258 bytes takes two bits.
RATIO_MAX = 1032

# Raw deflate takes the level at which ISA-L is fastest; zlib's 1 is its fastest that compresses.
_LEVEL = 1

# Of a zlib stream: its first two bytes (deflate, a window of 32 KiB, the fastest level).
STREAM_START = b"\x78\x01"

# A bit of the second one: FDICT, a preset dictionary is needed.
_PRESET_DICTIONARY = 0x20


class StreamError(Exception):
    """A zlib stream is not what it was declared to be.

    Attributes
    ----------
    clause : str
        Of ``spec/tsr4.md``.
    found, expected : str
    """

    def __init__(self, clause: str, found: str, expected: str) -> None:
        self.clause = clause
        self.found = found
        self.expected = expected
        super().__init__(found)


def _fastest() -> Any:
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib
    return zlib_ng


_fast = _fastest()


def crc32(data: Any, value: int = 0) -> int:
    """Compute the CRC-32 of bytes that continue those of which it is `value`."""
    checksum: int = _fast.crc32(data, value)
    return checksum


def adler32(data: Any, value: int = 1) -> int:
    """Compute the Adler-32 of bytes that continue those of which it is `value`."""
    checksum: int = _fast.adler32(data, value)
    return checksum


def inflate(stream: memoryview, nbytes: int) -> Iterator[bytes]:
    """Inflate one zlib stream that is to give `nbytes`, piece by piece.

    No more than ``nbytes + 1`` bytes are ever inflated, nor more than 1 MiB at once.

    Raises
    ------
    StreamError
        The stream is broken, gives fewer or more bytes, or does not end where `stream` does.
    """
    expected = f"a zlib stream of {nbytes} bytes"
    # T4-ZLIB-1; zlib itself would wait for the id of the dictionary, and call a stream cut without.
    if len(stream) > 1 and stream[1] & _PRESET_DICTIONARY:
        raise StreamError("T4-ZLIB-1", "one with a preset dictionary", expected)
    decoder = _fast.decompressobj()
    done = start = 0
    rest: Any = b""
    while not decoder.eof:
        if not rest:
            rest = stream[start : start + _INPUT_BYTES]
            start += len(rest)
        try:
            chunk = decoder.decompress(rest, min(_CHUNK_BYTES, nbytes + 1 - done))
        except _fast.error as error:
            # T4-ZLIB-1
            raise StreamError("T4-ZLIB-1", f"{error} after {done} bytes", expected) from error
        done += len(chunk)
        # T4-ZLIB-2
        if done > nbytes:
            raise StreamError("T4-ZLIB-2", "one that gives more", expected)
        # T4-ZLIB-3
        if not rest and not chunk and not decoder.eof:
            raise StreamError("T4-ZLIB-3", f"one cut after {done} bytes", expected)
        yield chunk
        rest = decoder.unconsumed_tail
    # T4-ZLIB-2
    if done < nbytes:
        raise StreamError("T4-ZLIB-2", f"one of {done} bytes", expected)
    # T4-ZLIB-3
    surplus = len(decoder.unused_data) + len(stream) - start
    if surplus:
        raise StreamError("T4-ZLIB-3", f"{surplus} bytes behind its end", expected)


def deflate(block: Any, last: bool) -> tuple[bytes, bytes]:
    """Deflate one block of a stream, which starts with `STREAM_START`, to two pieces.

    Blocks know nothing of each other, so that threads can do one each. The last one ends the
    deflated data; the Adler-32 of the whole follows it.
    """
    encoder = _deflater().compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    start: bytes = encoder.compress(block)
    end: bytes = encoder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
    return start, end


@cache
def _deflater() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib
