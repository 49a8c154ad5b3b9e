"""Files and folders as datasets of xarray: lazily, in pieces, in other processes."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import dask.array
import fsspec
import numpy as np
import pytest
import xarray as xr
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tsr
from tests.documents import ROOT
from tsr import tensor_file
from tsr.remote import RemoteObject
from tsr.xarray import TsrBackendEntrypoint

X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
LARGE = np.arange(300_000, dtype=np.int32).reshape(300, 10, 100)


def open_dataset(source: Any, **options: Any) -> Any:
    """Open a dataset by the class, so that it does not matter what is installed."""
    return xr.open_dataset(source, engine=TsrBackendEntrypoint, **options)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(X, id="small"),
        pytest.param(LARGE, id="mapped"),
        pytest.param(np.array(7, np.int8), id="0-d"),
        pytest.param(np.zeros((2, 0, 3), np.float32), id="empty"),
    ],
)
def test_one_tensor(target: Path, array: Any) -> None:
    """A file of one tensor is a dataset of one variable, which can be written to."""
    tsr.save(target, array)
    with open_dataset(target) as dataset:
        assert list(dataset) == ["tensor"]
        variable = dataset["tensor"]
        assert variable.dims == tuple(f"dim_{axis}" for axis in range(array.ndim))
        assert variable.dtype == array.dtype
        assert dataset.encoding["source"] == str(target)
        values = dataset.load()["tensor"].values
    assert values.tobytes() == array.tobytes()
    values[...] = 1
    assert target.read_bytes() == tsr.dumps(array)


def test_data_arrays_are_saved(target: Path) -> None:
    """A data array is written by `tsr.save`, and comes back with the dimensions that are given."""
    array = xr.DataArray(LARGE, dims=("time", "y", "x"))
    tsr.save(target, array)
    with open_dataset(target, dims=array.dims) as dataset:
        xr.testing.assert_identical(dataset["tensor"].load(), array.rename("tensor"))


def test_many_tensors_without_names(target: Path) -> None:
    """Tensors of a TSR4 file have four dimensions, which none shares with another unasked."""
    tsr.save(target, [X, X[:, :2], LARGE], format="tsr4")
    with open_dataset(target, drop_variables=["tensor_2"]) as dataset:
        assert list(dataset) == ["tensor_0", "tensor_1"]
        assert dataset["tensor_1"].dims == tuple(f"tensor_1_{each}" for each in "NHWC")
        assert dataset["tensor_1"].values.tobytes() == X[:, :2].tobytes()
    shared = {"tensor_0": ("n", "h", "w", "c"), "tensor_1": ("n", "top", "w", "c")}
    with open_dataset(target, dims=shared, drop_variables="tensor_2") as dataset:
        assert dict(dataset.sizes) == {"n": 2, "h": 3, "w": 4, "c": 5, "top": 2}
    tsr.save(target, [X], format="tsr4")
    with open_dataset(target) as dataset:
        assert dataset["tensor"].dims == ("N", "H", "W", "C")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write a folder of tensors with nesting and scalars, and a TSR4 file with its names."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    value = {
        "encoder": {"weight": torch.from_numpy(LARGE[0].copy()), "bias": torch.ones(10)},
        "epoch": 3,
        "history": [0.5, torch.zeros(2, 3)],
    }
    torch.save(value, tmp_path / "m.pt")
    tsr.convert(tmp_path / "m.pt", tmp_path / "model")
    tsr.convert(tmp_path / "m.pt", tmp_path / "m.tsr", to="tsr4", names=tmp_path / "m.json")
    return tmp_path


@pytest.mark.parametrize(("source", "names"), [("model", None), ("m.tsr", "m.json")])
def test_names(model: Path, source: str, names: str | None) -> None:
    """Names, shapes and scalars come from tensors.json, or from the names beside a TSR4 file."""
    options = {} if names is None else {"names": model / names}
    with open_dataset(model / source, **options) as dataset:
        assert list(dataset) == ["encoder/weight", "encoder/bias", "history/1"]
        assert dataset["encoder/weight"].dims == ("encoder/weight_dim_0", "encoder/weight_dim_1")
        assert dataset["encoder/weight"].values.tobytes() == LARGE[0].tobytes()
        assert dataset["history/1"].shape == (2, 3)
        assert dataset.attrs == {"epoch": 3, "history/0": 0.5}
    dims = {"encoder/weight": ("out", "in"), "encoder/bias": ("out",)}
    with open_dataset(model / source, dims=dims, **options) as dataset:
        assert dataset.sizes["out"] == 10
    reopened = pickle.loads(pickle.dumps(open_dataset(model / source, **options)))
    assert reopened["encoder/bias"].values.tolist() == [1] * 10


class Locked(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Memory that is shown to who has the key."""

    protocol = "locked"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def __init__(self, key: str = "", **options: Any) -> None:
        if key != "key":
            raise PermissionError(13, "no key")
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("locked://")))


