"""The dictionary of each target: what its inputs are made of, from the schema where that knows.

In: the construct declarations of `tsr.schema`, and the names and numbers of the other formats.
Out: words as bytes, and as a file for libFuzzer.
"""

from __future__ import annotations

import struct
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from construct import Const, Enum

from tsr.schema import TSR4_ENTRY_SCHEMA, TSR4_HEADER_SCHEMA, V1_HEADER_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["libfuzzer_dictionary", "words_of"]

# Where integers wrap, and what sizes and offsets of the formats are multiples of.
_NUMBERS = (0, 1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 192, 255, 256, 320, 512)
_POWERS = (7, 8, 15, 16, 31, 32, 62, 63)

_JSON = (
    '{"command":"', '","parameters":"', '","id":"', '","timestamp":', '{"cmd":"', '","params":"',
    '{"result":"', '","message":"', '","tensors":[', "true", "false", "null", "{}", "[]", '""',
    "\\u0000", "\\ud800", '\\"', "\\\\", "1e999", "-0.0", "NaN", "Infinity", ",", ":", "\n", "[[[[",
)  # fmt: skip
_NPY = (
    "'descr': ", "'fortran_order': ", "'shape': ", "True", "False", "(", ")", ",)", "'<f4'",
    "'|i1'", "'<i4'", "'>f4'", "'<f8'", "'|O'", "'|S8'", "'<U2'", "[('a', '<f4')]", "-1",
    "2147483648", "9223372036854775808", "1e3", "0x4", "L", "\x00", "\n", "{", "}", "'",
)  # fmt: skip
_SAFETENSORS = (
    '"dtype":', '"shape":', '"data_offsets":', '"__metadata__":', '"F32"', '"I8"', '"I32"', '"F16"',
    '"BF16"', '"F8_E4M3"', '"BOOL"', "[0,4]", "-1", "18446744073709551615", "{", "}", "[", "]",
)  # fmt: skip
_PICKLE = (
    "c__builtin__\neval\n", "cos\nsystem\n", "ctorch._utils\n_rebuild_tensor_v2\n",
    "ctorch\nFloatStorage\n", "ccollections\nOrderedDict\n", "storage",
    "M\x00\x01", "J\xff\xff\xff\xff", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "K\x01",
    "\x85", "\x86", "\x87", "\x88", "\x89", "\x80\x02", "q\x00", "h\x00", *"RQ()tus.N}]eb",
)  # fmt: skip
_ZIP = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7", b".npy", b"../", b"/", b"data.pkl")


@cache
def words_of(name: str) -> tuple[bytes, ...]:
    """Give the words of a target, without repetition."""
    numbers = dict.fromkeys(_numbers())
    words: Iterable[bytes]
    if name in ("request", "response"):
        words = _encoded(_JSON)
    elif name == "npy":
        words = _encoded(_NPY)
    elif name == "npz":
        words = chain(_encoded(_NPY), _ZIP, numbers)
    elif name == "pt":
        words = chain(_encoded(_PICKLE), _ZIP, numbers)
    elif name == "safetensors":
        words = chain(_encoded(_SAFETENSORS), _encoded(_JSON), numbers)
    else:
        words = chain(_declared(), numbers)
    return tuple(dict.fromkeys(words))


def libfuzzer_dictionary(name: str) -> str:
    """Write the words of a target as libFuzzer reads them."""
    return "".join(
        '"' + "".join(f"\\x{byte:02X}" for byte in word) + '"\n' for word in words_of(name)
    )


def _encoded(texts: Iterable[str]) -> Iterator[bytes]:
    return (text.encode("latin-1") for text in texts)


def _declared() -> Iterator[bytes]:
    # The constants of the schema, and every number that an enumeration knows.
    for schema in (V1_HEADER_SCHEMA, TSR4_HEADER_SCHEMA, TSR4_ENTRY_SCHEMA):
        for field in schema.subcons:
            kind: Any = field
            while kind is not None:
                if isinstance(kind, Const):
                    yield kind.build(None)
                elif isinstance(kind, Enum):
                    yield from (kind.build(label) for label in kind.encmapping)
                kind = getattr(kind, "subcon", None)


def _numbers() -> Iterator[bytes]:
    near = (2**power + step for power in _POWERS for step in (-1, 0, 1))
    for number in (*_NUMBERS, *near):
        for layout in ("<H", "<I", "<Q"):
            if number < 256 ** struct.calcsize(layout):
                yield struct.pack(layout, number)
    yield from (b"\xff" * 4, b"\xff" * 8, struct.pack("<q", -(2**63)), struct.pack("<i", -(2**31)))
