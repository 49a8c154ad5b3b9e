"""A path -> the tensors of any readable file or folder, by name and in order.

One door for all that looks at tensors and writes none. Headers are read when the path is opened,
elements when they are asked for: mapped where the format allows that, else through a file without
a name in the system's folder for temporary files. What is no tensor is not looked at: scalars,
metadata, attributes, links, members of an archive that are no arrays.

Raises `FormatError` for a broken ``.tsr`` file, `ConversionError` for what else is broken, of no
known format or beyond reading, `MissingExtraError` where the library for a format is missing and
`OSError` for what cannot be opened.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from math import prod
from operator import index as as_index
from typing import TYPE_CHECKING, Any, TypeAlias, cast, overload

import numpy as np

from tsr.converters import plan, pt, registry, tsr4_file, tsr_file
from tsr.converters.guard import guard
from tsr.converters.tensor import BITS, NUMPY_DTYPES, Tensor, scratch_array
from tsr.converters.tree import DEPTH_MAX, Options
from tsr.converters.tsr_file import OpenFile
from tsr.errors import ConversionError, UnsupportedError
from tsr.layout import TSR4_MAGIC, V1_MAGIC
from tsr.remote.urls import basename, is_url, label, local_path
from tsr.source import is_path, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from tsr.converters.registry import Format
    from tsr.converters.tree import Tree
    from tsr.source import Source

__all__ = ["NamedTensor", "Reading", "no_such_tensor", "open_tensors", "show_arrays"]

# The most characters of all names. Each repeats the keys that lead to it, which a small file can
# have for many tensors.
NAMES_MAX = 1 << 28

# So many names of a file are looked at for those that are like one that is not there.
_NAMES_LOOKED_AT = 10_000

_Keys: TypeAlias = "tuple[str | int, ...]"


@dataclass(frozen=True)
class NamedTensor:
    """A tensor of a file; nothing of its elements is read before they are asked for.

    Attributes
    ----------
    name : str
        The keys that lead to it, joined by ``/``; ``""`` for the only tensor of a file that has
        no names, its index where several have none.
    keys : tuple of str or int
        Those keys.
    index : int
        Its place among the tensors of the file.
    """

    name: str
    keys: _Keys
    index: int
    _tensor: Tensor
    _told: Callable[[str], str] = str  # what people call a file that is a copy

    @property
    def dtype(self) -> str:
        """The name in numpy of the dtype, in torch where numpy lacks it: ``"bfloat16"``."""
        return self._tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._tensor.shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take in memory."""
        return self._tensor.nbytes

    @property
    def path(self) -> str | None:
        """The file that holds it: of a folder the one in it. None for what is in no file."""
        return None if self.file is None else self._told(self.file)

    @property
    def offset(self) -> int | None:
        """Where its first element lies, in bytes from the start of the file `path`.

        None where the elements are compressed or in pieces, or where it is not known.
        """
        return self._tensor.location.offset if self._tensor.location is not None else None

    def array(self) -> NDArray[Any]:
        """Give the elements as they lie in the file: of any byte order and any strides.

        Those of a dtype that numpy lacks come as unsigned integers of the same bits, of which
        `tsr.casting.widen` makes numbers. Where the format has checksums, they have been verified.
        """
        with guard(self.path or "memory", "an array", self.name or None):
            return self._load().view(np.ndarray)

    @property
    def file(self) -> str | None:
        """What can be read in its place: of what was behind a URL a copy."""
        return self._tensor.location.path if self._tensor.location is not None else None

    def byte_offset(self, array: NDArray[Any], place: Sequence[int]) -> int | None:
        """Give where an element lies in the file, in bytes; None where that is not known.

        Parameters
        ----------
        array : ndarray
            What `array` gave.
        place : sequence of int
            The index of the element, without negative numbers.
        """
        if self.offset is None:
            return None
        return self.offset + sum(i * step for i, step in zip(place, array.strides, strict=True))

    def _load(self) -> NDArray[Any]:
        elements = self._tensor.load()
        if isinstance(elements, np.ndarray):
            return elements
        # A dataset of an HDF5 file. A bool of numpy is 0 or 1, and a file can hold anything.
        if self.file is not None and self.offset is not None and elements.dtype.kind != "b":
            return np.memmap(self.file, elements.dtype, "r", self.offset, self.shape)
        array = scratch_array(tempfile.gettempdir(), elements.dtype, self.shape)
        for place, piece in self._tensor.pieces(elements):
            array[place or ...] = piece
        return array


