"""Two paths -> which file is to be written from which, before any is read.

Of ``.tsr`` files the first bytes are looked at, for two formats share the suffix.

A destination that exists as a folder, or ends with a slash, is a folder to write into; any other
is itself what is to be written. A folder with a ``tensors.json`` counts as one file, wherever it
stands. Raises `ConversionError` for paths that make no sense together.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tsr.converters import tsr4_file
from tsr.converters.folder import is_folder
from tsr.converters.registry import (
    Format,
    Holds,
    file_suffix,
    find_format,
    folder_format,
    suffix_of,
)
from tsr.converters.walk import walk
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from tsr.errors import TSRError

__all__ = [
    "TSR",
    "Job",
    "check_apart",
    "check_collisions",
    "find_convertible",
    "format_of",
    "is_batch",
    "lies_in",
    "plan_batch",
    "plan_each",
    "plan_one",
    "reader_of",
]

TSR = ".tsr"


@dataclass(frozen=True)
class Job:
    """One thing to convert.

    Attributes
    ----------
    source : str
        A file, or a folder of ``.tsr`` files.
    reader, writer : Format
    suffix : str
        The suffix of the format to write, or `TSR4`.
    file : str, optional
        The file to write. None: there is none, for the destination names a folder.
    folder : str, optional
        The folder of ``.tsr`` files to write instead where the source holds tensors by name.
    """

    source: str
    reader: Format
    writer: Format
    suffix: str
    file: str | None
    folder: str | None = None

    def destinations(self) -> list[str]:
        """Give the paths that may be written, for all that is known without reading."""
        paths = []
        if self.file is not None and (Holds.ONE in self.reader.HOLDS or self.folder is None):
            paths.append(self.file)
        if self.folder is not None and Holds.MANY in self.reader.HOLDS:
            paths.append(self.folder)
        return paths


def is_batch(source: str, destination: str) -> bool:
    """Tell whether each file in the folder `source` is to be converted by itself."""
    if not os.path.isdir(source) or is_folder(source):
        return False
    return _is_into(destination) or not suffix_of(destination)


def plan_one(source: str, destination: str, to: str | None) -> Job:
    """Plan the conversion of one file, or of one folder of ``.tsr`` files."""
    reader = reader_of(source)
    into, found = _is_into(destination), suffix_of(destination)
    if to is None and found and not into and find_format(found) is None:
        raise ConversionError(
            f"nothing writes {found} files; to='...' (--to) chooses a format, and a / at the end "
            "makes it a folder of .tsr files",
            path=destination,
        )
    if to is not None and not into and _contradicts(found, to):
        raise ConversionError(
            f"ends with {found}, and to={to!r} (--to) asks for another format; a / at the end "
            "makes it a folder",
            path=destination,
        )
    suffix = to or (found if found and not into else TSR)
    writer = format_of(suffix)
    target = destination.rstrip("/") or "/"
    if into:
        file = os.path.join(target, _stem(source) + file_suffix(suffix))
        job = Job(source, reader, writer, suffix, file, target if suffix == TSR else None)
    elif suffix != TSR or found == TSR:
        job = Job(source, reader, writer, suffix, target)
    else:
        job = Job(source, reader, writer, suffix, None if to is None else target, target)
    if os.path.realpath(source) in map(os.path.realpath, job.destinations()):
        raise ConversionError("source and destination are the same", path=source)
    return job


def plan_batch(
    source: str, destination: str, to: str | None
) -> tuple[list[Job], dict[str, TSRError | OSError]]:
    """Plan the conversion of each file in a folder and the folders in it.

    Files that nothing reads are left out, as are hidden ones and what is in `destination`.

    Returns
    -------
    jobs : list of Job
    errors : dict of str to Exception
        By path, what cannot be looked into: folders without permission, and symbolic links to
        folders, which are never followed.
    """
    if os.path.realpath(source) == os.path.realpath(destination):
        raise ConversionError("source and destination are the same folder", path=source)
    paths, errors = find_convertible(source, destination)
    jobs = [plan_each(path, source, destination, to) for path in paths]
    if not jobs and not errors:
        raise ConversionError("nothing in the folder can be converted", path=source)
    for job in jobs:
        if os.path.isdir(job.source) and lies_in(destination, job.source):
            raise ConversionError(f"the destination {destination} lies inside it", path=job.source)
    check_collisions(jobs)
    return jobs, errors


def plan_each(path: str, source: str, destination: str, to: str | None) -> Job:
    """Plan the conversion of one of what is in the folder `source`: it keeps its place."""
    suffix = to or TSR
    base = os.path.join(destination, os.path.relpath(path, source))
    if not os.path.isdir(path):
        base = os.path.splitext(base)[0]
    folder = base if suffix == TSR else None
    return Job(path, reader_of(path), format_of(suffix), suffix, base + file_suffix(suffix), folder)


def find_convertible(
    source: str, destination: str
) -> tuple[list[str], dict[str, TSRError | OSError]]:
    """Find all in a folder that can be converted, sorted, and the errors of `plan_batch`."""
    return _convertible(source, os.path.realpath(destination))


def check_apart(source: str, destination: str) -> None:
    """Check that a file or folder to write neither contains its source nor lies in it."""
    read, written = Path(os.path.realpath(source)), Path(os.path.realpath(destination))
    if read.is_relative_to(written) or written.is_relative_to(read):
        raise ConversionError(
            f"one of source and destination {destination} lies inside the other", path=source
        )


def lies_in(path: str, folder: str) -> bool:
    """Tell whether a path is that of a folder or of something in it, wherever links lead."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _contradicts(found: str, to: str) -> bool:
    # Whether files that end with `found` are of a known format, and of another than `to`.
    known = find_format(found) if found else None
    return known is not None and known is not find_format(file_suffix(to))


