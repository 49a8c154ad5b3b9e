"""Hypothesis strategies for whoever embeds this codec, or writes another. The extra ``testing``.

What comes out are arrays with any bits in any memory layout, and the bytes of files of both
formats: valid ones, hostile ones, and what can happen to given bytes. All bytes are packed with
`struct` and `zlib` by the tables of the specification, none by a codec, so a codec that is wrong
is found, this one too. What is drawn shrinks to the simplest: a scalar of zeros, C order, one
flipped bit.

Raises `MissingExtraError` where hypothesis is not installed, and `UnsupportedError` for a format
that does not exist.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tsr.errors import UnsupportedError
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis import strategies as st
    from numpy.typing import DTypeLike, NDArray
else:
    st = require("hypothesis", "testing", "tsr.testing").strategies

__all__ = ["arrays", "corruptions", "encoded_arrays", "files", "headers", "shapes"]

Format = Literal["v1", "tsr4"]
_Step = Callable[["st.DrawFn", bytearray], None]

# The numbers of the element types.
_CODES: dict[str, dict[str, int]] = {
    "v1": {"<f4": 1, "<i1": 2, "<i4": 3},
    "tsr4": {"<f4": 0, "<f2": 1, "<i1": 2, "<i4": 3},
}
_DTYPES = {
    format: {code: np.dtype(name) for name, code in codes.items()}
    for format, codes in _CODES.items()
}

_V1_HEADER = struct.Struct("<4s9i3q")
_TSR4_HEADER = struct.Struct("<4sHHIIIIQQII80s")
_TSR4_ENTRY = struct.Struct("<B3s4iqQQQQI")
_RAW, _ZLIB = 0, 1
_ROW_ALIGNMENTS = (256, 128, 128, 256)  # of the element types of TSR4

# Offset and size of each field.
_V1_SIZES = (4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8)
_HEADER_SIZES = (4, 2, 2, 4, 4, 4, 4, 8, 8, 4, 4, 80)
_ENTRY_SIZES = (1, 3, 4, 4, 4, 4, 8, 8, 8, 8, 8, 4)

# No file grows beyond this when its size is put right.
_SIZE_MAX = 1 << 12


def shapes(
    format: Format = "v1", *, max_rank: int = 4, max_side: int = 5
) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw shapes that a format can store.

    Parameters
    ----------
    format : {"v1", "tsr4"}, default "v1"
        In ``"v1"`` any dimension can be 0; in ``"tsr4"`` none.
    max_rank : int, default 4
        The most dimensions; the fewest are none.
    max_side : int, default 5
        The largest dimension.

    Returns
    -------
    SearchStrategy of tuple of int

    Raises
    ------
    UnsupportedError
        There is no such format.

    Examples
    --------
    >>> from hypothesis import given
    >>> import tsr
    >>> @given(shapes(max_side=1000))
    ... def test_shape_comes_back(shape):
    ...     header = tsr.build_header("float32", shape)
    ...     assert tsr.parse_header(header).shape == shape
    >>> test_shape_comes_back()
    """
    _check_format(format)
    side = st.integers(0 if format == "v1" else 1, max_side)
    by_rank = [st.tuples(*[side] * rank) for rank in range(max_rank + 1)]
    return st.integers(0, max_rank).flatmap(lambda rank: by_rank[rank])


def arrays(
    format: Format = "v1",
    *,
    dtypes: Sequence[DTypeLike] | None = None,
    shapes: st.SearchStrategy[tuple[int, ...]] | None = None,
    layouts: bool = True,
) -> st.SearchStrategy[NDArray[Any]]:
    """Draw arrays that a format can store, with any bits in them, however they lie in memory.

    Bits are arbitrary, or those that go wrong where something else than bits is copied: NaNs with
    payloads, signalling ones, -0.0, infinities, subnormals, the extremes of integers.

    Parameters
    ----------
    format : {"v1", "tsr4"}, default "v1"
        Whose dtypes and shapes are drawn.
    dtypes : sequence of dtype-like, optional
        Those to draw from, of numbers; by default all of the format.
    shapes : strategy of tuple of int, optional
        By default ``shapes(format)``. What is drawn has the shape that this gives.
    layouts : bool, default True
        Whether to draw more than fresh C-contiguous arrays: Fortran order and any other order
        of axes, elements that lie apart or backwards, axes that were broadcast, addresses that
        are not aligned, big-endian and read-only arrays.

    Returns
    -------
    SearchStrategy of ndarray

    Raises
    ------
    UnsupportedError
        There is no such format.

    Examples
    --------
    >>> from hypothesis import given
    >>> import tsr
    >>> @given(arrays())
    ... def test_round_trip(array):
    ...     loaded = tsr.loads(tsr.dumps(array))
    ...     assert loaded.shape == array.shape
    ...     assert loaded.tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()
    >>> test_round_trip()
    """
    _check_format(format)
    chosen = [np.dtype(dtype) for dtype in (_CODES[format] if dtypes is None else dtypes)]
    return _arrays(st.sampled_from(chosen), _shapes(format) if shapes is None else shapes, layouts)


