"""A ``.pt`` or ``.pth`` file of torch <-> an array, or a tree of them such as a state dict.

A file is unpickled by torch with ``weights_only=True`` and never otherwise, by a torch in which
that runs no code. On Linux tensors are mapped where the file allows it. Names, order, nesting,
scalars and the ``_metadata`` of a state dict survive both ways; that tensors share memory, or are
parameters, does not: each is written with its own values, as a plain tensor. Raises
`ConversionError` for a broken or hostile file and for what no tree holds.
"""

from __future__ import annotations

import math
import mmap
import os
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tsr.atomic import AtomicFile
from tsr.converters.archive import data_start
from tsr.converters.guard import guard
from tsr.converters.registry import Holds
from tsr.converters.tensor import BITS, Location, Tensor, scratch_file
from tsr.converters.tree import Document, Entries, rebuild, set_notes, tensors
from tsr.errors import ConversionError, MissingExtraError
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.converters.tree import Options

__all__ = ["DIMENSION_MAX", "DTYPES", "HOLDS", "RANK_MAX", "read", "show_tensor", "write"]

HOLDS = Holds.ONE | Holds.MANY | Holds.NESTING | Holds.STRUCTURE | Holds.NOTES
DTYPES = frozenset((
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128", *BITS,
))  # fmt: skip
RANK_MAX = 64  # numpy's and torch's own limit
DIMENSION_MAX = 2**63 - 1

# Before this version weights_only=True can run code (CVE-2025-32434).
_TORCH_MIN = (2, 6)

# A mapping keeps its file open. No more than this, and a quarter of what the process may open.
MAPPINGS_MAX = 256

# What a file begins with since torch 1.6.
_ARCHIVE = b"PK\3\4"

# What is mapped in this process, where Linux tells.
_MAPPINGS = "/proc/self/maps"

