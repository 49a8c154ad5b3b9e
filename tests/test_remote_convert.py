"""Converting where a URL is among source, destination and names: all ends, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import tsr
from tests.remote_servers import S3Server, s3_server

ARRAYS = {
    "weight": np.arange(6, dtype="float32").reshape(2, 3),
    "bias": np.arange(3, dtype="float32"),
}
X = np.arange(5, dtype="int32")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Run an S3 server for the tests of this module."""
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def memory() -> Iterator[Any]:
    """Empty what is in memory://."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have temporary files in a folder, which has to be empty in the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert os.listdir(folder) == []


def names_in(fs: Any, url: str) -> list[str]:
    """Give the names of all objects below a URL."""
    start = fs._strip_protocol(url) + "/"
    return sorted(name.removeprefix(start) for name in fs.find(url))


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Make a file of two named tensors."""
    path = tmp_path / "model.npz"
    np.savez(path, weight=ARRAYS["weight"], bias=ARRAYS["bias"])
    return str(path)


def test_url_to_url(s3: S3Server, tmp_path: Path) -> None:
    """From S3 to S3: the same bytes as on the disk, and the result names both URLs."""
    np.save(tmp_path / "x.npy", X)
    url = s3.put("one/x.npy", (tmp_path / "x.npy").read_bytes())
    found = tsr.convert(url, "s3://bucket/one/x.tsr", storage_options=s3.options)
    assert found == [tsr.converters.Conversion(url, "s3://bucket/one/x.tsr", 1)]
    assert s3.get("one/x.tsr") == tsr.dumps(X)


def test_local_to_url_and_back(tmp_path: Path, memory: Any) -> None:
    """One end may be a path."""
    np.save(tmp_path / "x.npy", X)
    tsr.convert(tmp_path / "x.npy", "memory://d/")
    assert memory.cat("/d/x.tsr") == tsr.dumps(X)
    tsr.convert("memory://d/x.tsr", tmp_path / "y.npy")
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()


def test_existing_is_kept(tmp_path: Path, memory: Any) -> None:
    """Without overwrite what is there stays, and its source is not even read."""
    memory.pipe("/d/x.npy", b"nothing that anybody reads")
    memory.pipe("/d/x.tsr", b"old")
    with pytest.raises(FileExistsError, match="overwrite=True") as raised:
        tsr.convert("memory://d/x.npy", "memory://d/x.tsr")
    assert raised.value.filename == "memory://d/x.tsr"
    with pytest.raises(tsr.ConversionError, match=r"memory://d/x\.npy: not readable") as broken:
        tsr.convert("memory://d/x.npy", "memory://d/x.tsr", overwrite=True)
    assert str(tmp_path) not in str(broken.value)
    assert memory.cat("/d/x.tsr") == b"old"
    np.save(tmp_path / "x.npy", X)
    tsr.convert(tmp_path / "x.npy", "memory://d/x.tsr", overwrite=True)
    assert memory.cat("/d/x.tsr") == tsr.dumps(X)


def test_folder_of_tensors(s3: S3Server, model: str, tmp_path: Path) -> None:
    """Tensors by name become a folder, whose listing is sent last, and one file again."""
    s3.asked.clear()
    url = "s3://bucket/named/model"
    [made] = tsr.convert(model, url, storage_options=s3.options)
    assert (made.destination, made.tensors) == (url, 2)
    puts = [asked.path for asked in s3.asked if asked.method == "PUT"]
    assert sorted(puts[:-1]) == ["/bucket/named/model/bias.tsr", "/bucket/named/model/weight.tsr"]
    assert puts[-1] == "/bucket/named/model/tensors.json"
    tsr.convert(url, tmp_path / "back.npz", storage_options=s3.options)
    assert (tmp_path / "back.npz").read_bytes() == Path(model).read_bytes()