class Reading(Sequence[NamedTensor]):
    """The tensors of a file, as `open_tensors` gives them.

    Attributes
    ----------
    path : str or None
        What errors call the file.
    format : str
        ``"TSR v1"``, ``"TSR4"``, ``"folder"``, a suffix without its dot, ``"array"`` for what is
        in no file.
    mode : str or None
        Of a TSR4 file: ``"raw"`` or ``"zlib"``.
    named : bool
        Whether the tensors have names of their own, not only places in an order.
    """

    def __init__(
        self, path: str | None, format: str, tensors: list[NamedTensor], named: bool,
        mode: str | None = None,
    ) -> None:  # fmt: skip
        self.path = path
        self.format = format
        self.mode = mode
        self.named = named
        self._tensors = tensors

    @overload
    def __getitem__(self, index: int) -> NamedTensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[NamedTensor]: ...
    def __getitem__(self, index: int | slice) -> NamedTensor | list[NamedTensor]:
        return self._tensors[index]

    def __len__(self) -> int:
        return len(self._tensors)

    def find(self, wanted: str | int) -> NamedTensor | None:
        """Give the tensor of a name, else of an index, which counts from the end below 0.

        An index may be text; a name goes before one that looks like it. None where there is none.
        """
        for tensor in self if self.named else ():
            if tensor.name == wanted:
                return tensor
        try:
            return self[int(wanted) if isinstance(wanted, str) else as_index(wanted)]
        except (TypeError, ValueError, IndexError):
            return None


def no_such_tensor(label: str, wanted: str | int, *readings: Reading) -> UnsupportedError:
    """Make the error of what `Reading.find` found in none of some files; `label` begins it."""
    count = max(map(len, readings))
    expected = f"{-count} to {count - 1}" if count else "none, for there are none"
    named = [reading for reading in readings if reading.named]
    if named:
        names = [tensor.name for reading in named for tensor in islice(reading, _NAMES_LOOKED_AT)]
        near = get_close_matches(str(wanted), dict.fromkeys(names), 3, 0.4)
        expected += " or a name" + (f", like {', '.join(near)}" if near else "")
    return UnsupportedError(f"{label}: got {wanted}, expected {expected}", given=wanted)


@contextmanager
def open_tensors(
    source: Source, *, strict: bool = True, storage_options: Mapping[str, Any] | None = None
) -> Iterator[Reading]:
    """Open a file or folder of any format that `tsr.convert` reads.

    Parameters
    ----------
    source : path, URL, file object or bytes-like
        A path goes by its suffix, and where that is none of a known format by the file's first
        bytes. So does a URL: of a ``.tsr`` file each tensor is read when its elements are asked
        for, any other is copied to the folder for temporary files. What is neither holds a
        ``.tsr`` file.
    strict : bool, default True
        False accepts ``.tsr`` files with set reserved fields, padding that is not 0 or bytes
        after the last payload.
    storage_options : mapping, optional
        For a URL: what fsspec's file system for it is made with.

    Yields
    ------
    Reading
        The tensors, whose elements can be asked for until the context ends. Arrays that were
        given stay valid behind that.

    Raises
    ------
    FormatError, ConversionError, MissingExtraError, OSError
        As said above; `NamedTensor.array` raises them where only the elements show it.
    """
    options = Options(strict=strict, lossy=True, scratch=tempfile.gettempdir())
    if not is_path(source):
        yield _read_tsr(source, options)
        return
    path = os.fsdecode(source)
    if is_url(path):
        local = local_path(path)
        if local is None:
            with _open_remote(path, replace(options, storage=storage_options)) as reading:
                yield reading
            return
        path = local
    is_folder = os.path.isdir(path)
    if not is_folder:
        os.close(open_regular(path)[0])
    reader = _reader(path)
    if reader in (tsr_file, tsr4_file):
        yield _read_tsr(path, options)
        return
    with _read_other(path, reader, options) as reading:
        yield reading


@contextmanager
def _read_other(
    path: str, reader: Format, options: Options, told: Callable[[str], str] = str
) -> Iterator[Reading]:
    try:
        with reader.read(path, options) as document:
            format = "folder" if os.path.isdir(path) else registry.suffix_of(path)[1:]
            yield _reading(told(path), format, None, document.tree, True, told)
    except RecursionError as error:  # a format of another package may not count
        raise ConversionError("nested too deeply", path=path) from error


