"""URLs as text, and what needs no server: memory, archives, local files, missing packages."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

import tsr
import tsr.remote
from tests.remote_servers import s3_server
from tsr.remote import (
    basename,
    downloaded,
    exists,
    is_url,
    join,
    label,
    list_objects,
    local_path,
    uploaded,
)

V1 = tsr.dumps(np.arange(600, dtype="float32").reshape(20, 30))
ARRAYS = [np.full((1, 3, 5, 1), 7, "int8"), np.arange(70, dtype="int32").reshape(7, 10, 1, 1)]
TSR4 = tsr.dumps(ARRAYS, format="tsr4")


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """Give the file system of memory:// with nothing in it."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.mark.parametrize(
    ("text", "shown", "name"),
    [
        ("s3://b/x.tsr", "s3://b/x.tsr", "x.tsr"),
        ("s3://b/a?b#c::d.tsr", "s3://b/a?b#c::d.tsr", "a?b#c::d.tsr"),
        ("s3://key:secret@b/x", "s3://b/x", "x"),
        ("http://u:p@h:1/a/x.tsr?sig=1#q", "http://h:1/a/x.tsr", "x.tsr"),
        ("HTTPS://u:p@ss@h/x", "HTTPS://h/x", "x"),
        ("http://[::1]:80/x", "http://[::1]:80/x", "x"),
        ("zip://a/x.tsr::http://u:p@h/a.zip?s=1", "zip://a/x.tsr::http://h/a.zip", "x.tsr"),
        ("memory://a@b/x", "memory://a@b/x", "x"),
        ("abfs://c@acc.net/x?sig=1", "abfs://c@acc.net/x", "x"),
        ("file:///a/x", "file:///a/x", "x"),
        ("s3://b/d/", "s3://b/d/", "d"),
    ],
)
def test_labels(text: str, shown: str, name: str) -> None:
    """A URL is told from a path; its label has no secret, its last part is the name."""
    assert is_url(text)
    assert label(text) == shown
    assert basename(text) == name


@pytest.mark.parametrize(
    "other",
    [
        "x.tsr",
        "C:\\x.tsr",
        "C://x.tsr",
        "1a://x",
        "a b://x",
        "://x",
        "/a://b",
        "ü://x",
        b"s3://b",
        None,
    ],
)
def test_no_urls(other: object) -> None:
    """A path is no URL, whatever is in it."""
    assert not is_url(other)


def test_joined() -> None:
    """Names go behind the path, before what a server is told and before the next link."""
    assert join("s3://b/d/", "e", "x?.tsr") == "s3://b/d/e/x?.tsr"
    assert join("http://h/d?sig=1", "x") == "http://h/d/x?sig=1"
    assert join("zip://d::s3://b/a.zip", "x") == "zip://d/x::s3://b/a.zip"


def test_local_files(tmp_path: Path) -> None:
    """A file:// URL is the local file, mapped and written in place."""
    path = tmp_path / "x.tsr"
    path.write_bytes(tsr.dumps(np.zeros((1 << 18,), "int8")))
    url = path.as_uri()
    assert local_path(url) == str(path)
    assert local_path("s3://b/x") is None
    array = tsr.load(url, mmap_mode="r+")
    array[3] = 9
    assert isinstance(array, np.memmap)
    assert tsr.load(path)[3] == 9
    assert tsr.open(url).path == str(path)
    assert tsr.read_header(url).shape == (1 << 18,)
    assert tsr.validate(url) == []
    mapped = tsr.open_memmap(url)
    assert (mapped.filename, mapped[3]) == (str(path), 9)
    tsr.open_memmap(f"file://{tmp_path}/new.tsr", dtype="int8", shape=(2,))[:] = 1
    assert tsr.load(tmp_path / "new.tsr").tolist() == [1, 1]


def test_maps_of_storage() -> None:
    """What cannot be mapped is refused as such; nothing is looked for."""
    for options in ({}, {"dtype": "int8", "shape": (2,)}):
        with pytest.raises(tsr.UnsupportedError, match=r"s3://b/x\.tsr: got a URL, which cannot"):
            tsr.open_memmap("s3://key:secret@b/x.tsr", **options)  # type: ignore[arg-type] # mixed


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a/x", "/a/x"),
        ("FILE:///a/x", "/a/x"),
        ("file://localhost/a/x", "/a/x"),
        ("file://LocalHost/a/x", "/a/x"),
        ("file://localhost", "localhost"),
        ("file://x", "x"),
        ("file:///a%20b?c#d", "/a%20b?c#d"),
        ("local:///a::b", "/a::b"),
    ],
)
def test_paths_of_local_files(url: str, path: str) -> None:
    """What follows file:// is a path as it stands; only this machine's own name is left out."""
    assert local_path(url) == path


