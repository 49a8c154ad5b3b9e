"""Dtypes and ranks that the target has no place for: what is said, and what a cast does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tsr
from tests.converting import assert_same
from tsr.converters import convert


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [
        ("float64", r"cast='float32' \(--cast float32\) converts it unless a value would change"),
        ("int64", r"cast='int32' \(--cast int32\) converts it unless a value would change"),
        ("uint64", r"cast='int32' .*lossy=True \(--lossy\) in any case"),
        ("longdouble", "cast='float32'"),
        ("float16", r"cast='float32' \(--cast float32\) keeps every value"),
        ("int16", r"cast='int32' \(--cast int32\) keeps every value"),
        ("bool", r"cast='int8' \(--cast int8\) keeps every value"),
        ("complex64", "no cast keeps its imaginary part"),
    ],
)
def test_advice(tmp_path: Path, dtype: str, advice: str) -> None:
    """The error names file, tensor and dtype, and the options that help."""
    np.savez(tmp_path / "x.npz", w=np.ones(2, dtype))
    name = np.dtype(dtype).name
    with pytest.raises(tsr.ConversionError, match=f"dtype {name} has no place in.*{advice}") as e:
        convert(tmp_path / "x.npz", tmp_path / "x")
    assert (e.value.path, e.value.name) == (str(tmp_path / "x.npz"), "w")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("array", "cast"),
    [
        pytest.param(np.array([0.5, -0.0, np.inf, np.nan]), "float32", id="float64"),
        pytest.param(np.array([2**31 - 1, -(2**31)]), "int32", id="int64"),
        pytest.param(np.arange(256, dtype=np.uint8), "int32", id="uint8"),
        pytest.param(np.array([True, False]), "int8", id="bool"),
        pytest.param(np.array([3.0, -4.0]), "int8", id="whole-floats"),
    ],
)
def test_exact_cast(tmp_path: Path, array: Any, cast: str) -> None:
    """A cast that keeps every value is done when asked for."""
    np.save(tmp_path / "x.npy", array)
    convert(tmp_path / "x.npy", tmp_path / "x.tsr", cast=cast)
    assert_same(tsr.load(tmp_path / "x.tsr"), array.astype(cast))


@pytest.mark.parametrize(
    ("array", "cast"),
    [
        pytest.param(np.array([0.5, 0.1]), "float32", id="rounded"),
        pytest.param(np.array([0, 2**31]), "int32", id="too-large"),
        pytest.param(np.array([0.0, -0.0]), "int32", id="negative-zero"),
        pytest.param(np.array([0, 2**24 + 1]), "float32", id="int-to-float"),
    ],
)
def test_cast_that_loses(
    tmp_path: Path, array: Any, cast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that a cast would change is named, with its index, wherever it is."""
    monkeypatch.setattr("tsr.converters.tensor.PIECE_BYTES", 8)
    np.savez(tmp_path / "x.npz", w=array.reshape(1, 2))
    with pytest.raises(
        tsr.ConversionError, match=r"would change a value: .* at index \(0, 1\)"
    ) as e:
        convert(tmp_path / "x.npz", tmp_path / "x.tsr", cast=cast)
    assert (e.value.path, e.value.name) == (str(tmp_path / "x.npz"), "w")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    convert(tmp_path / "x.npz", tmp_path / "x.tsr", cast=cast, lossy=True)
    with np.errstate(all="ignore"):
        assert_same(tsr.load(tmp_path / "x.tsr"), array.reshape(1, 2).astype(cast))


def test_only_what_needs_it(tmp_path: Path) -> None:
    """A single dtype is for arrays without a place; a mapping is for the dtypes it names."""
    arrays = {"i8": np.ones(2, np.int8), "f8": np.ones(2), "i16": np.ones(2, np.int16)}
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type] # mypy takes them for options
    convert(tmp_path / "x.npz", tmp_path / "all", cast="float32")
    dtypes = {p.stem: tsr.read_header(p).dtype.name for p in (tmp_path / "all").glob("*.tsr")}
    assert dtypes == {"i8": "int8", "f8": "float32", "i16": "float32"}
    convert(tmp_path / "x.npz", tmp_path / "some", cast={"float64": "float32", "int16": "int32"})
    dtypes = {p.stem: tsr.read_header(p).dtype.name for p in (tmp_path / "some").glob("*.tsr")}
    assert dtypes == {"i8": "int8", "f8": "float32", "i16": "int32"}
    with pytest.raises(tsr.ConversionError, match="i16: dtype int16"):
        convert(tmp_path / "x.npz", tmp_path / "none", cast={"float64": "float32"})


def test_cast_for_other_formats(tmp_path: Path) -> None:
    """A mapping casts for every format; a single dtype does not where none is needed."""
    np.save(tmp_path / "x.npy", np.ones(2))
    convert(tmp_path / "x.npy", tmp_path / "same.npy", cast="float32")
    assert np.load(tmp_path / "same.npy").dtype == np.float64
    for suffix in ("npy", "pt", "h5"):
        target = tmp_path / f"y.{suffix}"
        convert(tmp_path / "x.npy", target, cast={"float64": "float32"}, dataset="w")
        convert(target, tmp_path / f"{suffix}.npy")
        assert np.load(tmp_path / f"{suffix}.npy").dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        pytest.param((1, 1, 1, 1, 2), r"has 5 dimensions, and \.tsr holds at most 4", id="rank"),
        pytest.param((0, 2**31), "has a dimension above 2147483647", id="dimension"),
    ],
)
def test_shape(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    """A shape that has no place is refused, `lossy` or not."""
    np.save(tmp_path / "x.npy", np.zeros(shape, np.int8))
    for lossy in (False, True):
        with pytest.raises(tsr.ConversionError, match=message):
            convert(tmp_path / "x.npy", tmp_path / "x.tsr", lossy=lossy)
    convert(tmp_path / "x.npy", tmp_path / "x.pt")


@pytest.mark.parametrize(
    "cast",
    [
        np.float32, np.dtype(">f4"), "f4", {"f8": np.float32}, {np.float64: "float32"},
        {np.dtype(">f8"): np.dtype("f4")},
    ],
)  # fmt: skip
def test_dtype_likes(tmp_path: Path, cast: Any) -> None:
    """Whatever numpy takes for a dtype can be one of a cast."""
    np.savez(tmp_path / "x.npz", w=np.ones(2))
    convert(tmp_path / "x.npz", tmp_path / "x.tsr", cast=cast)
    assert_same(tsr.load(tmp_path / "x.tsr"), np.ones(2, np.float32))


@pytest.mark.parametrize("key", ["float46", "", None, 3, "float64,int64", "M8[s]", "U1", "O", "V8"])
def test_keys_that_are_no_dtype(tmp_path: Path, key: Any) -> None:
    """A cast from what is no dtype of numbers is refused, for it would never happen."""
    np.save(tmp_path / "x.npy", np.ones(2))
    with pytest.raises(tsr.UnsupportedError, match="not a dtype of numbers"):
        convert(tmp_path / "x.npy", tmp_path / "x.tsr", cast={key: "float32"})


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_keys_that_numpy_lacks(tmp_path: Path, name: str) -> None:
    """The dtypes that only torch has are named as torch names them."""
    torch.save({"w": torch.ones(2).to(getattr(torch, name))}, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "x.tsr", cast={name: "float32"})
    assert_same(tsr.load(tmp_path / "x.tsr"), np.ones(2, np.float32))
