"""Arrays of other libraries are written from where they lie, and no value of theirs changes."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import xarray as xr
from hypothesis import given

import tsr
from tests.strategies import payload_of
from tsr.exchange import as_ndarray
from tsr.testing import arrays

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
NEGATIVE = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.cfloat).conj().imag


HOLE = pa.array([1.0, None], pa.float32())
MISSING = pa.ExtensionArray.from_storage(
    pa.fixed_shape_tensor(pa.float32(), [2]),
    pa.array([[1.0, 2.0], [3.0, None]], pa.list_(pa.float32(), 2)),
)


class Exporter:
    """An array that offers nothing but DLPack."""

    def __init__(self, array: Any, device: int = 1) -> None:
        self._array = array
        self._device = device

    def __dlpack__(self, **options: Any) -> Any:
        """Give the array's own capsule."""
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device, 0


def read_only(array: Any) -> Any:
    """Give the same array without the right to write to it."""
    array = array.view()
    array.flags.writeable = False
    return array


def address(array: Any) -> int:
    """Tell where the first element of an array lies."""
    return int(array.__array_interface__["data"][0])


# What is given, the array that it shows, and where that lies.
GIVEN: dict[str, Callable[[], tuple[Any, Any, int]]] = {
    "torch": lambda: (t := torch.from_numpy(X.copy()), X, t.data_ptr()),
    "torch-requires-grad": lambda: (
        t := torch.from_numpy(X.copy()).requires_grad_(), X, t.data_ptr()
    ),
    "torch-strided": lambda: (
        t := torch.from_numpy(X.copy())[:, 1:].transpose(0, 2), X[:, 1:].transpose(2, 1, 0),
        t.data_ptr(),
    ),
    "torch-0-d": lambda: (t := torch.tensor(3.5), np.float32(3.5), t.data_ptr()),
    "arrow-array": lambda: (
        a := pa.array(X.reshape(-1)), X.reshape(-1), a.buffers()[1].address
    ),
    "arrow-slice": lambda: (
        (a := pa.array(X.reshape(-1)))[4:10], X.reshape(-1)[4:10], a.buffers()[1].address + 16
    ),
    "arrow-tensor": lambda: (pa.Tensor.from_numpy(X), X, address(X)),
    "arrow-tensor-transposed": lambda: (pa.Tensor.from_numpy(X.T), X.T, address(X)),
    "arrow-fixed-shape-tensors": lambda: (
        a := pa.FixedShapeTensorArray.from_numpy_ndarray(X), X, a.buffers()[-1].address
    ),
    "arrow-read-only-buffer": lambda: (
        a := pa.array(X.reshape(-1)).buffers()[1], np.frombuffer(a, np.int8), a.address
    ),
    "dlpack-alone": lambda: (Exporter(X), X, address(X)),
    "dlpack-alone-strided": lambda: (Exporter(X[::-1, ::2]), X[::-1, ::2], address(X[::-1])),
    "dlpack-alone-read-only": lambda: (Exporter(read_only(X)), X, address(X)),
    "dlpack-alone-pinned": lambda: (Exporter(X, device=3), X, address(X)),
    "read-only-array": lambda: (read_only(X), X, address(X)),
    "read-only-buffer": lambda: (
        d := memoryview(X.tobytes()).cast("f", (2, 3, 4)), X, address(np.asarray(d))
    ),
    "xarray": lambda: (xr.DataArray(X, dims=("time", "y", "x")), X, address(X)),
}  # fmt: skip


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in GIVEN.items()])
def test_memory_is_shown_where_it_lies(target: Path, make: Callable[[], Any]) -> None:
    """Every way of writing takes it for the array that it shows, over the same memory."""
    given, expected, place = make()
    shown = as_ndarray(given)
    assert address(shown) == place
    assert (shown.dtype, shown.shape) == (expected.dtype, expected.shape)
    data = tsr.dumps(expected)
    assert tsr.dumps(given) == data
    tsr.save(target, given)
    assert target.read_bytes() == data
    buffer = bytearray(len(data))
    assert tsr.dumps_into(buffer, given) == len(data)
    assert buffer == data
    many = tsr.dumps([expected, expected], format="tsr4")
    assert tsr.dumps([given, given], format="tsr4") == many
    with tsr.create(target) as file:
        file.add(given)
        file.add(given)
    assert target.read_bytes() == many
    assert tsr.dumps(given, format="tsr4") == tsr.dumps(expected, format="tsr4")