_shapes = shapes  # where a parameter takes the name


def encoded_arrays(
    format: Format = "v1", *, compress: bool | None = None, max_tensors: int = 4
) -> st.SearchStrategy[tuple[bytes, list[NDArray[Any]]]]:
    """Draw valid files together with the arrays that a reader gives.

    The files are any that the specification allows, not only those that `tsr.dumps` makes: zlib
    streams of every level, window and kind of block; any `row_stride`.

    Parameters
    ----------
    format : {"v1", "tsr4"}, default "v1"
    compress : bool, optional
        Of ``"tsr4"``: whether the payloads are zlib streams; by default either.
    max_tensors : int, default 4
        Of ``"tsr4"``: the most tensors in a file. A file of ``"v1"`` has one.

    Returns
    -------
    SearchStrategy of tuple of bytes and list of ndarray
        The arrays are read-only and little-endian; those of ``"tsr4"`` are of rank 4.

    Raises
    ------
    UnsupportedError
        There is no such format, or it is ``"v1"`` and `compress` is true.

    Examples
    --------
    >>> from hypothesis import given
    >>> import tsr
    >>> @given(encoded_arrays("tsr4", compress=True))
    ... def test_decoder(encoded):
    ...     data, arrays = encoded
    ...     with tsr.open(data) as file:
    ...         assert [x.tobytes() for x in file] == [x.tobytes() for x in arrays]
    >>> test_decoder()
    """
    _check_format(format)
    if format == "v1":
        if compress:
            raise UnsupportedError("compress: got True for format 'v1', which only 'tsr4' takes")
        return arrays("v1", layouts=False).map(lambda array: (_v1_file(array), [_frozen(array)]))
    modes = (_RAW, _ZLIB) if compress is None else (int(compress),)
    small = arrays("tsr4", shapes=shapes("tsr4", max_side=4), layouts=False)
    tensors = st.lists(small, min_size=1, max_size=max_tensors)
    return _encoded_tsr4(st.sampled_from(modes), tensors)


def files(
    format: Format = "v1", *, valid: bool | None = None, compress: bool | None = None
) -> st.SearchStrategy[bytes]:
    """Draw whole files: valid ones, damaged or hostile ones, or either.

    Parameters
    ----------
    format : {"v1", "tsr4"}, default "v1"
        What the files are, or were before something happened to them.
    valid : bool, optional
        Whether the files are valid by the specification. By default some are and some are not.
    compress : bool, optional
        As for `encoded_arrays`.

    Returns
    -------
    SearchStrategy of bytes

    Raises
    ------
    UnsupportedError
        There is no such format, or it is ``"v1"`` and `compress` is true.

    Examples
    --------
    >>> from hypothesis import given
    >>> import tsr
    >>> @given(files("tsr4", valid=False))
    ... def test_damage_is_found(data):
    ...     assert tsr.validate(data) != []
    >>> test_damage_is_found()
    """
    whole = encoded_arrays(format, compress=compress).map(lambda encoded: encoded[0])
    if valid:
        return whole
    damaged = _damaged(whole)
    if valid is None:
        return whole | damaged
    return damaged.filter(lambda data: not _is_valid(data))


