"""The bench of TSR4: all ways come to the same end, by hand is no way around a check."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray

import tsr
from tests.bench import by_hand_tsr4 as by_hand
from tests.bench import scratch
from tests.bench import ways_tsr4 as ways
from tests.bench.comparing import results, same
from tests.bench.table import Paths, summing, summing_each
from tests.bench.ways_tsr4 import COMPRESSED_WRITERS, WRITERS
from tests.vectors import Vector, Vectors, file_of

Arrays = Sequence[NDArray[Any]]

TSR4 = Vectors("tsr4.json")

TINY = [np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3) + index for index in range(3)]
# Joined, mapped, and with padding: several pieces of a file, whichever way it is written.
LARGE = [np.arange(1, 2 + 200_000 * index).reshape(1, 1, 1, -1).astype("<i4") for index in range(4)]
KINDS = [pytest.param(TINY, id="tiny"), pytest.param(LARGE, id="large")]

# What each library makes of the bytes of its own files.
READERS: dict[str, Callable[[bytes], Iterable[Any]]] = {
    ".tsr": lambda data: tsr.open(data),
    ".npz": lambda data: np.load(io.BytesIO(data)).values(),
    ".safetensors": lambda data: dict(sorted(safetensors.numpy.load(data).items())).values(),
    ".pt": lambda data: torch.load(io.BytesIO(data), weights_only=True),
}

WITH_TSR = partial(tsr.save, format="tsr4")


def all_same(found: Iterable[Any], arrays: Arrays) -> bool:
    """Compare as many arrays or tensors as there should be."""
    return all(same(one, array) for one, array in zip(found, arrays, strict=True))


def written(directory: Path, arrays: Arrays) -> Paths:
    """Write arrays in each format."""
    return scratch.write(str(directory), "x", WRITERS, arrays)


# ------------------------------------------------------------------ every way


@pytest.mark.parametrize("arrays", KINDS)
@pytest.mark.parametrize("verify", [True, False])
def test_every_way_reads_the_arrays(tmp_path: Path, arrays: Arrays, verify: bool) -> None:
    """One or all of them, as they are or for their sums, are those written."""
    path = written(tmp_path, arrays)
    for index, array in enumerate(arrays):
        one = ways.reading_one(path, index, verify)
        assert all(same(found, array) for found in results(one))
        assert all(found == array.sum() for found in results(summing(one)))
    every = ways.reading_all(path, verify)
    assert all(all_same(found, arrays) for found in results(every))
    sums = [array.sum() for array in arrays]
    assert all(found == sums for found in results(summing_each(every)))


def test_every_way_opens_the_file(tmp_path: Path) -> None:
    """It tells the shapes, or at least the names."""
    path = written(tmp_path, LARGE)
    table = ways.opening(path)
    assert table.pop("numpy").call() == list(ways.named(LARGE))
    assert all(found == [array.shape for array in LARGE] for found in results(table))


def test_every_way_validates_the_file(tmp_path: Path) -> None:
    """There is nothing to report of a valid file."""
    assert all(not found for found in results(ways.validating(written(tmp_path, LARGE))))


@pytest.mark.parametrize("arrays", KINDS)
def test_every_way_saves_the_arrays(tmp_path: Path, arrays: Arrays) -> None:
    """The files hold the arrays, those of tsr are the same, and nothing else is left."""

    def path(suffix: str) -> str:
        taken.append(tmp_path / f"{len(taken)}{suffix}")
        return str(taken[-1])

    taken: list[Path] = []
    each = [ways.saving_each(path, arrays, count) for count in (None, len(arrays))]
    for table in (ways.saving(path, arrays), *each, ways.saving_compressed(path, arrays)):
        assert list(results(table)) == [None] * len(table)
    assert set(tmp_path.iterdir()) == set(taken)
    for file in taken:
        assert all_same(READERS[file.suffix](file.read_bytes()), arrays)
    files = [file.read_bytes() for file in taken if file.suffix == ".tsr"]
    assert len(files) == 9
    assert len(set(files[:6])) == 1


@pytest.mark.parametrize("arrays", KINDS)
def test_every_way_reads_compressed_arrays(tmp_path: Path, arrays: Arrays) -> None:
    """What was compressed is what was written."""
    path = scratch.write(str(tmp_path), "x", COMPRESSED_WRITERS, arrays)
    assert all(all_same(found, arrays) for found in results(ways.reading_compressed(path)))


@pytest.mark.parametrize("arrays", KINDS)
def test_every_way_encodes_and_decodes_the_arrays(tmp_path: Path, arrays: Arrays) -> None:
    """In memory too the arrays come back, from bytes that are those of a file."""
    path = written(tmp_path, arrays)
    data = {suffix: scratch.contents(path(suffix)) for suffix in WRITERS}
    assert all(all_same(found, arrays) for found in results(ways.loading(data)))
    suffixes = (".tsr", ".tsr", ".npz", ".safetensors")
    for suffix, found in zip(suffixes, results(ways.dumping(arrays)), strict=True):
        assert all_same(READERS[suffix](found), arrays)
        assert suffix != ".tsr" or found == data[suffix]


# ------------------------------------------------------------------ by hand


@TSR4.chosen(valid=False)
def test_by_hand_refuses_what_tsr_refuses(target: Path, vector: Vector) -> None:
    """No invalid vector passes."""
    data = file_of(vector)
    target.write_bytes(data)
    with pytest.raises(ValueError, match=r"\w"):
        by_hand.loads(data)
    with pytest.raises(ValueError, match=r"\w"):
        list(by_hand.load_all(str(target), codec=by_hand.PLAIN))
    with pytest.raises(ValueError, match=r"\w"):
        by_hand.validate(str(target))


@TSR4.chosen(valid=True)
def test_by_hand_accepts_what_tsr_accepts(target: Path, vector: Vector) -> None:
    """Every valid vector gives the same arrays."""
    data = file_of(vector)
    target.write_bytes(data)
    file = tsr.open(data)
    assert all_same(by_hand.loads(data), file[:])
    assert all_same(by_hand.load_all(str(target), codec=by_hand.PLAIN), file[:])
    by_hand.validate(str(target))
    for entry, info in zip(by_hand.read_directory(str(target)), file.infos, strict=True):
        stated = (info.dtype, info.shape, info.offset, info.nbytes, info.stored_nbytes, info.crc32)
        assert entry == stated


@pytest.mark.parametrize("array", [LARGE[1], TINY[0]], ids=["mapped", "read"])
def test_by_hand_loads_the_same_type(target: Path, array: NDArray[Any]) -> None:
    """What is read or mapped shows the file, and cannot be written to."""
    by_hand.save(str(target), [array])
    for found in (by_hand.load(str(target), 0), tsr.open(target)[0]):
        assert type(found) is np.ndarray
        assert not found.flags.owndata
        assert not found.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(3), id="dtype"),
        pytest.param(np.zeros((1,) * 5, np.int8), id="rank"),
        pytest.param(np.zeros((3, 0), np.int8), id="empty"),
        pytest.param(np.broadcast_to(np.int8(0), (2**31, 1)), id="dimension"),
    ],
)
def test_by_hand_refuses_arrays_without_encoding(target: Path, array: NDArray[Any]) -> None:
    """What tsr.save refuses is refused, and leaves no file."""
    for arrays in ([*LARGE, array], [array]):
        for save in (by_hand.save, by_hand.save_compressed, WITH_TSR):
            with pytest.raises(TypeError):
                save(str(target), arrays)
        with pytest.raises(TypeError):
            by_hand.dumps(arrays)
    assert not list(target.parent.iterdir())


def test_by_hand_refuses_files_without_arrays(target: Path) -> None:
    """There is no such file."""
    for save in (by_hand.save, by_hand.save_compressed, WITH_TSR):
        with pytest.raises(TypeError):
            save(str(target), [])
    assert not list(target.parent.iterdir())