@contextmanager
def no_allocation(limit: int) -> Iterator[None]:
    """Fail where Python and numpy, or Arrow, take more memory at once than `limit` bytes."""
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit
    assert pa.total_allocated_bytes() == before


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Exporter, id="dlpack"),
        pytest.param(torch.from_numpy, id="torch"),
        pytest.param(lambda array: torch.from_numpy(array).t(), id="torch-transposed"),
        pytest.param(lambda array: torch.from_numpy(array).requires_grad_(), id="torch-grad"),
        pytest.param(pa.Tensor.from_numpy, id="arrow-tensor"),
        pytest.param(pa.FixedShapeTensorArray.from_numpy_ndarray, id="arrow-fixed-shape"),
        pytest.param(lambda array: pa.array(array.reshape(-1)), id="arrow-array"),
        pytest.param(xr.DataArray, id="xarray"),
    ],
)
def test_no_second_copy(target: Path, make: Callable[[Any], Any]) -> None:
    """Saving what is large takes memory for a few blocks of it, in either format."""
    given = make(np.ones((1 << 12, 1 << 12), np.float32))  # 64 MiB
    for format in ("v1", "tsr4"):
        with no_allocation(limit=16 << 20):
            tsr.save(target, given, format=format)
    assert target.stat().st_size > 1 << 26


@given(array=arrays())
def test_dlpack_keeps_every_bit(array: Any) -> None:
    """What comes by DLPack is written like the array itself, whatever its strides and values."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # DLPack has no other
    assert tsr.dumps(Exporter(array)) == tsr.dumps(array)
    assert tsr.loads(tsr.dumps(Exporter(array))).tobytes() == payload_of(array)


def test_the_owner_knows_its_values() -> None:
    """To DLPack torch gives the memory without the negative bit, so that it is asked itself."""
    assert np.from_dlpack(NEGATIVE).tolist() == [2, -4]
    assert NEGATIVE.tolist() == [-2, 4]
    assert tsr.loads(tsr.dumps(NEGATIVE)).tolist() == [-2, 4]


def test_jax(target: Path) -> None:
    """An array of jax is written from where it lies, and its bfloat16 named with the cast."""
    jax = pytest.importorskip("jax.numpy", reason="jax is not installed: half a gigabyte")
    array = jax.arange(24, dtype="float32").reshape(2, 3, 4)
    assert address(as_ndarray(array)) == array.unsafe_buffer_pointer()
    tsr.save(target, array)
    assert target.read_bytes() == tsr.dumps(X)
    with pytest.raises(tsr.UnsupportedError, match="cast='float32' keeps every value"):
        tsr.dumps(array.astype("bfloat16"))
    assert tsr.dumps(array.astype("bfloat16"), cast="float32") == tsr.dumps(X)


def test_parameters_of_a_model() -> None:
    """What a model gives is an iterable of tensors, each of them with a gradient to come."""
    model = torch.nn.Linear(3, 2)
    with tsr.open(tsr.dumps(model.parameters(), format="tsr4")) as file:
        for array, tensor in zip(file, model.parameters(), strict=True):
            assert array.tobytes() == tensor.detach().numpy().tobytes()


class OnDevice(Exporter):
    """An array in the memory of a device, as cupy's are: no conversion unless asked for."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()`.")


