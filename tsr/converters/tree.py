"""The value between reading one format and writing another: tensors, named and nested.

A tree is a `Tensor`, or dicts, lists and tuples of trees, with JSON's scalars (str, int, float,
bool, None) among them. Keys are str or int. An `OrderedDict` stays one, with the ``_metadata``
that torch hangs on a state dict. Raises `ConversionError` for what is not there or has no name.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from tsr.converters.tensor import Tensor
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "DEPTH_MAX",
    "ENTRIES_MAX",
    "Document",
    "Entries",
    "Options",
    "Tree",
    "get_notes",
    "rebuild",
    "select",
    "set_notes",
    "tensors",
]

# A small file can nest and repeat without end: no checkpoint comes near these.
DEPTH_MAX = 100
ENTRIES_MAX = 1_000_000

Scalar: TypeAlias = "str | int | float | bool | None"
Tree: TypeAlias = "Tensor | Scalar | dict[Any, Tree] | list[Tree] | tuple[Tree, ...]"
_Dict = TypeVar("_Dict", bound="dict[Any, Any]")


@dataclass(frozen=True)
class Document:
    """What a file holds.

    Attributes
    ----------
    path : str
        The file, for errors.
    tree : Tree
    metadata : dict of str to str
        Text about the whole file, as ``.safetensors`` has it. The entry ``format`` says which
        framework the tensors are from; a format without a place for it lets it go.
    """

    path: str
    tree: Tree
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def array(self) -> Tensor:
        """The tree, where it is a single array."""
        assert isinstance(self.tree, Tensor)  # noqa: S101 - its writer says Holds.ONE only
        return self.tree

    @property
    def arrays(self) -> dict[str, Tensor]:
        """The tree, where it is a dict of arrays."""
        assert isinstance(self.tree, dict)  # noqa: S101 - its writer says Holds.MANY only
        return cast("dict[str, Tensor]", self.tree)


@dataclass(frozen=True)
class Options:
    """What the caller of `tsr.convert` asked for; see there.

    Attributes
    ----------
    cast : str or mapping of str to str, optional
    lossy, strict, overwrite, compress : bool
    dataset : str, optional
    durable : bool, optional
    scratch : str
        A directory on the disk that is written to, for files without a name.
    storage : mapping, optional
        What the file system of a URL is made with, for the formats of this package.
    """

    cast: str | Mapping[str, str] | None = None
    lossy: bool = False
    dataset: str | None = None
    strict: bool = True
    overwrite: bool = False
    compress: bool = False
    durable: bool | None = None
    scratch: str = "."
    storage: Mapping[str, Any] | None = None


class Entries:
    """Counts what a reader finds in a file, and refuses what has no end.

    Parameters
    ----------
    path : str
        The file, for errors.

    Attributes
    ----------
    count : int
        What was found so far.
    """

    def __init__(self, path: str):
        self._path = path
        self.count = 0

    def add(self, depth: int, count: int = 1) -> None:
        """Count entries; `depth` keys lead to the deepest of them."""
        self.count += count
        if depth > DEPTH_MAX or self.count > ENTRIES_MAX:
            raise ConversionError(
                f"nested deeper than {DEPTH_MAX} or more than {ENTRIES_MAX} entries",
                path=self._path,
            )


def tensors(tree: Tree) -> Iterator[Tensor]:
    """Give the tensors of a tree, in order."""
    if isinstance(tree, Tensor):
        yield tree
    else:
        for _, child in _children(tree):
            yield from tensors(child)


def rebuild(tree: Tree, replace: Callable[[str, Tensor], Any], name: str = "") -> Any:
    """Make the same tree with each tensor replaced by what `replace` makes of its name and it.

    Names of nested tensors are joined by ``/``; a tensor alone has the name ``""``.
    """
    if isinstance(tree, Tensor):
        return replace(name, tree)
    if not isinstance(tree, (dict, list, tuple)):
        return tree
    prefix = f"{name}/" if name else ""
    made = [rebuild(child, replace, f"{prefix}{key}") for key, child in _children(tree)]
    if isinstance(tree, dict):
        return set_notes(type(tree)(zip(tree, made, strict=True)), get_notes(tree))
    return type(tree)(made)


def select(document: Document, dataset: str) -> Document:
    """Cut out the part of a document called `dataset`: a key, or keys joined by ``/``.

    A single array gets the name instead.
    """
    tree = document.tree
    if isinstance(tree, Tensor):
        return replace(document, tree={dataset: tree})
    keys = [dataset] if any(key == dataset for key, _ in _children(tree)) else dataset.split("/")
    for key in keys:
        found = [child for name, child in _children(tree) if str(name) == key]
        if len(found) != 1:
            there = ", ".join(str(name) for name, _ in _children(tree)) or "none"
            raise ConversionError(
                f"no single entry {key!r}, expected one of: {there}", path=document.path,
                name=dataset,
            )  # fmt: skip
        tree = found[0]
    return Document(document.path, tree)


def get_notes(tree: Tree) -> Any:
    """Give the ``_metadata`` of an OrderedDict, None where there is none."""
    return vars(tree).get("_metadata") if isinstance(tree, OrderedDict) else None


def set_notes(tree: _Dict, notes: Any) -> _Dict:
    """Set the ``_metadata`` of an OrderedDict, unless it is None."""
    if notes is not None:
        vars(tree)["_metadata"] = notes
    return tree


def _children(tree: Tree) -> Iterator[tuple[Any, Tree]]:
    if isinstance(tree, dict):
        yield from tree.items()
    elif isinstance(tree, (list, tuple)):
        yield from enumerate(tree)
