"""`convert`: a folder of files of one format -> one of another, by the workers of a cluster.

Raises `ConversionError` for paths that make no sense together, `UnsupportedError` for options that
make none, and `OSError` for a destination, or a cluster, that is not there. What is wrong with a
file is in the result.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tsr.converters import plan
from tsr.converters.conversion import Conversion, make_options
from tsr.dask.batches import Recipe, convert_batch
from tsr.dask.cluster import completed, connected
from tsr.dask.journal import Journal
from tsr.dask.sources import is_url
from tsr.dask.work import Work, find_names
from tsr.errors import ConversionError, ConversionWarning, UnsupportedError
from tsr.remote.urls import label

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from typing import TypeAlias

    from numpy.typing import DTypeLike

    from tsr.dask.batches import Outcome
    from tsr.dask.work import Batch

    Progress: TypeAlias = Callable[[int, int, str], object]

__all__ = ["PATIENCE", "Summary", "convert", "convert_folder"]

# Seconds without a worker. A killed one is back within a few, where something starts it again.
PATIENCE = 60.0


@dataclass
class Summary:
    """What became of a folder.

    Attributes
    ----------
    converted : int
        Files that were converted in this run.
    skipped : int
        Files that an earlier run had converted, unchanged since.
    failed : list of Conversion
        The others, each with its error.
    warnings : int
        Files of which something was not kept.
    warning : str
        What that was, of the first of them.
    """

    converted: int = 0
    skipped: int = 0
    failed: list[Conversion] = field(default_factory=list)
    warnings: int = 0
    warning: str = ""


def convert(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    client: Any = None,
    files_per_task: int | None = None,
    resume: bool = True,
    patience: float = PATIENCE,
    to: str | None = None,
    cast: DTypeLike | Mapping[Any, DTypeLike] | None = None,
    lossy: bool = False,
    dataset: str | None = None,
    strict: bool = True,
    overwrite: bool = False,
    compress: bool = False,
    durable: bool | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Convert each file in a folder as `tsr.convert` does, by the workers of a dask cluster.

    What is written is the same, byte for byte. A run that was cut off goes on with the next call:
    the journal ``.tsr-convert.jsonl`` in `dst` says what was done. It is done again where the
    source has changed in size or time, or where the result is gone; what failed is tried again.

    Parameters
    ----------
    src, dst : path
        Folders, no URLs, which the workers see under the same paths.
    client : distributed.Client or str, optional
        A client; the address of a scheduler, ``tcp://host:8786``; or ``"local"`` for processes on
        this machine, one a CPU, for as long as it takes. By default the current client.
    files_per_task : int, optional
        By default up to 500 files or 128 MiB, less where there are few.
    resume : bool, default True
        False: convert all, whatever the journal says. What is there needs `overwrite` then.
    patience : float, default 60
        Seconds to wait for a worker when there is none.
    to, cast, lossy, dataset, strict, compress, durable
        As for `tsr.convert`. Another `to`, `cast`, `lossy`, `dataset`, `strict` or `compress` than
        the last time needs `overwrite`.
    overwrite : bool, default False
        Replace what no run has made. What a run has made, and nobody changed since, is replaced
        in any case when its source has changed.
    progress : callable, optional
        Called as ``progress(done, total, name)`` after each file.

    Returns
    -------
    Summary
        How many files were converted and skipped, and the errors of those that failed: these
        stop no others.

    Raises
    ------
    ConversionError
        The paths make no sense together, or another option was used the last time.
    UnsupportedError
        An option makes no sense.
    BlockingIOError
        Another run converts into `dst`.
    ConnectionError
        The scheduler is gone, or there is no worker any more. The same call goes on later.
    OSError
        A folder cannot be read or written, or nobody answers at the address.

    Warns
    -----
    ConversionWarning
        Once for all: files lose something, as for `tsr.convert`.

    Notes
    -----
    A killed worker's files are done again by another; a file that kills every worker which tries
    it is one that failed. Ctrl-C cancels what waits: workers complete the batch they are at.
    The client keeps a path of each file, and a digest of what the journal has of it.
    """
    summary = Summary()
    runs = convert_folder(
        src, dst, summary, client=client, files_per_task=files_per_task, resume=resume,
        patience=patience, to=to, cast=cast, lossy=lossy, dataset=dataset, strict=strict,
        overwrite=overwrite, compress=compress, durable=durable, progress=progress,
    )  # fmt: skip
    for _ in runs:
        pass
    if summary.warnings:
        more = f" (and {summary.warnings - 1} more)" if summary.warnings > 1 else ""
        warnings.warn(ConversionWarning(summary.warning + more), stacklevel=2)
    return summary


