"""zlib streams put together by hand: valid ones of every kind, and broken ones.

What a compressor makes depends on its version, so the test vectors use none. RFC 1950 describes
the stream, RFC 1951 the blocks in it.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["END", "MATCH_MAX", "Blocks", "Symbol", "stored", "stream_header", "zlib_stream"]

# A byte, 256 for the end of the block, any other code as it is, or a match: (length, distance).
Symbol = int | tuple[int, int]

END = 256
MATCH_MAX = 258
STORED_MAX = 2**16 - 1

# RFC 1951, section 3.2.5: the extra bits of each code, and the least value that it stands for.
# Distances go on as in Deflate64, whose last two codes are invalid in deflate.
_LENGTH_BITS = [0] * 8 + [code // 4 - 1 for code in range(8, 28)]
_DISTANCE_BITS = [0] * 4 + [code // 2 - 1 for code in range(4, 32)]
_LENGTHS = [3 + sum(1 << bits for bits in _LENGTH_BITS[:code]) for code in range(28)]
_DISTANCES = [1 + sum(1 << bits for bits in _DISTANCE_BITS[:code]) for code in range(32)]

# Section 3.2.6: the lengths of the fixed codes.
_FIXED_LENGTHS = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
_FIXED_DISTANCES = [5] * 32

# Section 3.2.7: the order in which the lengths of the code length code are stored.
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class Blocks:
    """Deflate blocks, bit by bit; each method adds one."""

    def __init__(self) -> None:
        self._bits: list[int] = []

    def packed(self) -> bytes:
        """Give the blocks, filled up to a whole byte with zeros."""
        bits = [*self._bits, *[0] * (-len(self._bits) % 8)]
        return bytes(
            sum(bit << place for place, bit in enumerate(bits[start : start + 8]))
            for start in range(0, len(bits), 8)
        )

    def stored(self, data: bytes, *, last: bool = True, complement: int | None = None) -> Blocks:
        """Store at most 65535 bytes; `complement` is the length's, unless given."""
        size = len(data)
        self._header(0, last)
        self._bits += [0] * (-len(self._bits) % 8)
        self._number(size, 16)
        self._number(STORED_MAX - size if complement is None else complement, 16)
        for byte in data:
            self._number(byte, 8)
        return self

    def fixed(self, symbols: Iterable[Symbol], *, last: bool = True) -> Blocks:
        """Code symbols with the fixed codes; `END` is not added."""
        self._header(1, last)
        self._symbols(symbols, _FIXED_LENGTHS, _FIXED_DISTANCES)
        return self

    def dynamic(
        self,
        symbols: Iterable[Symbol],
        lengths: Sequence[int],
        distances: Sequence[int],
        *,
        last: bool = True,
    ) -> Blocks:
        """Code symbols with codes of these lengths, each 0 to 7 bits; `END` is not added."""
        self._header(2, last)
        self._number(len(lengths) - 257, 5)
        self._number(len(distances) - 1, 5)
        self._number(len(_ORDER) - 4, 4)
        # The code that the lengths are stored in has eight words of three bits.
        code_lengths = [3] * 8 + [0] * 11
        for symbol in _ORDER:
            self._number(code_lengths[symbol], 3)
        codes = _codes(code_lengths)
        for length in (*lengths, *distances):
            self._code(codes[length])
        self._symbols(symbols, lengths, distances)
        return self

    def run(self, matches: int, *, last: bool = True) -> Blocks:
        """Code ``1 + 258 * matches`` zeros, with two bits for each 258: the least there is."""
        lengths = [0] * 286
        lengths[285], lengths[0], lengths[END] = 1, 2, 2
        return self.dynamic([0, *[(MATCH_MAX, 1)] * matches, END], lengths, [1, 1], last=last)

    def codeless(self) -> Blocks:
        """Begin a dynamic block without a code for its 258 lengths, and a bit for each of them."""
        self._header(2, last=True)
        self._number(0, 5 + 5 + 4)  # 257 codes, one for distances; 4 lengths of codes for lengths
        self._number(0, 4 * 3)
        self._number(0, 258)
        return self

    def reserved(self) -> Blocks:
        """Begin a block of the type that does not exist."""
        self._header(3, last=True)
        return self

    def _header(self, kind: int, last: bool) -> None:
        self._number(int(last), 1)
        self._number(kind, 2)

    def _number(self, value: int, width: int) -> None:
        # Numbers begin with their lowest bit.
        self._bits += [value >> place & 1 for place in range(width)]

    def _code(self, code: tuple[int, int]) -> None:
        # Codes begin with their highest.
        value, width = code
        self._bits += [value >> place & 1 for place in reversed(range(width))]

    def _symbols(
        self, symbols: Iterable[Symbol], lengths: Sequence[int], distances: Sequence[int]
    ) -> None:
        words, back = _codes(lengths), _codes(distances)
        for symbol in symbols:
            if isinstance(symbol, int):
                self._code(words[symbol])
                continue
            length, distance = symbol
            if length == MATCH_MAX:  # it has a code of its own
                self._code(words[285])
            else:
                code = bisect_right(_LENGTHS, length) - 1
                self._code(words[257 + code])
                self._number(length - _LENGTHS[code], _LENGTH_BITS[code])
            code = bisect_right(_DISTANCES, distance) - 1
            self._code(back[code])
            self._number(distance - _DISTANCES[code], _DISTANCE_BITS[code])


def _codes(lengths: Sequence[int]) -> list[tuple[int, int]]:
    # Section 3.2.2: the codes that the lengths stand for, each with its width.
    codes = [(0, 0)] * len(lengths)
    value = 0
    for width in range(1, max(lengths) + 1):
        value <<= 1
        for symbol, length in enumerate(lengths):
            if length == width:
                codes[symbol] = value, width
                value += 1
    return codes


def stream_header(
    *, method: int = 8, window: int = 7, level: int = 2, dictionary: bool = False
) -> bytes:
    """Pack the two bytes that a stream begins with, the check bits among them."""
    value = window << 12 | method << 8 | level << 6 | dictionary << 5
    return (value + -value % 31).to_bytes(2, "big")


def zlib_stream(
    blocks: Blocks, data: bytes, *, header: bytes | None = None, adler: int | None = None
) -> bytes:
    """Wrap blocks that inflate to `data`; `adler` is its Adler-32 unless given."""
    checksum = zlib.adler32(data) if adler is None else adler
    return (header or stream_header()) + blocks.packed() + struct.pack(">I", checksum)


def stored(data: bytes) -> bytes:
    """Make a whole stream of one stored block."""
    return zlib_stream(Blocks().stored(data), data, header=stream_header(level=0))
