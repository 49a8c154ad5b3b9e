"""The bench itself: what it measures, and how it reports that.

Nothing here depends on time.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.__main__ import main, run
from tests.bench.case import SHAPES, Case, Plan
from tests.bench.cases import WORKS, cases
from tests.bench.harness import measure
from tests.bench.table import Way


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
    plan = Plan(str(tmp_path), str(disk), sizes=("1 MiB",), files=2, tensors=2)
    document = run(plan, seconds=0, least_rounds=1)
    rows = document["rows"]
    assert list(dict.fromkeys(f"{row['format']}: {row['work']}" for row in rows)) == list(WORKS)
    for row in rows:
        assert row["seconds"].keys() == row["texts"].keys() == {"tsr", *row["ratios"]}
        assert all(time > 0 for time in row["seconds"].values())
    _, *tables = report.markdown(document).split("\n## ")
    assert [table.splitlines()[0] for table in tables] == ["TSR v1", "TSR4"]
    for table in tables:
        format, *lines = table.splitlines()
        found = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
        assert found[2:] == [row["work"] for row in rows if row["format"] == format]
    assert list(tmp_path.iterdir()) == [disk]


def _nothing(*arguments: object, **options: object) -> None:
    pass


def test_notes_name_what_is_not_met() -> None:
    """A row says where tsr is behind, or costs too much, or was not measured."""
    table = {column: Way("", int) for column in ("by hand", "tsr", "numpy")}
    case = Case("TSR4", "open", "tiny", table, note="66% of the size")
    samples = measure(
        {c: way.call for c, way in case.table.items()}, settle=int, seconds=0, least_rounds=1
    )
    samples.seconds.update({"by hand": [1.0], "tsr": [2.0], "numpy": [1.0]})
    note = "66% of the size; over 1.15 by hand; behind numpy"
    assert report.row(case, samples)["note"] == note
    samples.seconds.update({"tsr": [1.1], "numpy": [1.2]})
    assert report.row(case, samples)["note"] == "66% of the size"


def test_what_has_no_room_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that does not fit, and a disk that is none, leave rows with a note."""
    monkeypatch.setitem(SHAPES, "1 GiB", (2**50,))
    plan = Plan(str(tmp_path), None, sizes=("1 MiB", "1 GiB"), files=1, only="v1")
    skipped = {case.work for case in cases(plan) if case.note.startswith("skipped")}
    assert skipped == {
        "open",
        "open as a tensor",
        "load and sum",
        "read the header",
        "save over an old file on disk",
        "save over an old file on disk, durable=False",
        "save over an old file on disk, durable=True",
    }


def test_the_command_writes_markdown_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both reports go where they are asked for, and the table to standard output else."""
    markdown, data = tmp_path / "bench.md", tmp_path / "bench.json"
    options = ["--quick", "--only", "v1: loads", "--seconds", "0", "--dir", str(tmp_path)]
    main([*options, "--markdown", str(markdown), "--json", str(data)])
    assert capsys.readouterr().out == ""
    assert [row["size"] for row in json.loads(data.read_text())["rows"]] == ["tiny", "1 MiB"]
    main(options)
    for text in (markdown.read_text(), capsys.readouterr().out):
        (header,) = (line for line in text.splitlines() if line.startswith("| work"))
        columns = [cell.strip() for cell in header.strip("| ").split("|")]
        others = ["by hand", "numpy", "safetensors", "safetensors.torch", "torch"]
        assert columns == ["work", "size", "tsr", *others, "note"]
    with pytest.raises(SystemExit, match="no such work"):
        main(["--only", "nothing"])
