"""The test vectors of TSR4 that break an entry of the directory, or end elsewhere than it says."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from spec.generator import v1
from spec.generator.document import (
    INT32_MAX,
    INT32_MIN,
    INT64_MAX,
    INT64_MAX_DIMS,
    INT64_MIN,
    UINT64_MAX,
    Vector,
    int8,
    zip_bytes,
)
from spec.generator.tsr4_bytes import (
    FIVE,
    FP16,
    FP32,
    INT8,
    INT32,
    MODES,
    RAW,
    SIX,
    ZLIB,
    Shape,
    Tensor,
    decoded,
    fault,
    file_bytes,
    invalid,
    row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DIRECTORY_GROUPS"]

# ------------------------------------------------------------------ T4-DTYPE-1, T4-RESERVED-3


def dtype_vectors() -> Iterator[Vector]:
    """Entries of an element type that does not exist."""
    for dtype, comment, flags in [
        (4, "the first number of none, FP16 in TSR v1", "boundary"),
        (5, "BF16 in TSR v1", ""),
        (6, "FP64 in TSR v1", ""),
        (7, "INT16 in TSR v1", ""),
        (8, "UINT8 in TSR v1", ""),
        (16, "one bit", ""),
        (32, "one bit", ""),
        (64, "one bit", ""),
        (127, "the greatest int8", ""),
        (128, "the highest bit alone, over FP32", ""),
        (131, "the highest bit, over INT32", ""),
        (255, "the greatest number", "boundary"),
    ]:
        data = file_bytes(SIX.but(dtype=dtype))
        yield invalid(f"dtype-{dtype}", comment, flags, data, "T4-DTYPE-1")
    yield invalid(
        "dtype-second",
        "in the second entry",
        "several",
        file_bytes(SIX, FIVE.but(dtype=4)),
        fault("T4-DTYPE-1", 1),
    )


def reserved_vectors() -> Iterator[Vector]:
    """Entries with reserved_0 set; a lenient reader accepts each."""
    for bit in (0, 7, 8, 15, 16, 22, 23):
        yield invalid(
            f"entry-reserved-bit-{bit}",
            f"bit {bit} of reserved_0",
            "reserved",
            file_bytes(SIX.but(reserved_0=(1 << bit).to_bytes(3, "little"))),
            "T4-RESERVED-3",
            lenient=decoded(),
        )
    yield invalid(
        "entry-reserved-wide-dtype",
        "INT32 as 32 bits in big-endian order: here that is FP32, and reserved bits",
        "reserved byte-swapped",
        file_bytes(SIX.but(reserved_0=b"\0\0\3")),
        "T4-RESERVED-3",
        lenient=decoded(),
    )
    yield invalid(
        "entry-reserved-second",
        "every bit of reserved_0 in the second entry",
        "reserved several",
        file_bytes(SIX, FIVE.but(reserved_0=b"\xff" * 3)),
        fault("T4-RESERVED-3", 1),
        lenient=decoded(SIX, FIVE),
    )
    yield invalid(
        "entry-reserved-zlib",
        "every bit of reserved_0 in a ZLIB file",
        "reserved",
        file_bytes(SIX.but(reserved_0=b"\xff" * 3), mode=ZLIB),
        "T4-RESERVED-3",
        lenient=decoded(mode=ZLIB),
    )


# ------------------------------------------------------------------ T4-SHAPE-1


def sized(dtype: int, shape: Shape, data: bytes = b"", **fields: Any) -> bytes:
    """Pack a RAW file of one tensor, whatever its data are.

    The payload's size is claimed to be what shape and dtype ask for.
    """
    tensor = Tensor(dtype, shape, data)
    if "payload_size" not in fields:
        fields["payload_size"] = max(tensor.nbytes, 0)
    fields.setdefault("nbytes", fields["payload_size"])
    fields.setdefault("row_stride", 256)
    return file_bytes(tensor.but(**fields))


def shape_vectors() -> Iterator[Vector]:
    """Entries with a dimension below 1; all other fields agree with the shape."""
    for axis in range(4):
        for value, case, flags in [
            (0, "zero", "boundary"),
            (-1, "minus-one", "negative"),
            (INT32_MIN, "least", "negative"),
        ]:
            n, h, w, c = (value if i == axis else dim for i, dim in enumerate((1, 1, 2, 3)))
            yield invalid(
                f"shape-{axis}-{case}",
                f"shape[{axis}] is {value}",
                flags,
                sized(FP32, (n, h, w, c), SIX.data),
                fault("T4-SHAPE-1", axis=axis),
            )
    cases: list[tuple[str, str, Shape, int]] = [
        ("pair-wc", "(-2) * (-3) is the right 6", (1, 1, -2, -3), 2),
        ("pair-nh", "the two signs at shape[0] and shape[1]", (-1, -1, 2, 3), 0),
        ("pair-hw", "the two signs at shape[1] and shape[2]", (1, -1, -2, 3), 1),
        ("pair-nc", "the two signs at shape[0] and shape[3]", (-1, 1, 2, -3), 0),
        ("four", "four negative dimensions", (-1, -1, -2, -3), 0),
    ]
    for case, comment, shape, axis in cases:
        yield invalid(
            f"shape-negative-{case}",
            f"{comment}; the product is right",
            "negative",
            sized(FP32, shape, SIX.data),
            fault("T4-SHAPE-1", axis=axis),
        )
    yield invalid(
        "shape-negative-least-pair",
        "two least dimensions, whose product 2**62 is right",
        "negative claim",
        sized(INT8, (1, 1, INT32_MIN, INT32_MIN)),
        fault("T4-SHAPE-1", axis=2),
    )
    yield invalid(
        "shape-zero-all",
        "no dimension at all: a shape of zeros, and no payload",
        "",
        sized(FP32, (0, 0, 0, 0)),
        "T4-SHAPE-1",
    )
    yield invalid(
        "shape-zero-vector",
        "the shape (0,), stored with leading 1s",
        "boundary",
        sized(INT8, (1, 1, 1, 0)),
        fault("T4-SHAPE-1", axis=3),
    )
    yield invalid(
        "shape-zero-trailing",
        "zeros for the dimensions of the shape (2, 3), aligned to the left",
        "",
        sized(FP32, (2, 3, 0, 0), SIX.data, numel=6, nbytes=24, payload_size=24),
        fault("T4-SHAPE-1", axis=2),
    )
    yield invalid(
        "shape-second",
        "in the second entry",
        "several",
        file_bytes(SIX, FIVE.but(shape=(1, 1, 0, 5), numel=0)),
        fault("T4-SHAPE-1", 1, axis=2),
    )
    yield invalid(
        "shape-byte-swapped",
        "the dimensions in big-endian order: the last one is negative",
        "byte-swapped order",
        sized(INT8, (1 << 24, 1 << 24, 1 << 24, -(1 << 31)), bytes(128), numel=128, nbytes=128),
        fault("T4-SHAPE-1", axis=3),
    )


# ------------------------------------------------------------------ T4-NUMEL-1, T4-LIMIT-1


def numel_vectors() -> Iterator[Vector]:
    """Entries whose numel is not the product of the shape."""
    for name, comment, flags, numel in [
        ("one-more", "one more than the product", "boundary", 7),
        ("one-less", "one less than the product", "boundary", 5),
        ("zero", "0", "", 0),
        ("negative", "the product, negated", "negative", -6),
        ("bytes", "the bytes of the payload, not its elements", "", 24),
        ("greatest", "2**63 - 1", "claim", INT64_MAX),
        ("least", "-2**63", "negative", INT64_MIN),
        ("low-half", "the low 32 bits are right", "narrow", 6 + 2**32),
        ("byte-swapped", "the product in big-endian order", "byte-swapped", 6 << 56),
    ]:
        data = file_bytes(SIX.but(numel=numel))
        yield invalid(f"numel-{name}", comment, flags, data, "T4-NUMEL-1")
    yield invalid(
        "numel-second",
        "in the second entry",
        "several",
        file_bytes(SIX, FIVE.but(numel=6)),
        fault("T4-NUMEL-1", 1),
    )
    yield invalid(
        "shape-other",
        "numel, nbytes and payload agree, the shape does not",
        "",
        file_bytes(SIX.but(shape=(1, 1, 3, 3))),
        "T4-NUMEL-1",
    )
    yield invalid(
        "shape-little-of-big",
        "every dimension in big-endian order",
        "byte-swapped",
        file_bytes(SIX.but(shape=(1 << 24, 1 << 24, 2 << 24, 3 << 24))),
        "T4-NUMEL-1",
    )
    cases: list[tuple[str, str, Shape, int, bytes]] = [
        ("2-64", "65536**4 wraps to 0", (2**16, 2**16, 2**16, 2**16), 0, b""),
        ("2-99", "2**26 * 2**24 * 2**25 * 2**24 wraps to 0", (2**26, 2**24, 2**25, 2**24), 0, b""),
        ("2-63", "2**63 wraps to -2**63", (2**30, 2**30, 8, 1), INT64_MIN, b""),
        (
            "2-64-plus-21",
            "the product is 2**64 + 21, which wraps to the 21 bytes that follow",
            (61836419, 13309, 1499, 14953),
            21,
            int8(*range(21)),
        ),
        (
            "2-32-plus-1",
            "the product is 2**32 + 1, which wraps at 32 bits to the one byte that follows",
            (1, 1, 6700417, 641),
            1,
            int8(1),
        ),
    ]
    for case, comment, shape, numel, data in cases:
        size = len(data)
        packed = sized(INT8, shape, data, numel=numel, nbytes=size, payload_size=size)
        yield invalid(f"numel-wrap-{case}", comment, "wrap", packed, "T4-NUMEL-1")


def limit_vectors() -> Iterator[Vector]:
    """Entries whose elements are counted right, and take more than 2**63 - 1 bytes."""
    cases: list[tuple[str, str, str, int, Shape, bytes]] = [
        ("fp32-2-63", "2**61 elements of 4 bytes wrap to -2**63", "boundary",
         FP32, (1, 2, 2**30, 2**30), b""),
        ("fp16-2-63", "2**62 elements of 2 bytes wrap to -2**63", "boundary",
         FP16, (1, 4, 2**30, 2**30), b""),
        ("int32-2-64", "2**62 elements of 4 bytes wrap to 0", "",
         INT32, (1, 4, 2**30, 2**30), b""),
        ("fp32-2-64-plus-4", "2**62 + 1 elements of 4 bytes wrap to the 4 bytes that follow", "",
         FP32, (384773, 49477, 8681, 27905), bytes(4)),
        ("fp32-count-greatest", "2**63 - 1 elements of 4 bytes", "",
         FP32, (1, *INT64_MAX_DIMS), b""),
        ("fp16-count-greatest", "2**63 - 1 elements of 2 bytes", "",
         FP16, (1, *INT64_MAX_DIMS), b""),
    ]  # fmt: skip
    for case, comment, flags, dtype, shape, data in cases:
        size = Tensor(dtype, shape, data).nbytes % 2**64
        packed = sized(dtype, shape, data, nbytes=size, payload_size=size)
        yield invalid(f"limit-{case}", comment, f"wrap claim {flags}", packed, "T4-LIMIT-1")
    yield invalid(
        "limit-zlib",
        "2**63 bytes in a ZLIB file",
        "wrap claim",
        file_bytes(
            Tensor(FP32, (1, 2, 2**30, 2**30), b"", stream=b"").but(row_stride=0), mode=ZLIB
        ),
        "T4-LIMIT-1",
    )


# ------------------------------------------------------------------ T4-NBYTES-1, T4-STORED-1


def nbytes_vectors() -> Iterator[Vector]:
    """Entries whose nbytes is not what the elements take."""
    cases = [
        ("one-more", "one byte more", "boundary", 25),
        ("one-less", "one byte less", "boundary", 23),
        ("zero", "0", "", 0),
        ("elements", "the elements, not their bytes", "", 6),
        ("fp16", "half as much, as for FP16", "", 12),
        ("padded", "the rows padded to row_stride", "", 512),
        ("greatest", "2**64 - 1", "claim", UINT64_MAX),
        ("wrap", "behind it, the end of the payload wraps to 0", "claim wrap", 2**64 - 256),
        ("round-wrap", "its end, rounded up to 256, wraps to 0", "claim wrap", 2**64 - 300),
        ("low-half", "the low half is right", "narrow", 24 + 2**32),
        ("byte-swapped", "24 in big-endian order", "byte-swapped", 24 << 56),
    ]
    for name, comment, flags, size in cases:
        # payload_size agrees, so that nbytes alone is at odds with shape and dtype.
        data = file_bytes(SIX.but(nbytes=size, payload_size=size))
        yield invalid(f"nbytes-{name}", comment, flags, data, "T4-NBYTES-1")
    yield invalid(
        "nbytes-alone",
        "one byte less than payload, shape and dtype have",
        "order",
        file_bytes(SIX.but(nbytes=23)),
        "T4-NBYTES-1",
    )
    yield invalid(
        "nbytes-zlib",
        "the size of the compressed payload",
        "",
        file_bytes(SIX.but(nbytes=35), mode=ZLIB),
        "T4-NBYTES-1",
    )
    yield invalid(
        "nbytes-dtype",
        "shape and payload are those of another element type",
        "",
        file_bytes(SIX.but(dtype=FP16)),
        "T4-NBYTES-1",
    )
    yield invalid(
        "nbytes-second",
        "in the second entry",
        "several",
        file_bytes(SIX, FIVE.but(nbytes=6)),
        fault("T4-NBYTES-1", 1),
    )


def stored_vectors() -> Iterator[Vector]:
    """Entries of RAW files whose payload_size is not nbytes."""
    for name, comment, flags, size in [
        ("one-more", "one byte more", "boundary", 25),
        ("one-less", "one byte less", "boundary", 23),
        ("zero", "0", "", 0),
        ("padded", "the payload with padding up to a multiple of 256", "", 256),
        ("greatest", "2**64 - 1", "claim", UINT64_MAX),
        ("wrap", "behind it, the end of the payload wraps to 0", "claim wrap", 2**64 - 256),
        ("round-wrap", "its end, rounded up to 256, wraps to 0", "claim wrap", 2**64 - 300),
        ("low-half", "the low half is right", "narrow", 24 + 2**32),
        ("byte-swapped", "24 in big-endian order", "byte-swapped", 24 << 56),
    ]:
        data = file_bytes(SIX.but(payload_size=size))
        yield invalid(f"payload-size-{name}", comment, flags, data, "T4-STORED-1")
    yield invalid(
        "payload-size-to-the-end",
        "the first payload reaches to the end of the second",
        "several placement order",
        file_bytes(SIX.but(payload_size=261), FIVE),
        "T4-STORED-1",
    )
    yield invalid(
        "payload-size-second",
        "in the second entry",
        "several",
        file_bytes(SIX, FIVE.but(payload_size=4)),
        fault("T4-STORED-1", 1),
    )


# ------------------------------------------------------------------ T4-OFFSET-1


def first_offset_vectors() -> Iterator[Vector]:
    """Files whose first payload is said to lie elsewhere than the header says."""
    for name, comment, flags, offset in [
        ("0", "at the header", "", 0),
        ("64", "inside the header", "", 64),
        ("128", "at the directory", "", 128),
        ("191", "the last byte of the directory", "", 191),
        ("192", "behind the directory, not rounded up", "", 192),
        ("255", "one byte before", "boundary", 255),
        ("257", "one byte behind", "boundary", 257),
        ("264", "a multiple of 8 only", "", 264),
        ("280", "where the file ends", "", 280),
        ("512", "a multiple of 256 past the end of the file", "", 512),
        ("wrap", "the end of the payload wraps to 0", "wrap", 2**64 - 24),
        ("round-wrap", "the end of the payload, rounded up to 256, wraps to 0", "wrap",
         2**64 - 256),
        ("greatest", "2**64 - 1", "wrap", UINT64_MAX),
        ("int64", "2**63: negative as an int64", "", 2**63),
        ("low-half", "the low half is right", "narrow", 256 + 2**32),
        ("byte-swapped", "256 in big-endian order", "byte-swapped", 1 << 48),
    ]:  # fmt: skip
        data = file_bytes(SIX.but(data_offset=offset))
        yield invalid(f"offset-{name}", comment, f"placement {flags}", data, "T4-OFFSET-1")
    yield invalid(
        "offset-gap",
        "256 zeros too many before the first payload, which lies where its entry says",
        "placement",
        file_bytes(SIX._replace(skip=256)),
        "T4-OFFSET-1",
    )
    yield invalid(
        "offset-unaligned",
        "8 zeros too many before the first payload, which lies where its entry says",
        "placement",
        file_bytes(SIX._replace(skip=8)),
        "T4-OFFSET-1",
    )
    for offset, comment in [
        (0, "at the header"),
        (191, "one byte before"),
        (193, "one byte behind"),
        (256, "rounded up as in RAW mode"),
        (UINT64_MAX, "2**64 - 1"),
    ]:
        flags = "placement boundary" if offset in (191, 193) else "placement"
        data = file_bytes(SIX.but(data_offset=offset), mode=ZLIB)
        yield invalid(f"offset-zlib-{offset}", f"ZLIB: {comment}", flags, data, "T4-OFFSET-1")
    yield invalid(
        "offset-zlib-gap",
        "ZLIB: one zero before the first payload, which lies where its entry says",
        "placement",
        file_bytes(SIX._replace(skip=1), mode=ZLIB),
        "T4-OFFSET-1",
    )


def next_offset_vectors() -> Iterator[Vector]:
    """Files of two payloads, the second of which does not follow the first."""
    for name, comment, offset in [
        ("repeated", "the payload of the first entry again", 256),
        ("overlapping", "inside the first payload", 264),
        ("overlapping-last", "the last byte of the first payload", 279),
        ("packed", "where the first payload ends, not rounded up", 280),
        ("unaligned", "one byte behind its place", 513),
        ("past-the-end", "behind the end of the file", 768),
        ("header", "at the header", 0),
        ("wrap", "2**64 - 256", 2**64 - 256),
    ]:
        # As long as the first payload, so that an offset that is taken gives a tensor.
        data = file_bytes(SIX, SIX.but(data_offset=offset))
        flags = "several placement wrap" if name == "wrap" else "several placement"
        yield invalid(f"offset-second-{name}", comment, flags, data, fault("T4-OFFSET-1", 1))
    yield invalid(
        "offset-second-shared",
        "two entries share the only payload there is",
        "several placement",
        file_bytes(SIX, SIX.but(data_offset=256))[:280],
        fault("T4-OFFSET-1", 1),
    )
    yield invalid(
        "offset-second-gap",
        "256 zeros too many between the payloads, which lie where their entries say",
        "several placement",
        file_bytes(SIX, FIVE._replace(skip=256)),
        fault("T4-OFFSET-1", 1),
    )
    first, second = row(INT8, b"first "), row(INT8, b"second")
    yield invalid(
        "offset-swapped",
        "the payloads in the order opposite to that of their entries",
        "several placement",
        file_bytes(
            second.but(data_offset=512, data_crc32=zlib.crc32(first.data)),
            first.but(data_offset=256, data_crc32=zlib.crc32(second.data)),
        ),
        "T4-OFFSET-1",
    )
    yield invalid(
        "offset-round-wrap-both",
        "the first payload at 2**64 - 256, the second where its end, rounded up, wraps to",
        "several placement wrap order",
        file_bytes(SIX.but(data_offset=2**64 - 256), FIVE.but(data_offset=0)),
        "T4-OFFSET-1",
    )
    greatest = Tensor(INT8, (1, *INT64_MAX_DIMS), b"").but(payload_size=INT64_MAX, row_stride=0)
    yield invalid(
        "offset-wrap-sum",
        "the end of the second of two payloads of 2**63 - 1, rounded up, is 2**64 + 512: the "
        "third is said to lie where that wraps to",
        "several placement claim wrap",
        file_bytes(
            greatest,
            greatest.but(data_offset=2**63 + 512),
            FIVE.but(data_offset=512),
        ),
        fault("T4-OFFSET-1", 2),
    )
    yield invalid(
        "offset-wrap-zlib",
        "ZLIB: the end of the first payload is 2**64: the second is said to lie at 0, where "
        "that wraps to",
        "several placement claim wrap",
        file_bytes(SIX.but(payload_size=2**64 - 256), FIVE.but(data_offset=0), mode=ZLIB),
        fault("T4-OFFSET-1", 1),
    )
    for name, comment, offset in [
        ("repeated", "the payload of the first entry again", 256),
        ("overlapping", "the last byte of the first payload", 290),
        ("gap", "one byte behind its place", 292),
        ("rounded", "rounded up as in RAW mode", 512),
    ]:
        data = file_bytes(SIX, SIX.but(data_offset=offset), mode=ZLIB)
        yield invalid(
            f"offset-second-zlib-{name}",
            f"ZLIB: {comment}",
            "several placement",
            data,
            fault("T4-OFFSET-1", 1),
        )


# ------------------------------------------------------------------ T4-PAYLOAD-1


def payload_vectors() -> Iterator[Vector]:
    """Files that hold less than their directory says."""
    whole = file_bytes()
    for size, comment in [
        (192, "header and directory alone"),
        (193, "one byte of the padding"),
        (256, "all before the payload"),
        (257, "one byte of the payload"),
        (279, "the last byte of the payload is missing"),
    ]:
        flags = "cut boundary" if size == 279 else "cut"
        yield invalid(
            f"payload-cut-{size}", comment, flags, whole[:size], fault("T4-PAYLOAD-1", at=256)
        )
    whole = file_bytes(SIX, FIVE)
    for size, comment, index, at in [
        (279, "the last byte of the first payload is missing", 0, 256),
        (280, "the first payload is whole", 1, 512),
        (512, "the padding behind it too", 1, 512),
        (516, "the last byte of the second payload is missing", 1, 512),
    ]:
        yield invalid(
            f"payload-cut-two-{size}",
            comment,
            "cut several",
            whole[:size],
            fault("T4-PAYLOAD-1", index, at=at),
        )
    whole = file_bytes(SIX, FIVE, mode=ZLIB)
    for size, comment, index, at in [
        (256, "header and directory alone", 0, 256),
        (290, "the last byte of the first payload is missing", 0, 256),
        (291, "the first payload is whole", 1, 291),
        (306, "the last byte of the second payload is missing", 1, 291),
    ]:
        yield invalid(
            f"payload-cut-zlib-{size}",
            comment,
            "cut several",
            whole[:size],
            fault("T4-PAYLOAD-1", index, at=at),
        )


def claim_vectors() -> Iterator[Vector]:
    """Files whose payloads are said to be far larger than the file."""
    cases: list[tuple[str, str, str, int, Shape]] = [
        ("2-gib", "256 bytes that claim 2 GiB", "", INT8, (1, 1, 2, 2**30)),
        ("4-tib", "256 bytes that claim 4 TiB", "", FP32, (1, 1, 2**10, 2**30)),
        ("dimension", "256 bytes that claim 2**31 - 1", "boundary", INT8, (1, 1, 1, INT32_MAX)),
        ("greatest", "256 bytes that claim 2**63 - 1, where an int64 wraps behind them",
         "boundary wrap", INT8, (1, *INT64_MAX_DIMS)),
    ]  # fmt: skip
    for case, comment, flags, dtype, shape in cases:
        data = sized(dtype, shape)
        yield invalid(
            f"payload-claim-{case}", comment, f"claim {flags}", data,
            fault("T4-PAYLOAD-1", at=256),
        )  # fmt: skip
    for name, comment, flags, size in [
        ("one-more", "one byte more than the file has", "boundary", 36),
        ("low-half", "the low half is right", "narrow", 35 + 2**32),
        ("byte-swapped", "35 in big-endian order", "byte-swapped", 35 << 56),
        ("int64", "2**63: negative as an int64", "", 2**63),
        ("wrap", "the end of the payload wraps to 0", "wrap", 2**64 - 192),
        ("greatest", "2**64 - 1", "wrap", UINT64_MAX),
    ]:  # fmt: skip
        yield invalid(
            f"payload-claim-zlib-{name}",
            f"ZLIB: {comment}",
            f"claim {flags}",
            file_bytes(SIX.but(payload_size=size), mode=ZLIB),
            fault("T4-PAYLOAD-1", at=192),
        )
    greatest = Tensor(INT8, (1, *INT64_MAX_DIMS), b"").but(payload_size=INT64_MAX, row_stride=0)
    yield invalid(
        "payload-claim-two-greatest",
        "two payloads of 2**63 - 1: the second lies where it must, and ends at 2**64 + 255",
        "claim boundary several wrap",
        file_bytes(greatest, greatest.but(data_offset=2**63 + 256)),
        fault("T4-PAYLOAD-1", at=256),
    )
    yield invalid(
        "payload-claim-second",
        "the second of two tensors claims 2 GiB",
        "claim several",
        file_bytes(
            SIX, Tensor(INT8, (1, 1, 2, 2**30), b"").but(payload_size=2**31, row_stride=128)
        ),
        fault("T4-PAYLOAD-1", 1, at=512),
    )


# ------------------------------------------------------------------ T4-END-1


def end_vectors() -> Iterator[Vector]:
    """Files that go on behind the last payload; a lenient reader accepts each."""
    for mode, end in [(RAW, 280), (ZLIB, 227)]:
        for name, comment, flags, rest in [
            ("one-byte", "one zero byte more", "boundary", b"\0"),
            ("newline", "a newline more", "", b"\n"),
            ("padding", "zeros up to a multiple of 256", "", bytes(-end % 256)),
            ("file", "a second file of this format", "polyglot", file_bytes(FIVE)),
            ("v1", "a file of TSR v1", "polyglot", v1.file_bytes()),
            ("zip", "a ZIP archive, readable from its end", "polyglot",
             zip_bytes(b"a.txt", b"text")),
        ]:  # fmt: skip
            yield invalid(
                f"trailing-{MODES[mode]}-{name}",
                comment,
                f"trailing {flags}",
                file_bytes(mode=mode, tail=rest),
                fault("T4-END-1", at=end),
                lenient=decoded(mode=mode),
            )
    yield invalid(
        "trailing-two",
        "one byte behind the second of two payloads",
        "trailing several",
        file_bytes(SIX, FIVE, tail=b"\0"),
        fault("T4-END-1", at=517),
        lenient=decoded(SIX, FIVE),
    )
    yield invalid(
        "trailing-uncounted",
        "a payload without an entry",
        "trailing",
        file_bytes(SIX, tail=bytes(232) + FIVE.data),
        fault("T4-END-1", at=280),
        lenient=decoded(),
    )
    for name, comment, size in [
        ("cut", "payload_size leaves out the last byte of the stream", 34),
        ("none", "payload_size leaves out the whole stream", 0),
    ]:
        yield invalid(
            f"trailing-stream-{name}",
            comment,
            "trailing order",
            file_bytes(SIX.but(payload_size=size), mode=ZLIB),
            fault("T4-END-1", at=192 + size),
            lenient_error=fault("T4-ZLIB-3", at=192),
        )


DIRECTORY_GROUPS = (
    dtype_vectors,
    reserved_vectors,
    shape_vectors,
    numel_vectors,
    limit_vectors,
    nbytes_vectors,
    first_offset_vectors,
    next_offset_vectors,
    stored_vectors,
    payload_vectors,
    claim_vectors,
    end_vectors,
)
