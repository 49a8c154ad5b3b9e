"""TSR4 <-> everything: tensors in order, and the file of names that keeps the rest."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tsr
from tests.converting import AWKWARD, assert_same
from tests.strategies import payload_of
from tsr.converters import convert

MNIST = Path(__file__).parent / "data" / "mnist_mlp_3.pt"

ARRAYS: dict[str, NDArray[Any]] = {
    "z.weight": AWKWARD.reshape(2, 4),
    "a.half": np.array(0x7D01, np.uint16).view(np.float16),  # a signalling NaN of rank 0
    "ids": np.arange(24, dtype=np.int32).reshape(1, 2, 3, 4),
    "mask": np.array([[[-1], [0]]], np.int8),
}
NUMBERS = [str(index) for index in range(len(ARRAYS))]

LOST = (
    r"TSR4 does not keep names \(z\.weight, a\.half, ids, \.\.\.\) and ranks below 4 \(the shape "
    r"\(2, 4\) becomes \(1, 1, 2, 4\)\); names='x\.json' \(--names x\.json\) keeps all"
)


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """Make a file of arrays of every dtype, and of many ranks."""
    np.savez(tmp_path / "x.npz", **ARRAYS)  # type: ignore[arg-type] # mypy takes them for options
    return tmp_path / "x.npz"


@pytest.fixture
def named(npz: Path) -> Path:
    """Make a TSR4 file of them, with `x.json` beside it."""
    convert(npz, npz.with_name("x.tsr"), to="tsr4", names=npz.with_name("x.json"))
    return npz.with_name("x.tsr")


def padded(array: NDArray[Any]) -> NDArray[Any]:
    """Give an array the shape in which TSR4 stores it."""
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def place_of(index: int, array: NDArray[Any]) -> dict[str, Any]:
    """Give what a file of names says of a tensor."""
    return {"tensor": index, "shape": list(array.shape), "crc32": zlib.crc32(payload_of(array))}


def files_in(folder: Path) -> list[str]:
    """List the files in a folder and the folders in it."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def content_of(path: Path) -> dict[str, bytes]:
    """Read a file, or all files in a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {name: (path / name).read_bytes() for name in files_in(path)}


# --- with names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["y.npz", "y.safetensors", "y.pt", "y.h5", "y"])
def test_round_trip(npz: Path, kind: str, compress: bool) -> None:
    """Through TSR4 and its names a file comes back as it was written, byte for byte."""
    folder = npz.parent
    # A folder of v1 files has no float16, and v1 is what it is of.
    convert(npz, folder / kind, cast={"float16": "float32"} if kind == "y" else None)
    options: dict[str, Any] = {"to": "tsr4", "names": folder / "n.json", "compress": compress}
    convert(folder / kind, folder / "t.tsr", **options)
    convert(folder / "t.tsr", folder / f"back-{kind}", names=folder / "n.json")
    with tsr.open(folder / "t.tsr") as file:
        assert (file.format, file.compressed, len(file)) == ("TSR4", compress, len(ARRAYS))
    if kind != "y.h5":
        assert content_of(folder / f"back-{kind}") == content_of(folder / kind)
    convert(folder / f"back-{kind}", folder / "z.npz")
    with np.load(folder / "z.npz") as found:
        order = sorted(ARRAYS, key=lambda name: -ARRAYS[name].itemsize)  # of .safetensors
        assert list(found) == (order if kind == "y.safetensors" else list(ARRAYS))
        for name, array in ARRAYS.items():
            assert_same(found[name], array.astype("f4") if kind == "y" and name == "a.half"
                        else array)  # fmt: skip


@pytest.mark.parametrize("compress", [False, True])
def test_real_checkpoint(tmp_path: Path, compress: bool) -> None:
    """A state dict comes back with its kind, order, _metadata and every bit."""
    options: dict[str, Any] = {"to": "tsr4", "names": tmp_path / "m.json", "compress": compress}
    (result,) = convert(MNIST, tmp_path / "m.tsr", **options)
    assert (result.destination, result.tensors) == (str(tmp_path / "m.tsr"), 6)
    convert(tmp_path / "m.tsr", tmp_path / "back.pt", names=tmp_path / "m.json")
    state = torch.load(MNIST, map_location="cpu")
    found = torch.load(tmp_path / "back.pt")
    assert type(found) is OrderedDict
    assert list(found) == list(state)
    assert vars(found) == vars(state) != {}
    for name, tensor in state.items():
        assert_same(found[name].numpy(), tensor.numpy())


def test_listing(named: Path) -> None:
    """The file of names is what a folder's `tensors.json` is, with indexes, shapes, checksums."""
    assert named.with_name("x.json").read_text() == (
        "{\n"
        '  "format": "tsr4-names",\n'
        '  "version": 1,\n'
        '  "tree": {\n'
        '    "dict": {\n'
        '      "z.weight": {"tensor": 0, "shape": [2, 4], "crc32": 1406686548},\n'
        '      "a.half": {"tensor": 1, "shape": [], "crc32": 1987456575},\n'
        '      "ids": {"tensor": 2, "shape": [1, 2, 3, 4], "crc32": 448453579},\n'
        '      "mask": {"tensor": 3, "shape": [1, 2, 1], "crc32": 3539857293}\n'
        "    }\n"
        "  }\n"
        "}\n"
    )
    with tsr.open(named) as file:
        for found, array in zip(file, ARRAYS.values(), strict=True):
            assert_same(found, padded(array))


