"""`tsr.compare`: what counts as a difference, how much there is of it, and where it is."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from tests.converting import AWKWARD, number_arrays
from tests.strategies import files, payload_of, tsr4_files
from tsr.comparison import Differences, compare, scanning
from tsr.errors import FormatError, UnsupportedError

MODEL = Path(__file__).parent / "data" / "mnist_mlp_3.pt"

# Formats that the model is converted to: a name, the options, and whether bytes have a place.
FORMATS = [
    pytest.param("m.pt", {}, True, id="pt"),
    pytest.param("m.safetensors", {}, True, id="safetensors"),
    pytest.param("m.npz", {}, True, id="npz"),
    pytest.param("m.h5", {}, True, id="h5"),
    pytest.param("m/", {}, True, id="folder"),
    pytest.param("m.tsr", {"to": "tsr4"}, True, id="tsr4"),
    pytest.param("m.tsr", {"to": "tsr4", "compress": True}, False, id="zlib"),
]


@contextmanager
def small_pieces() -> Iterator[None]:
    """Have a piece end after a few elements, so that small arrays have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "_SCAN_BYTES", 256)
        patch.setattr(scanning, "_LOOK_BYTES", 64)
        patch.setattr(scanning, "_STRIDE_BYTES", 256)
        yield


def differences(a: Any, b: Any, **options: Any) -> Differences:
    """Compare two arrays of the same shape."""
    (tensor,) = compare(a, b, **options).tensors
    assert tensor.differences is not None
    return tensor.differences


def bits_of(array: NDArray[Any]) -> NDArray[Any]:
    """Give the bytes of each element, in C order, by numpy alone."""
    return np.asarray(np.frombuffer(payload_of(array), np.uint8).reshape(-1, array.itemsize))


def changed(array: NDArray[Any], places: list[int], bit: int) -> NDArray[Any]:
    """Flip a bit of some elements, which are counted in C order."""
    if not array.size:
        return array
    data = bytearray(payload_of(array))
    for place in places:
        at = place % array.size * array.itemsize + bit // 8 % array.itemsize
        data[at] ^= 1 if array.dtype.kind == "b" else 1 << bit % 8
    flat = np.frombuffer(bytes(data), array.dtype.newbyteorder("<"))
    made: NDArray[Any] = flat.reshape(array.shape).astype(array.dtype)
    return made


