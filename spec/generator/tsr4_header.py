"""The test vectors of TSR4 that break the header, or lack the directory behind it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from spec.generator import v1
from spec.generator.document import UINT32_MAX, UINT64_MAX, Vector, label
from spec.generator.tsr4_bytes import (
    FIVE,
    RAW,
    SIX,
    ZLIB,
    decoded,
    file_bytes,
    header_bytes,
    invalid,
    patched,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HEADER_GROUPS"]

# ------------------------------------------------------------------ T4-SIZE-1, T4-MAGIC-1


def size_vectors() -> Iterator[Vector]:
    """Files that end inside the header."""
    whole = file_bytes()
    yield invalid("size-empty", "an empty file", "cut", b"", "T4-SIZE-1")
    for size, comment in [
        (1, "one byte of the magic"),
        (3, "the magic cut"),
        (4, "the magic alone"),
        (44, "the header cut after its CRC"),
        (48, "the header without its zeros"),
        (64, "as much as the header of TSR v1"),
        (127, "the header but for its last byte"),
    ]:
        yield invalid(f"size-{size}", comment, "cut", whole[:size], "T4-SIZE-1")
    yield invalid(
        "size-before-magic",
        "too short, and of another format: a whole file of TSR v1",
        "order foreign",
        v1.file_bytes(),
        "T4-SIZE-1",
    )


def magic_vectors() -> Iterator[Vector]:
    """Files that begin otherwise; the CRC is right for the magic they have."""
    for name, comment, magic in [
        ("v1", "the magic of TSR v1", b"TSR!"),
        ("zero-terminated", "TSR and a zero byte", b"TSR\0"),
        ("next", "TSR5: the lowest bit of the last byte flipped", b"TSR5"),
        ("npy", "the start of an NPY file", b"\x93NUM"),
        ("zip", "the start of a ZIP archive", b"PK\3\4"),
        ("gzip", "the start of a gzip stream", b"\x1f\x8b\x08\0"),
    ]:
        data = file_bytes(magic=magic)
        yield invalid(f"magic-{name}", comment, "foreign", data, "T4-MAGIC-1")
    for name, comment, magic in [
        ("lower-case", "the magic in lower case", b"tsr4"),
        ("first-bit", "the highest bit of the first byte flipped", b"\xd4SR4"),
        ("zero", "four zero bytes", b"\0\0\0\0"),
    ]:
        yield invalid(f"magic-{name}", comment, "", file_bytes(magic=magic), "T4-MAGIC-1")
    yield invalid(
        "magic-v1-file",
        "a file of TSR v1 that is longer than the header here",
        "foreign order",
        v1.file_bytes(ndim=3, dims=(1, 2, 3, 4), payload=v1.FP32_RANK3_PAYLOAD),
        "T4-MAGIC-1",
    )
    for name, comment, data in [
        ("blank-file", "128 zero bytes", bytes(128)),
        ("ones-file", "128 bytes of FF", b"\xff" * 128),
        ("after-byte-order-mark", "a UTF-8 byte order mark first", b"\xef\xbb\xbf" + file_bytes()),
        ("after-newline", "a newline first", b"\n" + file_bytes()),
    ]:
        yield invalid(f"magic-{name}", comment, "order", data, "T4-MAGIC-1")
    yield invalid(
        "magic-byte-swapped",
        "header and directory in big-endian order, the magic too",
        "byte-swapped order",
        file_bytes(magic=b"4RST", order=">"),
        "T4-MAGIC-1",
    )


# ------------------------------------------------------------------ T4-CRC-1


def header_crc_vectors() -> Iterator[Vector]:
    """Files whose header has another CRC."""
    blank = header_bytes(1, header_crc32=0)
    right = zlib.crc32(blank)
    for name, comment, flags, crc in [
        ("zero", "0", "", 0),
        ("ones", "FFFFFFFF", "", UINT32_MAX),
        ("first-bit", "the lowest bit flipped", "boundary", right ^ 1),
        ("last-bit", "the highest bit flipped", "boundary", right ^ 1 << 31),
        ("inverted", "without the inversion at the end", "", right ^ UINT32_MAX),
        ("byte-swapped", "in big-endian order", "byte-swapped", swapped(right, 4)),
        ("without", "of the header without the field", "", zlib.crc32(blank[:40] + blank[44:])),
        ("before", "of the fields before it", "", zlib.crc32(blank[:40])),
        ("ones-for-zeros", "of the header with the field FFFFFFFF", "",
         zlib.crc32(patched(blank, 40, b"\xff" * 4))),
        ("file", "of the whole file with the field 0", "",
         zlib.crc32(file_bytes(header_crc32=0))),
        ("adler", "an Adler-32", "", zlib.adler32(blank)),
    ]:  # fmt: skip
        data = file_bytes(header_crc32=crc)
        yield invalid(f"header-crc-{name}", f"the CRC is wrong: {comment}", flags, data, "T4-CRC-1")
    changes: list[tuple[str, str, dict[str, Any], str]] = [
        ("version", "the version changed", {"version_minor": 21}, "order"),
        ("mode", "the mode changed", {"file_mode": 1}, "order"),
        ("count", "one tensor more", {"tensor_count": 2}, "order"),
        ("data-offset", "the lowest bit of data_offset flipped", {"data_offset": 257}, "order"),
        ("reserved", "reserved_0 changed", {"reserved_0": 1}, "order reserved"),
        ("last-byte", "the last byte of the header changed",
         {"reserved_1": bytes(79) + b"\1"}, "order reserved"),
    ]  # fmt: skip
    for name, comment, fields, flags in changes:
        data = file_bytes(header_crc32=right, **fields)
        yield invalid(f"header-crc-old-{name}", f"{comment}, not the CRC", flags, data, "T4-CRC-1")
    yield invalid(
        "header-crc-all-byte-swapped",
        "header and directory in big-endian order, the CRC too",
        "byte-swapped order",
        file_bytes(order=">", header_crc32=zlib.crc32(header_bytes(1, order=">", header_crc32=0))),
        "T4-CRC-1",
    )


def swapped(value: int, size: int) -> int:
    """Reverse the bytes of a number."""
    return int.from_bytes(value.to_bytes(size, "little"), "big")


# ------------------------------------------------------------------ constants

# For each field, its size and right value, and the wrong values: (value, comment, flags).
CONSTANTS: list[tuple[str, str, str, int, int, list[tuple[int, str, str]]]] = [
    ("T4-VERSION-1", "version_major", "version-major", 2, 4, [
        (0, "version 0.20", ""),
        (1, "version 1.20", ""),
        (3, "version 3.20", "boundary"),
        (5, "version 5.20", "boundary"),
        (65535, "the greatest version", ""),
        (4 + 2**8, "the low byte is 4", "narrow"),
    ]),
    ("T4-VERSION-2", "version_minor", "version-minor", 2, 20, [
        (0, "version 4.0", ""),
        (2, "version 4.2", ""),
        (19, "version 4.19", "boundary"),
        (21, "version 4.21", "boundary"),
        (65535, "the greatest version", ""),
        (20 + 2**8, "the low byte is 20", "narrow"),
        (0x20, "20 in hexadecimal", ""),
    ]),
    ("T4-HEADER-1", "header_size", "header-size", 4, 128, [
        (0, "no header", ""),
        (64, "the header of TSR v1", ""),
        (127, "one byte less", "boundary"),
        (129, "one byte more", "boundary"),
        (192, "header and directory", ""),
        (UINT32_MAX, "the greatest size", ""),
        (128 + 2**8, "the low byte is 128", "narrow"),
        (128 + 2**16, "the low half is 128", "narrow"),
    ]),
    ("T4-MODE-1", "file_mode", "mode", 4, 1, [
        (2, "the first mode that does not exist", "boundary"),
        (3, "two modes at once", ""),
        (2**31, "the highest bit alone", ""),
        (UINT32_MAX, "the greatest mode", ""),
        (2**8, "the low byte is 0, RAW", "narrow"),
        (2**16, "the low half is 0, RAW", "narrow"),
    ]),
    ("T4-ENTRY-1", "entry_size", "entry-size", 4, 64, [
        (0, "no entry", ""),
        (60, "entries without their CRC", ""),
        (63, "one byte less", "boundary"),
        (65, "one byte more", "boundary"),
        (128, "twice as much", ""),
        (UINT32_MAX, "the greatest size", ""),
        (64 + 2**8, "the low byte is 64", "narrow"),
        (64 + 2**16, "the low half is 64", "narrow"),
    ]),
    ("T4-DIRECTORY-1", "dir_offset", "dir-offset", 8, 128, [
        (0, "the header is the directory", ""),
        (64, "half the header is the directory", ""),
        (127, "one byte less", "boundary"),
        (129, "one byte more", "boundary"),
        (192, "behind the directory", ""),
        (256, "the payload is the directory", ""),
        (UINT64_MAX, "the greatest offset", ""),
        (2**64 - 64, "behind it, the end of the entry wraps to 0", "wrap"),
        (128 + 2**32, "the low half is 128", "narrow"),
        (128 + 2**63, "all but the highest bit is 128", "narrow"),
    ]),
]  # fmt: skip


def constant_vectors() -> Iterator[Vector]:
    """Files with another value in a field that has one, or two; the CRC is right."""
    for clause, field, name, size, right, wrong in CONSTANTS:
        fields: dict[str, Any] = {}
        for value, comment, flags in wrong:
            fields[field] = value
            yield invalid(f"{name}-{label(value)}", comment, flags, file_bytes(**fields), clause)
        fields[field] = swapped(right, size)
        yield invalid(
            f"{name}-byte-swapped",
            f"{right} in big-endian order",
            "byte-swapped",
            file_bytes(mode=ZLIB if field == "file_mode" else RAW, **fields),
            clause,
        )
    yield invalid(
        "version-swapped", "20.4", "order", file_bytes(version_major=20, version_minor=4),
        "T4-VERSION-1",
    )  # fmt: skip
    yield invalid(
        "version-byte-swapped",
        "header and directory in big-endian order, but for magic and CRC",
        "byte-swapped order",
        file_bytes(order=">"),
        "T4-VERSION-1",
    )


# ------------------------------------------------------------------ T4-COUNT-1, T4-DATA-1


def count_vectors() -> Iterator[Vector]:
    """Files of no tensor."""
    for name, comment, data in [
        ("header", "the header alone", header_bytes(0)),
        ("zlib", "the header alone, ZLIB", header_bytes(0, mode=ZLIB)),
        ("padded", "zeros up to the data", header_bytes(0) + bytes(128)),
        ("entry", "one entry and its payload follow", file_bytes(tensor_count=0)),
    ]:
        flags = "order" if name == "entry" else ""
        yield invalid(f"count-0-{name}", f"no tensor: {comment}", flags, data, "T4-COUNT-1")


def data_offset_vectors() -> Iterator[Vector]:
    """Files whose header says that the data begin elsewhere."""
    cases: list[tuple[str, str, str, int, int, int]] = [
        ("0", "at the start of the file", "", RAW, 1, 0),
        ("128", "at the directory", "placement", RAW, 1, 128),
        ("192", "where the directory ends, not rounded up", "", RAW, 1, 192),
        ("255", "one byte before", "boundary", RAW, 1, 255),
        ("257", "one byte behind", "boundary", RAW, 1, 257),
        ("512", "one block behind", "", RAW, 1, 512),
        ("low-half", "the low half is right", "narrow", RAW, 1, 256 + 2**32),
        ("byte-swapped", "256 in big-endian order", "byte-swapped", RAW, 1, swapped(256, 8)),
        ("last-block", "the last multiple of 256", "", RAW, 1, 2**64 - 256),
        ("greatest", "2**64 - 1, which rounds up to 0", "wrap", RAW, 1, UINT64_MAX),
        ("full-512", "behind a directory that ends at 256", "boundary", RAW, 2, 512),
        ("three-256", "inside the directory", "placement boundary", RAW, 3, 256),
        ("three-320", "where the directory ends, not rounded up", "", RAW, 3, 320),
        ("zlib-256", "rounded up as in RAW mode", "", ZLIB, 1, 256),
        ("zlib-191", "inside the directory", "boundary", ZLIB, 1, 191),
        ("zlib-193", "one byte behind", "boundary", ZLIB, 1, 193),
        ("zlib-greatest", "2**64 - 1", "", ZLIB, 1, UINT64_MAX),
    ]
    for name, comment, flags, mode, count, offset in cases:
        tensors = (SIX, FIVE, SIX)[:count]
        data = file_bytes(*tensors, mode=mode, data_offset=offset)
        flags = f"{flags} several" if count > 1 else flags
        yield invalid(f"data-offset-{name}", comment, flags, data, "T4-DATA-1")
    yield invalid(
        "data-offset-raw-as-zlib",
        "a RAW file whose header says ZLIB",
        "order",
        file_bytes(file_mode=ZLIB, data_offset=256),
        "T4-DATA-1",
    )
    yield invalid(
        "data-offset-zlib-as-raw",
        "a ZLIB file whose header says RAW",
        "order",
        file_bytes(mode=ZLIB, file_mode=RAW, data_offset=192),
        "T4-DATA-1",
    )
    yield invalid(
        "data-offset-of-one",
        "three tensors, and the offset that is right for one",
        "order",
        file_bytes(tensor_count=3, data_offset=256),
        "T4-DATA-1",
    )
    wrapped: list[tuple[str, str, int, int]] = [
        ("directory", "2**26 entries take 2**32 bytes, which wrap to 0", 2**26, 256),
        ("greatest", "the end of 2**32 - 1 entries wraps to 64 at 32 bits", UINT32_MAX, 256),
    ]
    for name, comment, count, offset in wrapped:
        data = header_bytes(count, data_offset=offset)
        yield invalid(f"data-offset-wrap-{name}", comment, "wrap claim", data, "T4-DATA-1")


# ------------------------------------------------------------------ reserved fields


def reserved_vectors() -> Iterator[Vector]:
    """Files with a reserved field of the header set; a lenient reader accepts each."""
    for bit in (0, 1, 7, 8, 15, 16, 24, 31):
        yield invalid(
            f"reserved-0-bit-{bit}",
            f"bit {bit} of reserved_0",
            "reserved",
            file_bytes(reserved_0=1 << bit),
            "T4-RESERVED-1",
            lenient=decoded(),
        )
    for bit in (0, 7, 8, 63, 64, 127, 319, 320, 575, 632, 639):
        yield invalid(
            f"reserved-1-bit-{bit}",
            f"bit {bit} of reserved_1",
            "reserved",
            file_bytes(reserved_1=(1 << bit).to_bytes(80, "little")),
            "T4-RESERVED-2",
            lenient=decoded(),
        )
    yield invalid(
        "reserved-1-name",
        "a name in reserved_1",
        "reserved",
        file_bytes(reserved_1=b"fc1.weight".ljust(80, b"\0")),
        "T4-RESERVED-2",
        lenient=decoded(),
    )
    fields: dict[str, Any] = {"reserved_0": UINT32_MAX, "reserved_1": b"\xff" * 80}
    yield invalid(
        "reserved-header-all",
        "every reserved bit of the header",
        "reserved order",
        file_bytes(**fields),
        "T4-RESERVED-1",
        lenient=decoded(),
    )
    yield invalid(
        "reserved-header-zlib",
        "every reserved bit of the header of a ZLIB file",
        "reserved order",
        file_bytes(mode=ZLIB, **fields),
        "T4-RESERVED-1",
        lenient=decoded(mode=ZLIB),
    )


# ------------------------------------------------------------------ T4-DIRECTORY-2


def directory_vectors() -> Iterator[Vector]:
    """Files that end inside the directory."""
    for mode, name in [(RAW, "raw"), (ZLIB, "zlib")]:
        whole = file_bytes(SIX, FIVE, mode=mode)
        for size, comment in [
            (128, "the header alone"),
            (129, "one byte of the directory"),
            (192, "one entry of two"),
            (255, "the last byte of the second entry is missing"),
        ]:
            flags = "cut boundary" if size == 255 else "cut"
            yield invalid(
                f"directory-cut-{name}-{size}", comment, flags, whole[:size], "T4-DIRECTORY-2"
            )
        yield invalid(
            f"directory-claim-{name}-greatest",
            "128 bytes that claim 2**32 - 1 tensors",
            "claim boundary",
            header_bytes(UINT32_MAX, mode=mode),
            "T4-DIRECTORY-2",
        )
    yield invalid(
        "directory-claim-wrap",
        "2**26 entries, whose 2**32 bytes wrap to none",
        "claim wrap",
        header_bytes(2**26),
        "T4-DIRECTORY-2",
    )
    yield invalid(
        "directory-claim-wrap-one",
        "2**26 + 1 entries, whose bytes wrap to those of the one that is there",
        "claim wrap",
        header_bytes(2**26 + 1) + file_bytes()[128:],
        "T4-DIRECTORY-2",
    )
    yield invalid(
        "directory-claim-one-more",
        "the last entry would take the place of the payloads, and one byte is missing",
        "boundary",
        header_bytes(3, mode=ZLIB) + file_bytes(FIVE, mode=ZLIB)[128:192] + bytes(127),
        "T4-DIRECTORY-2",
    )


HEADER_GROUPS = (
    size_vectors,
    magic_vectors,
    header_crc_vectors,
    constant_vectors,
    count_vectors,
    data_offset_vectors,
    reserved_vectors,
    directory_vectors,
)
