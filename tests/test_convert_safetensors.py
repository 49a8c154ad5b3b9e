"""`.safetensors` <-> everything: what the library reads and writes, metadata, broken headers."""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

import tsr
from tests.converting import AWKWARD, assert_same, number_arrays
from tsr.converters import convert

ARRAYS: dict[str, Any] = {
    "z": AWKWARD,
    "none": np.ones((0, 2), np.int32),
    "a/b": np.arange(6, dtype=np.int8),
    "0-d": np.array(-0.0, np.float32),
}


def encoded(header: Any, payload: bytes = b"") -> bytes:
    """Give the bytes of a file, without the library."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def metadata_of(path: Path) -> Any:
    """Give what a file says about itself."""
    with safetensors.safe_open(path, framework="np") as file:
        return file.metadata()


def test_round_trip(tmp_path: Path) -> None:
    """Names, bits and metadata survive the way through a folder."""
    metadata = {"license": "none", "format": "np", "ü": "†"}
    safetensors.numpy.save_file(ARRAYS, tmp_path / "x.safetensors", metadata)
    convert(tmp_path / "x.safetensors", tmp_path / "x")
    convert(tmp_path / "x", tmp_path / "between.safetensors")
    convert(tmp_path / "between.safetensors", tmp_path / "back.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "back.safetensors")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert_same(found[name], array)
    assert metadata_of(tmp_path / "back.safetensors") == metadata


names = st.text(st.characters(codec="utf-8"), max_size=9).filter(lambda name: name[:2] != "__")


@given(st.dictionaries(names, number_arrays(tuple("?bBhHiIlLefdF")), max_size=4))
def test_the_library_reads_it(arrays: dict[str, Any]) -> None:
    """The library finds every name and every bit in what is written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        torch.save(
            {
                name: torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
                for name, array in arrays.items()
            },
            path / "x.pt",
        )
        convert(path / "x.pt", path / "x.safetensors")
        found = safetensors.numpy.load_file(path / "x.safetensors")
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert_same(found[name], array)


def test_order(tmp_path: Path) -> None:
    """Larger items come first, so that all are aligned; among equals the order is kept."""
    np.savez(tmp_path / "x.npz", b=AWKWARD, byte=np.ones(3, np.int8), a=AWKWARD)
    convert(tmp_path / "x.npz", tmp_path / "x.safetensors")
    convert(tmp_path / "x.safetensors", tmp_path / "back.npz")
    with np.load(tmp_path / "back.npz") as back:
        assert list(back) == ["b", "a", "byte"]
    header_size = struct.unpack("<Q", (tmp_path / "x.safetensors").read_bytes()[:8])[0]
    assert header_size % 8 == 0


def test_small_floats(tmp_path: Path) -> None:
    """bfloat16 and float8, which numpy lacks, go from and to torch, and as float32 to .tsr."""
    tensors = {
        "bf16": torch.tensor([1.5, -0.0, float("inf")]).to(torch.bfloat16),
        "f8": torch.tensor([1.5, -0.0, 448.0]).to(torch.float8_e4m3fn),
    }
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors")
    convert(tmp_path / "x.safetensors", tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "y.safetensors")
    found = safetensors.torch.load_file(tmp_path / "y.safetensors")
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].float(), tensor.float())
    convert(tmp_path / "x.safetensors", tmp_path / "x", cast="float32")
    assert_same(tsr.load(tmp_path / "x" / "f8.tsr"), tensors["f8"].float().numpy())


def test_metadata_is_not_dropped(tmp_path: Path) -> None:
    """Metadata that the target has no place for must be let go; `format` says nothing new."""
    safetensors.numpy.save_file(ARRAYS, tmp_path / "x.safetensors", {"format": "pt"})
    convert(tmp_path / "x.safetensors", tmp_path / "x.npz")
    convert(tmp_path / "x.safetensors", tmp_path / "x.pt")
    safetensors.numpy.save_file(ARRAYS, tmp_path / "y.safetensors", {"format": "pt", "by": "me"})
    with pytest.raises(tsr.ConversionError, match=r"the file's metadata \(by\) has no place"):
        convert(tmp_path / "y.safetensors", tmp_path / "y.npz")
    convert(tmp_path / "y.safetensors", tmp_path / "y.npz", lossy=True)


