"""Files behind HTTP: servers that do as they should, and servers that do not."""

from __future__ import annotations

import _thread
import asyncio
import errno
import gc
import os
import pickle
import re
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec.asyn
import numpy as np
import pytest

import tsr
from tests.remote_servers import Asked, HttpServer, Reply, http_server, part
from tsr.remote import RemoteObject, exists, is_folder, list_objects

HEADER = ("GET", "bytes=0-63")
V1 = tsr.dumps(np.arange(6000, dtype="float32").reshape(20, 300))
ARRAYS = [np.full((1, 3, 5, 1), 7, "int8"), np.arange(70, dtype="int32").reshape(7, 10, 1, 1)]
TSR4 = tsr.dumps(ARRAYS, format="tsr4")
LARGE = tsr.dumps(np.ones((1, 1 << 21), "int8"))


@pytest.fixture(scope="module")
def shared() -> Iterator[HttpServer]:
    """Run an HTTP server for the tests of this module."""
    with http_server(lambda _: None) as server:
        yield server


@pytest.fixture
def http(shared: HttpServer, monkeypatch: pytest.MonkeyPatch) -> HttpServer:
    """Take the server as one that behaves well and has a v1 file; it need not be waited for."""
    monkeypatch.setattr("tsr.remote.object._WAITS", (0.01, 0.01))
    shared.asked.clear()
    shared.answer = lambda asked: part(V1, asked)
    return shared


def in_turn(*answers: Callable[[Asked], Reply | None] | Reply | None) -> Callable[[Asked], Any]:
    """Answer the requests in turn, and all others as the last."""
    left = list(answers)

    def answer(asked: Asked) -> Reply | None:
        this = left.pop(0) if len(left) > 1 else left[0]
        return this(asked) if callable(this) else this

    return answer


def ignoring(data: bytes, **headers: str) -> Callable[[Asked], Reply]:
    """Answer every request with all there is."""
    return lambda _: Reply(200, data, headers)


def giving(memory: bytearray) -> Callable[[bytes, int | None], memoryview]:
    """Look at nothing of what comes, and have its payload put into memory."""
    return lambda head, size: memoryview(memory)


def given(http: HttpServer) -> int:
    """Count the bytes of bodies since the last look at the requests."""
    return sum(asked.given for asked in http.asked)


def test_well_behaved(http: HttpServer) -> None:
    """A header is one request of 64 bytes without a coding, an array is one request."""
    assert tsr.read_header(http.url()) == tsr.parse_header(V1)
    assert http.asked[0].headers["accept-encoding"] == "identity"
    assert given(http) == 64
    assert http.made() == [HEADER]
    assert tsr.load(http.url()).tobytes() == V1[64:]
    assert http.made() == [("GET", None)]
    assert tsr.validate(http.url()) == []
    assert http.made() == [HEADER]


def test_one_tensor_of_many(http: HttpServer) -> None:
    """Header and directory are two requests and a tensor is one, all of one version."""
    http.answer = lambda asked: part(TSR4, asked)
    file = tsr.open(http.url())
    assert file[1].tobytes() == ARRAYS[1].tobytes()
    start = file.infos[1].offset
    assert http.made() == [HEADER, ("GET", "bytes=64-255"), ("GET", f"bytes={start}-{start + 279}")]
    assert file[0].tobytes() == ARRAYS[0].tobytes()
    assert http.asked[0].headers["if-match"] == '"1"'


def test_verified_each_time(http: HttpServer) -> None:
    """What is read once more is verified once more: it may go wrong on its way each time."""
    http.answer = lambda asked: part(TSR4, asked)
    file = tsr.open(http.url())
    assert file[1].tobytes() == ARRAYS[1].tobytes()
    http.answer = lambda asked: part(TSR4[:-1] + b"\1", asked)
    with pytest.raises(tsr.FormatError, match="T4-CRC-2"):
        file[1]
    assert tsr.open(http.url(), verify=False)[1].tobytes()[-1] == 1