tensors = st.builds(
    lambda shape, dtype: torch.ones(shape, dtype=dtype),
    st.lists(st.integers(1, 3), max_size=4),
    st.sampled_from([torch.float32, torch.int8, torch.int32]),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
trees = st.recursive(
    tensors | scalars,
    lambda child: (
        st.lists(child, max_size=3)
        | st.lists(child, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), child, max_size=3)
        | st.dictionaries(st.text(max_size=3), child, max_size=3).map(OrderedDict)
    ),
    max_leaves=8,
)


@given(trees)
def test_any_tree(tree: Any) -> None:
    """Whatever a checkpoint nests, it comes out of TSR4 and its names as it went in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save({"tree": tree, "last": torch.ones(1)}, folder / "x.pt")
        convert(folder / "x.pt", folder / "direct")
        convert(folder / "x.pt", folder / "x.tsr", to="tsr4", names=folder / "x.json")
        convert(folder / "x.tsr", folder / "through", names=folder / "x.json")
        assert content_of(folder / "through") == content_of(folder / "direct")


def test_metadata(tmp_path: Path) -> None:
    """Text about the whole file is kept with the names."""
    from safetensors.numpy import save_file

    save_file({"w": AWKWARD}, tmp_path / "x.safetensors", metadata={"author": "somebody"})
    with pytest.raises(tsr.ConversionError, match=r"metadata \(author\).*names=.*together"):
        convert(tmp_path / "x.safetensors", tmp_path / "x.tsr", to="tsr4")
    convert(tmp_path / "x.safetensors", tmp_path / "x.tsr", to="tsr4", names=tmp_path / "x.json")
    convert(tmp_path / "x.tsr", tmp_path / "y.safetensors", names=tmp_path / "x.json")
    before, after = tmp_path / "x.safetensors", tmp_path / "y.safetensors"
    assert after.read_bytes() == before.read_bytes()


def test_single_array(tmp_path: Path) -> None:
    """A file for one array, with names that only keep its shape."""
    np.save(tmp_path / "x.npy", AWKWARD)
    convert(tmp_path / "x.npy", tmp_path / "x.tsr", to="tsr4", names=tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["tree"] == place_of(0, AWKWARD)
    convert(tmp_path / "x.tsr", tmp_path / "y.npy", names=tmp_path / "x.json")
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()
    convert(tmp_path / "x.tsr", tmp_path / "v1.tsr", names=tmp_path / "x.json")
    assert (tmp_path / "v1.tsr").read_bytes() == tsr.dumps(AWKWARD)


def test_names_of_a_recompressed_file(named: Path) -> None:
    """Names fit a file that was compressed since, for the order stays."""
    convert(named, named.with_name("z.tsr"), to="tsr4", compress=True)
    convert(named.with_name("z.tsr"), named.with_name("y.npz"), names=named.with_name("x.json"))
    assert named.with_name("y.npz").read_bytes() == _rewritten(named.with_name("x.npz"))


def _rewritten(npz: Path) -> bytes:
    # What the converters, which write other member attributes than numpy, make of a file.
    convert(npz, npz.with_name("rewritten.npz"))
    return npz.with_name("rewritten.npz").read_bytes()


def test_names_in_another_order(named: Path) -> None:
    """It is the index that says which tensor a name is of, not the place in the file of names."""
    listing = named.with_name("x.json")
    value = json.loads(listing.read_text())
    value["tree"]["dict"] = dict(reversed(value["tree"]["dict"].items()))
    listing.write_text(json.dumps(value))
    convert(named, named.with_name("y.npz"), names=listing)
    with np.load(named.with_name("y.npz")) as found:
        assert list(found) == list(ARRAYS)[::-1]
        assert_same(found["z.weight"], ARRAYS["z.weight"])


PLACES = {name: place_of(index, array) for index, (name, array) in enumerate(ARRAYS.items())}
FIT = PLACES["z.weight"]
OTHER = (FIT["crc32"] + 1) % 2**32


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param(None, r"names 3 tensors, and .*x\.tsr holds 4", id="too-few"),
        pytest.param(PLACES["ids"], "tensor 2 comes twice", id="twice"),
        pytest.param({**FIT, "tensor": 4}, "tensor 4 comes twice, or is none of the 4", id="5th"),
        pytest.param({**FIT, "tensor": -1}, "tensor -1 comes twice, or is none", id="negative"),
        pytest.param({**FIT, "shape": [4, 2]}, r"shape \(1, 1, 2, 4\) in .* \(4, 2\)", id="shape"),
        pytest.param({**FIT, "shape": [8]}, r"which is not \(8,\) behind", id="other-rank"),
        pytest.param({**FIT, "shape": [2, 4, 1, 1]}, "leading ones", id="trailing-ones"),
        pytest.param({**FIT, "shape": [1, 1, 1, 2, 4]}, "leading ones", id="rank-5"),
        pytest.param({**FIT, "shape": [2, 5]}, "leading ones", id="elements"),
        pytest.param({**FIT, "shape": [2.0, 4]}, "expected the index, the shape", id="float"),
        pytest.param({**FIT, "shape": None}, "expected the index, the shape", id="no-shape"),
        pytest.param({**FIT, "tensor": True}, "expected the index, the shape", id="bool"),
        pytest.param({**FIT, "more": 1}, "expected the index, the shape", id="more"),
        pytest.param({**FIT, "crc32": OTHER}, rf"of another file: tensor 0 has the CRC-32 "
                     rf"{FIT['crc32']} in .*x\.tsr, expected {OTHER}", id="checksum"),
        pytest.param({**FIT, "crc32": hex(OTHER)}, "the shape and the CRC-32", id="hex"),
        pytest.param({**FIT, "crc32": None}, "the shape and the CRC-32", id="no-checksum"),
        pytest.param({"tensor": 0, "shape": [2, 4]}, "expected the index, the shape", id="less"),
        pytest.param("z.weight.tsr", "expected the index, the shape", id="path"),
        pytest.param({"set": []}, "expected a tensor, a container or a scalar", id="kind"),
    ],
)  # fmt: skip
def test_names_that_do_not_match(named: Path, place: Any, message: str) -> None:
    """Names of another file are refused, with what is wrong and their own path."""
    listing = named.with_name("x.json")
    rest = {name: other for name, other in PLACES.items() if name != "z.weight"}
    tree = {"dict": {**({"z.weight": place} if place else {}), **rest}}
    listing.write_text(json.dumps({"format": "tsr4-names", "version": 1, "tree": tree}))
    with pytest.raises(tsr.ConversionError, match=message) as caught:
        convert(named, named.with_name("y.npz"), names=listing)
    assert caught.value.path == str(listing)
    assert not named.with_name("y.npz").exists()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="list"),
        pytest.param('{"format": "tsr-folder", "version": 1, "tree": {"dict": {}}}', id="folder"),
        pytest.param('{"format": "tsr4-names", "version": 2, "tree": {"dict": {}}}', id="version"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("\ud800", id="no-utf-8"),
    ],
)
def test_no_names(named: Path, text: str) -> None:
    """A file that holds no names is refused."""
    listing = named.with_name("x.json")
    listing.write_text(text, "utf-8", "surrogatepass")
    with pytest.raises(tsr.ConversionError, match="not readable as the names of") as caught:
        convert(named, named.with_name("y.npz"), names=listing)
    assert caught.value.path == str(listing)


def test_names_that_are_not_there(named: Path) -> None:
    """Names that are missing are the system's error, and what is no file is not waited for."""
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        convert(named, named.with_name("y.npz"), names=named.with_name("none.json"))
    os.mkfifo(named.with_name("fifo"))
    with pytest.raises(tsr.FormatError, match="got a FIFO"):
        convert(named, named.with_name("y.npz"), names=named.with_name("fifo"))


