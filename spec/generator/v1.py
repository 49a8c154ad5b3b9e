"""The test vectors of TSR v1: the document ``spec/vectors/v1.json``.

Every byte is packed here with ``struct`` and every expectation is written down by hand; the
codec under test is never imported.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from math import prod
from typing import TYPE_CHECKING, Any

from spec.generator.document import (
    COMMON_FLAGS,
    INT32_MAX,
    INT32_MIN,
    INT64_MAX,
    INT64_MAX_DIMS,
    INT64_MIN,
    Vector,
    fp32,
    int8,
    int32,
    label,
    refused,
    render,
    words,
    zip_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["document", "file_bytes"]

Dims = tuple[int, int, int, int]

MAGIC = b"TSR!"
FP32, INT8, INT32 = 1, 2, 3
DTYPE_NAMES = {FP32: "float32", INT8: "int8", INT32: "int32"}

# Where a reader reports each clause: the field and its offset.
LOCATIONS = {
    "V1-SIZE-1": ("header", 0),
    "V1-MAGIC-1": ("magic", 0),
    "V1-VERSION-1": ("version", 4),
    "V1-HEADER-1": ("header_size", 8),
    "V1-RESERVED-1": ("reserved_1", 12),
    "V1-DTYPE-1": ("dtype", 16),
    "V1-NDIM-1": ("ndim", 20),
    "V1-DIMS-1": ("dims", 24),
    "V1-DIMS-2": ("dims", 24),
    "V1-TOTAL-1": ("total_elements", 40),
    "V1-LIMIT-1": ("dims", 24),
    "V1-RESERVED-2": ("reserved_2", 48),
    "V1-RESERVED-3": ("reserved_3", 56),
    "V1-PAYLOAD-1": ("payload", 64),
    "V1-PAYLOAD-2": ("end of file", 64),
}

# Clauses on what a reader opens and how, which no sequence of bytes can break.
NOT_BYTES = ["FILE-1", "FILE-2"]

FLAGS = COMMON_FLAGS | {
    "announced": "The dtype's number is announced for a later version.",
    "claim": "The header claims far more bytes than the file holds; nothing may be allocated "
    "from the claim.",
    "rank-0": "The tensor is a scalar: its shape is empty.",
    "trailing": "Bytes follow the payload.",
    "unused-dims": "A leading dimension that ndim leaves unused is not 1.",
    "wrap": "A product agrees with the header only where arithmetic wraps at 32 or 64 bits.",
    "zero-size": "A dimension is 0, so the payload is empty.",
}

# The files whose bytes are fixed for good.
PINNED = {
    "fp32-rank0": "b183a9fd6ac715c7f8aa23d25d017c1cd777a11bf5341ee2fb273e94a8a439f6",
    "fp32-rank1-special": "174677579b5843ae48528963c3b3c66a94bc95327517df6c719d2f6945ef8dd1",
    "fp32-rank2": "78d5e85f969f5ef7a6f7afa673eb9323c511773221bead6e0d7206c3e4e79d0a",
    "fp32-rank3": "b8783952ed73056c43942c594759ef66ddec2c8bc08037d737f21e946ac7b685",
    "fp32-rank4": "a131065fa761d5eb6946f2af1635280b67a4bc0924901f612a2f2125e37c4746",
    "int8-rank1-full": "a0bee95aee594af85ede71de6fcde811abaa074078ac771389622a32304c01ac",
    "int8-rank4": "1b69ca8a9ca06b8b0af06e295f4c0d53d35d571cfaa15321ed7035f570b81ee1",
    "int8-rank0": "856a372df4573a0aa0d92926dc6abcc57969437e7ad1b63d67de7798bfac147f",
    "int32-rank2": "4324ca48cb7529451a9dce3e24bcb4927e55147b7a62250dfc475a3356937c41",
    "fp32-zero-rank1": "c527799cf802da56d79c8be10dd8dcd914aac8c5f4b12626068e6e2ebb1fa55e",
    "int8-zero-rank3": "a94fb87863dbba2a1217cbd13b0bac2489c35ca5ea0ed087a0900cff48736fb7",
    "fp32-ones-rank4": "4129e1f3c3e846d18d291a3d40858f50aac0fce22ffdc993b7644f31f449e26a",
}

# Normally distributed values, as they were drawn once.
FP32_RANK3_PAYLOAD = bytes.fromhex(
    "5e88b93fbb5db8bf4a158fbce67e5ebf2093c03f795775bfd69a803ff589d2beafa8db3f560234be44e60cbf"
    "aaca83bfe0de5b3e76a0b1bf901da0bfb35324bf79e69bbfeb8366bf8a2927bff0e33ebf3657873f42fb9ebe"
    "b150853fd998ce3e"
)
FP32_RANK4_PAYLOAD = bytes.fromhex(
    "8b9752befa0a4d3f5b50403e08141ebffcad34406d93453f1a3f283f999b023f76964c3f18d4503fca0616c0"
    "eb0c903f9021aebff4b7a63de37acc3ecebc543e92d730404bf28b3fea179b3f25c3c4bf91a00940e5089dbf"
    "dc7482be9197a73f969588bf62026d3f185ba2bf9522aa3e66738b3f85fdb9beea56c4be42f4ccbd89e6fb3e"
    "e0f45cbe8128a53fce1230be538a27bf706b2b3e96f587bdd2bb60bdfe463c3e1c0248bf2cac64402578e13e"
    "bb04103eb95998bf4532923ec4923a3dda3e523feac0034042f9c23f4f9c763fde6d6cbf3fb9f1be36daeb3d"
    "f0dab93f023567bf53b8db3f0fbc66bf83b452bf719e80bf0d7d2dc010f6e7bfaec4cc3e9991783e36225bbe"
    "c3ab923ec4e248bfdf0c9dbf5791004023e09f3e356847be902281beb123833f2e1c9c3f36e03ebfcd63e33f"
    "469e8abf9dd35abfb175313e2e9f4640f42d433f78a992bf34ef903f54a585bf613484bf7c4073bfa6ae3fbe"
    "8433a93e3bda0bbfb68d7f3f7b08f5beda20d43f6ddb8d3f92b1f6bf9cb1d23d00fa8b3f0b65583f5b823b3d"
    "48b40dbdcf729fbf6b358d3ff690ffbe176b163e760d89be89a68d3f5dd596bfbc3e9a3e079a14bf011109be"
    "115c0bbf5e0d9ebe2e44073f78f4cbbebe32a03fbd2d3dbf50e60b3ff4ea983fe049e43fe8372dbf"
)
INT8_RANK4_PAYLOAD = bytes.fromhex("f731dc7967502148e6499de6adcc5a3397273d6f5d7772fd")

# ------------------------------------------------------------------ bytes


# Most malformed files are [[0, 1, 2], [3, 4, 5]] as FP32 with something changed.
SIX = fp32(0, 1, 2, 3, 4, 5)


def file_bytes(
    *,
    magic: bytes = MAGIC,
    version: int = 1,
    header_size: int = 64,
    reserved_1: int = 0,
    dtype: int = FP32,
    ndim: int = 2,
    dims: Dims = (1, 1, 2, 3),
    total_elements: int | None = None,
    reserved_2: int = 0,
    reserved_3: int = 0,
    payload: bytes = SIX,
    order: str = "<",
) -> bytes:
    """Pack a file field by field; total_elements is the exact product unless given."""
    if total_elements is None:
        total_elements = prod(dims)
    return (
        struct.pack(
            f"{order}4s9i3q",
            magic,
            version,
            header_size,
            reserved_1,
            dtype,
            ndim,
            *dims,
            total_elements,
            reserved_2,
            reserved_3,
        )
        + payload
    )


def aligned(shape: tuple[int, ...]) -> Dims:
    """Right-align a shape in the four dims."""
    n, c, h, w = (1,) * (4 - len(shape)) + shape
    return n, c, h, w


# ------------------------------------------------------------------ vectors


def tensor(dtype: int, shape: tuple[int, ...], payload: bytes) -> Vector:
    """Write down what a file decodes to."""
    return {
        "dtype": DTYPE_NAMES[dtype],
        "shape": list(shape),
        "payload_sha256": sha256(payload).hexdigest(),
    }


def valid(
    name: str, comment: str, flags: str, dtype: int, shape: tuple[int, ...], payload: bytes = b""
) -> Vector:
    """Describe a file that is accepted; `flags` are separated by spaces."""
    data = file_bytes(dtype=dtype, ndim=len(shape), dims=aligned(shape), payload=payload)
    vector: Vector = {"id": name, "comment": comment, "flags": flags.split(), "valid": True}
    vector |= tensor(dtype, shape, payload)
    if name in PINNED:
        vector["sha256"] = PINNED[name]
    return vector | {"hex": data.hex()}


def fault(clause: str, *, dim: int | None = None, end: int | None = None) -> Vector:
    """Write down what a reader reports; `dim` is the index in dims, `end` the payload's end."""
    field, offset = LOCATIONS[clause]
    if dim is not None:
        field, offset = f"{field}[{dim}]", offset + 4 * dim
    return {"clause": clause, "field": field, "offset": offset if end is None else end}


