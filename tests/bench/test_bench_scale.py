"""The bench of many files: all ways come to the same end, and what is said of it is what it found.

Nothing here depends on time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.scale import growth, report
from tests.bench.scale.__main__ import HERE, MARKS, README, main, write
from tests.bench.scale.cases import WAYS, cases
from tests.bench.scale.constants import constants
from tests.bench.scale.places import Place, local_place, s3_place

KNOWN = {
    "files": 1000.0,
    "scan_seconds_per_file": 1e-5,
    "scan_bytes_per_file": 500.0,
    "load_seconds_per_file": 2e-5,
    "dask_seconds_per_file": 3e-5,
    "read_bytes_per_second": 2e9,
    "request_seconds": 5e-3,
    "request_cpu_seconds": 2e-3,
    "task_seconds": 1e-3,
    "cluster_seconds": 2.0,
    "cluster_processes": 2.0,
}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Run a cluster of dask in this process."""
    from distributed import Client

    with Client(processes=False, n_workers=1, dashboard_address=":0") as client:  # type: ignore[no-untyped-call]
        yield client


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    """Give files here, and on an S3 server."""
    folder = tmp_path_factory.mktemp("scale")
    with s3_place("S3", 3, 0.001) as remote:
        yield [local_place(f"{folder}/local", 7), remote]


def test_every_way_comes_to_the_same_end(places: list[Place], client: Any) -> None:
    """Headers, sums and conversions are the same by every way, and nothing is left of them."""
    found = []
    for case in cases(places, client):
        for column, call in case.table.items():
            assert call() == case.expected, (case.work, column)
        case.settle()
        assert set(os.listdir(os.path.dirname(places[0].folder))) <= {"local", "local-5"}
        assert set(case.table) <= set(WAYS)
        found.append((case.work, case.place))
    works = ("headers", "load and sum", "convert")
    assert found == [(work, place) for work in works for place in ("local", "S3")]
    assert {case.work for case in cases(places, client, only="sum")} == {"load and sum"}


def test_constants(places: list[Place], client: Any, tmp_path: Path) -> None:
    """Each constant that is told of is measured, and is a number."""
    known = constants(
        places[0], places[1], client, 1.5, str(tmp_path), rounds=1, large_rows=1 << 10
    )
    assert known.keys() == growth.SAID.keys() == KNOWN.keys()
    assert all(value >= 0 for value in known.values())
    assert known["files"] == 7


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It measures what is asked for, and writes a table and data."""
    where = ["--dir", str(tmp_path), "--json", str(tmp_path / "x.json")]
    main(["--quick", "--only", "headers", "--place", "local", "--note", "busy", *where])
    text = capsys.readouterr().out
    assert "CPUs.\n\nbusy\n" in text
    assert "| headers | local | 40 |" in text
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["constants"] == {}
    (row,) = document["rows"]
    assert row["rates"].keys() == set(WAYS)
    assert os.listdir(tmp_path) == ["x.json"]


def test_growth_is_arithmetic() -> None:
    """The table follows from the constants."""
    text = growth.markdown(KNOWN)
    lines = {line.split(" | ")[0][2:]: line for line in text.splitlines() if line.startswith("| ")}
    _, million, billion, petabyte = lines["headers, local, one process"].split(" | ")
    assert (million, billion, petabyte[:-2]) == ("10 s", "2.78 h", "2.8 min")
    assert " | $0.40 | $400.00 | $6.71 |" in lines["their price"]
    # 2 ms of the processor are more than 30 ms of waiting by 32 threads.
    assert " | 33.3 min | 23 days | 9.32 h |" in lines["headers, S3, one process"]
    assert "paid back from 400,000 headers on" in text
    assert "500,000 files a second" in text
    assert "no faster than a loop" in text
    assert "are paid back from" in growth.markdown({**KNOWN, "dask_seconds_per_file": 1e-5})


def test_what_is_written_is_what_was_measured() -> None:
    """The report, the table of growth and that of the README are made of results.json."""
    document = json.loads((HERE / "results.json").read_text())
    assert (HERE / "results.md").read_text() == report.markdown(document)
    assert (HERE / "growth.md").read_text() == growth.markdown(document["constants"]) + "\n"
    shown = README.read_text().partition(MARKS[0])[2].partition(MARKS[1])[0]
    assert shown == report.table(document) + "\n"


def test_writing(tmp_path: Path) -> None:
    """What stands around the table in the README stays."""
    document = json.loads((HERE / "results.json").read_text())
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{MARKS[0]}old\n{MARKS[1]}after\n")
    write(document, tmp_path, readme)
    table = report.table(document)
    assert readme.read_text() == f"before\n{MARKS[0]}{table}\n{MARKS[1]}after\n"
    assert (tmp_path / "growth.md").read_text() == (HERE / "growth.md").read_text()