def test_from_torch(tmp_path: Path) -> None:
    """Files made from torch's say so, as readers of such files expect."""
    torch.save({"w": torch.ones(2)}, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert metadata_of(tmp_path / "x.safetensors") == {"format": "pt"}


W = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BAD = [
    pytest.param(b"", "not readable as a safetensors file", id="empty"),
    pytest.param(b"\xff" * 16, "not readable", id="huge-header"),
    pytest.param(encoded(b"{"), "not readable", id="json"),
    pytest.param(encoded({"w": W}, b"\0" * 7), "not readable", id="cut"),
    pytest.param(encoded({"w": W}, b"\0" * 9), "not readable", id="trailing"),
    pytest.param(encoded({"w": {**W, "shape": [3]}}, b"\0" * 8), "not readable", id="shape"),
    pytest.param(encoded({"w": {**W, "data_offsets": [8, 0]}}, b"\0" * 8), "not", id="reversed"),
    pytest.param(encoded({"w": W, "v": W}, b"\0" * 8), "not readable", id="overlap"),
    pytest.param(encoded({"w": {**W, "shape": [2**63, 4]}}, b"\0" * 8), "not", id="wrapping"),
    pytest.param(
        encoded({"w": {"dtype": "F8_E8M0", "shape": [1], "data_offsets": [0, 1]}}, b"\0"),
        "w: dtype F8_E8M0, expected one of BOOL", id="dtype",
    ),
    pytest.param(
        encoded({"w": {**W, "shape": [0, 2**62], "data_offsets": [0, 0]}}),
        "w: shape .* dimension above|w: shape .* more bytes|not readable", id="zero-and-huge",
    ),
    pytest.param(
        encoded({"__metadata__": {"torch._metadata": '{"set": []}'}}), "expected a tensor, a cont",
        id="notes",
    ),
    pytest.param(
        encoded({"__metadata__": {"torch._metadata": '"w.tsr"'}}), "a tensor in _metadata",
        id="tensor-in-notes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), BAD)
def test_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """A broken file is an error with its path; nothing is written."""
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(tsr.ConversionError, match=message) as caught:
        convert(tmp_path / "x.safetensors", tmp_path / "x")
    assert caught.value.path == str(tmp_path / "x.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("__metadata__", "keeps this name for itself", id="metadata"),
        pytest.param("\ud800", "no Unicode", id="surrogate"),
    ],
)
def test_names_the_format_cannot_keep(tmp_path: Path, name: str, message: str) -> None:
    """A name that would break the header is refused."""
    np.save(tmp_path / "x.npy", AWKWARD)
    with pytest.raises(tsr.ConversionError, match=message):
        convert(tmp_path / "x.npy", tmp_path / "x.safetensors", dataset=name)


def test_dtype_without_a_place(tmp_path: Path) -> None:
    """complex128 has no place in the format, and no cast keeps its imaginary part."""
    np.save(tmp_path / "x.npy", np.ones(2, complex))
    for cast in (None, "float32"):
        with pytest.raises(tsr.ConversionError, match="no cast keeps its imaginary part"):
            convert(tmp_path / "x.npy", tmp_path / "x.safetensors", dataset="w", cast=cast)


def test_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the error says how to install it."""
    (tmp_path / "x.safetensors").write_bytes(encoded({}))
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(tsr.MissingExtraError, match=r"pip install 'tsr-codec\[formats\]'"):
        convert(tmp_path / "x.safetensors", tmp_path / "x")


def test_many_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tensors than any checkpoint has are refused."""
    np.savez(tmp_path / "x.npz", a=AWKWARD, b=AWKWARD)
    convert(tmp_path / "x.npz", tmp_path / "x.safetensors")
    monkeypatch.setattr("tsr.converters.tree.ENTRIES_MAX", 1)
    with pytest.raises(tsr.ConversionError, match="more than 1 entries"):
        convert(tmp_path / "x.safetensors", tmp_path / "x")
