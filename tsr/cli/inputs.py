"""The paths and URLs a command was given -> the files that they stand for.

A path is a file, ``-`` for stdin, a folder, searched to its depths for ``.tsr`` files, or a
pattern that the shell left alone: ``*``, ``?``, ``[...]``, ``**``. In folders and by patterns
nothing hidden is found, as in a shell, and symbolic links to folders are not followed in a
folder. An unfinished file is not found either: its name ends with ``.tmp``. A URL stands for the
same things, but a folder among what matches a pattern is not searched; storage is only asked
where its list is needed, so never about a URL that ends with ``.tsr``. Errors go to the report.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import IO, TYPE_CHECKING

from tsr.errors import TSRError, UnsupportedError
from tsr.remote import urls
from tsr.remote.urls import is_url, local_path, scheme_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tsr.cli.report import Report

__all__ = ["STDIN", "expand", "is_remote_folder", "label", "matches", "opened", "refuse_urls"]

STDIN = "-"


def expand(arguments: Iterable[str], report: Report) -> Iterator[str]:
    """Give the files that the arguments stand for, each once: in order, and sorted where many."""
    given: set[str] = set()
    for argument in arguments:
        for match in matches(argument, report):
            for path in _files(match, report):
                if path not in given:
                    given.add(path)
                    yield path


def matches(argument: str, report: Report) -> list[str]:
    """Give the paths that match a pattern, sorted; what is no pattern stands for itself."""
    if is_url(argument):
        local = local_path(argument)
        return _remote_matches(argument, report) if local is None else matches(local, report)
    if not any(character in argument for character in "*?[") or os.path.lexists(argument):
        return [argument]
    from tsr.scanning import sources  # which most commands need not

    try:
        return sources.matches(argument)
    except OSError as error:
        report.add(error)
        return []


def label(path: str) -> str:
    """Give what people call the input, errors too: of a URL nothing that is secret."""
    if is_url(path):
        return urls.label(path)
    return "<stdin>" if path == STDIN else path


def opened(path: str) -> str | IO[bytes]:
    """Give what the readers of `tsr` take: the path or URL, or stdin's bytes for ``-``.

    Raises
    ------
    OSError
        The process has no stdin.
    """
    if path != STDIN:
        return path
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), label(path))
    return sys.stdin.buffer


def refuse_urls(command: str, *paths: str | None) -> None:
    """Refuse the URLs among the paths of a command that works on local files only.

    Raises
    ------
    UnsupportedError
        There is one.
    """
    for path in paths:
        if is_url(path):
            raise UnsupportedError(
                f"{label(path)}: got a URL, and {command} works on local files; expected a path",
                given=path,
            )


def total_size(paths: Collection[str]) -> int | None:
    """Add up what files hold; None where that is not known, or storage would have to be asked."""
    if STDIN in paths or any(map(is_url, paths)):
        return None
    return sum(map(size_of, paths))


def size_of(path: str) -> int:
    """Give what a file holds, 0 where it has no size: why is told when it is read."""
    if is_url(path):
        return 0
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def _files(match: str, report: Report) -> Iterator[str]:
    # What a path without a pattern stands for.
    if is_url(match):
        with report.blame(match):
            if not is_remote_folder(match):
                yield match
                return
            yield from _walk_remote(match, report)
    elif match != STDIN and os.path.isdir(match):
        yield from _walk(match, report)
    else:
        yield match


def is_remote_folder(url: str) -> bool:
    """Tell whether a URL leads to a folder; what is named like a ``.tsr`` file does not."""
    from tsr.remote import is_folder

    if url.endswith("/"):
        return True
    # To a web server all are pages, and telling what a page is takes all of it.
    is_file = urls.basename(url).lower().endswith(".tsr") or scheme_of(url) in ("http", "https")
    return not is_file and is_folder(url)


def _walk_remote(url: str, report: Report) -> Iterator[str]:
    from tsr.remote import list_objects

    found = False
    start = len(urls.links(url)[0].rstrip("/")) + 1
    for entry in list_objects(url):
        name = urls.links(entry.url)[0][start:]
        if name.lower().endswith(".tsr") and not _is_hidden(name):
            found = True
            yield entry.url
    if not found:
        report.add(FileNotFoundError(errno.ENOENT, "No .tsr file in this folder", label(url)))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _remote_matches(url: str, report: Report) -> list[str]:
    # What is hidden matches only what says so, as in a shell.
    from tsr.remote import list_objects
    from tsr.remote.listing import is_pattern

    if not is_pattern(url):
        return [url]
    pattern = urls.links(url)[0].partition("://")[2]
    fixed = pattern[: min(pattern.find(c) for c in "*?[" if c in pattern)]
    start = len(scheme_of(url)) + len("://") + fixed.rfind("/") + 1
    says_so = _is_hidden(pattern[fixed.rfind("/") + 1 :])
    try:
        found = [entry.url for entry in list_objects(url)]
    except (TSRError, OSError) as error:
        report.add(error, url)
        return []
    paths = [path for path in found if path == url or says_so or not _is_hidden(path[start:])]
    if not paths:
        report.add(FileNotFoundError(errno.ENOENT, "Nothing matches this pattern", label(url)))
    return sorted(paths)


def _walk(folder: str, report: Report) -> Iterator[str]:
    from tsr.scanning.sources import walked  # which most commands need not

    for found in walked(folder):
        if isinstance(found, OSError):
            report.add(found)
        else:
            yield found
