"""torch tensors over the codec, and the framework's names for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tech_renaissance
import tsr
from tsr.source import SMALL_FILE

SMALL = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
LARGE = torch.arange(SMALL_FILE // 4 + 5, dtype=torch.int32)


def bits(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Give dtype, shape and bytes of a tensor."""
    return tensor.dtype, tuple(tensor.shape), tensor.detach().cpu().numpy().tobytes()


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(SMALL, id="float32"),
        pytest.param(LARGE, id="int32-large"),
        pytest.param(SMALL.to(torch.int8), id="int8"),
        pytest.param(torch.tensor(3.5), id="0-d"),
        pytest.param(torch.zeros(2, 0, 3), id="empty"),
        pytest.param(torch.tensor([float("nan"), -0.0, float("inf"), 1e-45]), id="specials"),
        pytest.param(SMALL.transpose(0, 2), id="transposed"),
        pytest.param(SMALL[:, ::2], id="strided"),
        pytest.param(torch.tensor([1.0]).expand(3, 4), id="expanded"),
        pytest.param(SMALL.clone().requires_grad_(), id="requires-grad"),
        pytest.param((SMALL.clone().requires_grad_() * 2), id="has-history"),
        pytest.param(torch.nn.Parameter(SMALL.clone()), id="parameter"),
        pytest.param(torch.randn(4, dtype=torch.cfloat).conj().imag, id="negative-bit"),
        pytest.param(SMALL.view(2, 3, 2, 2).to(memory_format=torch.channels_last), id="nhwc"),
    ],
)
def test_round_trip(target: Path, tensor: torch.Tensor) -> None:
    """Any dense tensor comes back bit for bit, contiguous, writable, without gradient."""
    tsr.torch.save(target, tensor)
    loaded = tsr.torch.load(target)
    expected = tensor.detach().resolve_neg().contiguous()
    assert bits(loaded) == bits(expected)
    assert loaded.is_contiguous()
    assert not loaded.requires_grad
    assert tsr.torch.dumps(tensor) == target.read_bytes()
    assert bits(tsr.torch.loads(target.read_bytes())) == bits(expected)
    assert bits(tsr.torch.load(io.BytesIO(target.read_bytes()))) == bits(expected)


@pytest.mark.parametrize(
    "tensor", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large")]
)
def test_loaded_tensors_are_the_callers_own(target: Path, tensor: torch.Tensor) -> None:
    """Changing a loaded tensor changes neither the file nor the bytes that it came from."""
    tsr.torch.save(target, tensor)
    data = target.read_bytes()
    for loaded in (tsr.torch.load(target), tsr.torch.loads(data), tsr.torch.load(data)):
        loaded.zero_()
    assert target.read_bytes() == data == tsr.torch.dumps(tensor)


def test_large_tensors_are_mapped(target: Path) -> None:
    """Loading a large tensor reads none of it: the memory is the file's, copy-on-write."""
    tsr.torch.save(target, LARGE)
    loaded = tsr.torch.load(target)
    maps = Path("/proc/self/maps").read_text()
    (line,) = [line for line in maps.splitlines() if str(target) in line]
    low, high = (int(address, 16) for address in line.split()[0].split("-"))
    assert low < loaded.data_ptr() < high
    assert "rw-p" in line