def headers(*, valid: bool | None = None) -> st.SearchStrategy[bytes]:
    """Draw 64 bytes that are a header of TSR v1, or nearly one.

    Shapes are small or as large as the format can say, so the payload is not there to go with
    them. In what is nearly a header one or two fields are interesting or arbitrary, or the shape
    is, and what follows from them is often right.

    Parameters
    ----------
    valid : bool, optional
        Whether the headers break no clause. By default some do and some do not.

    Returns
    -------
    SearchStrategy of bytes

    Examples
    --------
    >>> from hypothesis import given
    >>> import tsr
    >>> @given(headers(valid=True))
    ... def test_header_comes_back(header):
    ...     parsed = tsr.parse_header(header)
    ...     assert tsr.build_header(parsed.dtype, parsed.shape) == header
    >>> test_header_comes_back()
    """
    whole = _v1_headers()
    if valid:
        return whole
    nearly = whole.flatmap(_edited_headers)
    if valid is None:
        return whole | nearly
    return nearly.filter(lambda header: _v1_size(header) is None)


def corruptions(data: bytes) -> st.SearchStrategy[bytes]:
    """Draw what can happen to bytes: they are always other ones, and not always invalid.

    Bits flip; bytes get lost or are added; fields of header and directory, or whole shapes, hold
    numbers that are interesting or arbitrary; entries change places; streams are cut, go on,
    hold more or less than they should, or are of another format. The sums, sizes and checksums
    that follow from a field are sometimes put right again: otherwise the first wrong sum would
    hide all that a reader does behind it.

    Parameters
    ----------
    data : bytes
        A file of either format; any other bytes will do too.

    Returns
    -------
    SearchStrategy of bytes

    Examples
    --------
    >>> from hypothesis import given
    >>> import numpy as np
    >>> import tsr
    >>> intact = tsr.dumps(np.arange(3, dtype=np.float32))
    >>> @given(corruptions(intact))
    ... def test_no_other_error(data):
    ...     try:
    ...         tsr.loads(data)
    ...     except tsr.FormatError:
    ...         pass
    >>> test_no_other_error()
    """
    return _damaged(st.just(bytes(data)))


def _check_format(format: object) -> None:
    if format not in _CODES:
        raise UnsupportedError(f"format: got {format!r}, expected 'v1' or 'tsr4'", given=format)


# Making a strategy costs hypothesis more than drawing from it, so those below are made once: as
# constants, or by functions that remember the latest.
_remembered = lru_cache(maxsize=256)

# ------------------------------------------------------------------ arrays

# Bits that anything but a copy of bits would change: NaNs with payloads, signalling ones too,
# -0.0, infinities, subnormals; of integers the extremes.
_AWKWARD = {
    "<f4": (
        0x7FC00001, 0xFFC12345, 0x7F800001, 0xFFBFFFFF, 0x80000000, 0x7F800000, 0xFF800000, 1,
        0x807FFFFF, 0x3F800000,
    ),
    "<f2": (0x7E01, 0xFE12, 0x7C01, 0xFDFF, 0x8000, 0x7C00, 0xFC00, 1, 0x83FF, 0x3C00),
    "|i1": (1, 0x7F, 0x80, 0xFF),
    "<i4": (1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
}  # fmt: skip


@st.composite
def _arrays(
    draw: st.DrawFn,
    dtypes: st.SearchStrategy[np.dtype[Any]],
    shapes: st.SearchStrategy[tuple[int, ...]],
    layouts: bool,
) -> NDArray[Any]:
    dtype, shape = draw(dtypes), draw(shapes)
    bits = draw(_bits(dtype, prod(shape) * dtype.itemsize))
    array: NDArray[Any] = np.frombuffer(bits, dtype).reshape(shape).copy()
    return _laid_out(draw, array) if layouts else array


@_remembered
def _bits(dtype: np.dtype[Any], size: int) -> st.SearchStrategy[bytes]:
    bits = st.binary(min_size=size, max_size=size)
    if not size or dtype.str not in _AWKWARD:
        return bits
    words = [word.to_bytes(dtype.itemsize, "little") for word in _AWKWARD[dtype.str]]
    # One draw for all of them: each costs more than all that is done with it.
    return bits | st.binary(min_size=1, max_size=16).map(
        lambda which: (b"".join(words[byte % len(words)] for byte in which) * size)[:size]
    )


_ORDERS = st.sampled_from(("C", "Fortran", "any"))
_KINDS = st.just(0) | st.integers(0, 15)


@_remembered
def _any_order(ndim: int) -> st.SearchStrategy[list[int]]:
    return st.permutations(range(ndim))


@_remembered
def _any_steps(ndim: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.sampled_from((1, -1, 2, -2))] * ndim)


