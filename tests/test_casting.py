"""Casts on request: every value kept, or the first that would change named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tsr
from tsr import payload

NAN = np.array([0x7FF8000000000000], np.uint64).view(np.float64)
ODD_NAN = np.array([0x7FF8000000000001], np.uint64).view(np.float64)

KEPT = [
    pytest.param(np.arange(-300, 300).astype(np.float16), "float32", id="float16"),
    pytest.param(np.array([np.inf, -0.0, 6e-8], np.float16), "float32", id="float16-specials"),
    pytest.param(np.array([True, False]), "int8", id="bool"),
    pytest.param(np.arange(256, dtype=np.uint8), "int32", id="uint8"),
    pytest.param(np.arange(128, dtype=np.uint8), "int8", id="uint8-small"),
    pytest.param(np.array([-(2**15), 2**15 - 1], np.int16), "int32", id="int16"),
    pytest.param(np.array([0, 2**16 - 1], np.uint16), "int32", id="uint16"),
    pytest.param(np.array([-(2**31), 2**31 - 1]), "int32", id="int64"),
    pytest.param(np.array([2**62, -(2**63)]), "float32", id="int64-powers"),
    pytest.param(np.array([2**63], np.uint64), "float32", id="uint64-power"),
    pytest.param(np.array([1.5, -0.0, np.inf, 2.0**-149]), "float32", id="float64"),
    pytest.param(NAN, "float32", id="float64-nan"),
    pytest.param(np.array([3.0, -128.0]), "int8", id="float64-int"),
    pytest.param(np.array([3, -4], ">i8"), "int32", id="big-endian"),
    pytest.param(np.array([[1, 2], [3, 4]]).T, "int32", id="transposed"),
    pytest.param(np.array([1.5, np.nan, -np.inf], np.longdouble), "float32", id="longdouble"),
    pytest.param(np.array([1.5, 2.5], np.float32), "float32", id="the-same"),
    pytest.param(np.zeros((2, 0)), "int8", id="empty"),
    pytest.param(np.array(7), "int8", id="0-d"),
]

LOST = [
    pytest.param(np.array([1.0, 0.1]), "float32", 1, id="rounding"),
    pytest.param(np.array([1e300]), "float32", 0, id="overflow"),
    pytest.param(np.array([1e-300]), "float32", 0, id="underflow"),
    pytest.param(ODD_NAN, "float32", 0, id="nan-payload"),
    pytest.param(np.array([2**24, 2**24 + 1]), "float32", 1, id="int-rounding"),
    pytest.param(np.array([2**63 - 1]), "float32", 0, id="int64-max"),
    pytest.param(np.array([2**64 - 1], np.uint64), "float32", 0, id="uint64-max"),
    pytest.param(np.array([2**31 - 1], np.int32), "float32", 0, id="int32-max"),
    pytest.param(np.array([2**31]), "int32", 0, id="int-overflow"),
    pytest.param(np.array([0, 128], np.uint8), "int8", 1, id="uint8-overflow"),
    pytest.param(np.array([np.nan]), "int32", 0, id="nan-to-int"),
    pytest.param(np.array([-np.inf]), "int32", 0, id="inf-to-int"),
    pytest.param(np.array([-np.inf], np.float16), "int32", 0, id="float16-inf-to-int"),
    pytest.param(np.array([1.5]), "int32", 0, id="fraction"),
    pytest.param(np.array([0.0, -0.0]), "int32", 1, id="minus-zero-to-int"),
    pytest.param(np.array([2.0**31], np.float32), "int32", 0, id="float32-to-int"),
    pytest.param(np.array([0.1], np.longdouble) / 3, "float32", 0, id="longdouble"),
]


@pytest.mark.parametrize(("array", "cast"), KEPT)
def test_kept(array: Any, cast: str) -> None:
    """A cast that keeps every value needs no leave."""
    loaded = tsr.loads(tsr.dumps(array, cast=cast))
    assert loaded.dtype == np.dtype(cast)
    back = loaded.astype(array.dtype)
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")
    assert np.array_equal(np.signbit(back), np.signbit(array)) if array.dtype.kind == "f" else True


@pytest.mark.parametrize(("array", "cast", "index"), LOST)
def test_lost(target: Path, array: Any, cast: str, index: int) -> None:
    """A cast that would change a value is refused with the first, unless it may."""
    buffer = bytearray(200)
    for attempt in (
        lambda: tsr.dumps(array, cast=cast),
        lambda: tsr.save(target, array, cast=cast),
        lambda: tsr.dumps_into(buffer, array, cast=cast),
    ):
        with pytest.raises(tsr.UnsupportedError, match=rf"at index \({index},\).*lossy=True"):
            attempt()
    assert not target.exists()
    assert buffer == bytes(200)
    tsr.save(target, array, cast=cast, lossy=True)
    with np.errstate(all="ignore"):
        assert tsr.load(target).tobytes() == array.astype(cast).tobytes()


def test_the_index_is_the_whole_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index in the error is that of the array, however it is cut into blocks."""
    array = np.zeros((5, 4, 3))
    array[3, 2, 1] = 0.1
    for block in (1, 30, 100, 300, 10_000):
        monkeypatch.setattr(payload, "BLOCK_BYTES", block)
        with pytest.raises(tsr.UnsupportedError, match=r"index \(3, 2, 1\)"):
            tsr.dumps(array, cast="float32")


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "S3", "object"])
def test_only_real_numbers(dtype: str) -> None:
    """What is no real number cannot be cast."""
    with pytest.raises(tsr.UnsupportedError, match="expected real numbers"):
        tsr.dumps(np.zeros(2, dtype), cast="float32", lossy=True)


def test_cast_to_what_the_format_lacks() -> None:
    """A cast leads to one of the format's dtypes."""
    with pytest.raises(tsr.UnsupportedError, match="got float64"):
        tsr.dumps(np.zeros(2, np.float32), cast="float64")


@pytest.mark.parametrize(
    "dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn]
)
def test_dtypes_that_numpy_lacks(dtype: Any) -> None:
    """Every value of a dtype of ml_dtypes is kept by float32; of bfloat16, every bit."""
    size = np.dtype(dtype).itemsize
    bits = np.arange(1 << 8 * size, dtype=f"u{size}")
    loaded = tsr.loads(tsr.dumps(bits.view(dtype), cast="float32"))
    if dtype is ml_dtypes.bfloat16:
        assert (loaded.view(np.uint32) == bits.astype(np.uint32) << 16).all()
    assert np.array_equal(loaded, bits.view(dtype).astype(np.float32), equal_nan=True)
    with pytest.raises(tsr.UnsupportedError, match="cast='float32' keeps every value"):
        tsr.dumps(bits.view(dtype))
