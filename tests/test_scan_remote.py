"""`tsr.scan` of URLs: one request an object, folders and patterns in storage, what goes wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tsr
from tests.containers import entry_at, patched
from tests.remote_servers import Asked, HttpServer, Reply, S3Server, http_server, part, s3_server
from tsr.cli import main
from tsr.scanning import Table
from tsr.scanning.directory import PART
from tsr.scanning.local import FEW

fsspec = pytest.importorskip("fsspec", reason="needs the extra remote")

TINY = np.arange(6, dtype=np.float32).reshape(2, 3)
HEADER = ("GET", "bytes=0-63")

# What the HTTP server has, by path.
OBJECTS: dict[str, bytes] = {}

_serial = itertools.count()


def facts(table: Table) -> list[tuple[Any, ...]]:
    """Give the rows of a table without their paths."""
    columns = (column.tolist() for name, column in table.items() if name != "path")
    return list(zip(*columns, strict=True))


@pytest.fixture
def folder() -> str:
    """Name a folder in the memory of this process that nothing is in."""
    return f"memory://scan-{next(_serial)}"


def put(url: str, data: bytes) -> str:
    """Write an object, and give its URL."""
    with fsspec.open(url, "wb") as file:
        file.write(data)
    return url


# ------------------------------------------------------------------ storage


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, PART + 5])
def test_the_same_rows_as_of_files(count: int, folder: str, tmp_path: Any) -> None:
    """Objects, good and broken, have the rows of the same files."""
    pytest.importorskip("tsr.remote")
    many = tsr.dumps([np.ones((1, 2), np.int8)] * count, format="tsr4")
    contents = [
        tsr.dumps(TINY), tsr.dumps(TINY), tsr.dumps(TINY)[:-1], b"", b"TSR!", b"TSR4", many,
        many[:-1], many[: entry_at(count - 1)], many + b"more", bytes(100),
        patched(many, entry_at(count - 1), b"\xff"),
    ]  # fmt: skip
    urls, paths = [], []
    for number, data in enumerate(contents):
        urls.append(put(f"{folder}/{number:02}.tsr", data))
        paths.append(tmp_path / f"{number:02}.tsr")
        paths[-1].write_bytes(data)
    wanted = facts(tsr.scan(paths))
    table = tsr.scan(urls)
    assert facts(table) == wanted
    assert list(dict.fromkeys(table["path"])) == urls
    assert facts(tsr.scan(folder)) == wanted
    assert facts(tsr.scan([urls[0], paths[0], *urls[1:]])) == [wanted[0], *wanted]


def test_folders_and_patterns(folder: str) -> None:
    """Folders and patterns are searched as local ones, nothing hidden in a folder."""
    for name in ("b.tsr", "a.tsr", "in/c.TSR", "x.npy", ".h.tsr", ".in/d.tsr", "in/.e.tsr"):
        put(f"{folder}/{name}", tsr.dumps(TINY))
    seen = [f"{folder}/a.tsr", f"{folder}/b.tsr", f"{folder}/in/c.TSR"]
    for source in (folder, f"{folder}/"):
        assert [url.replace(":///", "://") for url in tsr.scan(source)["path"]] == seen
    for pattern, names in {
        "?.tsr": "a.tsr b.tsr", "*.tsr": "a.tsr b.tsr", "**/*.tsr": "a.tsr b.tsr",
        "*/*": "in/c.TSR", ".*.tsr": ".h.tsr", ".in/*": ".in/d.tsr", "*/.*": "in/.e.tsr",
    }.items():  # fmt: skip
        found = tsr.scan(f"{folder}/{pattern}")
        assert [url.partition(folder[9:] + "/")[2] for url in found["path"]] == names.split()
        assert set(found["status"]) == {"ok"}


def test_bad_sources(folder: str) -> None:
    """What is not there, or matches nothing, is a row, and so is a scheme nobody knows."""
    put(f"{folder}/in/x.npy", b"")
    sources = [
        f"{folder}/absent.tsr", f"{folder}/*.tsr", f"{folder}/in", "nonsense://x/y.tsr",
        f"{folder}/absent/",
    ]  # fmt: skip
    table = tsr.scan(sources)
    assert table["path"].tolist() == sources
    assert table["status"].tolist() == ["error"] * 5
    assert table["error"].tolist()[:3] == [
        "No such file or directory", "Nothing matches this pattern", "No .tsr file in this folder",
    ]  # fmt: skip
    assert "nonsense" in table["error"][3]


def test_progress_and_options(folder: str) -> None:
    """Progress counts objects, and the options reach the file system."""
    urls = [put(f"{folder}/{number:03}.tsr", tsr.dumps(TINY)) for number in range(100)]
    told: list[tuple[Any, ...]] = []
    tsr.scan(urls, progress=lambda *given: told.append(given), storage_options={"spare": 1})
    assert told == [(64, 100, urls[63]), (100, 100, urls[99])]


def test_the_command(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`tsr scan` takes URLs, and shows none of what is secret in them."""
    url = put(f"{folder}/a.tsr", tsr.dumps(TINY))
    assert main(["scan", url]) == 0
    assert capsys.readouterr().out.endswith(f"  {url}\n")
    assert main(["scan", "http://user:secret@127.0.0.1:9/x.tsr?signature=secret"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tsr: http://127.0.0.1:9/x.tsr: ")
    assert "secret" not in err


# ------------------------------------------------------------------ requests


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Run an HTTP server that has what `OBJECTS` holds."""

    def answer(asked: Asked) -> Reply:
        data = OBJECTS.get(asked.path)
        return (
            Reply(403 if "forbidden" in asked.path else 404) if data is None else part(data, asked)
        )

    OBJECTS.clear()
    with http_server(answer) as found:
        yield found


def test_one_request_an_object(server: HttpServer) -> None:
    """A file of TSR v1 costs 64 bytes of it; one of TSR4 those and its directory."""
    names = [f"/{number:02}.tsr" for number in range(70)]
    for number, name in enumerate(names):
        OBJECTS[name] = tsr.dumps(np.zeros(number, np.int8))
    table = tsr.scan(server.address + name for name in names)
    assert set(table["status"]) == {"ok"}
    assert sorted(asked.path for asked in server.asked) == names
    assert server.made() == [HEADER] * len(names)
    for count in (3, FEW + 1):
        OBJECTS["/many.tsr"] = tsr.dumps([TINY] * count, format="tsr4")
        assert tsr.scan(server.url("many.tsr")).rows == count
        assert server.made() == [HEADER, ("GET", f"bytes=64-{entry_at(count) - 1}")]


def test_refusals(server: HttpServer) -> None:
    """What a server refuses is a row in its place."""
    OBJECTS["/a.tsr"] = tsr.dumps(TINY)
    urls = [server.url(f"{name}.tsr") for name in ("a", "absent", "forbidden", "a")]
    table = tsr.scan(urls)
    assert table["path"].tolist() == urls
    assert table["status"].tolist() == ["ok", "error", "error", "ok"]
    assert table["error"][1] == "No such file or directory"
    assert table["error"][2].startswith("Permission denied")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server with a folder of 40 files, a broken one, and one of TSR4."""
    with s3_server() as found:
        for number in range(40):
            found.put(f"run/{number:02}.tsr", tsr.dumps(np.zeros(number, np.int8)))
        found.put("run/bad.tsr", b"TSR!")
        found.put("run/in/many.tsr", tsr.dumps([TINY] * 3, format="tsr4"))
        found.put("run/in/notes.txt", b"no tensor")
        yield found


@pytest.mark.parametrize(
    ("source", "listing"),
    [
        pytest.param("run/", 1, id="folder"),
        # Whether it is an object, and whether it is a folder; then what is in it.
        pytest.param("run", 4, id="folder-without-slash"),
        pytest.param("run/**/*.tsr", 1, id="pattern"),
    ],
)
def test_requests_to_s3(s3: S3Server, source: str, listing: int) -> None:
    """A folder or pattern is one list, then a request a file, and one more a file of TSR4."""
    s3.asked.clear()
    told: list[tuple[Any, ...]] = []
    table = tsr.scan(
        f"s3://bucket/{source}", storage_options=s3.options,
        progress=lambda *given: told.append(given),
    )  # fmt: skip
    assert table["path"].tolist() == [
        *(f"s3://bucket/run/{number:02}.tsr" for number in range(40)),
        "s3://bucket/run/bad.tsr", *["s3://bucket/run/in/many.tsr"] * 3,
    ]  # fmt: skip
    assert table["bytes"].tolist() == [*range(40), 0, 24, 24, 24]
    assert table["status"].tolist() == ["ok"] * 40 + ["invalid"] + ["ok"] * 3
    assert told == [(42, None, "s3://bucket/run/in/many.tsr")]
    asked = [asked.range for asked in s3.asked if asked.path.endswith(".tsr")]
    assert sorted(map(str, asked)) == sorted(
        ["bytes=0-63"] * 41 + ["bytes=0-3", f"bytes=64-{entry_at(3) - 1}"]
    )
    assert len(s3.asked) - len(asked) == listing


def test_what_s3_lacks(s3: S3Server) -> None:
    """Objects, folders and buckets that are not there are rows."""
    sources = [f"s3://{name}" for name in (
        "bucket/run/00.tsr", "bucket/absent.tsr", "bucket/absent/", "bucket/absent*.tsr",
        "absent/x.tsr", "absent/",
    )]  # fmt: skip
    for workers in (1, 4):
        table = tsr.scan(sources, workers=workers, storage_options=s3.options)
        assert table["path"].tolist() == sources
        assert table["status"].tolist() == ["ok", *["error"] * 5]
        assert table["error"].tolist() == [
            None, "No such file or directory", "No .tsr file in this folder",
            "Nothing matches this pattern", *["No such file or directory"] * 2,
        ]  # fmt: skip
