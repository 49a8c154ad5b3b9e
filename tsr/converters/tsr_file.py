"""A ``.tsr`` file of one tensor <-> an array: read from either format, written as TSR v1."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.atomic import AtomicFile
from tsr.compression import crc32
from tsr.contents import open_contents, read_layout
from tsr.converters.registry import Holds
from tsr.converters.tensor import Location, Tensor, scratch_file
from tsr.converters.tree import Document, Entries
from tsr.dtypes import V1_TYPES
from tsr.errors import ConversionError
from tsr.header import DIMENSION_MAX, build_header
from tsr.layout import TSR4_ZLIB, V1_RANK_MAX
from tsr.tensor_file import TensorFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.container import TensorInfo
    from tsr.converters.tree import Options, Tree
    from tsr.source import Source

__all__ = [
    "DIMENSION_MAX",
    "DTYPES",
    "HOLDS",
    "RANK_MAX",
    "OpenFile",
    "open_tensor",
    "read",
    "write",
    "write_tensor",
]

HOLDS = Holds.ONE
DTYPES = frozenset(element.name for element in V1_TYPES)
RANK_MAX = V1_RANK_MAX


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file; raises `FormatError`, as `tsr.open` does."""
    yield Document(path, open_tensor(path, options))


def write(path: str, document: Document, options: Options) -> None:
    """Write a file."""
    write_tensor(path, document.array, options)


def open_tensor(path: str, options: Options) -> Tensor:
    """Read the header of a file now, its elements when asked for.

    Raises
    ------
    ConversionError
        It is a TSR4 file of several tensors.
    """
    mode, infos = read_layout(path, options.strict)
    if len(infos) != 1:
        raise ConversionError(
            f"holds {len(infos)} tensors, expected one for each file of a folder", path=path
        )

    def load() -> NDArray[Any]:
        return OpenFile(path, options).load(0)

    offset = None if mode == TSR4_ZLIB else infos[0].offset
    location = Location(path, offset, 0)
    return Tensor(infos[0].element.name, infos[0].shape, load, location=location)


class OpenFile:
    """A file of either format, whose tensors are loaded one by one.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
    options : Options
    """

    def __init__(self, source: Source, options: Options) -> None:
        self._contents = open_contents(source, options.strict, storage_options=options.storage)
        self._file = TensorFile(self._contents)
        self._scratch = options.scratch

    @property
    def path(self) -> str | None:
        """What errors call the file, if it has a name."""
        return self._file.path

    @property
    def format(self) -> str:
        """``"TSR v1"`` or ``"TSR4"``."""
        return self._file.format

    @property
    def mode(self) -> str | None:
        """``"raw"`` or ``"zlib"``; None of a TSR v1 file."""
        if self._contents.layout.mode is None:
            return None
        return "zlib" if self._file.compressed else "raw"

    @property
    def infos(self) -> tuple[TensorInfo, ...]:
        """What the file says of each tensor."""
        return self._file.infos

    def tree(self) -> Tree:
        """Give its tensor, or of several a dict whose keys count them.

        Raises
        ------
        ConversionError
            They are more than a reader takes.
        """
        count = len(self.infos)
        Entries(self.path or "memory").add(1, count)
        if count == 1:
            return self.tensor(0)
        return {str(index): self.tensor(index) for index in range(count)}

    def tensor(self, index: int) -> Tensor:
        """Give a tensor, whose elements are read when asked for."""
        info = self._file.infos[index]
        location = Location(self.path, None if self._file.compressed else info.offset, index)
        return Tensor(info.element.name, info.shape, partial(self.load, index), location=location)

    def load(self, index: int) -> NDArray[Any]:
        """Give verified elements: where they lie, or inflated into a file without a name."""
        if not self._file.compressed:
            return self._file[index]
        contents = self._contents.loaded(index)
        with scratch_file(self._scratch) as file:
            checksum = 0
            for chunk in contents.inflate(index):
                file.write(chunk)
                checksum = crc32(chunk, checksum)
            contents.check_crc(index, checksum)
            file.flush()
            info = self._file.infos[index]
            return np.memmap(file, info.dtype, "r", shape=info.shape)


def write_tensor(path: str, tensor: Tensor, options: Options) -> None:
    """Write a file, piece by piece."""
    header = build_header(tensor.storage, tensor.shape)
    with AtomicFile(path, options.durable, len(header) + tensor.nbytes) as file:
        file.write(header)
        for block in tensor.blocks():
            file.write(block)