def test_existing_names(npz: Path) -> None:
    """Names that exist are replaced only if asked, and nothing is written otherwise."""
    listing, target = npz.with_name("x.json"), npz.with_name("x.tsr")
    listing.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True") as caught:
        convert(npz, target, to="tsr4", names=listing)
    assert caught.value.filename == str(listing)
    assert listing.read_text() == "mine"
    assert not target.exists()
    convert(npz, target, to="tsr4", names=listing, overwrite=True, durable=True)
    convert(target, npz.with_name("y.npz"), names=listing)
    with pytest.raises(IsADirectoryError):
        convert(npz, target, to="tsr4", names=npz.parent, overwrite=True)


def test_existing_file(npz: Path) -> None:
    """Where the file is not written its names are neither, nor folders for them."""
    npz.with_name("x.tsr").write_text("mine")
    with pytest.raises(FileExistsError, match=r"x\.tsr"):
        convert(npz, npz.with_name("x.tsr"), to="tsr4", names=npz.parent / "new" / "x.json")
    assert sorted(os.listdir(npz.parent)) == ["x.npz", "x.tsr"]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("fault", ["cast", "write", "lseek", "replace"])
def test_failure_leaves_nothing(
    tmp_path: Path, fault: str, compress: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the middle leaves neither file, whatever it is, and blames the right one."""
    target = tmp_path / "new" / "x.tsr"
    large = np.random.default_rng(0).standard_normal((600, 1000))  # more than is written at once
    np.savez(tmp_path / "x.npz", a=np.ones(2, np.int8), b=large)
    options: dict[str, Any] = {"to": "tsr4", "names": tmp_path / "other" / "x.json",
                               "cast": "float32", "compress": compress}  # fmt: skip

    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    if fault == "cast":
        with pytest.raises(tsr.ConversionError, match="b: cast='float32' would change a value"):
            convert(tmp_path / "x.npz", target, **options)
    else:
        original, calls = getattr(os, fault), []

        def fail_second(*arguments: Any) -> Any:
            # The tensors are written in several pieces, and the last seek is for the header.
            calls.append(arguments)
            return fail() if len(calls) == 2 else original(*arguments)

        monkeypatch.setattr(os, fault, fail if fault == "replace" else fail_second)
        with pytest.raises(OSError, match="No space left") as caught:
            convert(tmp_path / "x.npz", target, lossy=True, **options)
        assert caught.value.filename == str(target)
    assert os.listdir(tmp_path) == ["x.npz"]


def test_names_that_cannot_be_written(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tensors wait until their names are written: an error there leaves both as they were."""
    before = content_of(named.parent)
    write = os.write

    def fail_names(descriptor: int, data: Any) -> int:
        if bytes(data[:2]) == b"{\n":
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", fail_names)
    source, names = named.with_name("x.npz"), named.with_name("x.json")
    with pytest.raises(OSError, match="No space left") as caught:
        convert(source, named, to="tsr4", names=names, dataset="ids", overwrite=True)
    assert caught.value.filename == str(names)
    assert content_of(named.parent) == before


def test_names_that_stay_behind(npz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new names do not take their place, the old ones are not taken for them."""
    target, listing = npz.with_name("x.tsr"), npz.with_name("x.json")
    options: dict[str, Any] = {"to": "tsr4", "names": listing, "overwrite": True}
    convert(npz, target, **options)
    old, replace, renamed = listing.read_text(), os.replace, []
    changed = {**ARRAYS, "ids": -ARRAYS["ids"]}
    np.savez(npz, **changed)  # type: ignore[arg-type] # mypy takes them for options

    def fail_second(source: str, path: str) -> None:
        renamed.append(path)
        if len(renamed) == 2:
            raise OSError(5, "Input/output error")
        replace(source, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail_second)
        with pytest.raises(OSError, match="Input/output error") as caught:
            convert(npz, target, **options)
    assert caught.value.filename == str(listing)
    assert renamed == [str(target), str(listing)]
    assert listing.read_text() == old
    with pytest.raises(tsr.ConversionError, match="names the tensors of another file") as refused:
        convert(target, npz.with_name("y.npz"), names=listing)
    assert refused.value.path == str(listing)
    convert(npz, target, **options)
    convert(target, npz.with_name("y.npz"), names=listing)


@pytest.mark.parametrize("other", ["x.npz", "x.tsr"])
def test_names_that_are_the_tensors(npz: Path, other: str) -> None:
    """Names are a file of their own."""
    before = npz.read_bytes()
    with pytest.raises(tsr.ConversionError, match="is one of the files of tensors"):
        convert(npz, npz.with_name("x.tsr"), to="tsr4", names=npz.with_name(other), overwrite=True)
    assert npz.read_bytes() == before
    assert os.listdir(npz.parent) == ["x.npz"]


@pytest.mark.parametrize("name", ["tensors.json", "ids.tsr", "new/names.json"])
def test_names_among_the_tensors(npz: Path, name: str) -> None:
    """Names neither replace what is in the source nor join it."""
    source = npz.with_name("source")
    convert(npz, source, cast={"float16": "float32"})
    before = content_of(source)
    with pytest.raises(tsr.ConversionError, match="lies among them") as caught:
        convert(source, npz.with_name("y.tsr"), to="tsr4", names=source / name, overwrite=True)
    assert caught.value.path == str(source / name)
    assert content_of(source) == before
    assert not npz.with_name("y.tsr").exists()


def test_names_that_make_no_sense(named: Path, npz: Path) -> None:
    """Names go with one TSR4 file, as source or as destination."""
    folder = named.parent
    options: dict[str, Any] = {"names": folder / "n.json"}
    with pytest.raises(tsr.UnsupportedError, match=r"both TSR4.*fit the other as they are"):
        convert(named, folder / "y.tsr", to="tsr4", **options)
    tsr.save(folder / "v1.tsr", AWKWARD)
    for source in (npz, folder / "v1.tsr"):
        with pytest.raises(tsr.UnsupportedError, match="neither source nor destination is a TSR4"):
            convert(source, folder / "y.pt", **options)
    with pytest.raises(FileNotFoundError, match=r"none\.tsr"):
        convert(folder / "none.tsr", folder / "y.pt", **options)
    with pytest.raises(tsr.UnsupportedError, match="is converted by itself; expected one source"):
        convert(folder, folder / "out", to="tsr4", **options)
    with pytest.raises(tsr.UnsupportedError, match=r"names: got 3, expected a path"):
        convert(npz, folder / "y.tsr", to="tsr4", names=3)  # type: ignore[arg-type] # on purpose
    assert not {"n.json", "y.pt", "y.tsr", "out"} & {*os.listdir(folder)}


def test_dataset(named: Path) -> None:
    """An entry is taken by its index, or by its name where there are names."""
    folder = named.parent
    convert(named, folder / "index.npy", dataset="2")
    convert(named, folder / "name.npy", dataset="mask", names=folder / "x.json")
    assert_same(np.load(folder / "index.npy"), ARRAYS["ids"])
    assert_same(np.load(folder / "name.npy"), ARRAYS["mask"])
    with pytest.raises(tsr.ConversionError, match="no single entry 'mask', expected one of: 0, 1"):
        convert(named, folder / "y.npy", dataset="mask")


# --- without names ------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["y.npz", "y.safetensors", "y.pt", "y.h5", "y"])
def test_without_names(npz: Path, kind: str, compress: bool) -> None:
    """Tensors keep order and bits, are called by their index and have four dimensions."""
    folder = npz.parent
    with pytest.warns(tsr.ConversionWarning, match=LOST):
        convert(npz, folder / "t.tsr", to="tsr4", compress=compress)
    convert(folder / "t.tsr", folder / kind, cast={"float16": "float32"} if kind == "y" else None)
    convert(folder / kind, folder / "z.npz")
    with np.load(folder / "z.npz") as found:
        assert sorted(found) == NUMBERS
        for name, array in zip(NUMBERS, ARRAYS.values(), strict=True):
            cast = array.astype("f4") if kind == "y" and array.dtype == np.float16 else array
            assert_same(found[name], padded(cast))


@pytest.mark.parametrize("suffix", [".npy", ".tsr"])
def test_one_tensor(tmp_path: Path, suffix: str) -> None:
    """A file of one tensor is one array without a name, both ways; only its rank is lost."""
    source = (tmp_path / "x").with_suffix(suffix)
    np.save(tmp_path / "x.npy", AWKWARD)
    tsr.save(tmp_path / "x.tsr", AWKWARD)
    with pytest.warns(tsr.ConversionWarning, match=r"does not keep ranks below 4 \(the shape") as w:
        convert(source, tmp_path / "t.tsr", to="tsr4")
    assert "names (" not in str(w[0].message)
    back = (tmp_path / "back").with_suffix(suffix)
    convert(tmp_path / "t.tsr", back)
    assert_same(np.load(back) if suffix == ".npy" else tsr.load(back), padded(AWKWARD))
    # What four dimensions it has, it keeps: nothing is to be warned of.
    convert(back, tmp_path / "t4.tsr", to="tsr4")
    assert (tmp_path / "t4.tsr").read_bytes() == (tmp_path / "t.tsr").read_bytes()


def test_recompress(named: Path) -> None:
    """RAW to ZLIB and back is the same file, byte for byte, and nothing is lost to warn of."""
    convert(named, named.with_name("z.tsr"), to="tsr4", compress=True)
    with tsr.open(named.with_name("z.tsr")) as file:
        assert file.compressed
    convert(named.with_name("z.tsr"), named.with_name("y.tsr"), to="TSR4")
    assert named.with_name("y.tsr").read_bytes() == named.read_bytes()


def test_written_as_save_does(npz: Path) -> None:
    """The file is the one that `tsr.save` writes."""
    for compress in (False, True):
        target = npz.with_name(f"{compress}.tsr")
        convert(npz, target, to="tsr4", compress=compress, lossy=True)
        arrays = list(ARRAYS.values())
        assert target.read_bytes() == tsr.dumps(arrays, format="tsr4", compress=compress)


def test_large_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of several pieces and blocks keep their order in the file."""
    monkeypatch.setattr("tsr.converters.tensor.PIECE_BYTES", 3 << 20)
    arrays = [np.random.default_rng(i).integers(-9, 9, (1 << 20) + i, np.int32) for i in range(2)]
    big = [array.astype(">i4") for array in arrays]
    np.savez(tmp_path / "x.npz", *big)
    for compress in (False, True):
        target = tmp_path / f"{compress}.tsr"
        convert(tmp_path / "x.npz", target, to="tsr4", compress=compress, lossy=True)
        with tsr.open(target) as file:
            assert [payload_of(found) for found in file] == [payload_of(a) for a in arrays]


def test_warning(npz: Path) -> None:
    """It points at the caller, is in the result, and `lossy` is silent."""
    with pytest.warns(tsr.ConversionWarning) as caught:
        (result,) = convert(npz, npz.with_name("y.tsr"), to="tsr4")
    assert [warning.filename for warning in caught] == [__file__]
    assert str(caught[0].message).startswith(f"{npz}: ")
    assert result.warning is caught[0].message
    with pytest.warns(tsr.ConversionWarning) as caught:
        results = convert(npz.parent, npz.parent / "out", to="tsr4")
    assert [warning.filename for warning in caught] == [__file__]  # y.tsr loses nothing
    assert [result.warning for result in results] == [caught[0].message, None]
    convert(npz, npz.with_name("lossy.tsr"), to="tsr4", lossy=True)


@pytest.mark.parametrize("on_error", ["raise", "report"])
def test_warning_as_an_error(npz: Path, on_error: Any) -> None:
    """Whatever the filters make of the warning, it comes once all is written."""
    folder = npz.parent
    np.savez(folder / "z.npz", **ARRAYS)  # type: ignore[arg-type] # mypy takes them for options
    options: dict[str, Any] = {"to": "tsr4", "on_error": on_error}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(tsr.ConversionWarning, match=LOST):
            convert(folder, folder / "out", **options)
        with pytest.raises(tsr.ConversionWarning, match=LOST):
            convert(npz, folder / "new" / "x.tsr", **options)
    assert files_in(folder) == ["new/x.tsr", "out/x.tsr", "out/z.tsr", "x.npz", "z.npz"]
    assert len(tsr.validate(folder / "out" / "z.tsr")) == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param({"a": {"b": torch.ones(1)}}, "a: a dict inside another", id="nesting"),
        pytest.param({"a": torch.ones(1), "epoch": 3}, "epoch: the scalar 3", id="scalar"),
        pytest.param([torch.ones(1)], "a list", id="list"),
        pytest.param({1: torch.ones(1)}, "1: a key that is an int", id="key"),
    ],
)
def test_structure(tmp_path: Path, value: Any, message: str) -> None:
    """What is more than flat names is refused, unless it may be lost or has names."""
    torch.save(value, tmp_path / "x.pt")
    with pytest.raises(tsr.ConversionError, match=rf"{message} has no place in TSR4; lossy=True"):
        convert(tmp_path / "x.pt", tmp_path / "x.tsr", to="tsr4")
    convert(tmp_path / "x.pt", tmp_path / "x.tsr", to="tsr4", lossy=True)
    assert_same(tsr.load(tmp_path / "x.tsr"), np.ones((1, 1, 1, 1), np.float32))


