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
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tsr.atomic import occupied, sync_directory
from tsr.converters import manifest, tsr_file
from tsr.converters.guard import guard
from tsr.converters.names import MANIFEST, SUFFIX, FileNames, key_of, natural_order
from tsr.converters.registry import Holds
from tsr.converters.tensor import Tensor
from tsr.converters.tree import Document, Entries
from tsr.converters.walk import walk
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

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

_KIND = "tsr-folder"


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a folder; each file is opened when its tensor is loaded."""
    if is_folder(path):
        yield _read_listed(path, options)
        return
    with guard(path, "a folder of .tsr files"):
        tree = _scan(path, options, Entries(path))
    if not tree:
        raise ConversionError("no .tsr file in the folder", path=path)
    yield Document(path, tree)


def write(path: str, document: Document, options: Options) -> None:
    """Write a folder: beside its place at first, under its name once it is complete.

    An empty folder that is there stays the one it is, and is filled: it may be somebody's
    current folder, or hold a mounted disk. A folder that is replaced passes on its mode.
    """
    check_replaceable(path, options.overwrite)
    target = os.path.realpath(path)
    exists = os.path.isdir(target)
    replaces = exists and bool(os.listdir(target))
    beside = target if exists and not replaces else os.path.dirname(target)
    stage = os.path.join(beside, f".tsr-{secrets.token_hex(8)}.tmp")
    try:
        os.mkdir(stage)
        if replaces:  # at once, for not everybody may be allowed to look into it
            os.chmod(stage, stat.S_IMODE(os.stat(target).st_mode) | stat.S_IRWXU)
        _fill(stage, document, options)
        if options.durable:
            for folder, _, _ in walk(stage):
                sync_directory(folder)
        if replaces:
            check_replaceable(path, options.overwrite)  # time has passed
            _swap(stage, target)
        elif exists:
            _move_into(stage, target)
        else:
            os.rename(stage, target)
        if options.durable:
            sync_directory(target)
            sync_directory(os.path.dirname(target))
    except BaseException as error:
        _remove(stage)
        if isinstance(error, OSError) and str(error.filename).startswith(stage):
            error.filename = path + str(error.filename)[len(stage) :]
            if error.filename2 is not None:
                del error.filename2
        raise
    if replaces:
        _remove(_old(stage))


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
        With `overwrite`: the folder there has other things in it than its ``tensors.json``
        lists, or somebody is in it: this process.
    """
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path) or (os.listdir(path) and not overwrite):
        raise occupied(path) if os.path.isdir(path) else occupied(path, None)
    if not os.listdir(path):
        return
    foreign = _foreign(path)
    if foreign is not None:
        raise ConversionError(
            f"is not replaced, for it is no folder of tensors: it has {foreign}", path=path
        )
    target = os.path.realpath(path)
    with suppress(FileNotFoundError):  # the current folder has been deleted
        if os.path.commonpath((os.path.realpath(os.curdir), target)) == target:
            raise ConversionError(
                "is not replaced, for it is the current folder or has it inside", path=path
            )


def _foreign(path: str) -> str | None:
    # Something in a folder that its tensors.json does not list.
    if not is_folder(path):
        return f"no {MANIFEST}"
    listing = os.path.join(path, MANIFEST)
    expected = {MANIFEST}

    def note(place: Any) -> Tensor:
        expected.add(_checked_path(place))
        return Tensor("bool", (), _not_loaded)

    with guard(listing, f"a {MANIFEST}"):
        tree, _ = manifest.read_listing(listing, _KIND)
        manifest.decode(tree, note, Entries(listing))
    parents_of = {name[:at] for name in expected for at, c in enumerate(name) if c == "/"}
    for name, kind in _contents(path):
        if kind == "folder" and name not in parents_of:
            return f"the folder {name}"
        if kind == "link" or (kind == "file" and name not in expected):
            return name
    return None


def _not_loaded() -> Any:
    raise AssertionError("a tensor of which only the path counts")


