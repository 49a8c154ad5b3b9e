"""A numpy array -> a path, file object, buffer or bytes.

Whatever the array's strides and byte order, its payload is written in C order, little-endian,
in blocks of bounded size, and every bit of every element survives. Raises `UnsupportedError`
for what has no encoding and `OSError` for what cannot be written.
"""

from __future__ import annotations

import errno
import io
import os
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy import ndarray

from tsr.atomic import AtomicFile
from tsr.buffers import bytes_view
from tsr.casting import cast_exactly
from tsr.dtypes import ELEMENT_TYPES, element_type, exact_cast
from tsr.errors import UnsupportedError
from tsr.header import encode_header, header_starts
from tsr.layout import V1_HEADER_SIZE
from tsr.source import is_path
from tsr.streams import check_binary, stream_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import DTypeLike, NDArray

    from tsr.buffers import ArrayObject, BytesLike
    from tsr.dtypes import ElementType
    from tsr.streams import BinaryWriter

__all__ = ["dumps", "dumps_into", "save"]

Target: TypeAlias = "str | os.PathLike[str] | os.PathLike[bytes] | BinaryWriter"

# Arrays that cannot be written as they lie in memory are brought into order by blocks of this
# size, so that saving one takes no second array's worth of memory.
BLOCK_BYTES = 1 << 21

# Up to here one write of header and payload joined beats two.
_JOIN_BYTES = 1 << 16

_ELEMENTS = {element.numpy: element for element in ELEMENT_TYPES}
_STARTS = {element.numpy: header_starts(element) for element in ELEMENT_TYPES}


def save(
    target: Target,
    array: ArrayObject,
    *,
    cast: DTypeLike | None = None,
    lossy: bool = False,
    durable: bool | None = None,
) -> None:
    """Write an array as a TSR v1 file.

    Parameters
    ----------
    target : path or binary file object
        A path is replaced in one step once the file is complete: on an error, and for every
        reader at any time, what stood there before is untouched. A file object is written to
        from where it stands.
    array : ndarray or array-like object
        float32, int8 or int32, rank 0 to 4, with any strides and byte order; an object that
        converts itself (``__array__``, a buffer) counts, a list does not.
    cast : dtype-like, optional
        Convert to this dtype: float32, int8 or int32.
    lossy : bool, default False
        Let `cast` change values: round, cut fractions, wrap or saturate as numpy does.
    durable : bool, optional
        True: the file survives a loss of power once this returns. None, the default, leaves
        that to the file system. False: as fast as it gets, a loss of power may leave neither
        the old file nor the new.

    Raises
    ------
    UnsupportedError
        The array has no encoding, or `cast` would lose a value.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> tsr.save("x.tsr", np.arange(6, dtype=np.float32).reshape(2, 3))
    >>> tsr.save("ids.tsr", np.array([3, 1, 2]), cast="int32")
    """
    size, pieces = _encode(array, cast, lossy)
    if type(target) is str or is_path(target):
        path = target if type(target) is str else os.fsdecode(target)
        with AtomicFile(path, durable, size) as file:
            for piece in pieces:
                file.write(piece)
    elif hasattr(target, "write"):
        stream = _Stream(target)
        for piece in pieces:
            stream.write(piece)
    else:
        raise UnsupportedError(
            f"target: got {type(target).__name__}, expected a path or a binary file object",
            given=type(target),
        )


def dumps(array: ArrayObject, *, cast: DTypeLike | None = None, lossy: bool = False) -> bytes:
    """Encode an array as the bytes of a TSR v1 file.

    Parameters
    ----------
    array, cast, lossy
        As for `save`.

    Returns
    -------
    bytes
        64 bytes of header and the payload.

    Raises
    ------
    UnsupportedError
        The array has no encoding, or `cast` would lose a value.

    See Also
    --------
    dumps_into : The same into memory that is there already: faster for large arrays.
    """
    if type(array) is ndarray and cast is None:
        starts = _STARTS.get(array.dtype)
        if starts is not None and array.nbytes <= _JOIN_BYTES:  # the hot path
            return encode_header(starts, array.shape) + array.tobytes()
    return b"".join(_encode(array, cast, lossy)[1])


