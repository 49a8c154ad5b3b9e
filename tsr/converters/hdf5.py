"""A ``.h5`` or ``.hdf5`` file <-> arrays by name, nested as its groups are.

Datasets are read and written piece by piece, a compressed one chunk by chunk. The order is that
of creation where the file keeps it, as files written here do, else that of the names. Attributes
have no place in a tree. Links that lead out of the file are never followed. Raises
`ConversionError` for a broken file and for what no tree holds.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.atomic import AtomicFile
from tsr.converters.guard import guard
from tsr.converters.registry import Holds
from tsr.converters.tensor import NUMPY_DTYPES, Location, Tensor, scratch_array, tiles
from tsr.converters.tree import DEPTH_MAX, Document, Entries
from tsr.errors import ConversionError
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.converters.tree import Options

__all__ = ["DIMENSION_MAX", "DTYPES", "HOLDS", "RANK_MAX", "read", "write"]

HOLDS = Holds.MANY | Holds.NESTING
DTYPES = NUMPY_DTYPES
RANK_MAX = 32  # HDF5's own limit
DIMENSION_MAX = 2**63 - 1

_WHAT = "an HDF5 file"

# What the owner of a file needs for the library to open it.
_OPENED = stat.S_IRUSR | stat.S_IWUSR

# A compressed chunk is decompressed whole, and a small file can claim any size for it.
CHUNK_BYTES_MAX = 1 << 28


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file, which stays open as long as its tensors may be loaded."""
    h5py = require("h5py", "formats", "an HDF5 file")
    with guard(path, _WHAT):
        file = h5py.File(path, "r")
    with file:
        with guard(path, _WHAT):
            tree, _ = _Reader(h5py, path, options).group(file["/"])
        yield Document(path, tree)


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece."""
    h5py = require("h5py", "formats", "an HDF5 file")
    _check_names(document.tree, path, options)
    with AtomicFile(path, options.durable) as target:
        mode = stat.S_IMODE(os.stat(target.path).st_mode)
        is_closed = mode & _OPENED != _OPENED  # like the file that it is to replace
        if is_closed:
            os.chmod(target.path, mode | _OPENED)
        with _writing(path):
            file = h5py.File(target.path, "w", track_order=True)
        try:
            _write_group(file, document.tree, path)
        finally:
            with _writing(path):
                file.close()
        if is_closed:
            os.chmod(target.path, mode)


class _Reader:
    """An open file -> a tree."""

    def __init__(self, h5py: Any, path: str, options: Options):
        self._h5py = h5py
        self._path = path
        self._options = options
        self._entries = Entries(path)
        # What became of each group, how many entries that are and how deep they nest: hard links
        # can lead to one in more ways than could ever be followed. None: it is being converted.
        self._groups: dict[Any, tuple[dict[str, Any], int, int] | None] = {}

    def group(self, group: Any, depth: int = 0) -> tuple[dict[str, Any], int]:
        """Convert a group, to which `depth` keys lead; gives how deep it nests, too."""
        if group in self._groups:
            known = self._groups[group]
            if known is None:
                raise self._refuse("a group that contains itself", group.name)
            tree, count, height = known
            self._entries.add(depth + height, count)
            return tree, height
        self._groups[group] = None
        before, height = self._entries.count, 0
        self._entries.add(depth)
        self._check_attributes(group)
        tree = {}
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}"
            if not isinstance(group.get(key, getlink=True), self._h5py.HardLink):
                self._lose("a link, which is not followed,", name)
                continue
            child = group[key]
            if isinstance(child, self._h5py.Group):
                tree[key], inner = self.group(child, depth + 1)
                height = max(height, inner + 1)
            elif isinstance(child, self._h5py.Dataset):
                self._entries.add(depth + 1)
                tree[key] = self._dataset(child)
                height = max(height, 1)
            else:
                self._lose("a named datatype", name)
        self._groups[group] = tree, self._entries.count - before, height
        return tree, height

    def _dataset(self, dataset: Any) -> Tensor:
        self._check_attributes(dataset)
        name = dataset.name
        if dataset.external or dataset.is_virtual:
            raise self._refuse("a dataset whose values are in other files", name)
        if dataset.shape is None:
            raise self._refuse("a dataset without a value", name)
        if dataset.dtype.name not in DTYPES:
            raise self._refuse(f"dtype {dataset.dtype}", name)
        if self._h5py.check_enum_dtype(dataset.dtype) is not None:
            self._lose("the names of an enumeration", name)
        if dataset.chunks is not None and _is_filled(dataset):
            size = prod(dataset.chunks) * dataset.dtype.itemsize
            if size > CHUNK_BYTES_MAX:
                raise self._refuse(f"a chunk of {size} bytes, more than {CHUNK_BYTES_MAX},", name)

        def load() -> Any:
            with guard(self._path, _WHAT, name):
                if dataset.chunks is None and dataset.id.get_storage_size():
                    return dataset
                if dataset.chunks is None or not _is_filled(dataset):
                    return np.broadcast_to(dataset.fillvalue, dataset.shape)
                return self._by_chunks(dataset)

        location = Location(self._path, self._offset(dataset))
        return Tensor(dataset.dtype.name, dataset.shape, load, location=location)

    def _offset(self, dataset: Any) -> int | None:
        # Where the elements lie side by side, as numpy has them.
        as_numpy = self._h5py.h5t.py_create(dataset.dtype, logical=True)
        if dataset.chunks is not None or dataset.id.get_type() != as_numpy:
            return None
        offset: int | None = dataset.id.get_offset()
        return offset

    def _by_chunks(self, dataset: Any) -> Any:
        # Chunks are decompressed whole, so they are not read in the order of the elements.
        elements = scratch_array(self._options.scratch, dataset.dtype, dataset.shape)
        for place in tiles(dataset.shape, dataset.dtype.itemsize, dataset.chunks):
            elements[place] = dataset[place]
        return elements

    def _check_attributes(self, thing: Any) -> None:
        if len(thing.attrs):
            self._lose(f"attributes ({', '.join(thing.attrs)})", thing.name)

    def _lose(self, what: str, name: str) -> None:
        if not self._options.lossy:
            raise ConversionError(
                f"{what} would be lost; lossy=True (--lossy) lets that happen",
                path=self._path, name=name,
            )  # fmt: skip

    def _refuse(self, what: str, name: str) -> ConversionError:
        return ConversionError(f"{what} cannot be converted", path=self._path, name=name)


def _is_filled(dataset: Any) -> bool:
    # Whether a chunk of it was ever written; where not, reading might make whole ones.
    return bool(dataset.id.get_num_chunks())


def _check_names(tree: Any, path: str, options: Options) -> None:
    for key, child in tree.items():
        # The caller's own name for a single array may lead into groups.
        parts = key.split("/") if key == options.dataset else [key]
        if len(parts) > DEPTH_MAX or not all(map(_is_name, parts)):
            raise ConversionError("HDF5 cannot keep this name", path=path, name=repr(key))
        if not isinstance(child, Tensor):
            _check_names(child, path, options)


def _is_name(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name not in ("", ".", "..") and not {"/", "\0"} & {*name}


def _write_group(group: Any, tree: Any, path: str) -> None:
    for key, child in tree.items():
        if not isinstance(child, Tensor):
            with _writing(path):
                inner = group.create_group(key, track_order=True)
            _write_group(inner, child, path)
            continue
        with _writing(path):
            dataset = group.create_dataset(key, child.shape, child.storage)
        for place, piece in child.pieces():
            with _writing(path):
                dataset[place or ...] = piece


@contextmanager
def _writing(path: str) -> Iterator[None]:
    # Errors of the library, which are about the temporary file, become ones of the target.
    with guard(path, _WHAT, writing=True):
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise
            raise OSError(error.errno, os.strerror(error.errno), path) from error
