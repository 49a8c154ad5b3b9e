"""One ``.npy`` file <-> one array of numbers.

Files are mapped and never unpickled. They are written in C order and little-endian; the values
keep their bits. Raises `ConversionError` for a broken file, for objects, records, text and
dates, and for bytes after the array.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from tsr.atomic import AtomicFile
from tsr.converters.guard import guard
from tsr.converters.registry import Holds
from tsr.converters.tensor import NUMPY_DTYPES, Location, Tensor
from tsr.converters.tree import Document
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.converters.tree import Options

__all__ = [
    "DIMENSION_MAX",
    "DTYPES",
    "HOLDS",
    "RANK_MAX",
    "Layout",
    "build_header",
    "read",
    "read_layout",
    "write",
]

HOLDS = Holds.ONE
DTYPES = NUMPY_DTYPES
RANK_MAX = 64  # numpy's own limit since 2.0; 32 before
DIMENSION_MAX = 2**63 - 1

_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Layout:
    """What the header of an ``.npy`` file says, and where the elements begin.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int
    fortran_order : bool
    offset : int
        Bytes before the elements.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int

    @property
    def end(self) -> int:
        """Bytes up to the end of the elements."""
        return self.offset + prod(self.shape) * self.dtype.itemsize

    def over(self, memory: Any) -> NDArray[Any]:
        """Show the array in memory that holds the whole file."""
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)
        array: NDArray[Any] = np.ndarray(
            self.shape, self.dtype, memory, self.offset, order="F" if self.fortran_order else "C"
        )
        return array


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        layout = read_layout(file, size, path, None, options.lossy)
    yield Document(
        path,
        Tensor(
            layout.dtype.name, layout.shape,
            lambda: layout.over(np.memmap(path, np.uint8, "r", shape=(layout.end,))),
            location=Location(path, layout.offset),
        ),
    )  # fmt: skip


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece."""
    tensor = document.array
    header = build_header(tensor)
    with AtomicFile(path, options.durable, len(header) + tensor.nbytes) as file:
        file.write(header)
        for block in tensor.blocks():
            file.write(block)


def read_layout(
    file: IO[bytes], size: int, path: str, name: str | None, lossy: bool = False
) -> Layout:
    """Read the header of an ``.npy`` file and check it against the file's size.

    Parameters
    ----------
    file : binary file object
        Standing at its beginning.
    size : int
        Bytes in the file.
    path, name : str
        What errors call the file, and the member of it.
    lossy : bool, default False
        Let bytes after the array go.

    Raises
    ------
    ConversionError
        It is no ``.npy`` file, is cut short or too long, or holds something other than numbers.
    """
    with guard(path, "an .npy array", name):
        version = npy_format.read_magic(file)
        reader = _READERS.get(version)
        if reader is None:  # 3.0 is for records whose fields have names beyond Latin-1
            what = "holds records, not numbers" if version == (3, 0) else "is not known"
            raise ConversionError(f"version {version} {what}", path=path, name=name)
        try:
            shape, fortran_order, dtype = reader(file)
        except MemoryError as error:  # what Python's parser calls an expression that nests deeply
            raise ConversionError(
                "the header is no dict of plain values", path=path, name=name
            ) from error
        if not all(type(dim) is int for dim in shape):
            raise ValueError(f"shape is not valid: {shape}")
    if dtype.hasobject:
        raise ConversionError(
            "holds pickled Python objects, which are never unpickled", path=path, name=name
        )
    if dtype.name not in DTYPES:
        raise ConversionError(f"dtype {dtype} is no number", path=path, name=name)
    layout = Layout(dtype, shape, fortran_order, file.tell())
    if min(shape, default=0) < 0 or layout.end > size:
        raise ConversionError(
            f"cut short: got {size} bytes, expected {layout.end} for {dtype} {shape}",
            path=path, name=name,
        )  # fmt: skip
    if layout.end < size and not lossy:
        raise ConversionError(
            f"{size - layout.end} bytes after the array would be lost; lossy=True (--lossy) lets "
            "them go",
            path=path, name=name,
        )  # fmt: skip
    return layout


def build_header(tensor: Tensor) -> bytes:
    """Build the header of the ``.npy`` file for a tensor."""
    header = io.BytesIO()
    fields = {
        "descr": npy_format.dtype_to_descr(tensor.storage),
        "fortran_order": False,
        "shape": tensor.shape,
    }
    npy_format.write_array_header_1_0(header, fields)
    return header.getvalue()
