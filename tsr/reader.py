"""A path, URL, file object or buffer -> a numpy array.

Small files are read in one call, large ones mapped; nothing is allocated from a size that only
a header claims. Raises `FormatError` for what is no valid file, `UnsupportedError` for options
that cannot be met and `OSError` for what cannot be opened.
"""

from __future__ import annotations

import io
import os
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy import ndarray

from tsr.buffers import bytes_view
from tsr.dtypes import TSR4_TYPES, V1_TYPES, element_type
from tsr.errors import UnsupportedError
from tsr.header import check_fields, cut_header, decode_header, raise_error, unpack_fields
from tsr.layout import TSR4_MAGIC, V1_HEADER_SIZE
from tsr.memmap import MODES, map_file
from tsr.source import (
    READ_ONLY,
    READ_WRITE,
    SMALL_FILE,
    behind_url,
    changed,
    is_path,
    open_regular,
    read_whole,
)
from tsr.streams import (
    CHUNK,
    Pushback,
    check_binary,
    fill,
    is_stream,
    plain_descriptor,
    read_growing,
    read_upto,
    stream_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tsr.buffers import BytesLike
    from tsr.dtypes import ElementType
    from tsr.memmap import MmapMode
    from tsr.remote.object import RemoteObject
    from tsr.source import Source
    from tsr.streams import BinaryReader

__all__ = ["load", "loads"]

# What `ElementType.numpy` gives, for the hot path.
_DTYPES = {element.code: element.numpy for element in V1_TYPES}


def load(
    source: Source,
    *,
    mmap_mode: MmapMode | None = "r",
    out: BytesLike | None = None,
    strict: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> NDArray[Any]:
    """Read a file of a single tensor as an array: of TSR v1, or of TSR4.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A file object is read from where it stands; bytes are contents, as for `loads`. What a
        URL leads to is read in one request.
    mmap_mode : {"r", "r+", "c", None}, default "r"
        As for `numpy.load`. ``"r"``: read-only. ``"r+"``: changes go to the file, which needs
        a path. ``"c"``: writable, and changes stay in memory. None: a private writable copy.
    out : ndarray or writable bytes-like, optional
        Read into this memory instead. An array must have the file's shape and dtype (any
        strides and byte order), a buffer exactly its payload's bytes. An error in mid-read
        leaves it partly written.
    strict : bool, default True
        False accepts set reserved fields and bytes after the payload, as the original
        readers do; a file object is then left right after the payload.
    storage_options : mapping, optional
        For a URL: what fsspec's file system for it is made with.

    Returns
    -------
    ndarray
        float32, int8 or int32, little-endian, of rank 0 to 4. What is mapped is a
        `numpy.memmap`, with its `filename`, `mode` and `flush`; files of up to 128 KiB, streams
        and URLs are read. With `out`, `out` itself or an array over it. From a TSR4 file: float16
        too, always of rank 4, a plain array, its checksum verified; ``open(source,
        verify=False)[0]`` spares that.

    Raises
    ------
    FormatError
        The file breaks a clause of ``spec/tsr-v1.md``, or of ``spec/tsr4.md``.
    UnsupportedError
        `mmap_mode` or `out` does not go with the source, or the file holds several tensors:
        `open` gives them.
    OSError
        The file cannot be opened.

    Notes
    -----
    A mapping shows the file as it is: one that is truncated or rewritten in place meanwhile
    kills the reader or changes its array. `tsr.save` does neither, it replaces the file.
    """
    if mmap_mode not in MODES:
        raise UnsupportedError(
            f"mmap_mode: got {mmap_mode!r}, expected 'r', 'r+', 'c' or None", given=repr(mmap_mode)
        )
    if storage_options is not None or (isinstance(source, str) and "://" in source):
        source, remote = behind_url(source, storage_options)
        if remote is not None:
            return _load_remote(remote, mmap_mode, out, strict)
    if type(source) is str or is_path(source):
        path = source if type(source) is str else os.fsdecode(source)
        descriptor, size = open_regular(path, READ_WRITE if mmap_mode == "r+" else READ_ONLY)
        try:
            if size <= SMALL_FILE and mmap_mode != "r+" and out is None:
                data = read_whole(descriptor, size, path)
                if data[:4] == TSR4_MAGIC:
                    return _load_tsr4(path, mmap_mode, out, strict)
                element, shape = decode_header(data, size, size, strict, path)
                array: NDArray[Any] = ndarray(shape, _DTYPES[element.code], data, V1_HEADER_SIZE)
                return array if mmap_mode == "r" else array.copy()
            return _load_descriptor(descriptor, size, path, mmap_mode, out, strict)
        finally:
            os.close(descriptor)
    if is_stream(source):
        return _load_stream(source, mmap_mode, out, strict)
    return _load_buffer(cast("BytesLike", source), mmap_mode, out, strict)


def loads(data: BytesLike, *, strict: bool = True) -> NDArray[Any]:
    """Show the array that a bytes-like object holds as a file of one tensor, without a copy.

    The file may be of TSR v1 or TSR4; what is compressed is inflated into an array of its own.

    Parameters
    ----------
    data : bytes-like
        bytes, bytearray, memoryview, mmap, shared memory, a numpy array...: anything whose
        memory is contiguous. It stays referenced as long as the array lives.
    strict : bool, default True
        False accepts set reserved fields and bytes after the payload.

    Returns
    -------
    ndarray
        Writable if `data` is, as for `numpy.frombuffer`.

    Raises
    ------
    FormatError
        The bytes break a clause of ``spec/tsr-v1.md``, or of ``spec/tsr4.md``.
    UnsupportedError
        `data` is no contiguous buffer, or holds several tensors: `open` gives them.
    """
    if type(data) is not bytes:
        data = bytes_view(data)
    size = len(data)
    if size < V1_HEADER_SIZE:
        if data[:4] == TSR4_MAGIC:
            return _loads_tsr4(data, strict)
        raise cut_header(data, size, None)
    # What `decode_header` does, without the call.
    fields = unpack_fields(data)
    if fields[0] == TSR4_MAGIC:
        return _loads_tsr4(data, strict)
    element, shape = check_fields(fields, size, strict, None, raise_error)
    array: NDArray[Any] = ndarray(shape, _DTYPES[element.code], data, V1_HEADER_SIZE)  # type: ignore[union-attr] # no error was raised, so there is one
    return array


def _load_descriptor(
    descriptor: int, size: int, path: str, mmap_mode: MmapMode | None, out: Any, strict: bool
) -> NDArray[Any]:
    # The whole file behind a descriptor that stands at its beginning.
    data = os.read(descriptor, V1_HEADER_SIZE)
    if data[:4] == TSR4_MAGIC:
        return _load_tsr4(path, mmap_mode, out, strict)
    element, shape = decode_header(data, len(data), size, strict, path)
    if out is None and mmap_mode is not None:
        return map_file(descriptor, size, path, mmap_mode, element, shape)
    target = _target(out, element, shape)
    if not _fillable(target):
        np.copyto(target, map_file(descriptor, size, path, "r", element, shape))
        return target
    with io.FileIO(descriptor, closefd=False) as file:
        found = V1_HEADER_SIZE + _fill(file, target)
    # FILE-2; without `strict`, bytes after the payload are of no concern.
    if strict:
        found += len(os.read(descriptor, 1))
    if found != V1_HEADER_SIZE + target.nbytes:
        raise changed(path, found, size)
    return target


def _load_stream(stream: Any, mmap_mode: MmapMode | None, out: Any, strict: bool) -> NDArray[Any]:
    if mmap_mode == "r+":
        raise UnsupportedError("mmap_mode: got 'r+' for a file object, which needs a path")
    check_binary(stream)
    path = stream_name(stream)
    plain = plain_descriptor(stream)
    size, start = None, 0
    if plain is not None:
        stream.flush()
        start = stream.tell()
        size = os.fstat(plain).st_size - start
    data = read_upto(stream, V1_HEADER_SIZE)
    if data[:4] == TSR4_MAGIC:
        if plain is None:
            stream = Pushback(stream, data)
        else:
            stream.seek(start)
        return _load_tsr4(stream, mmap_mode, out, strict)
    element, shape = decode_header(data, len(data), size, strict, path)
    nbytes = prod(shape) * element.itemsize
    if plain is not None and start == 0 and nbytes > SMALL_FILE and mmap_mode and out is None:
        stream.seek(V1_HEADER_SIZE + nbytes)
        return map_file(plain, V1_HEADER_SIZE + nbytes, path, mmap_mode, element, shape)
    target = None if out is None else _target(out, element, shape)
    if target is not None and _fillable(target):
        array, found = target, _fill(stream, target)
    else:
        # Only a plain file is known to hold what its header claims.
        payload = read_growing(stream, nbytes, CHUNK if size is None else nbytes)
        array, found = None, len(payload)
    if strict and found == nbytes:
        found += len(read_upto(stream, 1))
    # V1-PAYLOAD-1, V1-PAYLOAD-2
    decode_header(data, len(data), V1_HEADER_SIZE + found, strict, path)
    if array is None:
        array = _deliver(ndarray(shape, element.numpy, payload), mmap_mode, target)
    return array


def _load_remote(
    remote: RemoteObject, mmap_mode: MmapMode | None, out: Any, strict: bool
) -> NDArray[Any]:
    from tsr.container import decode_container_header
    from tsr.contents import Contents, decode_layout
    from tsr.tensor_file import check_single, single_of

    if mmap_mode == "r+":
        raise UnsupportedError(f"mmap_mode: got 'r+' for {remote.label}, which needs a path")

    def check(head: bytes, size: int | None) -> memoryview | None:
        # What can be refused before the payload comes, and where that can go at once.
        if head[:4] == TSR4_MAGIC:
            _, count = decode_container_header(
                head, len(head), size, strict, remote.label, raise_error
            )
            check_single(count, remote.label)
            return None
        element, shape = decode_header(head, len(head), size, strict, remote.label)
        target = None if out is None else _target(out, element, shape)
        if target is None or not target.nbytes or not _fillable(target):
            return None
        return target.data.cast("B")

    data = remote.read_all(check)
    size = len(data) if remote.size is None else remote.size
    if data[:4] == TSR4_MAGIC:
        layout = decode_layout(data, size, strict, remote.label, raise_error)
        array = single_of(Contents(data, remote.label, strict, layout), frozen=mmap_mode == "r")
        element = element_type(array.dtype, TSR4_TYPES)
    else:
        element, shape = decode_header(data, len(data), size, strict, remote.label)
        if size > len(data):
            return _target(out, element, shape)  # there it is
        array = ndarray(shape, element.numpy, data, V1_HEADER_SIZE)
    target = None if out is None else _target(out, element, array.shape)
    return _deliver(array, mmap_mode, target)


def _load_buffer(
    source: BytesLike, mmap_mode: MmapMode | None, out: Any, strict: bool
) -> NDArray[Any]:
    data = bytes_view(source)
    if data[:4] == TSR4_MAGIC:
        return _load_tsr4(data, mmap_mode, out, strict)
    array = loads(data, strict=strict)
    if out is not None:
        return _deliver(array, mmap_mode, _target(out, element_type(array.dtype), array.shape))
    if mmap_mode == "r+" and not array.flags.writeable:
        raise UnsupportedError("mmap_mode: got 'r+' for a read-only buffer", given=type(source))
    return _deliver(array if mmap_mode in ("r", "r+") else array.copy(), mmap_mode, None)


def _load_tsr4(source: Source, mmap_mode: MmapMode | None, out: Any, strict: bool) -> NDArray[Any]:
    # The only tensor of a TSR4 file.
    from tsr.tensor_file import open_single

    # What is copied need not be mapped, and what is not mapped cannot change.
    array = open_single(source, mmap_mode if out is None else None, strict)
    if out is None:
        return array
    element = element_type(array.dtype, TSR4_TYPES)
    return _deliver(array, None, _target(out, element, array.shape))


def _loads_tsr4(data: BytesLike, strict: bool) -> NDArray[Any]:
    from tsr.tensor_file import view_single

    return view_single(data, strict)


def _deliver(
    array: NDArray[Any], mmap_mode: MmapMode | None, target: NDArray[Any] | None
) -> NDArray[Any]:
    # An array that is in memory already, as the caller asked for it.
    if target is not None:
        np.copyto(target, array)
        return target
    if mmap_mode == "r":
        array.flags.writeable = False
    return array


def _target(out: Any, element: ElementType, shape: tuple[int, ...]) -> NDArray[Any]:
    # The array to fill: a new one, or the caller's memory.
    if out is None:
        return np.empty(shape, element.numpy)
    if isinstance(out, np.ndarray):
        if isinstance(out, np.ma.MaskedArray):
            raise UnsupportedError("out: got a masked array, expected a plain one")
        array = out
        if array.shape != shape or array.dtype.newbyteorder("<") != element.numpy:
            raise UnsupportedError(
                f"out: got {array.dtype} {array.shape}, expected {element.name} {shape}",
                given=(array.dtype, array.shape),
            )
    else:
        view = bytes_view(out, "out")
        nbytes = prod(shape) * element.itemsize
        if len(view) != nbytes:
            raise UnsupportedError(
                f"out: got {len(view)} bytes, expected {nbytes}", given=len(view)
            )
        array = ndarray(shape, element.numpy, view)
    if not array.flags.writeable:
        raise UnsupportedError("out: got read-only memory, expected writable", given=type(out))
    return array


def _fillable(array: NDArray[Any]) -> bool:
    # Whether the payload's bytes can go straight into the array's memory.
    return array.flags.c_contiguous and array.dtype.newbyteorder("<") == array.dtype


def _fill(stream: BinaryReader, array: NDArray[Any]) -> int:
    if not array.nbytes:
        return 0  # a view with a 0 in its shape cannot be cast
    with array.data.cast("B") as view:
        return fill(stream, view)