def invalid(
    name: str,
    comment: str,
    flags: str,
    data: bytes,
    broken: str | Vector,
    *,
    lenient: Vector | None = None,
    lenient_error: str | Vector | None = None,
) -> Vector:
    """Describe a file that is refused; `broken` is a clause, or a `fault`.

    `lenient` is the `tensor` that lenient reading gives. Where it refuses the file for another
    reason than strict reading does, `lenient_error` is that reason.
    """
    report = fault(broken) if isinstance(broken, str) else broken
    reason = fault(lenient_error) if isinstance(lenient_error, str) else lenient_error
    return refused(name, comment, flags, data, report, lenient=lenient, lenient_error=reason)


MATRIX = tensor(FP32, (2, 3), SIX)


def valid_vectors() -> Iterator[Vector]:
    """Files that break no clause."""
    yield valid("fp32-rank0", "a scalar, 3.25", "pinned rank-0", FP32, (), fp32(3.25))
    yield valid(
        "fp32-rank1-special",
        "0, -0, 1, -1, both infinities, NaN, both least subnormals, the greatest finite value, "
        "the least normal one, pi",
        "pinned bits",
        FP32,
        (12,),
        words(
            0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000,
            0x7FC00000, 0x00000001, 0x80000001, 0x7F7FFFFF, 0x00800000, 0x40490FDB,
        ),
    )  # fmt: skip
    yield valid("fp32-rank2", "[[0, 1, 2], [3, 4, 5]]", "pinned", FP32, (2, 3), SIX)
    yield valid("fp32-rank3", "normal values", "pinned", FP32, (2, 3, 4), FP32_RANK3_PAYLOAD)
    yield valid("fp32-rank4", "normal values", "pinned", FP32, (2, 3, 4, 5), FP32_RANK4_PAYLOAD)
    yield valid(
        "int8-rank1-full",
        "every INT8 from -128 to 127",
        "pinned",
        INT8,
        (256,),
        int8(*range(-128, 128)),
    )
    yield valid("int8-rank4", "any bytes", "pinned", INT8, (1, 2, 3, 4), INT8_RANK4_PAYLOAD)
    yield valid("int8-rank0", "a scalar, -7, in 65 bytes", "pinned rank-0", INT8, (), int8(-7))
    yield valid(
        "int32-rank2",
        "both ends of the range, 0 and -1",
        "pinned",
        INT32,
        (2, 2),
        int32(INT32_MIN, INT32_MAX, 0, -1),
    )
    yield valid("fp32-zero-rank1", "no elements", "pinned zero-size", FP32, (0,))
    yield valid("int8-zero-rank3", "a 0 between others", "pinned zero-size", INT8, (2, 0, 3))
    yield valid("fp32-ones-rank4", "one element of rank 4", "pinned", FP32, (1, 1, 1, 1), fp32(1))

    # One element of each lower rank: only ndim tells the files apart.
    yield valid("fp32-ones-rank0", "one element of rank 0", "rank-0", FP32, (), fp32(1))
    yield valid("fp32-ones-rank1", "one element of rank 1", "", FP32, (1,), fp32(1))
    yield valid("fp32-ones-rank2", "one element of rank 2", "", FP32, (1, 1), fp32(1))
    yield valid("fp32-ones-rank3", "one element of rank 3", "", FP32, (1, 1, 1), fp32(1))

    yield valid("fp32-rank1", "a vector of five", "", FP32, (5,), fp32(0, 0.5, -0.5, 2, -2))
    yield valid("int8-rank2", "0 to 11, in C order", "", INT8, (3, 4), int8(*range(12)))
    yield valid("int8-rank3", "0 to 23, in C order", "", INT8, (2, 3, 4), int8(*range(24)))
    yield valid("int32-rank0", "a scalar, -2**31", "rank-0", INT32, (), int32(INT32_MIN))
    yield valid("int32-rank1", "one value, 2**31 - 1", "", INT32, (1,), int32(INT32_MAX))
    yield valid("int32-rank3", "0 to -5", "", INT32, (1, 3, 2), int32(*range(0, -6, -1)))
    yield valid(
        "int32-rank4",
        "four bytes that differ",
        "",
        INT32,
        (1, 1, 1, 2),
        words(0x01020304, 0xF0E0D0C0),
    )

    yield valid(
        "fp32-nan-payloads",
        "quiet and signalling NaNs of both signs, payloads from the least to the greatest",
        "bits",
        FP32,
        (2, 4),
        words(
            0x7FC00000, 0xFFC00000, 0x7FC00001, 0xFFFFFFFF,
            0x7F800001, 0xFF800001, 0x7FBFFFFF, 0xFFADBEEF,
        ),
    )  # fmt: skip
    yield valid(
        "fp32-subnormals",
        "subnormals of both signs, from the least to the greatest",
        "bits",
        FP32,
        (6,),
        words(0x00000001, 0x80000001, 0x00400000, 0x80400000, 0x007FFFFF, 0x807FFFFF),
    )
    yield valid(
        "fp32-negative-zeros", "-0.0 everywhere", "bits", FP32, (2, 2), words(*[0x80000000] * 4)
    )
    yield valid(
        "int8-nested",
        "the payload is itself a whole file of this format",
        "polyglot",
        INT8,
        (88,),
        file_bytes(),
    )
    yield valid("int8-line-ends", "every line end", "", INT8, (5,), b"\n\r\r\n\x1a")

    yield valid("fp32-zero-rank2", "no rows", "zero-size", FP32, (0, 5))
    yield valid("int32-zero-rank2", "no columns", "zero-size", INT32, (5, 0))
    yield valid("int32-zero-rank4", "every dimension 0", "zero-size", INT32, (0, 0, 0, 0))
    for position, dims in enumerate([(0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0)]):
        name, comment = f"int8-zero-at-{position}", f"a 0 at dims[{position}] alone"
        yield valid(name, comment, "zero-size", INT8, dims)
    yield valid(
        "int8-zero-rank4-greatest",
        "the greatest dimension beside zeros",
        "zero-size boundary",
        INT8,
        (0, 0, 0, INT32_MAX),
    )
    yield valid(
        "int8-limit-two-greatest",
        "(2**31 - 1)**2 bytes where the 0 counts as 1: below the limit",
        "zero-size boundary",
        INT8,
        (INT32_MAX, INT32_MAX, 0, 1),
    )
    yield valid(
        "int8-limit-exact",
        "2**63 - 1 bytes where the 0 counts as 1: the limit itself",
        "zero-size boundary",
        INT8,
        (*INT64_MAX_DIMS, 0),
    )
    yield valid(
        "fp32-limit-below",
        "2**63 - 3 * 2**32 + 4 bytes where the 0 counts as 1: below the limit",
        "zero-size boundary",
        FP32,
        (INT32_MAX, 2**30 - 1, 0, 1),
    )


