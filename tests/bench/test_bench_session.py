"""The bench of sessions: all ways come to the same end, and nothing is left of them.

Nothing here depends on time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.bench.session import cases as bench_cases
from tests.bench.session import report
from tests.bench.session.__main__ import main, run
from tests.bench.session.cases import Plan, cases
from tests.bench.session.ways import WAYS, Places, available, missing

SHARED = Path("/dev/shm")  # noqa: S108 - where multiprocessing's shared memory is

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.arange(1 << 18, dtype=np.float32),
    np.full((1, 1), 7.5, np.float32),
]


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Give two directories, which are as empty afterwards, and so is the system."""
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    disk.mkdir()
    before = _children()
    yield Places(str(memory), str(disk))
    assert _children() <= before
    assert not list(SHARED.glob(f"tr_bench_*_{os.getpid()}_*"))
    for place in (memory, disk):
        assert not [path for path in place.rglob("*") if path.name != "python_session"]
    assert "TR_POLLING" not in os.environ


def _children() -> set[int]:
    # multiprocessing's resource tracker, once started, stays as long as this process.
    from multiprocessing.resource_tracker import _resource_tracker

    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(child) for child in children} - {getattr(_resource_tracker, "_pid", None)}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_comes_to_the_same_end(places: Places, name: str) -> None:
    """Text comes back as it was, and arrays, few or many, small or large, negated."""
    opener = available(places).get(name)
    if opener is None:
        pytest.skip(missing(places)[name])
    peer = opener()
    try:
        for text in ("hello", "two words", 'ü \\ "quoted" {}'):
            assert peer.echo(text) == text
        for arrays in (ARRAYS, ARRAYS[:1], ARRAYS[1:2], ARRAYS[:1] * 30, ARRAYS):
            for result, array in zip(peer.negate(arrays), arrays, strict=True):
                assert (result.dtype, result.shape) == (array.dtype, array.shape)
                assert np.array_equal(result, -array)
                del result
        assert peer.echo("again") == "again"
    finally:
        peer.close()


@pytest.mark.parametrize("name", WAYS)
def test_two_of_a_way_do_not_meet(places: Places, name: str) -> None:
    """Each of two workers answers its own client."""
    opener = available(places).get(name)
    if opener is None:
        pytest.skip(missing(places)[name])
    first, second = opener(), opener()
    try:
        assert [first.echo("1"), second.echo("2"), first.echo("3")] == ["1", "2", "3"]
        assert float(first.negate(ARRAYS[2:])[0][0, 0]) == -7.5
        assert float(second.negate(ARRAYS[2:])[0][0, 0]) == -7.5
    finally:
        first.close()
        second.close()


def test_the_report_is_complete(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every work has a row, with its times, ratios and limits, and a missing way is named."""
    monkeypatch.setattr(bench_cases, "SIZES", {"4 KB": 1 << 10, "64 MB": 1 << 12})
    monkeypatch.setitem(WAYS, "ZeroMQ", WAYS["ZeroMQ"]._replace(needs="not_there"))
    plan = Plan(
        places._replace(disk=None), sizes=("4 KB", "64 MB"), batch=2, sessions=(1, 2), trips=1
    )
    document = run(plan, seconds=0, least_rounds=1)
    rows = {row["work"]: row for row in document["rows"]}
    assert list(rows) == [
        "text", "4 KB", "64 MB", "2 of 4 KB", "text, 1 at once", "text, 2 at once", "start-up",
    ]  # fmt: skip
    assert document["missing"]["ZeroMQ"] == "not_there is not installed"
    assert document["missing"]["tsr on disk"] == "no disk"
    here = WAYS.keys() - document["missing"].keys()
    for work, row in rows.items():
        columns = here - {"tsr, polling"} if "of 4 KB" in work or "at once" in work else here
        columns = columns | ({"python -c pass"} if work == "start-up" else set())
        assert row["seconds"].keys() == {"tsr", *row["ratios"]} == columns
        assert all(0 < median <= high for median, high in row["seconds"].values())
    document["environment"].update(memory="memory", disk="disk")
    text = report.markdown(document)
    assert "- **ZeroMQ**: left out, not_there is not installed." in text
    lines = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert [line for line in lines if not line.startswith("-")] == [*["work", *rows] * 2]


def test_limits_are_judged() -> None:
    """A row that has a limit says by how much it keeps it."""
    (note,) = report._notes("text", {"by hand": 0.5, "Pipe": 0.1})
    assert note == "2.00 times by hand, over 1.3"
    (note,) = report._notes("64 MB", {"by hand": 0.5, "shared memory": 0.8})
    assert note == "1.25 times shared memory, within 1.3"
    assert not list(report._notes("4 KB", {"by hand": 0.1}))


def test_a_wrong_result_is_found(places: Places) -> None:
    """No way is measured that gives something else."""
    for case in cases(Plan(places, sizes=("4 KB",), only="4 KB", batch=1)):
        assert not case.check([-ARRAYS[0]])
        assert case.check(case.table["tsr"]())


@pytest.mark.skipif(find_spec("inotify_simple") is None, reason="by hand there is only inotify")
def test_the_command_writes_markdown_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both reports go where they are asked for, and the tables to standard output else."""
    for name in WAYS.keys() - {"tsr", "by hand"}:
        monkeypatch.delitem(WAYS, name)
    markdown, data = tmp_path / "bench.md", tmp_path / "bench.json"
    options = ["--quick", "--only", "text", "--seconds", "0", "--dir", str(tmp_path)]
    main([*options, "--disk", str(tmp_path), "--markdown", str(markdown), "--json", str(data)])
    assert capsys.readouterr().out == ""
    rows = json.loads(data.read_text())["rows"]
    assert [row["work"] for row in rows] == ["text", "text, 2 at once"]
    main(options)
    for text in (markdown.read_text(), capsys.readouterr().out):
        assert "| work            | tsr" in text