def test_device(target: Path) -> None:
    """`device` says where the tensor goes."""
    tsr.torch.save(target, SMALL)
    assert tsr.torch.load(target, device="cpu").device == torch.device("cpu")
    assert tsr.torch.load(target, device="meta").is_meta


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        pytest.param(SMALL.double(), "got float64", id="float64"),
        pytest.param(SMALL.half(), "cast='float32' keeps every value", id="float16"),
        pytest.param(SMALL.bfloat16(), "got bfloat16.*cast='float32' keeps every", id="bfloat16"),
        pytest.param(SMALL.to(torch.float8_e5m2), "got float8_e5m2.*cast='float32'", id="float8"),
        pytest.param(SMALL.long(), "got int64", id="int64"),
        pytest.param(SMALL.to(torch.complex64), "got complex64", id="complex"),
        pytest.param(SMALL.reshape(1, 1, 2, 3, 4), "got 5 dimensions", id="rank-5"),
        pytest.param(torch.eye(3).to_sparse(), "got a torch.sparse_coo tensor", id="sparse"),
        pytest.param(SMALL.to("meta"), "got a meta tensor", id="meta"),
        pytest.param(np.zeros(3, "f4"), "got ndarray, expected torch.Tensor", id="array"),
        pytest.param([1.0], "got list, expected torch.Tensor", id="list"),
    ],
)
def test_refused(target: Path, tensor: Any, message: str) -> None:
    """What has no exact encoding is refused, and nothing is written."""
    for attempt in (lambda: tsr.torch.save(target, tensor), lambda: tsr.torch.dumps(tensor)):
        with pytest.raises(tsr.UnsupportedError, match=message):
            attempt()
    assert not target.exists()


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.filterwarnings("ignore:.*quantiz")
def test_quantized_tensors_are_refused() -> None:
    """A quantized tensor's integers are not its values."""
    tensor = torch.quantize_per_tensor(SMALL, 0.1, 0, torch.qint8)
    with pytest.raises(tsr.UnsupportedError, match="got a quantized tensor"):
        tsr.torch.dumps(tensor)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e5m2, torch.float16, torch.float64])
def test_cast(dtype: torch.dtype) -> None:
    """A cast that keeps every value is done on request, for dtypes that numpy lacks too."""
    tensor = torch.tensor([1.5, -0.0, 2.0, float("inf")], dtype=dtype)
    loaded = tsr.torch.loads(tsr.torch.dumps(tensor, cast="float32"))
    assert bits(loaded) == bits(tensor.to(torch.float32))


def test_tensors_are_arrays_to_numpy() -> None:
    """`tsr.save` and `tsr.dumps` take a tensor for the array that it shows, if it shows one."""
    assert tsr.dumps(SMALL) == tsr.torch.dumps(SMALL)
    assert tsr.dumps(torch.nn.Parameter(SMALL.clone())) == tsr.torch.dumps(SMALL)
    with pytest.raises(tsr.UnsupportedError, match="cast='float32' keeps every value"):
        tsr.dumps(SMALL.bfloat16())
    assert tsr.dumps(SMALL.bfloat16(), cast="float32") == tsr.torch.dumps(SMALL)


@pytest.mark.filterwarnings("ignore:ComplexHalf", "ignore:The PyTorch API of nested tensors")
def test_tensors_that_numpy_cannot_show() -> None:
    """What has no array is refused, whatever the reason."""
    for tensor in (
        SMALL.to(torch.complex32),
        torch.nested.nested_tensor([SMALL, SMALL], layout=torch.strided),
    ):
        with pytest.raises(tsr.UnsupportedError, match=r"numpy cannot show|got a nested"):
            tsr.torch.dumps(tensor)


def test_memory_that_was_given_back() -> None:
    """A tensor whose storage was emptied has no values to write."""
    tensor = torch.ones(1000)
    tensor.untyped_storage().resize_(0)
    with pytest.raises(tsr.UnsupportedError, match="memory was given back"):
        tsr.torch.dumps(tensor)


def test_seed_names(target: Path) -> None:
    """`export_tsr` and `import_tsr` are the codec under the framework's names."""
    tech_renaissance.export_tsr(SMALL, target)
    assert target.read_bytes() == tsr.torch.dumps(SMALL)
    loaded = tech_renaissance.import_tsr(str(target))
    assert bits(loaded) == bits(SMALL)
    tech_renaissance.export_tsr(SMALL.numpy(), str(target))
    assert bits(tech_renaissance.import_tsr(target)) == bits(SMALL)
    tech_renaissance.export_tsr(np.float32(3), target)
    assert tech_renaissance.import_tsr(target).item() == 3
    with pytest.raises(tech_renaissance.TSRError, match="got list"):
        tech_renaissance.export_tsr([1.0], target)  # type: ignore[arg-type] # the test
    target.write_bytes(b"no tensor")
    with pytest.raises(tech_renaissance.TSRError):
        tech_renaissance.import_tsr(target)
