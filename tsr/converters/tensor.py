"""One array of a file, not read yet -> its bytes, piece by piece.

A `Tensor` knows its dtype and shape and loads its elements when asked, as they lie in the file:
mapped, of any order and byte order. `pieces` brings them into C order and little-endian, a
bounded number of bytes at a time, so that no conversion needs memory for a whole array.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from math import prod
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Selection = tuple[slice, ...]

__all__ = [
    "BITS",
    "NUMPY_DTYPES",
    "Location",
    "Tensor",
    "scratch_array",
    "scratch_file",
    "storage_of",
    "tiles",
]

# The most bytes of an array that are in memory at once.
PIECE_BYTES = 1 << 24

# Dtypes that numpy lacks: their bits travel as unsigned integers of the same size.
BITS = {"bfloat16": "<u2", "float8_e4m3fn": "|u1", "float8_e5m2": "|u1"}

# What numpy calls the numbers it has, longdouble included, whatever its size here.
NUMPY_DTYPES = frozenset(np.dtype(code).name for code in "?bhilqBHILQefdgFDG")


class Location(NamedTuple):
    """Where the elements of an array lie.

    Attributes
    ----------
    path : str or None
        The file, if it has a name.
    offset : int or None
        Where the first of them begins, in bytes from the start of the file, and the others as
        the strides of what `Tensor.load` gives say. None: they are compressed, in pieces, or it
        is not known.
    place : int, optional
        Which of the tensors of a ``.tsr`` file it is.
    """

    path: str | None
    offset: int | None
    place: int | None = None


@dataclass(frozen=True)
class Tensor:
    """An array in a file.

    Attributes
    ----------
    dtype : str
        numpy's name of the dtype, or torch's where numpy has no such dtype: ``"bfloat16"``.
    shape : tuple of int
    load : callable
        Gives the elements, as something that has the tensor's shape and can be sliced: an
        array of either byte order and any strides, an HDF5 dataset. Those of a dtype that
        numpy lacks come as the unsigned integers of `BITS`.
    change : callable, optional
        A cast, applied to each piece and told how many elements came before it.
    location : Location, optional
        None: it is not known.
    """

    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], Any]
    change: Callable[[NDArray[Any], int], NDArray[Any]] | None = None
    location: Location | None = None

    @property
    def storage(self) -> np.dtype[Any]:
        """The little-endian numpy dtype of the pieces."""
        return storage_of(self.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of all pieces together."""
        return prod(self.shape) * self.storage.itemsize

    def pieces(self, elements: Any = None) -> Iterator[tuple[Selection, NDArray[Any]]]:
        """Give the elements in C order, little-endian and contiguous, with their places.

        `elements` is what `load` gave, where it was called already.
        """
        if elements is None:
            elements = self.load()
        done = 0
        itemsize = max(elements.dtype.itemsize, self.storage.itemsize)
        for place in tiles(self.shape, itemsize):
            piece = np.asarray(elements[place or ...])
            if self.change is not None:
                piece = self.change(piece, done)
            done += piece.size
            yield place, np.asarray(piece, self.storage, order="C")

    def blocks(self, elements: Any = None) -> Iterator[memoryview]:
        """Give the bytes of the elements in C order, little-endian; `elements` as above."""
        for _, piece in self.pieces(elements):
            yield piece.reshape(-1).view(np.uint8).data


def storage_of(dtype: str) -> np.dtype[Any]:
    """Give the little-endian numpy dtype for the bits of a dtype."""
    little_endian: np.dtype[Any] = np.dtype(BITS.get(dtype, dtype)).newbyteorder("<")
    return little_endian


def tiles(
    shape: tuple[int, ...],
    itemsize: int,
    chunk: tuple[int, ...] | None = None,
    nbytes: int | None = None,
) -> Iterator[Selection]:
    """Split a shape into boxes of bounded size; without `chunk`, each is contiguous in C order.

    Parameters
    ----------
    shape : tuple of int
    itemsize : int
        Bytes an element takes.
    chunk : tuple of int, optional
        Never split what this would not split.
    nbytes : int, optional
        The most bytes of a box; `PIECE_BYTES` by default.
    """
    if 0 in shape:
        return
    tile = list(chunk or (1,) * len(shape))
    for axis in reversed(range(len(shape))):
        room = (nbytes or PIECE_BYTES) // (prod(tile) * itemsize)
        tile[axis] = min(tile[axis] * max(room, 1), shape[axis])
    starts = [range(0, dim, step) for dim, step in zip(shape, tile, strict=True)]
    for corner in _corners(starts):
        yield tuple(
            slice(start, min(start + step, dim))
            for start, step, dim in zip(corner, tile, shape, strict=True)
        )


def _corners(starts: list[range]) -> Iterator[tuple[int, ...]]:
    # What itertools.product gives; but that keeps all numbers of the ranges, which have no bound.
    if not starts:
        yield ()
        return
    for first in starts[0]:
        for others in _corners(starts[1:]):
            yield (first, *others)


def scratch_file(directory: str) -> IO[bytes]:
    """Open a file without a name, which is gone once nothing uses it."""
    return tempfile.TemporaryFile(dir=directory, prefix=".tsr-")


def scratch_array(directory: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Make a writable array whose memory is a file without a name, so that it can be paged out."""
    if 0 in shape:
        return np.empty(shape, dtype)
    with scratch_file(directory) as file:
        return np.memmap(file, dtype, "w+", shape=shape)