def test_names_behind_urls(model: Path, tmp_path: Path) -> None:
    """Tensors, names or both may be behind URLs, and the options are for both."""
    fsspec.register_implementation("locked", Locked, clobber=True)
    tensors, names, storage = "locked://m/m.tsr", "locked://m/m.json", {"key": "key"}
    for name in ("m.tsr", "m.json"):
        Locked(**storage).pipe_file(f"/m/{name}", (model / name).read_bytes())
    options: dict[str, Any] = {"storage_options": storage}
    for source, listing in [
        (tensors, names), (tensors, model / "m.json"), (model / "m.tsr", names),
        (f"file://{model}/m.tsr", names),
    ]:  # fmt: skip
        with open_dataset(source, names=listing, **options) as dataset:
            assert dataset["encoder/bias"].values.tolist() == [1] * 10
            again = pickle.loads(pickle.dumps(dataset.drop_attrs()))
        assert again["encoder/weight"].values.tobytes() == LARGE[0].tobytes()
        with pytest.raises(PermissionError):
            open_dataset(source, names=listing)
    Locked(**storage).pipe_file("/m/m.json", b"{}")
    with pytest.raises(
        tsr.ConversionError, match=r"^locked://m/m\.json: not readable as the names"
    ):
        open_dataset(tensors, names=names, **options)


def test_urls_of_this_machine(model: Path) -> None:
    """What file:// leads to is opened as by its path: a folder, too."""
    engine = TsrBackendEntrypoint()
    assert engine.guess_can_open(f"file://{model}/model")
    with open_dataset(f"file://{model}/model") as dataset:
        assert dataset["history/1"].shape == (2, 3)
    with open_dataset(f"file://{model}/m.tsr", names=f"file://{model}/m.json") as dataset:
        assert dataset["history/1"].shape == (2, 3)
    for source in (model / "m.tsr", f"file://{model}/m.tsr", model / "model"):
        with pytest.raises(tsr.UnsupportedError, match="storage_options: got some without a URL"):
            open_dataset(source, storage_options={"key": "key"})


def test_metadata_becomes_attributes(tmp_path: Path) -> None:
    """Text about the whole, as .safetensors has it, is among the attributes."""
    numpy_of = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    numpy_of.save_file({"a": X[0, 0]}, tmp_path / "a.safetensors", {"author": "somebody"})
    tsr.convert(tmp_path / "a.safetensors", tmp_path / "a")
    with open_dataset(tmp_path / "a") as dataset:
        assert dataset.attrs == {"author": "somebody"}


class Counted:
    """Counts the elements that are taken out of a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = 0
        self.used: list[int] = []
        opener, taker = tensor_file.open, tensor_file.TensorFile.__getitem__

        def count_open(*arguments: Any, **options: Any) -> Any:
            self.opened += 1
            return opener(*arguments, **options)

        def count_use(file: Any, index: Any) -> Any:
            self.used.append(index)
            return taker(file, index)

        monkeypatch.setattr(tensor_file, "open", count_open)
        monkeypatch.setattr(tensor_file.TensorFile, "__getitem__", count_use)


def test_nothing_is_read_before_it_is_used(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening touches no payload; a variable reads its tensor, and the file is opened once."""
    tsr.save(target, [LARGE, LARGE + 1, LARGE + 2], format="tsr4")
    data = bytearray(target.read_bytes())
    data[-1] ^= 1  # in the last tensor
    target.write_bytes(data)
    counted = Counted(monkeypatch)
    with open_dataset(target) as dataset:
        assert counted.used == []
        piece = dataset["tensor_1"][0, 5:8, ::3, [0, 5]]
        assert counted.used == []
        assert piece.values.tobytes() == (LARGE + 1)[5:8, ::3, [0, 5]].tobytes()
        assert counted.used == [1]
        with pytest.raises(tsr.FormatError, match="T4-CRC-2"):
            dataset["tensor_2"].load()
    with open_dataset(target, verify=False) as dataset:
        assert dataset["tensor_2"].shape == (1, *LARGE.shape)
        dataset["tensor_2"].load()
    assert counted.opened == 2


