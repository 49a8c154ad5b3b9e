"""Files on S3: what is read of them, in how many requests and bytes, and what goes wrong."""

from __future__ import annotations

import copy
import os
import pickle
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tests.remote_servers import Asked, HttpServer, Reply, S3Server, http_server, part, s3_server
from tsr.contents import open_contents
from tsr.remote import RemoteObject, exists, filesystem, is_folder, list_objects
from tsr.validation import check_source

HEADER = ("GET", "bytes=0-63")
V1 = tsr.dumps(np.arange(6000, dtype="float32").reshape(20, 300))
ARRAYS = [
    np.full((1, 3, 5, 1), 7, "int8"),
    np.arange(1000, dtype="float32").reshape(1, 10, 100, 1),
    np.arange(70, dtype="int32").reshape(7, 10, 1, 1),
]
TSR4 = tsr.dumps(ARRAYS, format="tsr4")
ZLIB = tsr.dumps(ARRAYS, format="tsr4", compress=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server for the tests of this module."""
    with s3_server() as server:
        yield server


def given(s3: S3Server) -> int:
    """Count the bytes of answers since the last object was put."""
    return sum(asked.given for asked in s3.asked)


def test_header_is_64_bytes(s3: S3Server) -> None:
    """A header is one request of 64 bytes, which tells the size of the file too."""
    url = s3.put("v1.tsr", V1)
    header = tsr.read_header(url, storage_options=s3.options)
    assert header == tsr.parse_header(V1)
    assert given(s3) == 64
    assert s3.made() == [HEADER]
    s3.put("v1.tsr", V1 + b"x")
    with pytest.raises(tsr.FormatError, match=r"s3://bucket/v1\.tsr.*V1-PAYLOAD-2"):
        tsr.read_header(url, storage_options=s3.options)
    assert tsr.read_header(url, strict=False, storage_options=s3.options) == header


@pytest.mark.parametrize("mmap_mode", ["r", "c", None])
def test_load_is_one_request(s3: S3Server, mmap_mode: Any) -> None:
    """An array is one request for the whole object, and writable as it was asked for."""
    url = s3.put("v1.tsr", V1)
    array = tsr.load(url, mmap_mode=mmap_mode, storage_options=s3.options)
    assert s3.made() == [("GET", None)]
    assert array.tobytes() == V1[64:]
    assert array.flags.writeable == (mmap_mode != "r")
    assert array.shape == (20, 300)


def test_options_for_every_reader(s3: S3Server, tmp_path: Path) -> None:
    """Whatever reads a URL takes options, and one side of a comparison may be local."""
    urls = s3.put("v1.tsr", V1), s3.put("many.tsr", TSR4)
    assert tsr.explain(urls[0], storage_options=s3.options).format == "TSR v1"
    assert tsr.explain(urls[1], storage_options=s3.options).format == "TSR4"
    many = tsr.open(TSR4)
    assert tsr.compare(urls[1], list(many), storage_options=s3.options).equal
    assert tsr.compare(urls[0], V1, storage_options=s3.options).equal
    flat = np.arange(7, dtype="int32")
    np.savez(tmp_path / "x.npz", b=flat, c=flat)
    tsr.convert(tmp_path / "x.npz", "s3://bucket/folder/", storage_options=s3.options)
    s3.put("folder/b.tsr", tsr.dumps(flat, format="tsr4"))
    folder = "s3://bucket/folder"
    assert tsr.compare(folder, tmp_path / "x.npz", storage_options=s3.options).equal
    for function in (tsr.explain, lambda path, **options: tsr.compare(path, path, **options)):
        with pytest.raises(tsr.UnsupportedError, match="storage_options: got some without a URL"):
            function("x.tsr", storage_options=s3.options)


def test_no_bucket(s3: S3Server) -> None:
    """A user and password, which URLs of S3 do not have, are in no error, whatever s3fs says."""
    for function in (tsr.load, lambda url, **options: tsr.save(url, np.int8(1), **options)):
        with pytest.raises(OSError, match=r'bucket name "\.\.\.bucket') as error:
            function("s3://key:secret@bucket/x.tsr", storage_options=s3.options)
        assert "secret" not in repr(error.value) + str(error.value.args)


def test_options_by_scheme(s3: S3Server, tmp_path: Path) -> None:
    """Options may be mappings by scheme, for a call with URLs of several storages."""
    options = {"s3": s3.options, "memory": {}}
    tsr.save("s3://bucket/x.tsr", np.arange(3, dtype="int8"), storage_options=options)
    tsr.convert("s3://bucket/x.tsr", "memory://scheme/x.npy", storage_options=options)
    assert tsr.compare("s3://bucket/x.tsr", "memory://scheme/x.npy", storage_options=options).equal
    tsr.convert("memory://scheme/x.npy", "s3://bucket/y.tsr", storage_options=options)
    assert s3.get("y.tsr") == tsr.dumps(np.arange(3, dtype="int8"))


def test_torch(s3: S3Server) -> None:
    """Tensors of torch are read from storage as arrays are, and are as writable."""
    pytest.importorskip("torch", reason="the extra torch is not there")
    tensor = tsr.torch.load(s3.put("v1.tsr", V1), storage_options=s3.options)
    assert tensor.numpy().tobytes() == V1[64:]
    tensor[0] = 7


def test_load_into_memory(s3: S3Server) -> None:
    """`out` is filled; what does not fit is refused."""
    url = s3.put("v1.tsr", V1)
    out = np.zeros((20, 300), ">f4")
    assert tsr.load(url, out=out, storage_options=s3.options) is out
    assert out.astype("<f4").tobytes() == V1[64:]
    with pytest.raises(tsr.UnsupportedError, match="out: got"):
        tsr.load(url, out=np.zeros(3, "float32"), storage_options=s3.options)
    with pytest.raises(tsr.UnsupportedError, match=r"'r\+' for s3://bucket/v1.tsr"):
        tsr.load(url, mmap_mode="r+", storage_options=s3.options)


@pytest.mark.parametrize("data", [pytest.param(TSR4, id="raw"), pytest.param(ZLIB, id="zlib")])
def test_one_tensor_of_many(s3: S3Server, data: bytes) -> None:
    """Header and directory are two requests, and one tensor is one."""
    url = s3.put("many.tsr", data)
    with tsr.open(url, storage_options=s3.options) as file:
        infos = tsr.open(data).infos
        assert file.infos == infos
        assert [method for method, _ in s3.made()] == ["GET", "GET"]
        assert np.array_equal(file[1], ARRAYS[1])
        assert not file[1].flags.writeable
        stop = infos[2].offset - 1
        assert s3.made() == [("GET", f"bytes={infos[1].offset}-{stop}")] * 2
        assert [array.tobytes() for array in file[:]] == [array.tobytes() for array in ARRAYS]
        assert len(s3.made()) == 3
    with tsr.open(url, mmap_mode="c", storage_options=s3.options) as file:
        assert file[0].flags.writeable
    with pytest.raises(tsr.UnsupportedError, match="holds 3 tensors"):
        tsr.load(url, storage_options=s3.options)


def test_parts_of_many(s3: S3Server) -> None:
    """What readers of other formats use of a file fetches what it needs."""
    contents = open_contents(s3.put("many.tsr", ZLIB), True, storage_options=s3.options)
    assert b"".join(contents.inflate(1)) == ARRAYS[1].tobytes()
    contents.check_payload(2)
    assert len(s3.made()) == 4
    broken = bytearray(TSR4)
    broken[tsr.open(TSR4).infos[1].offset - 1] = 1
    contents = open_contents(s3.put("many.tsr", bytes(broken)), True, storage_options=s3.options)
    contents.check_padding(-1)
    contents.check_padding(1)
    with pytest.raises(tsr.FormatError, match="T4-PADDING-1"):
        contents.check_padding(0)


def test_whole_of_many(s3: S3Server) -> None:
    """Without mapping all of a file is one request."""
    url = s3.put("many.tsr", TSR4)
    with tsr.open(url, mmap_mode=None, storage_options=s3.options) as file:
        assert [array.tobytes() for array in file] == [array.tobytes() for array in ARRAYS]
    assert s3.made() == [("GET", None)]


def test_corrupt_payload(s3: S3Server) -> None:
    """A tensor whose checksum is wrong says so each time, and the others are there."""
    broken = bytearray(TSR4)
    broken[tsr.open(TSR4).infos[1].offset] ^= 1
    url = s3.put("broken.tsr", bytes(broken))
    file = tsr.open(url, storage_options=s3.options)
    for _ in range(2):
        with pytest.raises(tsr.FormatError, match="T4-CRC-2"):
            file[1]
    assert np.array_equal(file[2], ARRAYS[2])
    assert [error.clause for error in tsr.validate(url, storage_options=s3.options)] == ["T4-CRC-2"]
    padding = bytearray(TSR4)
    padding[tsr.open(TSR4).infos[0].offset - 1] = 9
    url = s3.put("broken.tsr", bytes(padding))
    with pytest.raises(tsr.FormatError, match="T4-PADDING-1"):
        tsr.open(url, storage_options=s3.options)


def test_validate(s3: S3Server) -> None:
    """A v1 file is checked by its header; a TSR4 file is read."""
    url = s3.put("v1.tsr", V1)
    assert tsr.validate(url, storage_options=s3.options) == []
    assert s3.made() == [HEADER]
    url = s3.put("many.tsr", TSR4)
    assert tsr.validate(url, storage_options=s3.options) == []
    assert len(s3.made()) == 2
    url = s3.put("many.tsr", TSR4[:-1])
    [error] = tsr.validate(url, storage_options=s3.options)
    assert (error.clause, error.path) == ("T4-PAYLOAD-1", url)


@pytest.mark.parametrize("data", [pytest.param(TSR4, id="raw"), pytest.param(ZLIB, id="zlib")])
def test_validate_large(s3: S3Server, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is checked payload by payload, with what is found in a small one."""
    monkeypatch.setattr("tsr.validation._WHOLE_MAX", 100)
    infos = tsr.open(data).infos
    for offset in (0, 3, 20, 130, infos[0].offset + 1, infos[1].offset + 9, len(data) - 1):
        broken = bytearray(data)
        broken[offset] ^= 1
        url = s3.put("large.tsr", bytes(broken))
        done: list[int] = []
        found = check_source(url, True, done.append, s3.options)
        assert found[0].clause == tsr.validate(bytes(broken))[0].clause
        assert found[0].path == url
    assert [error.clause for error in found] == [
        error.clause for error in tsr.validate(bytes(broken))
    ]
    assert len(s3.made()) == 2 + len(infos)
    assert sum(done) == sum(info.stored_nbytes for info in infos)
    url = s3.put("large.tsr", data)
    assert tsr.validate(url, storage_options=s3.options) == []


@pytest.mark.parametrize("length", [0, 1, 4, 63, 64, 100, 127, 128, 200])
@pytest.mark.parametrize("whole", [V1, TSR4], ids=["v1", "tsr4"])
def test_cut_files(s3: S3Server, whole: bytes, length: int) -> None:
    """What is shorter than it says is the error that it is in memory, empty objects too."""
    url = s3.put("cut.tsr", whole[:length])
    for function in (tsr.load, tsr.open):
        with pytest.raises(tsr.FormatError) as expected:
            function(whole[:length])
        with pytest.raises(tsr.FormatError) as found:
            function(url, storage_options=s3.options)
        assert found.value.clause == expected.value.clause
        assert found.value.path == url
    local = tsr.validate(whole[:length])
    remote = tsr.validate(url, storage_options=s3.options)
    assert [error.clause for error in remote] == [error.clause for error in local]


def test_replaced_between_reads(s3: S3Server) -> None:
    """An object that changes between header and tensor is FILE-2, be its size the same or not."""
    other = bytearray(TSR4)
    other[-1] ^= 1
    url = s3.put("changing.tsr", TSR4)
    file = tsr.open(url, storage_options=s3.options)
    s3.put("changing.tsr", bytes(other))
    with pytest.raises(tsr.FormatError, match=r'version "\w+", expected version "\w+".*FILE-2'):
        file[2]
    assert '"' in s3.asked[0].headers["if-match"]
    for new in (V1, TSR4 + bytes(7), b""):
        s3.put("changing.tsr", TSR4)
        file = tsr.open(url, storage_options=s3.options)
        s3.put("changing.tsr", new)
        message = f"got {len(new)} bytes, expected {len(TSR4)} bytes.*FILE-2"
        with pytest.raises(tsr.FormatError, match=message):
            file[2]


def test_not_there(s3: S3Server) -> None:
    """A missing object or bucket is a FileNotFoundError with the URL, a bucket no file."""
    for url in ("s3://bucket/none.tsr", "s3://nobucket/x.tsr"):
        with pytest.raises(FileNotFoundError) as error:
            tsr.load(url, storage_options=s3.options)
        assert error.value.filename == url
        again = pickle.loads(pickle.dumps(error.value))
        assert (type(again), str(again)) == (FileNotFoundError, str(error.value))
    with pytest.raises(IsADirectoryError):
        tsr.load("s3://bucket", storage_options=s3.options)


def test_no_server(s3: S3Server) -> None:
    """Where nobody listens it is a ConnectionError, and none of the client's own errors."""
    import s3fs

    options = {**s3.options, "endpoint_url": "http://127.0.0.1:9", "use_listings_cache": False}
    s3fs.S3FileSystem(**options).retries = 1  # the same one is used for the same options
    with pytest.raises(ConnectionRefusedError, match=r"s3://bucket/x\.tsr"):
        tsr.load("s3://bucket/x.tsr", storage_options=options)


@pytest.mark.parametrize(
    "key", ["a b.tsr", "a?b=1.tsr", "a#b.tsr", "a%20b.tsr", "a+b&c.tsr", "ü::ö.tsr", "x[1]*.tsr"]
)
def test_names(s3: S3Server, key: str) -> None:
    """No character of a key has a meaning of its own."""
    url = s3.put(key, V1)
    assert tsr.load(url, storage_options=s3.options).tobytes() == V1[64:]
    assert s3.get(key) == V1


def test_threads_share_a_file(s3: S3Server) -> None:
    """Several threads use one open file."""
    file = tsr.open(s3.put("many.tsr", TSR4), storage_options=s3.options)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: file[at % 3].tobytes(), range(24)))
    assert found == [ARRAYS[at % 3].tobytes() for at in range(24)]


