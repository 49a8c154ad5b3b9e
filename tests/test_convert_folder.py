"""A folder of `.tsr` files: names, `tensors.json`, and folders that do not match theirs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tsr
from tests.converting import AWKWARD, assert_same
from tsr.converters import convert
from tsr.converters import folder as folder_module
from tsr.converters.names import FileNames, key_of, natural_order

STATE = {"fc1.weight": torch.from_numpy(AWKWARD), "fc1.bias": torch.zeros(2)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of two tensors."""
    torch.save({"model": STATE, "epoch": 3}, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "x")
    return tmp_path / "x"


def names_in(folder: Path) -> list[str]:
    """List the files in a folder and the folders in it."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_listing(folder: Path) -> None:
    """`tensors.json` is short and says all that the names of files cannot."""
    assert names_in(folder) == ["model/fc1.bias.tsr", "model/fc1.weight.tsr", "tensors.json"]
    assert (folder / "tensors.json").read_text() == (
        "{\n"
        '  "format": "tsr-folder",\n'
        '  "version": 1,\n'
        '  "metadata": {"format": "pt"},\n'
        '  "tree": {\n'
        '    "dict": {\n'
        '      "model": {"dict": {"fc1.weight": "model/fc1.weight.tsr", '
        '"fc1.bias": "model/fc1.bias.tsr"}},\n'
        '      "epoch": 3\n'
        "    }\n"
        "  }\n"
        "}\n"
    )


keys = st.text(max_size=8) | st.integers(-9, 9)


@given(st.lists(st.lists(keys, min_size=1, max_size=3).map(tuple), max_size=8, unique=True))
def test_names(paths: list[tuple[Any, ...]]) -> None:
    """Every key gets a name of its own, on any file system, that never leaves the folder."""
    names = FileNames()
    given_names = [names.path(keys) for keys in paths]
    lowered = [name.lower() for name in given_names]
    assert len({*lowered, "tensors.json"}) == len(paths) + 1
    for name, path in zip(given_names, paths, strict=True):
        parts = name.split("/")
        assert name.isascii()
        assert len(parts) == len(path)
        assert not any(part.startswith(".") or len(part) > 255 for part in parts)
        assert not {"", ".", ".."} & {*parts}
        assert key_of(parts[-1].removesuffix(".tsr")) == str(path[-1])
        assert names.path(path) == name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("fc1.weight", "fc1.weight.tsr"), ("", "%.tsr"), (".", "%2E.tsr"), ("..", "%2E..tsr"),
        (".hidden", "%2Ehidden.tsr"), ("a/b", "a%2Fb.tsr"), ("a b", "a%20b.tsr"), (7, "7.tsr"),
        ("%", "%25.tsr"), ("ü", "%C3%BC.tsr"), ("\ud800", "%ED%A0%80.tsr"), ("-x", "-x.tsr"),
    ],
)  # fmt: skip
def test_name(key: Any, name: str) -> None:
    """The names that typical and untypical keys get."""
    assert FileNames().path((key,)) == name


def test_names_that_collide() -> None:
    """Names that a file system may take for the same are told apart."""
    names = FileNames()
    assert names.path(("a",)) == "a.tsr"
    assert names.path(("A",)) == "%41.tsr"
    assert names.path(("1",)) == "1.tsr"
    assert names.path((1,)) == "%31.tsr"
    assert names.path(("a.tsr", "x")) == "%61%2E%74%73%72/x.tsr"
    assert names.path(("tensors.json", "x")) == "%74%65%6E%73%6F%72%73%2E%6A%73%6F%6E/x.tsr"


def test_long_names() -> None:
    """Keys that are too long for a file name, and differ at their end only, are told apart."""
    names = FileNames()
    first, second = names.path(("x" * 5000 + "1",)), names.path(("x" * 5000 + "2",))
    assert first != second
    assert len(first) < 255


def test_natural_order() -> None:
    """Numbers in names count as numbers."""
    names = ["b", "a10", "a9", "10", "9", "a", "a9b", ""]
    assert sorted(names, key=natural_order) == ["", "9", "10", "a", "a9", "a9b", "a10", "b"]


def test_without_listing(tmp_path: Path) -> None:
    """Files and folders without a `tensors.json` are read by their names, in natural order."""
    source = tmp_path / "source"
    for name in ["layer10.tsr", "layer2.tsr", "sub/a%2Fb.tsr", "sub/%.tsr"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        tsr.save(source / name, AWKWARD)
    (source / "notes.txt").write_text("no tensor")
    (source / ".tsr").write_text("hidden")
    (source / "nothing").mkdir()
    convert(source, tmp_path / "x.pt")
    found = torch.load(tmp_path / "x.pt")
    assert list(found) == ["layer2", "layer10", "sub"]
    assert list(found["sub"]) == ["", "a/b"]


@pytest.mark.parametrize("kind", ["empty", "twice", "link"])
def test_without_listing_refused(tmp_path: Path, kind: str) -> None:
    """A folder without tensors, or whose names do not tell them apart, is refused."""
    source = tmp_path / "source"
    source.mkdir()
    if kind == "twice":
        tsr.save(source / "a%62.tsr", AWKWARD)
        tsr.save(source / "ab.tsr", AWKWARD)
    elif kind == "link":
        (source / "loop").symlink_to(source)
    message = {"empty": "no .tsr file", "twice": "called 'ab'", "link": "symbolic link"}[kind]
    with pytest.raises(tsr.ConversionError, match=message):
        convert(source, tmp_path / "x.pt")


def rewrite(folder: Path, tree: Any, **entries: Any) -> None:
    """Write another `tensors.json`."""
    value = {"format": "tsr-folder", "version": 1, "tree": tree, **entries}
    (folder / "tensors.json").write_text(json.dumps(value))


BOTH = {"a": "model/fc1.weight.tsr", "b": "model/fc1.bias.tsr"}
PATHS = ["../x.tsr", "/etc/x.tsr", "model/../model/fc1.bias.tsr", "./x.tsr", "model//x.tsr", "",
         "model/fc1.bias", "tensors.json", "..", "x\0.tsr", "model/fc1.weight.tsr"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_elsewhere(folder: Path, path: str) -> None:
    """A path that is none of a file in the folder, or comes twice, is refused."""
    tsr.save(folder.parent / "x.tsr", AWKWARD)
    rewrite(folder, {"dict": {**BOTH, "c": path}})
    with pytest.raises(tsr.ConversionError, match=r"expected (one of )?a|is not in the folder"):
        convert(folder, folder.parent / "y.pt")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_symbolic_links(folder: Path, what: str) -> None:
    """A symbolic link that leads out of the folder is refused, wherever in the path."""
    tsr.save(folder.parent / "secret.tsr", AWKWARD)
    if what == "file":
        (folder / "link.tsr").symlink_to(folder.parent / "secret.tsr")
        path = "link.tsr"
    else:
        (folder / "link").symlink_to(folder.parent)
        path = "link/secret.tsr"
    rewrite(folder, {"dict": {**BOTH, "c": path}})
    with pytest.raises(tsr.ConversionError, match="behind a symbolic link"):
        convert(folder, folder.parent / "y.pt")


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({"set": []}, id="kind"),
        pytest.param({}, id="empty-object"),
        pytest.param([], id="bare-list"),
        pytest.param({"dict": [["a"]]}, id="no-pair"),
        pytest.param({"dict": [[1.5, 1]]}, id="float-key"),
        pytest.param({"dict": [[True, 1]]}, id="bool-key"),
        pytest.param({"dict": [[1, 1], [1, 1]]}, id="pair-twice"),
        pytest.param({"dict": 3}, id="no-dict"),
        pytest.param({"list": {}}, id="no-list"),
        pytest.param({"str": 3}, id="no-str"),
        pytest.param({"float": "xyz"}, id="no-float"),
        pytest.param({"float": "00"}, id="short-float"),
        pytest.param({"dict": {}, "_metadata": None}, id="notes-of-a-dict"),
        pytest.param({"OrderedDict": {}, "_metadata": "model/fc1.bias.tsr"}, id="tensor-in-notes"),
        pytest.param({"dict": {}, "list": []}, id="two-kinds"),
        pytest.param(json.loads("[" * 900 + "]" * 900), id="deep-list"),
    ],
)
def test_no_tree(folder: Path, tree: Any) -> None:
    """A tree that this package would not write is refused, with the path of the listing."""
    rewrite(folder, tree)
    with pytest.raises(tsr.ConversionError, match=r"not readable as a tensors\.json") as caught:
        convert(folder, folder.parent / "y.pt")
    assert caught.value.path == str(folder / "tensors.json")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="list"),
        pytest.param("{", id="cut"),
        pytest.param('{"format": "tsr-folder", "version": 2, "tree": {"dict": {}}}', id="version"),
        pytest.param('{"format": "other", "version": 1, "tree": {"dict": {}}}', id="format"),
        pytest.param('{"format": "tsr-folder", "version": 1}', id="no-tree"),
        pytest.param('{"format": "tsr-folder", "version": 1, "tree": NaN}', id="nan"),
        pytest.param(
            '{"format": "tsr-folder", "version": 1, "tree": {"dict": {}}, "tree": {"dict": {}}}',
            id="key-twice",
        ),
        pytest.param(
            '{"format": "tsr-folder", "version": 1, "tree": {"dict": {}}, "more": 1}', id="more"
        ),
        pytest.param(
            '{"format": "tsr-folder", "version": 1, "tree": {"dict": {}}, "metadata": {"a": 1}}',
            id="metadata",
        ),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"version": ' + "9" * 5000 + "}", id="huge-int"),
    ],
)
def test_no_listing(folder: Path, text: str) -> None:
    """A `tensors.json` that is no listing is refused, with its path."""
    (folder / "tensors.json").write_text(text)
    with pytest.raises(tsr.ConversionError, match=r"not readable as a tensors\.json") as caught:
        convert(folder, folder.parent / "y.pt")
    assert caught.value.path == str(folder / "tensors.json")


def test_unlisted(folder: Path) -> None:
    """A file that the listing does not know is not left out unasked."""
    tsr.save(folder / "model" / "more.tsr", AWKWARD)
    with pytest.raises(tsr.ConversionError, match=r"does not list model/more\.tsr"):
        convert(folder, folder.parent / "y.pt")


def test_missing_and_broken_files(folder: Path) -> None:
    """A file that is gone is named, and a broken one is a FormatError."""
    (folder / "model" / "fc1.bias.tsr").write_bytes(b"TSR!")
    with pytest.raises(tsr.FormatError, match=r"fc1\.bias\.tsr.*V1-SIZE-1"):
        convert(folder, folder.parent / "y.pt")
    (folder / "model" / "fc1.bias.tsr").unlink()
    with pytest.raises(tsr.ConversionError, match=r"'model/fc1\.bias\.tsr' is not in the folder"):
        convert(folder, folder.parent / "y.pt")


def test_existing_folder(folder: Path) -> None:
    """A folder with something in it is replaced only if asked, and then whole."""
    other = folder.parent / "other.pt"
    torch.save({"w": torch.ones(2)}, other)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        convert(other, folder)
    assert "model/fc1.bias.tsr" in names_in(folder)
    convert(other, folder, overwrite=True, durable=True)
    assert names_in(folder) == ["tensors.json", "w.tsr"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["other.pt", "x", "x.pt"]


def test_other_things_are_not_deleted(folder: Path) -> None:
    """Not even `overwrite` replaces a folder that holds more than tensors."""
    (folder / "model" / "thesis.txt").write_text("years of work")
    with pytest.raises(tsr.ConversionError, match=r"is not replaced.*thesis\.txt"):
        convert(folder.parent / "x.pt", folder, overwrite=True)
    (folder / "model" / "thesis.txt").unlink()
    (folder / "tensors.json").unlink()
    with pytest.raises(tsr.ConversionError, match=r"is not replaced.*no tensors\.json"):
        convert(folder.parent / "x.pt", folder, overwrite=True)


def test_empty_folder(tmp_path: Path) -> None:
    """An empty folder takes what comes, and keeps its place behind a symbolic link."""
    torch.save(STATE, tmp_path / "x.pt")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    convert(tmp_path / "x.pt", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert names_in(tmp_path / "real") == ["fc1.bias.tsr", "fc1.weight.tsr", "tensors.json"]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("destination", "to"),
    [
        pytest.param("x/model/fc1.bias.tsr", "tsr4", id="a-tensor"),
        pytest.param("x/all.tsr", "tsr4", id="tsr4"),
        pytest.param("x/all.npz", None, id="npz"),
        pytest.param("x/new/all.safetensors", None, id="new-folder"),
        pytest.param("x/tensors.json", "pt", id="listing"),
        pytest.param("x/", "pt", id="into"),
        pytest.param("link/all.pt", None, id="through-a-link"),
    ],
)
def test_destination_inside_source(
    folder: Path, destination: str, to: str | None, listed: bool
) -> None:
    """A file neither replaces what is in its source nor joins it."""
    (folder.parent / "link").symlink_to(folder)
    if not listed and destination != "x/":  # that would be a file for each tensor
        (folder / "tensors.json").unlink()
    before = {name: (folder / name).read_bytes() for name in names_in(folder)}
    target = f"{folder.parent}/{destination}"
    with pytest.raises(tsr.ConversionError, match="lies inside the other"):
        convert(folder, target, to=to, lossy=True, overwrite=True)
    assert {name: (folder / name).read_bytes() for name in names_in(folder)} == before


def test_destination_inside_one_of_the_sources(folder: Path) -> None:
    """Of all files in a folder none goes to a folder of tensors that is among the sources."""
    before = names_in(folder.parent)
    with pytest.raises(tsr.ConversionError, match="lies inside it") as caught:
        convert(folder.parent, folder / "new", to="pt", overwrite=True)
    assert caught.value.path == str(folder)
    assert names_in(folder.parent) == before


def test_failure_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle leaves the old folder as it was and no new one."""
    before = {name: (folder / name).read_bytes() for name in names_in(folder)}
    tree = {"a": torch.ones(2), "b": torch.tensor([0.5], dtype=torch.float64) / 3}
    torch.save(tree, folder.parent / "y.pt")
    with pytest.raises(tsr.ConversionError, match=r"b: cast='float32' would change a value"):
        convert(folder.parent / "y.pt", folder, cast="float32", overwrite=True)
    rename, calls = os.rename, []

    def fail_once(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError("no more")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OSError, match="no more"):
        convert(folder.parent / "x.pt", folder, overwrite=True)
    assert {name: (folder / name).read_bytes() for name in names_in(folder)} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["x", "x.pt", "y.pt"]


