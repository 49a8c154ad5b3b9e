"""The bench itself: all ways come to the same end, by hand is no way around a check.

Nothing here depends on time.
"""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray

import tsr
from tests.bench import by_hand, report, ways
from tests.bench.__main__ import main, run
from tests.bench.cases import SHAPES, WORKS, Case, Plan, cases
from tests.bench.harness import measure
from tests.bench.ways import COLUMNS, WRITERS, Paths, Table

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "spec" / "vectors" / "v1.json").read_bytes())["vectors"]
INVALID = [pytest.param(bytes.fromhex(v["hex"]), id=v["id"]) for v in VECTORS if not v["valid"]]
VALID = [pytest.param(bytes.fromhex(v["hex"]), id=v["id"]) for v in VECTORS if v["valid"]]

TINY = np.arange(6, dtype=np.float32).reshape(2, 3)
MAPPED = np.arange(512 * 512, dtype=np.float32).reshape(512, 512)
ARRAYS = [pytest.param(TINY, id="tiny"), pytest.param(MAPPED, id="mapped")]

# What each library makes of the bytes of its own files.
READERS: dict[str, Callable[[bytes], Any]] = {
    ".tsr": tsr.loads,
    ".npy": lambda data: np.load(io.BytesIO(data)),
    ".safetensors": lambda data: safetensors.numpy.load(data)[ways.NAME],
    ".pt": lambda data: torch.load(io.BytesIO(data), weights_only=True),
}


def same(found: Any, array: NDArray[Any]) -> bool:
    """Compare dtype, shape and bytes of an array or tensor with an array's."""
    found = np.asarray(found)
    return (found.dtype, found.shape, found.tobytes()) == (
        array.dtype,
        array.shape,
        array.tobytes(),
    )


def written(directory: Path, array: NDArray[Any]) -> Paths:
    """Write an array in each format."""
    for suffix, write in WRITERS.items():
        write(f"{directory}/x{suffix}", array)
    return lambda suffix: f"{directory}/x{suffix}"


def results(table: Table) -> Iterator[Any]:
    """Take every way of a table, and check that its columns are the report's."""
    assert {"by hand", "tsr"} <= table.keys() <= set(COLUMNS)
    return (way.call() for way in table.values())


# ------------------------------------------------------------------ every way


@pytest.mark.parametrize("array", ARRAYS)
def test_every_way_opens_the_array(tmp_path: Path, array: NDArray[Any]) -> None:
    """Opened as an array or a tensor, whole or for its shape or sum, it is the one written."""
    path = written(tmp_path, array)
    opening = ways.opening(path, array.shape)
    assert all(same(found, array) for found in results(opening))
    assert all(same(found, array) for found in results(ways.opening_tensor(path, array.shape)))
    assert all(found == array.sum() for found in results(ways.summing(opening)))
    for found in results(ways.reading_header(path)):
        assert tuple(getattr(found, "shape", found)) == array.shape


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("durable", [None, False, True])
def test_every_way_saves_the_array(
    tmp_path: Path, array: NDArray[Any], durable: bool | None
) -> None:
    """A new file and one over an old file hold the array, and nothing else is left."""

    def path(suffix: str) -> str:
        taken.append(tmp_path / f"x{suffix}")
        return str(taken[-1])

    taken: list[Path] = []
    for _ in results(ways.saving(path, array, durable)):
        file = taken.pop()
        assert same(READERS[file.suffix](file.read_bytes()), array)
    assert not taken
    assert {file.suffix for file in tmp_path.iterdir()} == set(WRITERS)


@pytest.mark.parametrize("array", ARRAYS)
def test_every_way_encodes_and_decodes_the_array(tmp_path: Path, array: NDArray[Any]) -> None:
    """In memory too the array comes back, from bytes that are those of a file."""
    path = written(tmp_path, array)
    data = {suffix: Path(path(suffix)).read_bytes() for suffix in WRITERS}
    assert all(same(found, array) for found in results(ways.loading(data)))
    suffixes = (".tsr", ".tsr", ".npy", ".safetensors", ".safetensors", ".pt")
    for suffix, found in zip(suffixes, results(ways.dumping(array)), strict=True):
        assert same(READERS[suffix](found), array)
    buffer = np.zeros(64 + array.nbytes, np.uint8)
    table = ways.dumping_into(buffer, array)
    for column in ("by hand", "tsr"):
        buffer[:] = 0
        assert table[column].call() == len(buffer)
        assert buffer.tobytes() == data[".tsr"]