def test_memory_is_that_of_the_piece(target: Path) -> None:
    """A piece of a large file takes memory for itself, not for the file."""
    import tracemalloc

    tsr.save(target, np.ones((1 << 10, 1 << 14), np.float32))  # 64 MiB
    with open_dataset(target) as dataset:
        dataset["tensor"][0, 0].load()
        tracemalloc.start()
        try:
            piece = dataset["tensor"][100:110, 7].values
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert piece.shape == (10,)
    assert peak < 1 << 20


def store(url: str, data: bytes) -> str:
    """Put an object into fsspec's memory."""
    fsspec.filesystem("memory").pipe_file(url.partition("://")[2], data)
    return url


@pytest.fixture(scope="module", params=["path", "url"])
def opened(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a variable that shows `X`, and keeps nothing of what was read of it."""
    path: Any = tmp_path_factory.mktemp("indexed") / "x.tsr"
    tsr.save(path, X)
    source = path if request.param == "path" else store("memory://x/x.tsr", path.read_bytes())
    with open_dataset(source, cache=False) as dataset:
        yield dataset["tensor"]


@given(data=st.data())
def test_every_way_of_indexing(opened: Any, data: st.DataObject) -> None:
    """Integers, slices, masks and lists of integers give what they give of the array in memory."""
    index: Any = {}
    for axis, size in enumerate(X.shape):
        index[f"dim_{axis}"] = data.draw(
            st.integers(-size, size - 1)
            | st.slices(size)
            | st.lists(st.integers(-size, size - 1), max_size=4)
            | hnp.arrays(bool, size)
        )
    expected = xr.DataArray(X, name="tensor").isel(index)
    xr.testing.assert_identical(opened.isel(index).load(), expected)
    points = xr.DataArray([0, 1, 1], dims="points")
    vectorized = opened.isel(dim_0=points, dim_2=points)
    assert vectorized.values.tobytes() == X[[0, 1, 1], :, [0, 1, 1]].tobytes()


@pytest.mark.parametrize("compress", [False, True])
def test_chunks_of_dask(target: Path, compress: bool) -> None:
    """Chunks are computed by dask, and those of a compressed tensor are whole unless asked for."""
    tsr.save(target, [LARGE, X], format="tsr4", compress=compress)
    with open_dataset(target, chunks={}) as dataset:
        assert isinstance(dataset["tensor_0"].data, dask.array.Array)
        assert dataset["tensor_0"].chunks == ((1,), (300,), (10,), (100,))
        assert dataset["tensor_0"].sum().compute() == LARGE.sum()
    if not compress:
        with open_dataset(target, chunks={"tensor_0_H": 70}) as dataset:
            assert dataset["tensor_0"].chunks[1] == (70, 70, 70, 70, 20)
            assert dataset["tensor_0"].values.tobytes() == LARGE.tobytes()


def test_many_files(tmp_path: Path) -> None:
    """Files of one tensor each are concatenated by xarray itself, lazily."""
    for number in range(5):
        tsr.save(tmp_path / f"{number}.tsr", np.full((2, 3), number, np.int8))
    with xr.open_mfdataset(
        sorted(map(str, tmp_path.glob("*.tsr"))), engine=TsrBackendEntrypoint, combine="nested",
        concat_dim="time", backend_kwargs={"dims": ("y", "x")},
    ) as dataset:  # fmt: skip
        assert dataset["tensor"].dims == ("time", "y", "x")
        assert dataset["tensor"].sum(("y", "x")).values.tolist() == [0, 6, 12, 18, 24]


def total(pickled: bytes) -> int:
    """Sum a dataset that comes from another process."""
    return int(pickle.loads(pickled)["tensor"][1:3].sum())


def test_another_process(target: Path) -> None:
    """A dataset that nothing was read of travels as a few bytes, and is read over there."""
    tsr.save(target, LARGE)
    with open_dataset(target) as dataset:
        pickled = pickle.dumps(dataset)
    assert len(pickled) < 5000
    script = "import pickle, sys; print(int(pickle.load(sys.stdin.buffer)['tensor'][1:3].sum()))"
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickled, env=ENVIRONMENT, capture_output=True,
        check=True,
    )  # fmt: skip
    assert int(done.stdout) == LARGE[1:3].sum()
    assert total(pickled) == LARGE[1:3].sum()


def test_a_file_that_is_replaced(target: Path) -> None:
    """What was opened goes on showing the old file; who opens it anew is told."""
    tsr.save(target, LARGE)
    with open_dataset(target) as dataset:
        pickled = pickle.dumps(dataset)
        tsr.save(target, X)
        assert dataset["tensor"].values.tobytes() == LARGE.tobytes()
    with pytest.raises(tsr.FormatError, match=r"changed since the dataset was opened.*FILE-2"):
        total(pickled)


@pytest.fixture
def ranges(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note each range that is asked for behind a URL."""
    noted: list[Any] = []
    fetch = RemoteObject.fetch

    def note(remote: Any, start: int, stop: Any, *rest: Any) -> Any:
        noted.append((start, stop))
        return fetch(remote, start, stop, *rest)

    monkeypatch.setattr(RemoteObject, "fetch", note)
    return noted


def test_pieces_behind_a_url(ranges: list[Any]) -> None:
    """Of what has no checksum, a piece is one range between its first row and its last."""
    url = store("memory://pieces/large.tsr", tsr.dumps(LARGE))
    with open_dataset(url, cache=False) as dataset:
        assert ranges == [(0, 64)]
        rows: list[Any] = [slice(10, 20, 3), [30, 12], -1, slice(None, None, -100), slice(5, 5)]
        for row in rows:
            assert dataset["tensor"][row, 2].values.tobytes() == LARGE[row, 2].tobytes()
        places = [(10, 20), (12, 31), (299, 300), (99, 300), (0, 0)]
        assert ranges[1:] == [(64 + 4000 * first, 64 + 4000 * end) for first, end in places]
        with pytest.raises(IndexError):
            dataset["tensor"][300].load()
        pickled = pickle.dumps(dataset)
    del ranges[:]
    assert total(pickled) == LARGE[1:3].sum()
    assert ranges == [(0, 64), (64 + 4000, 64 + 12000)]


@pytest.mark.parametrize("compress", [False, True])
def test_tensors_behind_a_url(ranges: list[Any], compress: bool) -> None:
    """Header and directory are two ranges, a tensor with a checksum is one; unverified, a piece."""
    data = tsr.dumps([X, LARGE, X], format="tsr4", compress=compress)
    url = store("memory://many/many.tsr", data)
    with tsr.open(data) as file:
        info = file.infos[1]
    with open_dataset(url) as dataset:
        assert len(ranges) == 2
        assert dataset["tensor_1"][0, 7].values.tobytes() == LARGE[7].tobytes()
        ((start, stop),) = ranges[2:]
    assert start == info.offset
    assert stop >= info.offset + info.stored_nbytes
    if not compress:
        with open_dataset(url, verify=False) as dataset:
            dataset["tensor_1"][0, 7].load()
        assert ranges[-1] == (info.offset, info.offset + info.nbytes)


def test_an_object_that_is_replaced() -> None:
    """An object that changes between two reads is an error, for its rows do not go together."""
    url = store("memory://replaced/x.tsr", tsr.dumps(LARGE))
    with open_dataset(url, cache=False) as dataset:
        assert dataset["tensor"][0, 0, 0] == 0
        store(url, tsr.dumps(LARGE[1:]))
        with pytest.raises(tsr.FormatError, match="FILE-2"):
            dataset["tensor"][0].load()


@pytest.mark.parametrize("as_stream", [False, True])
def test_memory_and_file_objects(as_stream: bool) -> None:
    """Bytes and file objects are opened, too."""
    data = tsr.dumps(X)
    with open_dataset(io.BytesIO(data) if as_stream else data) as dataset:
        assert dataset["tensor"].values.tobytes() == X.tobytes()


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        pytest.param(
            ("a", "b"), r"got \('a', 'b'\), expected 4 different names for .* 'tensor'", id="few"
        ),
        pytest.param("abcd", "got 'abcd', expected 4 different names", id="text"),
        pytest.param(("a", "b", "c", "a"), "expected 4 different names", id="twice"),
        pytest.param((0, 1, 2, 3), "expected 4 different names", id="numbers"),
        pytest.param(4, "got 4, expected 4 different names", id="a-number"),
        pytest.param({"x": ("a",)}, "the variable 'x', expected one of tensor", id="unknown"),
    ],
)
def test_dims_that_do_not_fit(target: Path, dims: Any, message: str) -> None:
    """Names of dimensions go with the variables, or are refused with what would."""
    tsr.save(target, X)
    opened = len(xr.backends.file_manager.FILE_CACHE)
    with pytest.raises(tsr.UnsupportedError, match=message):
        open_dataset(target, dims=dims)
    assert len(xr.backends.file_manager.FILE_CACHE) == opened