class Fetching(Exporter):
    """An array in the memory of a device that its library fetches from there, as jax does."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return X.copy()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(Exporter(X, 2), r"Exporter in the memory of a device \(CUDA\)", id="cuda"),
        pytest.param(Exporter(X, 10), r"\(ROCm\), expected the CPU's; copy it", id="rocm"),
        pytest.param(Exporter(X, 99), r"\(type 99 of DLPack\)", id="unknown-device"),
        pytest.param(OnDevice(X, 2), r"gives no array: Implicit .* `\.get\(\)`", id="cupy-like"),
        pytest.param(Exporter(object()), "gives no array: 'object' object has no", id="no-capsule"),
        pytest.param(Exporter(X, "cuda"), "gives no array: invalid literal", id="device"),  # type: ignore[arg-type]
        pytest.param(Exporter(torch.ones(2).bfloat16()), "Unsupported dtype", id="bfloat16"),
        pytest.param(Exporter(X.astype(np.float64)), "got float64, expected one of", id="float64"),
        pytest.param(Exporter, "got type, expected an array", id="class"),
        pytest.param(torch.ones(2).bfloat16(), "cast='float32' keeps every", id="torch-bfloat16"),
        pytest.param(torch.ones(2).to_sparse(), "sparse.* expected one with dense", id="sparse"),
        pytest.param(torch.ones(2, device="meta"), "got a meta tensor", id="meta"),
        pytest.param(
            torch.ones(2, dtype=torch.cfloat).conj(), "complex64.* no cast would", id="conj"
        ),
        pytest.param(HOLE, "1 missing values", id="arrow-null"),
        pytest.param(pa.array([1, None], pa.int32()), "fill_null", id="arrow-null-int"),
        pytest.param(MISSING, "FixedShapeTensorArray with 1 missing", id="arrow-null-in-tensor"),
        pytest.param(pa.table({"a": HOLE}), "Table with 1 missing", id="arrow-table"),
        pytest.param(pa.record_batch({"a": HOLE}), "RecordBatch with 1", id="arrow-batch"),
        pytest.param(pd.Series([1, None], dtype="Float32"), "fillna", id="pandas-missing"),
        pytest.param(pd.Index([1, None], dtype="Int32"), "Index with 1 miss", id="pandas-index"),
        pytest.param(pd.array([1, None], dtype="Int32"), "1 missing", id="pandas-array"),
        pytest.param(
            pd.DataFrame({"a": pd.Series([1, None], dtype="float[pyarrow]")}),
            "DataFrame with 1 missing",
            id="pandas-frame",
        ),
        pytest.param(np.float32, "got type, expected an array", id="class-of-numpy"),
        pytest.param(pa.array([[1.0], [2.0]]), "gives no array: ", id="arrow-lists"),
        pytest.param(pa.array(["text"]), "gives no array: ", id="arrow-text"),
    ],
)
def test_refused(target: Path, given: Any, message: str) -> None:
    """What lies elsewhere, has missing values or is no array is refused, with what helps."""
    target.write_bytes(b"before")
    attempts: list[Callable[[], object]] = [
        lambda: tsr.save(target, given),
        lambda: tsr.dumps(given),
        lambda: tsr.dumps_into(bytearray(1000), given),
        lambda: tsr.dumps(given, format="tsr4"),
    ]
    if "float64" not in message:
        attempts.append(lambda: tsr.save(io.BytesIO(), [given], format="tsr4"))
    for attempt in attempts:
        with pytest.raises(tsr.UnsupportedError, match=message):
            attempt()
    assert target.read_bytes() == b"before"


def test_what_a_library_fetches_from_its_device() -> None:
    """Where the owner converts, it is not asked where its memory is."""
    assert tsr.dumps(Fetching(X, 2)) == tsr.dumps(X)


def test_inside_vmap() -> None:
    """A tensor that torch only traces has no values to write."""

    def save(tensor: Any) -> Any:
        tsr.dumps(tensor)
        return tensor

    with pytest.raises(tsr.UnsupportedError, match=r"numpy cannot show: .*storage"):
        torch.vmap(save)(torch.ones(2, 2))


def test_memory_that_was_given_back() -> None:
    """A view of memory that is over is no array."""
    view = memoryview(b"abcd")
    view.release()
    with pytest.raises(tsr.UnsupportedError, match="got memoryview, expected an array"):
        tsr.dumps(view)


class Failing(Exporter):
    """An array that its owner fails to give."""

    def __init__(self, error: Exception) -> None:
        super().__init__(X)
        self.error = error

    def __dlpack__(self, *_: Any, **__: Any) -> Any:
        raise self.error


class FailingToConvert(Failing):
    """The same, where the owner is to convert it."""

    __array__ = Failing.__dlpack__


@pytest.mark.parametrize("make", [Failing, FailingToConvert])
@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "denied", "data.nc"),
        MemoryError(),
        tsr.FormatError("payload", 64, found=1, expected=2, clause="T4-CRC-2"),
    ],
)
def test_what_an_owner_cannot_read(make: Callable[[Any], Any], error: Exception) -> None:
    """An array that lies in a file, or takes memory, fails as that does, and not as no array."""
    with pytest.raises(type(error)) as caught:
        tsr.dumps(make(error))
    assert caught.value is error


def test_numbers_that_are_none() -> None:
    """NaN in an array of numpy's is a number, in pandas too; what is filled is written."""
    nan = np.array([1, np.nan], np.float32)
    assert tsr.dumps(pd.Series(nan)) == tsr.dumps(nan)
    assert tsr.dumps(pd.Series([1, None], dtype="Int32").fillna(0)) == tsr.dumps(
        np.array([1, 0], np.int32)
    )
