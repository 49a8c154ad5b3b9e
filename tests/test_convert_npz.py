"""`.npz` <-> everything: names, order, stored and compressed members, and broken archives."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tsr
from tests.converting import AWKWARD, assert_same, number_arrays
from tsr.converters import convert

ARRAYS: dict[str, Any] = {
    "z": AWKWARD,
    "a/b": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    "empty": np.zeros((0, 3), np.int8),
    "scalar": np.array(-0.0, np.float32),
}

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_round_trip(tmp_path: Path, write: Any) -> None:
    """Names, order and bits survive the way through a folder, stored or compressed."""
    write(tmp_path / "x.npz", **ARRAYS)
    convert(tmp_path / "x.npz", tmp_path / "x")
    convert(tmp_path / "x", tmp_path / "back.npz")
    with np.load(tmp_path / "back.npz") as back:
        assert list(back) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert_same(back[name], array)


@given(st.dictionaries(names, number_arrays(), max_size=4))
def test_any_name(arrays: dict[str, Any]) -> None:
    """Whatever name an archive can keep, numpy finds it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with zipfile.ZipFile(path / "x.npz", "w") as archive:
            for name, array in arrays.items():
                archive.writestr(f"{name}.npy", npy(array))
        convert(path / "x.npz", path / "y.npz")
        with np.load(path / "y.npz") as found:
            assert found.files == list(arrays)
            for name, array in arrays.items():
                assert_same(found[name], array)


def test_reproducible(tmp_path: Path) -> None:
    """The same arrays give the same bytes, whenever they are written."""
    np.savez(tmp_path / "x.npz", **ARRAYS)
    convert(tmp_path / "x.npz", tmp_path / "y.npz")
    with zipfile.ZipFile(tmp_path / "y.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_single_array_has_a_name(tmp_path: Path) -> None:
    """One array in an archive still becomes a folder, unless the destination is one file."""
    np.savez(tmp_path / "x.npz", only=AWKWARD)
    convert(tmp_path / "x.npz", tmp_path / "folder")
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == [
        "only.tsr",
        "tensors.json",
    ]
    convert(tmp_path / "x.npz", tmp_path / "x.tsr")
    assert_same(tsr.load(tmp_path / "x.tsr"), AWKWARD)


def test_one_file_from_many(tmp_path: Path) -> None:
    """One of several arrays must be chosen for a destination that holds one."""
    np.savez(tmp_path / "x.npz", **ARRAYS)
    with pytest.raises(tsr.ConversionError, match=r"holds 4 tensors where \.tsr holds one"):
        convert(tmp_path / "x.npz", tmp_path / "x.tsr")
    convert(tmp_path / "x.npz", tmp_path / "x.tsr", dataset="a/b")
    assert_same(tsr.load(tmp_path / "x.tsr"), ARRAYS["a/b"])
    with pytest.raises(tsr.ConversionError, match=r"nope: no single entry 'nope', expected one of"):
        convert(tmp_path / "x.npz", tmp_path / "y.tsr", dataset="nope")


def test_name_for_a_single_array(tmp_path: Path) -> None:
    """A single array needs a name in an archive."""
    np.save(tmp_path / "x.npy", AWKWARD)
    with pytest.raises(tsr.ConversionError, match=r"dataset='...' \(--dataset\) names it"):
        convert(tmp_path / "x.npy", tmp_path / "x.npz")
    convert(tmp_path / "x.npy", tmp_path / "x.npz", dataset="w")
    with np.load(tmp_path / "x.npz") as found:
        assert_same(found["w"], AWKWARD)


def npy(array: Any) -> bytes:
    """Give the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Give the bytes of an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


GOOD = npz({"w.npy": npy(AWKWARD)})
PACKED = npz({"w.npy": npy(np.arange(999))}, zipfile.ZIP_DEFLATED)
LARGE = npz({"w.npy": npy(np.zeros(9999, np.int32))})
PICKLED = io.BytesIO()
np.save(PICKLED, np.array([{}], object), allow_pickle=True)
BAD = [
    pytest.param(b"", "not readable as an .npz archive", id="empty"),
    pytest.param(b"PK\3\4 and so on", "not readable", id="no-zip"),
    pytest.param(GOOD[:-30], "not readable", id="cut"),
    pytest.param(GOOD[:190] + b"?" + GOOD[191:], "w: not readable.*CRC", id="flipped-small"),
    pytest.param(LARGE[:9000] + b"?" + LARGE[9001:], "w: wrong checksum", id="flipped-large"),
    pytest.param(PACKED[:250] + b"\xff" * 9 + PACKED[259:], "w: not readable", id="flipped-packed"),
    pytest.param(GOOD.replace(b"PK\3\4", b"PK\0\0"), "not readable", id="local-header"),
    pytest.param(b"x" + GOOD, "does not begin as one", id="behind-bytes"),
    pytest.param(b"PK\3\0" + npz({}), "does not begin as one", id="empty-behind-bytes"),
    pytest.param(npz({"readme.txt": b"x"}), "readme.txt: no .npy member", id="no-array"),
    pytest.param(npz({"w.npy": npy(AWKWARD)[:-1]}), "w: cut short", id="member-cut"),
    pytest.param(npz({"w.npy": PICKLED.getvalue()}), "w: .*never unpickled", id="pickle"),
    pytest.param(npz({"w.npy": b"hello"}, zipfile.ZIP_BZIP2), "w: not readable", id="no-npy"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """A broken archive is an error with the path and the member; nothing is written."""
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(tsr.ConversionError, match=message) as caught:
        convert(tmp_path / "x.npz", tmp_path / "x", cast="int32")
    assert caught.value.path == str(tmp_path / "x.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_name_twice(tmp_path: Path) -> None:
    """Two members of the same name cannot both be kept."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("w.npy", npy(AWKWARD))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("w.npy", npy(AWKWARD))
    with pytest.raises(tsr.ConversionError, match="w: the archive has this name twice"):
        convert(tmp_path / "x.npz", tmp_path / "x")


def test_encrypted(tmp_path: Path) -> None:
    """An encrypted member is refused, not asked a password for."""
    data = bytearray(GOOD)
    (at,) = struct.unpack("<I", data[-6:-2])
    data[at + 8] |= 1
    data[6] |= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(tsr.ConversionError, match="encrypted"):
        convert(tmp_path / "x.npz", tmp_path / "x")


def test_other_members_let_go(tmp_path: Path) -> None:
    """With `lossy` members that are no arrays are left out."""
    (tmp_path / "x.npz").write_bytes(npz({"readme.txt": b"x", "w.npy": npy(AWKWARD)}))
    convert(tmp_path / "x.npz", tmp_path / "x.tsr", lossy=True)
    assert_same(tsr.load(tmp_path / "x.tsr"), AWKWARD)


@pytest.mark.parametrize("name", ["a\0b", "x" * 70_000, "\ud800"], ids=["nul", "long", "surrogate"])
def test_names_no_archive_keeps(tmp_path: Path, name: str) -> None:
    """A name that a zip archive would change is refused."""
    np.save(tmp_path / "x.npy", AWKWARD)
    with pytest.raises(tsr.ConversionError, match="an archive cannot keep this name"):
        convert(tmp_path / "x.npy", tmp_path / "x.npz", dataset=name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More members than any checkpoint has are refused."""
    monkeypatch.setattr("tsr.converters.tree.ENTRIES_MAX", 1)
    np.savez(tmp_path / "x.npz", a=AWKWARD, b=AWKWARD)
    with pytest.raises(tsr.ConversionError, match="more than 1 entries"):
        convert(tmp_path / "x.npz", tmp_path / "x")
