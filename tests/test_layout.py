"""The compiled layouts are the schema's, derived field by field."""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

import pytest
from construct import Array, Bytes, Const, Enum, FormatField, Rebuild, Renamed

from tsr import dtypes, layout, schema


class Compiled(NamedTuple):
    """A struct of the schema beside its compiled form, and the sizes that are known of it.

    Attributes
    ----------
    schema : construct.Struct
    struct : struct.Struct
    offsets : dict
        The field of each name, and what follows the last field where that has a name.
    size : int
    constants : dict
        The values of the fields that hold one constant.
    codes : dict
        The number of each element type, by its label.
    modes : dict
        The number of each file mode, by its name.
    """

    schema: Any
    struct: Struct
    offsets: dict[str, int]
    size: int
    constants: dict[str, object]
    codes: dict[str, int | None]
    modes: dict[str, int]


V1_HEADER = Compiled(
    schema.V1_HEADER_SCHEMA,
    layout.V1_HEADER,
    layout.V1_OFFSETS,
    layout.V1_HEADER_SIZE,
    {
        "magic": layout.V1_MAGIC,
        "version": layout.V1_VERSION,
        "header_size": layout.V1_HEADER_SIZE,
        "reserved_1": 0,
        "reserved_2": 0,
        "reserved_3": 0,
    },
    {element.label: element.code for element in dtypes.V1_TYPES},
    {},
)
TSR4_HEADER = Compiled(
    schema.TSR4_HEADER_SCHEMA,
    layout.TSR4_HEADER,
    layout.TSR4_OFFSETS,
    layout.TSR4_HEADER_SIZE,
    {
        "magic": layout.TSR4_MAGIC,
        "version_major": layout.TSR4_VERSION[0],
        "version_minor": layout.TSR4_VERSION[1],
        "header_size": layout.TSR4_HEADER_SIZE,
        "entry_size": layout.TSR4_ENTRY_SIZE,
        "dir_offset": layout.TSR4_HEADER_SIZE,
        "reserved_0": 0,
        "reserved_1": bytes(80),
    },
    {},
    {"RAW": layout.TSR4_RAW, "ZLIB": layout.TSR4_ZLIB},
)
TSR4_ENTRY = Compiled(
    schema.TSR4_ENTRY_SCHEMA,
    layout.TSR4_ENTRY,
    layout.TSR4_ENTRY_OFFSETS,
    layout.TSR4_ENTRY_SIZE,
    {"reserved_0": bytes(3)},
    {element.label: element.tsr4_code for element in dtypes.TSR4_TYPES},
    {},
)

of_each_struct = pytest.mark.parametrize(
    "compiled",
    [
        pytest.param(V1_HEADER, id="v1-header"),
        pytest.param(TSR4_HEADER, id="tsr4-header"),
        pytest.param(TSR4_ENTRY, id="tsr4-entry"),
    ],
)


def fields(declared: Any) -> list[Any]:
    """Choose the parts of a struct that take bytes: rules take none."""
    return [part for part in declared.subcons if part.sizeof()]


def struct_format(subcon: Any) -> str:
    """Derive the `struct` notation of one construct field."""
    match subcon:
        case Renamed() | Rebuild() | Enum() | Const():
            return struct_format(subcon.subcon)
        case Array():
            return struct_format(subcon.subcon) * int(subcon.count)
        case FormatField():
            assert subcon.fmtstr[0] == "<", "every number is little-endian"
            return str(subcon.fmtstr[1:]).replace("l", "i").replace("L", "I")
        case Bytes():
            return f"{int(subcon.length)}s"
    raise AssertionError(f"no struct notation for {subcon!r}")


def enumerated(declared: Any, field: str) -> dict[str, int]:
    """Take the names and numbers of a field's enum; none where there is no such field."""
    return {
        str(name): number
        for part in fields(declared)
        if part.name == field
        for name, number in part.encmapping.items()
    }


@of_each_struct
def test_format_is_the_schemas(compiled: Compiled) -> None:
    """The struct format is the one that the schema's fields spell."""
    derived = "<" + "".join(map(struct_format, fields(compiled.schema)))
    assert derived == compiled.struct.format


@of_each_struct
def test_names_and_offsets_are_the_schemas(compiled: Compiled) -> None:
    """Every field has the name and the offset that the schema gives it."""
    offsets, offset = {}, 0
    for part in fields(compiled.schema):
        offsets[part.name] = offset
        offset += part.sizeof()
    assert offset == compiled.size == compiled.struct.size
    named = list(compiled.offsets.items())
    assert named[: len(offsets)] == list(offsets.items())
    assert [end for _, end in named[len(offsets) :]] in ([], [offset])


@of_each_struct
def test_constants_are_the_schemas(compiled: Compiled) -> None:
    """Magic, versions, sizes and the zeros of the reserved fields are constants."""
    named = {part.name: part.subcon for part in fields(compiled.schema)}
    constants = {
        name: part.value
        for name, part in named.items()
        if isinstance(part, Renamed) and isinstance(part.subcon, Const)
    }
    assert constants == compiled.constants


@of_each_struct
def test_dtype_codes_are_the_schemas(compiled: Compiled) -> None:
    """The table of element types has the names and numbers of the schema's enum."""
    assert enumerated(compiled.schema, "dtype") == compiled.codes


@of_each_struct
def test_file_modes_are_the_schemas(compiled: Compiled) -> None:
    """The modes have the numbers of the schema's enum."""
    assert enumerated(compiled.schema, "file_mode") == compiled.modes


def test_the_payload_follows_the_header() -> None:
    """A TSR v1 file is the header, the payload and its end, in that order."""
    header, payload, end = schema.V1_FILE.subcons
    assert (header.name, payload.name, end.name) == ("header", "payload", "end")
    assert header.sizeof() == layout.V1_OFFSETS["payload"]


def test_the_directory_follows_the_header() -> None:
    """A TSR4 file is header, directory, payloads and its end; then its contents are checked."""
    parts = schema.TSR4_FILE.subcons
    assert [part.name for part in parts] == [
        "header", "directory", "payloads", "end", "contents",
    ]  # fmt: skip
    assert parts[0].sizeof() == layout.TSR4_OFFSETS["directory"]