@st.composite
def changed_arrays(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw an array and the same with a bit of some elements flipped."""
    array = draw(number_arrays())
    places = draw(st.lists(st.integers(0, 300), max_size=4))
    return array, changed(array, places, draw(st.integers(0, 127)))


@given(number_arrays())
def test_same(array: NDArray[Any]) -> None:
    """An array is the same as itself, with any bits, in any byte order and order in memory."""
    with small_pieces():
        for other in (array, array.copy(order="F"), array.astype(array.dtype.newbyteorder(">"))):
            result = compare(array, other)
            assert result.equal
            assert bool(result)
            assert differences(array, other).unequal_bits == 0


@given(changed_arrays())
def test_counts_and_first(two: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Elements with other bits are counted, and the first is the one that numpy finds."""
    a, b = two
    other = (bits_of(a) != bits_of(b)).any(axis=1).reshape(a.shape)
    with small_pieces():
        found = differences(a, b)
    assert found.elements == a.size
    assert found.differing == found.unequal_bits == np.count_nonzero(other)
    assert compare(a, b).equal == (not other.any())
    if not other.any():
        assert found.first is None
        return
    first = tuple(np.argwhere(other)[0].tolist())
    assert found.first == first
    assert found.first_values is not None
    for value, array in zip(found.first_values, two, strict=True):
        assert np.array_equal(value, array[first], equal_nan=array.dtype.kind in "fc")


@given(changed_arrays())
def test_symmetry(two: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Seen from the other side all counts are the same, NaNs change sides."""
    a, b = two
    with small_pieces():
        there, back = differences(a, b), differences(b, a)
    for name in (
        "differing", "unequal", "unequal_bits", "first", "max_absolute", "max_absolute_at",
        "max_ulp", "max_ulp_at", "ulp_histogram", "nan_payloads", "infinities",
    ):  # fmt: skip
        assert getattr(there, name) == getattr(back, name), name
    assert (there.nan_a, there.nan_b) == (back.nan_b, back.nan_a)


@given(
    changed_arrays(),
    st.sampled_from([0, 1e-7, 1e-3, 0.5]),
    st.sampled_from([0, 1e-30, 1e-3, 100]),
    st.booleans(),
)
def test_tolerances_are_those_of_numpy(
    two: tuple[NDArray[Any], NDArray[Any]], rtol: float, atol: float, equal_nan: bool
) -> None:
    """What differs by `rtol` and `atol` is what `numpy.isclose` says of the float64 values."""
    with np.errstate(all="ignore"):  # a NaN may be a signalling one
        a, b = (array.astype("D" if array.dtype.kind == "c" else "d") for array in two)
    if two[0].dtype.kind in "iu" and two[0].itemsize == 8:
        return  # numpy has lost digits here
    with small_pieces():
        found = differences(*two, rtol=rtol, atol=atol, equal_nan=equal_nan)
    with np.errstate(all="ignore"):
        close = np.isclose(a, b, rtol, atol, equal_nan=equal_nan)
    assert found.differing == np.count_nonzero(~close)
    if not close.all():
        assert found.first == tuple(np.argwhere(~close)[0].tolist())


def test_errors() -> None:
    """The largest errors are told with their places; the relative one is in terms of b."""
    a = np.array([[1.0, 2, 3], [4, 5, 0]], np.float32)
    b = np.array([[1.0, 4, 3], [5, 5, 0.5]], np.float32)
    found = differences(a, b)
    assert (found.max_absolute, found.max_absolute_at) == (2, (0, 1))
    assert (found.max_relative, found.max_relative_at) == (1, (1, 2))
    found_back = differences(b, a)  # where 0 has no relative error
    assert (found_back.max_relative, found_back.max_relative_at) == (1, (0, 1))
    assert (found.differing, found.share, found.first) == (3, 0.5, (0, 1))
    assert found.first_values == (2, 4)


def test_integers_do_not_wrap() -> None:
    """Differences of integers are exact, at the ends of their ranges as well."""
    low, high = np.array([-(2**63), 0]), np.array([2**63 - 1, 0])
    assert differences(low, high).max_absolute == 2**64 - 1
    assert differences(low.astype("i4") - 1, low.astype("i4")).max_absolute == 1
    ends = np.array([-(2**31)], "i4"), np.array([2**31 - 1], "i4")
    assert differences(*ends).max_absolute == 2**32 - 1
    assert differences(low, high.astype("u8") * 2 + 1).max_absolute == 2**64 - 1 + 2**63
    assert differences(low, high, rtol=0.5).differing == 1
    assert differences(low, high, atol=1e20).differing == 0
    assert differences(low, high).max_ulp is None


def test_zeros_and_nans() -> None:
    """Bits tell zeros and NaNs apart; values, which any tolerance asks for, do not."""
    a = np.array([0.0, np.nan, np.nan, 1, np.inf, np.inf, np.nan], np.float32)
    b = np.array([-0.0, np.nan, 1, np.nan, 1, -np.inf, np.nan], np.float32)
    b.view(np.uint32)[1] += 1
    found = differences(a, b)
    assert (found.differing, found.unequal_bits, found.unequal) == (6, 6, 4)
    assert (found.nan_a, found.nan_b, found.nan_payloads, found.infinities) == (1, 1, 1, 2)
    assert (found.max_ulp, found.ulp_histogram) == (0, ((0, 0, 1),))
    assert (found.max_absolute, found.max_relative) == (None, None)
    for tolerance in ({"rtol": 0}, {"atol": 0}, {"ulp": 0}, {"equal_nan": True}, {"atol": 1e30}):
        assert differences(a, b, **tolerance).differing == 4
        assert differences(a, b, **tolerance).first == (2,)
    assert differences(a, b, equal_nan=False).differing == 6
    assert differences(a, b, equal_nan=False, atol=1e30).first == (1,)
    assert differences(a[6:], b[6:]).differing == 0
    assert differences(a[6:], a[6:], equal_nan=False).differing == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_ulp(dtype: str) -> None:
    """ULPs are steps to the next float, one below a power of two as well as above it."""
    one, below = np.array([1, 1, 1, -0.0], dtype), np.array([1, 1, 1, -0.0], dtype)
    for place, steps in ((0, 1), (1, 2), (2, 7)):
        for _ in range(steps):
            below[place] = np.nextafter(below[place], np.dtype(dtype).type(0))
    below[3] = np.nextafter(np.dtype(dtype).type(0), np.dtype(dtype).type(1))
    found = differences(one, below)
    assert (found.max_ulp, found.max_ulp_at) == (7, (2,))
    assert found.ulp_histogram == ((1, 1, 2), (2, 2, 1), (5, 8, 1))
    for ulp, differing in ((0, 4), (1, 2), (2, 1), (6, 1), (7, 0)):
        assert differences(one, below, ulp=ulp).differing == differing


def test_any_tolerance_will_do() -> None:
    """An element is the same if it is within one of the tolerances, not all of them."""
    a = np.array([1, 1e-30], np.float32)
    b = np.array([np.nextafter(np.float32(1), np.float32(2)), 2e-30], np.float32)
    assert differences(a, b, ulp=1).first == (1,)
    assert differences(a, b, atol=1e-29).first == (0,)
    assert differences(a, b, ulp=1, atol=1e-29).differing == 0


def test_dtypes() -> None:
    """Other dtypes differ, unless values are compared; and those are, exactly, in any case."""
    a = np.array([1.5, -0.0, np.nan], np.float16)
    result = compare(a, a.astype(np.float32))
    assert (result.equal, result.tensors[0].status) == (False, "dtype")
    assert result.tensors[0].differences is not None
    assert result.tensors[0].differences.differing == 0
    assert result.tensors[0].differences.unequal_bits is None
    assert compare(a, a.astype(np.float32), ulp=0).equal
    exact = np.array([2**53 + 1]), np.array([2.0**53])
    assert differences(*exact).max_absolute == 1
    assert not compare(*exact, rtol=0)
    assert compare(*exact, rtol=1e-15)


def test_dtypes_that_numpy_lacks() -> None:
    """Brain floats and floats of 8 bits are compared by bits and ULPs, and as numbers."""
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        a = torch.tensor([1.0, 2, -0.0]).to(getattr(torch, name))
        b = a.clone()
        view = b.view(torch.uint8 if "8_" in name else torch.int16)
        view[0] += 1
        assert compare(a, a.clone()).equal
        found = differences(a, b)
        assert (found.differing, found.max_ulp, found.first) == (1, 1, (0,))
        assert found.first_values == (1, b[0].item())
        assert compare(b, b.to(torch.float32), ulp=0).equal
        assert differences(a, b.to(torch.float32)).max_absolute == b[0].item() - 1


def test_complex_and_long_double() -> None:
    """Of complex numbers the part further off counts; a long double has no bits to compare."""
    a = np.array([1 + 1j, 2], np.complex64)
    b = a.copy()
    b.real[0], b.imag[0] = np.nextafter(np.float32(1), np.float32(2)), 2
    found = differences(a, b)
    assert (found.differing, found.max_ulp, found.max_absolute_at) == (1, 2**23, (0,))
    # Equal infinities of other bits are no infinities that differ.
    found = differences(np.array([complex(np.inf, 0)]), np.array([complex(np.inf, -0.0)]))
    assert (found.differing, found.unequal, found.infinities) == (1, 0, 0)
    long = np.array([1, -0.0, np.nan], np.longdouble)
    assert compare(long, long.copy())
    assert differences(long, np.abs(long)).first == (1,)
    assert compare(long, np.abs(long), ulp=0)


def test_complex_numbers_beyond_a_float() -> None:
    """What is larger than the largest float is far off all the same, and no NaN."""
    a = np.array([1.7e308 * (1 + 1j)])
    found = differences(a, -a)
    assert (found.max_absolute, found.max_relative) == (np.inf, np.inf)
    assert not compare(a, -a, rtol=1e-3)


@pytest.mark.skipif(np.finfo("g").maxexp == np.finfo("d").maxexp, reason="no long double here")
def test_long_doubles_beyond_a_float() -> None:
    """Differences that a float64 has no room for are differences."""
    tiny = np.array([np.finfo("g").tiny])
    for other in (-tiny, np.zeros(1)):
        for two in ((tiny, other), (other, tiny), (tiny.astype("G"), other.astype("G"))):
            assert not compare(*two, rtol=1e-3)
            assert not compare(*two, equal_nan=True)


def test_tolerances_are_any_real_numbers() -> None:
    """Numbers of numpy are numbers."""
    a, b = np.array([1.0]), np.array([1.25])
    assert compare(a, b, atol=np.float32(0.25), rtol=np.int64(0))
    assert compare(a, np.nextafter(a, b), ulp=np.uint8(1))


def test_shapes() -> None:
    """Other shapes differ; but TSR4 may put dimensions of 1 in front."""
    result = compare(np.ones((2, 3)), np.ones((3, 2)))
    assert (result.tensors[0].status, result.tensors[0].differences) == ("shape", None)
    assert not compare(np.ones(3), np.ones((1, 3)))
    data = io.BytesIO()
    tsr.save(data, np.ones(3, np.float32), format="tsr4")
    assert compare(data.getvalue(), np.ones(3, np.float32))
    assert not compare(data.getvalue(), np.ones((3, 1), np.float32))
    found = differences(np.array([1, 2, 1], np.float32), data.getvalue())
    assert (found.first, found.first_offsets) == ((1,), (None, 256 + 4))
    assert compare(np.ones((0, 3)), np.ones((0, 3)))


def test_shapes_in_folders(tmp_path: Path) -> None:
    """A folder has files of either format, and that of each says what its dimensions mean."""
    array = np.ones((2, 3), np.float32)
    contents = {
        "v1": tsr.dumps(array),
        "tsr4": tsr.dumps([array], format="tsr4"),
        "other": tsr.dumps(array[np.newaxis]),
    }
    for name, data in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.tsr").write_bytes(data)
    for other in ("v1", "other", "v1/x.tsr"):
        assert compare(tmp_path / "tsr4", tmp_path / other)
        assert compare(tmp_path / other, tmp_path / "tsr4")
    assert not compare(tmp_path / "v1", tmp_path / "other")


@pytest.mark.parametrize(("name", "options", "placed"), FORMATS)
@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_one_bit_of_a_model(
    name: str, options: dict[str, Any], placed: bool, back: bool, tmp_path: Path
) -> None:
    """One bit flipped in a model is found in any format: tensor, index, byte and ULP."""
    state = torch.load(MODEL, map_location="cpu", weights_only=True)
    state["fc2.weight"].view(torch.int32)[3, 17] ^= 1
    torch.save(state, tmp_path / "flipped.pt")
    tsr.convert(MODEL, f"{tmp_path}/{name}", lossy=True, **options)
    assert compare(MODEL, tmp_path / name).equal
    two = [tmp_path / "flipped.pt", tmp_path / name]
    result = compare(*(reversed(two) if back else two))
    (tensor,) = [each for each in result.tensors if not each.equal]
    assert {*tensor.names} <= {"fc2.weight", "2"}
    assert tensor.name == "fc2.weight"
    found = tensor.differences
    assert found is not None
    assert (found.differing, found.first, found.max_ulp) == (1, (3, 17), 1)
    for path, offset, value in zip(
        tensor.paths, found.first_offsets, found.first_values or (), strict=True
    ):
        assert path is not None
        if offset is None:
            assert not placed
        else:
            stored = Path(path).read_bytes()[offset : offset + 4]
            assert stored == np.float32(value).tobytes()


def test_names(tmp_path: Path) -> None:
    """Tensors are matched by name, in any order; those of one side come with theirs."""
    a = {"x": np.ones(2), "y": np.zeros(3), "only": np.ones(1)}
    b = {"y": np.zeros(3), "x": np.ones(2), "other": np.ones(1)}
    result = compare(a, b)
    assert [(each.name, each.status) for each in result.tensors] == [
        ("x", "same"), ("y", "same"), ("only", "only in a"), ("other", "only in b"),
    ]  # fmt: skip
    assert [each.indices for each in result.tensors] == [(0, 1), (1, 0), (2, None), (None, 2)]
    assert not result.same_order
    assert not result
    assert compare(a, OrderedDict(reversed(a.items())))
    assert compare(a, a).same_order


def test_nesting() -> None:
    """A nested name is that with dots in a file without nesting; ambiguous ones match nothing."""
    nested = {"layer": {"weight": np.ones(2), "bias": np.zeros(2)}, 1: np.ones(1)}
    assert compare(nested, {"layer.weight": np.ones(2), "layer.bias": np.zeros(2), "1": np.ones(1)})
    ambiguous = {"a": {"b": np.ones(1)}, "a.b": np.ones(2)}
    for twice in (ambiguous, {1: np.ones(1), "1": np.ones(2)}):
        assert compare(twice, twice)
    result = compare(ambiguous, {"a.b": np.ones(2), "c": np.ones(3)})
    assert [each.status for each in result.tensors] == ["only in a", "same", "only in b"]


def test_indices() -> None:
    """Where a side has no names, places count."""
    result = compare([np.ones(1), np.ones(2)], {"x": np.ones(1), "y": np.zeros(2), "z": np.ones(3)})
    assert [each.name for each in result.tensors] == ["x", "y", "z"]
    assert [each.status for each in result.tensors] == ["same", "values", "only in b"]


@pytest.mark.parametrize("wanted", ["y", 1, "1", -1])
def test_one_tensor(wanted: str | int) -> None:
    """One tensor can be picked by name or index, and held against one without a name."""
    a, b = {"x": np.ones(1), "y": np.ones(2)}, {"x": np.zeros(1), "y": np.ones(2)}
    for other in (b, [np.zeros(1), np.ones(2)], np.ones(2)):
        for two in ((a, other), (other, a)):
            result = compare(*two, tensor=wanted)
            assert [each.name for each in result.tensors] == ["y"]
            assert result.equal


@pytest.mark.parametrize(
    ("a", "b", "options"),
    [
        (1.5, 2.0, {}), (1.5, 1.5, {}), (np.nan, 2.0, {}), (2.0, np.nan, {"rtol": 0}),
        (np.nan, np.nan, {"equal_nan": False}), (np.inf, 0.0, {}), (0.0, -0.0, {}),
        (1.5, 2.0, {"atol": 1}),
    ],
)  # fmt: skip
def test_one_element_that_stands_for_all(a: float, b: float, options: dict[str, Any]) -> None:
    """Datasets that were never written to are compared as if all their elements were there."""
    shown = [np.broadcast_to(np.float32(value), (1, 3, 4)) for value in (a, b)]
    expected = compare(*map(np.array, shown), **options).tensors
    assert repr(compare(*shown, **options).tensors) == repr(expected)  # a NaN equals nothing


def test_fills_larger_than_any_file(tmp_path: Path) -> None:
    """However many elements they stand for, one of them is looked at."""
    for name, fill in (("a.h5", 1.0), ("b.h5", 1.5)):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("x", (1 << 25, 1 << 25), np.float32, chunks=(1, 1), fillvalue=fill)
    result = compare(tmp_path / "a.h5", tmp_path / "b.h5")
    differences = result.tensors[0].differences
    assert differences is not None
    assert differences.elements == differences.differing == differences.unequal_bits == 1 << 50
    assert (differences.first, differences.max_absolute) == ((0, 0), 0.5)
    assert differences.ulp_histogram == (((1 << 21) + 1, 1 << 22, 1 << 50),)
    assert compare(tmp_path / "a.h5", tmp_path / "a.h5").equal


def test_refusals(tmp_path: Path) -> None:
    """Options that make no sense and files that are broken say so."""
    one = np.ones(1)
    for options, match in (
        ({"rtol": -1}, "rtol: got -1, expected a number from 0 up"),
        ({"atol": float("nan")}, "atol: got nan"),
        ({"rtol": 10**400}, "rtol: got 10000"),
        ({"atol": "1"}, "atol: got '1'"),
        ({"ulp": 0.5}, "ulp: got 0.5, expected an int"),
        ({"tensor": "z"}, "tensor: got z, expected -1 to 0 or a name$"),
        ({"tensor": "xx"}, "tensor: got xx, expected -1 to 0 or a name, like x$"),
        ({"tensor": 4}, "tensor: got 4"),
        ({"tensor": 0.5}, "tensor: got 0.5"),
        ({"tensor": [0]}, "tensor: got .0., expected -1 to 0"),
    ):
        with pytest.raises(UnsupportedError, match=match):
            compare({"x": one}, {"x": one}, **options)
    with pytest.raises(UnsupportedError, match="tensor: got 0, expected none, for there are none"):
        compare({}, {}, tensor=0)
    (tmp_path / "x.tsr").write_bytes(b"TSR!")
    with pytest.raises(FormatError):
        compare(one, tmp_path / "x.tsr")
    with pytest.raises(FileNotFoundError):
        compare(one, tmp_path / "y.tsr")


@given(st.one_of(files, tsr4_files))
def test_any_file(data: bytes) -> None:
    """Any bytes are a file that is the same as itself, or the error that `tsr.open` raises."""
    try:
        with tsr.open(data) as file:
            arrays = [*file]
    except FormatError as error:
        with pytest.raises(FormatError, match=re.escape(str(error))):
            compare(data, data)
        return
    assert compare(data, data)
    result = compare(data, arrays if len(arrays) > 1 else arrays[0])
    assert result
    assert len(result.tensors) == len(arrays)


def test_sources(tmp_path: Path) -> None:
    """Paths, file objects, bytes and arrays can be mixed, and the sides are told."""
    tsr.save(tmp_path / "x.tsr", AWKWARD)
    data = (tmp_path / "x.tsr").read_bytes()
    sources = [tmp_path / "x.tsr", str(tmp_path / "x.tsr"), data, memoryview(data), AWKWARD]
    for source in sources:
        assert compare(source, AWKWARD)
        assert compare(io.BytesIO(data), source)
    result = compare(tmp_path / "x.tsr", AWKWARD)
    assert (result.a.path, result.a.format, result.a.tensors) == (
        str(tmp_path / "x.tsr"), "TSR v1", 1,
    )  # fmt: skip
    assert (result.b.path, result.b.format, result.b.mode) == (None, "array", None)


def test_progress() -> None:
    """Progress counts bytes up to all of them, and names the tensor."""
    told: list[tuple[int, int, str]] = []
    arrays = {"x": np.zeros(50), "y": np.zeros(30), "z": np.zeros(1)}
    with small_pieces():
        compare(arrays, {**arrays, "z": np.zeros(2)}, progress=lambda *each: told.append(each))
    assert told == sorted(told, key=lambda each: each[0])
    assert {total for _, total, _ in told} == {50 * 8 + 30 * 8 + 8}
    assert told[0] == (0, 648, "x")
    assert told[-1] == (648, 648, "")
    assert (256, 648, "x") in told
    assert (400, 648, "y") in told


def test_memory_of_differences() -> None:
    """What is worked out of a large array that differs everywhere stays small."""
    a = np.zeros(1 << 20, np.float32)
    b = a + 1
    tracemalloc.start()
    try:
        assert differences(a, b).differing == a.size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < a.nbytes


@pytest.mark.skipif(sys.platform != "linux", reason="pages are let go by Linux's madvise")
def test_memory_of_mappings(tmp_path: Path) -> None:
    """Of mapped files no more is in memory at a time than a stretch of them."""
    script = f"""if True:
        import re, tsr
        a, b = {str(tmp_path / "a.tsr")!r}, {str(tmp_path / "b.tsr")!r}
        for path in (a, b):
            array = tsr.open_memmap(path, dtype="float32", shape=(1 << 24,))
        tsr.compare(array[:4], [0.0])  # loads what there is to import
        def peak():  # of this program alone, in KiB
            with open("/proc/self/status") as status:
                return re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]
        before = peak()
        assert tsr.compare(a, b).equal
        print(before, peak())
        """
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    before, after = map(int, done.stdout.split())
    assert after - before < 48 << 10  # of 128 MiB
