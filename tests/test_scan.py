"""`tsr.scan` on this machine: what rows say, whatever the sources are."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tsr
from tests.containers import entry_at, patched
from tests.vectors import VECTORS, Vectors, file_of
from tsr.contents import read_layout
from tsr.scanning import Table, scan_batches
from tsr.scanning.directory import PART
from tsr.scanning.local import FEW
from tsr.testing import corruptions, files

TINY = np.arange(6, dtype=np.float32).reshape(2, 3)
HEADER = tsr.dumps(TINY)[:64]

# What the rows of a single good file of `TINY` say, behind its path.
GOOD = (0, "TSR v1", "float32", (2, 3), 24, "ok", None)


def rows(table: Table) -> list[tuple[Any, ...]]:
    """Give the rows of a table."""
    return list(zip(*(column.tolist() for column in table.values()), strict=True))


def expected(data: bytes, strict: bool) -> list[tuple[Any, ...]]:
    """Give the rows of a file without its path, by what `tsr info` stands on."""
    try:
        layout = read_layout(data, strict)
    except tsr.FormatError as error:
        format = {b"TSR!": "TSR v1", b"TSR4": "TSR4"}.get(data[:4])
        return [(0, format, None, None, 0, "invalid", str(error))]
    return [
        (index, layout.format, info.element.name, info.shape, info.nbytes, "ok", None)
        for index, info in enumerate(layout.infos)
    ]


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    yield
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before  # of earlier tests some may have gone


def write(folder: Path, count: int) -> list[str]:
    """Write so many files of `TINY`, and give their paths."""
    folder.mkdir(exist_ok=True)
    paths = [str(folder / f"{number:05}.tsr") for number in range(count)]
    for path in paths:
        Path(path).write_bytes(tsr.dumps(TINY))
    return paths


# ------------------------------------------------------------------ what rows say


def test_columns(target: Path) -> None:
    """A table is a dict of arrays of the same length, numbers among them as int64."""
    tsr.save(target, TINY)
    table = tsr.scan(target)
    names = ["path", "index", "format", "dtype", "shape", "bytes", "status", "error"]
    assert list(table) == names
    assert rows(table) == [(str(target), *GOOD)]
    assert {name for name in names if table[name].dtype == np.int64} == {"index", "bytes"}
    assert (table.rows, len(table)) == (1, 8)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", ["v1.json", "tsr4.json"])
def test_vectors(name: str, strict: bool, tmp_path: Path) -> None:
    """Of every vector a scan says what `tsr info` does, and twice the same."""
    found = {
        str(tmp_path / f"{number:04}.tsr"): file_of(vector)
        for number, vector in enumerate(Vectors(name).by_id.values())
    }
    for path, data in found.items():
        Path(path).write_bytes(data)
    twice = [path for path in found for _ in range(2)]
    wanted = [(path, *row) for path in twice for row in expected(found[path], strict)]
    assert len(wanted) >= len(twice)
    assert rows(tsr.scan(twice, strict=strict)) == wanted


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(files() | files("tsr4"), min_size=1, max_size=4), more=st.data())
def test_any_files(tmp_path: Path, data: list[bytes], more: st.DataObject) -> None:
    """Of any file, and of one damaged behind its header, a scan says what `tsr info` does."""
    data += [more.draw(corruptions(one)) for one in data if one]
    paths = [str(tmp_path / f"{number}.tsr") for number in range(len(data))]
    for path, one in zip(paths, data, strict=True):
        Path(path).write_bytes(one)
    wanted = [
        (path, *row)
        for path, one in zip(paths, data, strict=True)
        for row in expected(one, strict=True)
    ]
    assert rows(tsr.scan(paths)) == wanted


@pytest.mark.parametrize("elements", [112, 6])
def test_the_same_header_of_another_size(elements: int, tmp_path: Path) -> None:
    """What was said of a header holds for files of that very size only, sectors or not."""
    data = tsr.dumps(np.zeros(elements, np.float32))
    assert (len(data) % 512 == 0) == (elements == 112)
    for number, one in enumerate((data, data[:-1], data, data + b"\0", data)):
        (tmp_path / f"{number}.tsr").write_bytes(one)
    table = tsr.scan(tmp_path)
    assert table["status"].tolist() == ["ok", "invalid", "ok", "invalid", "ok"]
    assert [error and error[-14:] for error in table["error"]] == [
        None, "[V1-PAYLOAD-1]", None, "[V1-PAYLOAD-2]", None,
    ]  # fmt: skip
    assert tsr.scan(tmp_path, strict=False)["status"].tolist() == ["ok", "invalid", *["ok"] * 3]


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, PART, PART + 1, 2 * PART + 7])
@pytest.mark.parametrize("compress", [False, True])
def test_many_tensors(count: int, compress: bool, target: Path) -> None:
    """Each tensor of a TSR4 file has a row, however many parts its directory is read in."""
    arrays = [np.full((1, 1 + number % 3), number, np.int32) for number in range(count)]
    tsr.save(target, arrays, format="tsr4", compress=compress)
    table = tsr.scan(target)
    data = target.read_bytes()
    assert [row[1:] for row in rows(table)] == expected(data, strict=True)
    assert table["index"].tolist() == list(range(count))
    assert max(len(batch.paths) for batch in scan_batches(target)) <= PART


@pytest.mark.parametrize("count", [FEW, FEW + 1, PART + 9, 2 * PART + 7])
def test_broken_directories(count: int, target: Path) -> None:
    """One entry that is wrong, a file that is cut or goes on: one row, with what validate says."""
    tsr.save(target, [np.ones(3, np.int8)] * count, format="tsr4")
    data = target.read_bytes()
    infos = read_layout(data, strict=True).infos
    for broken in (
        patched(data, entry_at(count - 1), b"\xff"),
        patched(data, entry_at(0) + 20, b"\xff"),
        data[: entry_at(count - 1)],
        data[: infos[-2].offset + 1],
        data[: infos[0].offset + 1],
        data[:-1],
        data[:100],
        data + b"more",
    ):
        target.write_bytes(broken)
        [row] = rows(tsr.scan(target))
        assert [row[1:]] == expected(broken, strict=True)
        assert row[-1] == str(tsr.validate(broken)[0])


# ------------------------------------------------------------------ bad sources


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given as a path has a row that says what is wrong, and nothing is raised."""
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    os.mkfifo("fifo")
    os.mkdir("empty")
    os.symlink("nowhere", "dangling")
    os.symlink("loop", "loop")
    Path("nothing").touch()
    Path("text").write_bytes(b"no tensor at all, but more than sixty-four bytes of text about it")
    Path("cut").write_bytes(HEADER)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        table = tsr.scan([
            "absent", "fifo", "socket", "/dev/null", "/dev/zero", "empty", "dangling", "loop",
            "nothing", "text", "cut", "text/below", "nul\0", "long" * 99, "*.none", "", "\udfff",
        ])  # fmt: skip
    found = dict(zip(table["path"], zip(table["status"], table["error"], strict=True), strict=True))
    missing = ("error", "No such file or directory")
    regular = "file at offset 0: got {}, expected a regular file [FILE-1]"
    assert len(found) == table.rows == 17
    assert found["absent"] == found["dangling"] == found[""] == missing
    for path, kind in {
        "fifo": "a FIFO", "socket": "a socket", "/dev/null": "a character device",
        "/dev/zero": "a character device",
    }.items():  # fmt: skip
        assert found[path] == ("invalid", regular.format(kind))
    assert found["empty"] == ("error", "No .tsr file in this folder")
    assert found["loop"] == ("error", "Too many levels of symbolic links")
    assert found["text/below"] == ("error", "Not a directory")
    assert found["nul\0"] == ("error", "embedded null byte")
    assert found["long" * 99] == ("error", "File name too long")
    assert found["*.none"] == ("error", "Nothing matches this pattern")
    assert found["\udfff"][0] == "error"
    for path, clause in {
        "nothing": "V1-SIZE-1", "text": "V1-MAGIC-1", "cut": "V1-PAYLOAD-1",
    }.items():  # fmt: skip
        assert found[path][0] == "invalid"
        assert found[path][1].endswith(f"[{clause}]")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_is_forbidden(tmp_path: Path) -> None:
    """A file or folder that may not be read is a row, in its place."""
    tsr.save(tmp_path / "a.tsr", TINY)
    tsr.save(tmp_path / "b.tsr", TINY)
    (tmp_path / "a.tsr").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "open").mkdir()
    tsr.save(tmp_path / "open/c.tsr", TINY)
    table = tsr.scan(tmp_path)
    assert [os.path.basename(path) for path in table["path"]] == [
        "a.tsr", "b.tsr", "closed", "c.tsr",
    ]  # fmt: skip
    assert table["status"].tolist() == ["error", "ok", "error", "ok"]
    assert table["error"].tolist() == ["Permission denied", None, "Permission denied", None]