# ------------------------------------------------------------------ V1-SIZE-1


def size_vectors() -> Iterator[Vector]:
    """Files that end inside the header."""
    whole = file_bytes()
    yield invalid("size-empty", "an empty file", "cut", b"", "V1-SIZE-1")
    for size, comment in [
        (1, "one byte of the magic"),
        (3, "the magic cut"),
        (4, "the magic alone"),
        (24, "the header cut before dims"),
        (40, "the header cut after dims"),
        (63, "the header but for its last byte"),
    ]:
        yield invalid(f"size-{size}", comment, "cut", whole[:size], "V1-SIZE-1")
    yield invalid(
        "size-before-magic",
        "too short, and of another format",
        "order foreign",
        b"\x93NUMPY\1\0",
        "V1-SIZE-1",
    )


# ------------------------------------------------------------------ V1-MAGIC-1


def magic_vectors() -> Iterator[Vector]:
    """Files that begin otherwise."""
    for name, comment, magic in [
        ("magic-zero-terminated", "the variant of older documents: TSR and a zero byte", b"TSR\0"),
        ("magic-tsr4", "the magic of TSR4", b"TSR4"),
        ("magic-npy", "the start of an NPY file", b"\x93NUM"),
        ("magic-zip", "the start of a ZIP archive", b"PK\3\4"),
        ("magic-gzip", "the start of a gzip stream", b"\x1f\x8b\x08\0"),
    ]:
        yield invalid(name, comment, "foreign", file_bytes(magic=magic), "V1-MAGIC-1")
    for name, comment, magic in [
        ("magic-lower-case", "the magic in lower case", b"tsr!"),
        ("magic-last-bit", "the lowest bit of the last byte flipped", b"TSR\x20"),
        ("magic-first-bit", "the highest bit of the first byte flipped", b"\xd4SR!"),
        ("magic-zero", "four zero bytes", b"\0\0\0\0"),
    ]:
        yield invalid(name, comment, "", file_bytes(magic=magic), "V1-MAGIC-1")
    yield invalid("magic-blank-file", "64 zero bytes", "order", bytes(64), "V1-MAGIC-1")
    yield invalid("magic-ones-file", "64 bytes of FF", "order", b"\xff" * 64, "V1-MAGIC-1")
    yield invalid(
        "magic-after-byte-order-mark",
        "a UTF-8 byte order mark before a valid file",
        "order",
        b"\xef\xbb\xbf" + file_bytes(),
        "V1-MAGIC-1",
    )
    yield invalid(
        "magic-after-newline",
        "a newline before a valid file",
        "order",
        b"\n" + file_bytes(),
        "V1-MAGIC-1",
    )
    yield invalid(
        "magic-byte-swapped",
        "the whole header in big-endian order, the magic too",
        "byte-swapped order",
        file_bytes(magic=MAGIC[::-1], order=">"),
        "V1-MAGIC-1",
    )


