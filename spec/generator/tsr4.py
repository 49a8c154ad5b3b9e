"""The test vectors of TSR4: the document ``spec/vectors/tsr4.json``.

The modules beside this one have a group of vectors for each clause or two; those on the order
of reporting, which break many, are here. Every expectation is written down by hand; neither the
codec under test nor a compressor is ever imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec.generator.deflate import stored
from spec.generator.document import COMMON_FLAGS, Vector, render
from spec.generator.tsr4_bytes import (
    FIVE,
    LOCATIONS,
    SIX,
    ZLIB,
    decoded,
    fault,
    file_bytes,
    invalid,
    patched,
)
from spec.generator.tsr4_contents import CONTENTS_GROUPS
from spec.generator.tsr4_directory import DIRECTORY_GROUPS
from spec.generator.tsr4_header import HEADER_GROUPS
from spec.generator.tsr4_valid import VALID_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["document"]

FLAGS = COMMON_FLAGS | {
    "bomb": "A compressed payload inflates to far more than its entry says; one byte more is "
    "all that may be inflated.",
    "claim": "The header or an entry claims far more bytes than the file holds or its payload "
    "inflates to; nothing may be allocated from the claim.",
    "original": "The whole file also lies in the directory `original`.",
    "placement": "Payloads overlap, repeat, change places, leave gaps, or lie where none can.",
    "row-stride": "row_stride is not the computed value, and is not checked.",
    "several": "The file holds more than one tensor.",
    "trailing": "Bytes follow the last payload.",
    "wrap": "A product, a sum or a rounding is right only where arithmetic wraps at 32 or 64 bits.",
}

# ------------------------------------------------------------------ order of reporting


def field_order_vectors() -> Iterator[Vector]:
    """For each clause on a field, a file that breaks it and what it can of the later ones."""
    # From the last clause to the first, each file breaks one more: in the header, in one of
    # the two entries, or in its size.
    steps: list[tuple[str, Vector, dict[str, Any], Vector | None]] = [
        ("size", fault("T4-PAYLOAD-1", at=256), {"size": 279}, None),
        ("second", fault("T4-DTYPE-1", 1), {"dtype": 4}, None),
        ("first", fault("T4-STORED-1"), {"payload_size": 25}, None),
        ("first", fault("T4-OFFSET-1"), {"data_offset": 257}, None),
        ("first", fault("T4-NBYTES-1"), {"nbytes": 23}, None),
        ("first", fault("T4-LIMIT-1"), {"shape": (1, 2, 2**30, 2**30), "numel": 2**61}, None),
        ("first", fault("T4-NUMEL-1"), {"numel": 0}, None),
        ("first", fault("T4-SHAPE-1", axis=2), {"shape": (1, 1, 0, -1)}, None),
        (
            "first",
            fault("T4-RESERVED-3"),
            {"reserved_0": b"\xff" * 3},
            fault("T4-SHAPE-1", axis=2),
        ),
        ("first", fault("T4-DTYPE-1"), {"dtype": 4}, None),
        ("size", fault("T4-DIRECTORY-2"), {"size": 255}, None),
        ("header", fault("T4-RESERVED-2"), {"reserved_1": b"\1" * 80}, fault("T4-DIRECTORY-2")),
        ("header", fault("T4-RESERVED-1"), {"reserved_0": 1}, fault("T4-DIRECTORY-2")),
        ("header", fault("T4-DATA-1"), {"data_offset": 1}, None),
        ("header", fault("T4-DIRECTORY-1"), {"dir_offset": 1}, None),
        ("header", fault("T4-ENTRY-1"), {"entry_size": 1}, None),
        ("header", fault("T4-COUNT-1"), {"tensor_count": 0}, None),
        ("header", fault("T4-MODE-1"), {"file_mode": 2}, None),
        ("header", fault("T4-HEADER-1"), {"header_size": 1}, None),
        ("header", fault("T4-VERSION-2"), {"version_minor": 1}, None),
        ("header", fault("T4-VERSION-1"), {"version_major": 1}, None),
        ("header", fault("T4-CRC-1"), {"header_crc32": 0}, None),
        ("header", fault("T4-MAGIC-1"), {"magic": b"TSR!"}, None),
    ]
    changes: dict[str, dict[str, Any]] = {
        "header": {},
        "first": {"data_crc32": 0},
        "second": {"data_crc32": 0},
        "size": {},
    }
    for place, report, change, lenient_error in steps:
        changes[place] |= change
        data = file_bytes(
            SIX.but(**changes["first"]), FIVE.but(**changes["second"]), **changes["header"]
        )
        name = str(report["clause"]).lower()
        yield invalid(
            f"order-{name}-second" if place == "second" else f"order-{name}",
            f"{report['clause']} and later clauses are broken",
            "several order",
            data[: changes["size"]["size"]],
            report,
            lenient_error=lenient_error,
        )


def raw_order_vectors() -> Iterator[Vector]:
    """RAW files that break several clauses on contents: the first place in the file counts."""
    data = file_bytes(SIX, FIVE, SIX)
    crcs = [fault("T4-CRC-2", index) for index in range(3)]
    # From the last place to the first, each file is broken at one more: the fields data_crc32
    # of the three entries are at 188, 252 and 316.
    for name, comment, offset, piece, report, lenient_error in [
        ("padding-last", "padding, and the CRC of the payload behind it", 773, b"\1", None, 2),
        ("crc-second", "a payload's CRC, and the padding behind it", 252, bytes(4), 1, None),
        ("padding-second", "padding, and the CRC of the payload behind it", 536, b"\1", None, 1),
        ("crc-first", "a payload's CRC, and the padding behind it", 188, bytes(4), 0, None),
        ("padding-first", "padding before all payloads", 320, b"\1", None, 0),
    ]:
        if name == "padding-last":
            data = patched(data, 316, bytes(4))
        data = patched(data, offset, piece)
        yield invalid(
            f"order-raw-{name}",
            comment,
            "several order",
            data,
            fault("T4-PADDING-1", at=offset) if report is None else crcs[report],
            lenient_error=None if lenient_error is None else crcs[lenient_error],
        )
    yield invalid(
        "order-raw-trailing",
        "a byte behind the last payload, and every clause on contents of a RAW file",
        "several order trailing",
        data + b"\0",
        fault("T4-END-1", at=1048),
        lenient_error=crcs[0],
    )


def lenient_order_vectors() -> Iterator[Vector]:
    """Files that break every clause that lenient reading waives, and no other."""
    fields: dict[str, Any] = {"reserved_0": 1, "reserved_1": b"\2".ljust(80, b"\0")}
    tensor = FIVE.but(reserved_0=b"\0\0\3")
    yield invalid(
        "lenient-raw",
        "everything that lenient reading waives, at once",
        "reserved trailing order",
        patched(file_bytes(tensor, tail=b"\6", **fields), 255, b"\4"),
        "T4-RESERVED-1",
        lenient=decoded(FIVE),
    )
    yield invalid(
        "lenient-zlib",
        "everything that lenient reading waives, in a ZLIB file",
        "reserved trailing order",
        file_bytes(tensor, mode=ZLIB, tail=b"\6", **fields),
        "T4-RESERVED-1",
        lenient=decoded(FIVE, mode=ZLIB),
    )


def zlib_order_vectors() -> Iterator[Vector]:
    """ZLIB files that break several clauses on contents: the first place in the file counts."""
    five = FIVE._replace(stream=b"\x78\x9d" + stored(FIVE.data)[2:])
    streams = {
        "crc": stored(SIX.data),
        "zlib-3": stored(SIX.data) + b"\0",
        "zlib-2": stored(SIX.data[:23]) + b"\0",
        "zlib-1": b"\x78\x9d" + stored(SIX.data[:23])[2:] + b"\0",
    }
    for name, stream in streams.items():
        report = fault("T4-CRC-2") if name == "crc" else fault(f"T4-{name.upper()}", at=256)
        data = file_bytes(SIX.but(data_crc32=0)._replace(stream=stream), five, mode=ZLIB)
        yield invalid(
            f"order-zlib-{name}",
            f"{report['clause']} and later clauses in one payload, T4-ZLIB-1 in the next",
            "several order",
            data,
            report,
        )
    yield invalid(
        "order-zlib-trailing",
        "a byte behind the last payload, and clauses on contents",
        "several order trailing",
        data + b"\0",
        fault("T4-END-1", at=len(data)),
        lenient_error=fault("T4-ZLIB-1", at=256),
    )


# ------------------------------------------------------------------ the document

GROUPS = (
    *VALID_GROUPS,
    *HEADER_GROUPS,
    *DIRECTORY_GROUPS,
    *CONTENTS_GROUPS,
    field_order_vectors,
    raw_order_vectors,
    zlib_order_vectors,
    lenient_order_vectors,
)


def document() -> str:
    """Render ``tsr4.json``."""
    return render(
        "TSR4 4.20",
        "spec/tsr4.md",
        GROUPS,
        clauses=LOCATIONS,
        not_bytes=[],
        flags=FLAGS,
    )