def test_what_vanishes(tmp_path: Path) -> None:
    """A file of a folder that is gone when its turn comes is a row, even one named as a pattern."""
    paths = write(tmp_path, 600)
    pattern = tmp_path / "z*.tsr"
    pattern.write_bytes(tsr.dumps(TINY))
    batches = scan_batches(tmp_path)
    first = next(batches)
    assert len(first.paths) < 600
    for path in (paths[-1], paths[-2], str(pattern)):
        os.unlink(path)
    os.mkdir(paths[-2])
    rest = [row for batch in batches for row in zip(batch.paths, batch.facts, strict=True)]
    bad = {path: (facts.status, facts.error) for path, facts in rest if facts.status != "ok"}
    assert len(first.paths) + len(rest) == 601
    assert bad == {
        paths[-1]: ("error", "No such file or directory"),
        paths[-2]: (
            "invalid", "file at offset 0: got a directory, expected a regular file [FILE-1]",
        ),
        str(pattern): ("error", "No such file or directory"),
    }  # fmt: skip


def test_a_directory_that_shrinks(target: Path) -> None:
    """A long directory that is cut after it was checked ends with a row that says so."""
    tsr.save(target, [np.ones(1, np.int8)] * 3 * PART, format="tsr4")
    batches = scan_batches(target)
    assert len(next(batches).paths) == PART
    os.truncate(target, entry_at(2 * PART))
    *good, last = batches
    assert [batch.indexes[0] for batch in good] == [PART]
    assert [facts.status for facts in last.facts] == ["invalid"]
    assert "its size changed while it was read" in str(last.facts[0].error)