# ------------------------------------------------------------------ constants


def constant_vectors() -> Iterator[Vector]:
    """Files of another version, or with another header size."""
    for version, comment, flags in [
        (0, "version 0", "boundary"),
        (2, "version 2", "boundary"),
        (-1, "version -1", ""),
        (257, "the low byte is 1", "narrow"),
        (65537, "the low half is 1", "narrow"),
    ]:
        data = file_bytes(version=version)
        yield invalid(f"version-{label(version)}", comment, flags, data, "V1-VERSION-1")
    yield invalid(
        "version-byte-swapped",
        "every number of the header in big-endian order",
        "byte-swapped order",
        file_bytes(order=">"),
        "V1-VERSION-1",
    )
    for size, comment, flags in [
        (0, "header_size 0", ""),
        (63, "header_size 63", "boundary"),
        (65, "header_size 65", "boundary"),
        (128, "header_size 128", ""),
        (-1, "header_size -1", ""),
        (64 + 2**8, "the low byte is 64", "narrow"),
        (64 + 2**16, "the low half is 64", "narrow"),
    ]:
        data = file_bytes(header_size=size)
        yield invalid(f"header-size-{label(size)}", comment, flags, data, "V1-HEADER-1")
    yield invalid(
        "header-size-128-kept",
        "header_size 128, and 64 zero bytes between the header and the payload",
        "order",
        file_bytes(header_size=128, payload=bytes(64) + SIX),
        "V1-HEADER-1",
    )


