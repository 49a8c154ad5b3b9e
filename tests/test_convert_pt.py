"""`.pt` <-> everything: checkpoints as they are in the wild, and pickles that mean harm."""

from __future__ import annotations

import ctypes
import io
import math
import mmap
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tsr
from tests.converting import AWKWARD, assert_same
from tests.strategies import arrays
from tsr.converters import convert, pt

MNIST = Path(__file__).parent / "data" / "mnist_mlp_3.pt"


def load(path: Path) -> Any:
    """Load a file as torch does."""
    return torch.load(path, map_location="cpu", weights_only=True)


def assert_same_tree(found: Any, expected: Any) -> None:
    """Compare containers and their kinds, order, keys, scalars and the bits of tensors."""
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert bits_of(found) == bits_of(expected)
    elif isinstance(expected, dict):
        assert [(type(key), key) for key in found] == [(type(key), key) for key in expected]
        for key in expected:
            assert_same_tree(found[key], expected[key])
        if isinstance(expected, OrderedDict):
            assert_same_tree(vars(found), vars(expected))
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_tree(one, other)
    elif isinstance(expected, float):
        assert struct.pack("d", found) == struct.pack("d", expected)
    else:
        assert found == expected


def bits_of(tensor: torch.Tensor) -> bytes:
    """Give the bytes of a tensor's elements."""
    plain = tensor.clone(memory_format=torch.contiguous_format)
    return ctypes.string_at(plain.data_ptr(), plain.nbytes) if plain.nbytes else b""


@pytest.mark.parametrize("through", ["folder", "x.safetensors", "x.pth"])
def test_real_checkpoint(tmp_path: Path, through: str) -> None:
    """A state dict saved on a GPU comes back the same: kind, order, _metadata and every bit."""
    convert(MNIST, tmp_path / through)
    convert(tmp_path / through, tmp_path / "back.pt")
    state = load(MNIST)
    assert len(state) == 6
    assert_same_tree(load(tmp_path / "back.pt"), state)


def test_real_checkpoint_by_file(tmp_path: Path) -> None:
    """Every entry of a state dict has a file by its name."""
    convert(MNIST, tmp_path / "mlp")
    for name, tensor in load(MNIST).items():
        assert_same(tsr.load(tmp_path / "mlp" / f"{name}.tsr"), tensor.numpy())


@given(arrays())
def test_tensor_round_trip(array: Any) -> None:
    """A tensor alone goes to a .tsr file and back bit for bit."""
    expected = torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        torch.save(expected, path / "x.pt")
        convert(path / "x.pt", path / "x.tsr")
        convert(path / "x.tsr", path / "back.pt")
        assert_same_tree(load(path / "back.pt"), expected)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8"), max_size=9)
    | st.floats()
    | st.sampled_from([math.inf, -math.inf, -0.0, 5e-324])
)
leaves = scalars | st.sampled_from(
    [torch.from_numpy(AWKWARD), torch.zeros(0, 2), torch.tensor(-3, dtype=torch.int8)]
)
nasty_keys = st.sampled_from(
    ["", ".", "..", "a/b", "A", "a", "a.tsr", "tensors.json", "%41", "~", "x" * 300, "ü", "1", "\0",
     " ", "a\\b", "CON", "-"]
)  # fmt: skip
keys = nasty_keys | st.text(st.characters(codec="utf-8"), max_size=9) | st.integers(-3, 3)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


@given(st.lists(trees, max_size=4) | st.dictionaries(keys, trees, max_size=5))
def test_tree_round_trip(tree: Any) -> None:
    """Any tree, whatever its keys, survives a folder and the way back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        torch.save(tree, path / "x.pt")
        convert(path / "x.pt", path / "folder")
        convert(path / "folder", path / "back.pt")
        assert_same_tree(load(path / "back.pt"), tree)


def test_checkpoint(tmp_path: Path) -> None:
    """A training checkpoint with nested state, int keys and scalars survives."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    checkpoint: dict[str, Any] = {"epoch": 3, "loss": math.nan, "model": model.state_dict()}
    checkpoint |= {"optimizer": optimizer.state_dict()}
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match=r"model/1\.num_batches_tracked: dtype int64"):
        convert(tmp_path / "x.pt", tmp_path / "folder")
    convert(tmp_path / "x.pt", tmp_path / "folder", cast="int32")
    convert(tmp_path / "folder", tmp_path / "back.pt")
    checkpoint["model"]["1.num_batches_tracked"] = torch.tensor(1, dtype=torch.int32)
    assert_same_tree(load(tmp_path / "back.pt"), load_expected(checkpoint, tmp_path))