# ------------------------------------------------------------------ sources


def test_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are searched as `tsr info` does: sorted, nothing hidden, no linked folder."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "runs/b.tsr", "runs/a.TSR", "runs/c.npy", "runs/.d.tsr", "runs/z/f.tsr", "runs/m/e.tsr",
        "runs/.h/g.tsr", "other/x.tsr", "other/deep/y.tsr", "[1].tsr", "1.tsr", "runs/t.tsr.tmp",
    ):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(tsr.dumps(TINY))
    os.symlink("../other", "runs/linked")
    os.symlink("../other", "runs/folder.tsr")
    os.symlink("../1.tsr", "runs/link.tsr")
    runs = ["runs/a.TSR", "runs/b.tsr", "runs/link.tsr", "runs/m/e.tsr", "runs/z/f.tsr"]
    for source, paths in {
        "runs": runs,
        "runs/": runs,
        "runs/linked": ["runs/linked/x.tsr", "runs/linked/deep/y.tsr"],
        "runs/?.tsr": ["runs/b.tsr"],
        "o*": ["other/x.tsr", "other/deep/y.tsr"],
        "other/**/*.tsr": ["other/deep/y.tsr", "other/x.tsr"],
        "[1].tsr": ["[1].tsr"],
        "[12].tsr": ["1.tsr"],
        "runs/c.npy": ["runs/c.npy"],
    }.items():
        table = tsr.scan(source)
        assert table["path"].tolist() == paths, source
        assert set(table["status"]) == {"ok"}


def test_kinds_of_paths(tmp_path: Path) -> None:
    """Paths are str, of any bytes, or what os.fspath takes; an order is kept, and so is twice."""

    class Named(str):
        """A str of another type."""

    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.tsr")
    Path(name).write_bytes(tsr.dumps(TINY))
    [entry] = os.scandir(os.fsencode(tmp_path))
    assert rows(tsr.scan(tmp_path)) == [(name, *GOOD)]
    kinds: Any = (
        [name, Path(name), Named(name), entry], iter([name] * 4), (name,) * 4,
    )  # fmt: skip
    for sources in kinds:
        table = tsr.scan(sources)
        assert rows(table) == [(name, *GOOD)] * 4
        assert {type(path) for path in table["path"]} == {str}
    assert rows(tsr.scan(f"file://{tmp_path}")) == [(name, *GOOD)]
    assert rows(tsr.scan([])) == rows(tsr.scan(iter(()))) == []