@pytest.mark.parametrize("names", [None, "n.json"])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        pytest.param(np.ones((2, 0), "f4"), r"a: shape \(2, 0\) has a dimension of 0", id="zero"),
        pytest.param(np.ones((1, 1, 1, 1, 2), "f4"), "5 dimensions, and TSR4 holds", id="rank"),
        pytest.param(np.ones(2), "a: dtype float64 has no place in TSR4, which holds float16, f",
                     id="dtype"),
    ],
)  # fmt: skip
def test_no_place(tmp_path: Path, array: Any, message: str, names: str | None) -> None:
    """What TSR4 has no encoding for is refused, with names or without."""
    np.savez(tmp_path / "x.npz", a=array)
    with pytest.raises(tsr.ConversionError, match=message):
        convert(tmp_path / "x.npz", tmp_path / "x.tsr", to="tsr4",
                names=names and tmp_path / names)  # fmt: skip
    assert os.listdir(tmp_path) == ["x.npz"]


def test_no_tensor(tmp_path: Path) -> None:
    """A file without a tensor cannot become a TSR4 file."""
    np.savez(tmp_path / "x.npz")
    with pytest.raises(tsr.ConversionError, match="holds no tensor, and TSR4 at least one"):
        convert(tmp_path / "x.npz", tmp_path / "x.tsr", to="tsr4")


