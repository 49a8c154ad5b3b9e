"""A path -> a `numpy.memmap` over its payload, created or opened, to be used in place.

Raises `FormatError` for what is no valid file, `UnsupportedError` for a dtype or shape that
has no encoding and `OSError` for what cannot be opened or has no room.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tsr.atomic import AtomicFile
from tsr.errors import UnsupportedError
from tsr.header import build_header, decode_header, parse_header
from tsr.layout import V1_HEADER_SIZE
from tsr.remote.urls import is_url, label, local_path
from tsr.source import READ_ONLY, READ_WRITE, changed, check_regular, is_path, open_regular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from tsr.dtypes import ElementType

__all__ = ["MODES", "MmapMode", "map_file", "open_memmap"]

MmapMode: TypeAlias = Literal["r", "r+", "c"]

MODES = ("r", "r+", "c", None)
ACCESS = {"r": mmap.ACCESS_READ, "r+": mmap.ACCESS_WRITE, "c": mmap.ACCESS_COPY}


def open_memmap(
    path: str | os.PathLike[str] | os.PathLike[bytes],
    mode: Literal["r", "r+", "c", "w+"] | None = None,
    *,
    dtype: DTypeLike | None = None,
    shape: int | Sequence[int] | None = None,
    strict: bool = True,
) -> np.memmap[Any, Any]:
    """Create or open a TSR v1 file as an array in place.

    Parameters
    ----------
    path : path
        The file; a URL of ``file://`` is one, any other is not.
    mode : {"r", "r+", "c", "w+"}, optional
        As for `numpy.lib.format.open_memmap`. By default ``"w+"`` where `dtype` and `shape`
        are given and ``"r+"`` otherwise.
    dtype : dtype-like
        For ``"w+"`` only: float32, int8 or int32.
    shape : int or sequence of int
        For ``"w+"`` only: 0 to 4 dimensions.
    strict : bool, default True
        For an existing file, as for `load`.

    Returns
    -------
    numpy.memmap
        Its `flush` writes changes back at once; otherwise the system does in its own time. A
        new file is all zeros, valid from its first moment, and replaces what stood there in
        one step. Its blocks are reserved, so that filling it cannot run out of disk.

    Raises
    ------
    FormatError
        An existing file breaks a clause of ``spec/tsr-v1.md``.
    UnsupportedError
        The dtype or shape has no encoding, or does not go with `mode`.
    OSError
        The file cannot be opened or created.

    Examples
    --------
    >>> m = tsr.open_memmap("big.tsr", dtype="float32", shape=(1000, 512))
    >>> m[0] = 1.0
    >>> m.flush()
    """
    if not is_path(path):
        raise UnsupportedError(f"path: got {type(path).__name__}, expected a path")
    path = os.fsdecode(path)
    if is_url(path):
        local = local_path(path)
        if local is None:
            raise UnsupportedError(f"{label(path)}: got a URL, which cannot be mapped")
        path = local
    if mode is None:
        mode = "r+" if dtype is None and shape is None else "w+"
    if mode not in ("r", "r+", "c", "w+"):
        raise UnsupportedError(f"mode: got {mode!r}, expected 'r', 'r+', 'c' or 'w+'", given=mode)
    if mode == "w+":
        if dtype is None or shape is None:
            raise UnsupportedError("a new file: expected both dtype and shape")
        return _create(path, dtype, shape)
    if dtype is not None or shape is not None:
        raise UnsupportedError(f"mode {mode!r}: got dtype or shape, which only 'w+' takes")
    descriptor, size = open_regular(path, READ_WRITE if mode == "r+" else READ_ONLY)
    try:
        data = os.read(descriptor, V1_HEADER_SIZE)
        element, dims = decode_header(data, len(data), size, strict, path)
        return map_file(descriptor, size, path, mode, element, dims)
    finally:
        os.close(descriptor)


def _create(path: str, dtype: DTypeLike, shape: int | Sequence[int]) -> np.memmap[Any, Any]:
    if os.path.exists(path):
        check_regular(path, os.stat(path).st_mode)
    data = build_header(dtype, shape)
    header = parse_header(data)
    with AtomicFile(path) as file:
        file.write(data)
        # A full disk shows here, as an error, not as a signal at some later store.
        file.reserve(header.file_size)
        return map_file(file.descriptor, header.file_size, path, "r+", header.element, header.shape)


def map_file(
    descriptor: int, size: int, path: str | None, mode: MmapMode, element: ElementType,
    shape: tuple[int, ...],
) -> np.memmap[Any, Any]:  # fmt: skip
    """Map an open file of `size` bytes whose header was checked."""
    try:
        mapping = mmap.mmap(descriptor, size, access=ACCESS[mode])
    except ValueError as error:
        # FILE-2
        raise changed(path, os.fstat(descriptor).st_size, size) from error
    # What np.memmap's constructor leaves behind, without the file that it opens for that.
    array: Any = np.ndarray.__new__(np.memmap, shape, element.numpy, mapping, V1_HEADER_SIZE)
    array._mmap = mapping
    array.offset = V1_HEADER_SIZE
    array.mode = mode
    array.filename = None if path is None else os.path.abspath(path)
    mapped: np.memmap[Any, Any] = array
    return mapped
