"""`.h5` <-> everything: groups, chunks, attributes, and links that lead elsewhere."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given

import tsr
from tests.converting import AWKWARD, assert_same, number_arrays
from tsr.converters import convert


def make(path: Path) -> Any:
    """Create a file."""
    return h5py.File(path, "w")


@given(number_arrays())
def test_round_trip(array: Any) -> None:
    """Any array of numbers goes to a dataset and back bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        np.save(path / "x.npy", array)
        convert(path / "x.npy", path / "x.h5", dataset="group/w")
        with h5py.File(path / "x.h5") as file:
            assert_same(np.asarray(file["group/w"]), array)
        convert(path / "x.h5", path / "back.npy")
        assert_same(np.load(path / "back.npy"), array)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="contiguous"),
        pytest.param({"chunks": (3, 2, 4)}, id="chunked"),
        pytest.param({"chunks": True, "compression": "gzip", "shuffle": True}, id="compressed"),
        pytest.param({"chunks": (2, 2, 2), "maxshape": (None, None, None)}, id="resizable"),
    ],
)
def test_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any) -> None:
    """However a dataset is stored, it is read in order, in pieces much smaller than it."""
    monkeypatch.setattr("tsr.converters.tensor.PIECE_BYTES", 100)
    array = np.arange(7 * 5 * 9, dtype=">i4").reshape(7, 5, 9)
    with make(tmp_path / "x.h5") as file:
        file.create_dataset("w", data=array, **options)
    convert(tmp_path / "x.h5", tmp_path / "x.tsr")
    assert_same(tsr.load(tmp_path / "x.tsr"), array)
    convert(tmp_path / "x.h5", tmp_path / "y.h5")
    with h5py.File(tmp_path / "y.h5") as file:
        assert_same(np.asarray(file["w"]), array)


def test_never_filled(tmp_path: Path) -> None:
    """A dataset that was never written to has its fill value."""
    with make(tmp_path / "x.h5") as file:
        file.create_dataset("w", (3,), np.int32, fillvalue=7)
    convert(tmp_path / "x.h5", tmp_path / "x.tsr")
    assert_same(tsr.load(tmp_path / "x.tsr"), np.full(3, 7, np.int32))


def test_groups(tmp_path: Path) -> None:
    """Groups become folders and come back, with empty ones and the order of creation."""
    with h5py.File(tmp_path / "x.h5", "w", track_order=True) as file:
        file.create_group("z", track_order=True)["w"] = AWKWARD
        file["a"] = np.array(-0.0, np.float32)
        file.create_group("empty")
    convert(tmp_path / "x.h5", tmp_path / "x")
    assert (tmp_path / "x" / "z" / "w.tsr").exists()
    convert(tmp_path / "x", tmp_path / "back.hdf5")
    with h5py.File(tmp_path / "back.hdf5") as file:
        assert list(file) == ["z", "a", "empty"]
        assert_same(np.asarray(file["z/w"]), AWKWARD)
        assert_same(np.asarray(file["a"]), np.array(-0.0, np.float32))
        assert len(file["empty"]) == 0


def test_choose_a_dataset(tmp_path: Path) -> None:
    """One of several datasets is chosen by its path; so is a group."""
    with make(tmp_path / "x.h5") as file:
        file["g/a"], file["g/b"] = AWKWARD, AWKWARD[:1]
    with pytest.raises(tsr.ConversionError, match=r"dataset='\.\.\.' \(--dataset\) takes one"):
        convert(tmp_path / "x.h5", tmp_path / "x.tsr")
    convert(tmp_path / "x.h5", tmp_path / "x.tsr", dataset="g/b")
    assert_same(tsr.load(tmp_path / "x.tsr"), AWKWARD[:1])
    convert(tmp_path / "x.h5", tmp_path / "y.h5", dataset="g/a")
    with h5py.File(tmp_path / "y.h5") as file:
        assert list(file) == ["a"]
    convert(tmp_path / "x.h5", tmp_path / "z.npz", dataset="g")
    with np.load(tmp_path / "z.npz") as found:
        assert list(found) == ["a", "b"]


