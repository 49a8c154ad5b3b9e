"""Formats that other packages add, and what the converters load before they are used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tests.converting import AWKWARD, assert_same
from tsr.converters import Document, Format, Holds, Options, Tensor, convert, registry


class Raw:
    """A format of float32 without a header, as another package would add it."""

    HOLDS = Holds.ONE
    DTYPES = frozenset(["float32"])
    RANK_MAX = 1
    DIMENSION_MAX = 100

    @staticmethod
    @contextmanager
    def read(path: str, options: Options) -> Iterator[Document]:
        """Read a file."""
        array = np.fromfile(path, "<f4")
        yield Document(path, Tensor("float32", array.shape, lambda: array))

    @staticmethod
    def write(path: str, document: Document, options: Options) -> None:
        """Write a file."""
        Path(path).write_bytes(b"".join(document.array.blocks()))


RAW: Format = Raw()


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Install a package that adds ``.raw``, and list when packages are asked for formats."""
    groups: list[str] = []
    point = EntryPoint("raw", f"{__name__}:RAW", registry.GROUP)

    def entry_points(group: str) -> EntryPoints:
        groups.append(group)
        return EntryPoints([point])

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return groups


def test_added_format(tmp_path: Path, lookups: list[str]) -> None:
    """A format that another package adds is read and written like the others."""
    tsr.save(tmp_path / "x.tsr", AWKWARD)
    convert(tmp_path / "x.tsr", tmp_path / "x.npy")
    assert not lookups, "packages are asked only for suffixes that are not known"
    convert(tmp_path / "x.tsr", tmp_path / "x.raw")
    convert(tmp_path / "x.raw", tmp_path / "back.tsr")
    assert_same(tsr.load(tmp_path / "back.tsr"), AWKWARD)
    assert {*lookups} == {registry.GROUP}


def test_added_format_is_held_to_what_it_says(tmp_path: Path, lookups: list[str]) -> None:
    """What an added format has no place for is refused before it is asked to write."""
    for array in (np.ones(2, np.int8), np.ones((2, 2), np.float32), np.ones(101, np.float32)):
        tsr.save(tmp_path / "x.tsr", array)
        with pytest.raises(tsr.ConversionError, match=r"\.raw"):
            convert(tmp_path / "x.tsr", tmp_path / "x.raw")
    assert lookups


def test_unknown_format(tmp_path: Path, lookups: list[str]) -> None:
    """A suffix that nobody knows is refused."""
    (tmp_path / "x.xyz").touch()
    with pytest.raises(tsr.ConversionError, match=r"nothing reads \.xyz files"):
        convert(tmp_path / "x.xyz", tmp_path / "x.tsr")
    (tmp_path / "x").touch()
    with pytest.raises(tsr.ConversionError, match="nothing reads files without a suffix"):
        convert(tmp_path / "x", tmp_path / "x.tsr")
    assert lookups == [registry.GROUP]


def test_every_module_is_a_format() -> None:
    """Each module of the table has what `Format` asks for."""
    suffixes = (".tsr", ".npy", ".npz", ".pt", ".pth", ".safetensors", ".h5", ".hdf5")
    for suffix in (*suffixes, registry.TSR4, registry.FOLDER):
        module: Any = registry.find_format(suffix)
        assert isinstance(module.HOLDS, Holds)
        assert "float32" in module.DTYPES
        assert module.RANK_MAX >= 4
        assert module.DIMENSION_MAX >= 2**31 - 1
        assert callable(module.read)
        assert callable(module.write)


def test_nothing_is_loaded_early() -> None:
    """Importing the converters imports none of the libraries that they may need."""
    heavy = {"torch", "h5py", "safetensors", "zipfile", "construct"}
    script = "import sys, tsr.converters; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert not heavy & {*done.stdout.decode().split()}
