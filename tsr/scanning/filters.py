"""What rows of a scan have to be like, patterns for shapes among it. No I/O, no numpy.

Raises `UnsupportedError` for what is no pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsr.errors import UnsupportedError

if TYPE_CHECKING:
    from tsr.scanning.facts import Facts

__all__ = ["Filter", "ShapePattern"]

_ANY, _REST = "*", "..."


@dataclass(frozen=True)
class Filter:
    """What a row has to be like; None lets everything pass.

    Attributes
    ----------
    format, dtype, status : str, optional
        As in the columns.
    shape : ShapePattern, optional
    rank : int, optional
        Number of dimensions.
    min_bytes, max_bytes : int, optional
        What the elements take.
    """

    format: str | None = None
    dtype: str | None = None
    status: str | None = None
    shape: ShapePattern | None = None
    rank: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None

    def passes(self, facts: Facts) -> bool:
        """Tell whether a row is like that. Of a bad file only format and status are known."""
        if self.status not in (None, facts.status) or self.format not in (None, facts.format):
            return False
        if facts.shape is None:
            given = (self.dtype, self.shape, self.rank, self.min_bytes, self.max_bytes)
            return given == (None,) * len(given)
        return (
            self.dtype in (None, facts.dtype)
            and self.rank in (None, len(facts.shape))
            and (self.shape is None or self.shape.matches(facts.shape))
            and (self.min_bytes is None or facts.nbytes >= self.min_bytes)
            and (self.max_bytes is None or facts.nbytes <= self.max_bytes)
        )


class ShapePattern:
    """What the dimensions of a shape have to be.

    Parameters
    ----------
    text : str
        A dimension each, between commas, with or without parentheses: a number; ``*``, any
        number; a name, any number, which is the same wherever the name is; and at most once
        ``...``, any number of dimensions. ``()`` is the shape of a scalar.
    """

    def __init__(self, text: str) -> None:
        inner = text.strip()
        if not inner:  # as of a variable of the shell that is not set
            raise _wrong(text, "nothing in it")
        if inner.startswith("(") and inner.endswith(")"):
            inner = inner[1:-1]
        words = [word.strip() for word in inner.split(",")]
        if words[-1] == "":  # as in (3,), and in ()
            words.pop()
        for word in words:
            if not (word in (_ANY, _REST) or word.isidentifier() or _is_number(word)):
                raise _wrong(text, f"dimension {word!r}")
        if words.count(_REST) > 1:
            raise _wrong(text, f"{_REST} more than once")
        rest = words.index(_REST) if _REST in words else None
        dims = [int(word) if _is_number(word) else word for word in words]
        self._before = dims if rest is None else dims[:rest]
        self._behind = [] if rest is None else dims[rest + 1 :]
        self._open = rest is not None

    def matches(self, shape: tuple[int, ...]) -> bool:
        """Tell whether a shape is like that."""
        words = [*self._before, *self._behind]
        if len(shape) < len(words) or (len(shape) > len(words) and not self._open):
            return False
        behind = shape[len(shape) - len(self._behind) :]
        names: dict[str, int] = {}
        for word, dim in zip(words, (*shape[: len(self._before)], *behind), strict=True):
            expected = word if isinstance(word, int) else names.setdefault(word, dim)
            if expected != dim and word != _ANY:
                return False
        return True


def _is_number(word: str) -> bool:
    # Python makes no number of thousands of digits, and no dimension has so many.
    return word.isascii() and word.isdigit() and len(word) < 100


def _wrong(text: str, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"shape: got {text!r} with {what}, expected numbers, '*', names and one '...', as in "
        "'(N, *, 3)'",
        given=text,
    )
