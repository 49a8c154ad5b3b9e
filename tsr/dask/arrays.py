"""`from_files`: many files -> one dask array.

Each block of the array is one task, which reads many small files, one large file, or some rows
of one. Raises `UnsupportedError` for files that do not go together, `FormatError` for broken
ones and `OSError` for what cannot be opened; a task raises them again for what has changed since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.dask.blocks import load_block, plan_blocks
from tsr.dask.headers import agree
from tsr.dask.sources import find_files
from tsr.errors import UnsupportedError
from tsr.extras import require

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from typing import Literal

    import dask.array as da

    from tsr.dask.headers import Common
else:
    da = require("dask.array", "dask", "tsr.dask")

from dask.base import tokenize

__all__ = ["from_files"]


def from_files(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    mode: Literal["stack", "concatenate"] = "stack",
    axis: int = 0,
    index: int | None = None,
    files_per_task: int | None = None,
    rows_per_task: int | None = None,
    strict: bool = True,
    check: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> da.Array:
    """Show many files as one dask array. Headers are read and compared, payloads are not.

    Parameters
    ----------
    sources : path or URL, or iterable of them
        A folder, searched to its depths for ``.tsr`` files; a pattern with ``*``, ``?``,
        ``[...]`` or ``**``; or the files themselves. What is found comes in the natural order of
        names, ``x2.tsr`` before ``x10.tsr``; what is given in the order given.
    mode : {"stack", "concatenate"}, default "stack"
        As `numpy.stack` or `numpy.concatenate`: along a new axis, or an axis that the files have
        and along which their lengths may differ.
    axis : int, default 0
    index : int, optional
        Which tensor of each TSR4 file, from 0 on; by default a file has to hold one.
    files_per_task : int, optional
        By default as many as make dask's ``array.chunk-size``, 128 MiB, but no more than 500. A
        larger file is a task of its own.
    rows_per_task : int, optional
        Cut every file along its first axis into blocks of so many rows, each a task. Only
        for TSR v1: the checksum of a TSR4 tensor goes over all of it.
    strict : bool, default True
        As for `tsr.load`.
    check : bool, default True
        False reads the first header only. The others are checked when they are loaded, as all
        are in any case.
    storage_options : mapping, optional
        For URLs: what their file system is made with.

    Returns
    -------
    dask.array.Array
        float32, int8 or int32, or float16 from TSR4 files. Its name, on which dask's caches go,
        depends on the paths and on the sizes and times or versions of the files, with
        ``check=False`` only on those of the first.

    Raises
    ------
    UnsupportedError
        The files differ in dtype or shape: the message names those that do. Or an option makes
        no sense.
    FormatError
        A file is not valid.
    OSError
        A file cannot be opened; `FileNotFoundError` where there is none.

    Examples
    --------
    >>> images = tsr.dask.from_files("images/")
    >>> images.mean(axis=0).compute()
    >>> table = tsr.dask.from_files("parts/*.tsr", mode="concatenate")
    """
    if mode not in ("stack", "concatenate"):
        raise UnsupportedError(f"mode: got {mode!r}, expected 'stack' or 'concatenate'", given=mode)
    for name, value in (("files_per_task", files_per_task), ("rows_per_task", rows_per_task)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise UnsupportedError(f"{name}: got {value!r}, expected an int above 0", given=value)
    paths = find_files(sources, storage_options)
    common = agree(
        paths,
        stacked=mode == "stack",
        axis=axis,
        index=index,
        strict=strict,
        check=check,
        storage_options=storage_options,
    )
    if rows_per_task is not None:
        _check_rows(common, files_per_task)
    blocks = plan_blocks(paths, common, files_per_task, rows_per_task)
    dtype = common.element.numpy
    options = dict(storage_options or {})
    token = tokenize(common.digest, mode, common.axis, index, blocks.chunks, strict, options)
    indexes = tuple(range(len(blocks.chunks)))
    array: da.Array = da.blockwise(  # type: ignore[no-untyped-call] # it has no hints
        load_block, indexes, blocks, indexes,
        name=f"tsr-files-{token}", meta=np.empty((0,) * len(indexes), dtype), align_arrays=False,
        # What the function takes; dask's own arguments have come before.
        element=dtype, axis=common.axis, stacked=mode == "stack", index=index, strict=strict,
        options=options,
    )  # fmt: skip
    return array


def _check_rows(common: Common, files_per_task: int | None) -> None:
    if files_per_task not in (None, 1):
        raise UnsupportedError(
            f"files_per_task: got {files_per_task}, and rows_per_task gives each file several tasks"
        )
    if not common.splits:
        raise UnsupportedError(
            "rows_per_task: got TSR4 files, whose checksums go over whole tensors; expected TSR v1"
        )
    if not common.shape:
        raise UnsupportedError("rows_per_task: got files of rank 0, which have no rows")