@pytest.mark.filterwarnings("ignore")  # there are other threads, jax's too where it is installed
def test_after_fork(s3: S3Server) -> None:
    """A child uses a file that was opened before the fork, and so does the parent after."""
    file = tsr.open(s3.put("many.tsr", TSR4), storage_options=s3.options)
    assert np.array_equal(file[0], ARRAYS[0])
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, file[2].tobytes())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == ARRAYS[2].tobytes()
    os.waitpid(child, 0)
    assert np.array_equal(file[1], ARRAYS[1])


def test_objects_travel(s3: S3Server) -> None:
    """A pickled object is pinned to the version that was read before."""
    url = s3.put("v1.tsr", V1)
    first = RemoteObject(url, s3.options)
    first.read(0, 4)
    second = pickle.loads(pickle.dumps(first))
    assert (second.size, second.version) == (len(V1), first.version)
    assert second.read(60, 70) == V1[60:70]
    s3.put("v1.tsr", V1[:-1])
    with pytest.raises(tsr.FormatError, match="FILE-2"):
        second.read(0, 4)


def test_options_need_a_url() -> None:
    """Options of storage without a URL are refused, for they would do nothing."""
    for function in (tsr.load, tsr.read_header, tsr.open, tsr.validate):
        with pytest.raises(tsr.UnsupportedError, match="storage_options"):
            function(V1, storage_options={"key": "x"})


