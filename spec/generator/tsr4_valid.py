"""The valid test vectors of TSR4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spec.generator import v1
from spec.generator.deflate import END, MATCH_MAX, Blocks, stream_header, zlib_stream
from spec.generator.document import (
    INT32_MAX,
    INT32_MIN,
    UINT64_MAX,
    Vector,
    fp32,
    int8,
    int32,
    words,
)
from spec.generator.tsr4_bytes import (
    FIVE,
    FP16,
    FP32,
    INT8,
    INT32,
    SIX,
    ZLIB,
    Shape,
    Tensor,
    file_bytes,
    fp16,
    halves,
    row,
    valid,
    zeros,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["VALID_GROUPS"]

# Values as they were drawn once.
FP32_VECTOR = bytes.fromhex(
    "30510dbd5bfb43bcddecf23db5ebf9bdd562ee3c637c02bcf72b073ead9d1bbe0b51f0bc62b7573e2c2d32bc"
    "3f2d793d1eada13dfb3fa03d98dfd3bb971cc1b7"
)
FP32_BLOCK = bytes.fromhex(
    "806e7fbf366b1cbf5f3eb7beb4bf0bbd28fc79bfd53622bf44900cc00f7c483ff6e6483ff187ca3e1473c3bf"
    "f573b43db48ebabf7e77e0bebd4c50bf961989bfeef0933f4a99a73e0b80213f68a20c3ef45b0bbf9a2338be"
    "d384bfbeccc62f3c8a35b23f6cdceebec4873abe85887abf3aabae3fb9c71f3f8c703c3e6b8078be402e103f"
    "8b4e633d9cfc223ed03379bf606de7be4cb6f6bdb98b433f77b53cbf1d63cdbd819ee6bdfbfc003fc82902be"
    "33e8143f926bae3e7d490d3f59417f3e456733bf527da6be666a9bbf51a4e0bc286ae33e047a87bf706072be"
    "ed2bb6bd6f0c99bfcbadc43ea2e0c7bfc30537bdd9545bbf27ab543f7b9036bf77d97abfd22debbfcd4ba0be"
    "db7f923cd099c0be093d803fbaa9e4be03bd35c0870bc13f5a38613f204b55bf9d042dbf91da8abdf160223f"
    "5c5a133fb515c63e9a0b0340bdc7d73fc96b29c05915303f981679becf90153ff7ddb33f3e37d73ebd160b3f"
    "c0d82bbfebb5673f22b6c2bf0a31a53fc81c52bf4b0b633f50a647bf7f72a23f7ee0853e7c54c43eae3976be"
    "8e57073f68c3a43d5f2717bf21f037beb3fb113ec4a2d6bf58feb1bdbcc7d23d92c451be2e57f5bf1af21240"
    "7c568dbf80d7223ecd643a3e20bded3f7ebcc43eb3d7683fa39adb3f1f1c923f79a09abfd382a13f"
)
FP16_BLOCK = bytes.fromhex(
    "02ad752f013fed3d7727abb8f73dac3c999ee5380436d93938b8d5ba95bc193b07c033ba82b18bbd36c0dbb4"
    "f29c9f37"
)
INT8_VECTOR = bytes.fromhex("e259cb85b1b7a02117af92ccaad1de4677a119441236e499de6798bd8c7b6d6326")

# 3072 zeros, as a compressor coded them once, with codes of its own.
ZEROS_STREAM = bytes.fromhex("789cedc101010000008220ffaf6e48400100002f060c000001")

# ------------------------------------------------------------------ RAW


def raw(name: str, comment: str, flags: str, *tensors: Tensor) -> Vector:
    """Describe a RAW file."""
    return valid(f"raw-{name}", comment, flags, *tensors)


def raw_vectors() -> Iterator[Vector]:
    """RAW files of one tensor."""
    yield raw("fp32", "[[[[0, 1, 2], [3, 4, 5]]]]", "pinned", SIX)
    yield raw("fp16", "1 and 2", "pinned original", row(FP16, fp16(1, 2)))
    yield raw("int8", "1 to 5", "pinned", FIVE)
    yield raw(
        "int32",
        "both ends of the range, 0 and -1",
        "pinned",
        row(INT32, int32(INT32_MIN, INT32_MAX, 0, -1)),
    )
    yield raw(
        "fp32-vector",
        "small values that were drawn once",
        "pinned original",
        row(FP32, FP32_VECTOR),
    )
    yield raw(
        "fp32-block",
        "normal values, and four dimensions that differ",
        "pinned original",
        Tensor(FP32, (2, 3, 4, 5), FP32_BLOCK),
    )
    yield raw(
        "int8-full",
        "every INT8 from -128 to 127",
        "pinned",
        Tensor(INT8, (1, 16, 16, 1), int8(*range(-128, 128))),
    )
    for name, dtype, data in [
        ("fp32", FP32, fp32(3.25)),
        ("fp16", FP16, fp16(3.25)),
        ("int8", INT8, int8(-7)),
        ("int32", INT32, int32(-7)),
    ]:
        yield raw(f"{name}-one", "one element", "boundary", row(dtype, data))
    shapes: list[Shape] = [(5, 1, 1, 1), (1, 5, 1, 1), (1, 1, 5, 1)]
    for axis, shape in enumerate(shapes):
        comment = f"1 to 5 along shape[{axis}]"
        yield raw(f"int8-axis-{axis}", comment, "", Tensor(INT8, shape, FIVE.data))
    yield from special_vectors(raw)
    yield raw("line-ends", "every line end", "", row(INT8, b"\n\r\r\n\x1a"))
    for name, comment, data in [
        ("zero", "a payload whose CRC-32 is 0", b"\x9d\x0a\xd9\x6d"),
        ("ones", "a payload whose CRC-32 is FFFFFFFF", b"\xff\xff\xff\xff"),
    ]:
        yield raw(f"crc-{name}", comment, "boundary", row(INT32, data))


def special_vectors(give: Callable[..., Vector]) -> Iterator[Vector]:
    """Values that survive only as bits; `give` is `raw` or `compressed`."""
    yield give(
        "fp32-special",
        "0, -0, 1, -1, both infinities, NaN, both least subnormals, the greatest finite value, "
        "the least normal one, pi",
        "bits",
        row(FP32, words(
            0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000,
            0x7FC00000, 0x00000001, 0x80000001, 0x7F7FFFFF, 0x00800000, 0x40490FDB,
        )),
    )  # fmt: skip
    yield give(
        "fp32-nan-payloads",
        "quiet and signalling NaNs of both signs, payloads from the least to the greatest",
        "bits",
        row(FP32, words(
            0x7FC00000, 0xFFC00000, 0x7FC00001, 0xFFFFFFFF,
            0x7F800001, 0xFF800001, 0x7FBFFFFF, 0xFFADBEEF,
        )),
    )  # fmt: skip
    yield give(
        "fp32-subnormals",
        "subnormals of both signs, from the least to the greatest",
        "bits",
        row(FP32, words(0x00000001, 0x80000001, 0x00400000, 0x80400000, 0x007FFFFF, 0x807FFFFF)),
    )
    yield give(
        "fp16-special",
        "0, -0, 1, -1, both infinities, NaN, the greatest finite value, the least normal one",
        "bits",
        row(FP16, halves(
            0x0000, 0x8000, 0x3C00, 0xBC00, 0x7C00, 0xFC00, 0x7E00, 0x7BFF, 0x0400,
        )),
    )  # fmt: skip
    yield give(
        "fp16-nan-payloads",
        "quiet and signalling NaNs of both signs, payloads from the least to the greatest",
        "bits",
        row(FP16, halves(0x7E00, 0xFE00, 0x7E01, 0xFFFF, 0x7C01, 0xFC01, 0x7DFF, 0xFDAD)),
    )
    yield give(
        "fp16-subnormals",
        "subnormals of both signs, from the least to the greatest",
        "bits",
        row(FP16, halves(0x0001, 0x8001, 0x0200, 0x8200, 0x03FF, 0x83FF)),
    )


def layout_vectors() -> Iterator[Vector]:
    """RAW files of several tensors, with padding and without."""
    for count, comment, flags in [
        (2, "the directory ends at 256: no padding before the first payload", "boundary"),
        (3, "the directory ends at 320: payloads from 512", "boundary"),
        (5, "the directory ends at 448: payloads from 512", ""),
        (6, "the directory ends at 512: no padding before the first payload", "boundary"),
        (7, "the directory ends at 576: payloads from 768", "boundary"),
    ]:
        tensors = [row(INT8, int8(number)) for number in range(count)]
        yield raw(f"tensors-{count}", comment, f"several {flags}", *tensors)
    yield raw(
        "mixed",
        "every element type",
        "pinned several",
        SIX,
        row(FP16, FP16_BLOCK),
        FIVE,
        row(INT32, int32(INT32_MIN, INT32_MAX)),
    )
    yield raw(
        "padding-none",
        "payloads of 256 and 512 bytes: the next begins where they end",
        "several boundary",
        zeros(256),
        row(FP32, bytes(512)),
        FIVE,
    )
    yield raw(
        "padding-extremes",
        "payloads of 255 and 257 bytes: padding of 1 and of 255",
        "several boundary",
        zeros(255),
        zeros(257),
        FIVE,
    )
    yield raw("twice", "the same tensor twice, stored twice", "several", SIX, SIX)
    yield raw(
        "nested",
        "payloads that are whole files, of this format and of TSR v1",
        "polyglot several",
        row(INT8, file_bytes()),
        row(INT8, v1.file_bytes()),
    )


def row_stride_vectors() -> Iterator[Vector]:
    """RAW files with every kind of row_stride."""
    for name, comment, tensor in [
        ("fp32-64", "a row of 256 bytes gives 256", row(FP32, fp32(*range(64)))),
        ("fp32-65", "a row of 260 bytes gives 512", row(FP32, fp32(*range(65)))),
        ("fp16-64", "a row of 128 bytes gives 128", row(FP16, fp16(*range(64)))),
        ("fp16-65", "a row of 130 bytes gives 256", row(FP16, fp16(*range(65)))),
        ("int8-128", "a row of 128 bytes gives 128", row(INT8, int8(*range(128)))),
        ("int8-129", "a row of 129 bytes gives 256", row(INT8, int8(*range(-1, 128)))),
        ("int32-65", "a row of 260 bytes gives 512", row(INT32, int32(*range(65)))),
        (
            "int8-two-dimensions",
            "W and C make the row: 2 * 65 bytes give 256",
            Tensor(INT8, (1, 1, 2, 65), int8(*range(-65, 65))),
        ),
        (
            "int8-rows",
            "N and H do not count: 130 rows of one byte give 128",
            Tensor(INT8, (2, 65, 1, 1), int8(*range(-65, 65))),
        ),
    ]:
        yield raw(f"row-stride-{name}", comment, "boundary", tensor)
    for stride, comment in [
        (0, "no row_stride"),
        (12, "the bytes of a row, not rounded up"),
        (255, "one less than computed"),
        (512, "twice the computed one"),
        (UINT64_MAX, "the greatest row_stride"),
    ]:
        tensor = SIX.but(row_stride=stride)
        yield raw(f"row-stride-{stride}", comment, "row-stride", tensor)
    yield raw(
        "row-stride-second",
        "row_stride 1, in the second entry",
        "row-stride several",
        SIX,
        FIVE.but(row_stride=1),
    )


# ------------------------------------------------------------------ ZLIB


def compressed(name: str, comment: str, flags: str, *tensors: Tensor) -> Vector:
    """Describe a ZLIB file; payloads without a stream of their own are one stored block."""
    return valid(f"zlib-{name}", comment, flags, *tensors, mode=ZLIB)


def coded(tensor: Tensor, blocks: Blocks, header: bytes | None = None) -> Tensor:
    """Give a tensor its stream."""
    return tensor._replace(stream=zlib_stream(blocks, tensor.data, header=header))


def stream_vectors() -> Iterator[Vector]:
    """ZLIB files of one tensor, with every kind of stream."""
    yield compressed("fp32", "[[[[0, 1, 2], [3, 4, 5]]]] in a stored block", "pinned", SIX)
    yield compressed(
        "fp16-block",
        "normal values, in a stored block",
        "pinned original",
        coded(Tensor(FP16, (1, 2, 3, 4), FP16_BLOCK), Blocks().stored(FP16_BLOCK)),
    )
    fixed = Blocks().fixed([*FIVE.data, END])
    yield compressed("fixed", "1 to 5 in the fixed codes", "pinned", coded(FIVE, fixed))
    text = row(INT8, b"tensor tensor tensor")
    match = Blocks().fixed([*b"tensor ", (13, 7), END])
    yield compressed("match", "a match longer than its distance", "", coded(text, match))
    yield compressed(
        "dynamic",
        "259 zeros in codes of the stream's own",
        "pinned",
        coded(zeros(259), Blocks().run(1)),
    )
    blocks = Blocks().stored(b"", last=False).fixed([END], last=False)
    blocks.stored(FIVE.data, last=False).stored(b"", last=False).fixed([END])
    yield compressed("empty-blocks", "a full block among empty ones", "", coded(FIVE, blocks))
    blocks = Blocks().stored(FIVE.data, last=False).run(1, last=False).fixed([*b"end", END])
    kinds = row(INT8, FIVE.data + bytes(259) + b"end")
    yield compressed("kinds", "a block of each kind", "", coded(kinds, blocks))
    for level in (0, 1, 3):
        comment = f"compression level {level} in the stream's header"
        header = stream_header(level=level)
        yield compressed(f"level-{level}", comment, "", coded(FIVE, fixed, header))
    yield compressed(
        "window-least",
        "a window of 256 bytes in the stream's header",
        "boundary",
        coded(text, match, stream_header(window=0)),
    )
    blocks = Blocks().fixed(
        [*b"far", 0, *[(MATCH_MAX, 1)] * 126, (256, 1), (3, 2**15), END],
    )
    distant = row(INT8, b"far" + bytes(2**15 - 3) + b"far")
    yield compressed(
        "distance-greatest",
        "a match that reaches back 32768 bytes, the most there is",
        "boundary",
        coded(distant, blocks),
    )
    yield compressed(
        "distance-window",
        "a match that reaches back farther than the window in the stream's header",
        "",
        coded(distant, blocks, stream_header(window=0)),
    )
    yield compressed(
        "ratio-greatest",
        "a mebibyte in a kibibyte: a valid stream gives nearly 1032 bytes for each of its own",
        "boundary",
        coded(zeros(1 + MATCH_MAX * 4096), Blocks().run(4096)),
    )
    yield from special_vectors(compressed)


def packed_vectors() -> Iterator[Vector]:
    """ZLIB files of several tensors, and the rest of the entry."""
    yield compressed(
        "two",
        "zeros in codes of the stream's own, and values in a stored block",
        "pinned original several",
        Tensor(FP32, (4, 8, 8, 3), bytes(3072), stream=ZEROS_STREAM),
        coded(row(INT8, INT8_VECTOR), Blocks().stored(INT8_VECTOR)),
    )
    yield compressed("three", "no padding anywhere", "several", SIX, FIVE, row(FP16, fp16(1)))
    yield compressed("twice", "the same tensor twice, stored twice", "several", SIX, SIX)
    yield compressed(
        "twenty",
        "twenty tensors of one element",
        "several",
        *(row(INT8, int8(number)) for number in range(20)),
    )
    yield compressed("row-stride", "no row_stride", "row-stride", SIX.but(row_stride=0))
    yield compressed(
        "nested", "the stream holds a whole RAW file", "polyglot", row(INT8, file_bytes())
    )


VALID_GROUPS = (
    raw_vectors,
    layout_vectors,
    row_stride_vectors,
    stream_vectors,
    packed_vectors,
)
