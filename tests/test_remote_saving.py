"""Saving behind URLs: whole or not at all, whatever interrupts it, and without leftovers."""

from __future__ import annotations

import _thread
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
import fsspec.asyn
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem

import tsr
from tests.remote_servers import S3Server, s3_server
from tsr.remote import filesystem, scratch, uploaded
from tsr.remote.uploading import put_bytes, put_file

X = np.arange(6, dtype="float32").reshape(2, 3)
OLD = tsr.dumps(np.int8(7))
LARGE = np.arange(3 << 20, dtype="int32")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server for the tests of this module."""
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have temporary files in a folder, which has to be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert os.listdir(folder) == []


class Elsewhere(LocalFileSystem):  # type: ignore[misc] # fsspec has no type hints
    """Storage in which a file is there before it is whole, and can be renamed."""

    protocol = "elsewhere"


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """Give the URL of a folder on storage that is none of the known object stores."""
    fsspec.register_implementation("elsewhere", Elsewhere, clobber=True)
    folder = tmp_path / "else"
    folder.mkdir()
    return f"elsewhere://{folder}"


def uploads(s3: S3Server) -> Any:
    """Give the multipart uploads that were begun and are neither complete nor given up."""
    return s3._filesystem().call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads")


def test_small_is_one_request(s3: S3Server, temporary: Path) -> None:
    """A small file is one put of its bytes, and no file on the disk."""
    temporary.chmod(0o500)
    s3.asked.clear()
    tsr.save("s3://bucket/x.tsr", X, storage_options=s3.options)
    assert s3.made() == [("PUT", None)]
    assert s3.get("x.tsr") == tsr.dumps(X)
    tsr.save("s3://bucket/x.tsr", [X, X], format="tsr4", storage_options=s3.options)
    assert s3.get("x.tsr") == tsr.dumps([X, X], format="tsr4")


def test_large_goes_through_a_file(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file has the same bytes, and so has one whose tensors come one by one."""
    monkeypatch.setattr(scratch, "_MEMORY_BYTES", 1000)
    tsr.save("s3://bucket/large.tsr", LARGE[::-1], storage_options=s3.options)
    assert s3.get("large.tsr") == tsr.dumps(LARGE[::-1])
    arrays = (np.full((3, 4), number, "int8") for number in range(5))
    expected = tsr.dumps([np.full((3, 4), number, "int8") for number in range(5)], format="tsr4")
    tsr.save("s3://bucket/many.tsr", arrays, format="tsr4", storage_options=s3.options)
    assert s3.get("many.tsr") == expected
    with tsr.create("s3://bucket/made.tsr", storage_options=s3.options) as file:
        for number in range(5):
            file.add(np.full((3, 4), number, "int8"))
    assert s3.get("made.tsr") == expected


@pytest.mark.parametrize("place", ["s3", "memory", "elsewhere"])
def test_error_keeps_what_was_there(place: str, s3: S3Server, elsewhere: str) -> None:
    """What fails before all is there leaves the old object, and nothing of the new one."""
    url = {"s3": "s3://bucket/kept", "memory": "memory://kept", "elsewhere": elsewhere}[place]
    options = s3.options if place == "s3" else None
    put_bytes(f"{url}/x.tsr", OLD, options)

    def arrays() -> Iterator[Any]:
        yield X
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        tsr.save(f"{url}/x.tsr", arrays(), format="tsr4", storage_options=options)
    file = tsr.create(f"{url}/x.tsr", storage_options=options)
    file.add(X)
    file.discard()
    with pytest.raises(tsr.UnsupportedError):
        tsr.save(f"{url}/x.tsr", np.array([0.1, 1e300]), cast="int32", storage_options=options)
    with pytest.raises(KeyboardInterrupt):
        interrupted(f"{url}/x.tsr", options)
    fs, inner = fsspec.url_to_fs(url, **(options or {}))
    assert [name.rpartition("/")[2] for name in fs.find(inner)] == ["x.tsr"]
    assert fs.cat_file(f"{inner}/x.tsr") == OLD


