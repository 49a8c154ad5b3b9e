"""A ``.npz`` file <-> named arrays of numbers, in the order of the archive.

Stored members are mapped; compressed ones are decompressed, piece by piece, into a file without
a name. Either way their checksums are verified. What is written is what `numpy.savez` writes,
uncompressed. Raises `ConversionError` for a broken archive, for a name that comes twice and for
members that are no arrays of numbers.
"""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any

import numpy as np

from tsr.atomic import AtomicFile
from tsr.converters import npy
from tsr.converters.archive import data_start
from tsr.converters.guard import guard
from tsr.converters.registry import Holds
from tsr.converters.tensor import PIECE_BYTES, Location, Tensor, scratch_file
from tsr.converters.tree import Document, Entries
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tsr.converters.npy import Layout
    from tsr.converters.tree import Options

__all__ = ["DIMENSION_MAX", "DTYPES", "HOLDS", "RANK_MAX", "read", "write"]

HOLDS = Holds.MANY
DTYPES = npy.DTYPES
RANK_MAX = npy.RANK_MAX
DIMENSION_MAX = npy.DIMENSION_MAX

_SUFFIX = ".npy"
_WHAT = "an .npz archive"

# Decompressed at once; zipfile holds several times as much.
_CHUNK_BYTES = 1 << 20

# What an archive begins with, and an empty one.
_MAGICS = (b"PK\3\4", b"PK\5\6")

# A zip archive counts the bytes of a name with 16 bits.
_NAME_MAX = 2**16 - 1 - len(_SUFFIX)


@contextmanager
def read(path: str, options: Options) -> Iterator[Document]:
    """Read a file; compressed members are decompressed when their tensor is loaded."""
    with guard(path, _WHAT):
        archive = _open(path)
    with archive:
        tree: dict[str, Any] = {}
        entries = Entries(path)
        for member in archive.infolist():
            entries.add(1)
            name = member.filename.removesuffix(_SUFFIX)
            if name == member.filename:
                if options.lossy:
                    continue
                raise ConversionError(
                    "no .npy member, which would be lost; lossy=True (--lossy) lets it go",
                    path=path, name=name,
                )  # fmt: skip
            if name in tree:
                raise ConversionError("the archive has this name twice", path=path, name=name)
            tree[name] = _Member(archive, member, path, name, options).tensor()
        yield Document(path, tree)


def write(path: str, document: Document, options: Options) -> None:
    """Write a file, piece by piece; the same arrays give the same bytes."""
    with (
        AtomicFile(path, options.durable) as target,
        open(target.descriptor, "wb", closefd=False) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        for name, tensor in document.arrays.items():
            with archive.open(_new_member(name, path), "w", force_zip64=True) as stream:
                stream.write(npy.build_header(tensor))
                for block in tensor.blocks():
                    stream.write(block)


def _open(path: str) -> zipfile.ZipFile:
    # zipfile finds an archive from its end, whatever the file begins with; numpy does not.
    with open(path, "rb") as file:
        if file.read(4) not in _MAGICS:
            raise ConversionError(f"not readable as {_WHAT}: it does not begin as one", path=path)
    return zipfile.ZipFile(path)


def _new_member(name: str, path: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name + _SUFFIX)
    member.external_attr = 0o600 << 16  # readable once extracted
    try:
        fits = len(name.encode()) <= _NAME_MAX
    except UnicodeEncodeError:
        fits = False
    if not fits or member.filename != name + _SUFFIX:  # a name is cut at a null byte
        raise ConversionError("an archive cannot keep this name", path=path, name=name)
    return member


class _Member:
    """One array of an open archive."""

    def __init__(
        self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, name: str,
        options: Options,
    ):  # fmt: skip
        self._archive = archive
        self._member = member
        self._path = path
        self._name = name
        self._options = options

    def tensor(self) -> Tensor:
        """Read the array's header now, its elements when asked for."""
        with guard(self._path, _WHAT, self._name), self._archive.open(self._member) as stream:
            layout = npy.read_layout(
                stream, self._member.file_size, self._path, self._name, self._options.lossy
            )
        return Tensor(
            layout.dtype.name, layout.shape, lambda: self._load(layout),
            location=self._location(layout),
        )  # fmt: skip

    def _location(self, layout: Layout) -> Location:
        if self._member.compress_type != zipfile.ZIP_STORED:
            return Location(self._path, None)
        return Location(self._path, self._data_start() + layout.offset)

    def _load(self, layout: Layout) -> NDArray[Any]:
        with guard(self._path, _WHAT, self._name):
            if self._member.compress_type == zipfile.ZIP_STORED:
                return layout.over(self._map())
            with scratch_file(self._options.scratch) as file:
                with self._archive.open(self._member) as stream:
                    copyfileobj(stream, file, _CHUNK_BYTES)  # verifies size and checksum
                file.flush()
                return layout.over(np.memmap(file, np.uint8, "r"))

    def _map(self) -> NDArray[np.uint8]:
        # The bytes of a stored member, where they lie.
        size = self._member.file_size
        start = self._data_start()
        data: NDArray[np.uint8] = np.memmap(self._path, np.uint8, "r", start, (size,))
        checksum = 0
        for at in range(0, size, PIECE_BYTES):
            checksum = zlib.crc32(data[at : at + PIECE_BYTES].data, checksum)
        if checksum != self._member.CRC:
            raise ConversionError("wrong checksum", path=self._path, name=self._name)
        return data

    def _data_start(self) -> int:
        with open(self._path, "rb") as file:
            return data_start(file, self._member)
