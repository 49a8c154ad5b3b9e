"""`.npy` <-> `.tsr`: every layout and dtype, and files that are not what they seem."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given

import tsr
from tests.converting import AWKWARD, assert_same, number_arrays
from tests.strategies import arrays
from tsr.converters import Conversion, convert


@given(arrays())
@example(AWKWARD)
@example(np.zeros((3, 0, 2), np.int8))
@example(np.array(-0.0, np.float32))
def test_round_trip(array: Any) -> None:
    """What the format has a dtype for comes back bit for bit, however it lay in memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        np.save(path / "x.npy", array)
        convert(path / "x.npy", path / "x.tsr")
        assert_same(tsr.load(path / "x.tsr", mmap_mode=None), array)
        convert(path / "x.tsr", path / "back.npy")
        assert_same(np.load(path / "back.npy"), array)


@given(number_arrays())
def test_any_number_to_npy(array: Any) -> None:
    """A target that is no .tsr file needs no cast for a dtype that it has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        np.save(path / "x.npy", array)
        convert(path / "x.npy", path / "y.npy")
        assert_same(np.load(path / "y.npy"), array)


def test_result(tmp_path: Path) -> None:
    """The result says what was read, what was written and how many tensors that were."""
    np.save(tmp_path / "x.npy", AWKWARD)
    source, destination = str(tmp_path / "x.npy"), str(tmp_path / "x.tsr")
    assert convert(source, destination) == [Conversion(source, destination, 1)]


def test_written_like_numpy(tmp_path: Path) -> None:
    """The bytes are those that `numpy.save` writes."""
    np.save(tmp_path / "x.npy", AWKWARD.reshape(2, 4))
    convert(tmp_path / "x.npy", tmp_path / "y.npy")
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()


def test_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array larger than a piece is put together in the right order."""
    monkeypatch.setattr("tsr.converters.tensor.PIECE_BYTES", 64)
    array = np.asfortranarray(np.arange(3 * 5 * 7, dtype=">i4").reshape(3, 5, 7))
    np.save(tmp_path / "x.npy", array)
    convert(tmp_path / "x.npy", tmp_path / "x.tsr")
    assert_same(tsr.load(tmp_path / "x.tsr"), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_versions(tmp_path: Path, version: tuple[int, int]) -> None:
    """Both versions of the format that hold numbers are read."""
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array(file, AWKWARD, version)
    convert(tmp_path / "x.npy", tmp_path / "x.tsr")
    assert_same(tsr.load(tmp_path / "x.tsr"), AWKWARD)


def npy(array: Any, **options: Any) -> bytes:
    """Give the bytes of an .npy file."""
    with tempfile.TemporaryFile() as file:
        np.save(file, array, **options)
        file.seek(0)
        return file.read()


def changed(old: bytes, new: bytes) -> bytes:
    """Give `GOOD` with something else in its header, which stays as long."""
    header = GOOD[:128].replace(old, new)[:127].rstrip().ljust(127) + b"\n"
    return header + GOOD[128:]


def nested(depth: int) -> bytes:
    """Give a file whose header nests too deeply for the parser."""
    shape = "(" + "-" * depth + "1,)"
    header = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)


class Bomb:
    """Unpickling it would leave a mark."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (str(self.mark), "w")


GOOD = npy(np.arange(4, dtype=np.int32))
BAD = [
    pytest.param(b"", "not readable as an .npy array", id="empty"),
    pytest.param(b"\x93NUMPX\x01\x00" + GOOD[8:], "not readable", id="magic"),
    pytest.param(GOOD[:40], "not readable", id="cut-in-header"),
    pytest.param(GOOD[:-1], "cut short: got 143 bytes, expected 144", id="cut-in-array"),
    pytest.param(GOOD + b"\0", "1 bytes after the array would be lost", id="trailing"),
    pytest.param(GOOD[:6] + b"\x09\0" + GOOD[8:], "not known", id="version-9"),
    pytest.param(changed(b"(4,)", b"(-4,)"), "cut short", id="negative"),
    pytest.param(changed(b"(4,)", b"(2**2,)"), "not readable", id="expression"),
    pytest.param(changed(b"(4,)", b"(9999999999999999999,)"), "cut short", id="huge"),
    pytest.param(changed(b"(4,)", b"(0, 2**70)"), "not readable", id="zero-and-expression"),
    pytest.param(changed(b"(4,)", b"(0, -1)"), "cut short", id="zero-and-negative"),
    pytest.param(
        changed(b"(4,)", b"(0, 9999999999999999999)")[:128], "dimension above", id="zero-huge"
    ),
    pytest.param(
        changed(b"(4,)", b"(0, 2000000000, 2000000000, 2000000000)")[:128],
        "more bytes",
        id="zero-wide",
    ),
    pytest.param(changed(b"(4,)", b"(True,)"), "shape is not valid", id="bool"),
    pytest.param(nested(7000), "the header is no dict of plain values|not readable", id="nested"),
    pytest.param(nested(900), "the header is no dict of plain values|not readable", id="deep"),
    pytest.param(changed(b"<i4", b"<x4"), "not readable", id="dtype"),
    pytest.param(npy(np.zeros(2, "f4,i4")), "no number", id="records"),
    pytest.param(GOOD[:6] + b"\x03\0" + GOOD[8:], "holds records", id="version-3"),
    pytest.param(npy(np.array(["a"])), "dtype <U1 is no number", id="text"),
    pytest.param(npy(np.zeros(2, "M8[s]")), "no number", id="dates"),
    pytest.param(npy(np.array([{}]), allow_pickle=True), "never unpickled", id="objects"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """A broken file, or one without numbers, is an error with its path; nothing is written."""
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(tsr.ConversionError, match=message) as caught:
        convert(tmp_path / "x.npy", tmp_path / "x.tsr")
    assert caught.value.path == str(tmp_path / "x.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_pickle_is_not_run(tmp_path: Path) -> None:
    """An array of objects is refused before anything is unpickled."""
    array = np.array([Bomb(tmp_path / "mark")])
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(tsr.ConversionError, match="pickled"):
        convert(tmp_path / "x.npy", tmp_path / "x.tsr", lossy=True)
    assert not (tmp_path / "mark").exists()


def test_trailing_bytes_let_go(tmp_path: Path) -> None:
    """With `lossy` the first array of a file with several is taken."""
    (tmp_path / "x.npy").write_bytes(GOOD + GOOD)
    convert(tmp_path / "x.npy", tmp_path / "x.tsr", lossy=True)
    assert_same(tsr.load(tmp_path / "x.tsr"), np.arange(4, dtype=np.int32))


@pytest.mark.parametrize("size", range(0, len(GOOD), 7))
def test_cut_anywhere(tmp_path: Path, size: int) -> None:
    """A file cut at any length is refused."""
    (tmp_path / "x.npy").write_bytes(GOOD[:size])
    with pytest.raises(tsr.ConversionError):
        convert(tmp_path / "x.npy", tmp_path / "x.tsr")


def test_broken_tsr(tmp_path: Path) -> None:
    """A broken .tsr file is a FormatError, unless `strict=False` accepts it."""
    tsr.save(tmp_path / "x.tsr", AWKWARD)
    with open(tmp_path / "x.tsr", "ab") as file:
        file.write(struct.pack("<i", 7))
    with pytest.raises(tsr.FormatError, match="V1-PAYLOAD-2"):
        convert(tmp_path / "x.tsr", tmp_path / "x.npy")
    convert(tmp_path / "x.tsr", tmp_path / "x.npy", strict=False)
    assert_same(np.load(tmp_path / "x.npy"), AWKWARD)
