"""A document -> one whose structure the target format can hold.

Nothing is lost on the way unless the caller said so: whatever has no place in the target is a
`ConversionError`, which names it and the options that help.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tsr.converters.fit import fit
from tsr.converters.registry import Holds
from tsr.converters.tensor import Tensor
from tsr.converters.tree import Document, Options, Tree, get_notes, rebuild, set_notes, tensors
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.converters.registry import Format

__all__ = ["arrange"]


def arrange(document: Document, target: Format, label: str, options: Options) -> Document:
    """Make a document fit a format, the dtypes and ranks of its tensors too.

    Parameters
    ----------
    document : Document
    target : Format
    label : str
        What errors call the format: ``".npy"``.
    options : Options

    Raises
    ------
    ConversionError
        Something has no place in the format.
    """
    document = _count(document, target.HOLDS, label, options)
    if not options.lossy:
        for name, what in _losses(document, target.HOLDS):
            raise ConversionError(
                f"{what} has no place in {label}; lossy=True (--lossy) lets it go, dataset=... "
                "(--dataset) takes one entry of the file, and a folder of .tsr files keeps all, as "
                "do to='tsr4' and names=... (--to tsr4 --names) together",
                path=document.path, name=name,
            )  # fmt: skip
    tree = rebuild(
        document.tree, lambda name, tensor: fit(tensor, name, document.path, target, label, options)
    )
    if isinstance(tree, (dict, list, tuple)) and Holds.STRUCTURE not in target.HOLDS:
        tree = _simplify(tree, document.path, target.HOLDS)
    metadata = document.metadata if Holds.METADATA in target.HOLDS else {}
    return Document(document.path, tree, metadata)


def _count(document: Document, holds: Holds, label: str, options: Options) -> Document:
    # One array where one is held, named ones where names are.
    tree = document.tree
    if isinstance(tree, Tensor):
        if Holds.ONE in holds:
            return document
        if options.dataset is None:
            raise ConversionError(
                f"{label} holds arrays by name, and this one has none; dataset='...' (--dataset) "
                "names it",
                path=document.path,
            )
        return replace(document, tree={options.dataset.rpartition("/")[2]: tree})
    if Holds.MANY in holds:
        if isinstance(tree, (dict, list, tuple)):
            return document
        raise ConversionError(f"holds {tree!r}, no tensor", path=document.path)
    found = list(tensors(tree))
    if len(found) != 1:
        raise ConversionError(
            f"holds {len(found)} tensors where {label} holds one; dataset='...' (--dataset) takes "
            "one, a destination without a suffix is a folder of .tsr files, and to='tsr4' "
            "(--to tsr4) writes one .tsr file of several",
            path=document.path,
        )
    return document


def _losses(document: Document, holds: Holds) -> Iterator[tuple[str | None, str]]:
    # Each thing that the target has no place for: its name, and what it is.
    if Holds.METADATA not in holds and document.metadata.keys() - {"format"}:
        keys = sorted(document.metadata.keys() - {"format"})
        yield None, f"the file's metadata ({', '.join(keys)})"
    if Holds.NOTES not in holds or Holds.STRUCTURE not in holds:
        yield from _tree_losses(document.tree, holds, "")


def _tree_losses(tree: Tree, holds: Holds, name: str) -> Iterator[tuple[str | None, str]]:
    if isinstance(tree, Tensor):
        return
    if not isinstance(tree, dict):
        container = isinstance(tree, (list, tuple))
        what = f"a {type(tree).__name__}" if container else f"the scalar {tree!r}"
        yield name or None, what
        return
    if name and Holds.NESTING not in holds and Holds.MANY in holds:
        yield name, "a dict inside another"
    if get_notes(tree) is not None and Holds.NOTES not in holds:
        yield name or None, "what torch notes beside a state dict (_metadata)"
    for key, child in tree.items():
        path = f"{name}/{key}" if name else str(key)
        if not isinstance(key, str):
            yield path, f"a key that is an {type(key).__name__}"
        yield from _tree_losses(child, holds, path)


def _simplify(tree: Tree, path: str, holds: Holds) -> Tree:
    # Keep names and tensors only.
    if Holds.MANY not in holds:
        return next(tensors(tree))
    if Holds.NESTING in holds:
        made: Tree = _only_dicts(tree)
        return made
    flat: dict[Any, Tree] = OrderedDict() if get_notes(tree) is not None else {}
    for names, tensor in _named(tree):
        name = ".".join(names)
        if name in flat:
            raise ConversionError("two tensors would get this name", path=path, name=name)
        flat[name] = tensor
    return set_notes(flat, get_notes(tree) if Holds.NOTES in holds else None)


def _named(tree: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    if isinstance(tree, Tensor):
        yield names, tree
    elif isinstance(tree, (dict, list, tuple)):
        for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _named(child, (*names, str(key)))


def _only_dicts(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {
        str(key): _only_dicts(child)
        for key, child in items
        if isinstance(child, (Tensor, dict, list, tuple))
    }
