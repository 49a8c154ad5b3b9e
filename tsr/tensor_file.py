"""`open`: a file of either format -> a sequence of numpy arrays.

What is not compressed is shown where it lies, in one mapping or buffer for all tensors. Raises
`FormatError` for what is no valid file, `UnsupportedError` for options that cannot be met and
`OSError` for what cannot be opened.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy import ndarray

from tsr.buffers import bytes_view
from tsr.compression import RATIO_MAX, crc32
from tsr.contents import open_contents
from tsr.dtypes import TSR4_TYPES
from tsr.errors import ClosedFileError, UnsupportedError
from tsr.layout import TSR4_ZLIB
from tsr.threads import in_order, thread_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Literal

    from numpy.typing import NDArray
    from typing_extensions import Self

    from tsr.buffers import BytesLike
    from tsr.container import TensorInfo
    from tsr.contents import Contents
    from tsr.source import Source

__all__ = ["TensorFile", "check_single", "open", "open_single", "single_of", "view_single"]

# What `ElementType.numpy` gives, sooner.
_DTYPES = {element.tsr4_code: element.numpy for element in TSR4_TYPES}

# Below so many bytes to inflate a thread costs more than it gains.
_PARALLEL_BYTES = 1 << 21

# Tensors behind a URL that are asked for at the same time.
_REQUESTS = 8


class TensorFile:
    """An open file: a sequence of its tensors, as read-only arrays. Made by `open`.

    An index gives an array, a slice a list of them, inflated by several threads where there is
    much to inflate. A tensor's checksum is verified when the tensor is first used.

    What lies uncompressed is shown without a copy, and the arrays stay valid when the file is
    closed. A compressed tensor is inflated anew at each use, and one behind a URL is read and
    verified anew. Threads can share a file.
    """

    __slots__ = ("_contents", "_freeze", "_frozen", "_unverified")

    def __init__(self, contents: Contents, *, verify: bool = True, frozen: bool = True) -> None:
        self._contents: Contents | None = contents
        self._frozen = frozen
        # Of read-only memory all arrays are read-only, anyway.
        self._freeze = frozen and not memoryview(contents.data).readonly
        self._unverified = set(range(len(contents.layout.infos))) if verify else set()
        if verify:
            contents.check_padding(-1)

    @property
    def infos(self) -> tuple[TensorInfo, ...]:
        """Dtype, shape, place, sizes and checksum of each tensor; no payload is touched."""
        return self._opened().layout.infos

    @property
    def format(self) -> str:
        """``"TSR v1"`` or ``"TSR4"``."""
        return self._opened().layout.format

    @property
    def compressed(self) -> bool:
        """Whether the payloads are compressed."""
        return self._opened().layout.mode == TSR4_ZLIB

    @property
    def path(self) -> str | None:
        """What errors call the file, if it has a name."""
        return self._opened().path

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._contents is None

    def close(self) -> None:
        """Let go of the file; a mapping ends with the last array that shows it."""
        self._contents = None

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._opened().layout.infos)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        contents = self._opened()
        count = len(contents.layout.infos)
        if not isinstance(index, slice):
            try:
                return self._array(contents, range(count)[index])
            except IndexError:
                raise IndexError(f"tensor {index} of a file with {count}") from None
        indexes = range(count)[index]
        workers = 1
        if contents.layout.mode == TSR4_ZLIB:
            total = sum(contents.layout.infos[at].nbytes for at in indexes)
            workers = thread_count(len(indexes)) if total >= _PARALLEL_BYTES else 1
        if not contents.whole:
            workers = min(len(indexes), _REQUESTS)
        return list(in_order(partial(self._array, contents), indexes, workers))

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for index in range(len(self)):
            yield self[index]

    def __repr__(self) -> str:
        if self._contents is None:
            return "<TensorFile, closed>"
        name = "" if self.path is None else f" {self.path!r}"
        return f"<TensorFile{name}, {self.format}, {len(self)} tensors>"

    def _opened(self) -> Contents:
        if self._contents is None:
            raise ClosedFileError("the file is closed")
        return self._contents

    def _array(self, contents: Contents, index: int) -> NDArray[Any]:
        if contents.layout.mode == TSR4_ZLIB:
            array = self._inflate(contents, index)
        else:
            element, shape, offset, *_ = contents.layout.infos[index]
            part = contents.loaded(index)
            if index in self._unverified:
                part.check_payload(index)
                part.check_padding(index)
                self._verified(contents, index)
            array = ndarray(shape, _DTYPES[element.tsr4_code], part.data, offset - part.base)
            if self._freeze:
                array.flags.writeable = False
        return array

    def _inflate(self, contents: Contents, index: int) -> NDArray[Any]:
        info = contents.layout.infos[index]
        part = contents.loaded(index)
        if info.nbytes > RATIO_MAX * info.stored_nbytes:
            # It cannot give so much, and nothing is allocated to see it fail.
            part.check_payload(index)
        try:
            array: NDArray[Any] = np.empty(info.shape, info.element.numpy)
        except MemoryError:
            part.check_payload(index)  # where it is a lie, say so
            raise
        view = array.reshape(-1).view(np.uint8).data
        verify = index in self._unverified
        done = checksum = 0
        for chunk in part.inflate(index):
            view[done : done + len(chunk)] = chunk
            done += len(chunk)
            if verify:
                checksum = crc32(chunk, checksum)
        if verify:
            part.check_crc(index, checksum)
            self._verified(contents, index)
        array.flags.writeable = not self._frozen
        return array

    def _verified(self, contents: Contents, index: int) -> None:
        if contents.whole:  # what is fetched anew is verified anew
            self._unverified.discard(index)


def open(
    source: Source,
    *,
    mmap_mode: Literal["r", "c"] | None = "r",
    strict: bool = True,
    verify: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> TensorFile:
    """Open a file of either format: one tensor or many.

    Header and directory are read and checked; no payload is touched before it is used.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A file object is read from where it stands. Of what a URL leads to, header and directory
        take two requests, and a tensor takes one each time it is used; all see the same version.
    mmap_mode : {"r", "c", None}, default "r"
        ``"r"``: read-only arrays. ``"c"``: writable ones, whose changes stay in memory; they show
        when the tensor is used again, unless it is compressed or behind a URL. None: likewise,
        and the whole file is read at once, so that what becomes of it does not matter. To change
        a file in place would break its checksums; `open_memmap` does it to TSR v1 files, which
        have none.
    strict : bool, default True
        False accepts set reserved fields, bytes after the payload and padding that is not 0.
    verify : bool, default True
        False spares the checksums, which takes the time to read a tensor once more, and the
        padding. What is compressed is checked by zlib in any case.
    storage_options : mapping, optional
        For a URL: what fsspec's file system for it is made with.

    Returns
    -------
    TensorFile
        A context manager, and a sequence of arrays: float32, float16, int8 or int32,
        little-endian. Those of a TSR4 file have four dimensions, N, H, W, C.

    Raises
    ------
    FormatError
        Header or directory break a clause of ``spec/tsr-v1.md`` or ``spec/tsr4.md``. Using a
        tensor raises it where its payload does.
    UnsupportedError
        `mmap_mode` is none of those.
    OSError
        The file cannot be opened.

    Examples
    --------
    >>> with tsr.open("model.tsr") as file:
    ...     for info, array in zip(file.infos, file):
    ...         print(info.shape, array.sum())
    """
    if mmap_mode not in ("r", "c", None):
        why = "; it would break the checksums" if str(mmap_mode) == "r+" else ""
        raise UnsupportedError(
            f"mmap_mode: got {mmap_mode!r}, expected 'r', 'c' or None{why}", given=repr(mmap_mode)
        )
    contents = open_contents(source, strict, mmap_mode, storage_options)
    return TensorFile(contents, verify=verify, frozen=mmap_mode == "r")


def open_single(source: Source, mmap_mode: str | None, strict: bool) -> NDArray[Any]:
    """Give the only tensor of a TSR4 file, for `tsr.load`.

    Raises
    ------
    UnsupportedError
        There are more, or `mmap_mode` is ``"r+"``.
    """
    file = open(source, mmap_mode=mmap_mode, strict=strict)  # type: ignore[arg-type] # checked there
    return _single(file)


def view_single(data: BytesLike, strict: bool) -> NDArray[Any]:
    """Show the only tensor of a TSR4 file in memory, for `tsr.loads`: writable if `data` is."""
    return _single(TensorFile(open_contents(bytes_view(data), strict), frozen=False))


def single_of(contents: Contents, frozen: bool) -> NDArray[Any]:
    """Give the only tensor of what is in memory already."""
    return _single(TensorFile(contents, frozen=frozen))


def _single(file: TensorFile) -> NDArray[Any]:
    check_single(len(file), file.path)
    return file[0]


def check_single(count: int, path: str | None) -> None:
    """Refuse a file of several tensors where one is expected."""
    if count != 1:
        where = "" if path is None else f"{path}: "
        raise UnsupportedError(
            f"{where}holds {count} tensors, expected one; tsr.open(...) gives each of them",
            given=count,
        )
