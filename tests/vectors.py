"""The test vectors of a format as data: choosing among them, and what they say of a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reading import Outcome

__all__ = ["VECTORS", "Vector", "Vectors", "assert_tensors", "file_of", "reported"]

VECTORS = Path(__file__).parents[1] / "spec" / "vectors"

Vector = dict[str, Any]


class Vectors:
    """The vectors of one document, by their ids.

    Parameters
    ----------
    name : str
        The document's, in ``spec/vectors``.
    """

    def __init__(self, name: str) -> None:
        self.document: dict[str, Any] = json.loads((VECTORS / name).read_bytes())
        self.by_id: dict[str, Vector] = {
            vector["id"]: vector for vector in self.document["vectors"]
        }

    def where(self, holds: Callable[[Vector], bool]) -> pytest.MarkDecorator:
        """Parametrize a test over the vectors for which something holds."""
        return pytest.mark.parametrize(
            "vector",
            [pytest.param(vector, id=name) for name, vector in self.by_id.items() if holds(vector)],
        )

    def chosen(self, **members: object) -> pytest.MarkDecorator:
        """Parametrize a test over the vectors that have these members."""
        return self.where(
            lambda vector: all(vector.get(name) == value for name, value in members.items())
        )

    def flagged(self, flag: str) -> pytest.MarkDecorator:
        """Parametrize a test over the vectors with a flag."""
        return self.where(lambda vector: flag in vector["flags"])


def file_of(vector: Vector) -> bytes:
    """Take the file out of a vector."""
    return bytes.fromhex(vector["hex"])


def reported(report: Vector) -> Outcome:
    """Give what a vector says that a file is refused for, as `tests.reading` does."""
    return "refused", report["clause"], report["field"], report["offset"]


def assert_tensors(found: Outcome, tensors: Sequence[Vector]) -> None:
    """Compare what reading gave with dtypes, shapes and hashes of a vector."""
    assert found[:1] != ("refused",), found
    assert [(dtype, shape, _hash(data)) for dtype, shape, data in found] == [
        (
            np.dtype(tensor["dtype"]).newbyteorder("<").str,
            tuple(tensor["shape"]),
            tensor["payload_sha256"],
        )
        for tensor in tensors
    ]


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()
