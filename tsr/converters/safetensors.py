"""A ``.safetensors`` file <-> named arrays, and text about the whole file.

The library checks a file when it is opened; the arrays are then mapped, in the order of the
header. It is not used for writing, for which it wants every array in memory: a header, then the
bytes. The format has no order and no alignment of its own, so that, as the library does, arrays
of larger items come first; those of the same size keep their order. The ``_metadata`` of a torch
state dict travels in the file's metadata. Raises `ConversionError` for a broken file.
"""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.atomic import AtomicFile
from tsr.converters import manifest
from tsr.converters.guard import guard
from tsr.converters.registry import Holds
from tsr.converters.tensor import Location, Tensor, storage_of
from tsr.converters.tree import Document, Entries, get_notes, set_notes
from tsr.errors import ConversionError
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.converters.tree import Options, Tree

__all__ = ["DIMENSION_MAX", "DTYPES", "HOLDS", "RANK_MAX", "read", "write"]

_NAMES = {
    "bool": "BOOL", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "float16": "F16", "float32": "F32", "float64": "F64", "complex64": "C64",
    "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}

HOLDS = Holds.MANY | Holds.NOTES | Holds.METADATA
DTYPES = frozenset(_NAMES)
RANK_MAX = 64
DIMENSION_MAX = 2**63 - 1

_WHAT = "a safetensors file"
_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"

# The entry of the metadata that keeps torch's notes.
_NOTES = "torch._metadata"


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file."""
    safe_open = require("safetensors", "formats", "a .safetensors file").safe_open
    with guard(path, _WHAT):
        with safe_open(path, framework="np"):
            pass  # the header is valid, and the file as long as it says
        data: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        (length,) = _LENGTH.unpack(data[: _LENGTH.size].tobytes())
        start = _LENGTH.size + length
        header = manifest.parse(data[_LENGTH.size : start].tobytes().decode())
        metadata = header.pop(_METADATA, {})
        entries = Entries(path)
        entries.add(1, len(header))
        tree: dict[Any, Tree] = {
            name: _tensor(name, entry, data, start, path) for name, entry in header.items()
        }
        if _NOTES in metadata:
            notes = manifest.decode(
                manifest.parse(metadata.pop(_NOTES)), manifest.no_tensor, entries, 1
            )
            tree = set_notes(OrderedDict(tree), notes)
        document = Document(path, tree, metadata)
    yield document


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece."""
    tree = dict(sorted(document.arrays.items(), key=lambda item: -item[1].storage.itemsize))
    header = _build_header(path, tree, _metadata(document))
    size = len(header) + sum(tensor.nbytes for tensor in tree.values())
    with AtomicFile(path, options.durable, size) as file:
        file.write(header)
        for tensor in tree.values():
            for block in tensor.blocks():
                file.write(block)


def _tensor(
    name: str, entry: dict[str, Any], data: NDArray[np.uint8], start: int, path: str
) -> Tensor:
    # One of the file `data`, whose payload begins at `start`.
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise ConversionError(
            f"dtype {entry['dtype']}, expected one of {', '.join(_DTYPES)}", path=path, name=name
        )
    shape = tuple(entry["shape"])
    begin, end = (start + offset for offset in entry["data_offsets"])
    storage = storage_of(dtype)

    def load() -> NDArray[Any]:
        if begin == end:
            return np.empty(shape, storage)
        array: NDArray[Any] = np.ndarray(shape, storage, data[begin:end].data)
        return array

    return Tensor(dtype, shape, load, location=Location(path, begin))


def _build_header(path: str, tree: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    entries: dict[str, Any] = {_METADATA: metadata} if metadata else {}
    end = 0
    for name, tensor in tree.items():
        if name == _METADATA:
            raise ConversionError("the format keeps this name for itself", path=path, name=name)
        begin, end = end, end + tensor.nbytes
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": tensor.shape,
            "data_offsets": (begin, end),
        }
    try:
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise ConversionError(
            "the format cannot keep a name that is no Unicode", path=path
        ) from error
    text += b" " * (-len(text) % 8)  # so that the arrays begin at a multiple of 8
    return _LENGTH.pack(len(text)) + text


def _metadata(document: Document) -> dict[str, str]:
    notes = get_notes(document.tree)
    if notes is None:
        return document.metadata
    return {**document.metadata, _NOTES: json.dumps(manifest.encode(notes, _no_file))}


def _no_file(keys: tuple[str | int, ...], tensor: Tensor) -> str:
    raise AssertionError(f"a tensor in _metadata: {keys}")  # no reader lets one through
