"""``tsr checksum`` and ``tsr manifest``: digests of files, and folders that are checked later."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}
SUMS = "SHA256SUMS"

needs_sha256sum = pytest.mark.skipif(
    shutil.which("sha256sum") is None, reason="needs sha256sum of the GNU coreutils"
)


def shell(*arguments: str | bytes, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `tsr` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tsr", *arguments],
        env=ENVIRONMENT, input=data, capture_output=True, check=False,
    )  # fmt: skip


def sha(data: bytes) -> str:
    """Compute a digest by other means."""
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of files in the working directory, with names of all kinds."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights"
    (folder / "layer" / "deep").mkdir(parents=True)
    tsr.save(folder / "a.tsr", np.zeros(3, np.float32))
    (folder / "layer" / "b\nc").write_bytes(b"two lines")
    (folder / "layer" / "deep" / ".hidden").write_bytes(b"")
    Path(os.fsdecode(b"weights/\xff\xfe\\")).write_bytes(b"no text")
    return folder


@pytest.fixture
def written(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Make the folder with its manifest."""
    assert main(["manifest", "weights"]) == 0
    capsys.readouterr()
    return folder


# ------------------------------------------------------------------ checksum


@needs_sha256sum
def test_checksum_prints_what_sha256sum_does() -> None:
    """Byte by byte, whatever the names are, and it takes it back."""
    names = [b"weights/a.tsr", b"weights/layer/b\nc", b"weights/\xff\xfe\\"]
    done = shell("checksum", *names)
    gnu = subprocess.run(["sha256sum", *names], capture_output=True, check=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, gnu.stdout, b"")
    checked = subprocess.run(["sha256sum", "--check", "--status"], input=done.stdout, check=False)
    assert checked.returncode == 0


def test_checksum_of_stdin() -> None:
    """`-` is stdin, and may stand between files."""
    done = shell("checksum", "weights/a.tsr", "-", "weights/layer/deep/.hidden", data=b"x")
    lines = done.stdout.decode().splitlines()
    assert lines == [
        f"{sha(Path('weights/a.tsr').read_bytes())}  weights/a.tsr",
        f"{sha(b'x')}  -",
        f"{sha(b'')}  weights/layer/deep/.hidden",
    ]


def test_checksum_of_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder stands for its .tsr files, as it does for the other commands."""
    assert main(["checksum", "weights"]) == 0
    digest = sha(Path("weights/a.tsr").read_bytes())
    assert capsys.readouterr().out == f"{digest}  weights/a.tsr\n"


def test_checksum_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has path, digest and size."""
    assert main(["checksum", "--json", "weights/a.tsr", "weights/layer/b\nc"]) == 0
    assert json.loads(capsys.readouterr().out)[1] == {
        "path": "weights/layer/b\nc", "sha256": sha(b"two lines"), "bytes": 9
    }  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_checksum_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing, or none, stops nothing; the worst code wins."""
    os.mkfifo("fifo")
    assert main(["checksum", "fifo", "weights/a.tsr"]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("  weights/a.tsr\n")
    assert err == "tsr: fifo: file at offset 0: got a FIFO, expected a regular file [FILE-1]\n"
    assert main(["checksum", "absent", "fifo", "weights/a.tsr"]) == 2
    out, err = capsys.readouterr()
    assert out.endswith("  weights/a.tsr\n")
    assert err.startswith("tsr: absent: No such file or directory\n")


def test_checksum_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There, a name that would steer it is escaped."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    Path("\x1b[31m").write_bytes(b"")
    assert main(["checksum", "\x1b[31m"]) == 0
    assert capsys.readouterr().out == f"{sha(b'')}  \\x1b[31m\n"


# ------------------------------------------------------------------ manifest, written


@needs_sha256sum
def test_manifest_is_what_sha256sum_checks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names all files in byte order, itself left out, and sha256sum finds them unchanged."""
    assert main(["manifest", "weights"]) == 0
    assert capsys.readouterr() == ("weights/SHA256SUMS: 4 files, 92 bytes\n", "")
    lines = (folder / SUMS).read_bytes().splitlines()
    assert [line.lstrip(b"\\")[64:] for line in lines] == [
        b"  a.tsr", b"  layer/b\\nc", b"  layer/deep/.hidden", b"  \xff\xfe\\\\"
    ]  # fmt: skip
    checked = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=False)
    assert checked.returncode == 0
    assert main(["manifest", "--check", "weights"]) == 0