def test_many_tables_are_done_in_turn(tmp_path: Path) -> None:
    """What is done to many files is done to each."""
    directories = [tmp_path / "0", tmp_path / "1"]
    for directory in directories:
        directory.mkdir()
    arrays = [TINY, TINY + 1]
    paths = map(written, directories, arrays)
    table = ways.repeating([ways.opening(path, TINY.shape) for path in paths])
    assert all(all(map(same, found, arrays)) for found in results(table))


def test_programs_import_what_they_say() -> None:
    """Each program to start runs, apart from those that wait for torch."""
    for table in (ways.importing(), ways.importing_ready()):
        for way in table.values():
            if "torch" not in way.text:
                assert way.call().returncode == 0


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize("data", INVALID)
def test_by_hand_refuses_what_tsr_refuses(target: Path, data: bytes) -> None:
    """No invalid vector passes."""
    target.write_bytes(data)
    with pytest.raises(ValueError, match=r"\w"):
        by_hand.loads(data)
    for read in (by_hand.load, by_hand.load_tensor, by_hand.read_header):
        with pytest.raises(ValueError, match=r"\w"):
            read(str(target))


@pytest.mark.parametrize("data", VALID)
def test_by_hand_accepts_what_tsr_accepts(target: Path, data: bytes) -> None:
    """Every valid vector gives the same array, and the same bytes again."""
    target.write_bytes(data)
    array = tsr.loads(data)
    assert same(by_hand.loads(data), array)
    assert same(by_hand.load(str(target)), array)
    assert by_hand.read_header(str(target)) == by_hand.Header(array.dtype, array.shape)
    assert by_hand.dumps(array) == data


def test_by_hand_opens_only_files(tmp_path: Path) -> None:
    """A directory is no file."""
    with pytest.raises(ValueError, match="regular"):
        by_hand.load(str(tmp_path))


@pytest.mark.parametrize("array", ARRAYS)
def test_by_hand_loads_the_same_type(target: Path, array: NDArray[Any]) -> None:
    """What is read or mapped is so in both ways, down to what a mapping knows of its file."""
    by_hand.save(str(target), array)
    mine: Any = by_hand.load(str(target))
    theirs: Any = tsr.load(target)
    assert type(mine) is type(theirs)
    assert mine.flags.writeable == theirs.flags.writeable
    for name in ("filename", "mode", "offset"):
        assert getattr(mine, name, None) == getattr(theirs, name, None)
    tensor = by_hand.load_tensor(str(target))
    tensor += 1
    assert same(tsr.load(target), array)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(3), id="dtype"),
        pytest.param(np.zeros((1,) * 5, np.int8), id="rank"),
        pytest.param(np.broadcast_to(np.int8(0), (2**31, 1)), id="dimension"),
        pytest.param(np.empty((2**31, 0), np.int8), id="empty"),
    ],
)
def test_by_hand_refuses_arrays_without_encoding(target: Path, array: NDArray[Any]) -> None:
    """What tsr.save refuses is refused before a file is there."""
    for save in (by_hand.save, tsr.save):
        with pytest.raises(TypeError):
            save(str(target), array)
    with pytest.raises(TypeError):
        by_hand.dumps(array)
    with pytest.raises(TypeError):
        by_hand.dumps_into(bytearray(64), array)
    assert not target.exists()


def test_by_hand_refuses_buffers(target: Path) -> None:
    """Memory that is read-only or too small is left alone."""
    for buffer in (bytes(88), bytearray(87)):
        with pytest.raises(TypeError, match="buffer"):
            by_hand.dumps_into(buffer, TINY)


def test_by_hand_replaces_as_tsr_does(target: Path) -> None:
    """Mode bits stay, links are followed, and an error leaves the old file alone."""
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = target.with_suffix(".link")
    link.symlink_to(target)
    by_hand.save(str(link), TINY)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    old = target.read_bytes()
    for name in ("write", "replace"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, name, _fail)
            with pytest.raises(OSError, match="no room"):
                by_hand.save(str(target), TINY + 1)
        assert target.read_bytes() == old
        assert sorted(file.name for file in target.parent.iterdir()) == ["x.link", "x.tsr"]