@pytest.mark.parametrize("length", [0, 3, 64, 100, 130])
def test_cut_files(http: HttpServer, length: int) -> None:
    """What is shorter than it says is the error that it is in memory."""
    for whole in (V1, TSR4):
        data = whole[:length]
        http.answer = lambda asked, data=data: part(data, asked)  # type: ignore[misc]
        for function in (tsr.load, tsr.open):
            with pytest.raises(tsr.FormatError) as expected:
                function(data)
            with pytest.raises(tsr.FormatError) as found:
                function(http.url())
            assert found.value.clause == expected.value.clause


def test_ignored_ranges(http: HttpServer) -> None:
    """A server that ignores ranges is read as far as needed only, and the answer is right."""
    http.answer = ignoring(LARGE)
    assert tsr.read_header(http.url()) == tsr.parse_header(LARGE)
    assert http.made() == [HEADER]
    http.answer = ignoring(TSR4)
    file = tsr.open(http.url())
    assert [array.tobytes() for array in file] == [array.tobytes() for array in ARRAYS]


def test_ignored_ranges_stop_early(http: HttpServer) -> None:
    """For 64 bytes of a large file little more than what lies in the buffers is given."""
    huge = LARGE + bytes(1 << 26)
    http.answer = ignoring(huge)
    tsr.read_header(http.url(), strict=False)
    time.sleep(0.1)
    assert 64 <= given(http) < 1 << 25


def test_ignored_ranges_far_in(http: HttpServer) -> None:
    """What lies far into a file of a server that ignores ranges is refused, with the way out."""
    arrays = [np.zeros((1, 1, 1, 2 << 20), "int8"), np.ones((1, 1, 1, 8), "int8")]
    http.answer = ignoring(tsr.dumps(arrays, format="tsr4"))
    file = tsr.open(http.url())
    with pytest.raises(OSError, match=r"ignores ranges.*mmap_mode=None"):
        file[1]
    whole = tsr.open(http.url(), mmap_mode=None)
    assert whole[1].tobytes() == bytes([1] * 8)


def test_no_sizes(http: HttpServer) -> None:
    """Without a length, chunked or not, arrays are right and wrong ends are seen."""
    for chunked in (True, False):
        for data in (V1, V1 + b"x", V1[:-1]):
            http.answer = in_turn(Reply(200, data, length=-1, chunked=chunked))
            if data == V1:
                assert tsr.load(http.url()).tobytes() == V1[64:]
                assert tsr.open(http.url())[0].tobytes() == V1[64:]
                assert tsr.validate(http.url()) == []
                continue
            clause = "V1-PAYLOAD-" + ("2" if data > V1 else "1")
            with pytest.raises(tsr.FormatError, match=clause):
                tsr.load(http.url())
            with pytest.raises(tsr.FormatError, match=clause):
                tsr.open(http.url())[0]
            assert [error.clause for error in tsr.validate(http.url())] == [clause]
            assert tsr.read_header(http.url()).shape == (20, 300)


def test_unknown_size_in_ranges(http: HttpServer) -> None:
    """A server that gives ranges without telling the size is enough."""

    def answer(asked: Asked) -> Reply:
        reply = part(TSR4, asked)
        if reply.status == 206:
            reply.headers["Content-Range"] = reply.headers["Content-Range"].split("/")[0] + "/*"
        return reply

    http.answer = answer
    file = tsr.open(http.url())
    assert [array.tobytes() for array in file] == [array.tobytes() for array in ARRAYS]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, PermissionError),
        (403, PermissionError),
        (404, FileNotFoundError),
        (410, FileNotFoundError),
        (400, OSError),
        (412, OSError),
        (418, OSError),
        (501, OSError),
        (204, OSError),
    ],
)
def test_statuses(http: HttpServer, status: int, kind: type[OSError]) -> None:
    """A refusal is an error of the system's kind with the URL, and is not asked for again."""
    http.answer = in_turn(Reply(status))
    with pytest.raises(kind) as error:
        tsr.load(http.url("a%20b.tsr?sig=secret"))
    assert error.value.filename == http.url("a%20b.tsr")
    said = rf"(?:[A-Z][a-z ]+: )?the server answered {status} [A-Z][A-Za-z' ]+"
    plain = "No such file or directory" if kind is FileNotFoundError else said
    assert re.fullmatch(plain, str(error.value.strerror))
    assert len(http.made()) == 1
    copy = pickle.loads(pickle.dumps(error.value))
    assert (type(copy), copy.args, str(copy)) == (kind, error.value.args, str(error.value))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures(http: HttpServer, status: int) -> None:
    """What may pass is tried again, three times in all."""
    http.answer = in_turn(Reply(status), Reply(status), lambda asked: part(V1, asked))
    assert tsr.read_header(http.url()).shape == (20, 300)
    assert http.made() == [HEADER] * 3
    http.answer = in_turn(Reply(status))
    with pytest.raises(OSError, match=f"the server answered {status}"):
        tsr.read_header(http.url())
    assert http.made() == [HEADER] * 3