# ------------------------------------------------------------------ V1-DTYPE-1, V1-NDIM-1


def dtype_vectors() -> Iterator[Vector]:
    """Files of an element type that version 1 does not have."""
    for dtype, comment, flags in [
        (0, "no element type has the number 0", "boundary"),
        (4, "FP16", "announced boundary"),
        (5, "BF16", "announced"),
        (6, "FP64", "announced"),
        (7, "INT16", "announced"),
        (8, "UINT8", "announced"),
        (9, "the first number that is not even announced", ""),
        (-1, "a negative number", ""),
        (257, "the low byte is FP32's number", "narrow"),
        (65537, "the low half is FP32's number", "narrow"),
        (2**24, "FP32's number in big-endian order", "byte-swapped"),
    ]:
        yield invalid(
            f"dtype-{label(dtype)}", comment, flags, file_bytes(dtype=dtype), "V1-DTYPE-1"
        )


def ndim_vectors() -> Iterator[Vector]:
    """Files of a rank that version 1 does not have."""
    for ndim, comment, flags in [
        (-1, "rank -1", "boundary"),
        (5, "rank 5", "boundary"),
        (258, "the low byte is the right rank", "narrow"),
        (INT32_MIN, "the least rank an int32 holds", ""),
        (INT32_MAX, "the greatest rank an int32 holds", ""),
    ]:
        yield invalid(f"ndim-{label(ndim)}", comment, flags, file_bytes(ndim=ndim), "V1-NDIM-1")


# ------------------------------------------------------------------ V1-DIMS-1, V1-DIMS-2


def negative_vectors() -> Iterator[Vector]:
    """Files with a negative dimension; total_elements is the exact product of all four."""
    for index in range(4):
        for value, case in [(-1, "minus-one"), (INT32_MIN, "least")]:
            n, c, h, w = (value if i == index else dim for i, dim in enumerate((1, 1, 2, 3)))
            yield invalid(
                f"dims-{index}-{case}",
                f"dims[{index}] is {value}",
                "negative",
                file_bytes(ndim=4, dims=(n, c, h, w)),
                fault("V1-DIMS-1", dim=index),
            )
    cases: list[tuple[str, str, int, Dims, int]] = [
        ("pair-hw", "(-2) * (-3) is the right 6", 2, (1, 1, -2, -3), 2),
        ("pair-nc", "the two signs at dims[0] and dims[1]", 4, (-1, -1, 2, 3), 0),
        ("pair-ch", "the two signs at dims[1] and dims[2]", 4, (1, -1, -2, 3), 1),
        ("pair-nw", "the two signs at dims[0] and dims[3]", 4, (-1, 1, 2, -3), 0),
        ("four", "four negative dimensions", 4, (-1, -1, -2, -3), 0),
    ]
    for case, comment, ndim, dims, index in cases:
        yield invalid(
            f"dims-negative-{case}",
            f"{comment}; the product is right",
            "negative",
            file_bytes(ndim=ndim, dims=dims),
            fault("V1-DIMS-1", dim=index),
        )
    yield invalid(
        "dims-negative-least-pair",
        "two least dimensions, whose product 2**62 is right",
        "negative claim",
        file_bytes(dtype=INT8, dims=(1, 1, INT32_MIN, INT32_MIN), payload=b""),
        fault("V1-DIMS-1", dim=2),
    )
    yield invalid(
        "dims-negative-zero",
        "a negative dimension beside a 0: no element, yet no shape",
        "negative zero-size",
        file_bytes(dims=(1, 1, -1, 0), payload=b""),
        fault("V1-DIMS-1", dim=2),
    )
    yield invalid(
        "dims-negative-unused",
        "a negative dimension that ndim leaves unused breaks V1-DIMS-1 first",
        "negative unused-dims order",
        file_bytes(dims=(-1, 1, 2, 3)),
        fault("V1-DIMS-1", dim=0),
    )
    yield invalid(
        "dims-negative-after-unused",
        "dims[0] breaks V1-DIMS-2, but V1-DIMS-1 is broken, at dims[3]",
        "negative unused-dims order",
        file_bytes(dims=(2, 1, 2, -3)),
        fault("V1-DIMS-1", dim=3),
    )


