"""Which files each block of an array is read from, and the task that reads them.

`Blocks` is what dask's blockwise layers take in place of a graph: a million files are a few
thousand strings. A task raises `FormatError`, `OSError`, or `UnsupportedError` for a file that has
another dtype or shape than it had; all name the file.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr import reader, tensor_file
from tsr.contents import read_layout
from tsr.dask.sources import is_url, pack, unpack
from tsr.errors import UnsupportedError
from tsr.extras import require
from tsr.header import decode_header
from tsr.layout import V1_HEADER_SIZE
from tsr.source import changed, open_regular
from tsr.streams import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.dask.headers import Common

require("dask", "dask", "tsr.dask")
from dask import config  # noqa: E402 - it may be missing
from dask.layers import ArrayBlockwiseDep  # noqa: E402
from dask.utils import parse_bytes  # noqa: E402

__all__ = ["Block", "Blocks", "load_block", "plan_blocks"]

# A task costs the scheduler a good part of a millisecond, a small file a twentieth of that.
_FILES_MAX = 500


@dataclass(frozen=True)
class Block:
    """One block of the array.

    Attributes
    ----------
    paths : bytes
        The files, packed.
    lengths : tuple of int
        The length of each along the axis; empty where all have the same.
    shape : tuple of int
    rows : tuple of int, optional
        The first row to read, the one behind the last, and how many the file has.
    """

    paths: bytes
    lengths: tuple[int, ...]
    shape: tuple[int, ...] = ()
    rows: tuple[int, int, int] | None = None


class Blocks(ArrayBlockwiseDep):
    """Gives a task the block at its index.

    Parameters
    ----------
    chunks : tuple of tuple of int
        The lengths of the blocks along each axis, as dask has them.
    parts : list of Block
        What is read for each index along `axis`.
    axis : int
    row_axis : int, optional
        Where the rows of a file run along an axis of their own: which.
    """

    def __init__(
        self,
        chunks: tuple[tuple[int, ...], ...],
        parts: list[Block],
        axis: int,
        row_axis: int | None = None,
    ) -> None:
        super().__init__(chunks)
        self._parts = parts
        self._axis = axis
        self._row_axis = row_axis

    def __getitem__(self, idx: tuple[int, ...]) -> Block:
        shape = tuple(lengths[at] for lengths, at in zip(self.chunks, idx, strict=True))
        part = self._parts[idx[self._axis]]
        if self._row_axis is None:
            return replace(part, shape=shape)
        lengths, at = self.chunks[self._row_axis], idx[self._row_axis]
        start = sum(lengths[:at])
        return replace(part, shape=shape, rows=(start, start + lengths[at], sum(lengths)))


def plan_blocks(
    paths: list[str], common: Common, files_per_task: int | None, rows_per_task: int | None
) -> Blocks:
    """Share files out among tasks: by count, by bytes, or each among several."""
    axis, stacked = common.axis, common.lengths is None
    chunks: list[tuple[int, ...]] = [(length,) for length in common.shape]
    row_axis = None
    if rows_per_task is None:
        parts, along = _batches(paths, common, files_per_task)
    elif not stacked and axis == 0:
        parts, along = _all_rows(paths, common.lengths or [], rows_per_task)
    else:
        parts = [Block(pack([path]), ()) for path in paths]
        along = tuple(common.lengths or [1] * len(paths))
        ranges = _ranges(common.shape[0], rows_per_task)
        chunks[0] = tuple(stop - start for start, stop in ranges)
        row_axis = int(stacked and axis == 0)
    if stacked:
        chunks.insert(axis, along)
    else:
        chunks[axis] = along
    return Blocks(tuple(chunks), parts, axis, row_axis)


def load_block(
    block: Block,
    *,
    element: np.dtype[Any],
    axis: int,
    stacked: bool,
    index: int | None,
    strict: bool,
    options: dict[str, Any],
) -> NDArray[Any]:
    """Read the files of a block into one new array."""
    out: NDArray[Any] = np.empty(block.shape, element)
    paths = unpack(block.paths)
    lengths = block.lengths or (block.shape[axis] // len(paths),) * len(paths)
    before = (slice(None),) * axis
    start = 0
    for path, length in zip(paths, lengths, strict=True):
        at = start if stacked else slice(start, start + length)
        key: Any = (*before, at, ...)  # with the ellipsis it is a view, even of a single element
        place = out[key]
        start += 1 if stacked else length
        if block.rows is not None:
            _read_rows(path, place, *block.rows, strict, options)
        else:
            _read(path, place, index, strict, options)
    return out


def _batches(
    paths: list[str], common: Common, files_per_task: int | None
) -> tuple[list[Block], tuple[int, ...]]:
    # Several files a task, and what they add up to along the axis.
    stacked = common.lengths is None
    lengths = common.lengths or [1] * len(paths)
    limit = parse_bytes(config.get("array.chunk-size", "128 MiB"))
    others = (n for at, n in enumerate(common.shape) if stacked or at != common.axis)
    unit = common.element.itemsize * prod(others)
    count_max = files_per_task or _FILES_MAX
    parts, along = [], []
    first = taken = 0
    for at, length in enumerate([*lengths, 0]):
        full = at - first >= count_max or (
            files_per_task is None and at > first and (taken + length) * unit > limit
        )
        if full or at == len(paths):
            part = lengths[first:at]
            same = len(set(part)) == 1
            parts.append(Block(pack(paths[first:at]), () if same else tuple(part)))
            along.append(taken)
            first, taken = at, 0
        taken += length
    return parts, tuple(along)


def _all_rows(
    paths: list[str], lengths: list[int], rows: int
) -> tuple[list[Block], tuple[int, ...]]:
    # Several tasks a file, one after the other along its first axis.
    parts = [
        Block(pack([path]), (), rows=(start, stop, length))
        for path, length in zip(paths, lengths, strict=True)
        for start, stop in _ranges(length, rows)
    ]
    return parts, tuple(part.rows[1] - part.rows[0] for part in parts if part.rows)


def _ranges(length: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length or 1, step):
        yield start, min(start + step, length)


def _read(
    path: str, place: NDArray[Any], index: int | None, strict: bool, options: dict[str, Any]
) -> None:
    if index is None:
        try:
            reader.load(path, out=place, strict=strict, **_for(path, options))
        except UnsupportedError as error:  # another dtype, shape or number of tensors
            infos = read_layout(path, strict, **_for(path, options)).infos
            if len(infos) != 1:
                raise
            raise _changed_header(
                path, infos[0].dtype, infos[0].shape, place, place.shape
            ) from error
        return
    with tensor_file.open(path, strict=strict, **_for(path, options)) as file:
        if index >= len(file):
            raise UnsupportedError(f"{path}: index: got {index} for {len(file)} tensors")
        info = file.infos[index]
        if info.shape != place.shape or info.dtype != place.dtype:
            raise _changed_header(path, info.dtype, info.shape, place, place.shape)
        np.copyto(place, file[index])


def _read_rows(
    path: str, place: NDArray[Any], start: int, stop: int, rows: int, strict: bool, options: Any
) -> None:
    # Some rows of a TSR v1 file; `place` is contiguous, for it is all there is of one file.
    expected = (rows, *place.shape[1:])
    row_bytes = place.nbytes // max(1, stop - start)
    begin = V1_HEADER_SIZE + start * row_bytes
    if is_url(path):
        from tsr.remote import RemoteObject

        source = RemoteObject(path, options or None)
        head = source.read(0, V1_HEADER_SIZE)
        _check_rows(path, head, source.size, place, expected, strict)
        data = source.read(begin, begin + place.nbytes)
        np.copyto(place, np.frombuffer(data, place.dtype).reshape(place.shape))
        return
    descriptor, size = open_regular(path)
    try:
        _check_rows(path, os.read(descriptor, V1_HEADER_SIZE), size, place, expected, strict)
        os.lseek(descriptor, begin, os.SEEK_SET)
        with io.FileIO(descriptor, closefd=False) as file, _bytes(place) as view:
            found = fill(file, view)
    finally:
        os.close(descriptor)
    # FILE-2
    if found != place.nbytes:
        raise changed(path, begin + found, size)


def _check_rows(
    path: str, head: bytes, size: int | None, place: Any, expected: tuple[int, ...], strict: bool
) -> None:
    element, shape = decode_header(head, len(head), size, strict, path)
    if element.numpy != place.dtype or shape != expected:
        raise _changed_header(path, element.numpy, shape, place, expected)


def _changed_header(
    path: str, dtype: Any, shape: tuple[int, ...], place: NDArray[Any], expected: tuple[int, ...]
) -> UnsupportedError:
    return UnsupportedError(
        f"{path}: its header has changed: got {dtype} {shape}, expected {place.dtype} {expected}",
        given=(dtype, shape),
    )


def _bytes(place: NDArray[Any]) -> memoryview:
    return place.reshape(-1).view(np.uint8).data


def _for(path: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"storage_options": options} if options and is_url(path) else {}
