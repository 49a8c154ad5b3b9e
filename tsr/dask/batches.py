"""What a worker does: a batch of files of a folder -> converted ones, and what became of each.

Nothing is raised but what is no fault of a file.
"""

from __future__ import annotations

import os
from stat import S_ISDIR
from typing import TYPE_CHECKING, NamedTuple

from tsr.converters import plan
from tsr.converters.conversion import Conversion, convert_each
from tsr.converters.walk import walk
from tsr.dask.sources import unpack
from tsr.errors import TSRError

if TYPE_CHECKING:
    from tsr.converters.tree import Options

__all__ = ["Outcome", "Recipe", "convert_batch", "stamp"]


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
    """Convert files one after the other, and replace what is in their places.

    Parameters
    ----------
    recipe : Recipe
    names : bytes
        The files, relative to the source, packed.
    """
    return [_convert(recipe, os.path.join(recipe.source, name)) for name in unpack(names)]


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


def _convert(recipe: Recipe, path: str) -> Outcome:
    try:
        job = plan.plan_each(path, recipe.source, recipe.destination, recipe.to)
        result = convert_each([job], recipe.options)[0]
        made = [] if result.destination is None else stamp(result.destination)
    except (TSRError, OSError) as error:
        return Outcome(Conversion(path, None, 0, error), [])
    return Outcome(result, made)