def test_folder_is_replaced(model: str, tmp_path: Path, memory: Any) -> None:
    """A folder of tensors is replaced if asked for; one with other things in it never."""
    tsr.convert(model, "memory://d/model")
    other = tmp_path / "other.npz"
    np.savez(other, bias=X, new=X)
    with pytest.raises(FileExistsError, match="overwrite=True") as raised:
        tsr.convert(other, "memory://d/model")
    assert raised.value.filename == "memory://d/model"
    memory.pipe("/d/model/notes.txt", b"mine")
    with pytest.raises(tsr.ConversionError, match=r"memory://d/model: .* it has notes\.txt"):
        tsr.convert(other, "memory://d/model", overwrite=True)
    memory.rm("/d/model/notes.txt")
    assert names_in(memory, "memory://d") == [
        "model/bias.tsr", "model/tensors.json", "model/weight.tsr"
    ]  # fmt: skip
    tsr.convert(other, "memory://d/model", overwrite=True)
    assert names_in(memory, "memory://d") == [
        "model/bias.tsr", "model/new.tsr", "model/tensors.json"
    ]  # fmt: skip
    assert memory.cat("/d/model/bias.tsr") == tsr.dumps(X)
    assert json.loads(memory.cat("/d/model/tensors.json"))["tree"] == {
        "dict": {"bias": "bias.tsr", "new": "new.tsr"}
    }


