"""A folder of ``.tsr`` files <-> a tree of tensors.

``tensors.json`` in it keeps what file names cannot: names, order, nesting, kinds, scalars and
text about the whole. A folder without one is read by its file names: folders in it are dicts,
and the order is the natural one of the names. Raises `ConversionError` for a folder that does
not match its ``tensors.json``.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsr.converters import manifest, tsr_file
from tsr.converters.guard import guard
from tsr.converters.names import MANIFEST, SUFFIX, FileNames, key_of, natural_order
from tsr.converters.registry import Holds
from tsr.converters.tree import Document
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.converters.tensor import Tensor
    from tsr.converters.tree import Options, Tree

__all__ = [
    "DIMENSION_MAX",
    "DTYPES",
    "HOLDS",
    "RANK_MAX",
    "check_replaceable",
    "is_folder",
    "read",
    "write",
]

HOLDS = Holds.MANY | Holds.NESTING | Holds.STRUCTURE | Holds.NOTES | Holds.METADATA
DTYPES = tsr_file.DTYPES
RANK_MAX = tsr_file.RANK_MAX
DIMENSION_MAX = tsr_file.DIMENSION_MAX

_FORMAT = "tsr-folder"
_VERSION = 1


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a folder; each file is opened when its tensor is loaded."""
    if is_folder(path):
        yield _read_listed(path, options)
        return
    with guard(path, "a folder of .tsr files"):
        tree = _scan(path, options)
    if not tree:
        raise ConversionError("no .tsr file in the folder", path=path)
    yield Document(path, tree)


def write(path: str, document: Document, options: Options) -> None:
    """Write a folder: beside its place at first, under its name once it is complete."""
    target = os.path.realpath(path)
    check_replaceable(target, options.overwrite)
    stage = os.path.join(os.path.dirname(target), f".tsr-{secrets.token_hex(8)}.tmp")
    os.mkdir(stage)
    try:
        _fill(stage, document, options)
        if options.durable:
            _sync_tree(stage)
        _put_in_place(stage, target)
        if options.durable:
            _sync(os.path.dirname(target))
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def is_folder(path: str) -> bool:
    """Tell a folder with a ``tensors.json``."""
    return os.path.isfile(os.path.join(path, MANIFEST))


def check_replaceable(path: str, overwrite: bool) -> None:
    """Check that a folder can be put in this place without a loss.

    Raises
    ------
    FileExistsError
        Something is there that is no empty folder; with `overwrite`, that is no folder either.
    ConversionError
        With `overwrite`: the folder there has other things in it than this module writes.
    """
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path) or (os.listdir(path) and not overwrite):
        advice = "; overwrite=True (--overwrite) replaces it" if os.path.isdir(path) else ""
        raise FileExistsError(errno.EEXIST, f"{os.strerror(errno.EEXIST)}{advice}", path)
    if os.listdir(path):
        foreign = [name for name in _files(path) if not name.endswith(SUFFIX) and name != MANIFEST]
        if foreign or not is_folder(path):
            found = min(foreign) if foreign else f"no {MANIFEST}"
            raise ConversionError(
                f"is not replaced, for it is no folder of tensors: it has {found}", path=path
            )


def _read_listed(path: str, options: Options) -> Document:
    # The tree that tensors.json describes.
    listing = os.path.join(path, MANIFEST)
    root = os.path.realpath(path)
    seen: set[str] = set()

    def open_tensor(name: str) -> Tensor:
        parts = name.split("/")
        if not name.endswith(SUFFIX) or {"", ".", ".."} & {*parts} or name in seen:
            raise ValueError(
                f"got the path {name!r}, expected one of a {SUFFIX} file in the folder"
            )
        seen.add(name)
        file = os.path.join(root, *parts)
        if not os.path.lexists(file):
            raise ValueError(f"{name!r} is not in the folder")
        if os.path.realpath(file) != file:
            raise ValueError(f"{name!r} is behind a symbolic link")
        return tsr_file.open_tensor(file, options)

    with guard(listing, f"a {MANIFEST}"):
        with open(listing, encoding="utf-8") as stream:
            value = _check_listing(manifest.parse(stream.read()))
        tree = manifest.decode(value["tree"], open_tensor)
    unlisted = sorted({name for name in _files(path) if name.endswith(SUFFIX)} - seen)
    if unlisted:
        raise ConversionError(f"does not list {', '.join(unlisted[:5])}", path=listing)
    return Document(path, tree, value.get("metadata", {}))


def _check_listing(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("format") != _FORMAT or "tree" not in value:
        raise ValueError(f"expected an object with the format {_FORMAT!r} and a tree")
    if value.get("version") != _VERSION:
        raise ValueError(f"version: got {value.get('version')!r}, expected {_VERSION}")
    unknown = value.keys() - {"format", "version", "tree", "metadata"}
    if unknown:
        raise ValueError(f"got the unknown entry {min(unknown)!r}")
    metadata = value.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(t, str) for t in metadata.values()):
        raise ValueError("metadata: expected text by name")
    return value


def _scan(path: str, options: Options) -> dict[Any, Tree]:
    # The tree that the names of files and folders describe.
    found: list[tuple[str, os.DirEntry[str]]] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if entry.is_symlink():
                    raise ConversionError("a symbolic link to a folder", path=entry.path)
                found.append((entry.name, entry))
            elif entry.name.endswith(SUFFIX):
                found.append((entry.name.removesuffix(SUFFIX), entry))
    tree: dict[Any, Tree] = {}
    for name, entry in sorted(found, key=lambda item: (natural_order(item[0]), item[0])):
        child: Tree
        if not entry.is_dir():
            child = tsr_file.open_tensor(entry.path, options)
        elif is_folder(entry.path):
            child = _read_listed(entry.path, options).tree
        else:
            child = _scan(entry.path, options)
        if child == {}:
            continue
        key = key_of(name)
        if key in tree:
            raise ConversionError(f"two entries of the folder are called {key!r}", path=path)
        tree[key] = child
    return tree


def _files(path: str) -> Iterator[str]:
    # Every file in a folder and the folders in it, relative to it, with / between.
    for folder, _, names in os.walk(path):
        prefix = os.path.relpath(folder, path).replace(os.sep, "/") + "/"
        for name in names:
            yield prefix.removeprefix("./") + name


def _fill(stage: str, document: Document, options: Options) -> None:
    names = FileNames()

    def store(keys: tuple[str | int, ...], tensor: Tensor) -> str:
        name = names.path(keys)
        file = os.path.join(stage, *name.split("/"))
        os.makedirs(os.path.dirname(file), exist_ok=True)
        tsr_file.write_tensor(file, tensor, options)
        return name

    value: dict[str, Any] = {"format": _FORMAT, "version": _VERSION}
    if document.metadata:
        value["metadata"] = document.metadata
    value["tree"] = manifest.encode(document.tree, store)
    with open(os.path.join(stage, MANIFEST), "w", encoding="utf-8") as file:
        file.write(manifest.dump(value) + "\n")
        if options.durable:
            file.flush()
            os.fsync(file.fileno())


def _put_in_place(stage: str, target: str) -> None:
    if not os.path.isdir(target) or not os.listdir(target):
        os.rename(stage, target)
        return
    old = f"{stage}.old"
    os.rename(target, old)
    try:
        os.rename(stage, target)
    except BaseException:
        os.rename(old, target)
        raise
    shutil.rmtree(old)


def _sync_tree(path: str) -> None:
    for folder, _, _ in os.walk(path):
        _sync(folder)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
