"""What ``--slice`` got -> a part of an array, by the rules of numpy's indexing. No numpy.

An index is a tuple with, for each axis, an int or a range: which of its elements are meant. Raises
`UnsupportedError` for an index that the shape does not have.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TypeAlias

from tsr.errors import UnsupportedError

__all__ = [
    "Given",
    "Index",
    "as_text",
    "first_matrix",
    "for_numpy",
    "parse_slice",
    "resolve",
    "shape_of",
]

Index: TypeAlias = "tuple[int | range, ...]"
Given: TypeAlias = "tuple[int | slice | None, ...]"  # None for the ...

_EXPECTED = "expected indices like 0,3 or 0,:,-1,10:20 or ...,0"


def parse_slice(text: str) -> Given:
    """Parse an argument of ``--slice``; brackets around it are welcome."""
    inner = text.strip().removeprefix("[").removesuffix("]")
    parts = [part.strip() for part in inner.split(",")]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()  # as in a tuple of Python
    given = tuple(_parse_part(part, text) for part in parts)
    if given.count(None) > 1:
        raise ArgumentTypeError(f"got {text!r}, expected at most one ...")
    return given


def _parse_part(part: str, text: str) -> int | slice | None:
    if part == "...":
        return None
    try:
        if ":" not in part:
            return int(part)
        limits = [int(limit) if limit.strip() else None for limit in part.split(":")]
    except ValueError:
        raise ArgumentTypeError(f"got {text!r}, {_EXPECTED}") from None
    if len(limits) > 3:
        raise ArgumentTypeError(f"got {text!r}, {_EXPECTED}")
    if limits[2:] == [0]:
        raise ArgumentTypeError(f"got {text!r}, expected no step of 0")
    return slice(*limits)


def resolve(given: Given, shape: tuple[int, ...]) -> Index:
    """Apply what was given to a shape; axes that it does not name are taken whole.

    Raises
    ------
    UnsupportedError
        There are fewer axes, or one is shorter.
    """
    count = len(given) - given.count(None)
    if count > len(shape):
        raise UnsupportedError(
            f"--slice: got {count} indices, expected at most {len(shape)} for shape {shape}",
            given=count,
        )
    rest = (slice(None),) * (len(shape) - count)
    at = given.index(None) if None in given else len(given)
    full = (*given[:at], *rest, *given[at + 1 :])
    return tuple(_resolve(one, axis, shape) for axis, one in enumerate(full))


def _resolve(one: int | slice | None, axis: int, shape: tuple[int, ...]) -> int | range:
    dimension = shape[axis]
    if isinstance(one, int):
        if not -dimension <= one < dimension:
            allowed = f"{-dimension} to {dimension - 1}" if dimension else "none, it has length 0"
            raise UnsupportedError(
                f"--slice: got {one}, expected {allowed} for axis {axis} of shape {shape}",
                given=one,
            )
        return one % dimension
    return range(dimension)[one or slice(None)] or range(0)  # an empty one can begin anywhere


def first_matrix(index: Index) -> Index:
    """Keep the first matrix of what an index selects: of its axes all but two become an int.

    Nothing can be empty.
    """
    axes = [axis for axis, one in enumerate(index) if isinstance(one, range)]
    single = set(axes[:-2])
    return tuple(
        one[0] if isinstance(one, range) and axis in single else one
        for axis, one in enumerate(index)
    )


def shape_of(index: Index) -> tuple[int, ...]:
    """Give the shape of what an index selects."""
    return tuple(len(one) for one in index if isinstance(one, range))


def for_numpy(index: Index) -> tuple[int | slice, ...]:
    """Give the index in the form that numpy takes."""
    return tuple(one if isinstance(one, int) else _as_slice(one) for one in index)


def _as_slice(one: range) -> slice:
    # Going down, a stop before the first element would count from the end.
    return slice(one.start, one.stop if one.stop >= 0 else None, one.step)


def as_text(index: Index, shape: tuple[int, ...]) -> str:
    """Write an index as in Python: ``[0, :, 2:5]``."""
    return f"[{', '.join(map(_part_text, index, shape))}]"


def _part_text(one: int | range, dimension: int) -> str:
    if isinstance(one, int):
        return str(one)
    if one == range(dimension):
        return ":"
    stop = str(one.stop) if one.stop >= 0 else ""
    step = f":{one.step}" if one.step != 1 else ""
    return f"{one.start}:{stop}{step}"
