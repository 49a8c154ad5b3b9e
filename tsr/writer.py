"""A numpy array -> a path, file object, buffer or bytes.

Whatever the array's strides and byte order, its payload is written in C order, little-endian,
in blocks of bounded size, and every bit of every element survives. Raises `UnsupportedError`
for what has no encoding and `OSError` for what cannot be written.
"""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias
from typing import cast as cast_type

import numpy as np
from numpy import ndarray

from tsr.atomic import AtomicFile
from tsr.buffers import bytes_view
from tsr.casting import cast_exactly
from tsr.dtypes import V1_TYPES
from tsr.errors import UnsupportedError
from tsr.header import encode_header, header_starts
from tsr.layout import V1_HEADER_SIZE
from tsr.payload import blocks, prepare
from tsr.remote.urls import is_url, local_path, refuse_options
from tsr.source import is_path
from tsr.streams import WholeWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from numpy.typing import DTypeLike, NDArray

    from tsr.buffers import ArrayObject, BytesLike
    from tsr.streams import BinaryWriter

__all__ = ["dumps", "dumps_into", "save", "write_whole"]

Target: TypeAlias = "str | os.PathLike[str] | os.PathLike[bytes] | BinaryWriter"

# Up to here one write of header and payload joined beats two.
_JOIN_BYTES = 1 << 16

_STARTS = {element.numpy: header_starts(element) for element in V1_TYPES}


def save(
    target: Target,
    array: ArrayObject | Iterable[ArrayObject],
    *,
    format: Literal["v1", "tsr4"] = "v1",
    compress: bool = False,
    cast: DTypeLike | None = None,
    lossy: bool = False,
    durable: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write an array as a TSR v1 file, or several as a TSR4 file.

    Parameters
    ----------
    target : path, URL or binary file object
        A path is replaced in one step once the file is complete: on an error, and for every
        reader at any time, what stood there before is untouched. So is what a URL leads to:
        ``"s3://bucket/x.tsr"``, or one of whatever else fsspec can write to. What is large goes
        through a file in the folder for temporary files. A file object is written to from where
        it stands.
    array : ndarray or array-like object
        float32, int8 or int32, rank 0 to 4, with any strides and byte order; an object that
        converts itself (``__array__``, a buffer, DLPack) counts, a list does not: arrays and
        tensors of torch, jax, Arrow, xarray... What lies on the CPU is not copied first.

        For TSR4 an iterable of arrays, or a single one: float16 too, but no dimension of 0.
        They are always read back with four dimensions, leading ones filling up the shape, and
        without names: the format has no place for either.
    format : {"v1", "tsr4"}, default "v1"
    compress : bool, default False
        For TSR4: compress the tensors with zlib, several threads at once.
    cast : dtype-like, optional
        Convert to this dtype: float32, int8 or int32, or for TSR4 float16.
    lossy : bool, default False
        Let `cast` change values: round, cut fractions, wrap or saturate as numpy does.
    durable : bool, optional
        True: the file survives a loss of power once this returns. None, the default, leaves
        that to the file system. False: as fast as it gets, a loss of power may leave neither
        the old file nor the new. Behind a URL it is up to the storage, whatever is given: object
        stores keep what they have said to have.
    storage_options : mapping, optional
        For a URL: what the file system of fsspec is made with.

    Raises
    ------
    UnsupportedError
        The array has no encoding, `cast` would lose a value, or what the URL leads to can only
        be read: a web server, an archive.
    MissingExtraError
        The package for such URLs is missing.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> tsr.save("x.tsr", np.arange(6, dtype=np.float32).reshape(2, 3))
    >>> tsr.save("ids.tsr", np.array([3, 1, 2]), cast="int32")
    >>> tsr.save("model.tsr", [weight, bias], format="tsr4", compress=True)
    """
    if format != "v1" or compress:
        _check_format(format, compress)
        from tsr.tensor_writer import save_tensors

        save_tensors(
            target, array, compress=compress, cast=cast, lossy=lossy, durable=durable,
            storage_options=storage_options,
        )  # fmt: skip
        return
    array = cast_type("ArrayObject", array)
    size, pieces = _encode(array, cast, lossy)
    write_whole(target, pieces, durable, size, storage_options)


def dumps(
    array: ArrayObject | Iterable[ArrayObject],
    *,
    format: Literal["v1", "tsr4"] = "v1",
    compress: bool = False,
    cast: DTypeLike | None = None,
    lossy: bool = False,
) -> bytes:
    """Encode an array as the bytes of a TSR v1 file, or several as those of a TSR4 file.

    Parameters
    ----------
    array, format, compress, cast, lossy
        As for `save`.

    Returns
    -------
    bytes
        The whole file.

    Raises
    ------
    UnsupportedError
        The array has no encoding, or `cast` would lose a value.

    See Also
    --------
    dumps_into : The same into memory that is there already: faster for large arrays.
    """
    if format != "v1" or compress:
        _check_format(format, compress)
        from tsr.tensor_writer import dumps_tensors

        return dumps_tensors(array, compress=compress, cast=cast, lossy=lossy)
    if type(array) is ndarray and cast is None:
        starts = _STARTS.get(array.dtype)
        if starts is not None and array.nbytes <= _JOIN_BYTES:  # the hot path
            return encode_header(starts, array.shape) + array.tobytes()
    return b"".join(_encode(cast_type("ArrayObject", array), cast, lossy)[1])


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
    source, element = prepare(array, cast)
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


def write_whole(
    target: Target,
    pieces: Iterable[bytes | memoryview],
    durable: bool | None,
    size: int,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a file from its first byte to its last, of `size` bytes."""
    if is_url(target):
        local = local_path(target)
        if local is None:
            from tsr.remote.scratch import write_object

            write_object(target, pieces, size, storage_options)
            return
        target = local
    else:
        refuse_options(storage_options)
    if type(target) is str or is_path(target):
        path = target if type(target) is str else os.fsdecode(target)
        with AtomicFile(path, durable, size) as file:
            for piece in pieces:
                file.write(piece)
    elif hasattr(target, "write"):
        stream = WholeWriter(target)
        for piece in pieces:
            stream.write(piece)
    else:
        raise UnsupportedError(
            f"target: got {type(target).__name__}, expected a path or a binary file object",
            given=type(target),
        )


def _check_format(format: object, compress: bool) -> None:
    if format not in ("v1", "tsr4"):
        raise UnsupportedError(f"format: got {format!r}, expected 'v1' or 'tsr4'", given=format)
    if format == "v1" and compress:
        raise UnsupportedError("compress: got True for format 'v1', which only 'tsr4' takes")


def _encode(
    array: ArrayObject, cast: DTypeLike | None, lossy: bool
) -> tuple[int, Iterable[bytes | memoryview]]:
    # The size of the file, and its bytes piece by piece.
    if (type(array) is ndarray and cast is None
            and array.nbytes <= _JOIN_BYTES and array.dtype in _STARTS):  # fmt: skip
        data = dumps(array)
        return len(data), (data,)
    source, element = prepare(array, cast)
    header = encode_header(_STARTS[element.numpy], source.shape)
    size = V1_HEADER_SIZE + source.size * element.itemsize
    if source.dtype != element.numpy or not source.flags.c_contiguous or not source.size:
        return size, chain((header,), blocks(source, element, lossy))
    return size, (header, source.data.cast("B"))
