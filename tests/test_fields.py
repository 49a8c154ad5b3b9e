"""`tsr.diagnosis.fields`: names, places and numbers of fields are those of the layouts."""

from __future__ import annotations

import pytest

from tsr.diagnosis.fields import Field, field_of, fields_of
from tsr.layout import TSR4_ENTRY_OFFSETS, TSR4_OFFSETS, V1_OFFSETS


@pytest.mark.parametrize(
    ("kind", "offsets", "size"),
    [("TSR v1", V1_OFFSETS, 64), ("TSR4", TSR4_OFFSETS, 128), ("entry", TSR4_ENTRY_OFFSETS, 64)],
)
def test_fields_are_adjacent(kind: str, offsets: dict[str, int], size: int) -> None:
    """The fields of a header are those of its layout, one behind the other."""
    fields = fields_of(kind)
    assert {field.name: field.offset for field in fields}.items() <= offsets.items()
    assert [field.offset + field.size for field in fields] == [
        *(field.offset for field in fields[1:]),
        size,
    ]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("TSR v1", "total_elements", Field("total_elements", 40, 8, "q")),
        ("TSR v1", "dims", Field("dims", 24, 16, "i")),
        ("TSR v1", "dims[2]", Field("dims[2]", 32, 4, "i")),
        ("TSR4", "version_minor", Field("version_minor", 6, 2, "H")),
        ("TSR4", "data_offset", Field("data_offset", 32, 8, "Q")),
        ("TSR4", "entries[2].data_offset", Field("data_offset", 300, 8, "Q")),
        ("TSR4", "entries[0].reserved_0", Field("reserved_0", 129, 3, "s")),
        ("TSR4", "entries[1].shape[3]", Field("shape[3]", 208, 4, "i")),
    ],
)
def test_field_by_name(kind: str, name: str, expected: Field) -> None:
    """A field, an item of one and a field of an entry are found by what findings call them."""
    assert field_of(kind, name) == expected


@pytest.mark.parametrize("name", ["payload", "payload[0]", "padding", "end of file", "header", ""])
def test_no_field(name: str) -> None:
    """What is no field is not found."""
    assert field_of("TSR v1", name) is None
    assert field_of("TSR4", name) is None


def test_numbers() -> None:
    """A number becomes the bytes of a field, if that can hold it, and comes back."""
    dims, magic = Field("dims[0]", 24, 4, "i"), Field("reserved_0", 129, 3, "s")
    assert dims.encode(-2) == b"\xfe\xff\xff\xff"
    assert dims.encode(2**31) is None
    assert Field("nbytes", 36, 8, "Q").encode(2**64 - 1) == b"\xff" * 8
    assert Field("nbytes", 36, 8, "Q").encode(-1) is None
    assert magic.encode(0) == bytes(3)
    assert magic.encode(1) is None
    assert dims.decode(b"\xfe\xff\xff\xff") == -2
    assert Field("dims", 24, 8, "i").decode(b"\1\0\0\0\2\0\0\0") == (1, 2)
    assert (magic.decode(bytes(3)), magic.decode(b"\0\0\1")) == (0, b"\0\0\1")
