"""`convert` where a URL is among source, destination and names: by way of local copies.

A source is copied to the disk and converted there as any other, and what was made is sent where
it belongs: a file appears whole or not at all, a folder of ``.tsr`` files gets its
``tensors.json`` last. Raises the errors of `conversion`, which name URLs and never a copy.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tsr.atomic import OVERWRITE, AtomicFile, check_free, occupied
from tsr.converters import conversion, folder, plan, registry, remote_folder
from tsr.converters.conversion import Conversion
from tsr.converters.names import MANIFEST
from tsr.converters.parents import parents
from tsr.converters.registry import TSR4
from tsr.converters.stage import staged
from tsr.errors import ConversionError, ConversionWarning, TSRError, UnsupportedError
from tsr.remote.listing import exists, is_folder
from tsr.remote.uploading import check_writable, put_file, remove
from tsr.remote.urls import is_url, join, label, scheme_of
from tsr.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsr.converters.conversion import Progress
    from tsr.converters.plan import Job
    from tsr.converters.stage import Stage
    from tsr.converters.tree import Options

__all__ = ["Request", "convert_remote", "fetched", "is_remote_folder"]

# So many files of a folder are converted at once: most of the time they wait for storage.
_WORKERS = 8


@dataclass(frozen=True)
class Request:
    """What is asked for, where a URL is among it; see `tsr.convert`.

    Attributes
    ----------
    source, destination : str
    names, to : str, optional
    options : Options
    storage : mapping, optional
        What the file systems of the URLs are made with.
    """

    source: str
    destination: str
    names: str | None
    to: str | None
    options: Options
    storage: Mapping[str, Any] | None = None


def convert_remote(asked: Request, progress: Progress | None) -> list[Conversion]:
    """Convert, as `tsr.convert` does."""
    _check_places(asked)
    into = asked.destination.endswith("/") or _is_folder(asked.destination, asked)
    from_folder = _is_folder(asked.source, asked)
    batch = from_folder and (into or not registry.suffix_of(asked.destination))
    if batch and not _is_tensors(asked.source, asked):
        if asked.names is not None:
            raise UnsupportedError(
                f"names: got {label(asked.names)!r}, and each file in {label(asked.source)} is "
                "converted by itself; expected one source"
            )
        return _convert_batch(asked, progress)
    return [_convert_single(asked, from_folder, into, progress)]


def _check_places(asked: Request) -> None:
    # What is wrong with the places themselves, before anything is read.
    written = [asked.destination]
    if asked.names is not None and asked.to == TSR4:
        written.append(asked.names)
    for url in filter(is_url, written):
        check_writable(url)
    source, destination = asked.source.rstrip("/"), asked.destination.rstrip("/")
    if source == destination:
        raise ConversionError("source and destination are the same", path=label(asked.source))
    if asked.names is not None and _lies_in(asked.names, source, destination):
        raise ConversionError(
            "is one of the files of tensors, or lies among them; names need a file elsewhere",
            path=label(asked.names),
        )


def _lies_in(place: str, *folders: str) -> bool:
    return any(f"{place}/".startswith(f"{each}/") for each in folders)


def _is_folder(place: str, asked: Request) -> bool:
    if not is_url(place):
        return os.path.isdir(place)
    return is_remote_folder(place, asked.storage)


def is_remote_folder(url: str, storage: Mapping[str, Any] | None = None) -> bool:
    """Tell a folder; to a web server all are pages, and telling what a page is takes all of it."""
    web = scheme_of(url) in ("http", "https")
    return url.endswith("/") or (not web and is_folder(url, storage))


def _is_tensors(place: str, asked: Request) -> bool:
    if is_url(place):
        return exists(join(place, MANIFEST), asked.storage)
    return folder.is_folder(place)


# ------------------------------------------------------------------ one source


def _convert_single(
    asked: Request, from_folder: bool, into: bool, progress: Progress | None
) -> Conversion:
    ends = asked.source.rstrip("/"), asked.destination.rstrip("/")
    if from_folder and (_lies_in(ends[1], ends[0]) or _lies_in(*ends)):
        raise ConversionError(
            f"one of source and destination {label(ends[1])} lies inside the other",
            path=label(ends[0]),
        )
    with staged(asked.storage) as stage:
        destination = stage.place(ends[1]) if is_url(ends[1]) else asked.destination
        if into:
            destination = os.path.join(destination, "")
        if is_url(asked.source) and not from_folder:
            # What is wrong with all but the contents is told before they are copied.
            job = plan.plan_one(stage.place(asked.source), destination, asked.to)
            _check_targets(job, asked, stage)
        source = fetched(asked.source, from_folder, stage)
        job = plan.plan_one(source, destination, asked.to)
        if from_folder or not is_url(asked.source):
            _check_targets(job, asked, stage)
        return _convert_job(job, asked, stage, progress)


def fetched(source: str, from_folder: bool, stage: Stage) -> str:
    """Give the path of what is to be read: of a URL that of a copy."""
    if not is_url(source):
        return source
    if not from_folder:
        return stage.fetch(source)
    local = stage.place(source)
    remote_folder.fetch(source, local, stage.storage)
    return local


def _convert_job(
    job: Job, asked: Request, stage: Stage, progress: Progress | None = None
) -> Conversion:
    # A job whose paths are all local: what it makes is sent to where it belongs.
    sends = any(stage.url_of(path) is not None for path in job.destinations())
    options = replace(asked.options, durable=False) if sends else asked.options
    names = None
    if asked.names is not None:
        names = _local_names(asked.names, sends, asked, stage)
        job = conversion.with_names(job, names, asked.options.overwrite)
    before = {path for path in job.destinations() if os.path.lexists(path)}
    made = conversion.convert_one(job, options, progress)
    assert made.destination is not None  # noqa: S101 - an error would have been raised
    url = stage.url_of(made.destination)
    is_new = made.destination not in before
    if url is not None:
        is_new = _send(made.destination, url, asked)
    if names is not None and asked.to == TSR4 and stage.url_of(names) is not None:
        try:
            _send_names(names, asked)
        except BaseException:
            # Neither is there then, unless there was another before.
            with suppress(OSError):
                if is_new and url is not None:
                    remove(url, asked.storage)
                elif is_new:
                    os.unlink(made.destination)
            raise
    warning = made.warning and ConversionWarning(stage.told(str(made.warning)))
    source = stage.url_of(made.source) or made.source
    return replace(made, source=source, destination=url or made.destination, warning=warning)


def _check_targets(job: Job, asked: Request, stage: Stage) -> None:
    # Where only one thing can be written: whether it can.
    places = [(path, stage.url_of(path)) for path in job.destinations()]
    if len(places) == 1 and places[0][1] is not None:
        _check_free(places[0][1], places[0][0] == job.folder, asked)
    if asked.names is not None and asked.to == TSR4 and is_url(asked.names):
        _check_free(asked.names, False, asked)


def _check_free(url: str, as_folder: bool, asked: Request) -> None:
    overwrite = asked.options.overwrite
    if as_folder:
        remote_folder.check_replaceable(url, overwrite, asked.storage)
    elif not overwrite and exists(url, asked.storage):
        taken = is_folder(url, asked.storage)
        raise occupied(label(url), None if taken else OVERWRITE)


def _send(local: str, url: str, asked: Request) -> bool:
    # Put what was made behind a URL, and tell whether nothing was there before.
    if os.path.isdir(local):
        _check_free(url, True, asked)
        remote_folder.send(local, url, asked.storage)
        return False
    is_new = not asked.options.overwrite or not exists(url, asked.storage)
    _put(url, local, asked)
    return is_new


def _put(url: str, local: str, asked: Request) -> None:
    try:
        put_file(url, local, asked.storage, overwrite=asked.options.overwrite)
    except FileExistsError:
        _check_free(url, False, asked)
        raise


def _local_names(names: str, sends: bool, asked: Request, stage: Stage) -> str:
    # Names wait on the disk too where the tensors do, for they come behind those.
    if asked.to != TSR4:
        return stage.fetch(names) if is_url(names) else names
    if not is_url(names):
        check_free(names, asked.options.overwrite)
    return stage.place(names) if is_url(names) or sends else names


def _send_names(local: str, asked: Request) -> None:
    names, options = asked.names, asked.options
    assert names is not None  # noqa: S101 - there is a file of them
    if is_url(names):
        _put(names, local, asked)
        return
    check_free(names, options.overwrite)
    with open(local, "rb") as file:
        data = file.read()
    with parents(names, options.durable), AtomicFile(names, options.durable) as target:
        target.write(data)


# ------------------------------------------------------------------ each file of a folder


def _convert_batch(asked: Request, progress: Progress | None) -> list[Conversion]:
    found, errors = _find(asked)
    jobs = [_planned(name, place, is_tensors, asked) for name, place, is_tensors in found]
    if not jobs and not errors:
        raise ConversionError("nothing in the folder can be converted", path=label(asked.source))
    plan.check_collisions(jobs)

    def work(found: tuple[Job, bool]) -> Conversion:
        job, is_tensors = found
        try:
            with staged(asked.storage) as stage:
                local = _localised(job, stage)
                if job.folder is None or registry.suffix_of(job.source) != plan.TSR:
                    _check_targets(local, asked, stage)  # it is known what will be made
                source = fetched(job.source, is_tensors, stage)
                local = replace(local, source=source, reader=plan.reader_of(source))
                return _convert_job(local, asked, stage)
        except (TSRError, OSError) as error:
            return Conversion(job.source, None, 0, error)
        except MemoryError:
            failure = ConversionError("out of memory", path=label(job.source))
            return Conversion(job.source, None, 0, failure)

    results = [Conversion(path, None, 0, error) for path, error in errors.items()]
    given = [(job, is_tensors) for job, (_, _, is_tensors) in zip(jobs, found, strict=True)]
    with closing(in_order(work, given, min(_WORKERS, len(given)))) as made:
        for done, job in enumerate(jobs):
            if progress is not None:
                progress(done, len(jobs), label(job.source))
            results.append(next(made))
    if progress is not None:
        progress(len(jobs), len(jobs), "")
    return results


def _find(
    asked: Request,
) -> tuple[list[tuple[str, str, bool]], dict[str, TSRError | OSError]]:
    # What can be converted: its name in the folder, where it is, whether it is a folder of tensors.
    if not is_url(asked.source):
        paths, errors = plan.find_convertible(asked.source, "")
        return [
            (os.path.relpath(path, asked.source).replace(os.sep, "/"), path, os.path.isdir(path))
            for path in paths
        ], errors
    objects = [
        (name, url)
        for name, url in remote_folder.objects_in(asked.source, asked.storage)
        if not any(part.startswith(".") for part in name.split("/"))
        and not _lies_in(url, asked.destination.rstrip("/"))
    ]
    listed = {name.rpartition("/")[0] for name, _ in objects if name.endswith(f"/{MANIFEST}")}
    found: dict[str, tuple[str, str, bool]] = {}
    for name, url in objects:
        parts = name.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        whole = next((each for each in above if each in listed), None)
        if whole is not None:
            found[whole] = (whole, join(asked.source, whole), True)
        elif registry.suffix_of(name) and registry.find_format(registry.suffix_of(name)):
            found[name] = (name, url, False)
    return [found[name] for name in sorted(found)], {}


def _planned(name: str, place: str, is_tensors: bool, asked: Request) -> Job:
    # As plan_each does, but for what is behind URLs: which kind a .tsr file is shows later.
    suffix = asked.to or plan.TSR
    stem = name if is_tensors else os.path.splitext(name)[0]
    base = _below(asked.destination, stem)
    reader = registry.folder_format() if is_tensors else plan.format_of(registry.suffix_of(name))
    file = _below(asked.destination, stem + registry.file_suffix(suffix))
    return plan.Job(
        place, reader, plan.format_of(suffix), suffix, file, base if suffix == plan.TSR else None
    )


def _below(place: str, name: str) -> str:
    return join(place, name) if is_url(place) else os.path.join(place, *name.split("/"))


def _localised(job: Job, stage: Stage) -> Job:
    # The same with local paths in the place of the URLs to write.
    file, inner = (
        stage.place(path) if path is not None and is_url(path) else path
        for path in (job.file, job.folder)
    )
    return replace(job, file=file, folder=inner)