def test_lists(s3: S3Server) -> None:
    """Folders, patterns and objects are listed with sizes and versions, in few requests."""
    names = ["d/1.tsr", "d/2.tsr", "d/deep/3.tsr", "d/e[4].tsr", "d.tsr", "f/"]
    for name in names:
        s3.put(f"list/{name}", V1[: 64 + len(name)])
    requests = 0

    def found(pattern: str) -> list[str]:
        nonlocal requests
        s3.asked.clear()
        entries = list(list_objects(f"s3://bucket/list{pattern}", s3.options))
        requests = len(s3.made())
        for entry in entries:
            remote = RemoteObject(entry.url, s3.options, size=entry.size, version=entry.version)
            assert entry.size == len(remote.read(0, 999))
        return [entry.url.removeprefix("s3://bucket/list/") for entry in entries]

    below = ["d/1.tsr", "d/2.tsr", "d/deep/3.tsr", "d/e[4].tsr"]
    assert found("/d/") == below
    assert requests == 1
    assert found("/d") == below
    assert found("/d.tsr") == ["d.tsr"]
    assert requests == 1
    assert found("") == ["d.tsr", *below]
    assert found("/d/*.tsr") == ["d/1.tsr", "d/2.tsr", "d/e[4].tsr"]
    assert requests == 1
    assert found("/*/?.tsr") == ["d/1.tsr", "d/2.tsr"]
    assert found("/**/[13].tsr") == ["d/1.tsr", "d/deep/3.tsr"]
    assert found("/d/e[4].tsr") == ["d/e[4].tsr"]
    assert found("/x*") == []
    with pytest.raises(FileNotFoundError, match="s3://bucket/list/none"):
        found("/none")
    with pytest.raises(FileNotFoundError, match="s3://nobucket"):
        list(list_objects("s3://nobucket/*", s3.options))
    with pytest.raises(tsr.UnsupportedError, match=r"s3://bucket/a\*\*: Invalid pattern"):
        list(list_objects("s3://bucket/a**", s3.options))


