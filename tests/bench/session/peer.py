"""What a way to work with another process offers: a worker that is ready once this is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Arrays", "Peer"]

# A worker imports this, and is to import numpy with its first array only.
Arrays = Sequence["NDArray[Any]"]


class Peer(Protocol):
    """A worker process and the way to it."""

    def echo(self, text: str) -> str:
        """Have the worker send a text back."""

    def negate(self, arrays: Arrays) -> Arrays:
        """Have the worker negate arrays, in one request; what it gives is valid until the next."""

    def close(self) -> None:
        """End the worker, and remove all that was made for it."""
