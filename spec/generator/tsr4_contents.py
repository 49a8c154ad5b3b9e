"""The test vectors of TSR4 whose header and directory are right, and what they describe is not."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from spec.generator.deflate import (
    END,
    MATCH_MAX,
    Blocks,
    Symbol,
    stored,
    stream_header,
    zlib_stream,
)
from spec.generator.document import INT64_MAX_DIMS, UINT32_MAX, Vector, fp32, words
from spec.generator.tsr4_bytes import (
    FIVE,
    FP32,
    INT8,
    SIX,
    ZLIB,
    Tensor,
    decoded,
    fault,
    file_bytes,
    invalid,
    patched,
    row,
    zeros,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CONTENTS_GROUPS"]

# ------------------------------------------------------------------ T4-PADDING-1


def padding_vectors() -> Iterator[Vector]:
    """RAW files with a byte in the padding; a lenient reader accepts each."""
    one, two, three = (SIX,), (SIX, FIVE), (SIX, FIVE, SIX)
    cases: list[tuple[str, str, tuple[Tensor, ...], int]] = [
        ("directory-first", "the first byte behind the directory", one, 192),
        ("directory-last", "the last byte before the payload", one, 255),
        ("directory-three", "the first byte behind three entries", three, 320),
        ("payload-first", "the first byte behind the first payload", two, 280),
        ("payload-middle", "between the payloads", two, 400),
        ("payload-last", "the last byte before the second payload", two, 511),
        ("last-gap", "the last byte before the third payload", three, 1023),
    ]
    for name, comment, tensors, offset in cases:
        flags = "boundary" if len(tensors) == 1 else "several"
        yield invalid(
            f"padding-{name}",
            comment,
            flags,
            patched(file_bytes(*tensors), offset, b"\x01"),
            fault("T4-PADDING-1", at=offset),
            lenient=decoded(*tensors),
        )
    yield invalid(
        "padding-high-bit",
        "the highest bit of one byte",
        "",
        patched(file_bytes(), 224, b"\x80"),
        fault("T4-PADDING-1", at=224),
        lenient=decoded(),
    )
    yield invalid(
        "padding-text",
        "a text behind the directory, in all the padding but its first byte",
        "polyglot",
        patched(file_bytes(), 193, b"#!/bin/sh\n".ljust(63, b"\n")),
        fault("T4-PADDING-1", at=193),
        lenient=decoded(),
    )
    yield invalid(
        "padding-both",
        "behind the directory, and between payloads",
        "several order",
        patched(patched(file_bytes(*three), 511, b"\1"), 700, b"\1"),
        fault("T4-PADDING-1", at=511),
        lenient=decoded(*three),
    )


# ------------------------------------------------------------------ T4-ZLIB-1


def streamed(stream: bytes, *, tensor: Tensor = SIX, tail: bytes = b"") -> bytes:
    """Pack a ZLIB file of one tensor with this payload."""
    return file_bytes(tensor._replace(stream=stream), mode=ZLIB, tail=tail)


def stream_vectors() -> Iterator[Vector]:
    """Payloads that are no zlib stream, or one with a wrong header or checksum."""
    data = SIX.data
    right = stored(data)
    adler = zlib.adler32(data)
    blocks = Blocks().stored(data)
    gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + blocks.packed()
    for name, comment, flags, stream in [
        ("raw-deflate", "raw deflate, without header and checksum", "foreign", blocks.packed()),
        ("raw-deflate-fixed", "raw deflate in the fixed codes", "foreign",
         Blocks().fixed([*data, END]).packed()),
        ("gzip", "a gzip stream", "foreign", gzip + struct.pack("<II", zlib.crc32(data), 24)),
        ("zstandard", "the start of a Zstandard frame", "foreign", b"\x28\xb5\x2f\xfd" + right),
        ("lz4", "the start of an LZ4 frame", "foreign", b"\x04\x22\x4d\x18" + right),
        ("plain", "the elements themselves", "", data),
        ("zeros", "zeros", "", bytes(24)),
        ("ones", "bytes of FF", "", b"\xff" * 24),
        ("check", "the check bits of the header are wrong", "", b"\x78\x9d" + right[2:]),
        ("method-7", "compression method 7", "boundary", stream_header(method=7) + right[2:]),
        ("method-9", "compression method 9", "boundary", stream_header(method=9) + right[2:]),
        ("method-15", "compression method 15", "", stream_header(method=15) + right[2:]),
        ("window", "a window of 64 KiB, twice the most there is", "boundary",
         stream_header(window=8) + right[2:]),
        ("dictionary", "a preset dictionary, which no file brings", "",
         stream_header(dictionary=True) + struct.pack(">I", zlib.adler32(b"dict")) + right[2:]),
        ("dictionary-alone", "a preset dictionary, and nothing behind the header", "boundary order",
         stream_header(dictionary=True)),
        ("dictionary-cut", "a preset dictionary, and half of what names it", "order",
         stream_header(dictionary=True) + b"\4\x09"),
        ("adler-zero", "the checksum is 0", "", zlib_stream(blocks, data, adler=0)),
        ("adler-first-bit", "the lowest bit of the checksum flipped", "boundary",
         zlib_stream(blocks, data, adler=adler ^ 1)),
        ("adler-last-bit", "the highest bit of the checksum flipped", "boundary",
         zlib_stream(blocks, data, adler=adler ^ 1 << 31)),
        ("adler-byte-swapped", "the checksum in little-endian order", "byte-swapped",
         right[:-4] + struct.pack("<I", adler)),
        ("adler-crc", "a CRC-32 for the checksum", "", zlib_stream(blocks, data,
         adler=zlib.crc32(data))),
        ("adler-compressed", "the checksum of the compressed bytes", "",
         zlib_stream(blocks, data, adler=zlib.adler32(blocks.packed()))),
    ]:  # fmt: skip
        yield _broken(f"zlib-1-{name}", comment, flags, stream, "T4-ZLIB-1")
    yield invalid(
        "zlib-1-second",
        "the second payload is raw deflate",
        "several foreign",
        file_bytes(SIX, FIVE._replace(stream=Blocks().stored(FIVE.data).packed()), mode=ZLIB),
        fault("T4-ZLIB-1", 1, at=291),
    )


def deflate_vectors() -> Iterator[Vector]:
    """Streams whose compressed data are invalid."""
    data = SIX.data
    literals: list[Symbol] = [*data]
    full = [0] * 286
    full[0], full[END] = 1, 1
    cases: list[tuple[str, str, Blocks]] = [
        ("block-type", "a block of type 3", Blocks().reserved().stored(data)),
        ("complement", "a stored block whose lengths disagree", Blocks().stored(
            data, complement=24)),
        ("complement-zero", "a stored block without the complement", Blocks().stored(
            data, complement=0)),
        ("length-286", "code 286 of the fixed codes, which stands for nothing",
         Blocks().fixed([*literals, 286, END])),
        ("length-287", "code 287 of the fixed codes, which stands for nothing",
         Blocks().fixed([*literals, 287, END])),
        ("distance-30", "distance code 30, as in Deflate64",
         Blocks().fixed([*literals, (3, 32769), END])),
        ("distance-31", "distance code 31, as in Deflate64",
         Blocks().fixed([*literals, (3, 49153), END])),
        ("distance-start", "a match before any byte", Blocks().fixed([(24, 1), END])),
        ("distance-far", "a match that reaches back one byte too far",
         Blocks().fixed([*literals[:21], (3, 22), END])),
        ("distance-window", "a match that reaches back 32768 bytes, to none",
         Blocks().fixed([*literals[:21], (3, 32768), END])),
        ("codes-many", "288 codes, two of which cannot be",
         Blocks().dynamic([], [*full, 0, 0], [1, 1])),
        ("distances-many", "32 distance codes, two of which cannot be",
         Blocks().dynamic([], full, [5] * 32)),
        ("codes-over", "three codes of one bit", Blocks().dynamic([], [*full[:285], 1], [1, 1])),
        ("codes-under", "two codes of two bits, which leave half of all codes open",
         Blocks().dynamic([], [2 * length for length in full], [1, 1])),
        ("distances-over", "three distance codes of one bit",
         Blocks().dynamic([], full, [1, 1, 1])),
        ("codes-none", "no code for the lengths of codes, and all of these", Blocks().codeless()),
        ("second-block", "a block of type 3 behind all the data",
         Blocks().stored(data, last=False).reserved()),
    ]  # fmt: skip
    for name, comment, blocks in cases:
        yield _broken(f"zlib-1-{name}", comment, "", zlib_stream(blocks, data), "T4-ZLIB-1")
    yield _broken(
        "zlib-1-short",
        "one element too few, and the checksum of all: it comes before the stream's end",
        "order",
        zlib_stream(Blocks().stored(data[:20]), data),
        "T4-ZLIB-1",
    )
    yield _broken(
        "zlib-1-followed",
        "a wrong checksum, and bytes behind the stream",
        "order",
        zlib_stream(Blocks().stored(data), data, adler=0) + bytes(4),
        "T4-ZLIB-1",
    )
    yield _broken(
        "zlib-1-crc",
        "the header of the stream and data_crc32 are wrong",
        "order",
        b"\x78\x9d" + stored(data)[2:],
        "T4-ZLIB-1",
        tensor=SIX.but(data_crc32=0),
    )


def _broken(
    name: str, comment: str, flags: str, stream: bytes, clause: str, tensor: Tensor = SIX
) -> Vector:
    # The one payload of the file breaks the clause.
    data = streamed(stream, tensor=tensor)
    return invalid(name, comment, flags, data, fault(clause, at=192))


# ------------------------------------------------------------------ T4-ZLIB-2


def size_vectors() -> Iterator[Vector]:
    """Streams that inflate to fewer bytes than nbytes, or to more."""
    data = SIX.data
    for name, comment, flags, blocks, inflated in [
        ("none", "nothing at all", "", Blocks().fixed([END]), b""),
        ("one-less", "one byte fewer", "boundary", Blocks().stored(data[:23]), data[:23]),
        ("half", "half as many bytes", "", Blocks().stored(data[:12]), data[:12]),
        ("one-more", "one byte more", "boundary", Blocks().stored(data + b"\0"), data + b"\0"),
        ("one-more-block", "one byte more, in a block of its own", "boundary",
         Blocks().stored(data, last=False).stored(b"\0"), data + b"\0"),
        ("one-more-match", "one byte more, at the end of a match", "boundary",
         Blocks().fixed([0, (24, 1), END]), bytes(25)),
        ("double", "the data twice", "", Blocks().stored(data * 2), data * 2),
        ("padded", "the data with padding up to 256", "", Blocks().stored(data.ljust(256, b"\0")),
         data.ljust(256, b"\0")),
    ]:  # fmt: skip
        yield _broken(f"zlib-2-{name}", comment, flags, zlib_stream(blocks, inflated), "T4-ZLIB-2")
    yield _broken(
        "zlib-2-followed",
        "one byte fewer, and a byte behind the stream",
        "order",
        stored(data[:23]) + b"\0",
        "T4-ZLIB-2",
    )
    yield _broken(
        "zlib-2-more-cut",
        "more bytes, and a stream that is cut",
        "order",
        stored(data * 2)[:-10],
        "T4-ZLIB-2",
    )
    yield _broken(
        "zlib-2-more-broken",
        "more bytes, and an invalid block far behind",
        "order",
        zlib_stream(Blocks().stored(data * 2, last=False).reserved(), data * 2),
        "T4-ZLIB-2",
    )
    yield _broken(
        "zlib-2-crc",
        "one byte fewer than nbytes, and a data_crc32 that is right for them",
        "order",
        stored(data[:23]),
        "T4-ZLIB-2",
        tensor=SIX.but(data_crc32=zlib.crc32(data[:23])),
    )
    yield invalid(
        "zlib-2-second",
        "the second payload gives one byte more",
        "several",
        file_bytes(SIX, FIVE._replace(stream=stored(FIVE.data + b"\6")), mode=ZLIB),
        fault("T4-ZLIB-2", 1, at=291),
    )
    yield invalid(
        "zlib-2-exchanged",
        "two streams, each in the place of the other",
        "several order",
        file_bytes(
            SIX._replace(stream=stored(FIVE.data)),
            FIVE._replace(stream=stored(SIX.data)),
            mode=ZLIB,
        ),
        fault("T4-ZLIB-2", 0, at=256),
    )


def bomb_vectors() -> Iterator[Vector]:
    """Streams that inflate to far more than nbytes, or to far less than a claim."""
    for name, comment, tensor, blocks, size in [
        ("fixed", "159 KiB in the fixed codes, from 1 KiB", SIX,
         Blocks().fixed([0, *[(MATCH_MAX, 1)] * 630, END]), 1 + MATCH_MAX * 630),
        ("ratio", "a mebibyte from a kibibyte, the most that deflate gives", SIX,
         Blocks().run(4096), 1 + MATCH_MAX * 4096),
        ("one-byte", "a mebibyte for one byte", zeros(1), Blocks().run(4096),
         1 + MATCH_MAX * 4096),
        ("behind", "all the data, and a mebibyte behind them", SIX,
         Blocks().stored(SIX.data, last=False).run(4096), None),
    ]:  # fmt: skip
        inflated = SIX.data + bytes(1 + MATCH_MAX * 4096) if size is None else bytes(size)
        yield _broken(
            f"bomb-{name}", comment, "bomb", zlib_stream(blocks, inflated), "T4-ZLIB-2", tensor
        )
    stream = zlib_stream(Blocks().run(512), bytes(1 + MATCH_MAX * 512))
    yield invalid(
        "bomb-several",
        "four payloads of one byte, each of which inflates to 129 KiB",
        "bomb several",
        file_bytes(*[zeros(1)._replace(stream=stream)] * 4, mode=ZLIB),
        fault("T4-ZLIB-2", at=384),
    )
    for name, comment, flags, tensor in [
        ("2-gib", "a stream of 24 bytes for a tensor of 2 GiB", "",
         Tensor(INT8, (1, 1, 2, 2**30), SIX.data)),
        ("4-tib", "a stream of 24 bytes for a tensor of 4 TiB", "",
         Tensor(FP32, (1, 1, 2**10, 2**30), SIX.data)),
        ("greatest", "a stream of 24 bytes for a tensor of 2**63 - 1", "boundary",
         Tensor(INT8, (1, *INT64_MAX_DIMS), SIX.data)),
    ]:  # fmt: skip
        yield _broken(
            f"zlib-2-claim-{name}", comment, f"claim {flags}", stored(SIX.data), "T4-ZLIB-2", tensor
        )
    stream = stored(SIX.data)
    yield _broken(
        "zlib-2-claim-ratio",
        "one byte more than 1032 for each byte of the stream, which no stream can give",
        "claim boundary",
        stream,
        "T4-ZLIB-2",
        row(INT8, bytes(1032 * len(stream) + 1)).but(data_crc32=zlib.crc32(SIX.data)),
    )


# ------------------------------------------------------------------ T4-ZLIB-3


def end_vectors() -> Iterator[Vector]:
    """Payloads that end before their stream, or go on behind it."""
    right = stored(SIX.data)
    dynamic = zlib_stream(Blocks().run(1), bytes(259))
    for name, comment, stream in [
        ("empty", "an empty payload", b""),
        ("1", "half the header of the stream", right[:1]),
        ("2", "the header of the stream alone", right[:2]),
        ("4", "inside the lengths of a stored block", right[:4]),
        ("7", "before the first byte of the data", right[:7]),
        ("30", "before the last byte of the data", right[:30]),
        ("31", "behind the data, without the checksum", right[:31]),
        ("34", "one byte of the checksum is missing", right[:34]),
    ]:
        yield _broken(f"zlib-3-cut-{name}", f"cut: {comment}", "cut", stream, "T4-ZLIB-3")
    for name, comment, stream in [
        ("codes", "inside the codes of a block", dynamic[:12]),
        ("symbols", "inside the symbols of a block", dynamic[:-6]),
    ]:
        yield _broken(
            f"zlib-3-cut-{name}", f"cut: {comment}", "cut", stream, "T4-ZLIB-3", zeros(259)
        )
    yield _broken(
        "zlib-3-cut-codes-none",
        "cut: no code for the lengths of codes, and all but the last seven of these",
        "order",
        stream_header() + Blocks().codeless().packed()[:-1],
        "T4-ZLIB-3",
    )
    for name, comment, blocks in [
        ("not-last", "the block with all the data is not the last one, and none follows",
         Blocks().stored(SIX.data, last=False)),
        ("flushed", "all the data and an empty block, as a flush leaves them",
         Blocks().stored(SIX.data, last=False).stored(b"", last=False)),
    ]:  # fmt: skip
        yield _broken(f"zlib-3-{name}", comment, "cut", b"\x78\x9c" + blocks.packed(), "T4-ZLIB-3")
    for name, comment, flags, rest in [
        ("one-byte", "one zero byte", "boundary", b"\0"),
        ("zeros", "zeros up to a multiple of 256", "", bytes(256 - 227)),
        ("stream", "the stream again", "", right),
        ("empty-stream", "a stream of no bytes", "", zlib_stream(Blocks().fixed([END]), b"")),
        ("file", "a file of this format", "polyglot", file_bytes(FIVE)),
    ]:
        yield _broken(
            f"zlib-3-followed-{name}", f"behind the stream, {comment}", flags, right + rest,
            "T4-ZLIB-3",
        )  # fmt: skip
    yield _broken(
        "zlib-3-short",
        "one byte fewer, and the last byte of the checksum is missing",
        "cut order",
        stored(SIX.data[:23])[:-1],
        "T4-ZLIB-3",
    )
    yield _broken(
        "zlib-3-followed-crc",
        "a byte behind the stream, and data_crc32 is wrong",
        "order",
        right + b"\0",
        "T4-ZLIB-3",
        SIX.but(data_crc32=0),
    )
    yield _broken(
        "zlib-3-claim",
        "a stream that is cut, for a tensor of 2 GiB",
        "claim order",
        right[:-1],
        "T4-ZLIB-3",
        Tensor(INT8, (1, 1, 2, 2**30), SIX.data),
    )
    yield invalid(
        "zlib-3-split",
        "one stream over two payloads",
        "several order",
        file_bytes(SIX._replace(stream=right[:20]), FIVE._replace(stream=right[20:]), mode=ZLIB),
        fault("T4-ZLIB-3", at=256),
    )
    yield invalid(
        "zlib-3-second",
        "a byte behind the stream of the second payload",
        "several",
        file_bytes(SIX, FIVE._replace(stream=stored(FIVE.data) + b"\0"), mode=ZLIB),
        fault("T4-ZLIB-3", 1, at=291),
    )


# ------------------------------------------------------------------ T4-CRC-2


def crc_vectors() -> Iterator[Vector]:
    """Files whose elements have another CRC."""
    right = zlib.crc32(SIX.data)
    for name, comment, flags, crc in [
        ("zero", "0", "", 0),
        ("ones", "FFFFFFFF", "", UINT32_MAX),
        ("first-bit", "the lowest bit flipped", "boundary", right ^ 1),
        ("last-bit", "the highest bit flipped", "boundary", right ^ 1 << 31),
        ("inverted", "without the inversion at the end", "", right ^ UINT32_MAX),
        ("byte-swapped", "in big-endian order", "byte-swapped",
         int.from_bytes(right.to_bytes(4, "little"), "big")),
        ("adler", "an Adler-32", "", zlib.adler32(SIX.data)),
        ("padded", "of the payload and the padding behind it", "",
         zlib.crc32(SIX.data.ljust(256, b"\0"))),
        ("swapped-elements", "of the elements in big-endian order", "byte-swapped",
         zlib.crc32(struct.pack(">6f", 0, 1, 2, 3, 4, 5))),
    ]:  # fmt: skip
        data = file_bytes(SIX.but(data_crc32=crc))
        yield invalid(f"crc-{name}", f"the CRC is wrong: {comment}", flags, data, "T4-CRC-2")
    whole = file_bytes()
    for name, comment, offset in [
        ("payload-first-bit", "the lowest bit of the payload flipped", 256),
        ("payload-last-byte", "the last byte of the payload changed", 279),
    ]:
        changed = patched(whole, offset, bytes([whole[offset] ^ 1]))
        yield invalid(f"crc-{name}", comment, "boundary", changed, "T4-CRC-2")
    signalling = row(FP32, words(0x7F800001))
    for name, comment, data, crc in [
        ("quietened", "a signalling NaN was quietened after the CRC was taken",
         words(0x7FC00001), zlib.crc32(signalling.data)),
        ("zero-sign", "a -0.0 became 0.0 after the CRC was taken", fp32(0),
         zlib.crc32(fp32(-0.0))),
    ]:  # fmt: skip
        changed = file_bytes(row(FP32, data).but(data_crc32=crc))
        yield invalid(f"crc-{name}", comment, "bits", changed, "T4-CRC-2")
    yield invalid(
        "crc-second",
        "of the second payload",
        "several",
        file_bytes(SIX, FIVE.but(data_crc32=0)),
        fault("T4-CRC-2", 1),
    )
    yield invalid(
        "crc-exchanged",
        "each of two entries has the CRC of the other",
        "several order",
        file_bytes(SIX.but(data_crc32=zlib.crc32(FIVE.data)), FIVE.but(data_crc32=right)),
        "T4-CRC-2",
    )
    yield invalid(
        "crc-zlib-compressed",
        "the CRC of the compressed bytes",
        "",
        file_bytes(SIX.but(data_crc32=zlib.crc32(stored(SIX.data))), mode=ZLIB),
        "T4-CRC-2",
    )
    other = bytes(24)
    yield invalid(
        "crc-zlib-data",
        "a whole stream of other data: its own checksum is right",
        "",
        streamed(stored(other)),
        "T4-CRC-2",
    )


CONTENTS_GROUPS = (
    padding_vectors,
    stream_vectors,
    deflate_vectors,
    size_vectors,
    bomb_vectors,
    end_vectors,
    crc_vectors,
)
