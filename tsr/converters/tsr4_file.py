"""A TSR4 file <-> tensors in order, without names, of four dimensions each.

A file of one tensor is one array, a file of several a dict whose keys count them. To write names
or other ranks is a `ConversionWarning`, for they are lost; the module `sidecar` keeps them.
Raises `FormatError` for a broken file and `ConversionError` for what has no encoding.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from tsr.assembly import Tensor as Writable
from tsr.container import check_shape
from tsr.converters.registry import TSR4, Holds
from tsr.converters.tree import Document, Entries, rebuild, tensors
from tsr.converters.tsr_file import OpenFile
from tsr.dtypes import TSR4_TYPES, element_type
from tsr.errors import ConversionError, ConversionWarning, FormatError
from tsr.header import DIMENSION_MAX
from tsr.layout import TSR4_MAGIC, TSR4_RANK
from tsr.payload import BLOCK_BYTES
from tsr.source import open_regular
from tsr.tensor_writer import save_prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.converters.tensor import Tensor
    from tsr.converters.tree import Options, Tree

__all__ = [
    "DIMENSION_MAX",
    "DTYPES",
    "HOLDS",
    "RANK_MAX",
    "is_tsr4",
    "open_tensors",
    "pad_shape",
    "read",
    "write",
    "write_tensors",
]

HOLDS = Holds.ONE | Holds.MANY
DTYPES = frozenset(element.name for element in TSR4_TYPES)
RANK_MAX = TSR4_RANK

# The call of `tsr.convert` seen from where it warns.
_CALLER = 6

# So many names say which are meant.
_NAMES_SHOWN = 3


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file."""
    found = open_tensors(path, options)
    tree: Tree = {str(index): tensor for index, tensor in enumerate(found)}
    yield Document(path, found[0] if len(found) == 1 else tree)


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece; without `lossy`, warn of what reads back another way."""
    prepared = _prepare(document)
    if not options.lossy:
        _warn(document)
    _save(path, prepared, options)


def write_tensors(path: str, document: Document, options: Options) -> None:
    """Write a file as `write` does, where names and shapes are kept elsewhere."""
    _save(path, _prepare(document), options)


def open_tensors(path: str, options: Options) -> list[Tensor]:
    """Open a file and read its directory; a tensor's elements are read when asked for."""
    found = OpenFile(path, options).tensors()
    Entries(path).add(1, len(found))
    return found


def is_tsr4(path: str) -> bool:
    """Tell a TSR4 file by its first bytes; what cannot be read is none."""
    try:
        descriptor, _ = open_regular(path)
    except (OSError, FormatError):
        return False
    with open(descriptor, "rb") as file:
        return file.read(len(TSR4_MAGIC)) == TSR4_MAGIC


def pad_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape that a tensor reads back with."""
    return (1,) * (RANK_MAX - len(shape)) + shape


def _prepare(document: Document) -> list[Writable]:
    # What is to be written, once it is known that all of it can be.
    made: list[Writable] = []

    def add(name: str, tensor: Tensor) -> None:
        if 0 in tensor.shape:
            raise ConversionError(
                f"shape {tensor.shape} has a dimension of 0, which has no place in {TSR4}; "
                "to='tsr' (--to tsr) keeps it",
                path=document.path, name=name or None,
            )  # fmt: skip
        element = element_type(tensor.storage, TSR4_TYPES)
        shape = check_shape(element, tensor.shape)
        made.append(Writable(element, shape, tensor.nbytes, partial(_blocks, tensor)))

    rebuild(document.tree, add)
    if not made:
        raise ConversionError(f"holds no tensor, and {TSR4} at least one", path=document.path)
    return made


def _blocks(tensor: Tensor) -> Iterator[memoryview]:
    # Pieces of a tensor, cut to what a thread compresses at a time.
    for piece in tensor.blocks():
        for start in range(0, len(piece), BLOCK_BYTES):
            yield piece[start : start + BLOCK_BYTES]


def _save(path: str, prepared: list[Writable], options: Options) -> None:
    save_prepared(path, prepared, compress=options.compress, durable=options.durable)


def _warn(document: Document) -> None:
    lost = []
    tree = document.tree
    if isinstance(tree, dict) and any(key != str(index) for index, key in enumerate(tree)):
        more = ", ..." if len(tree) > _NAMES_SHOWN else ""
        lost.append(f"names ({', '.join(islice(tree, _NAMES_SHOWN))}{more})")
    shape = next((each.shape for each in tensors(tree) if len(each.shape) < RANK_MAX), None)
    if shape is not None:
        lost.append(f"ranks below {RANK_MAX} (the shape {shape} becomes {pad_shape(shape)})")
    if lost:
        warnings.warn(
            f"{document.path}: {TSR4} does not keep {' and '.join(lost)}; names='x.json' (--names "
            "x.json) keeps all in a file beside it, and lossy=True (--lossy) lets it go unsaid",
            ConversionWarning,
            stacklevel=_CALLER,
        )
