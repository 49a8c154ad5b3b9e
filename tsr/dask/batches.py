"""What a worker does: a batch of files of a folder -> converted ones, and what became of each.

Nothing is raised but what is no fault of a file.
"""

from __future__ import annotations

import os
from dataclasses import replace
from filecmp import cmp
from stat import S_ISDIR
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from tsr.converters import plan
from tsr.converters.conversion import Conversion, convert_each
from tsr.converters.walk import walk
from tsr.dask.sources import unpack
from tsr.errors import TSRError

if TYPE_CHECKING:
    from tsr.converters.tree import Options

__all__ = ["FREE", "REPLACE", "Outcome", "Recipe", "convert_batch", "stamp"]

# What stands before a name: whether there is nothing in its place, or what may be replaced.
FREE, REPLACE = "-", "+"


class Recipe(NamedTuple):
    """What all batches of a run have in common.

    Attributes
    ----------
    source, destination : str
        The folders.
    to : str or None
        The suffix of the format to write.
    options : Options
    """

    source: str
    destination: str
    to: str | None
    options: Options


class Outcome(NamedTuple):
    """What became of one file.

    Attributes
    ----------
    result : Conversion
    made : list of int
        The stamp of what was written, taken where it was written.
    """

    result: Conversion
    made: list[int]


def convert_batch(recipe: Recipe, names: bytes) -> list[Outcome]:
    """Convert files one after the other.

    What somebody has put in the place of a free one since is not replaced. It counts as written
    where it is just what would be: so a batch goes on that a killed worker had begun.

    Parameters
    ----------
    recipe : Recipe
    names : bytes
        The files, relative to the source, packed: each behind `FREE`, or behind `REPLACE` where
        what is in its place may be replaced.
    """
    return [_convert(recipe, name[1:], name[:1] == REPLACE) for name in unpack(names)]


def stamp(path: str) -> list[int]:
    """Give what changes with a file, or with what is in a folder: sizes, times and their number.

    Raises
    ------
    OSError
        There is nothing.
    """
    status = os.stat(path)
    if not S_ISDIR(status.st_mode):
        return [status.st_size, status.st_mtime_ns]
    count, size, latest = 0, 0, status.st_mtime_ns
    for folder, _, names in walk(path):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            count, size = count + 1, size + status.st_size
            latest = max(latest, status.st_mtime_ns)
    return [size, latest, count]


def _convert(recipe: Recipe, name: str, overwrite: bool) -> Outcome:
    path = os.path.join(recipe.source, name)
    options = replace(recipe.options, overwrite=overwrite)
    try:
        job = plan.plan_each(path, recipe.source, recipe.destination, recipe.to)
        result = convert_each([job], options)[0]
        if isinstance(result.error, FileExistsError):
            result = _compared(recipe, path) or result
        made = [] if result.destination is None else stamp(result.destination)
    except (TSRError, OSError) as error:
        return Outcome(Conversion(path, None, 0, error), [])
    return Outcome(result, made)


def _compared(recipe: Recipe, path: str) -> Conversion | None:
    # The conversion that has made what is there, if it is what would be made.
    with TemporaryDirectory() as folder:
        result = convert_each(
            [plan.plan_each(path, recipe.source, folder, recipe.to)],
            replace(recipe.options, durable=False),
        )[0]
        if result.destination is None:
            return None
        there = os.path.join(recipe.destination, os.path.relpath(result.destination, folder))
        if not _is_same(result.destination, there):
            return None
        return replace(result, destination=there)


def _is_same(made: str, there: str) -> bool:
    if not os.path.isdir(made):
        return os.path.isfile(there) and cmp(made, there, shallow=False)
    if not os.path.isdir(there) or sorted(os.listdir(made)) != sorted(os.listdir(there)):
        return False
    return all(
        _is_same(os.path.join(made, name), os.path.join(there, name)) for name in os.listdir(made)
    )
