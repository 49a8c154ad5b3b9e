"""The test vectors of both formats, by format and id, as the documents in ``spec/vectors`` say."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from docs.hooks.included import ROOT

__all__ = ["DOCUMENTS", "Vector", "counts", "document", "file_of", "vector"]

DOCUMENTS = {"v1": "TSR version 1", "tsr4": "TSR4"}

Vector = dict[str, Any]


@cache
def document(format: str) -> dict[str, Any]:
    """Read the document of a format."""
    read: dict[str, Any] = json.loads((ROOT / "spec" / "vectors" / f"{format}.json").read_bytes())
    return read


@cache
def _by_id(format: str) -> dict[str, Vector]:
    return {vector["id"]: vector for vector in document(format)["vectors"]}


def vector(format: str, name: str) -> Vector:
    """Give a vector; `ValueError` is raised where there is none."""
    if name not in _by_id(format):
        raise ValueError(f"no vector {name!r} of {format}")
    return _by_id(format)[name]


@cache
def counts() -> dict[str, int]:
    """Count the vectors that report each clause."""
    return {
        clause: count
        for format in DOCUMENTS
        for clause, count in document(format)["clauses"].items()
    }


def file_of(vector: Vector) -> bytes:
    """Take the file out of a vector."""
    return bytes.fromhex(vector["hex"])
