"""A file name's suffix -> the module that reads and writes such files.

The modules of this package are imported when their suffix is first met. A suffix that none of
them has is looked up among the entry points of the group ``tsr.converters``: a package that
adds a format names an entry point after the suffix, without its dot, and points it at a module,
or any object, with the attributes of `Format`.
"""

from __future__ import annotations

import os
from enum import Flag, auto
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tsr.converters.tree import Document, Options

__all__ = [
    "FOLDER",
    "GROUP",
    "TSR4",
    "Format",
    "Holds",
    "file_suffix",
    "find_format",
    "folder_format",
    "suffix_of",
]

GROUP = "tsr.converters"

# What stands for a folder of .tsr files and for a TSR4 file where a suffix is asked for: neither
# has one of its own.
FOLDER = ""
TSR4 = "TSR4"

_MODULES = {
    ".tsr": "tsr_file",
    ".npy": "npy",
    ".npz": "npz",
    ".pt": "pt",
    ".pth": "pt",
    ".safetensors": "safetensors",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    TSR4: "tsr4_file",
    FOLDER: "folder",
}


class Holds(Flag):
    """What a file of a format has a place for."""

    ONE = auto()  # a single array without a name
    MANY = auto()  # arrays with names
    NESTING = auto()  # dicts in dicts
    STRUCTURE = auto()  # lists, tuples, keys that are int, scalars
    NOTES = auto()  # the _metadata of a torch state dict
    METADATA = auto()  # text about the whole file


class Format(Protocol):
    """What a module for a format has.

    Attributes
    ----------
    HOLDS : Holds
        What the format has a place for.
    DTYPES : frozenset of str
        The dtypes it has a place for, by the names that `Tensor.dtype` uses.
    RANK_MAX, DIMENSION_MAX : int
        The most dimensions, and the largest.
    """

    # Read-only here, so that a module's constants match.
    @property
    def HOLDS(self) -> Holds: ...  # noqa: D102, N802 - a module constant
    @property
    def DTYPES(self) -> frozenset[str]: ...  # noqa: D102, N802 - a module constant
    @property
    def DIMENSION_MAX(self) -> int: ...  # noqa: D102, N802 - a module constant
    @property
    def RANK_MAX(self) -> int: ...  # noqa: D102, N802 - a module constant

    def read(self, path: str, options: Options) -> AbstractContextManager[Document]:
        """Open a file; its tensors can be loaded until the context ends.

        Raises
        ------
        ConversionError
            The file is not what its suffix says, or holds something without a place in a tree.
        """

    def write(self, path: str, document: Document, options: Options) -> None:
        """Write a file, whole or not at all.

        `document` holds nothing that the attributes do not allow.
        """


def find_format(suffix: str) -> Format | None:
    """Find the format of a suffix, ``".npy"``; None if nothing converts such files."""
    if suffix in _MODULES:
        return cast("Format", import_module(f"{__package__}.{_MODULES[suffix]}"))
    from importlib.metadata import entry_points  # 30 ms

    for point in entry_points(group=GROUP):
        if point.name == suffix[1:]:
            return cast("Format", point.load())
    return None


def file_suffix(suffix: str) -> str:
    """Give the suffix that the files of a format have: of a TSR4 file that of TSR v1."""
    return ".tsr" if suffix == TSR4 else suffix


def folder_format() -> Format:
    """Give the format of a folder of ``.tsr`` files."""
    folder = find_format(FOLDER)
    assert folder is not None  # noqa: S101 - it stands in the table
    return folder


def suffix_of(path: str) -> str:
    """Give the suffix of a path in lower case, with its dot; ``""`` if it has none."""
    return os.path.splitext(path)[1].lower()