def test_dims_of_what_is_left_out(target: Path) -> None:
    """The same names of dimensions do for files of which some variables are left out."""
    tsr.save(target, [X, X], format="tsr4")
    dims = {"tensor_0": tuple("abcd"), "tensor_1": tuple("efgh")}
    with open_dataset(target, dims=dims, drop_variables="tensor_0") as dataset:
        assert {name: array.dims for name, array in dataset.items()} == {"tensor_1": tuple("efgh")}


def test_broken_files(target: Path) -> None:
    """What is no valid file is refused when it is opened, as `tsr.open` does it."""
    target.write_bytes(b"TSR!")
    with pytest.raises(tsr.FormatError, match="V1-SIZE-1"):
        open_dataset(target)
    with pytest.raises(FileNotFoundError):
        open_dataset(target.with_name("missing.tsr"))
    data = bytearray(tsr.dumps(X))
    data[12] = 1
    target.write_bytes(data)
    with open_dataset(target, strict=False) as dataset:
        assert dataset["tensor"].shape == X.shape


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("a/x.tsr", True, id="path"),
        pytest.param(Path("X.TSR"), True, id="upper-case"),
        pytest.param("s3://bucket/x.tsr", True, id="url"),
        pytest.param("https://host/x.tsr?signature=abc", True, id="signed"),
        pytest.param("https://host/x.nc", False, id="another-url"),
        pytest.param("x.nc", False, id="another"),
        pytest.param(b"TSR!", False, id="bytes"),
        pytest.param(3, False, id="nothing"),
    ],
)
def test_what_is_opened_unasked(source: Any, expected: bool) -> None:
    """Without an engine, what has the suffix is opened by this one."""
    assert TsrBackendEntrypoint().guess_can_open(source) is expected


def test_folders_are_opened_unasked(model: Path) -> None:
    """A folder is known by its tensors.json."""
    assert TsrBackendEntrypoint().guess_can_open(model / "model")
    assert not TsrBackendEntrypoint().guess_can_open(model)


def test_the_name_of_the_engine() -> None:
    """The package tells xarray of its engine, where the version that is installed does."""
    if sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        (listed,) = project["entry-points"]["xarray.backends"].items()
        assert listed == ("tsr", "tsr.xarray:TsrBackendEntrypoint")
    parameters = TsrBackendEntrypoint.open_dataset_parameters
    code = TsrBackendEntrypoint.open_dataset.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    assert set(parameters) == set(names)
    engine = xr.backends.list_engines().get("tsr")
    if engine is None:
        pytest.skip("the package is not installed as pyproject.toml says: no entry point")
    assert type(engine) is TsrBackendEntrypoint