def unused_vectors() -> Iterator[Vector]:
    """Files with a leading dimension that is not used and not 1."""
    cases: list[tuple[str, str, int, Dims, bytes, int]] = [
        ("dims-unused-0-zero", "an unused 0 empties the payload", 3, (0, 1, 2, 3), b"", 0),
        ("dims-unused-0-two", "an unused 2 doubles the payload", 3, (2, 1, 2, 3), SIX * 2, 0),
        ("dims-unused-1-zero", "an unused 0 empties the payload", 2, (1, 0, 2, 3), b"", 1),
        ("dims-unused-1-two", "an unused 2 doubles the payload", 2, (1, 2, 2, 3), SIX * 2, 1),
        ("dims-unused-2-two", "a vector stored as a matrix", 1, (1, 1, 2, 3), SIX, 2),
        ("dims-unused-3-two", "a scalar with two elements", 0, (1, 1, 1, 2), fp32(0, 1), 3),
        ("dims-unused-3-zero", "a scalar with no element", 0, (1, 1, 1, 0), b"", 3),
        ("dims-unused-all-zero", "a scalar with zeros for ones", 0, (0, 0, 0, 0), b"", 0),
        ("dims-left-aligned", "the shape (2, 3) aligned to the left", 2, (2, 3, 1, 1), SIX, 0),
        ("dims-left-aligned-zeros", "aligned to the left over zeros", 2, (2, 3, 0, 0), b"", 0),
        ("dims-reversed-ndim", "ndim counts the unused dims", 1, (1, 2, 3, 1), SIX, 1),
    ]  # fmt: skip
    for name, comment, ndim, dims, payload, index in cases:
        data = file_bytes(ndim=ndim, dims=dims, payload=payload)
        flags = "unused-dims rank-0" if ndim == 0 else "unused-dims"
        yield invalid(name, comment, flags, data, fault("V1-DIMS-2", dim=index))
    yield invalid(
        "dims-unused-greatest",
        "the greatest dimension, unused",
        "unused-dims claim",
        file_bytes(dims=(1, INT32_MAX, 2, 3)),
        fault("V1-DIMS-2", dim=1),
    )


# ------------------------------------------------------------------ V1-TOTAL-1


