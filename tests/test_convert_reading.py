"""`tsr.converters.reading`: the tensors of any readable file, and where their elements lie."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tsr
from tests.converting import AWKWARD, assert_same, number_arrays
from tsr.converters.reading import NamedTensor, no_such_tensor, open_tensors, show_arrays
from tsr.converters.tensor import tiles
from tsr.errors import ConversionError, FormatError, UnsupportedError

MODEL = Path(__file__).parent / "data" / "mnist_mlp_3.pt"
NAMES = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"]

# Where the model can go: a name, the options of `convert`, the format's name, whether it has names
# of its own and whether places in the file are known.
FORMATS = [
    pytest.param("m.pt", {}, "pt", True, True, id="pt"),
    pytest.param("m.safetensors", {}, "safetensors", True, True, id="safetensors"),
    pytest.param("m.npz", {}, "npz", True, True, id="npz"),
    pytest.param("m.h5", {}, "h5", True, True, id="h5"),
    pytest.param("m/", {}, "folder", True, True, id="folder"),
    pytest.param("m.tsr", {"to": "tsr4"}, "TSR4", False, True, id="tsr4"),
    pytest.param("m.tsr", {"to": "tsr4", "compress": True}, "TSR4", False, False, id="zlib"),
]


def bytes_at(tensor: NamedTensor, array: Any, place: tuple[int, ...]) -> bytes:
    """Read an element from the file at the place that the tensor tells."""
    offset = tensor.byte_offset(array, place)
    assert offset is not None
    assert tensor.path is not None
    return Path(tensor.path).read_bytes()[offset : offset + array.itemsize]


def element(array: Any, place: tuple[int, ...]) -> bytes:
    """Give the bytes of an element as they lie in memory."""
    box = tuple(slice(i, i + 1) for i in place)
    return bytes(array[box or ...].tobytes())


@pytest.mark.parametrize(("name", "options", "format", "named", "placed"), FORMATS)
def test_every_format(
    name: str, options: dict[str, Any], format: str, named: bool, placed: bool, tmp_path: Path
) -> None:
    """A model is the same tensors in any format, in order, and elements lie where it is said."""
    tsr.convert(MODEL, f"{tmp_path}/{name}", lossy=True, **options)
    with open_tensors(MODEL) as model, open_tensors(tmp_path / name) as reading:
        assert (reading.format, reading.named, len(reading)) == (format, named, 6)
        assert {each.name for each in reading} == ({*NAMES} if named else {*map(str, range(6))})
        assert [each.index for each in reading] == list(range(6))
        by_name = {each.name: each for each in reading}
        for original in model:
            tensor = by_name[original.name if named else str(original.index)]
            array = tensor.array()
            assert_same(array.reshape(original.shape), original.array())
            assert (tensor.dtype, tensor.shape) == ("float32", array.shape)
            assert (tensor.size, tensor.nbytes) == (array.size, array.nbytes)
            last = tuple(dim - 1 for dim in array.shape)
            if placed:
                assert bytes_at(tensor, array, last) == element(array, last)
            else:
                assert tensor.offset is tensor.byte_offset(array, last) is None


def test_order_and_mode(tmp_path: Path) -> None:
    """Order is that of the file; the mode of a TSR4 file is told."""
    with open_tensors(MODEL) as model:
        assert [each.name for each in model] == NAMES
        assert [each.name for each in model[1:3]] == NAMES[1:3]
    for compress, mode in ((False, "raw"), (True, "zlib")):
        tsr.save(tmp_path / "x.tsr", AWKWARD, format="tsr4", compress=compress)
        with open_tensors(tmp_path / "x.tsr") as reading:
            assert (reading.mode, reading[0].name) == (mode, "")


@given(array=number_arrays(), suffix=st.sampled_from([".npy", ".npz", ".h5"]))
def test_foreign_arrays(array: Any, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any dtype, byte order and memory order comes as it lies in the file, at its place."""
    path = tmp_path_factory.getbasetemp() / f"foreign{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".npz":
        np.savez(path, x=array)
    else:
        with h5py.File(path, "w") as file:
            file["x"] = array
    with open_tensors(path) as reading:
        tensor = reading[0]
        found = tensor.array()
        assert_same(found, array)
        assert tensor.dtype == array.dtype.name
        if found.size and tensor.offset is not None:
            last = tuple(dim - 1 for dim in found.shape)
            assert bytes_at(tensor, found, last) == element(found, last)
        if suffix != ".h5":
            assert tensor.offset is not None


def test_torch_layouts(tmp_path: Path) -> None:
    """Strides, nesting, dtypes that numpy lacks and conjugates: elements lie where it is said."""
    tree = {
        "transposed": torch.arange(6).reshape(2, 3).T,
        "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "deep": [{"conjugate": torch.tensor([1 + 2j]).conj()}, 3, "text"],
    }
    torch.save(tree, tmp_path / "x.pt")
    with open_tensors(tmp_path / "x.pt") as reading:
        names = [each.name for each in reading]
        transposed, brain, conjugate = reading
        assert names == ["transposed", "brain", "deep/0/conjugate"]
        array = transposed.array()
        assert array.tolist() == [[0, 3], [1, 4], [2, 5]]
        assert bytes_at(transposed, array, (1, 1)) == np.int64(4).tobytes()
        assert (brain.dtype, brain.array().tolist()) == ("bfloat16", [0x3FC0, 0xC000])
        assert bytes_at(brain, brain.array(), (1,)) == b"\x00\xc0"
        assert conjugate.array().tolist() == [1 - 2j]
        assert conjugate.offset is None  # the file has 1 + 2j