def test_lists_in_pages(s3: S3Server) -> None:
    """A list is given page by page, as it is asked for."""
    for at in range(5):
        s3.put(f"pages/{at}", b"x")
    pages = {**s3.options, "s3_additional_kwargs": {"MaxKeys": 2}}
    entries = list_objects("s3://bucket/pages/", pages)
    assert next(entries).url == "s3://bucket/pages/0"
    assert len(s3.asked) == 1
    assert [entry.url[-1] for entry in entries] == ["1", "2", "3", "4"]
    assert len(s3.asked) == 3


def test_what_is_there(s3: S3Server) -> None:
    """Folders are told from objects, and both from what is not there."""
    s3.put("there/x.tsr", V1)
    assert is_folder("s3://bucket/there", s3.options)
    assert is_folder("s3://bucket", s3.options)
    assert not is_folder("s3://bucket/there/x.tsr", s3.options)
    assert not is_folder("s3://bucket/none", s3.options)
    assert exists("s3://bucket/there/x.tsr", s3.options)
    assert exists("s3://bucket/there", s3.options)
    assert not exists("s3://bucket/none", s3.options)


def test_options_stay_as_they_are(s3: S3Server) -> None:
    """Nothing changes what the caller gave, down to the last dict in it."""
    url = s3.put("v1.tsr", V1)
    options = copy.deepcopy(s3.options) | {"config_kwargs": {"retries": {"max_attempts": 1}}}
    before = copy.deepcopy(options)
    tsr.load(url, storage_options=options)
    assert options == before


