"""What is written where: files, folders, whole trees of folders, and what is in the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tsr
from tests.converting import AWKWARD, assert_same
from tsr.converters import convert, npy


def names_in(folder: Path) -> list[str]:
    """List the files in a folder and the folders in it."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a folder with files of several formats."""
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    np.save(source / "a.npy", AWKWARD)
    with open(source / "sub" / "b.NPY", "wb") as file:
        np.save(file, AWKWARD[:2])
    tsr.save(source / "sub" / "deep" / "c.tsr", AWKWARD[:3])
    np.savez(source / "many.npz", x=AWKWARD, y=AWKWARD)
    torch.save(torch.ones(2), source / "one.pt")
    torch.save({"w": torch.ones(2)}, source / "some.pt")
    (source / "readme.txt").write_text("no tensor")
    (source / ".hidden.npy").write_text("no tensor either")
    return source


@pytest.mark.parametrize("slash", ["", "/"])
def test_into_a_folder(source: Path, tmp_path: Path, slash: str) -> None:
    """A file for an existing folder, or one named with a slash, keeps its name in it."""
    out = tmp_path / "out"
    if not slash:
        out.mkdir()
    (result,) = convert(source / "a.npy", f"{out}{slash}")
    assert result.destination == str(out / "a.tsr")
    convert(source / "a.npy", f"{out}{slash}", to="pt")
    assert names_in(out) == ["a.pt", "a.tsr"]


def test_many_into_a_folder(source: Path, tmp_path: Path) -> None:
    """Tensors by name make the folder itself, with or without a slash."""
    convert(source / "many.npz", tmp_path / "plain")
    convert(source / "many.npz", f"{tmp_path}/slash/")
    assert names_in(tmp_path / "plain") == ["tensors.json", "x.tsr", "y.tsr"]
    assert names_in(tmp_path / "slash") == names_in(tmp_path / "plain")


def test_to_decides(source: Path, tmp_path: Path) -> None:
    """`to` names the format where the destination's suffix does not, or says another."""
    convert(source / "a.npy", tmp_path / "weights.bin", to=".TSR")
    assert_same(tsr.load(tmp_path / "weights.bin"), AWKWARD)
    convert(source / "many.npz", tmp_path / "model.v2", to="safetensors")
    assert (tmp_path / "model.v2").is_file()
    convert(source / "many.npz", tmp_path / "model.v3", to="tsr")
    assert (tmp_path / "model.v3").is_dir()


@pytest.mark.parametrize(
    ("name", "destination", "message"),
    [
        ("a.npy", "out", r"end the destination with \.tsr, or with a /"),
        ("a.npy", "out.xyz", r"nothing writes \.xyz files; to='\.\.\.' \(--to\)"),
        ("readme.txt", "out.tsr", r"nothing reads \.txt files"),
        ("a.npy", "source/a.npy", "source and destination are the same"),
        ("a.npy", "source/../source/a.npy", "source and destination are the same"),
        ("many.npz", "source", "lies inside the other"),
        ("a.npy", "source/a.npy/x.tsr", "lies inside the other"),
        ("", "source/", "source and destination are the same folder"),
        ("sub", "source/sub", "source and destination are the same folder"),
    ],
)
def test_paths_that_make_no_sense(source: Path, name: str, destination: str, message: str) -> None:
    """Paths from which nothing sensible follows are refused before anything is read."""
    before = names_in(source.parent)
    slash = "/" if destination.endswith("/") else ""
    with pytest.raises(tsr.ConversionError, match=message):
        convert(source / name, f"{source.parent / destination}{slash}", overwrite=True)
    assert names_in(source.parent) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "xyz"}, r"nothing writes \.xyz"),
        ({"to": ""}, "nothing writes"),
        ({"to": 3}, "expected a suffix"),
        ({"dataset": 3}, "expected a str"),
        ({"cast": "float64"}, "expected one of float32, int8, int32"),
        ({"cast": {"float64": "nonsense"}}, "not a dtype"),
        ({"on_error": "ignore"}, "expected 'raise' or 'report'"),
    ],
)
def test_options_that_make_no_sense(source: Path, options: Any, message: str) -> None:
    """An option that is none is an UnsupportedError, before anything is read."""
    with pytest.raises(tsr.UnsupportedError, match=message):
        convert(source / "a.npy", source.parent / "x.tsr", **options)


def test_existing_file(source: Path, tmp_path: Path) -> None:
    """A file that exists is replaced only if asked."""
    target = tmp_path / "x.tsr"
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True") as caught:
        convert(source / "a.npy", target)
    assert caught.value.filename == str(target)
    assert target.read_text() == "mine"
    convert(source / "a.npy", target, overwrite=True, durable=True)
    assert_same(tsr.load(target), AWKWARD)


def test_missing_and_irregular_sources(tmp_path: Path) -> None:
    """A source that is not there is the system's error; one that is no file is not waited for."""
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        convert(tmp_path / "none.npy", tmp_path / "x.tsr")
    os.mkfifo(tmp_path / "fifo.npy")
    with pytest.raises(tsr.FormatError, match="got a FIFO"):
        convert(tmp_path / "fifo.npy", tmp_path / "x.tsr")


