"""`tsr.scan` of URLs: one request an object, folders and patterns in storage, what goes wrong."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

import tsr
from tests.containers import entry_at, patched
from tsr.cli import main
from tsr.scanning import Table
from tsr.scanning.directory import PART
from tsr.scanning.local import FEW

fsspec = pytest.importorskip("fsspec", reason="needs the extra remote")

TINY = np.arange(6, dtype=np.float32).reshape(2, 3)
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
    found = tsr.scan(f"{folder}/?.tsr")
    assert [url.rpartition("/")[2] for url in found["path"]] == ["a.tsr", "b.tsr"]
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


class _Server(ThreadingHTTPServer):
    """Has objects by name, and writes down what it is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler))
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.command, self.path, wanted))
        data = self.server.objects.get(self.path)
        if data is None:
            self.send_response(403 if "forbidden" in self.path else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, _, last = (wanted or "bytes=0-").removeprefix("bytes=").partition("-")
        piece = data[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Length", str(len(piece)))
        self.send_header("ETag", '"1"')
        stop = int(first) + len(piece) - 1
        self.send_header("Content-Range", f"bytes {first}-{stop}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(piece)

    do_HEAD = do_GET  # noqa: N815 - a name that http.server looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    """Start a server on this machine."""
    pytest.importorskip("aiohttp", reason="needs the extra remote")
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_one_request_an_object(server: _Server) -> None:
    """A file of TSR v1 costs 64 bytes of it; one of TSR4 those and its directory."""
    names = [f"/{number:02}.tsr" for number in range(70)]
    server.objects = {name: tsr.dumps(np.zeros(number)[:0].astype(np.int8)) for number, name in
                      enumerate(names)}  # fmt: skip
    table = tsr.scan(server.url + name for name in names)
    assert set(table["status"]) == {"ok"}
    assert sorted(server.asked) == [("GET", name, "bytes=0-63") for name in names]
    for count in (3, FEW + 1):
        server.asked.clear()
        server.objects["/many.tsr"] = tsr.dumps([TINY] * count, format="tsr4")
        assert tsr.scan(f"{server.url}/many.tsr").rows == count
        assert server.asked == [
            ("GET", "/many.tsr", "bytes=0-63"),
            ("GET", "/many.tsr", f"bytes=64-{entry_at(count) - 1}"),
        ]


def test_refusals(server: _Server) -> None:
    """What a server refuses is a row in its place."""
    server.objects = {"/a.tsr": tsr.dumps(TINY)}
    urls = [f"{server.url}/{name}.tsr" for name in ("a", "absent", "forbidden", "a")]
    table = tsr.scan(urls)
    assert table["path"].tolist() == urls
    assert table["status"].tolist() == ["ok", "error", "error", "ok"]
    assert table["error"][1] == "No such file or directory"
    assert table["error"][2].startswith("Permission denied")
