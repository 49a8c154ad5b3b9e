"""The commands with URLs: files, folders and patterns, what is printed, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import tsr
from tests.remote_servers import S3Server, s3_server
from tsr.cli.dispatch import main

X = np.arange(6, dtype="float32").reshape(2, 3)
DATA = tsr.dumps(X)
TSR4 = tsr.dumps([X, X], format="tsr4")
BROKEN = DATA[:-1]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """Run an S3 server for the tests of this module."""
    with s3_server() as found:
        yield found


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Have the environment say where S3 is, as for a shell."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.options["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.options["secret"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server.asked.clear()
    return server


@pytest.fixture(autouse=True)
def memory() -> Iterator[Any]:
    """Put files into memory://runs."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    for name in ("a.tsr", "in/b.tsr", "in/.hidden.tsr", ".c/d.tsr", "notes.txt"):
        fs.pipe(f"/runs/{name}", DATA)
    yield fs
    fs.store.clear()


def paths(text: str) -> list[str]:
    """Give the paths in what a command printed as JSON."""
    return [one["path"] for one in json.loads(text)]


def test_info_of_s3(s3: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a file on S3, 64 bytes are read in one request; folders and patterns are searched."""
    url = s3.put("shell/x.tsr", DATA)
    assert main(["info", url]) == 0
    assert capsys.readouterr().out.startswith(f"{url}\n  format    TSR v1\n  dtype     float32")
    assert s3.made() == [("GET", "bytes=0-63")]
    s3.put("shell/in/y.tsr", TSR4)
    for argument in ("s3://bucket/shell/", "s3://bucket/shell", "s3://bucket/shell/**/*.tsr"):
        assert main(["info", "--json", argument]) == 0
        assert sorted(paths(capsys.readouterr().out)) == ["s3://bucket/shell/in/y.tsr", url]


def test_convert_on_s3(s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both ends may be on S3; what exists is kept without --force."""
    np.save(tmp_path / "x.npy", X)
    url = s3.put("made/x.npy", (tmp_path / "x.npy").read_bytes())
    assert main(["convert", url, "s3://bucket/made/x.tsr"]) == 0
    assert capsys.readouterr().out == f"{url} -> s3://bucket/made/x.tsr\n"
    assert s3.get("made/x.tsr") == DATA
    assert main(["convert", url, "s3://bucket/made/x.tsr"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("tsr: s3://bucket/made/x.tsr: File exists; overwrite=True (--force)")
    assert main(["convert", "s3://bucket/none.npy", str(tmp_path / "y.tsr")]) == 2
    assert capsys.readouterr().err.startswith("tsr: s3://bucket/none.npy: No such file")


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("memory://runs", ["a.tsr", "in/b.tsr"]),
        ("memory://runs/", ["a.tsr", "in/b.tsr"]),
        ("memory://runs/*.tsr", ["a.tsr"]),
        ("memory://runs/in/*.tsr", ["in/b.tsr"]),
        ("memory://runs/**/*.tsr", ["a.tsr", "in/b.tsr"]),
        ("memory://runs/in/.*.tsr", ["in/.hidden.tsr"]),
        ("memory://runs/notes.txt", ["notes.txt"]),
    ],
)
def test_which_files(argument: str, found: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A URL stands for the files that a path would stand for: nothing hidden in folders."""
    assert main(["info", "--json", argument]) == 0
    assert paths(capsys.readouterr().out) == [f"memory://runs/{name}" for name in found]


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("memory://none.tsr", "memory://none.tsr: No such file or directory"),
        ("memory://none/", "memory://none/: No such file or directory"),
        ("memory://runs/*.npy", "memory://runs/*.npy: Nothing matches this pattern"),
        ("memory://runs/.c/x*", "memory://runs/.c/x*: Nothing matches this pattern"),
    ],
)
def test_what_is_not_there(argument: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not there is told, and the others are shown."""
    assert main(["info", argument, "memory://runs/a.tsr"]) == 2
    printed = capsys.readouterr()
    assert printed.err == f"tsr: {told}\n"
    assert printed.out.startswith("memory://runs/a.tsr\n")


def test_folder_without_tsr_files(memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without .tsr files is an error."""
    memory.pipe("/text/notes.txt", b"")
    assert main(["validate", "memory://text"]) == 2
    assert capsys.readouterr().err == "tsr: memory://text: No .tsr file in this folder\n"


def test_commands_that_read(memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """All commands that read take URLs, and name them in what is wrong."""
    url = "memory://runs/a.tsr"
    assert main(["validate", "memory://runs/"]) == 0
    assert "2 files: 2 valid" in capsys.readouterr().out
    assert main(["dump", "--csv", url]) == 0
    assert capsys.readouterr().out == "0.0,1.0,2.0\n3.0,4.0,5.0\n"
    assert main(["explain", url]) == 0
    assert capsys.readouterr().out.startswith(f"{url}: TSR v1, 88 bytes, valid")
    memory.pipe("/runs/large.tsr", tsr.dumps(np.arange(300_000, dtype="int32")))
    assert main(["explain", "memory://runs/large.tsr"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("memory://runs/large.tsr: TSR v1, 1200064 bytes, valid")
    assert shown.endswith("  299998, 299999\n")
    assert main(["view", "--json", url]) == 0
    assert [one["path"] for one in json.loads(capsys.readouterr().out)] == [url]
    assert main(["checksum", url]) == 0
    assert capsys.readouterr().out == f"{hashlib.sha256(DATA).hexdigest()}  {url}\n"
    memory.pipe("/runs/two.tsr", TSR4)
    assert main(["diff", url, url]) == 0
    assert main(["diff", url, "memory://runs/two.tsr"]) == 1
    capsys.readouterr()
    memory.pipe("/runs/broken.tsr", BROKEN)
    for command in ("validate", "dump", "explain", "view"):
        assert main([command, "memory://runs/broken.tsr"]) == 1
        printed = capsys.readouterr()
        assert "memory://runs/broken.tsr" in printed.out + printed.err
        assert "V1-PAYLOAD-1" in printed.out + printed.err
        assert "tsr repair" not in printed.out


def test_other_formats(memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of any format, and folders of tensors, are looked at behind URLs too."""
    np.savez(tmp_path / "two.npz", a=X, b=X)
    memory.put_file(str(tmp_path / "two.npz"), "/runs/two.npz")
    memory.pipe("/runs/two.tsr", tsr.dumps([X, X], format="tsr4", compress=True))
    memory.pipe("/runs/unknown", TSR4)
    tsr.convert("memory://runs/two.npz", "memory://runs/two")
    for other in ("two", "two.tsr", "unknown"):
        assert main(["diff", "--json", "memory://runs/two.npz", f"memory://runs/{other}"]) in (0, 1)
        found = json.loads(capsys.readouterr().out)
        assert found["a"]["path"] == "memory://runs/two.npz"
        assert found["b"]["tensors"] == 2
        assert all(one["status"] in ("same", "shape") for one in found["tensors"])
        assert main(["view", f"memory://runs/{other}"]) == 0
        capsys.readouterr()
    memory.pipe("/runs/broken.npz", b"PK")
    assert main(["view", "memory://runs/broken.npz"]) == 1
    assert capsys.readouterr().err.startswith("tsr: memory://runs/broken.npz: not readable as")
    memory.pipe("/runs/text.txt", b"text")
    assert main(["view", "memory://runs/text.txt"]) == 1
    told = "tsr: memory://runs/text.txt: nothing reads .txt files\n"
    assert capsys.readouterr().err == told


def test_convert_several(memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several sources go to a folder behind a URL, and from a pattern to a local one."""
    assert main(["convert", "--to", "npy", "memory://runs/**/*.tsr", "memory://made/"]) == 0
    assert sorted(memory.find("/made")) == ["/made/a.npy", "/made/b.npy"]
    memory.pipe("/runs/two.tsr", TSR4)
    assert main(["convert", "memory://made/*.npy", "memory://runs/two.tsr", str(tmp_path)]) == 0
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert found == ["a.tsr", "b.tsr", "two/0.tsr", "two/1.tsr", "two/tensors.json"]
    capsys.readouterr()
    memory.pipe("/runs/in/a.tsr", DATA)
    assert main(["convert", "--to=npy", "memory://runs/in/*.tsr", "memory://runs/a.tsr",
                 "memory://again/"]) == 1  # fmt: skip
    told = "memory://runs/a.tsr: would be written to the same place as memory://runs/in/a.tsr"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["repair", "memory://runs/a.tsr"],
        ["repair", "{local}", "-o", "memory://runs/b.tsr"],
        ["manifest", "memory://runs"],
        ["manifest", "--check", "memory://runs"],
        ["view", "--html", "memory://runs/page.html", "{local}"],
    ],
)
def test_commands_without_urls(
    arguments: list[str], tmp_path: Path, memory: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that works on local files says so, and writes nothing."""
    (tmp_path / "x.tsr").write_bytes(DATA)
    before = dict(memory.store)
    assert main([text.format(local=tmp_path / "x.tsr") for text in arguments]) == 1
    assert "got a URL, and" in capsys.readouterr().err
    assert memory.store == before


def test_secrets_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the password nor the signature in a URL gets into a message."""
    url = "http://me:secret@127.0.0.1:9/x.tsr?X-Amz-Signature=secret"
    for arguments in (["info", url], ["checksum", url], ["convert", url, "y.npy"], ["repair", url]):
        assert main(arguments) in (1, 2)
        told = capsys.readouterr().err
        assert "127.0.0.1:9/x.tsr" in told
        assert "secret" not in told


def test_file_url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A URL of file:// stands for the path in it, a folder too."""
    (tmp_path / "x.tsr").write_bytes(DATA)
    assert main(["info", "--json", f"file://{tmp_path}"]) == 0
    assert paths(capsys.readouterr().out) == [str(tmp_path / "x.tsr")]
    assert main(["convert", f"file://{tmp_path}/x.tsr", f"file://{tmp_path}/x.npy"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/x.tsr -> {tmp_path}/x.npy\n"


def test_repair_writes_local_files(tmp_path: Path, memory: Any) -> None:
    """What is behind a URL can be mended into a local file, by the function."""
    memory.pipe("/runs/long.tsr", DATA + b"x")
    assert len(tsr.repair("memory://runs/long.tsr", tmp_path / "x.tsr").changes) == 1
    assert (tmp_path / "x.tsr").read_bytes() == DATA
    with pytest.raises(tsr.UnsupportedError, match=r"got memory://runs/x\.tsr, expected a path"):
        tsr.repair("memory://runs/long.tsr", "memory://runs/x.tsr")