def test_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a path begins with the letter of its drive."""
    assert local_path("file:///C:/x") == "/C:/x"
    monkeypatch.setattr("sys.platform", "win32")
    assert local_path("file:///C:/x") == "C:/x"
    assert local_path("file://C:/x") == "C:/x"


def test_paths_that_look_like_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with :// in it that begins with no scheme is a path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1:").mkdir()
    (tmp_path / "1:" / "x.tsr").write_bytes(V1)
    assert tsr.load("1://x.tsr").shape == (20, 30)
    assert tsr.read_header("1://x.tsr").shape == (20, 30)


def test_memory(memory: fsspec.AbstractFileSystem) -> None:
    """Any file system of fsspec is read: arrays, headers, tensors one by one, and errors."""
    memory.pipe_file("/d/x.tsr", V1)
    memory.pipe_file("/d/many.tsr", TSR4)
    assert tsr.load("memory://d/x.tsr").tobytes() == V1[64:]
    assert tsr.read_header("memory://d/x.tsr").shape == (20, 30)
    file = tsr.open("memory://d/many.tsr")
    assert [array.tobytes() for array in file] == [array.tobytes() for array in ARRAYS]
    assert tsr.validate("memory://d/many.tsr") == []
    memory.pipe_file("/d/many.tsr", TSR4)
    with pytest.raises(tsr.FormatError, match="FILE-2"):
        file[1]
    memory.pipe_file("/d/many.tsr", b"")
    with pytest.raises(tsr.FormatError, match=r"got 0 bytes, expected.*FILE-2"):
        file[1]
    with pytest.raises(tsr.FormatError, match="V1-SIZE-1"):
        tsr.load("memory://d/many.tsr")
    with pytest.raises(FileNotFoundError, match="memory://none"):
        tsr.load("memory://none")
    with pytest.raises(IsADirectoryError, match="memory://d"):
        tsr.load("memory://d")


def test_archives(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    """A file in an archive, in memory or local, is read where it lies."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("d/many.tsr", TSR4)
        archive.writestr("x.tsr", V1)
    memory.put_file(str(path), "/a.zip")
    for place in ("memory://a.zip", str(path), path.as_uri()):
        assert tsr.load(f"zip://x.tsr::{place}").tobytes() == V1[64:]
        file = tsr.open(f"zip://d/many.tsr::{place}")
        assert file[1].tobytes() == ARRAYS[1].tobytes()
    urls = [entry.url for entry in list_objects("zip://d::memory://a.zip")]
    assert urls == ["zip://d/many.tsr::memory://a.zip"]
    with pytest.raises(FileNotFoundError, match=r"zip://y::memory://a\.zip"):
        tsr.load("zip://y::memory://a.zip")
    with pytest.raises(FileNotFoundError, match=r"zip://y::memory://b\.zip"):
        tsr.load("zip://y::memory://b.zip")
    memory.pipe_file("/b.zip", b"no archive")
    with pytest.raises(OSError, match=r"zip://y::memory://b\.zip"):
        tsr.load("zip://y::memory://b.zip")