def _laid_out(draw: st.DrawFn, array: NDArray[Any]) -> NDArray[Any]:
    # The values of an array, where they are harder to find.
    order = draw(_ORDERS)
    axes = list(range(array.ndim))
    steps: tuple[int, ...] = (1,) * array.ndim
    if order == "Fortran":
        axes.reverse()
    elif order == "any":
        axes = draw(_any_order(array.ndim))
        steps = draw(_any_steps(array.ndim))
    kinds = draw(_KINDS)
    if kinds & 1:
        array = array.astype(array.dtype.newbyteorder(">"))
    memory = _memory(array, axes, steps, skew=kinds >> 1 & 1)
    memory[...] = array
    if kinds & 4 and array.ndim:
        # One value along some axes, which takes its memory once.
        spread = draw(st.integers(1, 2**array.ndim - 1))
        once = [slice(0, 1 if spread >> axis & 1 else None) for axis in range(array.ndim)]
        memory = np.broadcast_to(memory[tuple(once)], array.shape)
    memory.flags.writeable = not (kinds & 12)
    return memory


def _memory(
    array: NDArray[Any], axes: Sequence[int], steps: Sequence[int], skew: int
) -> NDArray[Any]:
    # Room for an array with its axes in some order, the last of them varying fastest.
    sides = [abs(steps[axis]) * array.shape[axis] for axis in axes]
    block = np.zeros(prod(sides) * array.itemsize + skew + 1, np.uint8)
    view: NDArray[Any] = np.ndarray(sides, array.dtype, block.data, skew)
    view = view.transpose(np.argsort(axes))
    picked: Any = (*(slice(None, None, step) for step in steps), ...)
    return np.asarray(view[picked])  # the dots keep it a view, of rank 0 too


_rarely = st.sampled_from((False, False, False, True))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


# ------------------------------------------------------------------ valid files


def _v1_header(code: int, shape: Sequence[int]) -> bytes:
    dims = (1,) * (4 - len(shape)) + tuple(shape)
    return _V1_HEADER.pack(b"TSR!", 1, 64, 0, code, len(shape), *dims, prod(dims), 0, 0)


def _v1_file(array: NDArray[Any]) -> bytes:
    return _v1_header(_code("v1", array), array.shape) + array.tobytes()


def _code(format: Format, array: NDArray[Any]) -> int:
    return _CODES[format][array.dtype.str.replace("|", "<")]


_V1_DTYPES = st.sampled_from(sorted(_DTYPES["v1"].items()))
_V1_SHAPES = shapes()


