"""A tensor in a file, as xarray's backends have one: what is indexed is read, when it is indexed.

Files are opened when they are needed, once a process, and kept by xarray's managers. Raises what
`tsr.open` raises, and `FormatError` for a file that is another than it was.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr import tensor_file
from tsr.errors import FormatError
from tsr.extras import require
from tsr.remote import is_url
from tsr.source import changed
from tsr.tensor_file import TensorFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from xarray.backends import BackendArray, CachingFileManager
    from xarray.core import indexing

    from tsr.container import TensorInfo
    from tsr.remote import RemoteObject
else:
    require("xarray", "xarray", "the engine tsr of xarray")
    from xarray.backends import BackendArray, CachingFileManager
    from xarray.core import indexing

__all__ = ["Held", "LazyTensor", "Opener", "manager_of"]


@dataclass(frozen=True)
class Opener:
    """Opens a file; equal ones open the same, in this process and another, and share it.

    Attributes
    ----------
    source : path, URL, file object or bytes-like
    strict, verify, storage_options
        As for `tsr.open`.
    """

    source: Any
    strict: bool
    verify: bool
    storage_options: Mapping[str, Any] | None = field(default=None, hash=False)

    def __call__(self, mode: str = "r") -> TensorFile:
        """Open it; `mode` is what xarray says to open a file for."""
        if is_url(self.source):
            return _RemoteFile(self)
        return tensor_file.open(self.source, strict=self.strict, verify=self.verify)


def manager_of(opener: Opener) -> CachingFileManager[Any]:
    """Make what opens a file when it is needed, in any process."""
    # Without a mode, xarray takes no manager to another process.
    return CachingFileManager(opener, mode="r", lock=False)


class Held:
    """Stands for the manager of a file that cannot be opened again."""

    def __init__(self, file: TensorFile) -> None:
        self._file = file
        self.close = file.close

    @contextmanager
    def acquire_context(self) -> Iterator[TensorFile]:
        """Give the file."""
        yield self._file


class LazyTensor(BackendArray):
    """A tensor of a file, of which only what is indexed is read.

    Attributes
    ----------
    files : file manager
        Gives the open file.
    shape : tuple of int
        That of the variable, which may lack leading ones of the one in the file.
    dtype : numpy.dtype
    info : TensorInfo
        What the file said of the tensor.
    compressed : bool
    """

    def __init__(
        self, files: Any, index: int, verify: bool, shape: tuple[int, ...] | None = None
    ) -> None:
        self.files = files
        with files.acquire_context() as file:
            self.info: TensorInfo = file.infos[index]
            self.compressed: bool = file.compressed
        self._checked = self.compressed or (verify and self.info.crc32 is not None)
        self.shape = self.info.shape if shape is None else shape
        self.dtype = self.info.element.numpy
        self._index = index

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            support = indexing.IndexingSupport.OUTER
            return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)
        return self._read(key.tuple)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        # A copy, which is the caller's own and outlives the file.
        with self.files.acquire_context() as file:
            info = file.infos[self._index] if self._index < len(file) else None
            if info != self.info:
                # FILE-2
                raise FormatError(
                    f"tensor[{self._index}]", 0, found=_describe(info),
                    expected=_describe(self.info), clause="FILE-2", path=file.path,
                    note="it changed since the dataset was opened",
                )  # fmt: skip
            if isinstance(file, _RemoteFile) and not self._checked:
                return self._fetch(file.remote, key)
            return _select(file[self._index].reshape(self.shape), key)

    def _fetch(self, remote: RemoteObject, key: tuple[Any, ...]) -> NDArray[Any]:
        # Of what has no checksum to be verified, as much as lies between the first and the last
        # index of the first axis: one range.
        rows, key = _rows(self.shape, key)
        nbytes = prod(self.shape[1:]) * self.dtype.itemsize
        start = self.info.offset + rows.start * nbytes
        stop = self.info.offset + rows.stop * nbytes
        data = remote.fetch(start, stop)
        # FILE-2
        if len(data) != stop - start:
            raise changed(remote.label, start + len(data), stop)
        shape = (len(rows), *self.shape[1:]) if self.shape else ()
        return _select(np.frombuffer(data, self.dtype).reshape(shape), key)


class _RemoteFile(TensorFile):
    # The file behind a URL, of which any range of bytes can be had.
    __slots__ = ("remote",)

    def __init__(self, opener: Opener) -> None:
        from tsr.remote import RemoteObject
        from tsr.remote.contents import open_remote

        self.remote: RemoteObject = RemoteObject(opener.source, opener.storage_options)
        super().__init__(open_remote(self.remote, opener.strict), verify=opener.verify)


def _rows(shape: tuple[int, ...], key: tuple[Any, ...]) -> tuple[range, tuple[Any, ...]]:
    # What of the first axis is needed, and the key that takes it out of that.
    if not shape:
        return range(1), key
    every, first = range(shape[0]), key[0]
    if isinstance(first, np.ndarray):
        wanted = np.where(first < 0, first + len(every), first)
        ends = [every[int(end)] for end in (wanted.min(), wanted.max())] if wanted.size else []
    else:
        indexes = every[first] if isinstance(first, slice) else [every[first]]
        ends = sorted((indexes[0], indexes[-1])) if indexes else []
    rows = range(ends[0], ends[1] + 1) if ends else range(0)
    if isinstance(first, np.ndarray):
        return rows, (wanted - rows.start, *key[1:])
    return rows, (slice(None, None, first.step) if isinstance(first, slice) else 0, *key[1:])


def _select(array: NDArray[Any], key: tuple[Any, ...]) -> NDArray[Any]:
    # Each axis by an integer, a slice or integers, on its own; a copy.
    simple = tuple(slice(None) if isinstance(each, np.ndarray) else each for each in key)
    view = array[simple]
    kept = [each for each in key if isinstance(each, (slice, np.ndarray))]
    for axis, each in enumerate(kept):
        if isinstance(each, np.ndarray):
            view = np.take(view, each, axis)
    return np.array(view)


def _describe(info: TensorInfo | None) -> str:
    return "none" if info is None else f"{info.element.name} {info.shape} at {info.offset}"
