"""The ways to do each work on many arrays: by hand, with tsr, and with what else users could take.

As in `tests.bench.ways_v1`; ``test_bench_tsr4.py`` checks that all come to the same end. Those
that read several tensors give them one at a time, where they can.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import safe_open

import tsr
from tests.bench import by_hand_tsr4 as by_hand
from tests.bench.table import Paths, Table, Way

__all__ = [
    "COMPRESSED_WRITERS", "WRITERS", "dumping", "loading", "opening", "reading_all",
    "reading_compressed", "reading_one", "saving", "saving_compressed", "saving_each",
    "validating",
]  # fmt: skip

Arrays = Sequence[NDArray[Any]]


def named(arrays: Iterable[Any]) -> dict[str, Any]:
    """Give names that sort as the arrays stand: three of the formats have names."""
    return {f"{index:04}": array for index, array in enumerate(arrays)}


def _torch_save(path: str, arrays: Arrays) -> None:
    torch.save(list(map(torch.from_numpy, arrays)), path)


# A file of each format, by its suffix.
WRITERS: dict[str, Callable[[str, Arrays], None]] = {
    ".tsr": by_hand.save,
    ".npz": lambda path, arrays: np.savez(path, **named(arrays)),
    ".safetensors": lambda path, arrays: safetensors.numpy.save_file(named(arrays), path),
    ".pt": _torch_save,
}
COMPRESSED_WRITERS: dict[str, Callable[[str, Arrays], None]] = {
    ".tsr": lambda path, arrays: tsr.save(path, arrays, format="tsr4", compress=True),
    ".npz": lambda path, arrays: np.savez_compressed(path, **named(arrays)),
}


# ------------------------------------------------------------------ from a file


def opening(path: Paths) -> Table:
    """Open a file for the names or shapes of its tensors, none of them touched."""
    raw, npz, st, pt = map(path, WRITERS)

    def tsr_shapes() -> list[tuple[int, ...]]:
        with tsr.open(raw) as file:
            return [info.shape for info in file.infos]

    def numpy_names() -> list[str]:
        with np.load(npz) as file:
            return list(file.files)

    def safetensors_shapes() -> list[tuple[int, ...]]:
        with safe_open(st, "np") as file:
            return [tuple(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118 - no mapping

    return {
        "by hand": Way(
            "os.open, fstat, read or mmap, every check",
            lambda: [entry.shape for entry in by_hand.read_directory(raw)],
        ),
        "tsr": Way("tsr.open(p), the shapes in .infos", tsr_shapes),
        "numpy": Way("np.load(p).files, no shapes", numpy_names),
        "safe_open": Way("safe_open(p).get_slice(n).get_shape()", safetensors_shapes),
        "torch mmap": Way(
            "torch.load(p, weights_only=True, mmap=True), the shapes",
            lambda: [tuple(tensor.shape) for tensor in _torch_load(pt, mmap=True)],
        ),
    }


def reading_one(path: Paths, index: int, verify: bool) -> Table:
    """Open a file and take one tensor, its values untouched by others than a checksum."""
    raw, npz, st, pt = map(path, WRITERS)
    name = list(named(range(index + 1)))[index]

    def numpy_load() -> Any:
        with np.load(npz) as file:
            return file[name]

    def safetensors_open() -> Any:
        with safe_open(st, "np") as file:
            return file.get_tensor(name)

    return {
        "by hand": Way(
            "os.open, fstat, mmap, every check", partial(by_hand.load, raw, index, verify)
        ),
        "tsr": Way("tsr.open(p, verify=...)[i]", lambda: tsr.open(raw, verify=verify)[index]),
        "numpy": Way("np.load(p)[n]", numpy_load),
        "safetensors": Way(
            "safetensors.numpy.load_file(p)[n]", lambda: safetensors.numpy.load_file(st)[name]
        ),
        "safe_open": Way("safe_open(p, 'np').get_tensor(n)", safetensors_open),
        "safetensors.torch": Way(
            "safetensors.torch.load_file(p)[n]", lambda: safetensors.torch.load_file(st)[name]
        ),
        "torch": Way("torch.load(p, weights_only=True)[i]", lambda: _torch_load(pt)[index]),
        "torch mmap": Way("the same with mmap=True", lambda: _torch_load(pt, mmap=True)[index]),
    }


def reading_all(path: Paths, verify: bool) -> Table:
    """Open a file and take every tensor."""
    raw, npz, st, pt = map(path, WRITERS)

    def safetensors_open() -> Iterator[Any]:
        with safe_open(st, "np") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                yield file.get_tensor(name)

    return {
        "by hand": Way("os.open, fstat, mmap, every check", partial(by_hand.load_all, raw, verify)),
        "tsr": Way("for a in tsr.open(p, verify=...)", partial(tsr.open, raw, verify=verify)),
        "numpy": Way("np.load(p).values()", partial(_numpy_values, npz)),
        "safetensors": Way(
            "safetensors.numpy.load_file(p).values()",
            lambda: safetensors.numpy.load_file(st).values(),
        ),
        "safe_open": Way("safe_open(p, 'np').get_tensor(n)", safetensors_open),
        "safetensors.torch": Way(
            "safetensors.torch.load_file(p).values()",
            lambda: safetensors.torch.load_file(st).values(),
        ),
        "torch": Way("torch.load(p, weights_only=True)", partial(_torch_load, pt)),
        "torch mmap": Way("the same with mmap=True", partial(_torch_load, pt, mmap=True)),
    }


def reading_compressed(path: Paths) -> Table:
    """Open a compressed file and take every tensor."""
    raw, npz = map(path, COMPRESSED_WRITERS)
    return {
        "by hand": Way(
            "mmap, every check, zlib_ng by several threads",
            lambda: list(by_hand.load_all(raw, codec=by_hand.FAST)),
        ),
        "by hand, zlib": Way(
            "the same with zlib by one thread",
            lambda: list(by_hand.load_all(raw, codec=by_hand.PLAIN)),
        ),
        "tsr": Way("tsr.open(p)[:]", lambda: tsr.open(raw)[:]),
        "numpy": Way("list(np.load(p).values())", lambda: list(_numpy_values(npz))),
    }


def validating(path: Paths) -> Table:
    """Check every rule of the format on all of a file."""
    raw = path(".tsr")
    return {
        "by hand": Way("mmap, every check", partial(by_hand.validate, raw)),
        "tsr": Way("tsr.validate(p)", partial(tsr.validate, raw)),
    }


def _numpy_values(path: str | io.BytesIO) -> Iterator[Any]:
    with np.load(path) as file:
        yield from file.values()


def _torch_load(path: str | io.BytesIO, mmap: bool | None = None) -> Any:
    return torch.load(path, weights_only=True, mmap=mmap)


# ------------------------------------------------------------------ to a file


def saving(path: Paths, arrays: Arrays) -> Table:
    """Write arrays that are all there."""
    tensors = list(map(torch.from_numpy, arrays))
    return {
        "by hand": Way(
            "temporary file, checksum and write, rename, every check",
            lambda: by_hand.save(path(".tsr"), arrays, len(arrays)),
        ),
        "tsr": Way(
            'tsr.save(p, l, format="tsr4")', lambda: tsr.save(path(".tsr"), arrays, format="tsr4")
        ),
        "numpy": Way("np.savez(p, **d)", lambda: np.savez(path(".npz"), **named(arrays))),
        "safetensors": Way(
            "safetensors.numpy.save_file(d, p)",
            lambda: safetensors.numpy.save_file(named(arrays), path(".safetensors")),
        ),
        "safetensors.torch": Way(
            "safetensors.torch.save_file(d, p)",
            lambda: safetensors.torch.save_file(named(tensors), path(".safetensors")),
        ),
        "torch": Way("torch.save(l, p)", lambda: torch.save(tensors, path(".pt"))),
    }


def saving_each(path: Paths, arrays: Arrays, count: int | None) -> Table:
    """Write arrays as they come, told or not told how many there will be."""

    def create() -> None:
        with tsr.create(path(".tsr"), count=count) as file:
            for array in arrays:
                file.add(array)

    return {
        "by hand": Way(
            "temporary file, checksum and write, move if need be, rename, every check",
            lambda: by_hand.save(path(".tsr"), iter(arrays), count or 1),
        ),
        "tsr": Way("tsr.create(p, count=...), .add(a)", create),
    }


def saving_compressed(path: Paths, arrays: Arrays) -> Table:
    """Write arrays that are all there, compressed."""
    return {
        "by hand": Way(
            "temporary file, isal_zlib by several threads, rename, every check",
            lambda: by_hand.save_compressed(path(".tsr"), arrays, by_hand.FAST),
        ),
        "by hand, zlib": Way(
            "the same with zlib, level 1, by one thread",
            lambda: by_hand.save_compressed(path(".tsr"), arrays, by_hand.PLAIN),
        ),
        "tsr": Way(
            'tsr.save(p, l, format="tsr4", compress=True)',
            lambda: tsr.save(path(".tsr"), arrays, format="tsr4", compress=True),
        ),
        "numpy": Way(
            "np.savez_compressed(p, **d)",
            lambda: np.savez_compressed(path(".npz"), **named(arrays)),
        ),
    }


# ------------------------------------------------------------------ in memory


def dumping(arrays: Arrays) -> Table:
    """Encode arrays as bytes."""

    def numpy_dumps() -> bytes:
        file = io.BytesIO()
        np.savez(file, **named(arrays))
        return file.getvalue()

    return {
        "by hand": Way("every check, join", partial(by_hand.dumps, arrays)),
        "tsr": Way('tsr.dumps(l, format="tsr4")', partial(tsr.dumps, arrays, format="tsr4")),
        "numpy": Way("np.savez(BytesIO(), **d)", numpy_dumps),
        "safetensors": Way(
            "safetensors.numpy.save(d)", lambda: safetensors.numpy.save(named(arrays))
        ),
    }


def loading(data: dict[str, bytes]) -> Table:
    """Decode bytes as arrays; `data` has those of a file of each suffix."""
    raw, npz, st = data[".tsr"], data[".npz"], data[".safetensors"]

    def safetensors_loads() -> list[Any]:
        loaded = safetensors.numpy.load(st)
        return [loaded[name] for name in sorted(loaded)]  # it gives them in any order

    return {
        "by hand": Way("every check, np.ndarray", partial(by_hand.loads, raw)),
        "tsr": Way("tsr.open(b)[:]", lambda: tsr.open(raw)[:]),
        "numpy": Way(
            "list(np.load(BytesIO(b)).values())", lambda: list(_numpy_values(io.BytesIO(npz)))
        ),
        "safetensors": Way("safetensors.numpy.load(b), by names", safetensors_loads),
    }
