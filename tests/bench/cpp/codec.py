"""The works with .tsr files: in C++ by tsr.hpp, by hand and by <cstdio>, and in Python."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tsr
from tests.bench.cpp.program import Program, build
from tests.bench.harness import Ways
from tsr.header import parse_header

__all__ = ["works"]

SIZES = {"tiny": 24, "1 MiB": 1 << 18, "64 MiB": 1 << 24}

# What the program in C++ has, by the work without its size.
WAYS = {
    "parse a header": ("tsr", "tsr, Failure&", "by hand"),
    "load": ("tsr", "by hand", "stdio"),
    "open and touch": ("tsr", "by hand"),
    "save": ("tsr", "by hand", "stdio"),
    "open 1,000 tensors": ("tsr",),
    "check and touch all": ("tsr", "by hand, zlib's crc32"),
}


def works(folder: str, quick: bool) -> Iterator[tuple[str, Ways]]:
    """Give each work and its ways, for as long as the next one is not asked for."""
    _make_files(folder)
    with Program([build("codec_ways.cpp", folder, "-lz"), folder]) as program:
        for work, python in _python_ways(folder, ["tiny"] if quick else list(SIZES)).items():
            kind = next(kind for kind in WAYS if work.startswith(kind))
            ways: dict[str, Any] = {way: program.way(f"{work}: {way}") for way in WAYS[kind]}
            yield work, {**ways, "Python": python}


def _make_files(folder: str) -> None:
    # What the works read.
    for name, length in SIZES.items():
        tsr.save(f"{folder}/{name}.tsr", np.full(length, 1.5, np.float32))
    small = np.ones((1, 1, 8, 8), np.float32)
    tsr.save(f"{folder}/1,000 tensors.tsr", [small] * 1000, format="tsr4")
    large = np.arange(1 << 18, dtype=np.int32)
    tsr.save(f"{folder}/64 of 1 MiB.tsr", [large] * 64, format="tsr4")


def _python_ways(folder: str, sizes: list[str]) -> dict[str, Any]:
    header = Path(folder, "tiny.tsr").read_bytes()

    def touch(path: str) -> object:
        return tsr.load(path).reshape(-1).view(np.uint8)[::4096].sum()

    def touch_all(path: str) -> object:
        with tsr.open(path) as file:
            return [array.reshape(-1).view(np.uint8)[::4096].sum() for array in file]

    ways: dict[str, Any] = {"parse a header": partial(parse_header, header, file_size=len(header))}
    for name in sizes:
        path = f"{folder}/{name}.tsr"
        ways[f"load {name}"] = partial(tsr.load, path, mmap_mode=None)
        ways[f"open and touch {name}"] = partial(touch, path)
        array = np.full(SIZES[name], 1.5, np.float32)
        ways[f"save {name}"] = partial(tsr.save, f"{folder}/python", array)
    ways["open 1,000 tensors"] = partial(tsr.open, f"{folder}/1,000 tensors.tsr")
    ways["check and touch all 64 of 1 MiB"] = partial(touch_all, f"{folder}/64 of 1 MiB.tsr")
    return ways
