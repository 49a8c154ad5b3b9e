"""The table of a scan: its rows chosen, and as pandas and arrow have it."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.scanning import COLUMNS, Table
from tsr.scanning.filters import Filter, ShapePattern


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Scan a file of each kind, one with a name that is no UTF-8."""
    monkeypatch.chdir(tmp_path)
    tsr.save("a.tsr", np.zeros((2, 3), np.float32))
    tsr.save("b.tsr", np.int8(1))
    tsr.save("c.tsr", [np.zeros((2, 3), np.float16), np.zeros(5, np.int32)], format="tsr4")
    Path(os.fsdecode(b"d\xff.tsr")).write_bytes(b"TSR!")
    return tsr.scan(["a.tsr", "b.tsr", "c.tsr", os.fsdecode(b"d\xff.tsr"), "e.tsr"])


def test_select(table: Table) -> None:
    """A mask, numbers of rows or a slice choose rows of every column."""
    good = table.select(table["status"] == "ok")
    assert (type(good), good.rows, list(good)) == (Table, 4, list(COLUMNS))
    assert good["path"].tolist() == ["a.tsr", "b.tsr", "c.tsr", "c.tsr"]
    assert table.select(table["bytes"] > 12)["index"].tolist() == [0, 1]
    assert table.select([5, 0])["path"].tolist() == ["e.tsr", "a.tsr"]
    assert table.select(slice(2))["shape"].tolist() == [(2, 3), ()]
    assert table.select(table["dtype"] == "no such").rows == 0


def test_pandas(table: Table) -> None:
    """A data frame has categories, strings and numbers, and what is not known is missing."""
    pd = pytest.importorskip("pandas", reason="needs the extra tables")
    frame = table.to_pandas()
    assert list(frame.columns) == list(COLUMNS)
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds == {
        "path": "string", "index": "int64", "format": "category", "dtype": "category",
        "shape": "object", "bytes": "Int64", "status": "category", "error": "string",
    }  # fmt: skip
    assert frame["path"].tolist() == table["path"].tolist()
    assert frame["bytes"].sum() == 24 + 1 + 12 + 20
    assert frame["bytes"].isna().tolist() == [False] * 4 + [True] * 2
    assert frame["dtype"].tolist()[:4] == ["float32", "int8", "float16", "int32"]
    assert frame["dtype"].isna().tolist() == frame["error"].notna().tolist()
    assert frame["shape"].tolist() == [(2, 3), (), (1, 1, 2, 3), (1, 1, 1, 5), None, None]
    assert frame["status"].value_counts().to_dict() == {"ok": 4, "invalid": 1, "error": 1}
    assert table["bytes"].tolist()[-1] == 0  # the frame's missing value is its own
    empty = tsr.scan([]).to_pandas()
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == kinds
    assert pd.concat([empty, frame])["status"].dtype == "category"


def test_arrow(table: Table) -> None:
    """A table of arrow has types of its own, null for what is not known, and UTF-8."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra tables")
    made = table.to_arrow()
    words = pa.dictionary(pa.int8(), pa.string())
    types = [pa.string(), pa.int64(), words, words, pa.list_(pa.int64()), pa.int64(), words,
             pa.string()]  # fmt: skip
    assert made.schema.equals(pa.schema(list(zip(COLUMNS, types, strict=True))))
    assert tsr.scan([]).to_arrow().schema.equals(made.schema)
    assert made["path"].to_pylist()[-2:] == ["d\\xff.tsr", "e.tsr"]
    assert made["shape"].to_pylist() == [[2, 3], [], [1, 1, 2, 3], [1, 1, 1, 5], None, None]
    assert made["bytes"].to_pylist() == [24, 1, 12, 20, None, None]
    assert made["dtype"].to_pylist() == ["float32", "int8", "float16", "int32", None, None]
    assert made["error"].to_pylist() == table["error"].tolist()
    assert made["index"].to_pylist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("name", ["pandas", "pyarrow"])
def test_without(name: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not there is named, with the extra that has it."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tsr.MissingExtraError, match=rf"needs {name}: .*tsr-codec\[tables\]"):
        table.to_pandas() if name == "pandas" else table.to_arrow()


def test_what_else_a_table_is(table: Table) -> None:
    """It says what it holds, and crosses process borders."""
    assert repr(table) == f"Table(6 rows: {', '.join(COLUMNS)})"
    again = pickle.loads(pickle.dumps(table))
    assert type(again) is Table
    assert all((again[name] == table[name]).all() for name in COLUMNS)


# ------------------------------------------------------------------ filters


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("(2, 3)", [(2, 3)], [(), (3, 2), (2, 3, 1), (2,)]),
        ("2,3,", [(2, 3)], [(2, 3, 4)]),
        ("()", [()], [(1,)]),
        ("( )", [()], [(0,)]),
        ("(03, ...)", [(3,), (3, 1)], [(0,)]),
        ("(*,)", [(0,), (7,)], [(), (1, 1)]),
        ("(N, *, 3)", [(5, 6, 3), (0, 0, 3)], [(5, 6, 4), (6, 3)]),
        ("(N, N)", [(4, 4)], [(4, 5), (4,), (4, 4, 4)]),
        ("(...)", [(), (1, 2, 3, 4)], []),
        ("(1, ..., 3)", [(1, 3), (1, 2, 2, 3)], [(1,), (3,), (1, 2)]),
        ("(N, ..., N)", [(2, 2), (2, 9, 2)], [(2,), (2, 3)]),
    ],
)
def test_shapes(
    pattern: str, matching: list[tuple[int, ...]], others: list[tuple[int, ...]]
) -> None:
    """A pattern has a number, any number or a named one for each dimension, and any rest."""
    made = ShapePattern(pattern)
    assert [made.matches(shape) for shape in matching] == [True] * len(matching)
    assert [made.matches(shape) for shape in others] == [False] * len(others)


@pytest.mark.parametrize(
    "pattern",
    ["(2, -1)", "(a b)", "1.5", "(..., ...)", "(2,,3)", "(²,)", "(1", "", " ", "9" * 5000],
)
def test_no_shapes(pattern: str) -> None:
    """What is no pattern is refused, and one is shown."""
    with pytest.raises(tsr.UnsupportedError, match=r"got .*, expected numbers.*'\(N, \*, 3\)'"):
        ShapePattern(pattern)


@pytest.mark.parametrize(
    ("options", "passing"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"status": "ok"}, [0, 1, 2, 3]),
        ({"status": "error"}, [5]),
        ({"format": "TSR v1"}, [0, 1, 4]),
        ({"format": "TSR4"}, [2, 3]),
        ({"dtype": "int8"}, [1]),
        ({"rank": 0}, [1]),
        ({"rank": 4}, [2, 3]),
        ({"min_bytes": 0}, [0, 1, 2, 3]),
        ({"min_bytes": 12}, [0, 2, 3]),
        ({"max_bytes": 12}, [1, 2]),
        ({"shape": ShapePattern("(..., 3)")}, [0, 2]),
        ({"status": "invalid", "dtype": "int8"}, []),
    ],
)
def test_filters(
    options: dict[str, object], passing: list[int], tmp_path: Path, table: Table
) -> None:
    """Each part of a filter has to hold; of a bad file only format and status are known."""
    from tsr.scanning import scan_batches

    facts = [one for batch in scan_batches(table["path"][[0, 1, 2, 4, 5]]) for one in batch.facts]
    chosen = Filter(**options)  # type: ignore[arg-type]  # as from a shell
    assert [at for at, one in enumerate(facts) if chosen.passes(one)] == passing