def test_cut_connections(http: HttpServer) -> None:
    """A cut connection is continued where it was cut, if the version is known."""
    cut = Reply(200, V1, {"ETag": '"1"'}, cut=10_000)
    http.answer = in_turn(cut, lambda asked: part(V1, asked))
    assert tsr.load(http.url()).tobytes() == V1[64:]
    (_, first), (_, second) = http.made()
    assert first is None
    assert second == "bytes=10000-"
    cut.headers.clear()
    http.answer = in_turn(cut, lambda asked: part(V1, asked, None))
    assert tsr.load(http.url()).tobytes() == V1[64:]
    assert http.made() == [("GET", None)] * 2


@pytest.mark.parametrize("cut", [0, 30, 64, 5000])
def test_cut_for_good(http: HttpServer, cut: int) -> None:
    """A connection that is always cut is a ConnectionError with the URL, never half an array."""
    http.answer = in_turn(Reply(200, V1, cut=cut))
    with pytest.raises(ConnectionError) as error:
        tsr.load(http.url())
    assert error.value.filename == http.url()
    http.answer = in_turn(None)
    with pytest.raises(ConnectionError):
        tsr.read_header(http.url())


def test_cut_chunks(http: HttpServer) -> None:
    """A chunked body that lacks its end is cut, however much of it came."""
    http.answer = in_turn(Reply(200, V1, chunked=True, cut=len(V1)))
    with pytest.raises(ConnectionError):
        tsr.load(http.url())


def test_changed_between_reads(http: HttpServer) -> None:
    """A file that changes between header and tensor is FILE-2, by ETag, time or size."""
    other = TSR4[:-1] + b"\1"
    for tags in ({"ETag": '"1"'}, {"ETag": 'W/"1"'}, {"Last-Modified": "Fri, 01 Jan 2021 GMT"}):
        [(name, old)] = tags.items()
        new = old.replace("1", "2")

        def answer(asked: Asked, name: str = name, old: str = old, new: str = new) -> Reply:
            begin = asked.range in ("bytes=0-63", "bytes=64-255")
            asked.headers.pop("if-match", None)
            reply = part(TSR4 if begin else other, asked, None)
            reply.headers[name] = old if begin else new
            return reply

        http.answer = answer
        with pytest.raises(tsr.FormatError) as error:
            tsr.open(http.url())[1]
        assert (error.value.clause, error.value.path) == ("FILE-2", http.url())
        assert new in str(error.value)
        assert old in str(error.value)
    http.answer = in_turn(
        *[lambda asked: part(TSR4, asked)] * 2, lambda asked: part(TSR4 + b"x", asked, '"2"')
    )
    with pytest.raises(tsr.FormatError, match=f"got {len(TSR4) + 1} bytes, expected {len(TSR4)}"):
        tsr.open(http.url())[1]
    http.answer = in_turn(
        *[lambda asked: part(TSR4, asked, None)] * 2, lambda asked: part(TSR4 + b"x", asked, None)
    )
    with pytest.raises(tsr.FormatError, match=f"got {len(TSR4) + 1} bytes, expected {len(TSR4)}"):
        tsr.open(http.url())[1]


