"""Files -> what their headers say, and whether they make one array. No dask; no payload is read.

Raises `UnsupportedError` that names the files which do not fit, or the one error of a file.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tsr.contents import decode_layout, read_layout
from tsr.dask.sources import is_url
from tsr.errors import TSRError, UnsupportedError
from tsr.header import raise_error
from tsr.layout import TSR4_MAGIC, V1_HEADER_SIZE
from tsr.source import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tsr.contents import Layout
    from tsr.dtypes import ElementType

__all__ = ["Common", "Tensor", "agree"]

# Of so many files an error tells what is wrong; it counts the others.
_TOLD = 20

# Requests at once: one waits for its answer nearly all of its time.
_REQUESTS = 32


class Tensor(NamedTuple):
    """What one file holds.

    Attributes
    ----------
    element : ElementType
    shape : tuple of int
    splits : bool
        Whether a part of it can be read and checked by itself: no checksum goes over the whole.
    """

    element: ElementType
    shape: tuple[int, ...]
    splits: bool


class Common(NamedTuple):
    """What files have in common.

    Attributes
    ----------
    element : ElementType
    shape : tuple of int
        That of the first file.
    axis : int
        Of the array that is made of them; not negative.
    lengths : list of int or None
        The length of each file along the axis; None where they are stacked.
    splits : bool
        As for `Tensor`, of all files.
    digest : str
        Changes with the names, sizes, times and versions of the files.
    """

    element: ElementType
    shape: tuple[int, ...]
    axis: int
    lengths: list[int] | None
    splits: bool
    digest: str


def agree(
    paths: list[str],
    *,
    stacked: bool,
    axis: int,
    index: int | None = None,
    strict: bool = True,
    check: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> Common:
    """Read headers and find what the files have in common.

    Parameters
    ----------
    paths : list of str
    stacked : bool
        False: along `axis`, which the files have, their lengths may differ.
    axis : int
        Negative ones count from the end of the array that is made of them.
    index : int, optional
        Which tensor of each file; by default its only one.
    strict, storage_options
        As for `tsr.load`.
    check : bool
        False reads the first header and takes the other files for the same.
    """
    reader = _Reader(index, strict, storage_options)
    first, place = None, 0
    lengths: list[int] = []
    faults: list[tuple[str, Exception]] = []
    splits = True
    for path, found in _each(paths if check else paths[:1], reader):
        if isinstance(found, Exception):
            faults.append((path, found))
            continue
        if first is None:
            first, place = found, _normalize(axis, len(found.shape) + stacked)
        free = None if stacked else place
        if found.element != first.element or not _fits(found.shape, first.shape, free):
            faults.append((path, _difference(found, first, free)))
        elif not stacked:
            lengths.append(found.shape[place])
        splits = splits and found.splits
    if faults or first is None:
        raise _summary(faults, len(paths))
    if not check:
        lengths *= len(paths)
        reader.note("\0".join(paths))
    every = None if stacked else lengths
    return Common(first.element, first.shape, place, every, splits, reader.digest())


class _Reader:
    """Reads a header after the other, and remembers what it made of the same bytes before."""

    def __init__(
        self, index: int | None, strict: bool, storage_options: Mapping[str, Any] | None
    ) -> None:
        self._index = index
        self._strict = strict
        self._options = storage_options
        self._seen: dict[tuple[bytes, int], Tensor] = {}
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, text: str) -> None:
        """Have the digest change with a text."""
        self._hash.update(text.encode("utf-8", "surrogateescape") + b"\0")

    def digest(self) -> str:
        """Give what changes with all that was noted."""
        return self._hash.hexdigest()

    def read(self, path: str) -> tuple[Tensor, str]:
        """Read the header of a local file; also give what changes with the file."""
        descriptor, size = open_regular(path)
        try:
            data = os.read(descriptor, V1_HEADER_SIZE)
            stamp = f"{path}\0{size}\0{os.fstat(descriptor).st_mtime_ns}"
        finally:
            os.close(descriptor)
        return self._tensor(path, data, size), stamp

    def read_remote(self, url: str) -> tuple[Tensor, str]:
        """Read the header of a remote file, likewise."""
        from tsr.remote import RemoteObject

        source = RemoteObject(url, self._options)
        data = bytes(source.read(0, V1_HEADER_SIZE))
        stamp = f"{url}\0{source.size}\0{source.version}"
        return self._tensor(url, data, source.size), stamp

    def _tensor(self, path: str, data: bytes, size: int | None) -> Tensor:
        if data[: len(TSR4_MAGIC)] == TSR4_MAGIC:
            options = {} if not self._options else {"storage_options": self._options}
            return self._pick(read_layout(path, self._strict, **options), path)
        key = (data, size or 0)
        if key not in self._seen:
            layout = decode_layout(data, size, self._strict, path, raise_error)
            self._seen[key] = self._pick(layout, path)
        return self._seen[key]

    def _pick(self, layout: Layout, path: str) -> Tensor:
        count = len(layout.infos)
        if self._index is None and count != 1:
            raise UnsupportedError(
                f"{path}: holds {count} tensors, expected one; index=0 takes the first", given=count
            )
        try:
            info = layout.infos[self._index or 0]
        except IndexError:
            raise UnsupportedError(
                f"{path}: index: got {self._index} for {count} tensors", given=self._index
            ) from None
        return Tensor(info.element, info.shape, layout.mode is None)


def _each(paths: list[str], reader: _Reader) -> Iterator[tuple[str, Tensor | Exception]]:
    # What each file holds, in order; the digest takes its name, size and time.
    if not any(map(is_url, paths)):
        results: Iterable[Any] = map(partial(_attempt, reader.read), paths)
        yield from _noted(paths, results, reader)
        return
    with ThreadPoolExecutor(_REQUESTS) as pool:
        for start in range(0, len(paths), 64 * _REQUESTS):  # the queue stays short
            part = paths[start : start + 64 * _REQUESTS]
            results = pool.map(
                lambda path: _attempt(reader.read_remote if is_url(path) else reader.read, path),
                part,
            )
            yield from _noted(part, results, reader)


def _attempt(read: Any, path: str) -> tuple[Tensor, str] | Exception:
    try:
        found: tuple[Tensor, str] = read(path)
    except (TSRError, OSError) as error:
        return error
    return found


def _noted(
    paths: list[str], results: Iterable[Any], reader: _Reader
) -> Iterator[tuple[str, Tensor | Exception]]:
    for path, result in zip(paths, results, strict=True):
        if isinstance(result, Exception):
            yield path, result
        else:
            reader.note(result[1])
            yield path, result[0]


def _normalize(axis: int, rank: int) -> int:
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise UnsupportedError(f"axis: got {axis!r}, and the array has rank {rank}", given=axis)
    return axis % rank


def _fits(shape: tuple[int, ...], first: tuple[int, ...], axis: int | None) -> bool:
    if axis is None or len(shape) != len(first):
        return shape == first
    return shape[:axis] == first[:axis] and shape[axis + 1 :] == first[axis + 1 :]


def _difference(found: Tensor, first: Tensor, axis: int | None) -> UnsupportedError:
    free = "" if axis is None else f" in all but axis {axis}"
    return UnsupportedError(
        f"got {found.element.name} {found.shape}, expected {first.element.name} {first.shape}"
        f"{free} as in the first file",
        given=found.shape,
    )


def _summary(faults: list[tuple[str, Exception]], total: int) -> Exception:
    # One error for all: that of the file, where it is the only one.
    if len(faults) == 1 and not isinstance(faults[0][1], UnsupportedError):
        return faults[0][1]
    lines = "".join(f"\n  {_line(path, error)}" for path, error in faults[:_TOLD])
    more = f"\n  and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
    return UnsupportedError(
        f"{len(faults)} of {total} files do not make one array:{lines}{more}",
        given=[path for path, _ in faults],
    )


def _line(path: str, error: Exception) -> str:
    text = str(error)
    return text if path in text else f"{path}: {text}"