# Where a tensor begins in the scratch file: at a multiple of what any dtype needs.
_ALIGNMENT = 64


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file, mapped where its tensors are stored uncompressed."""
    torch = _import_torch()
    with guard(path, "a torch file"):
        value, start = _unpickle(torch, path)
        tree = _Reader(torch, path, start).convert(value)
    yield Document(path, tree, {"format": "pt"})


def write(path: str, document: Document, options: Options) -> None:
    """Write a file with `torch.save`, over mappings: of the sources, or of a scratch file."""
    torch = _import_torch()
    with scratch_file(options.scratch) as scratch:
        arrays = _gather(document, scratch)
        value = rebuild(document.tree, lambda _, tensor: _to_torch(torch, tensor, next(arrays)))
        with (
            AtomicFile(path, options.durable) as target,
            open(target.descriptor, "wb", closefd=False) as file,
        ):
            torch.save(value, file)


def show_tensor(value: Any) -> Tensor:
    """Show a torch tensor that is in memory; what is on its way in autograd is detached.

    Raises
    ------
    ConversionError
        It is sparse, quantized or on another device.
    """
    tensor: Tensor = _Reader(_import_torch(), "torch.Tensor", None).convert(value)
    return replace(tensor, location=None)


def _import_torch() -> Any:
    torch = require("torch", "torch", "a .pt file")
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _TORCH_MIN:
        raise MissingExtraError(
            f"torch>=2.6, got {torch.__version__}, which can run code from the file", "torch",
            "a .pt file",
        )  # fmt: skip
    return torch


def _unpickle(torch: Any, path: str) -> tuple[Any, int | None]:
    # What a file holds, and the address at which all of it is mapped, if it is.
    try:
        if not _is_archive(path):
            return _load_filled(torch, path), None
        if _is_mappable(path):
            return _load_mapped(torch, path)
        return torch.load(path, map_location="cpu", weights_only=True), None
    except pickle.UnpicklingError as error:
        # torch's own message recommends to run the code that it found.
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"refers to {found[1]}" if found else "is broken"
        raise ConversionError(
            f"not readable as a torch file: the pickle in it {what}; only tensors, dicts, lists, "
            "tuples and scalars are unpickled, for anything else may run code",
            path=path,
        ) from error


def _is_archive(path: str) -> bool:
    # As torch decides. zipfile would find an archive from its end, behind whatever else.
    with open(path, "rb") as file:
        return file.read(len(_ARCHIVE)) == _ARCHIVE


def _is_mappable(path: str) -> bool:
    # A mapping shows a record as it lies in the file, so none may be compressed. What is mapped
    # has to be known as well.
    if not os.path.exists(_MAPPINGS):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(record.compress_type == zipfile.ZIP_STORED for record in archive.infolist())


def _load_mapped(torch: Any, path: str) -> tuple[Any, int]:
    # torch holds what it reads against the size of its record, but not what it maps: elements
    # could be any bytes of the file.
    storages: list[Any] = []

    def keep(storage: Any, location: str) -> Any:
        storages.append(storage)
        return storage

    value = torch.load(path, map_location=keep, weights_only=True, mmap=True)
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        records = {data_start(file, record): record.file_size for record in archive.infolist()}
    filled = [storage for storage in storages if storage.nbytes()]
    start = _mapping_start(filled[0].data_ptr()) if filled else 0
    for storage in filled:
        if records.get(storage.data_ptr() - start) != storage.nbytes():
            found = f"no record of {storage.nbytes()} bytes where a tensor has its elements"
            raise ConversionError(f"not readable as a torch file: {found}", path=path)
    return value, start


def _mapping_start(address: int) -> int:
    # Where the file begins, or would, of which a part is mapped at an address.
    with open(_MAPPINGS, "rb") as mappings:
        for mapping in mappings:
            addresses, _, offset, *_ = mapping.split()
            start, end = (int(number, 16) for number in addresses.split(b"-"))
            if start <= address < end:
                return start - int(offset, 16)
    raise ValueError(f"nothing is mapped at {address:#x}")


def _load_filled(torch: Any, path: str) -> Any:
    # In the format before torch 1.6 a file can lack elements, and torch shows what was in its
    # memory before. Here that is one thing at first and another then.
    _, expected = _load_over(torch, path, 0)
    value, found = _load_over(torch, path, 255)
    if found != expected:
        raise _missing(path)
    return value


def _load_over(torch: Any, path: str, byte: int) -> tuple[Any, list[bytes]]:
    # What a file holds, read over memory of the same bytes, and digests of all of that memory.
    storages: list[Any] = []
    sizes: list[int] = []
    size_max = os.path.getsize(path)  # this format knows no compression

    def prepare(storage: Any, location: str) -> Any:
        sizes.append(storage.nbytes())
        # Memory that a file only claims is not touched.
        if sum(sizes) > size_max:
            raise _missing(path)
        storages.append(storage.fill_(byte))
        return storage

    value = torch.load(path, map_location=prepare, weights_only=True)
    if [storage.nbytes() for storage in storages] != sizes:  # torch lets one grow for a tensor
        raise _missing(path)
    memories = (torch.empty(0, dtype=torch.uint8, device="cpu").set_(each) for each in storages)
    return value, [sha256(memory.numpy()).digest() for memory in memories]


def _missing(path: str) -> ConversionError:
    return ConversionError("not readable as a torch file: elements are missing", path=path)


class _Reader:
    """What torch loaded -> a tree."""

    def __init__(self, torch: Any, path: str, start: int | None):
        self._torch = torch
        self._path = path
        self._start = start
        self._entries = Entries(path)

    def convert(self, value: Any, names: tuple[str, ...] = ()) -> Any:
        """Convert a value and all in it; `names` says where it stands."""
        self._entries.add(len(names))
        kind = type(value)
        if isinstance(value, self._torch.Tensor):
            return self._tensor(value, names)
        if kind in (dict, OrderedDict):
            return self._dict(value, names)
        if kind in (list, tuple):
            return kind(self.convert(each, (*names, str(i))) for i, each in enumerate(value))
        if value is None or kind in (bool, int, float, str):
            return value
        raise self._refuse(f"a {kind.__module__}.{kind.__qualname__}", names)

    def _dict(self, value: Any, names: tuple[str, ...]) -> Any:
        made = type(value)()
        for key, child in value.items():
            if type(key) not in (str, int):
                raise self._refuse(f"the key {key!r}, neither str nor int,", names)
            made[key] = self.convert(child, (*names, str(key)))
        if type(value) is OrderedDict:
            attributes = dict(vars(value))
            set_notes(made, self._notes(attributes.pop("_metadata", None), names))
            if attributes:
                raise self._refuse(f"the attribute {min(attributes)!r}", names)
        return made

    def _notes(self, value: Any, names: tuple[str, ...]) -> Any:
        notes = self.convert(value, (*names, "_metadata"))
        if next(tensors(notes), None) is not None:
            raise self._refuse("a tensor in _metadata", names)
        return notes

    def _tensor(self, value: Any, names: tuple[str, ...]) -> Tensor:
        torch = self._torch
        if value.layout is not torch.strided or value.is_nested:
            raise self._refuse(f"a tensor of layout {value.layout}, not torch.strided,", names)
        if value.is_quantized:
            raise self._refuse("a quantized tensor", names)
        if value.device.type != "cpu":
            raise self._refuse(f"a tensor on the device {value.device}, without values,", names)
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            raise self._refuse(f"the dtype {dtype}", names)
        plain = value.detach().resolve_conj().resolve_neg()
        if dtype in BITS:
            plain = plain.view(torch.uint8 if BITS[dtype] == "|u1" else torch.uint16)
        # Where conj and neg are resolved, memory is no longer that of the file.
        mapped = self._start is not None and plain.numel() and plain.data_ptr() == value.data_ptr()
        offset = plain.data_ptr() - self._start if mapped else None
        return Tensor(dtype, tuple(value.shape), plain.numpy, location=Location(self._path, offset))

    def _refuse(self, what: str, names: tuple[str, ...]) -> ConversionError:
        return ConversionError(
            f"{what} cannot be converted; expected tensors, dicts, lists, tuples and scalars",
            path=self._path, name="/".join(names) or None,
        )  # fmt: skip


def _gather(document: Document, scratch: IO[bytes]) -> Iterator[NDArray[Any]]:
    # An array in C order for every tensor, none in the process's own memory: those that lie in
    # their file as torch wants them stay there, the others are copied to the scratch file.
    gathered: list[NDArray[Any] | int] = []
    mappings: set[int] = set()
    mappings_max = _mappings_max()
    dtypes_at: dict[int, str] = {}
    end = 0  # of the scratch file
    for tensor in tensors(document.tree):
        elements = tensor.load()
        address = _address(elements) if tensor.change is None else None
        if address is not None:
            owner = _owner(elements)
            if isinstance(owner, mmap.mmap):
                mappings.add(id(owner))
            # torch refuses to save the same memory under two dtypes.
            alike = dtypes_at.setdefault(address, tensor.dtype) == tensor.dtype
            if alike and len(mappings) <= mappings_max:
                gathered.append(np.asarray(elements))
                continue
        start = math.ceil(end / _ALIGNMENT) * _ALIGNMENT
        scratch.seek(start)
        gathered.append(start)
        scratch.writelines(tensor.blocks(elements))
        end = max(scratch.tell(), start + 1)  # one without elements has an address of its own too
    memory = _memory(scratch)
    for tensor, found in zip(tensors(document.tree), gathered, strict=True):
        if isinstance(found, int):
            yield np.ndarray(tensor.shape, tensor.storage, memory, found)
        else:
            yield found


def _mappings_max() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return MAPPINGS_MAX
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAPPINGS_MAX if limit == resource.RLIM_INFINITY else min(MAPPINGS_MAX, limit // 4)


def _memory(scratch: IO[bytes]) -> Any:
    # What was written. An array without elements may begin at the end, so there is one byte more.
    scratch.write(b"\0" * _ALIGNMENT)
    scratch.flush()
    return np.memmap(scratch, np.uint8, "r")


def _address(elements: Any) -> int | None:
    # Where the elements begin in memory, if they lie there in C order and little-endian.
    if not isinstance(elements, np.ndarray) or not elements.flags.c_contiguous or not elements.size:
        return None
    if elements.dtype != elements.dtype.newbyteorder("<"):
        return None
    return int(elements.__array_interface__["data"][0])


def _owner(array: Any) -> Any:
    # Whatever the memory of a view of a view of ... belongs to.
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


def _to_torch(torch: Any, tensor: Tensor, array: NDArray[Any]) -> Any:
    with warnings.catch_warnings():
        # The memory is read-only, and nothing is going to write to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        made = torch.from_numpy(array.view(tensor.storage))
    return made.view(getattr(torch, tensor.dtype)) if tensor.dtype in BITS else made