def test_hdf5_pieces(tmp_path: Path) -> None:
    """Chunks are put together, what was never written is the fill value, bools are bools."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        values = np.arange(24.0).reshape(4, 6)
        file.create_dataset("chunked", data=values, chunks=(3, 4), compression="gzip")
        file.create_dataset("unwritten", (10**6, 10**6), "f4", fillvalue=7)
        file["flags"] = np.array([True, False])
        file["chunked"].attrs["units"] = "m"
        file["link"] = h5py.SoftLink("/chunked")
    with open_tensors(tmp_path / "x.h5") as reading:
        chunked, flags, unwritten = reading
        assert chunked.array().tolist() == values.tolist()
        assert flags.array().tolist() == [True, False]
        assert unwritten.array()[0, -1] == 7
        assert (chunked.offset, unwritten.offset) == (None, None)


def test_hdf5_numbers_of_other_bits(tmp_path: Path) -> None:
    """Where the file's numbers are not laid out as numpy's, their bytes have no place."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        narrow = h5py.h5t.STD_I32LE.copy()
        narrow.set_precision(16)
        narrow.set_offset(8)
        space = h5py.h5s.create_simple((3,))
        dataset = h5py.h5d.create(file.id, b"x", narrow, space)
        dataset.write(space, space, np.array([1, -2, 3], np.int32))
    with open_tensors(tmp_path / "x.h5") as reading:
        assert (reading[0].dtype, reading[0].offset) == ("int32", None)
        assert reading[0].array().tolist() == [1, -2, 3]


def test_arrays_outlive_the_file(tmp_path: Path) -> None:
    """Arrays stay valid behind the context, whatever they were read from."""
    for name in ("x.npz", "x.h5", "x.safetensors", "x.pt"):
        tsr.convert(MODEL, tmp_path / name, lossy=True)
        with open_tensors(tmp_path / name) as reading:
            array = reading[0].array()
        assert np.isfinite(array).all()


def test_nothing_is_written(tmp_path: Path) -> None:
    """A folder that was read holds what it held."""
    tsr.convert(MODEL, f"{tmp_path}/m/")
    tsr.convert(MODEL, tmp_path / "m.tsr", to="tsr4", compress=True, lossy=True)
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path / "m", tmp_path / "m.tsr"):
        with open_tensors(path) as reading:
            for tensor in reading:
                tensor.array()
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_suffix(tmp_path: Path) -> None:
    """What has no suffix, or none of a format, goes by its first bytes; a folder needs no list."""
    tsr.save(tmp_path / "one", AWKWARD)
    tsr.save(tmp_path / "two.bin", [AWKWARD, AWKWARD], format="tsr4")
    for name, count in (("one", 1), ("two.bin", 2)):
        with open_tensors(tmp_path / name) as reading:
            assert len(reading) == count
    (tmp_path / "folder").mkdir()
    for name in ("a10", "a9"):
        tsr.save(tmp_path / "folder" / f"{name}.tsr", AWKWARD)
    with open_tensors(tmp_path / "folder") as reading:
        assert [each.name for each in reading] == ["a9", "a10"]


def test_streams_and_buffers() -> None:
    """A file object and bytes hold a .tsr file, and places count from its beginning."""
    data = tsr.dumps(AWKWARD)
    for source in (data, io.BytesIO(data)):
        with open_tensors(source) as reading:
            assert (reading.format, reading[0].offset, reading[0].path) == ("TSR v1", 64, None)
            assert_same(reading[0].array(), AWKWARD)


