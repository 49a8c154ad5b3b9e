"""`tsr.dask.from_files` and `to_files`: many files as one array, and back."""

# mypy: disallow-untyped-calls=False
# for dask has few hints

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, Literal

import dask
import dask.array as da
import numpy as np
import pytest
from dask.base import optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import tsr
import tsr.dask
from tsr.testing import arrays

Mode = Literal["stack", "concatenate"]

X = np.arange(7 * 4 * 3, dtype=np.int8).reshape(7, 4, 3)


@pytest.fixture(autouse=True)
def threads() -> Any:
    """Threads of this process do the work."""
    with dask.config.set(scheduler="threads"):
        yield


@pytest.fixture
def seven(tmp_path: Path) -> list[str]:
    """Seven files of one shape."""
    paths = [str(tmp_path / f"x{number}.tsr") for number in range(len(X))]
    for path, array in zip(paths, X, strict=True):
        tsr.save(path, array)
    return paths


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("mode", ["stack", "concatenate"])
def test_as_numpy(seven: list[str], mode: Mode, axis: int, rows: int | None) -> None:
    """Files are one array as numpy's functions of the same names make it."""
    if mode == "concatenate":
        axis = max(axis - 1, -1)
    count = None if rows else 3
    x = tsr.dask.from_files(seven, mode=mode, axis=axis, files_per_task=count, rows_per_task=rows)
    assert max(x.numblocks) > 1
    expected = getattr(np, mode)(list(X), axis)
    assert (x.shape, x.dtype) == (expected.shape, expected.dtype)
    assert x.compute().tobytes() == expected.tobytes()


@settings(max_examples=15, deadline=None)
@given(
    array=arrays(),
    axis=st.integers(0, 3),
    mode=st.sampled_from(["stack", "concatenate"]),
    data=st.data(),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, array: Any, axis: int, mode: Mode, data: Any
) -> None:
    """What is written as files, in chunks of any lengths, is read as the same bytes."""
    if not array.ndim or not array.shape[axis % array.ndim]:
        return
    axis %= array.ndim
    chunks = data.draw(st.integers(1, array.shape[axis]))
    x = da.from_array(array, chunks={axis: chunks})
    folder = tmp_path_factory.mktemp("round")
    paths = tsr.dask.to_files(x, folder, mode=mode, axis=axis)
    for sources in (folder, paths):
        again = tsr.dask.from_files(sources, mode=mode, axis=axis, files_per_task=2).compute()
        assert again.shape == array.shape
        assert again.tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


def test_lengths_differ(tmp_path: Path) -> None:
    """Files are concatenated whatever their lengths, 0 too."""
    lengths = [3, 0, 5, 1]
    parts = [np.full((length, 2), length, np.int32) for length in lengths]
    for number, part in enumerate(parts):
        tsr.save(tmp_path / f"{number}.tsr", part)
    for options in ({"files_per_task": 3}, {"rows_per_task": 2}):
        x = tsr.dask.from_files(tmp_path, mode="concatenate", **options)  # type: ignore[arg-type] # of either kind
        assert x.compute().tobytes() == np.concatenate(parts).tobytes()


def test_natural_order(tmp_path: Path) -> None:
    """Folders and patterns come in the order of numbers, hidden files not at all."""
    for number in (10, 2, 1):
        tsr.save(tmp_path / f"x{number}.tsr", np.float32(number))
    tsr.save(tmp_path / ".hidden.tsr", np.array([1], np.int8))
    for sources in (tmp_path, str(tmp_path / "x*.tsr"), [str(tmp_path / "x*.tsr")]):
        assert tsr.dask.from_files(sources).compute().tolist() == [1, 2, 10]