def test_whole_tree(source: Path, tmp_path: Path) -> None:
    """Every file in a folder converts, keeps its place and changes its suffix."""
    results = convert(source, tmp_path / "out")
    assert names_in(tmp_path / "out") == [
        "a.tsr", "many/tensors.json", "many/x.tsr", "many/y.tsr", "one.tsr",
        "some/tensors.json", "some/w.tsr", "sub/b.tsr", "sub/deep/c.tsr",
    ]  # fmt: skip
    assert [(Path(r.source).name, r.tensors) for r in results] == [
        ("a.npy", 1), ("many.npz", 2), ("one.pt", 1), ("some.pt", 1), ("b.NPY", 1), ("c.tsr", 1),
    ]  # fmt: skip
    assert_same(tsr.load(tmp_path / "out" / "sub" / "b.tsr"), AWKWARD[:2])


def test_whole_tree_and_back(source: Path, tmp_path: Path) -> None:
    """A folder with a `tensors.json` is one thing on the way back."""
    convert(source, tmp_path / "out")
    convert(tmp_path / "out", tmp_path / "back", to=".pt")
    assert names_in(tmp_path / "back") == [
        "a.pt", "many.pt", "one.pt", "some.pt", "sub/b.pt", "sub/deep/c.pt",
    ]  # fmt: skip
    assert list(torch.load(tmp_path / "back" / "many.pt")) == ["x", "y"]


def test_errors_do_not_stop_the_rest(source: Path, tmp_path: Path) -> None:
    """One bad file leaves the others converted; all errors are listed at the end."""
    (source / "bad.npy").write_bytes(b"no array")
    np.save(source / "worse.npy", np.array(["text"]))
    with pytest.raises(tsr.ConversionError, match="3 of 8 files were not converted") as caught:
        convert(source, tmp_path / "out", to="npy")
    for name in ("bad.npy: not readable", "worse.npy: dtype", "many.npz: holds 2 tensors"):
        assert name in str(caught.value)
    assert "sub/deep/c.npy" in names_in(tmp_path / "out")


def test_errors_reported(source: Path, tmp_path: Path) -> None:
    """With `on_error="report"` the errors are in the result."""
    (source / "bad.npy").write_bytes(b"no array")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.tsr").write_text("mine")
    results = convert(source, tmp_path / "out", on_error="report")
    failed = {Path(r.source).name: r.error for r in results if r.error is not None}
    assert failed.keys() == {"a.npy", "bad.npy"}
    assert isinstance(failed["a.npy"], FileExistsError)
    assert isinstance(failed["bad.npy"], tsr.ConversionError)
    assert {r.destination is None for r in results if r.error} == {True}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("a.tsr", id="same-file"),
        pytest.param("a.npz", id="file-and-folder"),
        pytest.param("many/x.npy", id="file-in-folder"),
    ],
)
def test_collisions(source: Path, tmp_path: Path, other: str) -> None:
    """Two sources for one destination are an error before anything is written."""
    (source / other).parent.mkdir(exist_ok=True)
    if other == "a.npz":
        (source / "a.npy").unlink()
        (source / "a.npy").mkdir()
        tsr.save(source / "a.npy" / "b.tsr", AWKWARD)
        other = "a.npy.npz"
    (source / other).write_bytes(b"never read")
    with pytest.raises(tsr.ConversionError, match="would be written"):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_destination_inside_source(source: Path) -> None:
    """What was converted is not converted again when the destination lies in the source."""
    for _ in range(2):
        results = convert(source, source / "out", to="npz", dataset="w", on_error="report")
    assert all("out" not in Path(result.source).parts for result in results)
    assert "out/out" not in str(names_in(source))


def test_nothing_to_convert(tmp_path: Path) -> None:
    """A folder without a file that can be converted is an error, not a success."""
    (tmp_path / "source").mkdir()
    with pytest.raises(tsr.ConversionError, match="nothing in the folder can be converted"):
        convert(tmp_path / "source", tmp_path / "out")


def test_progress(source: Path, tmp_path: Path) -> None:
    """Progress comes before each tensor, or file of a folder, and after the last."""
    calls: list[tuple[int, int, str]] = []

    def progress(*call: Any) -> None:
        calls.append(call)

    convert(source / "many.npz", tmp_path / "x.pt", progress=progress)
    assert calls == [(0, 2, "x"), (1, 2, "y"), (2, 2, "")]
    calls.clear()
    convert(source / "sub", tmp_path / "out", progress=progress)
    names = [str(source / "sub" / "b.NPY"), str(source / "sub" / "deep" / "c.tsr"), ""]
    assert calls == [(i, 2, name) for i, name in enumerate(names)]