def test_copy(folder: Path) -> None:
    """A folder converts to a folder: a copy that was checked on the way."""
    convert(folder, folder.parent / "copy")
    assert names_in(folder.parent / "copy") == names_in(folder)
    for name in names_in(folder):
        assert (folder.parent / "copy" / name).read_bytes() == (folder / name).read_bytes()


def test_folder_with_listings_inside(folder: Path) -> None:
    """A folder in a folder keeps the order that its own listing gives."""
    convert(folder.parent / "x.pt", folder.parent / "outer" / "state", dataset="model")
    convert(folder.parent / "outer", folder.parent / "y.pt")
    found = torch.load(folder.parent / "y.pt")
    assert [(name, list(state)) for name, state in found.items()] == [("state", list(STATE))]


def test_part(folder: Path) -> None:
    """A folder in a folder of tensors is one by itself."""
    convert(folder / "model", folder.parent / "model.npz")
    with np.load(folder.parent / "model.npz") as found:
        assert_same(found["fc1.weight"], AWKWARD)


def test_empty_folder_stays_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder keeps its inode and mode, so that it may be the current one."""
    torch.save(STATE, tmp_path / "x.pt")
    (tmp_path / "here").mkdir(0o700)
    before = os.stat(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    convert("../x.pt", ".", durable=True)
    after = os.stat(tmp_path / "here")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir()) == ["fc1.bias.tsr", "fc1.weight.tsr", "tensors.json"]


def test_empty_folder_is_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure while an empty folder is filled takes out what was put in."""
    torch.save(STATE, tmp_path / "x.pt")
    (tmp_path / "x").mkdir()
    rename = os.rename

    def fail(source: str, target: str) -> None:
        if target == str(tmp_path / "x" / "tensors.json"):
            assert len(os.listdir(tmp_path / "x")) == 3  # the tensors came first
            raise OSError("no more")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no more"):
        convert(tmp_path / "x.pt", tmp_path / "x")
    assert os.listdir(tmp_path / "x") == []