def refusal(status: int, code: str, message: str = "words of the server") -> Reply:
    """Answer as S3 does to what it refuses."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})


def answered(*answers: Any) -> Any:
    """Answer the requests in turn, and all others as the last."""
    left = list(answers)

    def answer(asked: Asked) -> Reply | None:
        reply = left.pop(0) if len(left) > 1 else left[0]
        found: Reply | None = reply(asked) if callable(reply) else reply
        return found

    return answer


@pytest.fixture(scope="module")
def shared() -> Iterator[HttpServer]:
    """Run a server that says what S3 servers say now and then."""
    with http_server(lambda _: None) as server:
        yield server


@pytest.fixture
def bad(shared: HttpServer, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> HttpServer:
    """Take that server as the one of S3 files; it need not be waited for."""
    monkeypatch.setattr("tsr.remote.object._WAITS", (0.01, 0.01))
    shared.asked.clear()
    return shared


def options_of(s3: S3Server, bad: HttpServer) -> dict[str, Any]:
    """Give the options with which S3 files are those of another server."""
    return {**s3.options, "endpoint_url": bad.address}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", PermissionError),
        (403, "InvalidAccessKeyId", PermissionError),
        (404, "NoSuchKey", FileNotFoundError),
        (500, "InternalError", OSError),
        (400, "NobodyKnows", OSError),
    ],
)
def test_refusals(
    s3: S3Server, bad: HttpServer, status: int, code: str, kind: type[OSError]
) -> None:
    """What S3 refuses is an error of the system's kind with the URL."""
    bad.answer = answered(refusal(status, code))
    for function in (tsr.load, tsr.read_header, tsr.open, tsr.validate):
        with pytest.raises(kind) as error:
            function("s3://bucket/x.tsr", storage_options=options_of(s3, bad))
        assert error.value.filename == "s3://bucket/x.tsr"
        shown = "".join(traceback.format_exception(error.value))
        assert "botocore" not in shown
        assert "s3fs" not in shown
        assert error.value.__context__ is None
        assert type(pickle.loads(pickle.dumps(error.value))) is type(error.value)
    assert len(bad.made()) == 4