def test_relative_paths(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths without a folder are in the current one."""
    monkeypatch.chdir(source)
    convert("a.npy", "x.tsr")
    convert("many.npz", "x")
    convert("x", "x.pt")
    convert(Path("a.npy"), "./sub")
    assert {"x.tsr", "x/x.tsr", "x.pt", "sub/a.tsr"} <= {*names_in(Path())}


def test_full_disk(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves neither a new file nor a changed old one."""
    target = tmp_path / "x.npy"
    target.write_text("mine")

    def fail(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        convert(source / "a.npy", target, overwrite=True)
    monkeypatch.undo()
    assert target.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "x.npy"]


@pytest.mark.parametrize("options", [{"to": "npy"}, {"to": "tsr"}, {"to": "pt"}])
def test_suffix_that_contradicts(source: Path, tmp_path: Path, options: Any) -> None:
    """A destination that ends like a file of another format than `to` is refused."""
    with pytest.raises(tsr.ConversionError, match=r"ends with \.npz, and to="):
        convert(source / "many.npz", tmp_path / "x.npz", **options)
    convert(source / "many.npz", tmp_path / "x.pth", to="pt")
    convert(source / "many.npz", f"{tmp_path}/x.npz/", to="pt")
    assert (tmp_path / "x.npz" / "many.pt").exists()


@pytest.mark.parametrize("path", ["", 3, None, "a\0b", b"a\0b", "\ud800", ["x"]])
def test_what_is_no_path(source: Path, path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be a path is an UnsupportedError, as source and as destination."""
    monkeypatch.chdir(source)
    with pytest.raises(tsr.UnsupportedError, match=r"dst: got .*, expected a path"):
        convert("a.npy", path)
    with pytest.raises(tsr.UnsupportedError, match=r"src: got .*, expected a path"):
        convert(path, "x.tsr")


def test_parents_are_removed_again(source: Path, tmp_path: Path) -> None:
    """A conversion that is refused leaves no folder that it made, and all that was there."""
    (tmp_path / "there").mkdir()
    np.save(source / "d.npy", np.array([0.1]))
    choices: list[dict[str, Any]] = [{}, {"cast": "float32"}]
    for options in choices:
        with pytest.raises(tsr.ConversionError):
            convert(source / "d.npy", tmp_path / "there" / "a" / "b" / "x.tsr", **options)
        with pytest.raises(tsr.ConversionError):
            convert(source / "d.npy", f"{tmp_path}/new/../there/c/x.tsr", **options)
    assert names_in(tmp_path / "there") == os.listdir(tmp_path / "there") == []
    convert(source / "a.npy", f"{tmp_path}/new/../there/c/x.tsr")
    assert names_in(tmp_path / "there") == ["c/x.tsr"]


def test_parent_that_is_a_file(source: Path) -> None:
    """A file where a folder should be is the system's error."""
    with pytest.raises(OSError, match=r"one\.pt"):
        convert(source / "a.npy", source / "one.pt" / "b" / "x.tsr")


def test_durable_parents(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `durable` each folder that was made is synced, and the one it was made in."""
    synced = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    convert(source / "a.npy", tmp_path / "a" / "b" / "x.tsr", durable=True)
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")} <= {*synced}


def test_folders_that_cannot_be_walked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read and what is a link is reported, and the rest is converted."""
    scan = os.scandir

    def scandir(path: str) -> Any:
        if path == str(source / "sub" / "deep"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (source / "again").symlink_to("sub")
    (source / "out").symlink_to(tmp_path / "out")
    results = convert(source, tmp_path / "out", on_error="report")
    failed = {result.source: result.error for result in results if result.error is not None}
    assert failed.keys() == {str(source / "again"), str(source / "sub" / "deep")}
    assert isinstance(failed[str(source / "sub" / "deep")], PermissionError)
    assert "a symbolic link to a folder" in str(failed[str(source / "again")])
    assert "sub/b.tsr" in names_in(tmp_path / "out")


def test_folder_of_tensors_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of tensors is read whole or not at all, with a listing or without."""
    np.savez(tmp_path / "x.npz", w=AWKWARD)
    convert(tmp_path / "x.npz", tmp_path / "x")
    (tmp_path / "x" / "sub").mkdir()
    scan = os.scandir

    def scandir(path: str) -> Any:
        if path == str(tmp_path / "x" / "sub"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        convert(tmp_path / "x", tmp_path / "y.npz")
    (tmp_path / "x" / "tensors.json").unlink()
    with pytest.raises(PermissionError):
        convert(tmp_path / "x", tmp_path / "y.npz")


def test_file_that_takes_all_memory(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of many that is too much for the memory, or the stack, does not stop the others."""
    read = npy.read

    def fail(path: str, options: Any) -> Any:
        if path.endswith("a.npy"):
            raise MemoryError
        if path.endswith("b.NPY"):
            raise RecursionError
        return read(path, options)

    monkeypatch.setattr(npy, "read", fail)
    results = convert(source, tmp_path / "out", on_error="report")
    failed = {Path(result.source).name: str(result.error) for result in results if result.error}
    assert failed == {
        "a.npy": f"{source / 'a.npy'}: out of memory",
        "b.NPY": f"{source / 'sub' / 'b.NPY'}: nested too deeply",
    }