def convert_folder(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    summary: Summary,
    *,
    client: Any,
    files_per_task: int | None,
    resume: bool,
    patience: float,
    overwrite: bool,
    durable: bool | None,
    progress: Progress | None,
    **wanted: Any,
) -> Generator[Conversion, None, None]:
    """Convert as `convert`, and give what becomes of each file when that is known.

    Parameters
    ----------
    summary : Summary
        Takes the counts.
    wanted
        The options on which the results depend.
    """
    source, destination = os.fsdecode(src), os.fsdecode(dst)
    if files_per_task is not None and (not isinstance(files_per_task, int) or files_per_task < 1):
        raise UnsupportedError(f"files_per_task: got {files_per_task!r}, expected an int above 0")
    # Whether something may be replaced is decided for each file.
    to, options = make_options(**wanted, overwrite=True, durable=durable)
    for path in (source, destination):
        if is_url(path):
            raise UnsupportedError(
                f"got {label(path)}, expected a folder that the workers see: the journal lies there"
            )
    if not plan.is_batch(source, destination):
        raise UnsupportedError(
            f"got {source!r} and {destination!r}, expected two folders: a cluster converts each "
            "file in one, tsr.convert a single file or folder of tensors"
        )
    names, errors = find_names(source, destination, to)
    recipe = Recipe(os.path.abspath(source), os.path.abspath(destination), to, options)
    known = {
        "to": to or plan.TSR, "cast": options.cast, "lossy": options.lossy,
        "dataset": options.dataset, "strict": options.strict, "compress": options.compress,
    }  # fmt: skip
    with connected(client) as found:
        os.makedirs(destination, exist_ok=True)
        with Journal(destination, source, known, resume=resume, durable=bool(durable)) as journal:
            _check_options(journal, overwrite, destination)
            work = Work(
                recipe, names, journal, overwrite=overwrite, files_per_task=files_per_task,
                threads=sum(found.nthreads().values()),
            )  # fmt: skip
            work.refused += [Conversion(path, None, 0, error) for path, error in errors.items()]
            run = _Run(work, journal, summary, progress, len(names) + len(errors))
            try:
                yield from run.results(found, partial(convert_batch, recipe), patience)
            finally:
                work.remove_folders()


class _Run:
    """Takes what becomes of files into the journal and the counts."""

    def __init__(
        self, work: Work, journal: Journal, summary: Summary, progress: Any, total: int
    ) -> None:
        self._work = work
        self._journal = journal
        self._summary = summary
        self._progress = progress
        self._total = total

    def results(self, client: Any, function: Any, patience: float) -> Iterator[Conversion]:
        """Have all done, and give what becomes of each file."""
        self._journal.begin()
        for batch, result in completed(client, function, self._work.batches(), patience):
            yield from self._refused()
            yield from self._take(batch, result)
        yield from self._refused()
        self._report("")
        if self._summary.converted or self._journal.cut_off:
            self._work.sweep()

    def _take(self, batch: Batch, result: list[Outcome] | Exception) -> Iterator[Conversion]:
        recipe = self._work.recipe
        if isinstance(result, ConversionError):
            path = os.path.join(recipe.source, batch.names[0])
            error = ConversionError(str(result), path=path)
            self._journal.record([self._failure(batch.names[0], error)])
            yield self._failed(Conversion(path, None, 0, error))
            return
        assert isinstance(result, list)  # noqa: S101 - there is nothing else
        self._journal.record(
            self._line(name, state, outcome)
            for name, state, outcome in zip(batch.names, batch.states, result, strict=True)
        )
        for outcome in result:
            if outcome.result.error is not None:
                yield self._failed(outcome.result)
                continue
            self._summary.converted += 1
            if outcome.result.warning is not None:
                self._summary.warnings += 1
                self._summary.warning = self._summary.warning or str(outcome.result.warning)
            self._report(outcome.result.source)
            yield outcome.result

    def _line(self, name: str, state: list[int], outcome: Outcome) -> dict[str, Any]:
        if outcome.result.error is not None:
            return self._failure(name, outcome.result.error)
        start = len(os.path.join(self._work.recipe.destination, ""))
        made = (outcome.result.destination or "")[start:]
        return {"done": name, "state": state, "destination": made, "made": outcome.made}

    def _failure(self, name: str, error: Exception) -> dict[str, Any]:
        # What is there all the same is left by a worker that was killed.
        left = any(map(os.path.lexists, self._work.places(name)))
        return {"failed": name, "error": str(error), "left": left}

    def _refused(self) -> Iterator[Conversion]:
        refused, self._work.refused = self._work.refused, []
        self._summary.skipped = self._work.skipped
        yield from map(self._failed, refused)

    def _failed(self, result: Conversion) -> Conversion:
        self._summary.failed.append(result)
        self._report(result.source)
        return result

    def _report(self, name: str) -> None:
        if self._progress is not None:
            counts = self._summary
            done = counts.converted + self._work.skipped + len(counts.failed)
            self._progress(done, self._total, name)


def _check_options(journal: Journal, overwrite: bool, destination: str) -> None:
    earlier = journal.other_options
    if earlier is None or overwrite:
        return
    raise ConversionError(
        f"was converted with other options the last time: {_shown(earlier)}; overwrite=True "
        "(--force) does it again",
        path=destination,
    )


def _shown(options: Any) -> str:
    if not isinstance(options, dict):
        return str(options)
    return ", ".join(f"{name}={value!r}" for name, value in options.items() if value)