@pytest.mark.parametrize("size", [1 << 10, 12 << 20], ids=["one-request", "several"])
def test_interrupted_transfers(s3: S3Server, tmp_path: Path, size: int) -> None:
    """Ctrl-C while an object is sent leaves what was there, and nothing of the new one."""
    put_bytes("s3://bucket/stopped.tsr", OLD, s3.options)
    local = tmp_path / "x.tsr"
    local.write_bytes(bytes(size))
    fs, _ = filesystem("s3://bucket", s3.options)
    loop, send = fs.loop, type(fs)._call_s3

    async def call(self: Any, method: str, *args: Any, **options: Any) -> Any:
        if options.get("PartNumber") == 2 or method == "put_object":
            threading.Timer(0.1, _thread.interrupt_main).start()
            await asyncio.sleep(20)
        return await send(self, method, *args, **options)

    async def others() -> int:
        return len(asyncio.all_tasks()) - 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(fs), "_call_s3", call)
        patch.setattr("s3fs.core.calculate_chunksize", lambda *_, **__: 5 << 20)
        with pytest.raises(KeyboardInterrupt):
            put_file("s3://bucket/stopped.tsr", str(local), s3.options)
        deadline = time.monotonic() + 5
        while fsspec.asyn.sync(loop, others) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert s3.get("stopped.tsr") == OLD
    assert not uploads(s3)


def interrupted(url: str, options: Any) -> None:
    """Write a part of a file, and no more."""
    with uploaded(url, options) as path:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt


