"""The test vectors of a format as data: choosing among them, and what they say of a file.

A test of many vectors is one of pytest's for each clause, not for each vector: to begin one and
report it takes longer than most vectors do. Which vector it failed with stands in the error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reading import Outcome

__all__ = [
    "VECTORS",
    "Vector",
    "Vectors",
    "assert_tensors",
    "by_clause",
    "file_of",
    "of_each",
    "reported",
]

VECTORS = Path(__file__).parents[1] / "spec" / "vectors"

Vector = dict[str, Any]

_Test = Callable[..., None]


def by_clause(vectors: Iterable[Vector]) -> dict[str, list[Vector]]:
    """Group vectors by the clause that they break; of valid ones there is one group."""
    groups: dict[str, list[Vector]] = {}
    for vector in vectors:
        groups.setdefault(vector.get("clause", "valid"), []).append(vector)
    return groups


def of_each(test: _Test) -> _Test:
    """Make a test of a `vector` one of many, which pytest gives it in its place."""

    @wraps(test)
    def of_many(vector: Iterable[Vector], **arguments: object) -> None:
        for one in vector:
            of_one(one, arguments)

    def of_one(vector: Vector, arguments: dict[str, object]) -> None:
        try:
            test(vector=vector, **arguments)
        except (Exception, pytest.fail.Exception) as error:
            raise AssertionError(f"vector {vector['id']}") from error

    return of_many


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

    def where(self, holds: Callable[[Vector], bool]) -> Callable[[_Test], _Test]:
        """Run a test on each of the vectors for which something holds."""
        groups = by_clause(filter(holds, self.by_id.values()))
        parametrize = pytest.mark.parametrize("vector", groups.values(), ids=groups)
        return lambda test: parametrize(of_each(test))

    def chosen(self, **members: object) -> Callable[[_Test], _Test]:
        """Run a test on each of the vectors that have these members."""
        return self.where(
            lambda vector: all(vector.get(name) == value for name, value in members.items())
        )

    def flagged(self, flag: str) -> Callable[[_Test], _Test]:
        """Run a test on each of the vectors with a flag."""
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