def test_changed_while_cut(http: HttpServer) -> None:
    """A file that changes where its transfer was cut is FILE-2, not two halves."""
    http.answer = in_turn(
        Reply(200, V1, {"ETag": '"1"'}, cut=10_000), lambda asked: part(V1, asked, '"2"')
    )
    with pytest.raises(tsr.FormatError, match='version "2", expected version "1"'):
        tsr.load(http.url())


@pytest.mark.parametrize(
    "told",
    ["bytes 1-64/24064", "bytes 1-63/24064", "bytes 0-62/24064", "bytes 0-64/24064",
     "bytes 9-3/24064", "0-63/24064", "bytes 0-63/10", "bytes */24064", "",
     "bytes 0-63/24064, 70-80/24064"],
)  # fmt: skip
def test_wrong_ranges(http: HttpServer, told: str) -> None:
    """A part that is not the one asked for is refused."""
    http.answer = in_turn(Reply(206, V1[:64], {"Content-Range": told}))
    with pytest.raises(OSError, match="the server's answer is of no use"):
        tsr.read_header(http.url())


def test_more_than_the_range(http: HttpServer) -> None:
    """A part that is longer than it says is refused, and a shorter one is cut."""
    headers = {"Content-Range": f"bytes 0-63/{len(V1)}"}
    http.answer = in_turn(Reply(206, V1[:70], headers))
    with pytest.raises(OSError, match="more than the range"):
        tsr.read_header(http.url())
    http.answer = in_turn(Reply(206, V1[:60], headers))
    with pytest.raises(ConnectionError, match="ended after 60 of 64 bytes"):
        tsr.read_header(http.url())


def test_codings(http: HttpServer) -> None:
    """A body in a coding that nobody asked for is refused."""
    import gzip

    http.answer = ignoring(gzip.compress(V1), **{"Content-Encoding": "gzip"})
    for function in (tsr.load, tsr.read_header):
        with pytest.raises(OSError, match="'gzip', that nobody asked for"):
            function(http.url())


def test_redirects(http: HttpServer) -> None:
    """Redirects are followed, but not round and round."""
    http.answer = lambda asked: (
        Reply(302, headers={"Location": "/y.tsr"}) if "x" in asked.path else part(V1, asked)
    )
    assert tsr.read_header(http.url()).shape == (20, 300)
    http.answer = in_turn(Reply(302, headers={"Location": "/x.tsr"}))
    with pytest.raises(OSError, match=r"from one address to the next.*x\.tsr'"):
        tsr.read_header(http.url("x.tsr?a=secret"))
    http.answer = in_turn(Reply(302, headers={"Location": "file:///etc/passwd"}))
    with pytest.raises(OSError, match=r"to what is no address of a web server.*x\.tsr"):
        tsr.read_header(http.url())


@pytest.mark.parametrize("url", ["http://", "http:///x", "http://h:99999/x", "http://h:y/x"])
def test_no_address(url: str) -> None:
    """What can be no web server's address is said to be none."""
    with pytest.raises(OSError, match="this is no address of a web server") as error:
        tsr.load(url)
    assert error.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "answer", [b"220 mail.example.org\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\nx"]
)
def test_no_http(http: HttpServer, answer: bytes) -> None:
    """What is no answer of HTTP is an OSError with the URL."""
    http.answer = in_turn(Reply(0, answer))
    with pytest.raises(OSError, match="no answer of HTTP") as error:
        tsr.load(http.url())
    assert error.value.filename == http.url()


def test_no_tls(http: HttpServer) -> None:
    """A server that speaks no TLS is an OSError that says so, and none of its absence."""
    with pytest.raises(OSError, match=r"SSL.*x\.tsr") as error:
        tsr.load(http.url().replace("http:", "https:"))
    assert not isinstance(error.value, ConnectionRefusedError)


def test_slow(http: HttpServer) -> None:
    """A server that says nothing for longer than the options allow is a TimeoutError."""
    import aiohttp

    http.answer = in_turn(Reply(206, V1[:64], {"Content-Range": "bytes 0-63/24064"}, delay=5))
    options = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(sock_read=0.1)}}
    with pytest.raises(TimeoutError) as error:
        tsr.read_header(http.url(), storage_options=options)
    assert error.value.filename == http.url()


