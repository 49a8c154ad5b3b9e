"""The bench of TSR v1: all ways come to the same end, by hand is no way around a check."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray

import tsr
from tests.bench import by_hand_v1 as by_hand
from tests.bench import scratch
from tests.bench import ways_v1 as ways
from tests.bench.comparing import results, same
from tests.bench.table import Paths, repeating, summing
from tests.bench.ways_v1 import WRITERS
from tests.vectors import Vector, Vectors, file_of

V1 = Vectors("v1.json")

TINY = np.arange(6, dtype=np.float32).reshape(2, 3)
MAPPED = np.arange(512 * 512, dtype=np.float32).reshape(512, 512)
ARRAYS = [pytest.param(TINY, id="tiny"), pytest.param(MAPPED, id="mapped")]

# What each library makes of the bytes of its own files.
READERS: dict[str, Callable[[bytes], Any]] = {
    ".tsr": tsr.loads,
    ".npy": lambda data: np.load(io.BytesIO(data)),
    ".safetensors": lambda data: safetensors.numpy.load(data)[ways.NAME],
    ".pt": lambda data: torch.load(io.BytesIO(data), weights_only=True),
}


def written(directory: Path, array: NDArray[Any]) -> Paths:
    """Write an array in each format."""
    return scratch.write(str(directory), "x", WRITERS, array)


# ------------------------------------------------------------------ every way


@pytest.mark.parametrize("array", ARRAYS)
def test_every_way_opens_the_array(tmp_path: Path, array: NDArray[Any]) -> None:
    """Opened as an array or a tensor, whole or for its shape or sum, it is the one written."""
    path = written(tmp_path, array)
    opening = ways.opening(path, array.shape)
    assert all(same(found, array) for found in results(opening))
    assert all(same(found, array) for found in results(ways.opening_tensor(path, array.shape)))
    assert all(found == array.sum() for found in results(summing(opening)))
    for found in results(ways.reading_header(path)):
        assert tuple(getattr(found, "shape", found)) == array.shape


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("durable", [None, False, True])
def test_every_way_saves_the_array(
    tmp_path: Path, array: NDArray[Any], durable: bool | None
) -> None:
    """A new file and one over an old file hold the array, and nothing else is left."""

    def path(suffix: str) -> str:
        taken.append(tmp_path / f"x{suffix}")
        return str(taken[-1])

    taken: list[Path] = []
    for _ in results(ways.saving(path, array, durable)):
        file = taken.pop()
        assert same(READERS[file.suffix](file.read_bytes()), array)
    assert not taken
    assert {file.suffix for file in tmp_path.iterdir()} == set(WRITERS)


@pytest.mark.parametrize("array", ARRAYS)
def test_every_way_encodes_and_decodes_the_array(tmp_path: Path, array: NDArray[Any]) -> None:
    """In memory too the array comes back, from bytes that are those of a file."""
    path = written(tmp_path, array)
    data = {suffix: Path(path(suffix)).read_bytes() for suffix in WRITERS}
    assert all(same(found, array) for found in results(ways.loading(data)))
    suffixes = (".tsr", ".tsr", ".npy", ".safetensors", ".safetensors", ".pt")
    for suffix, found in zip(suffixes, results(ways.dumping(array)), strict=True):
        assert same(READERS[suffix](found), array)
    buffer = np.zeros(64 + array.nbytes, np.uint8)
    table = ways.dumping_into(buffer, array)
    for column in ("by hand", "tsr"):
        buffer[:] = 0
        assert table[column].call() == len(buffer)
        assert buffer.tobytes() == data[".tsr"]


def test_many_tables_are_done_in_turn(tmp_path: Path) -> None:
    """What is done to many files is done to each."""
    directories = [tmp_path / "0", tmp_path / "1"]
    for directory in directories:
        directory.mkdir()
    arrays = [TINY, TINY + 1]
    paths = map(written, directories, arrays)
    table = repeating([ways.opening(path, TINY.shape) for path in paths])
    assert all(all(map(same, found, arrays)) for found in results(table))


def test_scans_see_every_file(tmp_path: Path) -> None:
    """What is read by hand are the headers of what the table has, in order."""
    paths = []
    for number, array in enumerate((TINY, TINY[:1], TINY)):
        paths.append(str(tmp_path / f"{number}.tsr"))
        WRITERS[".tsr"](paths[-1], array)
    heads, table = results(ways.scanning(paths))
    assert table["path"].tolist() == paths
    assert [tsr.parse_header(head).shape for head in heads] == table["shape"].tolist()


def test_programs_import_what_they_say() -> None:
    """Each program to start runs, apart from those that wait for torch."""
    for table in (ways.importing(), ways.importing_ready()):
        for way in table.values():
            if "torch" not in way.text:
                assert way.call().returncode == 0


# ------------------------------------------------------------------ by hand


@V1.chosen(valid=False)
def test_by_hand_refuses_what_tsr_refuses(target: Path, vector: Vector) -> None:
    """No invalid vector passes."""
    data = file_of(vector)
    target.write_bytes(data)
    with pytest.raises(ValueError, match=r"\w"):
        by_hand.loads(data)
    for read in (by_hand.load, by_hand.load_tensor, by_hand.read_header):
        with pytest.raises(ValueError, match=r"\w"):
            read(str(target))


@V1.chosen(valid=True)
def test_by_hand_accepts_what_tsr_accepts(target: Path, vector: Vector) -> None:
    """Every valid vector gives the same array, and the same bytes again."""
    data = file_of(vector)
    target.write_bytes(data)
    array = tsr.loads(data)
    assert same(by_hand.loads(data), array)
    assert same(by_hand.load(str(target)), array)
    assert by_hand.read_header(str(target)) == by_hand.Header(array.dtype, array.shape)
    assert by_hand.dumps(array) == data


def test_by_hand_opens_only_files(tmp_path: Path) -> None:
    """A directory is no file."""
    with pytest.raises(ValueError, match="regular"):
        by_hand.load(str(tmp_path))


@pytest.mark.parametrize("array", ARRAYS)
def test_by_hand_loads_the_same_type(target: Path, array: NDArray[Any]) -> None:
    """What is read or mapped is so in both ways, down to what a mapping knows of its file."""
    by_hand.save(str(target), array)
    mine: Any = by_hand.load(str(target))
    theirs: Any = tsr.load(target)
    assert type(mine) is type(theirs)
    assert mine.flags.writeable == theirs.flags.writeable
    for name in ("filename", "mode", "offset"):
        assert getattr(mine, name, None) == getattr(theirs, name, None)
    tensor = by_hand.load_tensor(str(target))
    tensor += 1
    assert same(tsr.load(target), array)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(3), id="dtype"),
        pytest.param(np.zeros((1,) * 5, np.int8), id="rank"),
        pytest.param(np.broadcast_to(np.int8(0), (2**31, 1)), id="dimension"),
        pytest.param(np.empty((2**31, 0), np.int8), id="empty"),
    ],
)
def test_by_hand_refuses_arrays_without_encoding(target: Path, array: NDArray[Any]) -> None:
    """What tsr.save refuses is refused before a file is there."""
    for save in (by_hand.save, tsr.save):
        with pytest.raises(TypeError):
            save(str(target), array)
    with pytest.raises(TypeError):
        by_hand.dumps(array)
    with pytest.raises(TypeError):
        by_hand.dumps_into(bytearray(64), array)
    assert not target.exists()


def test_by_hand_refuses_buffers(target: Path) -> None:
    """Memory that is read-only or too small is left alone."""
    for buffer in (bytes(88), bytearray(87)):
        with pytest.raises(TypeError, match="buffer"):
            by_hand.dumps_into(buffer, TINY)


def test_by_hand_replaces_as_tsr_does(target: Path) -> None:
    """Mode bits stay, links are followed, and an error leaves the old file alone."""
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = target.with_suffix(".link")
    link.symlink_to(target)
    by_hand.save(str(link), TINY)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    old = target.read_bytes()
    for name in ("write", "replace"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, name, _fail)
            with pytest.raises(OSError, match="no room"):
                by_hand.save(str(target), TINY + 1)
        assert target.read_bytes() == old
        assert sorted(file.name for file in target.parent.iterdir()) == ["x.link", "x.tsr"]


def _fail(*arguments: object) -> None:
    raise OSError("no room")