def test_manifest_of_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a folder, it is the current one; --quiet says nothing."""
    monkeypatch.chdir(folder)
    assert main(["manifest", "--quiet"]) == 0
    assert main(["manifest", "--quiet", "--check"]) == 0
    assert main(["manifest", "--quiet", "--check", SUMS]) == 0
    assert capsys.readouterr() == ("", "")


def test_manifest_is_not_replaced(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there stays, unless --force says so; and then it is not listed itself."""
    before = (written / SUMS).read_bytes()
    (written / "new").write_bytes(b"new")
    assert main(["manifest", "weights"]) == 2
    err = capsys.readouterr().err
    assert err == "tsr: weights/SHA256SUMS: File exists; --force replaces it\n"
    assert (written / SUMS).read_bytes() == before
    assert main(["manifest", "--force", "--json", "weights"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"manifest": "weights/SHA256SUMS", "files": 5, "bytes": 95}
    ]
    assert SUMS.encode() not in (written / SUMS).read_bytes()
    assert main(["manifest", "--check", "-q", "weights"]) == 0


@pytest.mark.parametrize("output", ["sums", "weights/layer/sums", "link/sums", "weights/link"])
def test_manifest_elsewhere(output: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-o names another file, which is not listed either, on whatever way it is reached."""
    Path("link").symlink_to("weights/layer")
    force = []
    if output == "weights/link":  # to what is still to be made
        Path(output).symlink_to("layer/behind")
        force = ["--force"]
    assert main(["manifest", "-o", output, *force, "weights"]) == 0
    assert capsys.readouterr().out.startswith(f"{output}: 4 files")
    assert main(["manifest", "--check", "--root", "weights", output]) == 0
    assert capsys.readouterr().out.endswith("\n4 files: 4 OK\n")
    assert not (folder / SUMS).exists()


def test_manifest_on_stdout(folder: Path) -> None:
    """-o - prints it; the file that the shell sends it to is left out where it is in the folder."""
    done = shell("manifest", "-o", "-", "weights")
    with (folder / "sums").open("wb") as file:
        subprocess.run(
            [sys.executable, "-m", "tsr", "manifest", "-o", "-", "weights"],
            env=ENVIRONMENT, stdout=file, check=True,
        )  # fmt: skip
    assert (folder / "sums").read_bytes() == done.stdout != b""
    checked = shell("manifest", "--check", "-", "--root=weights", "--allow-extra", data=done.stdout)
    assert (checked.returncode, checked.stderr) == (0, b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("fault", ["fifo", "dangling", "folder-link"])
def test_manifest_is_whole_or_absent(
    fault: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where something cannot be read there is none, and nothing is left behind."""
    bad = folder / "bad"
    if fault == "fifo":
        os.mkfifo(bad)
    else:
        bad.symlink_to("nowhere" if fault == "dangling" else folder / "layer")
    before = sorted(folder.rglob("*"))
    assert main(["manifest", "weights"]) == (2 if fault == "dangling" else 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tsr: weights/bad: ")
    assert err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("output", "message"),
    [("absent/sums", "No such file"), ("weights/a.tsr/sums", "Not a directory")],
)
def test_manifest_that_cannot_be_written(
    output: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That there is no folder for it is told before a file is read."""
    (folder / "unreadable").symlink_to("nowhere")
    assert main(["manifest", "-o", output, "weights"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"tsr: {output}: {message}")
    assert err.count("\n") == 1


def test_manifest_follows_links_to_files(folder: Path) -> None:
    """As sha256sum does: stores of models are made of them."""
    (folder / "link").symlink_to("a.tsr")
    assert main(["manifest", "weights"]) == 0
    assert f"{sha((folder / 'a.tsr').read_bytes())}  link\n" in os.fsdecode(
        (folder / SUMS).read_bytes()
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [("absent", "No such file"), ("weights/a.tsr", "Not a directory"), ("empty", "No file in")],
)
def test_manifest_of_no_folder(path: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there, or has no file, has no manifest."""
    os.mkdir("empty")
    assert main(["manifest", path]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"tsr: {path}: {message}")
    assert err.count("\n") == 1
    assert os.listdir("empty") == []


@pytest.mark.parametrize(
    "arguments",
    [["--check", "-o", "x"], ["--check", "--force"], ["--root", "x"], ["--allow-extra"],
     ["--json", "-o", "-"], ["a", "b"]],
    ids=" ".join,
)  # fmt: skip
def test_manifest_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Options that mean nothing together are refused."""
    assert main(["manifest", *arguments]) == 2
    assert capsys.readouterr().err.startswith("usage: tsr manifest")


# ------------------------------------------------------------------ manifest, checked


def test_check_tells_what_changed(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is the same, another, missing, unreadable or new is called so, in this order."""
    (written / "a.tsr").write_bytes(b"another")
    (written / "layer" / "b\nc").unlink()
    (written / "layer" / "deep" / ".hidden").unlink()
    (written / "layer" / "deep" / ".hidden").mkdir()
    (written / "new").write_bytes(b"")
    assert main(["manifest", "--check", "weights"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "a.tsr: FAILED", r"layer/b\nc: missing", "layer/deep/.hidden: unreadable",
        "\\xff\\xfe\\: OK", "new: extra",
        "5 files: 1 OK, 1 FAILED, 1 missing, 1 unreadable, 1 extra",
    ]  # fmt: skip
    assert err == "tsr: weights/layer/deep/.hidden: a folder, or behind a symbolic link to one\n"
    assert main(["manifest", "--check", "--quiet", "--allow-extra", "weights"]) == 1
    assert capsys.readouterr().out.splitlines() == out.splitlines()[:3]
    assert main(["manifest", "--check", "--json", "--quiet", "weights"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert [entry["status"] for entry in listed] == ["failed", "missing", "unreadable", "extra"]
    empty = sha(b"")
    assert listed[0]["found"] == sha(b"another") != listed[0]["expected"]
    assert listed[2:] == [
        {"name": "layer/deep/.hidden", "status": "unreadable", "expected": empty, "found": None},
        {"name": "new", "status": "extra", "expected": None, "found": None},
    ]


@pytest.mark.parametrize("change", ["append", "flip", "truncate", "swap"])
def test_check_finds_any_change(
    change: str, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bit suffices, as do a byte more or less, or two files that changed places."""
    path = written / "a.tsr"
    data = path.read_bytes()
    if change == "swap":
        path.rename("aside")
        (written / "layer" / "b\nc").rename(path)
        Path("aside").rename(written / "layer" / "b\nc")
    else:
        changed = {
            "append": data + b"\0", "flip": data[:-1] + b"\x01", "truncate": data[:-1]
        }  # fmt: skip
        path.write_bytes(changed[change])
    assert main(["manifest", "--check", "-q", "weights"]) == 1
    assert "a.tsr: FAILED\n" in capsys.readouterr().out


def test_check_colours(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is well is green, what is not is red."""
    (written / "a.tsr").write_bytes(b"another")
    assert main(["manifest", "--check", "--color=always", "weights"]) == 1
    out = capsys.readouterr().out
    assert "a.tsr: \x1b[31mFAILED\x1b[0m\n" in out
    assert "layer/deep/.hidden: \x1b[32mOK\x1b[0m\n" in out


@needs_sha256sum
def test_check_of_what_sha256sum_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With names as find gives them, with binary marks and with the lines of Windows."""
    monkeypatch.chdir(folder)
    found = subprocess.run(
        ["find", ".", "-type", "f", "-exec", "sha256sum", "--binary", "{}", "+"],
        capture_output=True, check=True,
    )  # fmt: skip
    Path("../sums").write_bytes(found.stdout.replace(b"\n", b"\r\n"))
    assert main(["manifest", "--check", "--root=.", "../sums"]) == 0
    assert capsys.readouterr().out.endswith("4 files: 4 OK\n")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "layer/../../secret", "..", "./../secret", "a/.."]
)
def test_check_stays_in_its_folder(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that leads out of it is refused, even where the digest is right."""
    Path("secret").write_bytes(b"secret")
    good = f"{sha(b'')}  layer/deep/.hidden\n"
    (folder / SUMS).write_text(good + f"{sha(b'secret')}  {name}\n")
    assert main(["manifest", "--check", "--allow-extra", "weights"]) == 1
    out, err = capsys.readouterr()
    assert out == "layer/deep/.hidden: OK\n"
    assert err == (
        f"tsr: weights/SHA256SUMS: line 2: got {name!r}, which leads out of the folder; "
        "expected a name in it\n"
    )


def test_check_does_not_follow_links_to_folders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name behind one is not read: it leads elsewhere, too."""
    Path("elsewhere").mkdir()
    Path("elsewhere/secret").write_bytes(b"secret")
    (folder / "link").symlink_to("../elsewhere")
    (folder / SUMS).write_text(f"{sha(b'secret')}  link/secret\n")
    assert main(["manifest", "--check", "--allow-extra", "weights"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("link/secret: unreadable\n")
    assert "behind a symbolic link" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected the digest of a file"),
        (b"# nothing\n", "line 1: expected the digest of a file"),
        (b"hello\n", "line 1: got 'hello', expected 64 hexadecimal digits, two blanks and a name"),
        (b"\x1b[31m\n", r"line 1: got '\x1b[31m', expected 64"),
    ],
)
def test_check_of_no_manifest(
    content: bytes, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is none is not taken for one that all is well with."""
    (folder / SUMS).write_bytes(content)
    assert main(["manifest", "--check", "weights"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"tsr: weights/SHA256SUMS: {message}")


def test_check_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest that is missing is an error of the system, one that is a folder is none."""
    assert main(["manifest", "--check", "weights"]) == 2
    assert capsys.readouterr().err == "tsr: weights/SHA256SUMS: No such file or directory\n"
    os.mkdir("weights/SHA256SUMS")
    assert main(["manifest", "--check", "weights"]) == 1
    assert "got a directory, expected a regular file" in capsys.readouterr().err


def test_check_with_a_pipe_that_closes(written: Path) -> None:
    """Output that nobody reads ends the check quietly, with the code of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "tsr", "manifest", "--check", "weights"],
            env=ENVIRONMENT, stdout=pipe, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")
