"""A TSR4 file, and a JSON file that says what it cannot <-> a tree of tensors.

The latter keeps names, order, nesting, kinds, scalars, text about the whole and each tensor's own
shape. Raises `ConversionError` for one that does not match the TSR4 file.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from tsr.atomic import AtomicFile
from tsr.converters import folder, manifest, tsr4_file
from tsr.converters.guard import guard
from tsr.converters.parents import parents
from tsr.converters.registry import Holds
from tsr.converters.tree import Document, Entries
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
        left = dict(enumerate(tsr4_file.open_tensors(path, options)))
        total = len(left)

        def open_tensor(place: Any) -> Tensor:
            index, shape = _check_place(place)
            tensor = left.pop(index, None)
            if tensor is None:
                raise ValueError(f"tensor {index} comes twice, or is none of the {total} in {path}")
            if tsr4_file.pad_shape(shape) != tensor.shape:
                raise ValueError(
                    f"tensor {index} has the shape {tensor.shape} in {path}, which is not "
                    f"{shape} behind leading ones"
                )
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
        """Write both files, the JSON file only once the other is complete."""
        numbers = count()

        def locate(_: Any, tensor: Tensor) -> dict[str, Any]:
            return {"tensor": next(numbers), "shape": list(tensor.shape)}

        text = manifest.write_listing(document, _KIND, locate)
        with (
            parents(self._names, options.durable),
            AtomicFile(self._names, options.durable) as file,
        ):
            file.write(text.encode())
            tsr4_file.write_tensors(path, document, options)


def _check_place(place: Any) -> tuple[int, tuple[int, ...]]:
    if isinstance(place, dict) and place.keys() == {"tensor", "shape"}:
        index, shape = place["tensor"], place["shape"]
        if isinstance(shape, list) and all(type(number) is int for number in (index, *shape)):
            return index, tuple(shape)
    raise ValueError(f"got {str(place)[:80]}, expected the index and the shape of a tensor")