def _fail(*arguments: object) -> None:
    raise OSError("no room")


# ------------------------------------------------------------------ harness and report


def test_rounds_and_ratios() -> None:
    """Each way is called in each round, and a ratio is that of one round."""
    calls = {"a": 0, "b": 0}
    settled = []

    def way(name: str) -> None:
        calls[name] += 1

    table = {"a": lambda: way("a"), "b": lambda: way("b")}
    samples = measure(table, settle=lambda: settled.append(1), seconds=0, least_rounds=3)
    assert {name: len(times) for name, times in samples.seconds.items()} == {"a": 3, "b": 3}
    assert min(calls.values()) >= 5
    assert len(settled) >= 8
    samples.seconds.update(a=[1.0, 4.0, 9.0], b=[1.0, 1.0, 3.0])
    assert (samples.median("a"), samples.ratio("a", "b")) == (4.0, 3.0)


def test_the_report_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every work has a row, with a time and the ratio to each other way."""
    monkeypatch.setattr(subprocess, "run", _nothing)  # starting torch takes seconds
    disk = tmp_path / "disk"
    disk.mkdir()
    plan = Plan(str(tmp_path), str(disk), sizes=("1 MiB",), files=2)
    document = run(plan, seconds=0, least_rounds=1)
    rows = document["rows"]
    assert sorted({row["work"] for row in rows}, key=WORKS.index) == list(WORKS)
    for row in rows:
        assert row["seconds"].keys() == row["texts"].keys() == {"tsr", *row["ratios"]}
        assert all(time > 0 for time in row["seconds"].values())
    lines = report.markdown(document).splitlines()
    assert len([line for line in lines if line.startswith("|")]) == len(rows) + 2
    assert all(f"| {work} " in "\n".join(lines) for work in WORKS)
    assert list(tmp_path.iterdir()) == [disk]


def _nothing(*arguments: object, **options: object) -> None:
    pass


def test_notes_name_what_is_not_met() -> None:
    """A row says where tsr is behind, or costs too much, or was not measured."""
    case = Case(
        "open", "tiny", {column: ways.Way("", int) for column in ("by hand", "tsr", "numpy")}
    )
    samples = measure(
        {c: way.call for c, way in case.table.items()}, settle=int, seconds=0, least_rounds=1
    )
    samples.seconds.update({"by hand": [1.0], "tsr": [2.0], "numpy": [1.0]})
    assert report.row(case, samples)["note"] == "over 1.15 by hand; behind numpy"
    samples.seconds.update({"tsr": [1.1], "numpy": [1.2]})
    assert report.row(case, samples)["note"] == ""


def test_what_has_no_room_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that does not fit, and a disk that is none, leave rows with a note."""
    monkeypatch.setitem(SHAPES, "1 GiB", (2**50,))
    plan = Plan(str(tmp_path), None, sizes=("1 MiB", "1 GiB"), files=1, only="o")
    skipped = {case.work for case in cases(plan) if case.note.startswith("skipped")}
    assert skipped == {
        "open",
        "open as a tensor",
        "load and sum",
        "save over an old file on disk",
        "save over an old file on disk, durable=False",
        "save over an old file on disk, durable=True",
    }


def test_the_command_writes_markdown_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both reports go where they are asked for, and the table to standard output else."""
    markdown, data = tmp_path / "bench.md", tmp_path / "bench.json"
    options = ["--quick", "--only", "loads", "--seconds", "0", "--dir", str(tmp_path)]
    main([*options, "--markdown", str(markdown), "--json", str(data)])
    assert capsys.readouterr().out == ""
    assert [row["size"] for row in json.loads(data.read_text())["rows"]] == ["tiny", "1 MiB"]
    main(options)
    for text in (markdown.read_text(), capsys.readouterr().out):
        (header,) = (line for line in text.splitlines() if line.startswith("| work"))
        columns = [cell.strip() for cell in header.strip("| ").split("|")]
        assert columns == ["work", "size", "tsr", *(c for c in COLUMNS if c != "tsr"), "note"]
    with pytest.raises(SystemExit, match="no such work"):
        main(["--only", "nothing"])
