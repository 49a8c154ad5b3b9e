"""A tree <-> JSON: what ``tensors.json`` says of the files beside it, or a sidecar of a TSR4 file.

    tensor         "path/of/its/file.tsr"
                   {"tensor": 2, "shape": [10, 784], "crc32": 305419896} for one of a TSR4 file,
                   by its index
    dict           {"dict": {"weight": ..., "bias": ...}}
                   {"dict": [[1, ...], ["a", ...]]} if not all its keys are str
    OrderedDict    {"OrderedDict": ...}, with "_metadata" beside it where torch keeps some
    list, tuple    {"list": [...]}, {"tuple": [...]}
    str            {"str": "..."}
    float          0.5; {"float": "7ff0000000000000"}, its bits, for what JSON lacks
    int, bool, None    as JSON has them

Text that says something else raises `ValueError`.
"""

from __future__ import annotations

import json
import math
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias

from tsr.converters.tensor import Tensor
from tsr.converters.tree import get_notes, set_notes
from tsr.source import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsr.converters.tree import Document, Entries, Tree

    # Where a tensor is, as JSON has it.
    Place: TypeAlias = str | dict[str, Any]

__all__ = ["decode", "dump", "encode", "no_tensor", "parse", "read_listing", "write_listing"]

_DICTS: dict[str, type[dict[Any, Any]]] = {"dict": dict, "OrderedDict": OrderedDict}
_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple}
_NOTES = "_metadata"
_TENSOR = "tensor"
_LINE = 88

_VERSION = 1


def write_listing(
    document: Document, kind: str, locate: Callable[[tuple[str | int, ...], Tensor], Place]
) -> str:
    """Make the text of a whole file.

    Parameters
    ----------
    document : Document
    kind : str
        What the file calls itself, for example ``"tsr-folder"``.
    locate : callable
        As for `encode`.
    """
    value: dict[str, Any] = {"format": kind, "version": _VERSION}
    if document.metadata:
        value["metadata"] = document.metadata
    value["tree"] = encode(document.tree, locate)
    return dump(value) + "\n"


def read_listing(path: str, kind: str) -> tuple[Any, dict[str, str]]:
    """Read a whole file: the JSON value of its tree, and the text about the whole.

    Raises
    ------
    ValueError
        It is no such file.
    """
    descriptor, _ = open_regular(path)
    with open(descriptor, encoding="utf-8") as stream:
        value = parse(stream.read())
    if not isinstance(value, dict) or value.get("format") != kind or "tree" not in value:
        raise ValueError(f"expected an object with the format {kind!r} and a tree")
    if value.get("version") != _VERSION:
        raise ValueError(f"version: got {value.get('version')!r}, expected {_VERSION}")
    unknown = value.keys() - {"format", "version", "tree", "metadata"}
    if unknown:
        raise ValueError(f"got the unknown entry {min(unknown)!r}")
    metadata = value.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(t, str) for t in metadata.values()):
        raise ValueError("metadata: expected text by name")
    return value["tree"], metadata


def encode(
    tree: Tree,
    locate: Callable[[tuple[str | int, ...], Tensor], Place],
    keys: tuple[str | int, ...] = (),
) -> Any:
    """Make the JSON value of a tree.

    Parameters
    ----------
    tree : Tree
    locate : callable
        Gives the place of a tensor, from the keys that lead to it and itself.
    keys : tuple of str or int
        The keys that lead to `tree`.
    """
    if isinstance(tree, Tensor):
        return locate(keys, tree)
    if isinstance(tree, dict):
        items = [(key, encode(child, locate, (*keys, key))) for key, child in tree.items()]
        plain = all(isinstance(key, str) for key in tree)
        made: dict[str, Any] = {type(tree).__name__: dict(items) if plain else items}
        if get_notes(tree) is not None:
            made[_NOTES] = encode(get_notes(tree), locate, (*keys, _NOTES))
        return made
    if isinstance(tree, (list, tuple)):
        children = [encode(child, locate, (*keys, i)) for i, child in enumerate(tree)]
        return {type(tree).__name__: children}
    if isinstance(tree, str):
        return {"str": tree}
    if isinstance(tree, float) and not math.isfinite(tree):
        return {"float": struct.pack(">d", tree).hex()}
    return tree


def decode(
    value: Any, open_tensor: Callable[[Place], Tensor], entries: Entries, depth: int = 0
) -> Any:
    """Make the tree of a JSON value.

    Parameters
    ----------
    value : object
    open_tensor : callable
        Gives the tensor for a place.
    entries : Entries
        Counts what is found.
    depth : int
        How many keys lead to `value`.

    Raises
    ------
    ConversionError
        It nests too deeply, or has too many entries.
    """
    entries.add(depth)
    if isinstance(value, str) or (isinstance(value, dict) and _TENSOR in value):
        return open_tensor(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict) and value:
        kind, *extra = value
        content = value[kind]
        if kind in _DICTS and (not extra or (extra == [_NOTES] and kind == "OrderedDict")):
            made = _DICTS[kind]()
            for key, child in _items(content):
                made[key] = decode(child, open_tensor, entries, depth + 1)
            notes = decode(value[_NOTES], no_tensor, entries, depth + 1) if extra else None
            return set_notes(made, notes)
        if kind in _SEQUENCES and isinstance(content, list) and not extra:
            return _SEQUENCES[kind](
                decode(child, open_tensor, entries, depth + 1) for child in content
            )
        if kind == "str" and isinstance(content, str) and not extra:
            return content
        if kind == "float" and isinstance(content, str) and not extra:
            return struct.unpack(">d", bytes.fromhex(content))[0]
    raise ValueError(f"got {json.dumps(value)[:80]}, expected a tensor, a container or a scalar")


def dump(value: Any, indent: str = "") -> str:
    """Write JSON: on one line what is short, else an entry a line."""
    line = json.dumps(value)
    if len(indent) + len(line) <= _LINE or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)}: {dump(child, inner)}" for key, child in value.items()]
    else:
        entries = [dump(child, inner) for child in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{inner}" + f",\n{inner}".join(entries) + f"\n{indent}{last}"


def parse(text: str) -> Any:
    """Parse JSON, strictly: no key twice, no NaN."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _items(content: Any) -> list[tuple[Any, Any]]:
    if isinstance(content, dict):
        return list(content.items())
    pairs = isinstance(content, list) and all(
        isinstance(pair, list) and len(pair) == 2 and type(pair[0]) in (str, int)
        for pair in content
    )
    if not pairs:
        raise ValueError(
            "a dict: expected an object, or a list of pairs of a str or int and a value"
        )
    return list(_unique([tuple(pair) for pair in content]).items())


def _unique(pairs: list[Any]) -> dict[Any, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(
            f"the key {next(key for key in keys if keys.count(key) > 1)!r} comes twice"
        )
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def no_tensor(place: Place) -> Tensor:
    """Refuse the place of a tensor, where none may be."""
    raise ValueError(f"a tensor in {_NOTES}: {place!r}")