def test_cut_transfers(s3: S3Server, bad: HttpServer) -> None:
    """A transfer that is cut is continued where it was, and an error where it is cut always."""
    cut = Reply(200, V1, {"ETag": '"1"'}, cut=10_000)
    bad.answer = answered(cut, lambda asked: part(V1, asked))
    options = options_of(s3, bad)
    assert tsr.load("s3://bucket/x.tsr", storage_options=options).tobytes() == V1[64:]
    assert bad.made() == [("GET", None), ("GET", "bytes=10000-")]
    bad.answer = answered(cut, lambda asked: part(V1, asked, '"2"'))
    with pytest.raises(tsr.FormatError, match="FILE-2"):
        tsr.load("s3://bucket/x.tsr", storage_options=options)
    bad.answer = answered(cut)
    with pytest.raises(ConnectionError, match=r"s3://bucket/x\.tsr"):
        tsr.load("s3://bucket/x.tsr", storage_options=options)
    short = Reply(206, V1[:64], {"Content-Range": f"bytes 0-63/{len(V1)}"}, cut=40)
    bad.answer = answered(short)
    with pytest.raises(ConnectionError, match=r"s3://bucket/x\.tsr"):
        tsr.read_header("s3://bucket/x.tsr", storage_options=options)


def test_ranges_that_are_none(s3: S3Server, bad: HttpServer) -> None:
    """A server that gives another range, or all, gives a right answer or an error."""
    options = options_of(s3, bad)
    bad.answer = answered(Reply(200, V1))
    assert tsr.read_header("s3://bucket/x.tsr", storage_options=options).shape == (20, 300)
    bad.answer = answered(Reply(200, TSR4))
    with pytest.raises(OSError, match="ignores ranges"):
        tsr.open("s3://bucket/x.tsr", storage_options=options)
    for told in ("bytes 1-64/24064", "bytes 0-70/24064", "nonsense"):
        bad.answer = answered(Reply(206, V1[:64], {"Content-Range": told}))
        with pytest.raises(OSError, match="the server gives"):
            tsr.read_header("s3://bucket/x.tsr", storage_options=options)


def test_no_credentials(bad: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials it is a PermissionError, and nothing is asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = {"endpoint_url": bad.address}
    with pytest.raises(PermissionError, match="credentials"):
        tsr.load("s3://bucket/x.tsr", storage_options=options)
    assert bad.made() == []


def test_many_requests_at_a_time(s3: S3Server) -> None:
    """There is room for as many requests as threads make, unless the options say how many."""
    fs, path = filesystem("s3://bucket/x.tsr", {"key": "k"})
    assert (path, fs.config_kwargs) == ("bucket/x.tsr", {"max_pool_connections": 64})
    given = {"config_kwargs": {"max_pool_connections": 3}}
    assert filesystem("s3://bucket/x.tsr", given)[0].config_kwargs == given["config_kwargs"]