def test_cast(tmp_path: Path) -> None:
    """float16 is a dtype to cast to for TSR4, and for no other target."""
    np.savez(tmp_path / "x.npz", a=np.array([[[[0.5, -0.0]]]]), b=np.array([[[[70000.0]]]]))
    options: dict[str, Any] = {"to": "tsr4", "cast": "float16", "dataset": "a"}
    convert(tmp_path / "x.npz", tmp_path / "x.tsr", **options)
    assert_same(tsr.load(tmp_path / "x.tsr"), np.array([[[[0.5, -0.0]]]], np.float16))
    options["cast"] = {"float64": "float16"}
    with pytest.raises(tsr.ConversionError, match="cast='float16' would change a value"):
        convert(tmp_path / "x.npz", tmp_path / "y.tsr", **{**options, "dataset": "b"})
    expected = r"cast: got float16, expected one of float32, int8, int32; to='tsr4' \(--to tsr4\)"
    for cast in ("float16", options["cast"]):
        with pytest.raises(tsr.UnsupportedError, match=expected):
            convert(tmp_path / "x.npz", tmp_path / "y.tsr", cast=cast)
    with pytest.raises(tsr.UnsupportedError, match="expected one of float32, float16, int8, int32"):
        convert(tmp_path / "x.npz", tmp_path / "y.tsr", to="tsr4", cast="float64")
    with pytest.raises(tsr.ConversionError, match=r"keeps every value, and to='tsr4' .* the dtype"):
        convert(tmp_path / "x.tsr", tmp_path / "y.tsr")