def dumps_into(
    buffer: BytesLike, array: ArrayObject, *, cast: DTypeLike | None = None, lossy: bool = False
) -> int:
    """Encode an array as a TSR v1 file into a buffer.

    Parameters
    ----------
    buffer : writable bytes-like
        Contiguous, with room for 64 bytes and the payload: bytearray, memoryview, mmap, shared
        memory, a numpy array... It may hold the array itself.
    array, cast, lossy
        As for `save`. An error leaves the buffer untouched.

    Returns
    -------
    int
        The bytes written, from the start of `buffer`.

    Raises
    ------
    UnsupportedError
        The array has no encoding, `cast` would lose a value, or the buffer is too small, is
        read-only or has gaps.
    """
    source, element = _prepare(array, cast)
    dtype = element.numpy
    header = encode_header(_STARTS[dtype], source.shape)
    view = bytes_view(buffer, "buffer")
    size = V1_HEADER_SIZE + source.size * element.itemsize
    if isinstance(view, bytes) or view.readonly:
        raise UnsupportedError(
            "buffer: got read-only memory, expected writable", given=type(buffer)
        )
    if len(view) < size:
        raise UnsupportedError(
            f"buffer: got {len(view)} bytes, expected at least {size}", given=len(view)
        )
    if source.dtype != dtype:
        source = cast_exactly(source, element, lossy)
    payload: NDArray[Any] = ndarray(source.shape, dtype, view, V1_HEADER_SIZE)
    # numpy copies rightly even where the two overlap; the header must then come last.
    np.copyto(payload, source)
    view[:V1_HEADER_SIZE] = header
    return size


def _prepare(array: ArrayObject, cast: DTypeLike | None) -> tuple[NDArray[Any], ElementType]:
    # The array as a plain ndarray, and the element type to write it with.
    source = array if type(array) is ndarray else _as_ndarray(array)
    if cast is None:
        element = _ELEMENTS.get(source.dtype)
        return source, element if element is not None else element_type(source.dtype)
    if source.dtype.kind not in "biuf" and exact_cast(source.dtype.name) is None:
        raise UnsupportedError(
            f"cast: got an array of {source.dtype}, expected real numbers", given=source.dtype
        )
    return source, element_type(cast)


def _as_ndarray(array: Any) -> NDArray[Any]:
    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedError(
            "array: got a masked array, whose mask the format cannot hold; expected .data or "
            ".filled(...) of it",
            given=type(array),
        )
    if not isinstance(array, np.ndarray | np.generic) and not _converts_itself(array):
        raise UnsupportedError(
            f"array: got {type(array).__name__}, expected an array; numpy.asarray(..., "
            "dtype='float32') makes one",
            given=type(array),
        )
    try:
        return np.asarray(array)
    except Exception as error:  # the object's own code runs here: a tensor on a GPU refuses
        raise UnsupportedError(
            f"array: got {type(array).__name__}, which gives no array: {error}", given=type(array)
        ) from error


def _converts_itself(array: Any) -> bool:
    if hasattr(array, "__array__") or hasattr(array, "__array_interface__"):
        return True
    try:
        memoryview(array)
    except TypeError:
        return False
    return not isinstance(array, bytes)


def _encode(
    array: ArrayObject, cast: DTypeLike | None, lossy: bool
) -> tuple[int, Iterable[bytes | memoryview]]:
    # The size of the file, and its bytes piece by piece.
    if (type(array) is ndarray and cast is None
            and array.nbytes <= _JOIN_BYTES and array.dtype in _STARTS):  # fmt: skip
        data = dumps(array)
        return len(data), (data,)
    source, element = _prepare(array, cast)
    header = encode_header(_STARTS[element.numpy], source.shape)
    size = V1_HEADER_SIZE + source.size * element.itemsize
    if source.dtype != element.numpy or not source.flags.c_contiguous or not source.size:
        return size, chain((header,), _blocks(source, element, lossy))
    return size, (header, source.data.cast("B"))


def _blocks(source: NDArray[Any], element: ElementType, lossy: bool) -> Iterator[memoryview]:
    # The payload in order, converted piece by piece.
    start = 0
    for piece in _pieces(source):
        block = cast_exactly(piece, element, lossy, start=start, shape=source.shape)
        start += piece.size
        yield np.ascontiguousarray(block).reshape(-1).view(np.uint8).data


def _pieces(source: NDArray[Any]) -> Iterator[NDArray[Any]]:
    # The array cut along its first axes, in C order.
    if source.nbytes <= BLOCK_BYTES or source.ndim == 0:
        yield source
        return
    rows = BLOCK_BYTES // (source.nbytes // len(source))
    if rows:
        for start in range(0, len(source), rows):
            yield source[start : start + rows]
    else:
        for index in range(len(source)):
            yield from _pieces(source[index, ...])


class _Stream:
    """A file object that takes all it is given: a raw one may take less at a time."""

    def __init__(self, stream: Any) -> None:
        check_binary(stream)
        self._stream = stream

    def write(self, data: bytes | memoryview) -> None:
        """Write all of `data`; what says nothing of how much it took, took all."""
        done = 0
        while done < len(data):
            taken = self._stream.write(memoryview(data)[done:])
            if taken is None and not isinstance(self._stream, io.RawIOBase):
                return
            if not taken:
                raise BlockingIOError(
                    errno.EAGAIN, os.strerror(errno.EAGAIN), stream_name(self._stream)
                )
            done += taken