def test_tsr4(tmp_path: Path) -> None:
    """A tensor of each TSR4 file, float16 too; files of both formats go together."""
    halves = np.arange(4, dtype=np.float16).reshape(1, 1, 2, 2)
    tsr.save(tmp_path / "a.tsr", [np.array([1], np.int8), halves], format="tsr4")
    tsr.save(tmp_path / "b.tsr", [np.array([1], np.int8), halves + 1], format="tsr4", compress=True)
    x = tsr.dask.from_files(tmp_path, index=1)
    assert x.dtype == np.float16
    assert x.compute().tobytes() == np.stack([halves, halves + 1]).tobytes()
    with pytest.raises(tsr.UnsupportedError, match="holds 2 tensors, expected one"):
        tsr.dask.from_files(tmp_path)
    with pytest.raises(tsr.UnsupportedError, match="index: got 2 for 2"):
        tsr.dask.from_files(tmp_path, index=2)
    with pytest.raises(tsr.UnsupportedError, match="checksums go over whole"):
        tsr.dask.from_files(tmp_path, index=1, rows_per_task=1)


def test_all_that_differ_are_named(seven: list[str]) -> None:
    """The error names every file that does not fit, and says why."""
    tsr.save(seven[3], X[3].astype(np.float32))
    tsr.save(seven[5], X[5][1:])
    Path(seven[2]).write_bytes(b"broken")
    with pytest.raises(tsr.UnsupportedError, match="3 of 7 files") as caught:
        tsr.dask.from_files(seven)
    lines = str(caught.value).splitlines()[1:]
    assert [line.strip().split(":")[0] for line in lines] == [seven[2], seven[3], seven[5]]
    assert "V1-SIZE-1" in lines[0]
    assert "got float32 (4, 3), expected int8 (4, 3)" in lines[1]
    assert "got int8 (3, 3), expected int8 (4, 3)" in lines[2]


def test_one_broken_file_is_its_own_error(seven: list[str]) -> None:
    """A single broken or missing file raises what reading it raises."""
    Path(seven[2]).write_bytes(b"broken")
    with pytest.raises(tsr.FormatError, match=r"x2\.tsr"):
        tsr.dask.from_files(seven)
    os.unlink(seven[2])
    with pytest.raises(FileNotFoundError) as caught:
        tsr.dask.from_files(seven)
    assert caught.value.filename == seven[2]


@pytest.mark.parametrize("rows", [None, 2])
def test_changed_since(seven: list[str], rows: int | None) -> None:
    """A task checks its files again and names the one that has changed."""
    x = tsr.dask.from_files(seven, rows_per_task=rows)
    tsr.save(seven[4], X[4].astype(np.int32))
    with pytest.raises(tsr.UnsupportedError, match=r"x4.tsr: its header has changed: got int32"):
        x.compute()
    Path(seven[4]).write_bytes(Path(seven[3]).read_bytes()[:-1])
    with pytest.raises(tsr.FormatError, match=r"x4.tsr"):
        x.compute()


def test_unchecked(seven: list[str]) -> None:
    """Without a check one header speaks for all, and a task finds what it does not hold for."""
    tsr.save(seven[4], X[4][1:])
    x = tsr.dask.from_files(seven, check=False)
    assert x.shape == X.shape
    with pytest.raises(tsr.UnsupportedError, match=r"x4.tsr.*got int8 \(3, 3\)"):
        x.compute()


def test_names_are_deterministic(seven: list[str]) -> None:
    """The name depends on files and options, and on nothing else."""
    name = tsr.dask.from_files(seven).name
    assert tsr.dask.from_files(seven).name == name
    assert tsr.dask.from_files(seven, axis=1).name != name
    assert tsr.dask.from_files(seven, files_per_task=2).name != name
    os.utime(seven[0], ns=(1, 1))
    assert tsr.dask.from_files(seven).name != name


def test_a_task_reads_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 small files a task, or 128 MiB; and the graph does not grow by a file's path each."""
    monkeypatch.chdir(tmp_path)  # whose length is of no concern
    tsr.save("x.tsr", np.zeros(8, np.float32))
    paths = [f"./{'./' * (number % 7)}x.tsr" for number in range(20_000)]
    x = tsr.dask.from_files(paths, check=False)
    assert x.numblocks == (40, 1)
    assert len(pickle.dumps(x.dask)) < 40_000 < len("".join(paths))
    with dask.config.set({"array.chunk-size": "320 B"}):
        assert tsr.dask.from_files(paths[:40], check=False).chunks[0] == (10,) * 4