def test_nobody_there() -> None:
    """A port where nobody listens is a ConnectionRefusedError, a host that is none an OSError."""
    with pytest.raises(ConnectionRefusedError):
        tsr.load("http://127.0.0.1:9/x.tsr")
    with pytest.raises(OSError, match=r"nowhere\.invalid"):
        tsr.load("http://nowhere.invalid/x.tsr")


def test_refused_early(http: HttpServer) -> None:
    """What is no such file, or holds several tensors, is refused before its payload comes."""
    http.answer = lambda _: Reply(200, b"<html>" + bytes(1 << 26))
    with pytest.raises(tsr.FormatError, match="V1-MAGIC-1"):
        tsr.load(http.url())
    time.sleep(0.1)
    assert given(http) < 1 << 25
    http.made()
    many = tsr.dumps([np.zeros((1, 1, 1, 1 << 26), "int8"), ARRAYS[0]], format="tsr4")
    http.answer = lambda _: Reply(200, many)
    with pytest.raises(tsr.UnsupportedError, match="holds 2 tensors"):
        tsr.load(http.url())
    time.sleep(0.1)
    assert given(http) < 1 << 25


def test_claims_are_not_believed(http: HttpServer) -> None:
    """A size that a server claims allocates nothing."""
    header = tsr.build_header("int8", (1 << 20, 1 << 20))
    told = {"Content-Range": f"bytes 0-63/{(1 << 40) + 64}"}
    http.answer = in_turn(Reply(206, header, told))
    assert tsr.open(http.url()).infos[0].nbytes == 1 << 40
    http.answer = in_turn(Reply(200, header + bytes(100), length=(1 << 40) + 64, cut=164))
    with pytest.raises(ConnectionError):
        tsr.load(http.url())


@pytest.mark.parametrize("name", ["a%20b.tsr", "a%2Fb.tsr", "a+b.tsr?x=%2B/%3D", "ü b.tsr"])
def test_names(http: HttpServer, name: str) -> None:
    """What is escaped is asked for as it stands, for it may be signed; other text is escaped."""
    assert tsr.read_header(http.url(name)).shape == (20, 300)
    expected = "%C3%BC%20b.tsr" if "ü" in name else name
    assert http.asked[0].path == "/" + expected


def test_secrets(http: HttpServer, tmp_path: Path) -> None:
    """User, password and signature are sent, and are in no error."""
    url = http.url("x.tsr?sig=secret#secret").replace("http://", "http://user:secret@")
    tsr.read_header(url)
    assert http.asked[0].headers["authorization"].startswith("Basic ")
    assert http.asked[0].path == "/x.tsr?sig=secret"
    round_and_round = Reply(302, headers={"Location": url})
    no_http = Reply(0, b"secret\r\n\r\n")
    bodies = Reply(206, b"x"), Reply(200, b"x" * 64), Reply(200, V1, cut=40)
    for reply in (Reply(404), Reply(500), None, round_and_round, no_http, *bodies):
        http.answer = in_turn(reply)
        with pytest.raises((OSError, tsr.FormatError)) as error:
            tsr.read_header(url)
        shown = "".join(traceback.format_exception(error.value))
        assert "secret" not in shown.replace("test_secrets", "")
        assert http.url() in str(error.value)
        # Some programs show what an error came from, whether it is suppressed or not.
        assert error.value.__context__ is None
        assert error.value.__cause__ is None
    http.answer = lambda asked: part(V1, asked)
    made = tsr.convert(url, tmp_path / "x.npy")
    assert f"source={http.url()!r}, destination=" in repr(made)
    assert made[0].source == url


def test_interrupted(http: HttpServer) -> None:
    """Ctrl-C ends a transfer, and not only the waiting for it."""

    def interrupt(_: Asked) -> Reply:
        threading.Timer(0.1, _thread.interrupt_main).start()
        return Reply(200, V1, delay=20)

    async def others() -> int:
        return len(asyncio.all_tasks()) - 1

    http.answer = interrupt
    with pytest.raises(KeyboardInterrupt):
        tsr.load(http.url())
    loop = fsspec.asyn.get_loop()
    deadline = time.monotonic() + 5
    while fsspec.asyn.sync(loop, others) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert fsspec.asyn.sync(loop, others) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nobody forks on Windows")