def test_name_for_a_single_array(tmp_path: Path) -> None:
    """A single array needs a name in a file of datasets."""
    np.save(tmp_path / "x.npy", AWKWARD)
    with pytest.raises(tsr.ConversionError, match=r"dataset='\.\.\.' \(--dataset\) names it"):
        convert(tmp_path / "x.npy", tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize("where", ["/", "g", "g/w"])
def test_attributes(tmp_path: Path, where: str) -> None:
    """Attributes are not dropped unasked."""
    with make(tmp_path / "x.h5") as file:
        file["g/w"] = AWKWARD
        file[where].attrs["unit"] = "m"
    with pytest.raises(tsr.ConversionError, match=r"attributes \(unit\) would be lost; lossy=True"):
        convert(tmp_path / "x.h5", tmp_path / "x")
    convert(tmp_path / "x.h5", tmp_path / "x", lossy=True)
    assert_same(tsr.load(tmp_path / "x" / "g" / "w.tsr"), AWKWARD)


LINKS = [
    pytest.param(h5py.ExternalLink("secret.h5", "/w"), id="external"),
    pytest.param(h5py.SoftLink("/w"), id="soft"),
    pytest.param(np.dtype(np.int32), id="datatype"),
]


@pytest.mark.parametrize("link", LINKS)
def test_links(tmp_path: Path, link: Any) -> None:
    """A link is never followed, out of the file or inside it."""
    with make(tmp_path / "secret.h5") as file:
        file["w"] = AWKWARD
    with make(tmp_path / "x.h5") as file:
        file["w"] = AWKWARD[:2]
        file["link"] = link
    with pytest.raises(tsr.ConversionError, match=r"/link: .* would be lost"):
        convert(tmp_path / "x.h5", tmp_path / "x")
    convert(tmp_path / "x.h5", tmp_path / "x", lossy=True)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["tensors.json", "w.tsr"]


def external_storage(file: Any) -> None:
    """Make a dataset whose bytes are those of another file."""
    file.create_dataset("w", (4,), "i1", external=[("secret.bin", 0, 4)])


def virtual(file: Any) -> None:
    """Make a dataset that shows one of another file."""
    layout = h5py.VirtualLayout((8,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "w", (8,))
    file.create_virtual_dataset("w", layout)


def cycle(file: Any) -> None:
    """Make a group that contains itself."""
    file.create_group("a/b")
    file["a/b/w"] = file["a"]


def enumeration(file: Any) -> None:
    """Make a dataset of named numbers."""
    file.create_dataset("w", (2,), h5py.enum_dtype({"red": 0, "blue": 1}, "i1"))


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        pytest.param(external_storage, "values are in other files", id="external-storage"),
        pytest.param(virtual, "values are in other files", id="virtual"),
        pytest.param(cycle, "a group that contains itself", id="cycle"),
        pytest.param(enumeration, "the names of an enumeration would be lost", id="enum"),
        pytest.param(lambda f: f.create_dataset("w", data="text"), "dtype object", id="text"),
        pytest.param(lambda f: f.create_dataset("w", (1,), "f4,i4"), "dtype", id="records"),
        pytest.param(
            lambda f: f.create_dataset("w", data=h5py.Empty("f4")), "without a value", id="null"
        ),
        pytest.param(
            lambda f: f.create_dataset("w", (1,), h5py.ref_dtype), "dtype object", id="reference"
        ),
    ],
)
def test_no_tree(tmp_path: Path, fill: Any, message: str) -> None:
    """What no tree holds is named with its place; nothing is written."""
    with make(tmp_path / "x.h5") as file:
        fill(file)
    with pytest.raises(tsr.ConversionError, match=message) as caught:
        convert(tmp_path / "x.h5", tmp_path / "x")
    assert caught.value.path == str(tmp_path / "x.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


def test_broken(tmp_path: Path) -> None:
    """A file cut anywhere is an error with its path."""
    with make(tmp_path / "whole.h5") as file:
        file.create_dataset("w", data=np.arange(5000), compression="gzip")
    data = (tmp_path / "whole.h5").read_bytes()
    for size in (0, 7, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "x.h5").write_bytes(data[:size])
        with pytest.raises(tsr.ConversionError, match="not readable as an HDF5 file") as caught:
            convert(tmp_path / "x.h5", tmp_path / "x.npy")
        assert caught.value.path == str(tmp_path / "x.h5")


def test_broken_chunk(tmp_path: Path) -> None:
    """Compressed bytes that do not decompress are an error with the dataset's name."""
    with make(tmp_path / "x.h5") as file:
        dataset = file.create_dataset("w", data=np.arange(5000), compression="gzip", chunks=True)
        offset = dataset.id.get_chunk_info(0).byte_offset
    data = bytearray((tmp_path / "x.h5").read_bytes())
    data[offset + 20 : offset + 40] = b"\xff" * 20
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(tsr.ConversionError, match="/w: not readable as an HDF5 file"):
        convert(tmp_path / "x.h5", tmp_path / "x.npy")
    assert not (tmp_path / "x.npy").exists()


@pytest.mark.parametrize("name", ["a/b", ".", "", "a\0b"])
def test_names_the_format_cannot_keep(tmp_path: Path, name: str) -> None:
    """A name that would mean something else is refused."""
    import torch

    torch.save({name: torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match="HDF5 cannot keep this name"):
        convert(tmp_path / "x.pt", tmp_path / "x.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_structure_let_go(tmp_path: Path) -> None:
    """With `lossy` lists become groups of numbered datasets, and scalars are left out."""
    import torch

    torch.save({"epoch": 3, "l": [torch.ones(2), {7: torch.zeros(1)}]}, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match=r"epoch: the scalar 3 has no place in \.h5"):
        convert(tmp_path / "x.pt", tmp_path / "x.h5")
    convert(tmp_path / "x.pt", tmp_path / "x.h5", lossy=True)
    with h5py.File(tmp_path / "x.h5") as file:
        assert_same(np.asarray(file["l/0"]), np.ones(2, np.float32))
        assert_same(np.asarray(file["l/1/7"]), np.zeros(1, np.float32))


def test_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the error says how to install it."""
    np.save(tmp_path / "x.npy", AWKWARD)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(tsr.MissingExtraError, match=r"pip install 'tsr-codec\[formats\]'"):
        convert(tmp_path / "x.npy", tmp_path / "x.h5", dataset="w")


def test_groups_with_many_names(tmp_path: Path) -> None:
    """Hard links that lead to few groups in very many ways are refused, and soon."""
    with make(tmp_path / "x.h5") as file:
        inner = file.create_group("0")
        for i in range(1, 40):
            group = file.create_group(str(i))
            group["a"] = group["b"] = inner
            inner = group
    with pytest.raises(tsr.ConversionError, match="more than 1000000 entries"):
        convert(tmp_path / "x.h5", tmp_path / "x")


def test_group_with_two_names(tmp_path: Path) -> None:
    """A group that has two names is converted under both."""
    with make(tmp_path / "x.h5") as file:
        file["a/w"] = AWKWARD
        file["b"] = file["a"]
    convert(tmp_path / "x.h5", tmp_path / "x")
    for name in "ab":
        assert_same(tsr.load(tmp_path / "x" / name / "w.tsr"), AWKWARD)


@pytest.mark.parametrize("links", [False, True], ids=["groups", "links"])
def test_deep_groups(tmp_path: Path, links: bool) -> None:
    """Groups that nest deeper than any reader follows are refused, also where links make it so."""
    with make(tmp_path / "x.h5") as file:
        if links:
            first = file.create_group("/".join(["a"] + ["x"] * 60))
            first["w"] = AWKWARD
            file.create_group("/".join(["b"] + ["x"] * 60))["a"] = file["a"]
        else:
            file["/".join("x" * 150)] = AWKWARD
    with pytest.raises(tsr.ConversionError, match="nested deeper than 100"):
        convert(tmp_path / "x.h5", tmp_path / "x")


def test_huge_chunk_that_is_not_there(tmp_path: Path) -> None:
    """A chunk that was never written takes no memory, whatever its size and its filters."""
    import tracemalloc

    with make(tmp_path / "x.h5") as file:
        file.create_dataset(
            "w", (1000,), ">f4", chunks=(2**27,), maxshape=(None,), compression="gzip",
            fillvalue=1.5,
        )  # fmt: skip
    tracemalloc.start()
    try:
        convert(tmp_path / "x.h5", tmp_path / "x.tsr")
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
    assert_same(tsr.load(tmp_path / "x.tsr"), np.full(1000, 1.5, np.float32))


def test_huge_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that would take too much memory is refused, with the dataset's name."""
    monkeypatch.setattr("tsr.converters.hdf5.CHUNK_BYTES_MAX", 100)
    with make(tmp_path / "x.h5") as file:
        file.create_dataset("w", data=AWKWARD, chunks=(26,), maxshape=(None,))
    with pytest.raises(tsr.ConversionError, match="/w: a chunk of 104 bytes, more than 100,"):
        convert(tmp_path / "x.h5", tmp_path / "x.tsr")


@pytest.mark.parametrize(
    "name", ["/", "//", "a/", "/a", "a//b", "a/./b", "../a", "\ud800", "a/\udcff", "x/" * 100 + "x"]
)
def test_names_for_a_single_array_that_lead_nowhere(tmp_path: Path, name: str) -> None:
    """Each part of a name that leads into groups is checked."""
    np.save(tmp_path / "x.npy", AWKWARD)
    with pytest.raises(tsr.ConversionError, match="HDF5 cannot keep this name"):
        convert(tmp_path / "x.npy", tmp_path / "x.h5", dataset=name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_replace_a_read_only_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library can open what replaces a read-only file, which is read-only in the end."""
    np.save(tmp_path / "x.npy", AWKWARD)
    (tmp_path / "x.h5").touch(0o444)
    (tmp_path / "x.h5").chmod(0o444)
    modes = []
    file_class = h5py.File

    def opened(path: str, *arguments: Any, **options: Any) -> Any:
        modes.append(Path(path).stat().st_mode & 0o777)
        return file_class(path, *arguments, **options)

    monkeypatch.setattr(h5py, "File", opened)
    convert(tmp_path / "x.npy", tmp_path / "x.h5", dataset="w", overwrite=True)
    assert modes == [0o644]
    assert (tmp_path / "x.h5").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(OSError(28, "file write failed: x.h5.1-0.tmp"), OSError, id="system"),
        pytest.param(RuntimeError("unable to create"), tsr.ConversionError, id="library"),
    ],
)
def test_errors_of_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: Any
) -> None:
    """What the library raises is about the target, not about the temporary file."""
    np.save(tmp_path / "x.npy", AWKWARD)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(expected) as caught:
        convert(tmp_path / "x.npy", tmp_path / "x.h5", dataset="w")
    assert str(tmp_path / "x.h5") in str(caught.value)
    assert ".tmp" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_errors_of_others_pass(tmp_path: Path) -> None:
    """An error that the caller's own function raises while a file is written is left as it is."""
    np.save(tmp_path / "x.npy", AWKWARD)

    def progress(*_: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        convert(tmp_path / "x.npy", tmp_path / "x.h5", dataset="w", progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