@pytest.mark.parametrize(
    ("name", "data", "error", "match"),
    [
        ("x.tsr", b"TSR!" + bytes(60), FormatError, r"\[V1-VERSION-1\]"),
        ("x.npy", b"\x93NUMPY\x01\x00", ConversionError, "not readable as an .npy"),
        ("x.npz", b"PK\3\4", ConversionError, "not readable as an .npz"),
        ("x.pt", b"\x80\x02.", ConversionError, "torch file"),
        ("x.safetensors", bytes(8), ConversionError, "safetensors"),
        ("x.h5", b"\x89HDF", ConversionError, "HDF5"),
        ("x.txt", b"hello", ConversionError, "nothing reads .txt files"),
        ("x", b"", ConversionError, "nothing reads files without a suffix"),
    ],
)
def test_invalid(
    name: str, data: bytes, error: type[Exception], match: str, tmp_path: Path
) -> None:
    """What is broken or of no known format says so."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=match), open_tensors(tmp_path / name):
        pass


def test_damage_that_only_elements_show(tmp_path: Path) -> None:
    """A wrong checksum is found when the array is asked for, not before."""
    tsr.save(tmp_path / "x.tsr", AWKWARD, format="tsr4")
    data = bytearray((tmp_path / "x.tsr").read_bytes())
    data[-1] ^= 1
    (tmp_path / "x.tsr").write_bytes(data)
    with (
        open_tensors(tmp_path / "x.tsr") as reading,
        pytest.raises(FormatError, match="T4-CRC-2"),
    ):
        reading[0].array()


def test_lenient(tmp_path: Path) -> None:
    """`strict=False` takes what follows the payload of a .tsr file."""
    (tmp_path / "x.tsr").write_bytes(tsr.dumps(AWKWARD) + b"more")
    with pytest.raises(FormatError), open_tensors(tmp_path / "x.tsr"):
        pass
    with open_tensors(tmp_path / "x.tsr", strict=False) as reading:
        assert_same(reading[0].array(), AWKWARD)


@pytest.mark.parametrize(
    ("given", "expected", "named"),
    [
        pytest.param(np.float16(1), [("", "float16", ())], False, id="scalar"),
        pytest.param([[1, 2], [3, 4]], [("", "int64", (2, 2))], False, id="numbers"),
        pytest.param(
            {"a": np.ones(2), "b": {"c": [np.ones(3, "i1")]}},
            [("a", "float64", (2,)), ("b/c/0", "int8", (3,))], True, id="tree",
        ),
        pytest.param(
            [np.ones(1), np.ones(2)], [("0", "float64", (1,)), ("1", "float64", (2,))], False,
            id="list",
        ),
        pytest.param(
            {"w": torch.ones(2, dtype=torch.bfloat16, requires_grad=True)},
            [("w", "bfloat16", (2,))], True, id="torch",
        ),
    ],
)  # fmt: skip
def test_memory(given: Any, expected: list[Any], named: bool) -> None:
    """What is in memory shows as if it came from a file."""
    reading = show_arrays(given)
    assert [(each.name, each.dtype, each.shape) for each in reading] == expected
    assert (reading.named, reading.format, reading[0].path) == (named, "array", None)


def test_names_are_bounded(tmp_path: Path) -> None:
    """Many tensors below one long key do not take as much memory as all their names would."""
    path, one = tmp_path / "x.pt", torch.ones(1)
    torch.save({"x" * (1 << 20): [one] * 1000}, path)
    told = r"x\.pt: names of more than 268435456"
    with pytest.raises(ConversionError, match=told), open_tensors(path):
        pass
    torch.save({"x" * (1 << 20): [one] * 10}, path)
    with open_tensors(path) as reading:
        assert len(reading) == 10


def test_pieces_of_what_is_larger_than_any_memory() -> None:
    """A small HDF5 file can have a shape of any size; its first pieces cost no more than others."""
    first, second = islice(tiles((2**62,), 1, nbytes=16), 2)
    assert (first, second) == ((slice(0, 16),), (slice(16, 32),))
    assert list(tiles((2, 3), 1, nbytes=2)) == [
        (slice(row, row + 1), slice(start, stop))
        for row in range(2)
        for start, stop in ((0, 2), (2, 3))
    ]
    assert list(tiles((), 8)) == [()]


def test_memory_without_numbers() -> None:
    """What is no array of numbers is refused, and so is what contains itself."""
    with pytest.raises(UnsupportedError, match="expected numbers"):
        show_arrays({"a": "text"})
    with pytest.raises(UnsupportedError, match="arrays: "):
        show_arrays([[1, 2], [3]])
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnsupportedError, match="nested deeper"):
        show_arrays({"a": endless})


def test_one_is_found_by_name_or_index() -> None:
    """A name goes before an index, which may be text and counts from the end below 0."""
    named = show_arrays({"1": np.int8(0), "a": np.int8(1), "b": np.int8(2)})
    given: list[Any] = ["1", 1, "a", "2", -1, "-3", "c", 3, "-4", 0.5, [0]]
    found = [named.find(wanted) for wanted in given]
    places = [None if each is None else each.index for each in found]
    assert places == [0, 1, 1, 2, 2, 0, None, None, None, None, None]
    unnamed = show_arrays([np.zeros(1), np.ones(1)])
    assert [unnamed.find(wanted) for wanted in ("1", "", "x")] == [unnamed[1], None, None]
    near = str(no_such_tensor("x", "aa", unnamed, named))
    assert near == "x: got aa, expected -3 to 2 or a name, like a"
    assert str(no_such_tensor("x", 2, unnamed)) == "x: got 2, expected -2 to 1"


def test_entries_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of more tensors than memory has room for is refused, wherever it comes from."""
    path = tmp_path / "many.tsr"
    data = tsr.dumps([np.int8(0)] * 4, format="tsr4")
    path.write_bytes(data)
    monkeypatch.setattr("tsr.converters.tree.ENTRIES_MAX", 3)
    with path.open("rb") as file:
        for source in (path, file, io.BytesIO(data), data):
            with pytest.raises(ConversionError, match="more than 3 entries"), open_tensors(source):
                pass
