"""A file that is too large for a page -> what the page carries of it: samples and statistics.

Of each tensor every so manieth row and column, of the first of the matrices that its last two axes
make up, and the statistics that `tsr.viewing.statistics` finds. Header and directory are carried
whole. A file that breaks a clause gives the first such `FormatError` as well. Raises nothing of its
own.
"""

from __future__ import annotations

from math import ceil, isqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tsr.contents import Contents, Layout, decode_layout
from tsr.errors import FormatError
from tsr.header import raise_error
from tsr.layout import TSR4_ENTRY_SIZE, TSR4_HEADER_SIZE, V1_HEADER_SIZE
from tsr.tensor_file import TensorFile
from tsr.viewing.sampling import sample
from tsr.viewing.statistics import Statistics, summarize

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GRID_MAX", "TENSORS_MAX", "Grid", "Reduction", "reduce"]

# Rows and columns of a sample: as many as a screen shows.
GRID_MAX = 512
# Planes of a tensor that there are samples of, and tensors of a file.
PLANES_MAX = 16
TENSORS_MAX = 1000
# Bytes of all samples of a file.
SAMPLES_BYTES = 8 << 20
# Elements that statistics look at, of a tensor: some seconds' work.
LOOK_AT = 1 << 24
_PERCENTILES_OF = 1 << 16


class Grid(NamedTuple):
    """A sample of a tensor.

    Attributes
    ----------
    planes : tuple of int
        How many indices, from 0 on, there are of each axis before the last two.
    rows, columns : int
    row_step, column_step : int
        The sample has each row and column whose index is a multiple of these.
    elements : bytes
        In C order, little-endian.
    """

    planes: tuple[int, ...]
    rows: int
    columns: int
    row_step: int
    column_step: int
    elements: bytes


class Reduction(NamedTuple):
    """What a page carries of a file.

    Attributes
    ----------
    head : bytes
        Header and directory, as far as they are there.
    fault : FormatError or None
        The first clause that the file breaks.
    tensors : list of pairs
        The statistics of the first tensors, with the 2nd and the 98th percentile, and a sample of
        each. Empty where header or directory are broken; of a tensor whose payload is broken, None.
    """

    head: bytes
    fault: FormatError | None
    tensors: list[tuple[Statistics, tuple[float, ...], Grid] | None]


def reduce(data: Any, size: int, path: str | None) -> Reduction:
    """Look at all of a file.

    Parameters
    ----------
    data : bytes-like
        All of the file, in memory or mapped.
    size : int
        Its size in bytes.
    path : str or None
        What errors call it.
    """
    fault: FormatError | None = None
    try:
        layout = decode_layout(data, size, True, path, raise_error)
    except FormatError as error:
        if error.field != "end of file":
            return Reduction(bytes(data[:TSR4_HEADER_SIZE]) + _entry(data, error), error, [])
        fault = error.with_traceback(None)
        layout = decode_layout(data, size, False, path, raise_error)
    contents = Contents(data, path, fault is None, layout)
    fault = fault or _first_fault(contents)
    file = TensorFile(contents, verify=False)
    count = min(len(file), TENSORS_MAX)
    each = SAMPLES_BYTES // count
    return Reduction(
        bytes(data[: _head_size(layout)]),
        fault,
        [_looked_at(file, index, each) for index in range(count)],
    )


def _head_size(layout: Layout) -> int:
    if layout.mode is None:
        return V1_HEADER_SIZE
    return TSR4_HEADER_SIZE + TSR4_ENTRY_SIZE * len(layout.infos)


def _entry(data: Any, error: FormatError) -> bytes:
    # The directory up to the entry that is wrong.
    end = error.offset + TSR4_ENTRY_SIZE if error.field.startswith("entries") else 0
    return bytes(data[TSR4_HEADER_SIZE:end])


def _first_fault(contents: Contents) -> FormatError | None:
    try:
        contents.check_padding(-1)
        for index in range(len(contents.layout.infos)):
            contents.check_payload(index)
            contents.check_padding(index)
    except FormatError as error:
        return error.with_traceback(None)
    return None


def _looked_at(
    file: TensorFile, index: int, nbytes: int
) -> tuple[Statistics, tuple[float, ...], Grid] | None:
    try:
        array = file[index]
    except FormatError:  # it does not inflate, which is the fault that is told, or a later one
        return None
    some = sample(array, _PERCENTILES_OF) if array.size > _PERCENTILES_OF else array
    finite = some[np.isfinite(some)].astype(np.float64)
    percentiles = tuple(np.percentile(finite, [2, 98]).tolist()) if finite.size else ()
    return summarize(array, limit=LOOK_AT), percentiles, _grid(array, nbytes)


def _grid(array: NDArray[Any], nbytes: int) -> Grid:
    # Rows and columns of one plane first, then as many planes as there is room for.
    shape = (1,) * (2 - array.ndim) + array.shape
    side = max(16, min(GRID_MAX, isqrt(nbytes // array.dtype.itemsize)))
    steps = [max(1, ceil(length / side)) for length in shape[-2:]]
    # One step for both, so that pictures keep their proportions, unless little were left of one.
    steps = [
        max(steps) if length >= 16 * max(steps) else step
        for length, step in zip(shape[-2:], steps, strict=True)
    ]
    rows, columns = (ceil(length / step) for length, step in zip(shape[-2:], steps, strict=True))
    room = min(PLANES_MAX, nbytes // max(1, rows * columns * array.dtype.itemsize))
    planes: list[int] = []
    for length in reversed(shape[:-2]):
        planes.insert(0, min(length, max(1, room)))
        room //= max(1, planes[0])
    every = (slice(None, None, step) for step in steps)
    part = array.reshape(shape)[tuple(map(slice, planes)) + tuple(every)]
    return Grid(tuple(planes), rows, columns, steps[0], steps[1], part.tobytes())