def _read_listed(
    path: str, options: Options, entries: Entries | None = None, depth: int = 0
) -> Document:
    # The tree that tensors.json describes.
    listing = os.path.join(path, MANIFEST)
    entries = entries or Entries(listing)
    root = os.path.realpath(path)
    seen: set[str] = set()

    def open_tensor(place: Any) -> Tensor:
        name = _checked_path(place)
        parts = name.split("/")
        if name in seen:
            raise ValueError(f"got the path {name!r} twice, expected a file for each tensor")
        seen.add(name)
        file = os.path.join(root, *parts)
        if not os.path.lexists(file):
            raise ValueError(f"{name!r} is not in the folder")
        if os.path.realpath(file) != file:
            raise ValueError(f"{name!r} is behind a symbolic link")
        return tsr_file.open_tensor(file, options)

    with guard(listing, f"a {MANIFEST}"):
        value, metadata = manifest.read_listing(listing, _KIND)
        tree = manifest.decode(value, open_tensor, entries, depth)
    there = {name for name, kind in _contents(path) if _is_tsr(name) and kind != "folder"}
    unlisted = sorted(there - seen)
    if unlisted:
        raise ConversionError(f"does not list {', '.join(unlisted[:5])}", path=listing)
    return Document(path, tree, metadata)


def _checked_path(place: Any) -> str:
    if (
        not isinstance(place, str)
        or not place.endswith(SUFFIX)
        or {"", ".", ".."} & {*place.split("/")}
    ):
        raise ValueError(f"got the path {place!r}, expected one of a {SUFFIX} file in the folder")
    return place


def _scan(path: str, options: Options, counter: Entries, depth: int = 0) -> dict[Any, Tree]:
    # The tree that the names of files and folders describe.
    counter.add(depth)
    found: list[tuple[str, os.DirEntry[str]]] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if entry.is_symlink():
                    raise ConversionError("a symbolic link to a folder", path=entry.path)
                found.append((entry.name, entry))
            elif _is_tsr(entry.name):
                found.append((entry.name[: -len(SUFFIX)], entry))
    tree: dict[Any, Tree] = {}
    for name, entry in sorted(found, key=lambda item: (natural_order(item[0]), item[0])):
        child: Tree
        if not entry.is_dir():
            counter.add(depth + 1)
            child = tsr_file.open_tensor(entry.path, options)
        elif is_folder(entry.path):
            child = _read_listed(entry.path, options, counter, depth + 1).tree
        else:
            child = _scan(entry.path, options, counter, depth + 1)
        if child == {}:
            continue
        key = key_of(name)
        if key in tree:
            raise ConversionError(f"two entries of the folder are called {key!r}", path=path)
        tree[key] = child
    return tree


def _contents(path: str) -> Iterator[tuple[str, str]]:
    # All in a folder and the folders in it, relative to it, with / between; and what it is.
    for folder, folders, names in walk(path):
        prefix = os.path.relpath(folder, path).replace(os.sep, "/") + "/"
        prefix = prefix.removeprefix("./")
        for name in folders:
            yield prefix + name, "folder"
        for name in names:
            yield prefix + name, "link" if os.path.islink(os.path.join(folder, name)) else "file"


def _is_tsr(name: str) -> bool:
    return name.lower().endswith(SUFFIX)


def _fill(stage: str, document: Document, options: Options) -> None:
    names = FileNames()

    def store(keys: tuple[str | int, ...], tensor: Tensor) -> str:
        name = names.path(keys)
        file = os.path.join(stage, *name.split("/"))
        os.makedirs(os.path.dirname(file), exist_ok=True)
        tsr_file.write_tensor(file, tensor, options)
        return name

    text = manifest.write_listing(document, _KIND, store)
    with open(os.path.join(stage, MANIFEST), "w", encoding="utf-8") as file:
        file.write(text)
        if options.durable:
            file.flush()
            os.fsync(file.fileno())


def _old(stage: str) -> str:
    return f"{stage}.old"


def _swap(stage: str, target: str) -> None:
    # Leaves the old folder beside the new one.
    shutil.copymode(target, stage)
    os.rename(target, _old(stage))
    try:
        os.rename(stage, target)
    except BaseException:
        os.rename(_old(stage), target)
        raise


def _move_into(stage: str, target: str) -> None:
    # The folder `stage`, the only thing in `target`, gives place to what is in it.
    if os.listdir(target) != [os.path.basename(stage)]:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), target)
    placed = []
    try:
        # What has no listing yet is not taken for a whole folder.
        for name in sorted(os.listdir(stage), key=lambda name: (name == MANIFEST, name)):
            os.rename(os.path.join(stage, name), os.path.join(target, name))
            placed.append(name)
        os.rmdir(stage)
    except BaseException:
        for name in reversed(placed):
            os.rename(os.path.join(target, name), os.path.join(stage, name))
        raise


def _remove(path: str) -> None:
    # A folder of this module, read-only ones in it too. A failure is none of what was asked for:
    # the new folder stands, or another error is on its way.
    with suppress(OSError, ConversionError):
        os.chmod(path, stat.S_IRWXU)
        for folder, folders, _ in walk(path):
            for name in folders:
                os.chmod(os.path.join(folder, name), stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=True)
