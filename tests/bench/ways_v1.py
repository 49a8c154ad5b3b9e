"""The ways to do each work on one array: by hand, with tsr, and with what else users could take.

One function a work gives its table. All ways of a table come to the same end, which
``test_bench_v1.py`` checks; the other libraries are called as their documentation shows and use
files in their own formats.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import safe_open

import tsr
import tsr.torch
from tests.bench import by_hand_v1 as by_hand
from tests.bench.by_hand_files import read_heads
from tests.bench.table import Paths, Table, Way

__all__ = [
    "WRITERS", "dumping", "dumping_into", "importing", "importing_ready", "loading", "opening",
    "opening_tensor", "reading_header", "saving", "scanning",
]  # fmt: skip

# What the one tensor in a safetensors file is called.
NAME = "x"

ROOT = Path(__file__).parents[2]

Array = NDArray[Any]


def _torch_save(path: str, array: Array) -> None:
    torch.save(torch.from_numpy(array), path)


# A file of each format, by its suffix.
WRITERS: dict[str, Callable[[str, Array], None]] = {
    ".tsr": by_hand.save,
    ".npy": np.save,
    ".safetensors": lambda path, array: safetensors.numpy.save_file({NAME: array}, path),
    ".pt": _torch_save,
}


# ------------------------------------------------------------------ from a file


def opening(path: Paths, shape: tuple[int, ...]) -> Table:
    """Open a file as an array or tensor, its values untouched."""
    raw, npy, st, pt = map(path, WRITERS)
    return {
        "by hand": Way("os.open, fstat, read or mmap, every check", partial(by_hand.load, raw)),
        "tsr": Way("tsr.load(p)", partial(tsr.load, raw)),
        "numpy": Way("np.load(p)", partial(np.load, npy)),
        "numpy mmap": Way('np.load(p, mmap_mode="r")', partial(np.load, npy, mmap_mode="r")),
        "np.memmap": Way(
            "np.memmap(p, dtype, offset, shape): nothing is checked",
            partial(np.memmap, raw, np.float32, "r", 64, shape),
        ),
        "safetensors": Way(
            "safetensors.numpy.load_file(p)[n]", lambda: safetensors.numpy.load_file(st)[NAME]
        ),
        "safetensors.torch": Way(
            "safetensors.torch.load_file(p)[n]", lambda: safetensors.torch.load_file(st)[NAME]
        ),
        "torch": Way("torch.load(p, weights_only=True)", partial(_torch_load, pt)),
        "torch mmap": Way("the same with mmap=True", partial(_torch_load, pt, mmap=True)),
    }


def opening_tensor(path: Paths, shape: tuple[int, ...]) -> Table:
    """Open a file as a writable tensor, its values untouched."""
    raw, npy, _, _ = map(path, WRITERS)
    table = opening(path, shape)
    return {
        "by hand": Way(
            "os.open, fstat, read or mmap, every check, torch.from_numpy",
            partial(by_hand.load_tensor, raw),
        ),
        "tsr": Way("tsr.torch.load(p)", partial(tsr.torch.load, raw)),
        "numpy": Way("torch.from_numpy(np.load(p))", lambda: torch.from_numpy(np.load(npy))),
        "numpy mmap": Way(
            'the same with mmap_mode="c"', lambda: torch.from_numpy(np.load(npy, mmap_mode="c"))
        ),
    } | {column: table[column] for column in ("safetensors.torch", "torch", "torch mmap")}


def reading_header(path: Paths) -> Table:
    """Read dtype and shape of a file, its payload untouched."""
    raw, npy, st, pt = map(path, WRITERS)

    def numpy_header() -> tuple[int, ...]:
        with open(npy, "rb") as file:
            np.lib.format.read_magic(file)
            return np.lib.format.read_array_header_1_0(file)[0]

    def safetensors_header() -> list[int]:
        with safe_open(st, "np") as file:
            found = file.get_slice(NAME)
            found.get_dtype()
            shape: list[int] = found.get_shape()
            return shape

    return {
        "by hand": Way("os.open, fstat, read, every check", partial(by_hand.read_header, raw)),
        "tsr": Way("tsr.read_header(p)", partial(tsr.read_header, raw)),
        "numpy": Way("read_magic, read_array_header_1_0", numpy_header),
        "safetensors": Way("safe_open(p).get_slice(n), dtype and shape", safetensors_header),
        "torch mmap": Way(
            "torch.load(p, weights_only=True, mmap=True)", partial(_torch_load, pt, mmap=True)
        ),
    }


def scanning(paths: list[str]) -> Table:
    """Read the headers of many files, as a table of what they say."""
    return {
        "by hand": Way(
            "a loop of os.open, read and close: nothing is checked", partial(read_heads, paths)
        ),
        "tsr": Way("tsr.scan(paths)", partial(tsr.scan, paths)),
    }


def _torch_load(path: str | io.BytesIO, mmap: bool | None = None) -> Any:
    return torch.load(path, weights_only=True, mmap=mmap)


# ------------------------------------------------------------------ to a file


def saving(path: Paths, array: Array, durable: bool | None = None) -> Table:
    """Write an array to a file."""
    tensor = torch.from_numpy(array)
    return {
        "by hand": Way(
            "temporary file, write, rename, every check",
            lambda: by_hand.save(path(".tsr"), array, durable),
        ),
        "tsr": Way("tsr.save(p, a)", lambda: tsr.save(path(".tsr"), array, durable=durable)),
        "numpy": Way("np.save(p, a)", lambda: np.save(path(".npy"), array)),
        "safetensors": Way(
            "safetensors.numpy.save_file({n: a}, p)",
            lambda: safetensors.numpy.save_file({NAME: array}, path(".safetensors")),
        ),
        "safetensors.torch": Way(
            "safetensors.torch.save_file({n: t}, p)",
            lambda: safetensors.torch.save_file({NAME: tensor}, path(".safetensors")),
        ),
        "torch": Way("torch.save(t, p)", lambda: torch.save(tensor, path(".pt"))),
    }


# ------------------------------------------------------------------ in memory


def dumping(array: Array) -> Table:
    """Encode an array as bytes."""
    tensor = torch.from_numpy(array)

    def numpy_dumps() -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    def torch_dumps() -> bytes:
        file = io.BytesIO()
        torch.save(tensor, file)
        return file.getvalue()

    return {
        "by hand": Way("every check, join", partial(by_hand.dumps, array)),
        "tsr": Way("tsr.dumps(a)", partial(tsr.dumps, array)),
        "numpy": Way("np.save(BytesIO(), a)", numpy_dumps),
        "safetensors": Way(
            "safetensors.numpy.save({n: a})", lambda: safetensors.numpy.save({NAME: array})
        ),
        "safetensors.torch": Way(
            "safetensors.torch.save({n: t})", lambda: safetensors.torch.save({NAME: tensor})
        ),
        "torch": Way("torch.save(t, BytesIO())", torch_dumps),
    }


def dumping_into(buffer: Array, array: Array) -> Table:
    """Encode an array into memory that is there already."""
    file = io.BytesIO(buffer.tobytes())

    def numpy_dumps_into() -> None:
        file.seek(0)
        np.save(file, array)

    return {
        "by hand": Way("every check, np.copyto", partial(by_hand.dumps_into, buffer, array)),
        "tsr": Way("tsr.dumps_into(b, a)", partial(tsr.dumps_into, buffer, array)),
        "numpy": Way("np.save(f, a) into a BytesIO used before", numpy_dumps_into),
    }


def loading(data: dict[str, bytes]) -> Table:
    """Decode bytes as an array or tensor; `data` has those of a file of each suffix."""
    raw, npy, st, pt = map(data.__getitem__, WRITERS)
    return {
        "by hand": Way("every check, np.ndarray", partial(by_hand.loads, raw)),
        "tsr": Way("tsr.loads(b)", partial(tsr.loads, raw)),
        "numpy": Way("np.load(BytesIO(b))", lambda: np.load(io.BytesIO(npy))),
        "safetensors": Way(
            "safetensors.numpy.load(b)[n]", lambda: safetensors.numpy.load(st)[NAME]
        ),
        "safetensors.torch": Way(
            "safetensors.torch.load(b)[n]", lambda: safetensors.torch.load(st)[NAME]
        ),
        "torch": Way(
            "torch.load(BytesIO(b), weights_only=True)", lambda: _torch_load(io.BytesIO(pt))
        ),
    }


# ------------------------------------------------------------------ the start


def importing() -> Table:
    """Start a program that imports the library."""
    return {
        "by hand": _program("pass"),
        "tsr": _program("import tsr"),
        "numpy": _program("import numpy"),
        "safetensors": _program("import safetensors"),
        "torch": _program("import torch"),
    }


def importing_ready() -> Table:
    """Start a program that could then load and save."""
    return {
        "by hand": _program("import os, mmap, struct, numpy"),
        "tsr": _program("from tsr import load, save"),
        "numpy": _program("from numpy import load, save"),
        "safetensors": _program("from safetensors.numpy import load_file, save_file"),
    }


def _program(text: str) -> Way:
    # Modules come compiled, as those of an installed package do.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", text]
    return Way(text, partial(subprocess.run, command, cwd=ROOT, env=environment, check=True))
