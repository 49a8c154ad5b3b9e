"""A folder -> batches of what is still to be converted in it, announced in the journal.

Raises `ConversionError` for paths that make no sense together, and `OSError` for a journal or
folder that cannot be written.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from tsr.atomic import occupied
from tsr.converters import plan
from tsr.converters.conversion import Conversion
from tsr.converters.registry import file_suffix
from tsr.converters.tree import DEPTH_MAX
from tsr.dask.batches import FREE, REPLACE, Recipe, stamp
from tsr.dask.sources import pack
from tsr.errors import ConversionError, TSRError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.dask.journal import Journal

__all__ = ["Batch", "Work", "find_names"]

# Files a task, and their bytes: by then what a task costs is little beside what it does.
FILES_MAX = 500
_BYTES_MAX = 128 << 20

# Each thread of the cluster is to have some tasks, for they do not take the same time.
_TASKS_A_THREAD = 4

# A file that `tsr.atomic` had not completed.
_UNFINISHED = re.compile(r"(.+)\.[0-9]+-[0-9]+\.tmp")


@dataclass
class Batch:
    """What one task converts.

    Attributes
    ----------
    names : list of str
        Relative to the source.
    states : list of list of int
        The stamp of each, taken before it is read.
    taken : set of str
        The names in whose places is what may be replaced.
    """

    names: list[str] = field(default_factory=list)
    states: list[list[int]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    @property
    def packed(self) -> bytes:
        """The names, as a task takes them."""
        return pack([(REPLACE if name in self.taken else FREE) + name for name in self.names])

    def singles(self) -> list[Batch]:
        """Give a batch for each."""
        pairs = zip(self.names, self.states, strict=True)
        return [Batch([name], [state], self.taken & {name}) for name, state in pairs]


class Work:
    """What there is to do in a run, and what of it needs no worker.

    Parameters
    ----------
    recipe : Recipe
    names : list of str
        All sources, relative to the folder.
    journal : Journal
    overwrite : bool
    files_per_task : int, optional
    threads : int
        Those of the cluster.

    Attributes
    ----------
    skipped : int
        What was done before.
    refused : list of Conversion
        What cannot be begun; who takes them empties the list.
    """

    def __init__(
        self,
        recipe: Recipe,
        names: list[str],
        journal: Journal,
        *,
        overwrite: bool,
        files_per_task: int | None,
        threads: int,
    ) -> None:
        self.skipped = 0
        self.refused: list[Conversion] = []
        self.recipe = recipe
        self._names = names
        self._journal = journal
        self._overwrite = overwrite
        share = -(-len(names) // (_TASKS_A_THREAD * max(1, threads)))
        self._count_max = files_per_task or max(1, min(FILES_MAX, share))
        # Names come in such an order that a folder is left for those in it alone.
        self._listed = lru_cache(DEPTH_MAX)(_names_in)
        self._taken: set[str] = set()
        self._folders: set[str] = set()
        self._made: list[str] = []

    def batches(self) -> Iterator[Batch]:
        """Give what is to be done, by count and by bytes; each batch is announced first."""
        batch, size = Batch(), 0
        for name in self._names:
            state = self._check(name)
            if state is None:
                continue
            if batch.names and size + state[0] > _BYTES_MAX:
                yield self._announced(batch)
                batch, size = Batch(), 0
            batch.names.append(name)
            batch.states.append(state)
            if self._overwrite or name in self._taken:
                batch.taken.add(name)
                self._taken.discard(name)
            size += state[0]
            if len(batch.names) >= self._count_max:
                yield self._announced(batch)
                batch, size = Batch(), 0
        if batch.names:
            yield self._announced(batch)

    def places(self, name: str, is_folder: bool | None = None) -> list[str]:
        """Give where the result of a source may be: a file, or a folder too."""
        recipe = self.recipe
        if is_folder is None:
            is_folder = os.path.isdir(os.path.join(recipe.source, name))
        base = os.path.join(recipe.destination, name if is_folder else os.path.splitext(name)[0])
        suffix = recipe.to or plan.TSR
        return [base + file_suffix(suffix), *([base] if suffix == plan.TSR else [])]

    def remove_folders(self) -> None:
        """Remove folders that were made for results, where there came none."""
        for folder in reversed(self._made):
            with suppress(OSError):  # there is something in it
                os.rmdir(folder)

    def sweep(self) -> None:
        """Remove unfinished files of workers that were killed. Nobody may be at work any more."""
        found: dict[str, list[str]] = {}
        folders = {os.path.dirname(name) for name in self._names}
        for folder in folders:
            place = os.path.join(self.recipe.destination, folder)
            with suppress(FileNotFoundError), os.scandir(place) as entries:
                for entry in entries:
                    match = _UNFINISHED.fullmatch(entry.name)
                    if match and entry.is_file(follow_symlinks=False):
                        target = os.path.join(place, match[1])
                        found.setdefault(os.path.normpath(target), []).append(entry.path)
        if not found:
            return
        for name in self._names:
            for path in found.get(os.path.normpath(self.places(name)[0]), ()):
                with suppress(OSError):
                    os.unlink(path)

    def _check(self, name: str) -> list[int] | None:
        # The state of a source that is to be converted.
        path = os.path.join(self.recipe.source, name)
        try:
            state = stamp(path)
            places = self.places(name, is_folder=len(state) > 2)
            # To ask for each costs more than all else here, most of all on a file system of many.
            listed = self._listed(os.path.dirname(places[0]))
            there = [place for place in places if os.path.basename(place) in listed]
            if there and self._journal.is_done(name, state):
                self.skipped += 1
                return None
            if there and not self._overwrite:
                self._check_free(name, path, there)
                self._taken.add(name)
        except (TSRError, OSError) as error:
            self.refused.append(Conversion(path, None, 0, error))
            return None
        return state

    def _check_free(self, name: str, path: str, there: list[str]) -> None:
        # What is there and could be in the way is of an earlier run.
        recipe = self.recipe
        job = plan.plan_each(path, recipe.source, recipe.destination, recipe.to)
        for place in job.destinations():
            if place not in there or (os.path.isdir(place) and not os.listdir(place)):
                continue
            made = stamp(place) if os.path.exists(place) else []
            if not self._journal.may_replace(name, made):
                raise occupied(place)

    def _announced(self, batch: Batch) -> Batch:
        self._journal.announce(batch.names)
        for name in batch.names:
            # Workers that made and removed a folder for a file would be in each other's way.
            self._make_folder(os.path.dirname(name))
        return batch

    def _make_folder(self, folder: str) -> None:
        if not folder or folder in self._folders:
            return
        self._make_folder(os.path.dirname(folder))
        self._folders.add(folder)
        path = os.path.join(self.recipe.destination, folder)
        with suppress(FileExistsError):
            os.mkdir(path)
            self._made.append(path)


def find_names(
    source: str, destination: str, to: str | None
) -> tuple[list[str], dict[str, TSRError | OSError]]:
    """List what there is to convert in a folder, relative to it, and what cannot be looked into.

    Raises
    ------
    ConversionError
        There is nothing, or something would be written from two sources.
    """
    if os.path.realpath(source) == os.path.realpath(destination):
        raise ConversionError("source and destination are the same folder", path=source)
    paths, errors = plan.find_convertible(source, destination)
    if not paths and not errors:
        raise ConversionError("nothing in the folder can be converted", path=source)
    if _may_collide(paths):
        plan.plan_batch(source, destination, to)  # which knows for sure, and takes its time
    start = len(os.path.join(source, ""))
    return [path[start:] for path in paths], errors


def _names_in(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except FileNotFoundError:
        return frozenset()


def _may_collide(paths: list[str]) -> bool:
    # Whether two of them may have the same name but for the suffix, or one that of a folder. What
    # is a folder of tensors is not asked: those keep all of their names.
    bases = set()
    folders = set()
    suffixed = []
    for path in paths:
        base, suffix = os.path.splitext(path)
        bases.add(base)
        if suffix:
            suffixed.append(path)
        folder = os.path.dirname(path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    return (
        len(bases) < len(paths) or not bases.isdisjoint(folders) or not bases.isdisjoint(suffixed)
    )
