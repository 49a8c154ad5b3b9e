"""One ``.tsr`` file <-> one array."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsr.atomic import AtomicFile
from tsr.converters.registry import Holds
from tsr.converters.tensor import Tensor
from tsr.converters.tree import Document
from tsr.dtypes import V1_TYPES
from tsr.header import DIMENSION_MAX, build_header
from tsr.layout import V1_RANK_MAX
from tsr.reader import load
from tsr.source import read_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.converters.tree import Options

__all__ = [
    "DIMENSION_MAX",
    "DTYPES",
    "HOLDS",
    "RANK_MAX",
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
    """Read a file; raises `FormatError`, as `tsr.load` does."""
    yield Document(path, open_tensor(path, options))


def write(path: str, document: Document, options: Options) -> None:
    """Write a file."""
    write_tensor(path, document.array, options)


def open_tensor(path: str, options: Options) -> Tensor:
    """Read the header of a file now, its elements when asked for."""
    header = read_header(path, strict=options.strict)
    return Tensor(header.element.name, header.shape, lambda: load(path, strict=options.strict))


def write_tensor(path: str, tensor: Tensor, options: Options) -> None:
    """Write a file, piece by piece."""
    header = build_header(tensor.storage, tensor.shape)
    with AtomicFile(path, options.durable, len(header) + tensor.nbytes) as file:
        file.write(header)
        for block in tensor.blocks():
            file.write(block)