def test_forked(http: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child reads by itself, and its parent goes on with the connections that it has."""
    monkeypatch.setattr("tsr.remote.http._READ_SECONDS", 5)
    tsr.load(http.url())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are other threads, jax's too where it is installed
        child = os.fork()
    if child == 0:
        try:
            for _ in range(2):
                tsr.load(http.url())
                gc.collect()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert tsr.load(http.url()).tobytes() == V1[64:]


@pytest.mark.parametrize("etag", ['"1"', None])
@pytest.mark.parametrize("surplus", [0, 3])
def test_into_memory(http: HttpServer, etag: str | None, surplus: int) -> None:
    """A payload goes where it is wanted as it comes, also behind a cut; there is one of it."""
    data, cut = V1 + b"x" * surplus, Reply(200, V1 + b"x" * surplus, cut=5000)
    cut.headers = {} if etag is None else {"ETag": etag}
    for answer in (lambda asked: part(data, asked, etag), ignoring(data)):
        http.answer = answer
        memory = bytearray(len(V1) - 64)
        found = RemoteObject(http.url()).read_all(giving(memory))
        assert bytes(found) == data[:64] + data[len(V1) :]
        assert bytes(memory) == V1[64:]
    for out in (np.zeros((20, 300), "<f4"), np.zeros((20, 300), ">f4"), bytearray(24000)):
        http.answer = in_turn(cut, lambda asked: part(data, asked, etag))
        array = tsr.load(http.url(), out=out, strict=not surplus)
        assert array.astype("<f4").tobytes() == V1[64:]
        assert np.shares_memory(array, np.frombuffer(out, "u1"))
    http.answer = in_turn(cut)
    with pytest.raises(ConnectionError, match="ended after 5000 bytes"):
        tsr.load(http.url(), out=bytearray(24000), strict=False)


def test_object(http: HttpServer) -> None:
    """Ranges end where the object does, and what lies behind is empty without a request."""
    remote = RemoteObject(http.url())
    assert remote.read(24_000, 99_999) == V1[24_000:]
    assert (remote.size, remote.version) == (len(V1), '"1"')
    assert remote.read(len(V1), len(V1) + 5) == b""
    assert remote.read(5, 5) == b""
    assert len(http.made()) == 1
    assert RemoteObject(http.url()).read(len(V1) + 3, len(V1) + 9) == b""
    assert remote.read_all() == V1


def test_lists(http: HttpServer) -> None:
    """The links of a page are a list; a file is listed without being asked for."""
    page = b'<html><a href="a.tsr">a</a> <a href="/d/b.tsr">b</a> <a href="c.txt">c</a></html>'
    http.answer = lambda asked: Reply(
        200 if asked.path in ("/d/", "/d") else 404, page, {"Content-Type": "text/html"}
    )
    found = [entry.url for entry in list_objects(http.url("d/*.tsr"))]
    assert found == [http.url("d/a.tsr"), http.url("d/b.tsr")]
    assert [entry.url for entry in list_objects(http.url("d/"))] == [*found, http.url("d/c.txt")]
    http.made()
    [entry] = list_objects(http.url("d/a.tsr?x=*"))
    assert entry == (http.url("d/a.tsr?x=*"), None, None)
    assert http.made() == []


def test_what_is_there(http: HttpServer) -> None:
    """A file is there or not; where the server does not say, that is an error."""
    assert exists(http.url())
    assert is_folder(http.url("d/?x=1"))
    assert not is_folder(http.url("d/x.tsr?y=/"))
    http.answer = in_turn(Reply(404))
    assert not exists(http.url())
    http.answer = in_turn(Reply(403))
    with pytest.raises(PermissionError):
        exists(http.url())
    http.answer = in_turn(Reply(403))
    with pytest.raises(OSError, match="/d/"):
        list(list_objects(http.url("d/*")))
