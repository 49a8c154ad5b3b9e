"""`to_files`: a dask array -> many files, written by its tasks.

Raises `UnsupportedError` for what no file can hold or no name can be made for, `FileExistsError`
for a place that is taken and `OSError` for what cannot be written.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr import writer
from tsr.atomic import occupied
from tsr.dask.sources import is_url
from tsr.errors import UnsupportedError
from tsr.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    import dask.array as da
    from dask.delayed import Delayed
    from numpy.typing import DTypeLike, NDArray
else:
    da = require("dask.array", "dask", "tsr.dask")

from dask.base import tokenize
from dask.delayed import delayed
from dask.layers import ArrayBlockwiseDep

__all__ = ["to_files"]

# What a number takes the place of in a pattern.
_STAR = "*"


def to_files(
    array: da.Array,
    destination: str | os.PathLike[str],
    *,
    mode: Literal["stack", "concatenate"] = "stack",
    axis: int = 0,
    format: Literal["v1", "tsr4"] = "v1",
    compress: bool = False,
    cast: DTypeLike | None = None,
    lossy: bool = False,
    durable: bool | None = None,
    overwrite: bool = False,
    compute: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> list[str] | Delayed:
    """Write a dask array as many files, each of them whole or absent.

    ``from_files(to_files(x, folder, mode=m, axis=a), mode=m, axis=a)`` is `x` again, in other
    chunks; of TSR4 files with four dimensions a file.

    Parameters
    ----------
    array : dask.array.Array
        Its chunks have to be known. Those along other axes than `axis` are joined: they lie in
        the same file.
    destination : path or URL
        A folder, made where it is missing, for files called ``0000.tsr``, ``0001.tsr`` and so on,
        with as many digits as it takes; or a pattern with one ``*`` in its last part, in place
        of which the number stands: ``parts/table-*.tsr``.
    mode : {"stack", "concatenate"}, default "stack"
        A file for each entry along `axis`, without that axis; or one for each chunk along it.
    axis : int, default 0
    format, compress, cast, lossy, durable
        As for `tsr.save`.
    overwrite : bool, default False
        Replace files that exist. Others in the folder stay: they are not looked at.
    compute : bool, default True
        False: write nothing yet.
    storage_options : mapping, optional
        For URLs: what their file system is made with.

    Returns
    -------
    list of str
        The paths, in order; with ``compute=False`` a `dask.delayed.Delayed` that gives them.

    Raises
    ------
    UnsupportedError
        dtype or rank have no encoding, chunks are unknown, or an option makes no sense.
    FileExistsError
        One of the files is there already, and `overwrite` is False. It is looked for when this
        is called; a task that is done again replaces what it has written itself.
    OSError
        A file cannot be written. Those that were written before stay.

    Examples
    --------
    >>> paths = tsr.dask.to_files(x, "parts/", mode="concatenate")
    >>> tsr.dask.from_files(paths, mode="concatenate")
    """
    array, axis = _check(array, mode, axis)
    options: dict[str, Any] = {
        "format": format, "compress": compress, "cast": cast, "lossy": lossy, "durable": durable,
    }  # fmt: skip
    stacked = mode == "stack"
    shape = tuple(1 for at in range(array.ndim) if not (stacked and at == axis))
    # A value that every cast keeps, to have what is wrong with dtype or rank said at once.
    writer.dumps(
        np.zeros(shape, array.dtype), format=format, compress=compress, cast=cast, lossy=lossy
    )
    count = array.shape[axis] if stacked else array.numblocks[axis]
    names = partial(_names, *_split(os.fsdecode(destination)), len(str(max(0, count - 1))))
    paths = names(0, count)
    _prepare(paths, overwrite, storage_options)
    if storage_options:
        options["storage_options"] = dict(storage_options)
    joined = {at: -1 for at in range(array.ndim) if at != axis}
    whole = array.rechunk(joined)  # type: ignore[no-untyped-call] # it has no hints
    starts = np.cumsum([0, *whole.chunks[axis]]).tolist() if stacked else list(range(count + 1))
    indexes = tuple(range(whole.ndim))
    token = tokenize(whole.name, paths[:1], mode, axis, options)
    done = da.blockwise(  # type: ignore[no-untyped-call] # it has no hints
        _store, indexes, whole, indexes, _Starts(whole.chunks, starts, axis), indexes,
        adjust_chunks=dict.fromkeys(indexes, 1), align_arrays=False, name=f"tsr-store-{token}",
        meta=np.empty((0,) * whole.ndim, bool),
        names=names, axis=axis, stacked=stacked, options=options,
    )  # fmt: skip
    written = delayed(_all, pure=False)(done, names, count)
    return list(written.compute()) if compute else written


class _Starts(ArrayBlockwiseDep):
    """Gives a task the number of the first file that its block makes."""

    def __init__(self, chunks: tuple[tuple[int, ...], ...], starts: list[int], axis: int) -> None:
        super().__init__(chunks)
        self._starts = starts
        self._axis = axis

    def __getitem__(self, idx: tuple[int, ...]) -> int:
        return self._starts[idx[self._axis]]


def _check(array: da.Array, mode: str, axis: int) -> tuple[da.Array, int]:
    if not isinstance(array, da.Array):
        raise UnsupportedError(
            f"array: got {type(array).__name__}, expected a dask.array.Array", given=type(array)
        )
    if mode not in ("stack", "concatenate"):
        raise UnsupportedError(f"mode: got {mode!r}, expected 'stack' or 'concatenate'", given=mode)
    if not isinstance(axis, int) or not -array.ndim <= axis < array.ndim:
        raise UnsupportedError(f"axis: got {axis!r} for an array of rank {array.ndim}", given=axis)
    if any(np.isnan(length) for lengths in array.chunks for length in lengths):
        raise UnsupportedError(
            "array: got chunks of unknown lengths; array.compute_chunk_sizes() finds them"
        )
    return array, axis % array.ndim


def _split(destination: str) -> tuple[str, str]:
    # What stands before and behind the number.
    folder, name = os.path.split(destination)
    if _STAR in folder or name.count(_STAR) > 1:
        raise UnsupportedError(
            f"destination: got {destination!r}, expected a folder, or one * in the last part"
        )
    if _STAR in name:
        before, behind = destination.split(_STAR)
        return before, behind
    if name.lower().endswith(".tsr"):
        raise UnsupportedError(
            f"destination: got {destination!r}, expected a folder, or a name with a * for numbers"
        )
    return destination.rstrip("/") + "/", ".tsr"


def _names(before: str, behind: str, digits: int, start: int, stop: int) -> list[str]:
    return [f"{before}{number:0{digits}}{behind}" for number in range(start, stop)]


def _prepare(paths: list[str], overwrite: bool, storage_options: Mapping[str, Any] | None) -> None:
    # The folder is there, and none of the files.
    if not paths:
        return
    folder = os.path.dirname(paths[0])
    if is_url(folder):
        from tsr import remote

        if not overwrite and remote.is_folder(folder, storage_options):
            there = {entry.url for entry in remote.list_objects(folder, storage_options)}
            taken = [path for path in paths if path in there]
        else:
            taken = []
    else:
        os.makedirs(folder or ".", exist_ok=True)
        names = set() if overwrite else set(os.listdir(folder or "."))
        taken = [path for path in paths if os.path.basename(path) in names]
    if taken:
        raise occupied(taken[0], "overwrite=True")


def _store(
    block: NDArray[Any],
    start: int,
    *,
    names: Any,
    axis: int,
    stacked: bool,
    options: dict[str, Any],
) -> NDArray[Any]:
    # What a task does: a file for the block, or one for each entry.
    arrays = np.moveaxis(block, axis, 0) if stacked else [block]
    for path, array in zip(names(start, start + len(arrays)), arrays, strict=True):
        writer.save(path, np.asarray(array), **options)
    return np.ones((1,) * block.ndim, bool)


def _all(done: NDArray[Any], names: Any, count: int) -> list[str]:
    del done  # all is written
    paths: list[str] = names(0, count)
    return paths