def test_blocks_fuse(seven: list[str]) -> None:
    """What follows goes into the tasks that read."""
    x = tsr.dask.from_files(seven, files_per_task=3) + 1
    (optimized,) = optimize(x)
    assert len(optimized.dask) == 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mode": "join"}, "mode: got 'join'"),
        ({"axis": 3}, "axis: got 3, and the array has rank 3"),
        ({"axis": -3, "mode": "concatenate"}, "rank 2"),
        ({"files_per_task": 0}, "files_per_task: got 0"),
        ({"rows_per_task": 1.5}, "rows_per_task: got 1.5"),
        ({"files_per_task": 2, "rows_per_task": 2}, "several tasks"),
    ],
)
def test_options(seven: list[str], options: Any, match: str) -> None:
    """Options that make no sense are refused at once."""
    with pytest.raises(tsr.UnsupportedError, match=match):
        tsr.dask.from_files(seven, **options)


def test_no_sources(tmp_path: Path) -> None:
    """Nothing found is an error, and so is what is no path."""
    nothing: list[Any] = [tmp_path, str(tmp_path / "*.tsr"), []]
    for sources in nothing:
        with pytest.raises(FileNotFoundError):
            tsr.dask.from_files(sources)
    for wrong in (3, [3]):
        with pytest.raises(tsr.UnsupportedError, match="sources: got int"):
            tsr.dask.from_files(wrong)  # type: ignore[arg-type] # that is the test


def test_names_of_files(tmp_path: Path) -> None:
    """Numbers have as many digits as the last one, in a folder or in place of a star."""
    x = da.zeros((11, 2), dtype=np.int8, chunks=4)
    paths: Any = tsr.dask.to_files(x, tmp_path / "a")
    assert paths[::10] == [
        str(tmp_path / "a/00.tsr"), str(tmp_path / "a/10.tsr"),
    ]  # fmt: skip
    assert tsr.dask.to_files(x, tmp_path / "b/t-*.bin", mode="concatenate") == [
        str(tmp_path / f"b/t-{number}.bin") for number in range(3)
    ]


def test_later(tmp_path: Path) -> None:
    """With compute=False nothing is written before it is asked for."""
    x = da.arange(4, dtype=np.int32, chunks=2)
    later = tsr.dask.to_files(x, tmp_path, compute=False)
    assert os.listdir(tmp_path) == []
    assert later.compute() == [str(tmp_path / f"{number}.tsr") for number in range(4)]  # type: ignore[union-attr] # a Delayed
    assert tsr.dask.from_files(tmp_path).compute().tolist() == [0, 1, 2, 3]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    """A file that is there stops all before anything is written."""
    x = da.arange(3, dtype=np.int32, chunks=1)
    (tmp_path / "2.tsr").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        tsr.dask.to_files(x, tmp_path)
    assert os.listdir(tmp_path) == ["2.tsr"]
    tsr.dask.to_files(x, tmp_path, overwrite=True)
    assert tsr.load(tmp_path / "2.tsr") == 2


def test_what_has_no_encoding(tmp_path: Path) -> None:
    """What no file can hold is refused before anything is computed."""
    x = da.zeros((3, 2), chunks=1)
    with pytest.raises(tsr.UnsupportedError, match="got float64"):
        tsr.dask.to_files(x, tmp_path)
    with pytest.raises(tsr.UnsupportedError, match="unknown lengths"):
        tsr.dask.to_files(x[x > 0], tmp_path)
    with pytest.raises(tsr.UnsupportedError, match=r"expected a dask\.array\.Array"):
        tsr.dask.to_files(np.zeros(3), tmp_path)  # type: ignore[arg-type] # that is the test
    with pytest.raises(tsr.UnsupportedError, match="expected a folder"):
        tsr.dask.to_files(x, tmp_path / "x.tsr", cast="float32")
    assert os.listdir(tmp_path) == []
    tsr.dask.to_files(x, tmp_path, cast="float32")
    assert tsr.dask.from_files(tmp_path).dtype == np.float32
