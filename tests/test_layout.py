"""The compiled layout is the schema's, derived field by field."""

from __future__ import annotations

from typing import Any

from construct import Array, Bytes, Const, Enum, FormatField, Rebuild, Renamed

from tsr import layout
from tsr.schema import V1_FILE, V1_HEADER_SCHEMA


def struct_format(subcon: Any) -> str:
    """Derive the `struct` notation of one construct field."""
    match subcon:
        case Renamed() | Rebuild() | Enum() | Const():
            return struct_format(subcon.subcon)
        case Array():
            return struct_format(subcon.subcon) * int(subcon.count)
        case FormatField():
            assert subcon.fmtstr[0] == "<", "every number is little-endian"
            return str(subcon.fmtstr[1:])
        case Bytes():
            return f"{int(subcon.length)}s"
    raise AssertionError(f"no struct notation for {subcon!r}")


FIELDS = [subcon for subcon in V1_HEADER_SCHEMA.subcons if subcon.sizeof()]


def test_format_is_the_schemas() -> None:
    """The struct format is the one that the schema's fields spell."""
    derived = "<" + "".join(map(struct_format, FIELDS)).replace("l", "i")
    assert derived == layout.V1_HEADER.format


def test_names_and_offsets_are_the_schemas() -> None:
    """Every field has the name and the offset that the schema gives it."""
    offsets, offset = {}, 0
    for subcon in FIELDS:
        offsets[subcon.name] = offset
        offset += subcon.sizeof()
    offsets["payload"] = offset
    assert offsets == layout.V1_OFFSETS
    assert offset == layout.V1_HEADER_SIZE == layout.V1_HEADER.size


def test_the_payload_follows_the_header() -> None:
    """The file is the header, the payload and its end, in that order."""
    assert [subcon.name for subcon in V1_FILE.subcons] == ["header", "payload", "end"]
    assert V1_FILE.subcons[0].sizeof() == layout.V1_OFFSETS["payload"]


def test_constants_are_the_schemas() -> None:
    """Magic, version, header size and the zeros of the reserved fields are constants."""
    constants = {f.name: f.subcon.value for f in FIELDS if isinstance(f.subcon, Const)}
    assert constants == {
        "magic": layout.V1_MAGIC,
        "version": layout.V1_VERSION,
        "header_size": layout.V1_HEADER_SIZE,
        "reserved_1": 0,
        "reserved_2": 0,
        "reserved_3": 0,
    }


def test_dtype_codes_are_the_schemas() -> None:
    """The table of element types has the names and numbers of the schema's enum."""
    from tsr.dtypes import ELEMENT_TYPES

    (field,) = (f for f in FIELDS if f.name == "dtype")
    assert {e.label: e.code for e in ELEMENT_TYPES} == dict(field.subcon.encmapping)