def test_replaced_folder_keeps_its_mode(folder: Path) -> None:
    """What only its owner could look into stays so when it is replaced."""
    folder.chmod(0o700)
    convert(folder.parent / "x.pt", folder, overwrite=True, dataset="model")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert names_in(folder) == ["fc1.bias.tsr", "fc1.weight.tsr", "tensors.json"]


@pytest.mark.parametrize("inside", ["", "model"])
def test_current_folder_is_not_replaced(
    folder: Path, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with something in it is not replaced while this process is in it."""
    monkeypatch.chdir(folder / inside)
    with pytest.raises(tsr.ConversionError, match="it is the current folder or has it inside"):
        convert(folder.parent / "x.pt", folder, overwrite=True)
    assert "tensors.json" in names_in(folder)


def foreign_tensor(folder: Path) -> None:
    """Put a tensor there that is not listed."""
    tsr.save(folder / "mine.tsr", AWKWARD)


def foreign_link(folder: Path) -> None:
    """Replace a listed file by a symbolic link."""
    (folder / "model" / "fc1.bias.tsr").rename(folder.parent / "bias.tsr")
    (folder / "model" / "fc1.bias.tsr").symlink_to(folder.parent / "bias.tsr")


def foreign_folder(folder: Path) -> None:
    """Put an empty folder there."""
    (folder / "empty").mkdir()


def foreign_listing(folder: Path) -> None:
    """Have the listing take another file for a tensor."""
    (folder / "thesis.txt").write_text("years of work")
    rewrite(folder, {"dict": {**BOTH, "c": "thesis.txt"}})


@pytest.mark.parametrize(
    ("put", "found"),
    [
        pytest.param(foreign_tensor, "it has mine.tsr", id="tensor"),
        pytest.param(foreign_link, "it has model/fc1.bias.tsr", id="link"),
        pytest.param(foreign_folder, "it has the folder empty", id="folder"),
        pytest.param(foreign_listing, "thesis.txt", id="listing"),
    ],
)
def test_only_what_is_listed_is_replaced(folder: Path, put: Any, found: str) -> None:
    """Not even `overwrite` deletes what the listing does not name as a tensor."""
    put(folder)
    before = names_in(folder)
    with pytest.raises(tsr.ConversionError, match=found):
        convert(folder.parent / "x.pt", folder, overwrite=True)
    assert names_in(folder) == before


def test_old_folder_that_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the new folder is in place, nothing about the old one is a failure."""

    def fail(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (folder / "model").chmod(0o500)
    convert(folder.parent / "x.pt", folder, overwrite=True, dataset="model")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["x", "x.pt"]
    monkeypatch.setattr(os, "chmod", fail)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    monkeypatch.setattr("tsr.converters.folder.walk", fail)
    old = folder.parent / "old"
    old.mkdir()
    folder_module._remove(str(old))
    assert old.exists()


def test_suffix_in_any_case(tmp_path: Path) -> None:
    """A folder without a listing has files whose suffix is in capitals, too."""
    (tmp_path / "source").mkdir()
    tsr.save(tmp_path / "source" / "a.tsr", AWKWARD)
    tsr.save(tmp_path / "source" / "B.TSR", AWKWARD[:2])
    convert(tmp_path / "source", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as found:
        assert sorted(found) == ["B", "a"]


def test_unlisted_suffix_in_any_case(folder: Path) -> None:
    """A file that the listing does not know is met whatever the case of its suffix."""
    tsr.save(folder / "B.TSR", AWKWARD)
    with pytest.raises(tsr.ConversionError, match=r"does not list B\.TSR"):
        convert(folder, folder.parent / "y.pt")


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_deep_listing(folder: Path, kind: str) -> None:
    """A listing that nests deeper than any reader follows is refused with its path."""
    tree: Any = "model/fc1.bias.tsr"
    for _ in range(200):
        tree = {"list": [tree]} if kind == "list" else {"dict": {"a": tree}}
    rewrite(folder, tree)
    with pytest.raises(tsr.ConversionError, match="nested deeper than 100") as caught:
        convert(folder, folder.parent / "y.pt")
    assert caught.value.path == str(folder / "tensors.json")


def test_deep_folders(tmp_path: Path) -> None:
    """Folders that nest deeper than any reader follows are refused, with a listing or without."""
    deepest = tmp_path / "source" / os.path.join(*"a" * 150)
    deepest.mkdir(parents=True)
    tsr.save(deepest / "x.tsr", AWKWARD)
    with pytest.raises(tsr.ConversionError, match="nested deeper than 100"):
        convert(tmp_path / "source", tmp_path / "y.pt")
    (result,) = convert(tmp_path / "source", tmp_path / "out", to="npy", on_error="report")
    assert "nested deeper than 100" in str(result.error)
    rewrite(tmp_path / "source", {"dict": {}})
    with pytest.raises(tsr.ConversionError, match="nested deeper than 100"):
        convert(tmp_path / "source", tmp_path / "y.pt")


def test_many_entries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than any checkpoint has are refused, with a listing or without."""
    monkeypatch.setattr("tsr.converters.tree.ENTRIES_MAX", 3)
    with pytest.raises(tsr.ConversionError, match="more than 3 entries"):
        convert(folder, folder.parent / "y.pt")
    tsr.save(folder / "model" / "more.tsr", AWKWARD)
    tsr.save(folder / "model" / "most.tsr", AWKWARD)
    with pytest.raises(tsr.ConversionError, match="more than 3 entries"):
        convert(folder / "model", folder.parent / "y.pt")


def test_errors_show_the_path_as_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system names the place that was asked for, not one used on the way."""
    monkeypatch.chdir(folder.parent)
    Path("link").symlink_to("x")
    with pytest.raises(FileExistsError) as caught:
        convert("x.pt", "link")
    assert caught.value.filename == "link"

    def fail(path: str, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(PermissionError) as caught_too:
        convert("x.pt", "new")
    assert caught_too.value.filename == "new"
