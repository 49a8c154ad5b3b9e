"""A TSR4 file, and a JSON file that says what it cannot <-> a tree of tensors.

The latter keeps names, order, nesting, kinds, scalars, text about the whole and each tensor's own
shape. It has the checksums that the TSR4 file has, by which the two know each other. Raises
`ConversionError` for names that are of another file.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tsr.atomic import AtomicFile
from tsr.converters import folder, manifest, tsr4_file
from tsr.converters.guard import guard
from tsr.converters.parents import parents
from tsr.converters.registry import Holds
from tsr.converters.tree import Document, Entries
from tsr.converters.tsr_file import OpenFile
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.converters.tensor import Tensor
    from tsr.converters.tree import Options

__all__ = ["Named"]

_KIND = "tsr4-names"


class Named:
    """The format of a TSR4 file whose names are kept beside it.

    Parameters
    ----------
    names : str
        The path of the JSON file.
    """

    HOLDS = folder.HOLDS | Holds.ONE
    DTYPES = tsr4_file.DTYPES
    RANK_MAX = tsr4_file.RANK_MAX
    DIMENSION_MAX = tsr4_file.DIMENSION_MAX

    def __init__(self, names: str) -> None:
        self._names = names

    @contextmanager
    def read(self, path: str, options: Options) -> Iterator[Document]:
        """Read both files."""
        file = OpenFile(path, options)
        path = file.path or path  # of a URL what may be shown
        total = len(file.infos)
        left = set(range(total))

        def open_tensor(place: Any) -> Tensor:
            index, shape, checksum = _check_place(place)
            if index not in left:
                raise ValueError(f"tensor {index} comes twice, or is none of the {total} in {path}")
            left.remove(index)
            info = file.infos[index]
            if tsr4_file.pad_shape(shape) != info.shape:
                raise ValueError(
                    f"tensor {index} has the shape {info.shape} in {path}, which is not "
                    f"{shape} behind leading ones"
                )
            if checksum != info.crc32:
                raise ConversionError(
                    f"names the tensors of another file: tensor {index} has the CRC-32 "
                    f"{info.crc32} in {path}, expected {checksum}",
                    path=self._names,
                )
            tensor = file.tensor(index)
            return replace(tensor, shape=shape, load=lambda: tensor.load().reshape(shape))

        with guard(self._names, f"the names of {path}"):
            value, metadata = manifest.read_listing(self._names, _KIND)
            tree = manifest.decode(value, open_tensor, Entries(self._names))
        if left:
            raise ConversionError(
                f"names {total - len(left)} tensors, and {path} holds {total}", path=self._names
            )
        yield Document(path, tree, metadata)

    def write(self, path: str, document: Document, options: Options) -> None:
        """Write both files.

        Both are complete before the TSR4 file takes its name, and the JSON file takes its own
        right after. What comes between the two, an error or the end of the process, leaves the
        new tensors beside no names, or beside those of the file that was replaced; a loss of power
        may do it the other way round, unless `durable` was asked for. Such names are refused when
        they are read, but for tensors that have the old shapes and checksums in the old order.
        """

        def locate(_: Any, tensor: Tensor) -> dict[str, Any]:
            index, info = next(places)
            return {"tensor": index, "shape": list(tensor.shape), "crc32": info.crc32}

        with (
            parents(self._names, options.durable),
            AtomicFile(self._names, options.durable) as file,
            tsr4_file.writing(path, document, options) as infos,
        ):
            places = enumerate(infos)
            file.write(manifest.write_listing(document, _KIND, locate).encode())


def _check_place(place: Any) -> tuple[int, tuple[int, ...], int]:
    # The index, the shape and the checksum.
    if isinstance(place, dict) and place.keys() == {"tensor", "shape", "crc32"}:
        index, shape, checksum = place["tensor"], place["shape"], place["crc32"]
        if isinstance(shape, list) and all(type(n) is int for n in (index, checksum, *shape)):
            return index, tuple(shape), checksum
    raise ValueError(
        f"got {str(place)[:80]}, expected the index, the shape and the CRC-32 of a tensor"
    )