def test_elsewhere_under_another_name(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage that shows files before they are whole gets them under another name first."""
    url = f"{elsewhere}/deep/x.tsr"
    path = url.removeprefix("elsewhere://")
    tsr.save(url, X)
    seen: list[list[str]] = []
    rename = Elsewhere.mv

    def mv(self: Any, *arguments: Any, **options: Any) -> None:
        seen.append(sorted(os.listdir(os.path.dirname(path))))
        assert Path(path).read_bytes() == tsr.dumps(X)
        rename(self, *arguments, **options)

    monkeypatch.setattr(Elsewhere, "mv", mv)
    monkeypatch.setattr(scratch, "_MEMORY_BYTES", 1)
    tsr.save(url, LARGE)
    [[old, new]] = seen
    assert (old, new.endswith(".tmp")) == ("x.tsr", True)
    assert Path(path).read_bytes() == tsr.dumps(LARGE)
    assert os.listdir(os.path.dirname(path)) == ["x.tsr"]
    with pytest.raises(FileExistsError):
        put_bytes(url, b"", overwrite=False)


def test_create_mode_is_decided_by_s3(s3: S3Server) -> None:
    """What must not replace anything says so in the request itself."""
    url = s3.put("taken.tsr", OLD)
    with pytest.raises(FileExistsError) as raised:
        put_bytes(url, b"new", s3.options, overwrite=False)
    assert raised.value.filename == url
    assert [asked.headers.get("if-none-match") for asked in s3.asked] == ["*"]
    assert s3.get("taken.tsr") == OLD


def test_no_bucket(s3: S3Server) -> None:
    """A bucket that is not there is no file found, and the error names the URL."""
    with pytest.raises(FileNotFoundError) as raised:
        tsr.save("s3://no-such-bucket/x.tsr", X, storage_options=s3.options)
    assert raised.value.filename == "s3://no-such-bucket/x.tsr"


@pytest.mark.parametrize(
    "url", ["https://example.org/x.tsr", "http://example.org/x.tsr", "zip://x.tsr::memory://a.zip"]
)
def test_what_can_only_be_read(url: str) -> None:
    """Web servers and archives are refused before anything is done."""
    for attempt in (lambda: tsr.save(url, X), lambda: tsr.create(url)):
        with pytest.raises(tsr.UnsupportedError, match="can only be read"):
            attempt()


def test_options_without_a_url(tmp_path: Path) -> None:
    """Options of storage make no sense for a path."""
    for attempt in (
        lambda: tsr.save(tmp_path / "x.tsr", X, storage_options={"key": "x"}),
        lambda: tsr.create(tmp_path / "x.tsr", storage_options={"key": "x"}),
    ):
        with pytest.raises(tsr.UnsupportedError, match="storage_options"):
            attempt()
    assert not (tmp_path / "x.tsr").exists()


def test_file_url_is_a_path(tmp_path: Path) -> None:
    """A URL of file:// is the path in it."""
    tsr.save(f"file://{tmp_path}/x.tsr", X)
    with tsr.create(f"file://{tmp_path}/y.tsr") as file:
        file.add(X)
    assert (tmp_path / "x.tsr").read_bytes() == tsr.dumps(X)
    assert (tmp_path / "y.tsr").read_bytes() == tsr.dumps([X], format="tsr4")


# ------------------------------------------------------------------ a server between


class Gate:
    """What stands between client and server, and lets so many bytes of each connection pass.

    Then the connection is cut, with `answer` before that, if there is one; or with `stalled`
    nothing passes any more, which that is told.
    """

    def __init__(
        self, s3: S3Server, answer: bytes | None, after: int, stalled: threading.Event | None
    ) -> None:
        host, _, port = s3.options["endpoint_url"].removeprefix("http://").partition(":")
        self._server = host, int(port)
        self._answer = answer
        self._after = after
        self._stalled = stalled
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut all connections."""
        for one in (self._listening, *self._open):
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._open += client, server
                for target in (self._forth, self._back):
                    threading.Thread(target=target, args=(client, server), daemon=True).start()

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        left = self._after
        with client, server, suppress(OSError):
            while data := client.recv(1 << 16):
                server.sendall(data[:left])
                if len(data) > left and self._stalled is None:
                    client.sendall(self._answer or b"")
                    return
                if len(data) > left and self._stalled is not None:
                    self._stalled.set()
                left = max(0, left - len(data))


def test_refused_before_it_is_written() -> None:
    """What there is no package or file system for is refused before the first tensor is written."""
    with pytest.raises(tsr.UnsupportedError, match="Protocol not known: nonsense"):
        tsr.create("nonsense://x.tsr")


@pytest.mark.parametrize("url", ["memory://nowhere/", "memory://nowhere/x.tsr/"])
def test_no_file_name(url: str) -> None:
    """A URL that ends in a slash names a folder; nothing appears under a name without it."""
    for write in (
        lambda: tsr.save(url, np.int8(1)),
        lambda: tsr.save(url, np.zeros(1 << 21, "int8"), format="tsr4"),
        lambda: tsr.create(url),
    ):
        with pytest.raises(IsADirectoryError) as error:
            write()
        assert error.value.filename == url
    assert not tsr.remote.exists(url)


@contextmanager
def gate(
    s3: S3Server, answer: bytes | None, after: int, stalled: threading.Event | None = None
) -> Iterator[dict[str, Any]]:
    """Put a gate before a server, and give what the file system is made with then."""
    between = Gate(s3, answer, after, stalled)
    try:
        yield {**s3.options, "endpoint_url": f"http://127.0.0.1:{between.port}"}
    finally:
        between.close()


def test_connection_cut(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is cut in the middle of an upload leaves the old object."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    url = s3.put("cut.tsr", OLD)
    for limit in (1 << 26, 1000):  # from memory, and from a file
        monkeypatch.setattr(scratch, "_MEMORY_BYTES", limit)
        with gate(s3, None, 1 << 20) as options, pytest.raises(OSError) as raised:  # noqa: PT011
            tsr.save(url, LARGE, storage_options=options)
        assert raised.value.filename == url
    assert s3.get("cut.tsr") == OLD
    assert uploads(s3) is None


def test_connection_cut_in_parts(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large upload in parts, nothing is left behind."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda *_, **__: 5 << 20)
    monkeypatch.setattr(scratch, "_MEMORY_BYTES", 1000)
    url = s3.put("parts.tsr", OLD)
    with gate(s3, None, 1 << 20) as options, pytest.raises(OSError) as raised:  # noqa: PT011
        tsr.save(url, LARGE, storage_options=options)
    assert raised.value.filename == url
    assert any("uploadId" in asked.path for asked in s3.asked)
    assert s3.get("parts.tsr") == OLD
    assert uploads(s3) is None


def test_forbidden(s3: S3Server) -> None:
    """What the server forbids is a PermissionError, and leaves the old object."""
    url = s3.put("forbidden.tsr", OLD)
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
    with gate(s3, head % len(body) + body, 0) as options, pytest.raises(PermissionError) as raised:
        tsr.save(url, X, storage_options=options)
    assert raised.value.filename == url
    assert s3.get("forbidden.tsr") == OLD


SAVING = """\
import json, sys
import numpy as np, tsr
from tsr.remote import scratch
scratch._MEMORY_BYTES = int(sys.argv[2])
tsr.save(sys.argv[1], np.zeros(8 << 20, "int32"), storage_options=json.loads(sys.argv[3]))
"""


@pytest.mark.parametrize("limit", [1 << 26, 1000])
def test_killed_process(s3: S3Server, limit: int, tmp_path: Path) -> None:
    """A process that is killed in the middle of an upload leaves the old object."""
    url = s3.put("killed.tsr", OLD)
    came = threading.Event()
    with gate(s3, None, 1 << 20, came) as options:
        process = subprocess.Popen(
            [sys.executable, "-c", SAVING, url, str(limit), json.dumps(options)],
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        arrived = came.wait(30)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert arrived
    assert s3.get("killed.tsr") == OLD
