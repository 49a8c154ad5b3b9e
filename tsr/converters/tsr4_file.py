"""A TSR4 file <-> tensors in order, without names, of four dimensions each.

A file of one tensor is one array, a file of several a dict whose keys count them. Names and other
ranks are lost, which `find_loss` tells; the module `sidecar` keeps them. Raises `FormatError` for a
broken file and `ConversionError` for what has no encoding.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from tsr.assembly import Assembly
from tsr.assembly import Tensor as Writable
from tsr.container import check_shape, data_start
from tsr.converters.registry import TSR4, Holds
from tsr.converters.tree import Document, rebuild, tensors
from tsr.converters.tsr_file import OpenFile
from tsr.deferred import open_deferred
from tsr.dtypes import TSR4_TYPES, element_type
from tsr.errors import ConversionError, ConversionWarning, FormatError
from tsr.header import DIMENSION_MAX
from tsr.layout import TSR4_MAGIC, TSR4_RANK
from tsr.payload import BLOCK_BYTES
from tsr.source import open_regular
from tsr.tensor_writer import TensorWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tsr.container import TensorInfo
    from tsr.converters.tensor import Tensor
    from tsr.converters.tree import Options

__all__ = [
    "DIMENSION_MAX",
    "DTYPES",
    "HOLDS",
    "RANK_MAX",
    "find_loss",
    "is_tsr4",
    "pad_shape",
    "read",
    "write",
    "writing",
]

HOLDS = Holds.ONE | Holds.MANY
DTYPES = frozenset(element.name for element in TSR4_TYPES)
RANK_MAX = TSR4_RANK

# So many names say which are meant.
_NAMES_SHOWN = 3


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file."""
    yield Document(path, OpenFile(path, options).tree())


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece."""
    with writing(path, document, options):
        pass


@contextmanager
def writing(path: str, document: Document, options: Options) -> Iterator[Sequence[TensorInfo]]:
    """Write a file, piece by piece, which takes its name once the block ends without an error.

    The block gets what the directory will say of each tensor, but for the offsets, which count
    from the first payload.
    """
    prepared = _prepare(document)
    assembly = Assembly(options.compress)
    start = data_start(len(prepared), assembly.mode)
    with TensorWriter(open_deferred(path, options.durable, 0, start), assembly) as file:
        file.add_prepared(prepared)
        yield assembly.infos


def find_loss(document: Document) -> ConversionWarning | None:
    """Tell what reads back another way from a file without names, if anything does."""
    lost = []
    tree = document.tree
    if isinstance(tree, dict) and any(key != str(index) for index, key in enumerate(tree)):
        more = ", ..." if len(tree) > _NAMES_SHOWN else ""
        lost.append(f"names ({', '.join(islice(tree, _NAMES_SHOWN))}{more})")
    shape = next((each.shape for each in tensors(tree) if len(each.shape) < RANK_MAX), None)
    if shape is not None:
        lost.append(f"ranks below {RANK_MAX} (the shape {shape} becomes {pad_shape(shape)})")
    if not lost:
        return None
    return ConversionWarning(
        f"{document.path}: {TSR4} does not keep {' and '.join(lost)}; names='x.json' (--names "
        "x.json) keeps all in a file beside it, and lossy=True (--lossy) lets it go unsaid"
    )


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