@contextmanager
def _open_remote(url: str, options: Options) -> Iterator[Reading]:
    from tsr.converters.remote import fetched, is_remote_folder
    from tsr.converters.stage import staged
    from tsr.remote.object import RemoteObject

    suffix = registry.suffix_of(basename(url))
    known = bool(suffix) and registry.find_format(suffix) is not None
    is_folder = is_remote_folder(url, options.storage)
    magic = b"" if known or is_folder else RemoteObject(url, options.storage).read(0, len(V1_MAGIC))
    if not is_folder and (suffix == plan.TSR or magic in (V1_MAGIC, TSR4_MAGIC)):
        yield _read_tsr(url, options)
        return
    if not known and not is_folder:
        what = f"{suffix} files" if suffix else "files without a suffix"
        raise ConversionError(f"nothing reads {what}", path=label(url))
    with staged(options.storage) as stage:
        path = fetched(url, is_folder, stage)
        local = replace(options, storage=None)
        with _read_other(path, plan.reader_of(path), local, stage.told) as reading:
            yield reading


def show_arrays(given: Any) -> Reading:
    """Show what is in memory as if it came from a file.

    Parameters
    ----------
    given : array-like, or dicts, lists and tuples of such
        A torch tensor, for instance, is array-like.

    Raises
    ------
    UnsupportedError
        There is something in it that is no array of numbers, or it nests without end.
    """
    return _reading(None, "array", None, _of_memory(given), True)


def _reader(path: str) -> Format:
    # By the first bytes what has no suffix that says more.
    suffix = registry.suffix_of(path)
    known = bool(suffix) and registry.find_format(suffix) is not None
    if not known and not os.path.isdir(path):
        with open(path, "rb") as file:
            magic = file.read(len(V1_MAGIC))
        if magic == V1_MAGIC:
            return cast("Format", tsr_file)
        if magic == TSR4_MAGIC:
            return cast("Format", tsr4_file)
    return plan.reader_of(path)


def _read_tsr(source: Source, options: Options) -> Reading:
    file = OpenFile(source, options)
    return _reading(file.path, file.format, file.mode, file.tree(), False)


def _of_memory(given: Any, depth: int = 0) -> Tree:
    if depth > DEPTH_MAX:
        raise UnsupportedError(f"arrays: nested deeper than {DEPTH_MAX}")
    if isinstance(given, dict):
        return {key: _of_memory(child, depth + 1) for key, child in given.items()}
    if isinstance(given, (list, tuple)) and not _is_array_like(given):
        return [_of_memory(child, depth + 1) for child in given]
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(given, torch.Tensor):
        return pt.show_tensor(given)
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise UnsupportedError(f"arrays: {error}", given=given) from error
    name = array.dtype.name
    if name in BITS:  # the package ml_dtypes has them
        return Tensor(name, array.shape, lambda: array.view(BITS[name]))
    if name not in NUMPY_DTYPES:
        raise UnsupportedError(
            f"arrays: got {type(given).__name__} of {array.dtype}, expected numbers", given=given
        )
    return Tensor(name, array.shape, lambda: array)


def _is_array_like(given: Any) -> bool:
    # A list of numbers, or of such lists, is an array to numpy. One can contain itself.
    for _ in range(DEPTH_MAX):
        if not isinstance(given, (list, tuple)) or not given:
            break
        given = given[0]
    return isinstance(given, (bool, int, float, complex, np.generic))


def _reading(
    path: str | None, format: str, mode: str | None, tree: Tree, has_names: bool,
    told: Callable[[str], str] = str,
) -> Reading:  # fmt: skip
    found = list(_walk(tree, (), False))
    tensors, room = [], NAMES_MAX
    for index, (keys, _, tensor) in enumerate(found):
        name = "/".join(map(str, keys))
        room -= len(name)
        if room < 0:
            raise ConversionError(f"names of more than {NAMES_MAX} characters", path=path)
        tensors.append(NamedTensor(name, keys, index, tensor, told))
    named = has_names and any(is_name for _, is_name, _ in found)
    return Reading(path, format, tensors, named, mode)


def _walk(tree: Any, keys: _Keys, is_name: bool) -> Iterator[tuple[_Keys, bool, Tensor]]:
    # Each tensor with what leads to it, and whether there is a name in that.
    if isinstance(tree, Tensor):
        yield keys, is_name, tree
    elif isinstance(tree, dict):
        for key, child in tree.items():
            yield from _walk(child, (*keys, key), True)
    elif isinstance(tree, (list, tuple)):
        for index, child in enumerate(tree):
            yield from _walk(child, (*keys, index), is_name)