def test_compress_is_for_tsr4(npz: Path) -> None:
    """No other format has a compression to choose."""
    with pytest.raises(tsr.UnsupportedError, match="compress: got True, which only to='tsr4'"):
        convert(npz, npz.with_name("y.pt"), compress=True)


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
def test_broken_payload(npz: Path, compress: bool) -> None:
    """Checksums are verified on the way, and nothing is written where one is wrong."""
    source = npz.with_name("x.tsr")
    convert(npz, source, to="tsr4", compress=compress, lossy=True)
    data = bytearray(source.read_bytes())
    data[128 + 64 + 60] ^= 1  # the checksum of the second tensor
    source.write_bytes(data)
    convert(source, npz.with_name("first.npy"), dataset="0")
    with pytest.raises(tsr.FormatError, match=r"entries\[1\]\.data_crc32.*T4-CRC-2") as caught:
        convert(source, npz.with_name("y.npz"))
    assert caught.value.path == str(source)
    assert not npz.with_name("y.npz").exists()


def test_broken_stream(npz: Path) -> None:
    """A stream that gives less than it should is an error, not a shorter tensor."""
    source = npz.with_name("x.tsr")
    tsr.save(source, np.zeros(100_000, np.int8), format="tsr4", compress=True)
    data = bytearray(source.read_bytes())
    data[-4] ^= 1  # the stream's own checksum
    source.write_bytes(data)
    with pytest.raises(tsr.FormatError, match="T4-ZLIB-1"):
        convert(source, npz.with_name("y.npy"))


