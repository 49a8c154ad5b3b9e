"""The tensors of two files -> which are compared with which.

Raises `UnsupportedError` where the one that was asked for is in neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tsr.converters.reading import no_such_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tsr.converters.reading import NamedTensor, Reading

    Pair: TypeAlias = tuple[NamedTensor | None, NamedTensor | None]

__all__ = ["pair"]


def pair(a: Reading, b: Reading, tensor: str | int | None = None) -> tuple[list[Pair], bool]:
    """Match tensors by name where both sides have names, else by index.

    Names that only one side has are tried with dots in place of slashes once more, as nested names
    are in a file without nesting.

    Parameters
    ----------
    a, b : Reading
    tensor : str or int, optional
        Give only the pair of which one has this name, or this index; a single tensor without a
        name is matched with whatever has it.

    Returns
    -------
    pairs : list
        Pairs, in the order of `a`, those only in `b` last; None stands for what is not there.
    same_order : bool
        Whether `b` has them in the same order.
    """
    if tensor is not None:
        return [_chosen(a, b, tensor)], True
    if not (a.named and b.named):
        return _by_index(a, b), True
    pairs = _by_name(a, b)
    places = [right.index for left, right in pairs if left is not None and right is not None]
    return pairs, places == sorted(places)


def _by_index(a: Reading, b: Reading) -> list[Pair]:
    count = max(len(a), len(b))
    return [
        (a[index] if index < len(a) else None, b[index] if index < len(b) else None)
        for index in range(count)
    ]


def _by_name(a: Reading, b: Reading) -> list[Pair]:
    matches: dict[int, NamedTensor] = {}
    left_over = list(b)
    for key in (_keys, _plain, _dotted):
        there = _unique(left_over, key)
        wanted = _unique([each for each in a if each.index not in matches], key)
        found = {each.index: there[name] for name, each in wanted.items() if name in there}
        matches.update(found)
        taken = {each.index for each in found.values()}
        left_over = [each for each in left_over if each.index not in taken]
    pairs: list[Pair] = [(each, matches.get(each.index)) for each in a]
    return [*pairs, *((None, each) for each in left_over)]


def _keys(tensor: NamedTensor) -> Hashable:
    return tensor.keys


def _plain(tensor: NamedTensor) -> Hashable:
    return tensor.name


def _dotted(tensor: NamedTensor) -> Hashable:
    return ".".join(map(str, tensor.keys))


def _unique(
    tensors: list[NamedTensor], key: Callable[[NamedTensor], Hashable]
) -> dict[Hashable, NamedTensor]:
    # By name, without names that several have: the keys 1 and "1" read the same.
    made: dict[Hashable, NamedTensor] = {}
    twice = set()
    for each in tensors:
        if key(each) in made:
            twice.add(key(each))
        made[key(each)] = each
    return {name: each for name, each in made.items() if name not in twice}


def _chosen(a: Reading, b: Reading, wanted: str | int) -> Pair:
    for one, many in ((a, b), (b, a)):
        if len(one) == 1 and not one.named and (len(many) > 1 or many.named):
            found = many.find(wanted)
            if found is not None:  # the one that is there, whatever the other side calls it
                return (one[0], found) if one is a else (found, one[0])
    for each in (a.find(wanted), b.find(wanted)):
        for left, right in pair(a, b)[0]:
            if each is not None and (left is each or right is each):
                return left, right
    raise no_such_tensor("tensor", wanted, a, b)