@pytest.mark.parametrize("which", ["new.tsr", "tensors.json"])
def test_folder_that_storage_refuses(
    model: str, tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Storage that refuses one of the files keeps the folder that it had, and nothing else."""
    tsr.convert(model, "memory://d/model")
    before = {name: memory.cat(f"/d/{name}") for name in names_in(memory, "memory://d")}
    other = tmp_path / "other.npz"
    np.savez(other, bias=X, new=X)
    kind = type(memory)
    put = kind.pipe_file

    def pipe_file(self: Any, path: str, *args: Any, **kwargs: Any) -> None:
        if path.endswith(which):
            raise PermissionError("no room here")
        put(self, path, *args, **kwargs)

    monkeypatch.setattr(kind, "pipe_file", pipe_file)
    with pytest.raises(PermissionError):
        tsr.convert(other, "memory://d/model", overwrite=True)
    with pytest.raises(PermissionError):
        tsr.convert(other, "memory://d/fresh")
    assert {name: memory.cat(f"/d/{name}") for name in names_in(memory, "memory://d")} == before


def test_names(model: str, tmp_path: Path, memory: Any) -> None:
    """Names go to a URL beside a TSR4 file and are read from there, whichever ends are local."""
    tsr.convert(model, "memory://d/m.tsr", to="tsr4", names="memory://d/m.json")
    tsr.convert(model, tmp_path / "m.tsr", to="tsr4", names=tmp_path / "m.json")
    assert memory.cat("/d/m.tsr") == (tmp_path / "m.tsr").read_bytes()
    assert memory.cat("/d/m.json") == (tmp_path / "m.json").read_bytes()
    tsr.convert(model, "memory://e/m.tsr", to="tsr4", names=tmp_path / "n" / "m.json")
    assert (tmp_path / "n" / "m.json").read_bytes() == memory.cat("/d/m.json")
    tsr.convert(model, tmp_path / "o.tsr", to="tsr4", names="memory://e/m.json")
    assert memory.cat("/e/m.json") == memory.cat("/d/m.json")
    for names in ("memory://d/m.json", tmp_path / "m.json"):
        tsr.convert("memory://d/m.tsr", tmp_path / "b.npz", names=names, overwrite=True)
        assert (tmp_path / "b.npz").read_bytes() == Path(model).read_bytes()


def test_names_that_cannot_be_written(model: str, tmp_path: Path, memory: Any) -> None:
    """Where the names find no place, no tensors are left either; where they exist, none begin."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError, match="File exists"):
        tsr.convert(model, "memory://d/m.tsr", to="tsr4", names=tmp_path / "file" / "m.json")
    assert memory.find("memory://d") == []
    memory.pipe("/d/m.json", b"old")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        tsr.convert(model, tmp_path / "m.tsr", to="tsr4", names="memory://d/m.json")
    assert not (tmp_path / "m.tsr").exists()
    with pytest.raises(tsr.ConversionError, match=r"m\.json"):
        tsr.convert(model, "memory://d/m.json", to="tsr4", names="memory://d/m.json")


def test_files_of_a_folder(s3: S3Server, model: str, tmp_path: Path) -> None:
    """Each file of a remote folder keeps its place, and one bad file is one error."""
    np.save(tmp_path / "x.npy", X)
    data = (tmp_path / "x.npy").read_bytes()
    for name in ("a.npy", "in/b.npy", ".hidden.npy", "notes.txt"):
        s3.put(f"runs/{name}", data)
    s3.put("runs/bad.npy", b"no array")
    tsr.convert(model, "s3://bucket/runs/in/model", storage_options=s3.options)
    seen: list[tuple[int, int, str]] = []
    found = tsr.convert(
        "s3://bucket/runs", "s3://bucket/made", storage_options=s3.options, on_error="report",
        progress=lambda *state: seen.append(state),
    )  # fmt: skip
    assert [(one.source, one.destination, one.tensors) for one in found] == [
        ("s3://bucket/runs/a.npy", "s3://bucket/made/a.tsr", 1),
        ("s3://bucket/runs/bad.npy", None, 0),
        ("s3://bucket/runs/in/b.npy", "s3://bucket/made/in/b.tsr", 1),
        ("s3://bucket/runs/in/model", "s3://bucket/made/in/model", 2),
    ]
    assert str(found[1].error).startswith("s3://bucket/runs/bad.npy: not readable as an .npy")
    assert seen[0] == (0, 4, "s3://bucket/runs/a.npy")
    assert seen[-1] == (4, 4, "")
    assert s3.get("made/in/b.tsr") == tsr.dumps(X)
    assert s3.get("made/in/model/bias.tsr") == tsr.dumps(ARRAYS["bias"])
    with pytest.raises(tsr.ConversionError, match=r"5 of 5|4 of 4 files were not converted"):
        tsr.convert("s3://bucket/runs", "s3://bucket/made/", storage_options=s3.options)
    tsr.convert("s3://bucket/runs/in", tmp_path / "local", storage_options=s3.options)
    assert sorted(path.name for path in (tmp_path / "local").rglob("*.tsr")) == [
        "b.tsr", "bias.tsr", "weight.tsr"
    ]  # fmt: skip


def test_local_folder_to_url(tmp_path: Path, memory: Any) -> None:
    """Each file of a local folder goes behind a URL."""
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", X)
    found = tsr.convert(tmp_path, "memory://made/", to=".safetensors", dataset="x")
    assert [one.destination for one in found] == [
        "memory://made/a.safetensors", "memory://made/b.safetensors"
    ]  # fmt: skip
    assert names_in(memory, "memory://made") == ["a.safetensors", "b.safetensors"]


def test_what_makes_no_sense(tmp_path: Path, memory: Any) -> None:
    """Places that cannot be are refused before anything is read."""
    np.save(tmp_path / "x.npy", X)
    for url in ("https://example.org/x.tsr", "zip://x.tsr::memory://a.zip"):
        with pytest.raises(tsr.UnsupportedError, match="can only be read"):
            tsr.convert(tmp_path / "x.npy", url)
    memory.pipe("/d/x.npy", b"")
    with pytest.raises(tsr.ConversionError, match="the same"):
        tsr.convert("memory://d/x.npy", "memory://d/x.npy")
    with pytest.raises(tsr.ConversionError, match=r"nothing writes \.xyz files"):
        tsr.convert("memory://d/x.npy", "memory://d/x.xyz")
    with pytest.raises(FileNotFoundError) as raised:
        tsr.convert("memory://d/none.npy", tmp_path / "y.tsr")
    assert raised.value.filename == "memory://d/none.npy"
    with pytest.raises(tsr.UnsupportedError, match="storage_options"):
        tsr.convert(tmp_path / "x.npy", tmp_path / "x.tsr", storage_options={"key": "x"})


def test_names_of_objects_stay_inside(tmp_path: Path, s3: S3Server) -> None:
    """An object whose name leads out of its folder is refused, and no such file is made."""
    s3.put("evil/tensors.json", b"{}")
    s3.put("evil/a//b.tsr", tsr.dumps(X))
    with pytest.raises(tsr.ConversionError, match=r"evil/a//b\.tsr: no file can have this name"):
        tsr.convert("s3://bucket/evil", tmp_path / "x.npz", storage_options=s3.options)


def test_file_url_is_a_path(tmp_path: Path) -> None:
    """A URL of file:// is the path in it."""
    np.save(tmp_path / "x.npy", X)
    tsr.convert(f"file://{tmp_path}/x.npy", f"file://{tmp_path}/x.tsr")
    assert (tmp_path / "x.tsr").read_bytes() == tsr.dumps(X)


def test_warning_names_the_url(model: str, memory: Any) -> None:
    """What a TSR4 file does not keep is warned of, and the warning names no copy."""
    memory.put_file(model, "/d/model.npz")
    with pytest.warns(tsr.ConversionWarning, match=r"^memory://d/model\.npz: TSR4 does not keep"):
        tsr.convert("memory://d/model.npz", "memory://d/m.tsr", to="tsr4")