@st.composite
def _v1_headers(draw: st.DrawFn) -> bytes:
    code, dtype = draw(_V1_DTYPES)
    shape = list(draw(_V1_SHAPES))
    for axis in range(len(shape)):
        if draw(_rarely):
            # As large as the others allow; 0 counts as 1.
            others = prod(side or 1 for side in shape[:axis] + shape[axis + 1 :])
            limit = min((2**63 - 1) // (dtype.itemsize * others), 2**31 - 1)
            shape[axis] = draw(st.integers(0, limit) | st.just(limit))
    return _v1_header(code, shape)


class _Tensor(NamedTuple):
    code: int
    shape: tuple[int, ...]
    elements: bytes
    stored: bytes
    row_stride: int


def _tsr4_file(mode: int, tensors: Sequence[_Tensor]) -> bytes:
    end = 128 + 64 * len(tensors)
    header = _TSR4_HEADER.pack(
        b"TSR4", 4, 20, 128, mode, len(tensors), 64, 128, _start(mode, end), 0, 0, bytes(80)
    )
    checksum = zlib.crc32(header).to_bytes(4, "little")
    directory, payloads = [], []
    for code, shape, elements, stored, row_stride in tensors:
        start = _start(mode, end)
        sizes = len(elements), start, len(stored), zlib.crc32(elements)
        directory.append(_TSR4_ENTRY.pack(code, bytes(3), *shape, prod(shape), row_stride, *sizes))
        payloads += [bytes(start - end), stored]
        end = start + len(stored)
    return b"".join((header[:40], checksum, header[44:], *directory, *payloads))


def _start(mode: int, end: int) -> int:
    # Where a payload belongs behind what ends there.
    return end if mode == _ZLIB else -(-end // 256) * 256


@st.composite
def _encoded_tsr4(
    draw: st.DrawFn,
    modes: st.SearchStrategy[int],
    arrays: st.SearchStrategy[list[NDArray[Any]]],
) -> tuple[bytes, list[NDArray[Any]]]:
    mode = draw(modes)
    tensors, decoded = [], []
    for array in draw(arrays):
        code = _code("tsr4", array)
        shape = (1,) * (4 - array.ndim) + array.shape
        elements = array.tobytes()
        stored = draw(_streams(elements)) if mode == _ZLIB else elements
        aligned = _ROW_ALIGNMENTS[code]
        row_stride = -(-shape[2] * shape[3] * array.itemsize // aligned) * aligned
        if draw(_rarely):
            row_stride = _number(draw, 8, row_stride)
        tensors.append(_Tensor(code, shape, elements, stored, row_stride))
        decoded.append(_frozen(array.reshape(shape)))
    return _tsr4_file(mode, tensors), decoded


# Levels, windows, memory and strategies: stored, fixed and dynamic blocks, near and far matches.
_ENCODERS = st.sampled_from((
    (0, 15, 8, zlib.Z_DEFAULT_STRATEGY),
    (6, 15, 8, zlib.Z_DEFAULT_STRATEGY),
    (9, 15, 9, zlib.Z_DEFAULT_STRATEGY),
    (1, 9, 1, zlib.Z_DEFAULT_STRATEGY),
    (6, 15, 8, zlib.Z_FIXED),
    (6, 12, 1, zlib.Z_HUFFMAN_ONLY),
    (6, 15, 8, zlib.Z_RLE),
    (3, 10, 4, zlib.Z_FILTERED),
))  # fmt: skip
_FLUSHES = st.sampled_from((zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH))


@st.composite
def _streams(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw a zlib stream of some bytes, of one block or more."""
    level, window, memory, strategy = draw(_ENCODERS)
    encoder = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    flush = draw(_FLUSHES)
    cut = draw(st.integers(0, len(data))) if flush != zlib.Z_NO_FLUSH else 0
    begun = encoder.compress(data[:cut]) + encoder.flush(flush)
    return begun + encoder.compress(data[cut:]) + encoder.flush()


# ------------------------------------------------------------------ is it valid?
#
# A file is valid if what it says, packed again, gives the file.


def _is_valid(data: bytes) -> bool:
    if data[:4] == b"TSR4":
        return len(data) >= 128 and _is_valid_tsr4(data)
    size = _v1_size(data[:64])
    return size is not None and len(data) == 64 + size


def _v1_size(header: bytes) -> int | None:
    # Of the payload; None where the header is not valid.
    if len(header) < 64:
        return None
    code, ndim, *dims = struct.unpack_from("<6i", header, 16)
    shape: list[int] = dims[4 - ndim :]
    if code not in _DTYPES["v1"] or not 0 <= ndim <= 4 or min(dims) < 0:
        return None
    itemsize = _DTYPES["v1"][code].itemsize
    if itemsize * prod(side or 1 for side in dims) >= 2**63:
        return None
    if header != _v1_header(code, shape):
        return None
    return itemsize * prod(shape)


def _is_valid_tsr4(data: bytes) -> bool:
    mode, count = struct.unpack_from("<II", data, 12)
    if mode not in (_RAW, _ZLIB) or count != _count(data):
        return False
    tensors = []
    for entry in range(128, 128 + 64 * count, 64):
        code, _, *shape, _, row_stride, _, start, size, _ = _TSR4_ENTRY.unpack_from(data, entry)
        if code not in _DTYPES["tsr4"] or min(shape) < 1:
            return False
        stored = elements = data[start : start + size]
        nbytes = prod(shape) * _DTYPES["tsr4"][code].itemsize
        if mode == _ZLIB:
            inflated = _inflated(stored, nbytes)
            if inflated is None:
                return False
            elements = inflated
        if len(elements) != nbytes:
            return False
        tensors.append(_Tensor(code, tuple(shape), elements, stored, row_stride))
    return bool(tensors) and _tsr4_file(mode, tensors) == data


def _inflated(stream: bytes, nbytes: int) -> bytes | None:
    # What a whole stream and nothing more inflates to, as far as `nbytes` and a byte.
    decoder = zlib.decompressobj()
    try:
        data = decoder.decompress(stream, min(nbytes, 1032 * len(stream)) + 1)
    except zlib.error:
        return None
    return data if decoder.eof and not decoder.unused_data else None


# ------------------------------------------------------------------ what can happen to bytes

_POWERS = [2**power for power in (7, 8, 15, 16, 24, 30, 31, 32, 48, 61, 62, 63, 64)]
_NUMBERS = [
    *range(10), 20, 63, 64, 65, 127, 128, 192, 255, 256, 257, 1032,
    *(number for power in _POWERS for number in (power - 1, power, power + 1, -power)),
    *(-1, -2),
]  # fmt: skip
# Shapes of any sides, and of such that are large or leave the others as they are.
_SHAPES = st.sampled_from([
    st.tuples(*[st.sampled_from(sides)] * 4)
    for sides in (
        (1, 2, 0, 3, -1, 2**15, 2**16, 2**30, 2**31 - 1, -(2**31)),
        (1, 2, 2**16, 2**30, 2**31 - 1),
    )
])  # fmt: skip
_RANKS = st.integers(0, 4) | st.just(4)


@_remembered
def _numbers(size: int) -> st.SearchStrategy[tuple[int, int]]:
    # Numbers that have some meaning somewhere, some that are near what is there (which counts
    # once), and any others.
    near = st.sampled_from((1, -1, 2, -2, 64, -64, 256, -256)).map(lambda step: (step, 1))
    interesting = st.sampled_from(_NUMBERS).map(lambda number: (number, 0))
    return interesting | near | st.integers(0, 256**size - 1).map(lambda number: (number, 0))


def _number(draw: st.DrawFn, size: int, old: int) -> int:
    number, times = draw(_numbers(size))
    modulus: int = 256**size
    return (number + times * old) % modulus


@st.composite
def _edited_headers(draw: st.DrawFn, header: bytes) -> bytes:
    data = bytearray(header)
    draw(_HEADER_STEPS)(draw, data)
    if draw(st.booleans()):
        _repair_total(data)
    return bytes(data)


def _damaged(files: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return (
        _before_and_after(files).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: pair[1])
    )


@st.composite
def _before_and_after(draw: st.DrawFn, files: st.SearchStrategy[bytes]) -> tuple[bytes, bytes]:
    # What happens is drawn first, so that much happens to files that are as simple as can be.
    steps = draw(_STEPS)
    repair = draw(_REPAIRS)
    data = draw(files)
    changed = bytearray(data)
    for number, step in enumerate(steps):
        _possible(step, changed)(draw, changed)
        if number == 0 and len(changed) >= _header_size(changed):
            repair(changed)
    return data, bytes(changed)


def _keep(data: bytearray) -> None:
    pass


def _possible(step: _Step, data: bytearray) -> _Step:
    # The step, or another where there is nothing that it could be about.
    if not data:
        return _add
    if step in (_edit_entries, _edit_stream) and not _count(data):
        step = _edit_shape
    if step is _edit_stream and data[12] != _ZLIB:
        step = _edit_field
    if step in (_edit_field, _edit_two_fields, _edit_shape) and len(data) < _header_size(data):
        step = _flip_bit
    return step


def _flip_bit(draw: st.DrawFn, data: bytearray) -> None:
    data[_place(draw, data)] ^= 1 << draw(st.integers(0, 7))


def _set_byte(draw: st.DrawFn, data: bytearray) -> None:
    data[_place(draw, data)] = draw(st.integers(0, 255))


def _place(draw: st.DrawFn, data: bytearray) -> int:
    # Anywhere, though rather in the header, and in the magic no more than elsewhere.
    size, header = len(data), min(_header_size(data), len(data))
    return (draw(_below_either(header, size)) + 4) % size


@_remembered
def _below_either(first: int, second: int) -> st.SearchStrategy[int]:
    return st.integers(0, first - 1) | st.integers(0, second - 1)


def _cut(draw: st.DrawFn, data: bytearray) -> None:
    del data[draw(_up_to(len(data) - 1)) :]


@_remembered
def _up_to(last: int) -> st.SearchStrategy[int]:
    # Shrinking to either end.
    return st.integers(0, last) | st.integers(0, last).map(lambda n: last - n)


def _add(draw: st.DrawFn, data: bytearray) -> None:
    data += draw(st.binary(min_size=1, max_size=70))


def _edit_field(draw: st.DrawFn, data: bytearray) -> None:
    offset, size = draw(draw(_fields(_is_tsr4(data), _count(data))))
    if size in (3, 80):  # reserved bytes, not a number
        data[offset + draw(st.integers(0, size - 1))] = draw(st.integers(1, 255))
        return
    old = int.from_bytes(data[offset : offset + size], "little")
    data[offset : offset + size] = _number(draw, size, old).to_bytes(size, "little")


@_remembered
def _fields(is_tsr4: bool, count: int) -> st.SearchStrategy[st.SearchStrategy[tuple[int, int]]]:
    # The header or one of so many entries, and offset and size of one of its fields.
    header = (0, _HEADER_SIZES if is_tsr4 else _V1_SIZES)
    entries = [(128 + 64 * index, _ENTRY_SIZES) for index in range(count)]
    choices = []
    for start, sizes in [header, *entries]:
        fields = list(zip(accumulate(sizes, initial=start), sizes, strict=False))
        choices.append(st.sampled_from(fields[1:] + fields[:1]))  # behind the magic all counts
    return st.sampled_from(choices)


def _edit_two_fields(draw: st.DrawFn, data: bytearray) -> None:
    _edit_field(draw, data)
    _possible(_edit_field, data)(draw, data)  # behind another magic the fields are other ones


def _edit_shape(draw: st.DrawFn, data: bytearray) -> None:
    # A whole shape, and the right product where there is room for it.
    shape = draw(draw(_SHAPES))
    product = prod(shape) % 2**64
    if not _is_tsr4(data):
        struct.pack_into("<i4iQ", data, 20, draw(_RANKS), *shape, product)
    elif count := _count(data):
        entry = 128 + 64 * draw(st.integers(0, count - 1))
        struct.pack_into("<4iQ", data, entry + 4, *shape, product)


def _edit_entries(draw: st.DrawFn, data: bytearray) -> None:
    # They change places, come twice, or are not there.
    count = _count(data)
    entries = [bytes(data[at : at + 64]) for at in range(128, 128 + 64 * count, 64)]
    chosen = draw(_orders_of_entries(count))
    data[128 : 128 + 64 * count] = b"".join(entries[index] for index in chosen)
    struct.pack_into("<I", data, 16, len(chosen))


@_remembered
def _orders_of_entries(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from(range(count)), max_size=count + 1)


def _edit_stream(draw: st.DrawFn, data: bytearray) -> None:
    entry = 128 + 64 * draw(st.integers(0, _count(data) - 1))
    nbytes, start, size = struct.unpack_from("<QQQ", data, entry + 36)
    if start < 128 + 64 * _count(data) or start + size > len(data):
        return
    old = bytes(data[start : start + size])
    stream = draw(_odd_streams(old, _inflated(old, nbytes) or b""))
    data[start : start + size] = stream
    struct.pack_into("<Q", data, entry + 52, len(stream))
    _repair_offsets(data)


_ODDITIES = st.sampled_from(("cut", "fewer", "more", "longer", "flipped", "other", "any"))


@st.composite
def _odd_streams(draw: st.DrawFn, stream: bytes, data: bytes) -> bytes:
    """Draw what is nearly the stream of some bytes."""
    kind = draw(_ODDITIES)
    if kind == "cut":
        return stream[: draw(st.integers(0, max(len(stream) - 1, 0)))]
    if kind == "fewer":
        return draw(_streams(data[: draw(st.integers(0, max(len(data) - 1, 0)))]))
    if kind == "more":
        return draw(_streams(data + draw(st.binary(min_size=1, max_size=300))))
    if kind == "longer":
        return stream + draw(st.binary(min_size=1, max_size=8))
    if kind == "flipped" and stream:
        changed = bytearray(stream)
        _flip_bit(draw, changed)
        return bytes(changed)
    if kind == "other":
        return draw(_OTHER_FORMATS)(data)
    # Bits of any meaning, behind the beginning of a stream.
    return b"\x78\x01" + draw(st.binary(max_size=40))


def _compressed(data: bytes, window: int, *dictionary: bytes) -> bytes:
    encoder = zlib.compressobj(6, zlib.DEFLATED, window, 8, zlib.Z_DEFAULT_STRATEGY, *dictionary)
    return encoder.compress(data) + encoder.flush()


# Raw deflate, gzip, and zlib with a preset dictionary.
_OTHER_FORMATS: st.SearchStrategy[Callable[[bytes], bytes]] = st.sampled_from((
    lambda data: _compressed(data, -15),
    lambda data: _compressed(data, 31),
    lambda data: _compressed(data, 15, data or b"\0"),
))  # fmt: skip

_STEPS: st.SearchStrategy[list[_Step]] = st.lists(
    st.sampled_from((
        _edit_field, _edit_field, _edit_two_fields, _flip_bit, _set_byte, _cut, _add, _edit_shape,
        _edit_entries, _edit_stream, _edit_stream, _edit_stream,
    )),
    min_size=1, max_size=2,
)  # fmt: skip
_HEADER_STEPS: st.SearchStrategy[_Step] = st.sampled_from(
    (_edit_field, _edit_two_fields, _edit_shape)
)

# ------------------------------------------------------------------ putting right


def _is_tsr4(data: bytes | bytearray) -> bool:
    return data[:4] == b"TSR4"


def _header_size(data: bytes | bytearray) -> int:
    return 128 if _is_tsr4(data) else 64


def _count(data: bytes | bytearray) -> int:
    # The entries that are there.
    if not _is_tsr4(data) or len(data) < 192:
        return 0
    return min(int.from_bytes(data[16:20], "little"), (len(data) - 128) // 64)


def _repair_checksum(data: bytearray) -> None:
    # What stands in the header alone: its sum of products, or its CRC.
    if not _is_tsr4(data):
        _repair_total(data)
    else:
        data[40:44] = bytes(4)
        struct.pack_into("<I", data, 40, zlib.crc32(data[:128]))


def _repair_all(data: bytearray) -> None:
    if _is_tsr4(data):
        _repair_tsr4(data)
        return
    _repair_total(data)
    code, total = struct.unpack_from("<i20xq", data, 16)
    _resize(data, 64 + total * (1 if code == 2 else 4))


_REPAIRS: st.SearchStrategy[Callable[[bytearray], None]] = st.sampled_from(
    (_keep, _repair_checksum, _repair_checksum, _repair_all)
)


def _repair_total(data: bytearray) -> None:
    struct.pack_into("<Q", data, 40, prod(struct.unpack_from("<4i", data, 24)) % 2**64)


def _resize(data: bytearray, size: int) -> None:
    if 64 <= size <= _SIZE_MAX:
        del data[size:]
        data += bytes(size - len(data))


def _repair_tsr4(data: bytearray) -> None:
    # What each entry says of its shape, then where payloads lie, then checksums.
    mode = data[12]
    for entry in range(128, 128 + 64 * _count(data), 64):
        shape = struct.unpack_from("<4i", data, entry + 4)
        nbytes = prod(shape) * (4, 2, 1, 4)[data[entry] & 3] % 2**64
        struct.pack_into("<Q8xQ", data, entry + 20, prod(shape) % 2**64, nbytes)
        if mode == _RAW:
            struct.pack_into("<Q", data, entry + 52, nbytes)
    _resize(data, _repair_offsets(data))
    for entry in range(128, 128 + 64 * _count(data), 64):
        nbytes, start, size = struct.unpack_from("<QQQ", data, entry + 36)
        elements: bytes | None = bytes(data[start : start + size])
        if mode == _ZLIB:
            elements = _inflated(elements or b"", nbytes)
        if elements is not None:
            struct.pack_into("<I", data, entry + 60, zlib.crc32(elements))


def _repair_offsets(data: bytearray) -> int:
    # Of all payloads, with the CRC of the header; gives where the file should end.
    mode, count = struct.unpack_from("<II", data, 12)
    end = 128 + 64 * count
    struct.pack_into("<Q", data, 32, _start(mode, end))
    for entry in range(128, 128 + 64 * _count(data), 64):
        start = _start(mode, end)
        (size,) = struct.unpack_from("<Q", data, entry + 52)
        struct.pack_into("<Q", data, entry + 44, start % 2**64)
        end = start + size
    _repair_checksum(data)
    return int(end)