def load_expected(value: Any, folder: Path) -> Any:
    """Give a value as torch saves and loads it."""
    torch.save(value, folder / "expected.pt")
    return load(folder / "expected.pt")


def test_part_of_a_checkpoint(tmp_path: Path) -> None:
    """`dataset` takes a state dict out of a checkpoint, for a format without nesting."""
    torch.save({"epoch": 3, "model": {"w": torch.ones(2)}}, tmp_path / "x.pt")
    with pytest.raises(
        tsr.ConversionError, match=r"epoch: the scalar 3 has no place in \.safetensors"
    ):
        convert(tmp_path / "x.pt", tmp_path / "x.safetensors")
    convert(tmp_path / "x.pt", tmp_path / "x.safetensors", dataset="model")
    convert(tmp_path / "x.safetensors", tmp_path / "back.pt")
    assert_same_tree(load(tmp_path / "back.pt"), {"w": torch.ones(2)})
    convert(tmp_path / "x.pt", tmp_path / "w.tsr", dataset="model/w")
    assert_same(tsr.load(tmp_path / "w.tsr"), np.ones(2, np.float32))


def test_let_go(tmp_path: Path) -> None:
    """With `lossy` a flat format gets the tensors, with the names that lead to them."""
    tree = {"epoch": 3, "a": {"w": torch.ones(2)}, "l": [torch.zeros(1), {7: torch.ones(1)}]}
    torch.save(tree, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "x.npz", lossy=True)
    with np.load(tmp_path / "x.npz") as found:
        assert list(found) == ["a.w", "l.0", "l.1.7"]
    torch.save({"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)}, tmp_path / "y.pt")
    with pytest.raises(tsr.ConversionError, match=r"a\.b: two tensors would get this name"):
        convert(tmp_path / "y.pt", tmp_path / "y.npz", lossy=True)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        pytest.param([torch.ones(1)], "a list has no place", id="list"),
        pytest.param({"a": (torch.ones(1),)}, "a: a tuple has no place", id="tuple"),
        pytest.param({"a": {"w": torch.ones(1)}}, "a: a dict inside another has no", id="nested"),
        pytest.param({"a": {}, "w": torch.ones(1)}, "a: a dict inside another", id="empty"),
        pytest.param({7: torch.ones(1)}, "7: a key that is an int has no place", id="int-key"),
        pytest.param({"a": None}, "a: the scalar None has no place", id="none"),
    ],
)
def test_structure_without_a_place(tmp_path: Path, tree: Any, message: str) -> None:
    """What a flat format has no place for is named; nothing is written."""
    torch.save(tree, tmp_path / "x.pt")
    for suffix in ("npz", "safetensors"):
        with pytest.raises(tsr.ConversionError, match=message):
            convert(tmp_path / "x.pt", tmp_path / f"x.{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_notes_have_no_place(tmp_path: Path) -> None:
    """What torch notes beside a state dict is not dropped unasked."""
    with pytest.raises(tsr.ConversionError, match=r"\(_metadata\) has no place in \.npz"):
        convert(MNIST, tmp_path / "x.npz")
    convert(MNIST, tmp_path / "x.npz", lossy=True)
    with np.load(tmp_path / "x.npz") as found:
        assert list(found) == list(load(MNIST))


DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "bfloat16", "float32", "float64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path: Path, dtype: str) -> None:
    """Torch keeps its own dtypes, those that numpy lacks too."""
    tensor = torch.tensor([[0, 1], [2, 3]]).to(getattr(torch, dtype))
    tree = {"a": tensor, "scalar": tensor[0, 1].clone(), "empty": tensor[:0]}
    torch.save(tree, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "y.pt")
    assert_same_tree(load(tmp_path / "y.pt"), tree)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float16"])
def test_small_floats_cast(tmp_path: Path, dtype: str) -> None:
    """Every value of a small float has a float32, the one that torch finds too."""
    bits = torch.arange(2**16 if "16" in dtype else 2**8, dtype=torch.int32)
    if "16" in dtype:
        tensor = bits.to(torch.uint16).view(getattr(torch, dtype))
    else:
        tensor = bits.to(torch.uint8).view(getattr(torch, dtype))
    tensor = tensor[~tensor.float().isnan()]
    torch.save(tensor, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match=r"cast='float32' \(--cast float32\) keeps every"):
        convert(tmp_path / "x.pt", tmp_path / "x.tsr")
    convert(tmp_path / "x.pt", tmp_path / "x.tsr", cast="float32")
    assert_same(tsr.load(tmp_path / "x.tsr"), tensor.float().numpy())
    torch.save(tensor[1], tmp_path / "scalar.pt")
    convert(tmp_path / "scalar.pt", tmp_path / "scalar.tsr", cast="float32")
    assert_same(tsr.load(tmp_path / "scalar.tsr"), tensor[1].float().numpy())


def test_views(tmp_path: Path) -> None:
    """Strided, expanded, conjugated, shared and parameter tensors keep their values."""
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tree = {
        "transposed": base.T, "strided": base[:, ::2], "expanded": torch.ones(1).expand(3, 2),
        "conjugated": torch.tensor([1 + 2j]).conj(), "negative": torch.tensor([1j]).conj().imag,
        "tied": base, "other": base.view(torch.int32), "part": base[1],
        "parameter": torch.nn.Parameter(base),
    }  # fmt: skip
    torch.save({key: tree[key] for key in tree if key != "other"}, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "y.pt")
    found = load(tmp_path / "y.pt")
    assert list(found) == [key for key in tree if key != "other"]
    for key, tensor in found.items():
        assert type(tensor) is torch.Tensor
        expected = tree[key].detach().resolve_conj().resolve_neg()
        assert bits_of(tensor) == bits_of(expected)


def test_same_memory_under_two_dtypes(tmp_path: Path) -> None:
    """Tensors of two dtypes over the same bytes are written apart."""
    path = tmp_path / "x.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    from tsr.converters import Document, Options, pt
    from tsr.converters.safetensors import read
    from tsr.converters.tensor import Tensor

    with read(str(path), Options()) as document:
        first = document.arrays["a"]
        second = Tensor("int32", (1,), lambda: first.load().view(np.int32))
        tree: Any = {"a": first, "b": second}
        pt.write(str(tmp_path / "y.pt"), Document("", tree), Options(scratch=str(tmp_path)))
    expected = {"a": torch.zeros(1), "b": torch.zeros(1, dtype=torch.int32)}
    assert_same_tree(load(tmp_path / "y.pt"), expected)


def test_more_tensors_than_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mappings of many files do not use up the descriptors."""
    monkeypatch.setattr("tsr.converters.pt.MAPPINGS_MAX", 3)
    tree = {f"w{i}": torch.full((20_000,), float(i)) for i in range(9)}
    torch.save(tree, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "y.pt")
    assert_same_tree(load(tmp_path / "y.pt"), tree)


def test_from_compressed(tmp_path: Path) -> None:
    """Arrays that are decompressed on the way arrive."""
    array = np.arange(40_000, dtype=np.int32)
    np.savez_compressed(tmp_path / "x.npz", a=array, b=array[::-1])
    convert(tmp_path / "x.npz", tmp_path / "x.pt")
    expected = {"a": torch.from_numpy(array), "b": torch.from_numpy(array[::-1].copy())}
    assert_same_tree(load(tmp_path / "x.pt"), expected)


def test_no_elements_before_others(tmp_path: Path) -> None:
    """A tensor without elements does not share its address with the one behind it."""
    arrays = {
        "a": np.zeros((0, 3), np.float32),
        "b": np.ones(3, np.int8),
        "c": np.zeros(0, np.int32),
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type] # names, no options
    convert(tmp_path / "x.npz", tmp_path / "x.pt")
    expected = {name: torch.from_numpy(array) for name, array in arrays.items()}
    assert_same_tree(load(tmp_path / "x.pt"), expected)


def test_old_format(tmp_path: Path) -> None:
    """The format of torch before 1.6, which cannot be mapped, is read."""
    expected = {"w": torch.from_numpy(AWKWARD)}
    torch.save(expected, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    convert(tmp_path / "x.pt", tmp_path / "y.pt")
    assert_same_tree(load(tmp_path / "y.pt"), expected)


def test_repacked_with_compression(tmp_path: Path) -> None:
    """A file whose records were compressed by another program is read, not mapped."""
    with (
        zipfile.ZipFile(MNIST) as source,
        zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in source.namelist():
            packed.writestr(member, source.read(member))
    convert(tmp_path / "x.pt", tmp_path / "y.pt")
    assert_same_tree(load(tmp_path / "y.pt"), load(MNIST))


def packed() -> bytes:
    """Pack an archive of one compressed member."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(100))
    return memory.getvalue()


def without_elements(data: bytes) -> bytes:
    """Cut a file of the old format where its list of storages begins, and give it an empty one."""
    stream = io.BytesIO(data)
    for _ in range(4):
        for _ in pickletools.genops(stream):
            pass
    return data[: stream.tell()] + pickle.dumps([], 2)


@pytest.mark.parametrize("behind", [b"", packed()], ids=["alone", "before-an-archive"])
def test_old_format_without_elements(tmp_path: Path, behind: bytes) -> None:
    """A file that lacks elements is refused, where torch shows what was in its memory."""
    torch.save({"a": torch.ones(4)}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    convert(tmp_path / "x.pt", tmp_path / "whole")
    cut = without_elements((tmp_path / "x.pt").read_bytes())
    (tmp_path / "x.pt").write_bytes(cut + behind)
    assert load(tmp_path / "x.pt")["a"].shape == (4,), "torch refuses it: the test proves nothing"
    with pytest.raises(tsr.ConversionError, match="elements are missing"):
        convert(tmp_path / "x.pt", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_old_format_that_claims_much(tmp_path: Path) -> None:
    """A small file that claims 800 MB takes no such memory."""

    class Beginning(io.BytesIO):
        """Take 1000 bytes and drop the others, which the disk would take seconds for."""

        def write(self, data: Any, /) -> int:
            super().write(memoryview(data)[: 1000 - self.tell()])
            return len(data)

    file = Beginning()
    torch.save(torch.empty(200_000_000), file, _use_new_zipfile_serialization=False)
    assert len(file.getvalue()) == 1000
    (tmp_path / "x.pt").write_bytes(file.getvalue())
    code = """if True:
        import resource, sys, torch, tsr
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            tsr.convert(sys.argv[1], sys.argv[2])
        except tsr.ConversionError as error:
            print(error)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start < 100_000
    """
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.pt", tmp_path / "x"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "elements are missing" in done.stdout


def test_old_format_storage_that_grows(tmp_path: Path) -> None:
    """A tensor that is larger than its storage is refused, where torch lets that grow."""
    torch.save(torch.zeros(0), tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "x.pt").read_bytes()
    assert data.count(b"K\0K\0\x85q") == 1  # offset and shape
    larger = data.replace(b"K\0K\0\x85q", b"K\0K\x64\x85q")
    (tmp_path / "x.pt").write_bytes(without_elements(larger))
    assert load(tmp_path / "x.pt").shape == (100,), "torch refuses it: the test proves nothing"
    with pytest.raises(tsr.ConversionError, match="elements are missing"):
        convert(tmp_path / "x.pt", tmp_path / "x.tsr")


def test_whatever_else_is_mapped(tmp_path: Path) -> None:
    """A mapped file whose name is no text does not matter."""
    odd = os.fsencode(tmp_path) + b"/\xfc.bin"
    with open(odd, "wb") as writer:
        writer.write(b"x")
    with open(odd, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        convert(MNIST, tmp_path / "y.pt")
    assert_same_tree(load(tmp_path / "y.pt"), load(MNIST))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old-format"])
def test_default_device(tmp_path: Path, zipped: bool) -> None:
    """Where torch makes tensors by default does not matter."""
    value = {"a": torch.arange(3.0)}
    torch.save(value, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with torch.device("meta"):
        convert(tmp_path / "x.pt", tmp_path / "x")
    assert_same(tsr.load(tmp_path / "x" / "a.tsr"), np.arange(3, dtype=np.float32))


@pytest.mark.parametrize("change", [lambda data: data[:4], lambda data: data + b"\0" * 4])
def test_record_of_another_size(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """A record that is not as long as its tensor is refused, mapped or not."""
    torch.save({"a": torch.arange(6.0), "b": torch.ones(2)}, tmp_path / "whole.pt")
    for name, compression in {"x": zipfile.ZIP_STORED, "y": zipfile.ZIP_DEFLATED}.items():
        with (
            zipfile.ZipFile(tmp_path / "whole.pt") as source,
            zipfile.ZipFile(tmp_path / f"{name}.pt", "w", compression) as packed,
        ):
            for member in source.namelist():
                data = source.read(member)
                packed.writestr(member, change(data) if member.endswith("data/1") else data)
        with pytest.raises(tsr.ConversionError, match=r"no record of 8 bytes|record size"):
            convert(tmp_path / f"{name}.pt", tmp_path / name)
        assert not (tmp_path / name).exists()


def test_unmapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not tell what is mapped, files are read."""
    monkeypatch.setattr("tsr.converters.pt._MAPPINGS", str(tmp_path / "none"))
    convert(MNIST, tmp_path / "y.pt")
    assert_same_tree(load(tmp_path / "y.pt"), load(MNIST))


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old-format"])
def test_evil_pickle(tmp_path: Path, zipped: bool) -> None:
    """A pickle that would run code is refused, whatever the options, and runs none."""
    mark = tmp_path / "mark"
    value = {"w": torch.ones(2), "evil": Evil(mark)}
    torch.save(value, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(tsr.ConversionError, match=r"refers to (posix|nt)\.mkdir; only") as caught:
        convert(tmp_path / "x.pt", tmp_path / "x", lossy=True, strict=False)
    assert "weights_only" not in str(caught.value), "no advice to run it"
    assert caught.value.path == str(tmp_path / "x.pt")
    assert not mark.exists()
    torch.load(tmp_path / "x.pt", weights_only=False)
    assert mark.exists(), "the pickle is harmless: the test proves nothing"


def test_plain_pickle(tmp_path: Path) -> None:
    """A pickle that torch did not write is refused, and runs no code."""
    (tmp_path / "x.pt").write_bytes(pickle.dumps(Evil(tmp_path / "mark")))
    with pytest.raises(tsr.ConversionError, match="not readable as a torch file"):
        convert(tmp_path / "x.pt", tmp_path / "x")
    assert not (tmp_path / "mark").exists()


def cyclic() -> list[Any]:
    """Make a list that contains itself."""
    value: list[Any] = []
    value.append(value)
    return value


def laughing() -> list[Any]:
    """Make a list of 2**60 entries that takes no room."""
    value: list[Any] = [torch.ones(1)]
    for _ in range(60):
        value = [value, value]
    return value


def tensor_in_notes() -> OrderedDict[str, Any]:
    """Make a state dict whose _metadata is more than notes."""
    value: OrderedDict[str, Any] = OrderedDict(w=torch.ones(1))
    vars(value)["_metadata"] = {"w": torch.ones(1)}
    return value


def with_attribute() -> OrderedDict[str, Any]:
    """Make an OrderedDict with something hung on it that is no _metadata."""
    value: OrderedDict[str, Any] = OrderedDict(w=torch.ones(1))
    vars(value)["more"] = 1
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param({"a": {"s": torch.ones(2).to_sparse()}}, "a/s: a tensor", id="sparse"),
        pytest.param({"m": torch.ones(2, device="meta")}, "m: a tensor on the device", id="meta"),
        pytest.param({"s": {1, 2}}, r"s: a builtins\.set cannot", id="set"),
        pytest.param({"d": defaultdict()}, r"refers to collections\.defaultdict", id="defaultdict"),
        pytest.param({"s": torch.Size([1])}, r"s: a torch\.Size", id="torch-size"),
        pytest.param({"d": torch.float32}, r"d: a torch\.dtype", id="torch-dtype"),
        pytest.param({"k": {(1, 2): torch.ones(1)}}, r"k: the key \(1, 2\)", id="tuple-key"),
        pytest.param({"k": {True: torch.ones(1)}}, "k: the key True", id="bool-key"),
        pytest.param(cyclic(), "nested deeper than 100", id="cycle"),
        pytest.param(tensor_in_notes(), "a tensor in _metadata", id="tensor-in-notes"),
        pytest.param(with_attribute(), "the attribute 'more'", id="attribute"),
        pytest.param({"n": 10**5000}, "limit|not readable", id="huge-int"),
        pytest.param(3, "holds 3, no tensor", id="scalar"),
    ],
)  # fmt: skip
def test_no_tree(tmp_path: Path, value: Any, message: str) -> None:
    """What no tree holds is named with its place; nothing is written."""
    torch.save(value, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match=message) as caught:
        convert(tmp_path / "x.pt", tmp_path / "x")
    assert caught.value.path == str(tmp_path / "x.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_billion_laughs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that repeats itself without end is given up on."""
    monkeypatch.setattr("tsr.converters.tree.ENTRIES_MAX", 10_000)
    torch.save(laughing(), tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match="more than 10000 entries"):
        convert(tmp_path / "x.pt", tmp_path / "x")


@pytest.mark.filterwarnings("ignore:.*(quantized|TypedStorage):UserWarning")  # torch's own
def test_quantized(tmp_path: Path) -> None:
    """A quantized tensor is refused: its bytes are not its values."""
    torch.save(torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8), tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match="a quantized tensor"):
        convert(tmp_path / "x.pt", tmp_path / "x.tsr")


@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")  # torch calls it experimental
def test_unknown_dtype(tmp_path: Path) -> None:
    """A dtype that no other format has is refused by name."""
    torch.save({"c": torch.ones(2, dtype=torch.complex32)}, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match="c: the dtype complex32"):
        convert(tmp_path / "x.pt", tmp_path / "x")


@pytest.mark.filterwarnings("ignore:.*TorchScript.*:UserWarning")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x02", id="cut-pickle"),
        pytest.param(MNIST.read_bytes()[:5000], id="cut"),
        pytest.param(MNIST.read_bytes()[:-100], id="cut-at-the-end"),
        pytest.param(MNIST.read_bytes().replace(b"data.pkl", b"datapkl."), id="no-pickle"),
        pytest.param(b"PK\3\4 and so on", id="no-zip"),
    ],
)
def test_broken(tmp_path: Path, data: bytes) -> None:
    """A broken file is an error with its path."""
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(tsr.ConversionError, match="not readable as a torch file") as caught:
        convert(tmp_path / "x.pt", tmp_path / "x")
    assert caught.value.path == str(tmp_path / "x.pt")


@pytest.mark.parametrize("version", ["2.5.1", "1.13.0+cu117"])
def test_old_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A torch whose weights_only can run code is not used."""
    monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(tsr.MissingExtraError, match=r"torch>=2\.6, got .*tsr-codec\[torch\]"):
        convert(MNIST, tmp_path / "x")


def test_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch the error says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(tsr.MissingExtraError, match=r"pip install 'tsr-codec\[torch\]'"):
        convert(MNIST, tmp_path / "x")


@pytest.mark.parametrize(("limit", "most"), [(1024, 256), (100, 25), (-1, 256)])
def test_mappings_leave_room(limit: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapped sources take a quarter of the files that the process may open, at most."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, limit))
    assert pt._mappings_max() == most
