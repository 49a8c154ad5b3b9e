"""A folder of ``.tsr`` files behind a URL <-> its copy on the disk.

Storage has no folders that appear as a whole, so ``tensors.json`` comes last: without it, a folder
is none of tensors. Raises `ConversionError` for a folder that is not to be replaced and `OSError`.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tsr.atomic import occupied
from tsr.converters import folder
from tsr.converters.names import MANIFEST, SUFFIX
from tsr.converters.stage import staged
from tsr.converters.walk import walk
from tsr.errors import ConversionError
from tsr.remote.listing import list_objects
from tsr.remote.scratch import download
from tsr.remote.uploading import move, put_file, remove
from tsr.remote.urls import join, label, links
from tsr.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["check_replaceable", "fetch", "objects_in", "send"]

# So many objects are on their way at once.
_WORKERS = 16


def objects_in(url: str, storage: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Give the name, relative to the folder, and the URL of each object in it, sorted."""
    start = links(url)[0].rstrip("/") + "/"
    for entry in list_objects(url, storage):
        name = links(entry.url)[0].removeprefix(start)
        if name and not name.endswith("/"):  # some tools mark folders by empty objects
            yield name, entry.url


def fetch(url: str, local: str, storage: Mapping[str, Any] | None) -> None:
    """Copy what is read of a folder of ``.tsr`` files: those and each ``tensors.json``."""

    def copy(found: tuple[str, str]) -> None:
        name, inner = found
        download(inner, _path(local, name, inner), storage)

    os.mkdir(local)
    wanted = [
        found
        for found in objects_in(url, storage)
        if found[0].lower().endswith(SUFFIX) or found[0].rpartition("/")[2] == MANIFEST
    ]
    _each(copy, wanted)


def check_replaceable(url: str, overwrite: bool, storage: Mapping[str, Any] | None) -> None:
    """Check that a folder can be put behind a URL without a loss, as is done for local ones.

    Raises
    ------
    FileExistsError
        Something is there; with `overwrite`, something that is no folder.
    ConversionError
        With `overwrite`: the folder has other things in it than its ``tensors.json`` lists.
    """
    try:
        found = dict(objects_in(url, storage))
    except FileNotFoundError:
        return
    if not found:
        return
    if [*found.values()] == [url.rstrip("/")]:  # an object is called so
        raise occupied(label(url), None)
    if not overwrite:
        raise occupied(label(url))
    with staged(storage) as stage:
        # The names in it, and what tensors.json says, are all that counts.
        local = stage.place(url)
        for name in found:
            path = _path(local, name, found[name])
            if name == MANIFEST:
                download(found[name], path, storage)
            else:
                open(path, "xb").close()
        folder.check_replaceable(local, overwrite)


def send(local: str, url: str, storage: Mapping[str, Any] | None) -> None:
    """Put a local folder behind a URL, in the place of the folder of tensors that is there.

    An error before all of it is in the storage leaves what was there, and of the new nothing. One
    after that, while it takes the place of the other, leaves the new folder whole, in a place of
    its own that the error names.
    """
    try:
        old = dict(objects_in(url, storage))
    except FileNotFoundError:
        old = {}
    names = _names_in(local)
    if not old:
        _send_all(local, names, url, storage)
        return
    above, _, last = url.rstrip("/").rpartition("/")
    place = join(above, f".tsr-{secrets.token_hex(8)}-{last}.tmp")
    _send_all(local, names, place, storage)
    try:
        # From here on there is no whole folder, for a moment.
        remove(join(url, MANIFEST), storage)
        _each(
            lambda name: move(join(place, name), join(url, name), storage),
            [name for name in names if name != MANIFEST],
        )
        move(join(place, MANIFEST), join(url, MANIFEST), storage)
        _each(lambda name: remove(old[name], storage), [name for name in old if name not in names])
    except OSError as error:
        error.strerror = f"{error.strerror}; what did not get there is in {label(place)}"
        raise


def _path(local: str, name: str, url: str) -> str:
    # Where the copy of an object in a folder belongs, never outside of it.
    parts = name.split("/")
    if {"", ".", ".."} & {*parts} or (os.sep != "/" and os.sep in name):
        raise ConversionError("no file can have this name", path=label(url))
    path = os.path.join(local, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _names_in(local: str) -> list[str]:
    # The listing last.
    names = [
        os.path.relpath(os.path.join(inner, name), local).replace(os.sep, "/")
        for inner, _, found in walk(local)
        for name in found
    ]
    return sorted(names, key=lambda name: (name == MANIFEST, name))


def _send_all(local: str, names: list[str], url: str, storage: Mapping[str, Any] | None) -> None:
    # All or none, as far as storage lets that be.
    def put(name: str) -> None:
        put_file(join(url, name), os.path.join(local, *name.split("/")), storage)

    try:
        _each(put, [name for name in names if name != MANIFEST])
        put(MANIFEST)
    except BaseException:
        for name in names:
            with suppress(OSError):  # the first error is the one to tell
                remove(join(url, name), storage)
        raise


def _each(function: Callable[[Any], None], arguments: Iterable[Any]) -> None:
    for _ in in_order(function, arguments, _WORKERS):
        pass