def test_lenient(npz: Path) -> None:
    """`strict=False` reads what the original reader does: bytes at the end, padding that is set."""
    source = npz.with_name("x.tsr")
    convert(npz, source, to="tsr4", lossy=True)
    data = bytearray(source.read_bytes() + b"more")
    data[128 + 64 * 4] = 1
    source.write_bytes(data)
    with pytest.raises(tsr.FormatError, match="T4-END-1"):
        convert(source, npz.with_name("y.npz"))
    source.write_bytes(data[:-4])
    with pytest.raises(tsr.FormatError, match="T4-PADDING-1"):
        convert(source, npz.with_name("y.npz"))
    source.write_bytes(data)
    convert(source, npz.with_name("y.npz"), strict=False)
    with np.load(npz.with_name("y.npz")) as found:
        assert list(found) == NUMBERS


def test_into_a_folder(named: Path, tmp_path: Path) -> None:
    """Several tensors make a folder of v1 files, one makes a file in it, as for other formats."""
    convert(named, tmp_path / "many", cast={"float16": "float32"})
    assert files_in(tmp_path / "many") == [*(f"{i}.tsr" for i in NUMBERS), "tensors.json"]
    tsr.save(tmp_path / "one.tsr", ARRAYS["ids"], format="tsr4")
    (result,) = convert(tmp_path / "one.tsr", f"{tmp_path}/out/")
    assert result.destination == str(tmp_path / "out" / "one.tsr")
    assert (tmp_path / "out" / "one.tsr").read_bytes() == tsr.dumps(ARRAYS["ids"])
    (result,) = convert(named, f"{tmp_path}/out/", to="tsr4")
    assert result.destination == str(tmp_path / "out" / "x.tsr")
    with pytest.raises(tsr.ConversionError, match=r"holds 4 tensors where \.tsr holds one.*tsr4"):
        convert(named, tmp_path / "y.tsr")


def test_destinations(npz: Path, tmp_path: Path) -> None:
    """The suffix of a TSR4 file is that of v1; `.tsr4` only says which format is meant."""
    options: dict[str, Any] = {"to": "tsr4", "lossy": True}
    convert(npz, tmp_path / "y.TSR", **options)
    convert(npz, tmp_path / "model.bin", **options)
    assert (tmp_path / "model.bin").read_bytes() == (tmp_path / "y.TSR").read_bytes()
    with pytest.raises(tsr.ConversionError, match=r"ends with \.npz, and to='TSR4' \(--to\) asks"):
        convert(npz, tmp_path / "y.npz", **options)
    with pytest.raises(tsr.ConversionError, match=r"nothing writes \.tsr4 files"):
        convert(npz, tmp_path / "y.tsr4")
    for to in ("tsr4", ".tsr4", "TSR4", ".Tsr4"):
        (result,) = convert(npz, f"{tmp_path}/{to}/", to=to, lossy=True)
        assert result.destination == str(tmp_path / to / "x.tsr")
        assert (tmp_path / to / "x.tsr").read_bytes() == (tmp_path / "y.TSR").read_bytes()
    with pytest.raises(tsr.ConversionError, match="source and destination are the same"):
        convert(tmp_path / "y.TSR", tmp_path / "y.TSR", to="tsr4", overwrite=True)


