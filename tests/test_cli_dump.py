"""`tsr dump`: what numpy prints, and the exact values as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tsr
from tsr.cli import main, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

SEVERAL: list[NDArray[Any]] = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array([0.1, -0.0, np.inf], np.float16),
    np.zeros((40, 50), np.int8),
]

SPECIAL = np.array([np.nan, -0.0, np.inf, -np.inf, 1e-45, 0.1, -3.4028235e38], np.float32)


def dump(array: NDArray[Any], capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Save an array and dump it."""
    tsr.save("x.tsr", array)
    assert main(["dump", "x.tsr", *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def stored(array: NDArray[Any]) -> NDArray[Any]:
    """Give the array as TSR4 stores it, with four dimensions."""
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


@pytest.fixture(params=[False, True], ids=["raw", "zlib"])
def _several(request: pytest.FixtureRequest, _directory: None) -> None:
    tsr.save("x.tsr", SEVERAL, format="tsr4", compress=request.param)


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "array",
    [np.float32(0.1), np.arange(6, dtype=np.int32).reshape(2, 3), SPECIAL,
     np.zeros((3, 0), np.float32), np.zeros((100, 100), np.int8)],
    ids=["rank-0", "rank-2", "special", "no-elements", "large"],
)  # fmt: skip
def test_as_numpy_prints(array: NDArray[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Without options the text is numpy's, large arrays cut."""
    assert dump(array, capsys) == str(array) + "\n"


def test_full(capsys: pytest.CaptureFixture[str]) -> None:
    """`--full` prints a large array whole."""
    array = np.arange(2000, dtype=np.int32)
    assert "..." in dump(array, capsys)
    assert dump(array, capsys, "--full").strip("[]\n").split() == [str(i) for i in range(2000)]


def test_precision(capsys: pytest.CaptureFixture[str]) -> None:
    """`--precision` limits the digits after the point."""
    array = np.array([np.pi, 1], np.float32)
    assert dump(array, capsys, "--precision", "2") == "[3.14 1.  ]\n"
    assert dump(array, capsys, "--precision", "0") == "[3. 1.]\n"
    assert dump(array, capsys, "--precision", "1000") == "[3.1415927 1.       ]\n"


@pytest.mark.parametrize(
    ("array", "text"),
    [
        pytest.param(np.float32(0.1), "0.1\n", id="rank-0"),
        pytest.param(SPECIAL, "nan\n-0.0\ninf\n-inf\n1e-45\n0.1\n-3.4028235e+38\n", id="rank-1"),
        pytest.param(np.arange(6, dtype=np.int8).reshape(2, 3), "0,1,2\n3,4,5\n", id="rank-2"),
        pytest.param(
            np.arange(8, dtype=np.int32).reshape(2, 2, 2),
            "0,0,0,1\n0,1,2,3\n1,0,4,5\n1,1,6,7\n",
            id="rank-3",
        ),
        pytest.param(
            np.arange(4, dtype=np.int32).reshape(2, 1, 1, 2), "0,0,0,0,1\n1,0,0,2,3\n", id="rank-4"
        ),
        pytest.param(np.zeros(0, np.int8), "", id="no-elements"),
        pytest.param(np.zeros((2**31 - 1, 0), np.int8), "", id="no-elements-many-rows"),
    ],
)
def test_csv(array: NDArray[Any], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A row has a line, after its indices from rank 3 on."""
    assert dump(array, capsys, "--csv") == text


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(np.float32(0.1), 0.1, id="rank-0"),
        pytest.param(
            SPECIAL,
            ["nan", -0.0, "inf", "-inf", 1e-45, 0.1, -3.4028235e38],
            id="rank-1",
        ),
        pytest.param(
            np.arange(8, dtype=np.int8).reshape(2, 2, 1, 2),
            [[[[0, 1]], [[2, 3]]], [[[4, 5]], [[6, 7]]]],
            id="rank-4",
        ),
        pytest.param(np.zeros((2**31 - 1, 0), np.int32), [], id="no-elements"),
    ],
)
def test_json(array: NDArray[Any], expected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON keeps dtype and shape, and spells what it has no number for."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = dump(array, capsys, "--json")
    assert json.loads(text, parse_constant=refuse) == {
        "path": "x.tsr",
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "values": expected,
    }


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1), st.booleans())
def test_every_bit_survives(patterns: list[int], as_json: bool) -> None:
    """Any float32 but a NaN's payload comes back from CSV and JSON with the same bits."""
    array = np.array(patterns, np.uint32).view(np.float32)
    array[np.isnan(array)] = np.nan
    if as_json:
        numbers = json.loads("".join(values.json_text(array, "x")))["values"]
    else:
        numbers = [row[0] for row in csv.reader(io.StringIO("".join(values.csv_text(array))))]
    assert np.array(numbers, np.float32).tobytes() == array.tobytes()


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "csv"])
def test_every_float16_survives(as_json: bool) -> None:
    """So does every float16, in no more digits than its own precision takes."""
    array = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    array[np.isnan(array)] = np.nan
    if as_json:
        numbers = json.loads("".join(values.json_text(array)))["values"]
    else:
        numbers = [row[0] for row in csv.reader(io.StringIO("".join(values.csv_text(array))))]
        assert max(map(len, numbers)) == len("-6.1035e-05")
    assert np.array(numbers, np.float16).tobytes() == array.tobytes()


@pytest.mark.parametrize("shape", [(50_000,), (2, 40_000), (1, 2, 40_000)])
def test_long_rows(shape: tuple[int, ...]) -> None:
    """A row that is converted in pieces is one row."""
    array = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    rows = "".join(values.csv_text(array)).splitlines()
    width = shape[-1] if len(shape) > 1 else 1
    table = np.array([list(map(int, row.split(",")))[-width:] for row in rows])
    np.testing.assert_array_equal(table.reshape(shape), array)
    text = "".join(values.json_text(array, "x"))
    np.testing.assert_array_equal(json.loads(text)["values"], array)


@pytest.mark.parametrize("shape", [(2**30,), (2, 2**30), (2**29, 2), (2**28, 2, 3)])
@pytest.mark.parametrize("form", [values.csv_text, lambda array: values.json_text(array, "x")])
def test_streams(shape: tuple[int, ...], form: Callable[[NDArray[Any]], Iterator[str]]) -> None:
    """The first pieces of a file of any size are there at once, and small."""
    with open("x.tsr", "wb") as file:
        file.write(tsr.build_header("int8", shape))
        file.truncate(64 + math.prod(shape))
    tracemalloc.start()
    try:
        for piece in islice(form(tsr.load("x.tsr")), 20):
            assert len(piece) <= 3 * values.PIECE
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """`--lenient` reads what the original readers read."""
    Path("x.tsr").write_bytes(tsr.dumps(np.int8(5)) + b"trailing")
    assert main(["dump", "x.tsr"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("[V1-PAYLOAD-2]\n")
    assert main(["dump", "--lenient", "x.tsr"]) == 0
    assert capsys.readouterr().out == "5\n"


@pytest.mark.usefixtures("_several")
def test_several(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of several tensors has a heading with its index, dtype and shape."""
    assert main(["dump", "x.tsr"]) == 0
    headings = (
        "tensor 0: float32 (1, 1, 2, 3)",
        "tensor 1: float16 (1, 1, 1, 3)",
        "tensor 2: int8 (1, 1, 40, 50)",
    )
    assert capsys.readouterr() == (
        "\n".join(
            f"{heading}\n{stored(array)}\n"
            for heading, array in zip(headings, SEVERAL, strict=True)
        ),
        "",
    )
    assert main(["dump", "--full", "--precision=0", "x.tsr"]) == 0
    out = capsys.readouterr().out
    assert "[[[[0. 1. 2.]" in out
    assert "..." not in out


@pytest.mark.usefixtures("_several")
def test_json_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON of several tensors is one object with a list of them."""
    assert main(["dump", "--json", "x.tsr"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": "x.tsr",
        "tensors": [
            {"dtype": "float32", "shape": [1, 1, 2, 3], "values": [[[[0, 1, 2], [3, 4, 5]]]]},
            {"dtype": "float16", "shape": [1, 1, 1, 3], "values": [[[[0.1, -0.0, "inf"]]]]},
            {"dtype": "int8", "shape": [1, 1, 40, 50], "values": [[[[0] * 50] * 40]]},
        ],
    }


@pytest.mark.usefixtures("_several")
@pytest.mark.parametrize("index", [0, 1, 2, -1, -3])
def test_tensor(index: int, capsys: pytest.CaptureFixture[str]) -> None:
    """`--tensor` picks one, also from the end, and prints it like the only one of a file."""
    tsr.save("y.tsr", SEVERAL[index], format="tsr4")
    for option in ("--full", "--csv", "--json"):
        assert main(["dump", option, "y.tsr"]) == 0
        alone = capsys.readouterr().out.replace("y.tsr", "x.tsr")
        assert main(["dump", "--tensor", str(index), option, "x.tsr"]) == 0
        assert capsys.readouterr() == (alone, "")


def test_only_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    """The only tensor of a TSR4 file is printed as that of a TSR v1 file."""
    array = stored(SEVERAL[0])
    for option in ("--full", "--csv", "--json", "--tensor=0", "--tensor=-1"):
        expected = dump(array, capsys, option)
        tsr.save("x.tsr", array, format="tsr4")
        assert main(["dump", option, "x.tsr"]) == 0
        assert capsys.readouterr() == (expected, "")


@pytest.mark.usefixtures("_several")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tensor=3"], "--tensor: got 3, expected -3 to 2"),
        (["--tensor=-4", "--json"], "--tensor: got -4, expected -3 to 2"),
        (["--csv"], "--csv: got 3 tensors, expected one; pick it with --tensor INDEX"),
    ],
)
def test_what_the_file_does_not_hold(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tensor that is not there, or more than one for CSV, is an error of the file."""
    assert main(["dump", *options, "x.tsr"]) == 1
    assert capsys.readouterr() == ("", f"tsr: x.tsr: {message}\n")


def test_broken_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    """What precedes a broken tensor is printed, of itself nothing; others can be picked."""
    data = bytearray(tsr.dumps(SEVERAL, format="tsr4"))
    data[-1] ^= 1
    Path("x.tsr").write_bytes(data)
    assert main(["dump", "x.tsr"]) == 1
    out, err = capsys.readouterr()
    first, second = (str(stored(array)) for array in SEVERAL[:2])
    assert out == (
        f"tensor 0: float32 (1, 1, 2, 3)\n{first}\n\ntensor 1: float16 (1, 1, 1, 3)\n{second}\n"
    )
    assert err.startswith("tsr: x.tsr: entries[2].data_crc32 at offset 316: got ")
    assert err.endswith("[T4-CRC-2]\n")
    assert main(["dump", "--json", "x.tsr"]) == 1
    cut, same = capsys.readouterr()
    assert same == err
    assert len(json.loads(f"{cut}]}}")["tensors"]) == 2
    assert main(["dump", "--tensor=1", "x.tsr"]) == 0
    assert capsys.readouterr() == (f"{second}\n", "")


def test_one_tensor_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a compressed file no more than one tensor is in memory."""
    nbytes = 1 << 23
    tsr.save("x.tsr", [np.zeros(nbytes, np.int8)] * 3, format="tsr4", compress=True)
    tracemalloc.start()
    try:
        assert main(["dump", "x.tsr"]) == 0
        assert nbytes < tracemalloc.get_traced_memory()[1] < 1.5 * nbytes
    finally:
        tracemalloc.stop()
    assert capsys.readouterr().out.count("tensor ") == 3
