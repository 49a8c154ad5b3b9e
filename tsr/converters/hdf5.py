"""A ``.h5`` or ``.hdf5`` file <-> arrays by name, nested as its groups are.

Datasets are read and written piece by piece, a compressed one chunk by chunk. The order is that
of creation where the file keeps it, as files written here do, else that of the names. Attributes
have no place in a tree. Links that lead out of the file are never followed. Raises
`ConversionError` for a broken file and for what no tree holds.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsr.atomic import AtomicFile
from tsr.converters.guard import guard
from tsr.converters.registry import Holds
from tsr.converters.tensor import NUMPY_DTYPES, Tensor, scratch_array, tiles
from tsr.converters.tree import Document
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


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file, which stays open as long as its tensors may be loaded."""
    h5py = require("h5py", "formats", "an HDF5 file")
    with guard(path, _WHAT):
        file = h5py.File(path, "r")
    with file:
        with guard(path, _WHAT):
            tree = _Reader(h5py, path, options).group(file)
        yield Document(path, tree)


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece."""
    h5py = require("h5py", "formats", "an HDF5 file")
    with (
        AtomicFile(path, options.durable) as target,
        h5py.File(target.path, "w", track_order=True) as file,
    ):
        _write_group(file, document.tree, path, options)


class _Reader:
    """An open file -> a tree."""

    def __init__(self, h5py: Any, path: str, options: Options):
        self._h5py = h5py
        self._path = path
        self._options = options

    def group(self, group: Any, outer: tuple[Any, ...] = ()) -> dict[str, Any]:
        """Convert a group, which lies in the groups `outer`."""
        self._check_attributes(group)
        if group in outer:
            raise self._refuse("a group that contains itself", group.name)
        tree: dict[str, Any] = {}
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}"
            if not isinstance(group.get(key, getlink=True), self._h5py.HardLink):
                self._lose("a link, which is not followed,", name)
                continue
            child = group[key]
            if isinstance(child, self._h5py.Group):
                tree[key] = self.group(child, (*outer, group))
            elif isinstance(child, self._h5py.Dataset):
                tree[key] = self._dataset(child)
            else:
                self._lose("a named datatype", name)
        return tree

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

        def load() -> Any:
            with guard(self._path, _WHAT, name):
                return dataset if dataset.chunks is None else self._by_chunks(dataset)

        return Tensor(dataset.dtype.name, dataset.shape, load)

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


def _write_group(group: Any, tree: Any, path: str, options: Options) -> None:
    for key, child in tree.items():
        # The caller's own name for a single array may lead into groups.
        if key in ("", ".", "..") or "\0" in key or ("/" in key and key != options.dataset):
            raise ConversionError("HDF5 cannot keep this name", path=path, name=repr(key))
        if not isinstance(child, Tensor):
            _write_group(group.create_group(key, track_order=True), child, path, options)
            continue
        dataset = group.create_dataset(key, child.shape, child.storage)
        for place, piece in child.pieces():
            dataset[place or ...] = piece
