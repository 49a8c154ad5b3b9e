"""Sources -> batches of rows, as they come, or all of them as a table.

A bad source is a row. Raises `UnsupportedError` for what is no source at all and for options that
cannot be met, and `MissingExtraError` where a URL needs a package that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Sized
from contextlib import closing
from functools import partial
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tsr.contents import read_layout
from tsr.errors import FormatError, TSRError, UnsupportedError
from tsr.layout import TSR4_MAGIC
from tsr.remote.urls import refuse_options
from tsr.scanning.facts import Facts, Judge
from tsr.scanning.local import LISTED, MATCHED, SOURCE, LocalFiles, Tensors
from tsr.scanning.sources import matches, runs, walked
from tsr.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from tsr.remote import Entry
    from tsr.scanning.local import Found
    from tsr.scanning.remote import RemoteFiles
    from tsr.scanning.sources import Sources
    from tsr.scanning.table import Table
    from tsr.streams import BinaryReader

    # Takes how many files are done, of how many, if that is known, and the last of them.
    Progress = Callable[[int, int | None, str], object]

__all__ = ["Batch", "scan", "scan_batches", "scan_stream"]

# The rows of a batch, some more or less; and those of one that comes from a distance.
_ROWS = 1 << 12
_REMOTE_ROWS = 1 << 6

# Listed files that are looked at together, and requests that are under way at once.
_TOGETHER = 1 << 9
_REQUESTS = 32


class Batch(NamedTuple):
    """Rows of a scan, column by column.

    Attributes
    ----------
    paths : list of str
    indexes : list of int
        Of each tensor in its file; 0 of a bad file.
    facts : list of Facts
    """

    paths: list[str]
    indexes: list[int]
    facts: list[Facts]


def scan(
    sources: Sources,
    *,
    strict: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Table:
    """Make a table of what the headers of files say, of any number of files.

    Only headers are read, and the directories of TSR4 files: 64 bytes of most files. No payload
    is looked at; `tsr.validate` does that.

    Parameters
    ----------
    sources : path, or iterable of paths
        Files, folders, searched to their depths for ``.tsr`` files, patterns, where nothing has
        that very name (``*``, ``?``, ``[...]``, ``**`` for any folders), and URLs of any of
        these. In folders and by patterns nothing hidden is found, and symbolic links to folders
        are not followed in a folder; links to files are. An iterable is consumed as it is needed.
    strict : bool, default True
        False accepts set reserved fields and bytes after the last payload.
    workers : int, optional
        Threads. By default 32 wait for storage behind URLs, and local files are read by the
        calling thread alone, which is fastest for a disk; a file system on a network takes more.
    progress : callable, optional
        Called as ``progress(done, total, name)`` now and then: the files done, how many there
        are, or None where folders, patterns or an iterator leave that open, and the last name.
    storage_options : mapping, optional
        For the file systems of fsspec behind URLs.

    Returns
    -------
    Table
        A row for each tensor, and one for each bad file or source: in the order of the sources,
        and sorted in folders and by patterns. What is given twice has its rows twice.

    Raises
    ------
    UnsupportedError
        Something among the sources is no path, or there are `storage_options` and no URL.
    MissingExtraError
        A URL needs a package that is not installed.

    Notes
    -----
    Nothing about a file is raised: a missing file, a pattern that matches nothing or a folder
    without a ``.tsr`` file is a row of status ``"error"``, a file that breaks a rule of its
    format one of status ``"invalid"``.
    """
    from tsr.scanning.table import build_table

    with closing(
        scan_batches(
            sources, strict=strict, workers=workers, progress=progress,
            storage_options=storage_options,
        )
    ) as batches:  # fmt: skip
        return build_table(batches)


def scan_batches(
    sources: Sources,
    *,
    strict: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Generator[Batch, None, None]:
    """Scan like `scan`, and give the rows as they come, in memory that does not grow."""
    if workers is not None and workers < 1:
        raise UnsupportedError(f"workers: got {workers}, expected 1 or more", given=workers)
    scanner = _Scanner(strict, workers, storage_options)
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    total = len(sources) if isinstance(sources, Sized) else None
    done = 0
    for batch in scanner.batches(sources):
        yield batch
        if progress is not None:
            done += batch.indexes.count(0)
            progress(done, None if scanner.expanded else total, batch.paths[-1])
    if not scanner.met_url:
        refuse_options(storage_options)


def scan_stream(stream: BinaryReader, path: str, strict: bool) -> Batch:
    """Scan what a file object gives, and call it `path`.

    Its size is not checked where it is no plain file, and it cannot be scanned again.
    """
    judge = Judge(strict)
    try:
        layout = read_layout(stream, strict)
    except FormatError as error:
        return Batch([path], [0], [judge.invalid(error)])
    count = len(layout.infos)
    facts = [judge.tensor(info, layout.format) for info in layout.infos]
    return Batch([path] * count, list(range(count)), facts)


class _Scanner:
    # Attributes: expanded, whether a source stood for others; met_url, whether one was a URL.

    def __init__(
        self, strict: bool, workers: int | None, storage_options: Mapping[str, Any] | None
    ) -> None:
        self.expanded = False
        self.met_url = False
        self._judge = Judge(strict)
        self._local = LocalFiles(self._judge)
        self._workers = workers
        self._options = storage_options
        self._remote: RemoteFiles | None = None

    def batches(self, sources: Sources) -> Iterator[Batch]:
        for remote, group in groupby(runs(sources), itemgetter(0)):
            some = map(itemgetter(1), group)
            if remote:
                self.met_url = True
                yield from self._look_remote(chain.from_iterable(some))
            else:
                yield from self._look_local(some, SOURCE)

    # -------------------------------------------------------------- local

    def _look_local(self, groups: Iterable[list[str]], level: int) -> Iterator[Batch]:
        def look(paths: list[str]) -> tuple[list[str], list[Found]]:
            return paths, self._local.look(paths, level)

        with closing(in_order(look, groups, self._workers or 1)) as looked:
            for paths, found in looked:
                yield from self._rows(paths, found, self._local_folder, self._local_pattern)

    def _local_folder(self, folder: str) -> Iterator[Batch]:
        self.expanded = True
        for wrong, some in groupby(walked(folder), lambda item: isinstance(item, OSError)):
            if wrong:
                for error in cast("Iterator[OSError]", some):
                    yield self._failure(str(error.filename), error)
            else:
                yield from self._look_local(_grouped(cast("Iterator[str]", some)), LISTED)

    def _local_pattern(self, pattern: str) -> Iterator[Batch]:
        self.expanded = True
        try:
            found = matches(pattern)
        except OSError as error:
            yield self._failure(pattern, error)
            return
        yield from self._look_local(_grouped(found), MATCHED)

    # -------------------------------------------------------------- remote

    def _look_remote(self, sources: Iterable[str | Entry]) -> Iterator[Batch]:
        from tsr.scanning.remote import RemoteFiles

        files = self._remote = self._remote or RemoteFiles(self._judge, self._options)

        def look(source: str | Entry) -> tuple[str, Found]:
            return source if isinstance(source, str) else source.url, files.look(source)

        with closing(in_order(look, sources, self._workers or _REQUESTS)) as looked:
            while some := list(islice(looked, _REMOTE_ROWS)):
                paths, found = map(list, zip(*some, strict=True))
                yield from self._rows(
                    paths, found, partial(self._remote_list, is_folder=True),
                    partial(self._remote_list, is_folder=False),
                )  # fmt: skip

    def _remote_list(self, url: str, is_folder: bool) -> Iterator[Batch]:
        from tsr.scanning.remote import listed

        self.expanded = True
        items = listed(url, is_folder, self._options)
        for wrong, some in groupby(items, lambda item: isinstance(item, Exception)):
            if wrong:
                for error in cast("Iterator[Exception]", some):
                    yield self._failure(url, error)
            else:
                yield from self._look_remote(cast("Iterator[Entry]", some))

    # -------------------------------------------------------------- rows

    def _rows(
        self,
        paths: list[str],
        found: list[Any],
        folder: Callable[[str], Iterator[Batch]],
        pattern: Callable[[str], Iterator[Batch]],
    ) -> Iterator[Batch]:
        if set(map(type, found)) == {Facts}:  # as of most batches
            yield Batch(paths, [0] * len(paths), found)
            return
        rows = Batch([], [], [])
        for path, what in zip(paths, found, strict=True):
            if type(what) is Facts:
                _add(rows, path, (what,))
            elif type(what) is tuple:
                _add(rows, path, what)
            else:
                if rows.paths:
                    yield rows
                    rows = Batch([], [], [])
                if isinstance(what, Tensors):
                    yield from self._parts(path, what)
                else:
                    yield from (folder if what == "folder" else pattern)(path)
            if len(rows.paths) >= _ROWS:
                yield rows
                rows = Batch([], [], [])
        if rows.paths:
            yield rows

    def _parts(self, path: str, tensors: Tensors) -> Iterator[Batch]:
        first = 0
        try:
            for infos in tensors.parts():
                facts = list(map(self._judge.tensor, infos))
                count = len(facts)
                yield Batch([path] * count, list(range(first, first + count)), facts)
                first += count
        except FormatError as error:
            yield Batch([path], [0], [self._judge.invalid(error, TSR4_MAGIC)])
        except (OSError, TSRError) as error:
            yield self._failure(path, error)

    def _failure(self, path: str, error: Exception) -> Batch:
        return Batch([path], [0], [self._judge.failed(error)])


def _add(rows: Batch, path: str, facts: tuple[Facts, ...]) -> None:
    count = len(facts)
    rows.paths.extend([path] * count)
    rows.indexes.extend(range(count))
    rows.facts.extend(facts)


def _grouped(paths: Iterable[str]) -> Iterator[list[str]]:
    each = iter(paths)
    while some := list(islice(each, _TOGETHER)):
        yield some