def total_vectors() -> Iterator[Vector]:
    """Files whose total_elements is not the product of the dimensions."""
    for name, comment, flags, total in [
        ("one-more", "one more than the product", "boundary", 7),
        ("one-less", "one less than the product", "boundary", 5),
        ("zero", "0", "", 0),
        ("negative", "the product, negated", "negative", -6),
        ("bytes", "the bytes of the payload, not its elements", "", 24),
        ("file-size", "the bytes of the file", "", 88),
        ("greatest", "2**63 - 1", "claim", INT64_MAX),
        ("least", "-2**63", "negative", INT64_MIN),
        ("low-half", "the low 32 bits are right", "narrow", 6 + 2**32),
        ("byte-swapped", "the product in big-endian order", "byte-swapped", 6 << 56),
    ]:
        data = file_bytes(total_elements=total)
        yield invalid(f"total-{name}", comment, flags, data, "V1-TOTAL-1")
    yield invalid(
        "total-zero-counted",
        "a 0 among the dimensions, left out of the product",
        "zero-size",
        file_bytes(dims=(1, 2, 0, 3), ndim=3, total_elements=6),
        "V1-TOTAL-1",
    )
    yield invalid(
        "total-rank-0-zero",
        "a scalar that counts no element",
        "rank-0",
        file_bytes(dims=(1, 1, 1, 1), ndim=0, total_elements=0, payload=b""),
        "V1-TOTAL-1",
    )
    cases: list[tuple[str, str, Dims, int, bytes]] = [
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
    for case, comment, dims, total, payload in cases:
        data = file_bytes(dtype=INT8, ndim=4, dims=dims, total_elements=total, payload=payload)
        yield invalid(f"total-wrap-{case}", comment, "wrap", data, "V1-TOTAL-1")


# ------------------------------------------------------------------ V1-LIMIT-1


def limit_vectors() -> Iterator[Vector]:
    """Files whose shape spans more than 2**63 - 1 bytes, each 0 counted as 1."""
    zeros: list[tuple[str, str, str, int, Dims]] = [
        ("fp32-two-greatest", "as INT8 accepted", "", FP32, (INT32_MAX, INT32_MAX, 0, 1)),
        ("int32-two-greatest", "as INT8 accepted", "", INT32, (INT32_MAX, INT32_MAX, 0, 1)),
        ("int8-beyond", "2**63 bytes: the first too many", "boundary", INT8, (2**30, 2**30, 8, 0)),
        ("fp32-beyond", "2**63 bytes: the first too many", "boundary", FP32, (2**30, 2**30, 2, 0)),
        (
            "int8-three-greatest",
            "(2**31 - 1)**3 bytes",
            "",
            INT8,
            (INT32_MAX, INT32_MAX, INT32_MAX, 0),
        ),
        ("int8-wrap", "2**64 bytes, which wraps to 0", "wrap", INT8, (0, 2**30, 2**30, 16)),
    ]
    for case, comment, flags, dtype, dims in zeros:
        data = file_bytes(dtype=dtype, ndim=4, dims=dims, payload=b"")
        yield invalid(f"limit-{case}", comment, f"zero-size {flags}", data, "V1-LIMIT-1")
    # The number of elements fits 63 bits, their bytes do not.
    full: list[tuple[str, str, int, Dims, bytes]] = [
        ("fp32-2-63", "2**61 elements of 4 bytes wrap to -2**63", FP32, (1, 2, 2**30, 2**30), b""),
        ("int32-2-64", "2**62 elements of 4 bytes wrap to 0", INT32, (1, 4, 2**30, 2**30), b""),
        (
            "fp32-2-64-plus-4",
            "2**62 + 1 elements of 4 bytes wrap to the 4 bytes that follow",
            FP32,
            (384773, 49477, 8681, 27905),
            fp32(1),
        ),
        ("fp32-count-greatest", "2**63 - 1 elements of 4 bytes", FP32, (1, *INT64_MAX_DIMS), b""),
    ]
    for case, comment, dtype, dims, payload in full:
        data = file_bytes(dtype=dtype, ndim=4, dims=dims, payload=payload)
        yield invalid(f"limit-{case}", comment, "wrap claim", data, "V1-LIMIT-1")


# ------------------------------------------------------------------ reserved fields


def reserved_vectors() -> Iterator[Vector]:
    """Files with a reserved field set; a lenient reader accepts each."""
    for bit in (0, 1, 7, 8, 15, 16, 24, 30, 31):
        value = INT32_MIN if bit == 31 else 1 << bit
        yield invalid(
            f"reserved-1-bit-{bit}",
            f"bit {bit} of reserved_1",
            "reserved",
            file_bytes(reserved_1=value),
            "V1-RESERVED-1",
            lenient=MATRIX,
        )
    for bit in (0, 8, 31, 32, 33, 62, 63):
        value = INT64_MIN if bit == 63 else 1 << bit
        for number, data in [
            (2, file_bytes(reserved_2=value)),
            (3, file_bytes(reserved_3=value)),
        ]:
            yield invalid(
                f"reserved-{number}-bit-{bit}",
                f"bit {bit} of reserved_{number}",
                "reserved",
                data,
                f"V1-RESERVED-{number}",
                lenient=MATRIX,
            )
    yield invalid(
        "reserved-all",
        "every bit of every reserved field",
        "reserved order",
        file_bytes(reserved_1=-1, reserved_2=-1, reserved_3=-1),
        "V1-RESERVED-1",
        lenient=MATRIX,
    )
    yield invalid(
        "reserved-all-trailing",
        "everything that lenient reading waives, at once",
        "reserved trailing order",
        file_bytes(reserved_1=1, reserved_2=2, reserved_3=3, payload=SIX + b"\0"),
        "V1-RESERVED-1",
        lenient=MATRIX,
    )


# ------------------------------------------------------------------ V1-PAYLOAD-1


def short_vectors() -> Iterator[Vector]:
    """Files that hold less than their header claims."""
    whole = file_bytes()
    for size, comment in [
        (64, "the header alone"),
        (65, "one byte of the payload"),
        (84, "the last element is missing"),
        (87, "the last byte is missing"),
    ]:
        yield invalid(f"payload-cut-{size}", comment, "cut", whole[:size], "V1-PAYLOAD-1")
    scalar = file_bytes(dtype=INT8, ndim=0, dims=(1, 1, 1, 1), payload=b"")
    yield invalid(
        "payload-rank-0", "a scalar without its byte", "cut rank-0", scalar, "V1-PAYLOAD-1"
    )
    yield invalid(
        "payload-fp32-as-int8",
        "as many bytes as elements",
        "",
        file_bytes(payload=SIX[:6]),
        "V1-PAYLOAD-1",
    )
    cases: list[tuple[str, str, int, Dims]] = [
        ("2-gib", "64 bytes that claim 2 GiB", INT8, (1, 1, 2, 2**30)),
        ("4-tib", "64 bytes that claim 4 TiB", FP32, (1, 1, 2**10, 2**30)),
        ("greatest-dim", "64 bytes that claim 2**31 - 1", INT8, (1, 1, 1, INT32_MAX)),
        ("greatest", "64 bytes that claim 2**63 - 1", INT8, (1, *INT64_MAX_DIMS)),
    ]
    for case, comment, dtype, dims in cases:
        flags = "claim boundary" if "greatest" in case else "claim"
        data = file_bytes(dtype=dtype, ndim=4, dims=dims, payload=b"")
        yield invalid(f"payload-claim-{case}", comment, flags, data, "V1-PAYLOAD-1")


# ------------------------------------------------------------------ V1-PAYLOAD-2


def trailing_vectors() -> Iterator[Vector]:
    """Files that go on after the payload; a lenient reader accepts each."""
    end = fault("V1-PAYLOAD-2", end=88)
    for name, comment, flags, rest in [
        ("one-byte", "one zero byte more", "boundary", b"\0"),
        ("newline", "a newline more", "", b"\n"),
        ("element", "one element more", "", fp32(6)),
        ("padding", "zeros up to 128 bytes", "", bytes(40)),
        ("file", "a second file of this format", "polyglot", file_bytes()),
        ("zip", "a ZIP archive, readable from the end", "polyglot", zip_bytes(b"a.txt", b"text")),
    ]:
        yield invalid(
            f"trailing-{name}",
            comment,
            f"trailing {flags}",
            file_bytes(payload=SIX + rest),
            end,
            lenient=MATRIX,
        )
    yield invalid(
        "trailing-rank-0",
        "one byte after a scalar",
        "trailing rank-0",
        file_bytes(dtype=INT8, ndim=0, dims=(1, 1, 1, 1), payload=int8(-7, 0)),
        fault("V1-PAYLOAD-2", end=65),
        lenient=tensor(INT8, (), int8(-7)),
    )
    yield invalid(
        "trailing-zero-size",
        "one byte after an empty payload",
        "trailing zero-size",
        file_bytes(dims=(1, 1, 2, 0), payload=b"\0"),
        fault("V1-PAYLOAD-2", end=64),
        lenient=tensor(FP32, (2, 0), b""),
    )
    yield invalid(
        "trailing-line-ends",
        "a newline of the payload became two bytes in a text-mode copy",
        "trailing",
        file_bytes(dtype=INT8, ndim=1, dims=(1, 1, 1, 3), payload=b"\1\r\n\2"),
        fault("V1-PAYLOAD-2", end=67),
        lenient=tensor(INT8, (3,), b"\1\r\n"),
    )
    yield invalid(
        "trailing-fp64",
        "twice as many bytes as FP32 takes: the values were FP64",
        "trailing",
        file_bytes(payload=struct.pack("<6d", 0, 1, 2, 3, 4, 5)),
        end,
        lenient=tensor(FP32, (2, 3), struct.pack("<3d", 0, 1, 2)),
    )


# ------------------------------------------------------------------ order of reporting


def order_vectors() -> Iterator[Vector]:
    """For each clause on a field, a file that breaks it and what it can of the later ones."""
    # From the last clause to the first, each file breaks one more.
    steps: list[tuple[str, dict[str, Any], int | None, str | None]] = [
        ("V1-RESERVED-3", {"reserved_3": -1, "payload": b"\0"}, None, "V1-PAYLOAD-1"),
        ("V1-RESERVED-2", {"reserved_2": -1}, None, "V1-PAYLOAD-1"),
        ("V1-LIMIT-1", {"dims": (1, 1, INT32_MAX, INT32_MAX)}, None, None),
        ("V1-TOTAL-1", {"total_elements": 0}, None, None),
        ("V1-DIMS-2", {"dims": (2, 1, INT32_MAX, INT32_MAX)}, 0, None),
        ("V1-DIMS-1", {"dims": (2, 1, INT32_MAX, -1)}, 3, None),
        ("V1-NDIM-1", {"ndim": 5}, None, None),
        ("V1-DTYPE-1", {"dtype": 4}, None, None),
        ("V1-RESERVED-1", {"reserved_1": -1}, None, "V1-DTYPE-1"),
        ("V1-HEADER-1", {"header_size": 128}, None, None),
        ("V1-VERSION-1", {"version": 2}, None, None),
        ("V1-MAGIC-1", {"magic": b"TSR4"}, None, None),
    ]
    changes: dict[str, Any] = {}
    for clause, change, dim, lenient_error in steps:
        changes |= change
        yield invalid(
            f"order-{clause.lower()}",
            f"{clause} and later clauses are broken",
            "order",
            file_bytes(**changes),
            fault(clause, dim=dim),
            lenient_error=lenient_error,
        )


# ------------------------------------------------------------------ the file

GROUPS: tuple[Callable[[], Iterator[Vector]], ...] = (
    valid_vectors,
    size_vectors,
    magic_vectors,
    constant_vectors,
    dtype_vectors,
    ndim_vectors,
    negative_vectors,
    unused_vectors,
    total_vectors,
    limit_vectors,
    reserved_vectors,
    short_vectors,
    trailing_vectors,
    order_vectors,
)


def document() -> str:
    """Render ``v1.json``."""
    return render(
        "TSR v1",
        "spec/tsr-v1.md",
        GROUPS,
        clauses=LOCATIONS,
        not_bytes=NOT_BYTES,
        flags=FLAGS,
    )
