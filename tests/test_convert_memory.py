"""Memory: a conversion takes no more of it for a large array than for a small one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

import tsr

MIB = 1 << 20
SIZE = 192 * MIB
SHAPE = (1024, SIZE // 4096)

# The most that a conversion may add to what the interpreter and the libraries take: some pieces
# of an array, far from the whole of one.
ALLOWED = 64 * MIB

# Each conversion has a process of its own, forked from one that has imported the libraries: torch
# alone takes seconds. Only private memory counts: pages of a mapped file are the system's to take
# back. It is sampled by a thread, since the kernel keeps no peak of it.
SCRIPT = """
import json, os, sys, threading, warnings
warnings.simplefilter("ignore")
import h5py, safetensors.numpy, torch
from tsr.converters import convert
from tsr.converters.registry import suffix_of

def private():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024

def added(small, source, destination, dataset, options):
    def watch():
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, private())

    # The first use of a format takes memory of its own.
    convert(small, small + suffix_of(destination), dataset="w")
    done, start = threading.Event(), private()
    peak = start
    thread = threading.Thread(target=watch)
    thread.start()
    convert(source, destination, dataset=dataset, cast="int32", **options)
    done.set()
    thread.join()
    return max(peak, private()) - start

for line in sys.stdin:
    child = os.fork()
    if not child:
        print(added(*json.loads(line)), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        print("failed with status", status, flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make large files that take no room: holes in them read as zeros."""
    folder = tmp_path_factory.mktemp("large")
    np.save(folder / "small.npy", np.ones(3, np.float32))
    for name, dtype, fortran in [("c", "<f4", False), ("f", ">f4", True), ("cast", "<i8", False)]:
        count = SIZE // np.dtype(dtype).itemsize
        fields = {"descr": dtype, "fortran_order": fortran, "shape": (1024, count // 1024)}
        with open(folder / f"{name}.npy", "wb") as file:
            np.lib.format.write_array_header_1_0(file, fields)
            file.truncate(file.tell() + SIZE)
    tsr.open_memmap(folder / "c.tsr", dtype=np.float32, shape=SHAPE)
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("plain", SHAPE, np.float32)
        chunked = file.create_dataset(
            "packed", SHAPE, np.float32, chunks=(64, 4096), compression="gzip"
        )
        for row in range(0, 1024, 64):
            chunked[row : row + 64] = np.zeros((64, SIZE // 4096), np.float32)
    np.savez_compressed(folder / "packed.npz", w=np.zeros(SHAPE, np.float32))
    for name, compress in [("raw4", False), ("zlib4", True)]:
        tsr.save(folder / f"{name}.tsr", tsr.load(folder / "c.tsr"), format="tsr4",
                 compress=compress)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def converter() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks for every conversion."""
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


class Conversion(NamedTuple):
    """What a test converts: large files, somewhere to put another, and who does it."""

    folder: Path
    place: Path
    process: subprocess.Popen[str]

    def added(self, source: str, destination: str, **options: Any) -> int:
        """Convert, and give the bytes that private memory grew by at most."""
        assert self.process.stdin
        assert self.process.stdout
        small = self.place / "small.npy"
        small.write_bytes((self.folder / "small.npy").read_bytes())
        path, _, dataset = source.partition("/")
        paths = [small, self.folder / path, self.place / destination]
        json.dump([*map(str, paths), dataset or "w", options], self.process.stdin)
        print(file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer.strip().isdigit(), answer
        (self.place / destination).unlink()
        return int(answer)


@pytest.fixture
def conversion(folder: Path, tmp_path: Path, converter: subprocess.Popen[str]) -> Conversion:
    """Bring together what a conversion needs."""
    return Conversion(folder, tmp_path, converter)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("c.npy", "x.tsr"), ("c.tsr", "x.npy"), ("f.npy", "x.tsr"), ("cast.npy", "x.tsr"),
        ("packed.npz", "x.tsr"), ("c.tsr", "x.pt"), ("f.npy", "x.pt"), ("c.npy", "x.h5"),
        ("c.npy", "x.safetensors"), ("packed.npz", "x.pt"),
        ("x.h5/plain", "x.tsr"), ("x.h5/packed", "x.tsr"),
        ("raw4.tsr", "x.npy"), ("zlib4.tsr", "x.npy"), ("zlib4.tsr", "x.pt"),
    ],
)  # fmt: skip
def test_bounded(conversion: Conversion, source: str, destination: str) -> None:
    """An array of 192 MiB passes through a few pieces of memory."""
    assert conversion.added(source, destination) < ALLOWED


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("source", ["c.tsr", "f.npy", "cast.npy", "x.h5/plain", "zlib4.tsr"])
def test_bounded_tsr4(conversion: Conversion, source: str, compress: bool) -> None:
    """So it does into a TSR4 file, where several threads compress the pieces too."""
    options: dict[str, Any] = {"to": "tsr4", "lossy": True, "compress": compress}
    assert conversion.added(source, "x.tsr", **options) < ALLOWED