def test_an_iterator_is_taken_as_needed(tmp_path: Path) -> None:
    """Of millions of sources a few are in memory, and the rest is left alone when the scan ends."""
    [path] = write(tmp_path, 1)
    taken = 0

    def paths() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield path

    batches = scan_batches(paths())
    for _ in range(3):
        next(batches)
    batches.close()
    assert taken < 4_000


def test_memory(tmp_path: Path) -> None:
    """A row takes less than 100 bytes beside its path, and of that no more at its peak."""
    path = write(tmp_path, 1) * 20_000
    tsr.scan(path[:600])
    tracemalloc.start()
    table = tsr.scan(path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.rows == 20_000
    assert held < 70 * table.rows
    assert peak < 100 * table.rows


@pytest.mark.parametrize("workers", [1, 3])
def test_workers(workers: int, tmp_path: Path) -> None:
    """Several threads give the same rows in the same order."""
    paths = write(tmp_path, 1_300)
    os.unlink(paths[700])
    table = tsr.scan([*paths, tmp_path], workers=workers)
    wanted: list[tuple[Any, ...]] = [(path, *GOOD) for path in paths]
    wanted[700] = (paths[700], 0, None, None, None, 0, "error", "No such file or directory")
    assert rows(table) == wanted + wanted[:700] + wanted[701:]


def test_progress(tmp_path: Path) -> None:
    """It is told what is done, of how many where that is known, and where the scan is."""
    paths = write(tmp_path, 1_100)
    told: list[tuple[int, int | None, str]] = []

    def progress(*arguments: Any) -> None:
        told.append(arguments)

    tsr.scan(paths, progress=progress)
    assert [done for done, _, _ in told] == [512, 1024, 1100]
    assert {total for _, total, _ in told} == {1100}
    assert told[-1][2] == paths[-1]
    for sources in ([tmp_path], tmp_path, iter(paths), str(tmp_path / "*")):
        told.clear()
        tsr.scan(sources, progress=progress)
        assert told[-1] == (1100, None, paths[-1])
    tsr.save(tmp_path / "several.tsr", [TINY] * 3, format="tsr4")
    told.clear()
    tsr.scan([tmp_path / "several.tsr"], progress=progress)
    assert told == [(1, 1, str(tmp_path / "several.tsr"))]


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends a scan at once, by one thread or several, and leaves nothing open."""
    paths = write(tmp_path, 1) * 3_000

    def interrupt(done: int, *_: object) -> None:
        if done > 600:
            raise KeyboardInterrupt

    for workers in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            tsr.scan(paths, workers=workers, progress=interrupt)


# ------------------------------------------------------------------ misuse


@pytest.mark.parametrize(
    "sources",
    [b"x.tsr", bytearray(3), 7, None, [7], ["x.tsr", None], [b"x.tsr"], {"x.tsr": 1}.items()],
)
def test_no_sources(sources: Any) -> None:
    """What is no path, nor several, is the caller's mistake."""
    with pytest.raises(tsr.UnsupportedError, match="sources: got "):
        tsr.scan(sources)


def test_no_stream(target: Path) -> None:
    """A file object would give its lines for paths."""
    target.touch()
    with target.open("rb") as stream, pytest.raises(tsr.UnsupportedError, match="BufferedReader"):
        tsr.scan(stream)  # type: ignore[arg-type]  # which type checkers see, too


def test_options() -> None:
    """No thread is no number of them, and options of storage need a URL."""
    with pytest.raises(tsr.UnsupportedError, match="workers: got 0, expected 1 or more"):
        tsr.scan("x.tsr", workers=0)
    with pytest.raises(tsr.UnsupportedError, match="storage_options: got some without a URL"):
        tsr.scan(str(VECTORS), storage_options={"anon": True})
