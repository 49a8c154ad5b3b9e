"""Which files a command's paths stand for: folders, patterns, what is hidden, what vanishes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tsr.cli.inputs import expand
from tsr.cli.report import Report


def files(*arguments: str) -> list[str]:
    """Expand arguments that stand for something."""
    report = Report()
    found = list(expand(arguments, report))
    assert report.code == 0
    return found


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a tree of files, with the working directory at its root."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.tsr", "a.tsr", "notes.txt", "[x].tsr", "x.tsr", ".hidden.tsr",
        "deep/c.TSR", "deep/deeper/d.tsr", "deep/.git/e.tsr", "folder.tsr/f.tsr",
    ):  # fmt: skip
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_file_stands_for_itself() -> None:
    """Whatever it is called, and whether it is there."""
    assert files("notes.txt", ".hidden.tsr", "absent", "-") == [
        "notes.txt", ".hidden.tsr", "absent", "-",
    ]  # fmt: skip


def test_dash_is_stdin() -> None:
    """Even where a folder is called so; that is ``./-``."""
    os.mkdir("-")
    Path("-", "g.tsr").touch()
    assert files("-", "./-") == ["-", "./-/g.tsr"]


def test_a_folder_is_searched() -> None:
    """To its depths, in order, for what is called .tsr and not hidden."""
    assert files("deep") == ["deep/c.TSR", "deep/deeper/d.tsr"]
    assert files(".") == [
        "./[x].tsr", "./a.tsr", "./b.tsr", "./x.tsr",
        "./deep/c.TSR", "./deep/deeper/d.tsr", "./folder.tsr/f.tsr",
    ]  # fmt: skip


def test_a_pattern_is_matched() -> None:
    """As a shell does, sorted; folders that match are searched."""
    assert files("?.tsr") == ["a.tsr", "b.tsr", "x.tsr"]
    assert files("[ab].tsr") == ["a.tsr", "b.tsr"]
    assert files("d*") == ["deep/c.TSR", "deep/deeper/d.tsr"]
    assert files("**/d.tsr") == ["deep/deeper/d.tsr"]


def test_a_name_that_looks_like_a_pattern() -> None:
    """A file that is there is meant, not what its name would match."""
    assert files("[x].tsr") == ["[x].tsr"]


def test_each_file_once() -> None:
    """Paths that stand for the same file give it once."""
    assert files("deep/**", "deep", "deep/c.TSR") == ["deep/c.TSR", "deep/deeper/d.tsr"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        pytest.param("*.nothing", "tsr: *.nothing: Nothing matches this pattern\n", id="pattern"),
        pytest.param("empty", "tsr: empty: No .tsr file in this folder\n", id="folder"),
    ],
)
def test_nothing_there(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern or a folder without files is an error, so that no check passes unnoticed."""
    os.mkdir("empty")
    report = Report()
    assert list(expand([argument, "a.tsr"], report)) == ["a.tsr"]
    assert report.code == 2
    assert capsys.readouterr().err == message


def test_a_folder_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, and the others are searched."""
    scan = os.scandir

    def scandir(path: str) -> object:
        if path == os.path.join("deep", "deeper"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = Report()
    assert list(expand(["deep", "deep/deeper"], report)) == ["deep/c.TSR"]
    assert report.code == 2
    assert capsys.readouterr().err == "tsr: deep/deeper: Permission denied\n" * 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such paths are too long")
def test_folders_in_folders_without_end(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders nested deeper than Python calls go are searched; a pattern for them is refused."""
    top = tmp_path_factory.mktemp("deepest")
    depth = sys.getrecursionlimit() + 100
    os.chdir(top)
    try:
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        os.close(os.open("x.tsr", os.O_CREAT | os.O_WRONLY))
        os.chdir(top)
        report = Report()
        assert list(expand([".", "**/*.tsr"], report)) == [
            os.path.join(".", "d/" * depth + "x.tsr")
        ]
        assert capsys.readouterr().err == "tsr: **/*.tsr: Folders are nested too deeply\n"
    finally:  # pytest could not remove them
        os.chdir(top)
        for _ in range(depth):
            os.chdir("d")
        os.unlink("x.tsr")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