def test_batch(named: Path, npz: Path, tmp_path: Path) -> None:
    """Each file in a folder becomes a TSR4 file, and each TSR4 file what it holds."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    named.rename(source / "sub" / "many.tsr")
    npz.rename(source / "arrays.npz")
    tsr.save(source / "v1.tsr", ARRAYS["ids"])
    tsr.save(source / "one.tsr", ARRAYS["ids"], format="tsr4", compress=True)
    convert(source, tmp_path / "out", to="tsr4", lossy=True)
    assert files_in(tmp_path / "out") == ["arrays.tsr", "one.tsr", "sub/many.tsr", "v1.tsr"]
    for name in files_in(tmp_path / "out"):
        with tsr.open(tmp_path / "out" / name) as file:
            assert (file.format, file.compressed) == ("TSR4", False)
    convert(source, tmp_path / "back", cast={"float16": "float32"})
    assert files_in(tmp_path / "back") == [
        "arrays/a.half.tsr", "arrays/ids.tsr", "arrays/mask.tsr", "arrays/tensors.json",
        "arrays/z.weight.tsr", "one.tsr", "sub/many/0.tsr", "sub/many/1.tsr", "sub/many/2.tsr",
        "sub/many/3.tsr", "sub/many/tensors.json", "v1.tsr",
    ]  # fmt: skip
    assert (tmp_path / "back" / "one.tsr").read_bytes() == tsr.dumps(ARRAYS["ids"])


@pytest.mark.parametrize(("to", "other"), [("tsr4", "x.npz"), ("tsr4", "x.npy"), (None, "x.npz")])
def test_collisions(tmp_path: Path, to: str | None, other: str) -> None:
    """Two sources for one destination are an error before anything is written."""
    source = tmp_path / "source"
    source.mkdir()
    tsr.save(source / "x.tsr", [AWKWARD, AWKWARD], format="tsr4")
    (source / other).write_bytes(b"never read")
    with pytest.raises(tsr.ConversionError, match="would be written from this and from"):
        convert(source, tmp_path / "out", to=to)
    assert not (tmp_path / "out").exists()


def test_no_collision(tmp_path: Path) -> None:
    """A v1 file is known to be no folder of tensors: it may be called as one of several."""
    source = tmp_path / "source"
    source.mkdir()
    tsr.save(source / "x.tsr", AWKWARD)
    np.savez(source / "x.npz", w=AWKWARD)
    convert(source, tmp_path / "out")
    assert files_in(tmp_path / "out") == ["x.tsr", "x/tensors.json", "x/w.tsr"]


def test_folder_of_files(tmp_path: Path) -> None:
    """The files in a folder of tensors are of either format, with a tensor each."""
    source = tmp_path / "source"
    source.mkdir()
    tsr.save(source / "a.tsr", AWKWARD)
    tsr.save(source / "b.tsr", ARRAYS["ids"], format="tsr4")
    tsr.save(source / "c.tsr", ARRAYS["mask"], format="tsr4", compress=True)
    convert(source, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as found:
        for name, array in [("a", AWKWARD), ("b", ARRAYS["ids"]), ("c", padded(ARRAYS["mask"]))]:
            assert_same(found[name], array)
    tsr.save(source / "d.tsr", [AWKWARD, AWKWARD], format="tsr4")
    with pytest.raises(tsr.ConversionError, match=r"d\.tsr: holds 2 tensors, expected one"):
        convert(source, tmp_path / "y.npz")


def test_progress(named: Path) -> None:
    """Progress comes before each tensor and after the last, in both directions."""
    calls: list[tuple[int, int, str]] = []
    convert(named, named.with_name("z.tsr"), to="tsr4", compress=True,
            progress=lambda *call: calls.append(call))  # fmt: skip
    assert calls == [*((i, 4, name) for i, name in enumerate(NUMBERS)), (4, 4, "")]


def test_many_tensors(tmp_path: Path) -> None:
    """A thousand tensors come back in order, compressed or not."""
    arrays = [np.full((1, 1, 1, 3), i, np.int32) for i in range(1000)]
    for compress in (False, True):
        tsr.save(tmp_path / "x.tsr", arrays, format="tsr4", compress=compress)
        convert(tmp_path / "x.tsr", tmp_path / "x.pt", overwrite=True)
        found = torch.load(tmp_path / "x.pt")
        assert [int(tensor[0, 0, 0, 2]) for tensor in found.values()] == list(range(1000))