def _is_into(destination: str) -> bool:
    return destination.endswith("/") or os.path.isdir(destination)


def _stem(source: str) -> str:
    name = os.path.basename(os.path.realpath(source))
    return name if os.path.isdir(source) else os.path.splitext(os.path.basename(source))[0]


def reader_of(source: str) -> Format:
    """Find the format of a file, or of a folder.

    Raises
    ------
    ConversionError
        Nothing reads files of its suffix.
    """
    if os.path.isdir(source):
        return folder_format()
    suffix = suffix_of(source)
    if suffix == TSR and tsr4_file.is_tsr4(source):
        return tsr4_file
    reader = find_format(suffix) if suffix else None
    if reader is None:
        what = f"{suffix} files" if suffix else "files without a suffix"
        raise ConversionError(f"nothing reads {what}", path=source)
    return reader


def format_of(suffix: str) -> Format:
    """Give the format of a suffix that there is one for."""
    writer = find_format(suffix)
    assert writer is not None  # noqa: S101 - whoever names a suffix has looked
    return writer


def _convertible(source: str, excluded: str) -> tuple[list[str], dict[str, TSRError | OSError]]:
    # Every file that can be converted, and every folder that counts as one.
    found: list[str] = []
    errors: dict[str, TSRError | OSError] = {}
    for folder, folders, names in walk(source, errors.__setitem__):
        inner = [os.path.join(folder, name) for name in folders if not name.startswith(".")]
        inner = [path for path in inner if os.path.realpath(path) != excluded]
        found += [path for path in inner if is_folder(path)]
        folders[:] = [os.path.basename(path) for path in inner if not is_folder(path)]
        for name in names:
            path, suffix = os.path.join(folder, name), suffix_of(name)
            if name.startswith("."):
                continue
            if os.path.isdir(path):
                if os.path.realpath(path) != excluded:
                    errors[path] = ConversionError("a symbolic link to a folder", path=path)
            elif suffix and find_format(suffix) is not None:
                found.append(path)
    return sorted(found), errors


def check_collisions(jobs: list[Job]) -> None:
    """Check that each path, and each folder in which one lies, is written from one source only.

    Raises
    ------
    ConversionError
        It is not.
    """
    writers: dict[str, str] = {}
    for job in jobs:
        for path in job.destinations():
            if path in writers:
                raise ConversionError(
                    f"{path} would be written from this and from {writers[path]}", path=job.source
                )
        writers.update(dict.fromkeys(job.destinations(), job.source))
    for path, source in writers.items():
        parent = os.path.dirname(path)
        while parent:
            if parent in writers and writers[parent] != source:
                raise ConversionError(
                    f"{path} would be written into {parent}, which is written from "
                    f"{writers[parent]}",
                    path=source,
                )
            if parent == os.path.dirname(parent):
                break
            parent = os.path.dirname(parent)