def test_archive_on_s3(tmp_path: Path) -> None:
    """An archive on S3 is opened once for an object, with options by the name of each link."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("many.tsr", TSR4)
    with s3_server() as s3:
        url = f"zip://many.tsr::{s3.put('a.zip', path.read_bytes())}"
        file = tsr.open(url, storage_options={"s3": s3.options})
        assert file[1].tobytes() == ARRAYS[1].tobytes()
        assert s3.made()
        assert file[0].tobytes() == ARRAYS[0].tobytes()
        assert s3.made() == []


def test_scratch(memory: fsspec.AbstractFileSystem) -> None:
    """A copy has the name of the object; an upload appears when it is whole, or not at all."""
    with uploaded("memory://d/x.tsr") as path:
        Path(path).write_bytes(V1)
        assert not exists("memory://d/x.tsr")
    with pytest.raises(TypeError), uploaded("memory://d/x.tsr") as path:
        Path(path).write_bytes(None)  # type: ignore[arg-type] # it fails with a file begun
    with downloaded("memory://d/x.tsr") as path:
        assert Path(path).name == "x.tsr"
        assert Path(path).read_bytes() == V1
    assert not Path(path).parent.exists()
    with (
        pytest.raises(FileExistsError),
        uploaded("memory://d/x.tsr", overwrite=False) as path,
    ):
        Path(path).write_bytes(b"other")
    assert memory.cat_file("/d/x.tsr") == V1
    with pytest.raises(tsr.UnsupportedError), uploaded("zip://x.tsr::memory://a.zip"):
        pass


def test_missing_packages() -> None:
    """A package that is not there is named with its extra, a scheme that is none as such."""
    with pytest.raises(tsr.UnsupportedError, match="Protocol not known: nonsense"):
        tsr.load("nonsense://x")
    with pytest.raises(tsr.UnsupportedError, match="Protocol not known: nonsense"):
        tsr.load("zip://x::nonsense://y")
    script = (
        "import sys; sys.modules[{0!r}] = None\n"
        "import tsr\n"
        "try: tsr.load({1!r})\n"
        "except tsr.MissingExtraError as error: print(error)"
    )
    for package, url, extra in (
        ("fsspec", "memory://x", "remote"),
        ("s3fs", "s3://b/x", "s3"),
        ("gcsfs", "gs://b/x", "gcs"),
        ("aiohttp", "http://h/x", "remote"),
        ("gcsfs", "zip://x::gs://b/a.zip", "gcs"),
    ):
        command = [sys.executable, "-c", script.format(package, url)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        assert f"needs {package}: pip install 'tsr-codec[{extra}]'" in done.stdout


def test_file_systems_that_connect_at_once() -> None:
    """What a file system raises as it is made is an error of the system's kind, listing too."""

    def connect(*_: object, **__: object) -> None:
        raise EOFError("nobody listens at connecting://user:secret@h")

    kind = type("Connecting", (fsspec.AbstractFileSystem,), {"__init__": connect})
    fsspec.register_implementation("connecting", kind, clobber=True)
    for function in (tsr.load, lambda url: list(list_objects(url)), tsr.remote.exists):
        with pytest.raises(OSError, match="nobody listens at connecting://h") as error:
            function("connecting://user:secret@h/x.tsr")
        assert error.value.filename == "connecting://h/x.tsr"


def test_options_that_are_none() -> None:
    """Options that are no mapping are refused as such."""
    with pytest.raises(tsr.UnsupportedError, match="storage_options: got str, expected a mapping"):
        tsr.load("memory://x", storage_options="anon")  # type: ignore[arg-type] # on purpose


def test_nothing_is_left_open() -> None:
    """The interpreter ends without a word about connections that nobody closed."""
    with s3_server() as s3:
        url = s3.put("x.tsr", V1)
        script = (
            f"import tsr; print(tsr.load({url!r}, storage_options={s3.options!r}).sum(), "
            f"tsr.open({url!r}, storage_options={s3.options!r})[0].sum())"
        )
        command = [sys.executable, "-W", "error", "-c", script]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout == "179700.0 179700.0\n"
    assert done.stderr == ""


def test_names_lead_somewhere() -> None:
    """Every name of the package is what it says, whichever of its modules came first."""
    folder = Path(tsr.remote.__file__).parent
    for module in sorted(folder.glob("[a-z]*.py")):
        importlib.import_module(f"tsr.remote.{module.stem}")
    assert tsr.remote.__all__ == sorted(tsr.remote.__all__)
    for name in tsr.remote.__all__:
        assert getattr(tsr.remote, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tsr.remote.nonsense


def test_lazy() -> None:
    """Paths import nothing of what URLs need."""
    script = (
        "import sys, tsr, tsr.remote; tsr.load, tsr.open, tsr.validate, tsr.read_header\n"
        "tsr.remote.is_url('s3://b/x'); tsr.remote.label('s3://b/x')\n"
        "print({'fsspec', 's3fs', 'aiohttp', 'tsr.remote.object'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout == "set()\n"
