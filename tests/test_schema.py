"""The reference codec: what it refuses to write, and where its rules stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tsr
from tests.vectors import Vectors
from tsr import schema

WRITERS: dict[str, Callable[[Any], bytes]] = {
    "v1": schema.reference_dumps,
    "tsr4-raw": lambda array: schema.reference_dumps_tsr4([array]),
    "tsr4-zlib": lambda array: schema.reference_dumps_tsr4([array], compress=True),
}
NO_ENCODING = {
    "float64": np.zeros(3),
    "uint8": np.zeros(3, np.uint8),
    "complex64": np.zeros(3, np.complex64),
    "bool": np.zeros(3, np.bool_),
    "object": np.zeros(3, np.object_),
    "datetime64": np.zeros(3, "datetime64[s]"),
    "structured": np.zeros(3, "f4, i4"),
    "text": np.zeros(3, "U4"),
    "rank-5": np.zeros((1, 1, 1, 1, 2), np.float32),
}


def clauses_of(struct: Any) -> list[str]:
    """List the clauses that the parts of a struct are named after."""
    names = (part.subcon.name or part.name for part in struct.subcons)
    return [name.partition("[")[0] for name in names if "-" in name]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("array", NO_ENCODING.values(), ids=NO_ENCODING)
def test_what_has_no_encoding(write: Callable[[Any], bytes], array: Any) -> None:
    """An array without an encoding is refused as such, and by no error of construct's."""
    with pytest.raises(tsr.UnsupportedError):
        write(array)


def test_what_has_no_encoding_in_one_format() -> None:
    """TSR v1 lacks float16, TSR4 empty arrays and empty files."""
    half, empty = np.zeros(3, np.float16), np.zeros((2, 0), np.float32)
    with pytest.raises(tsr.UnsupportedError):
        schema.reference_dumps(half)
    unwritable: list[list[Any]] = [[empty], [half, empty], []]
    for arrays in unwritable:
        with pytest.raises(tsr.UnsupportedError):
            schema.reference_dumps_tsr4(arrays)
    assert schema.reference_loads(schema.reference_dumps(empty)).shape == empty.shape
    assert schema.reference_loads_tsr4(schema.reference_dumps_tsr4([half]))[0].dtype == half.dtype


@pytest.mark.parametrize(
    ("document", "structs"),
    [
        pytest.param("v1.json", [schema.V1_HEADER_SCHEMA], id="v1"),
        pytest.param("tsr4.json", [schema.TSR4_HEADER_SCHEMA, schema.TSR4_ENTRY_SCHEMA], id="tsr4"),
    ],
)
def test_rules_stand_in_the_order_of_the_specification(document: str, structs: list[Any]) -> None:
    """The rules of header and entry are declared in the order in which they are reported."""
    for struct in structs:
        declared = list(dict.fromkeys(clauses_of(struct)))
        ordered = [clause for clause in Vectors(document).document["clauses"] if clause in declared]
        assert declared == ordered
