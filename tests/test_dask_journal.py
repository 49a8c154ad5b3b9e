"""The journal of conversions: what it remembers, and what a crash leaves of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tsr.dask.journal import NAME, Journal

A = {"to": ".npy"}


def written(folder: Path) -> None:
    """One that is done, one that was begun, one that failed."""
    with Journal(str(folder), "/src", A) as journal:
        journal.begin()
        journal.announce(["a", "b", "c"])
        journal.record(
            [
                {"done": "a", "state": [1, 2], "destination": "a.npy", "made": [3, 4]},
                {"failed": "c", "error": "broken", "left": False},
            ]
        )


def test_what_is_remembered(tmp_path: Path) -> None:
    """What is done; what may be replaced: what was begun, and what was made and is untouched."""
    written(tmp_path)
    with Journal(str(tmp_path), "/src", A) as journal:
        assert journal.cut_off
        assert journal.is_done("a", [1, 2])
        assert not journal.is_done("a", [1, 3])
        assert not journal.is_done("b", [1, 2])
        assert journal.may_replace("a", [3, 4])
        assert not journal.may_replace("a", [3, 5])
        assert journal.may_replace("b", [0, 0])
        assert not journal.may_replace("c", [0, 0])
        assert not journal.may_replace("d", [0, 0])


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_line_cut_off(tmp_path: Path, cut: int) -> None:
    """A last line that is not whole counts as not written, and spoils no other."""
    with Journal(str(tmp_path), "/src", A) as journal:
        journal.begin()
        journal.announce(["a", "b"])
        for name in "ab":
            journal.record([{"done": name, "state": [1], "destination": name, "made": [2]}])
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-cut])
    for _ in range(2):
        with Journal(str(tmp_path), "/src", A) as journal:
            assert journal.is_done("a", [1])
            assert journal.is_done("b", [1]) == (cut == 1)
            assert journal.may_replace("b", [2])
            journal.begin()


@pytest.mark.parametrize(
    "line", [b"", b"\xff\x00", b"[1]", b"3", b'{"done": 1}', b"{}", b"[" * 100_000]
)
def test_foreign_lines(tmp_path: Path, line: bytes) -> None:
    """What is no line of a journal is passed over."""
    written(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(line + b"\n" + path.read_bytes() + line + b"\n")
    with Journal(str(tmp_path), "/src", A) as journal:
        assert journal.is_done("a", [1, 2])


def test_other_runs(tmp_path: Path) -> None:
    """Other options and other sources share nothing, and other options are told."""
    written(tmp_path)
    with Journal(str(tmp_path), "/src", {"to": ".npz"}) as journal:
        assert journal.other_options == A
        assert not journal.is_done("a", [1, 2])
        assert not journal.may_replace("b", [])
    with Journal(str(tmp_path), "/elsewhere", A) as journal:
        assert journal.other_options is None
        assert not journal.is_done("a", [1, 2])
    with Journal(str(tmp_path), "/src", A, resume=False) as journal:
        assert not journal.is_done("a", [1, 2])


def test_one_at_a_time(tmp_path: Path) -> None:
    """Another run is refused while one is in work, and not afterwards."""
    with (
        Journal(str(tmp_path), "/src", A),
        pytest.raises(BlockingIOError, match="in work"),
        Journal(str(tmp_path), "/src", A),
    ):
        pass
    with Journal(str(tmp_path), "/src", A):
        pass


def test_lines_are_json(tmp_path: Path) -> None:
    """Every line is an object that other programs can read."""
    written(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["run", "pending", "done", "failed"]
