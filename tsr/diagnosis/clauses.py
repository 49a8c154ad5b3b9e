"""The clauses of the specifications: an id -> what it demands, and what mends a broken file.

The sentences are those of ``spec/tsr-v1.md`` and ``spec/tsr4.md`` without their reasons, which
``tests/test_clauses.py`` compares. They stand in ``clauses.json``, which the decoder in JavaScript
reads too. Raises `UnsupportedError` for an id that no clause has. No numpy.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import NamedTuple

from tsr.errors import UnsupportedError

__all__ = ["Clause", "clause", "clauses"]


class Clause(NamedTuple):
    """A rule of a specification.

    Attributes
    ----------
    id : str
        For example ``"V1-DTYPE-1"``.
    sentence : str
        What it demands, in the words of the specification.
    mend : str
        What a person would do about a file that breaks it.
    """

    id: str
    sentence: str
    mend: str

    @property
    def location(self) -> str:
        """Where it stands: the document, and the anchor of its heading in it."""
        document = "tsr4.md" if self.id.startswith("T4") else "tsr-v1.md"
        return f"spec/{document}#{self.id.lower()}"


def clause(name: str) -> Clause:
    """Give the clause that has an id.

    Raises
    ------
    UnsupportedError
        No clause has it.
    """
    found = clauses().get(name)
    if found is None:
        raise UnsupportedError(f"clause: got {name!r}, expected an id like V1-DTYPE-1", given=name)
    return found


@cache
def clauses() -> dict[str, Clause]:
    """Give all clauses by their ids, in the order in which the specifications have them."""
    path = os.path.join(os.path.dirname(__file__), "clauses.json")
    with open(path, encoding="utf-8") as file:
        return {name: Clause(name, **texts) for name, texts in json.load(file).items()}
