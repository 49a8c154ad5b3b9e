"""Files as `numpy.memmap`: created whole, opened in place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_open_memmap_creates(target: Path) -> None:
    """A new file is zeros of the right dtype and shape, valid from its first moment."""
    target.write_bytes(b"before")
    target.chmod(0o600)
    mapped = tsr.open_memmap(target, dtype=">f4", shape=(2, 3))
    assert tsr.validate(target) == []
    assert (mapped.dtype, mapped.shape, mapped.mode) == (np.dtype("<f4"), (2, 3), "r+")
    assert mapped.filename == str(target)
    mapped[...] = X
    mapped.flush()
    assert target.read_bytes() == tsr.dumps(X)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(target.parent) == ["x.tsr"]


@pytest.mark.parametrize("shape", [(), 7, (0,), (3, 0), (1, 2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "int8", "int32"])
def test_open_memmap_shapes(target: Path, dtype: str, shape: Any) -> None:
    """Every shape and dtype of the format can be created and opened again in every mode."""
    created = tsr.open_memmap(target, dtype=dtype, shape=shape)
    for mode in (None, "r", "r+", "c"):
        opened = tsr.open_memmap(target, mode)
        assert type(opened) is np.memmap
        assert (opened.dtype, opened.shape) == (created.dtype, created.shape)
        assert opened.mode == (mode or "r+")
        assert opened.flags.writeable == (mode != "r")


def test_open_memmap_reserves_its_room(target: Path) -> None:
    """The blocks of a new file are there, so that filling it cannot run out of disk."""
    tsr.open_memmap(target, dtype="int8", shape=1 << 20)
    assert target.stat().st_blocks * 512 >= 1 << 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"mode": "w+"}, "both dtype and shape", id="w-without"),
        pytest.param({"mode": "w+", "dtype": "i1"}, "both dtype and shape", id="w-no-shape"),
        pytest.param({"mode": "r+", "dtype": "i1", "shape": 3}, "only 'w", id="r-with"),
        pytest.param({"dtype": "i1"}, "both dtype and shape", id="half"),
        pytest.param({"mode": "x"}, "got 'x', expected", id="unknown"),
        pytest.param({"dtype": "f8", "shape": 3}, "got float64", id="dtype"),
        pytest.param({"dtype": "i1", "shape": (1,) * 5}, "got 5 dimensions", id="rank"),
    ],
)
def test_open_memmap_refuses(target: Path, arguments: Any, message: str) -> None:
    """Arguments that do not go together leave the file alone."""
    tsr.save(target, X)
    with pytest.raises(tsr.UnsupportedError, match=message):
        tsr.open_memmap(target, **arguments)
    assert target.read_bytes() == tsr.dumps(X)


def test_open_memmap_needs_a_regular_place(tmp_path: Path) -> None:
    """A FIFO or a directory cannot be mapped, and is not waited for."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(tsr.FormatError, match="expected a regular file"):
            tsr.open_memmap(path, dtype="int8", shape=3)


def test_open_memmap_of_more_than_a_file_holds(target: Path) -> None:
    """The largest header describes more than any file system holds: its error, not ours."""
    with pytest.raises(OSError, match="File too large"):
        tsr.open_memmap(target, dtype="int8", shape=(454279, 31252369, 649657))
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_file_systems_that_reserve_nothing(
    target: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where room cannot be reserved, a file is made all the same, of the right size."""

    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    tsr.open_memmap(target, dtype="float32", shape=(2, 3))[...] = X
    assert target.read_bytes() == tsr.dumps(X)
    tsr.save(target, X[::-1], durable=True)
    assert target.read_bytes() == tsr.dumps(X[::-1])


def test_a_full_disk_is_found_before_the_first_store(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no room, no file is made and the old one stays."""

    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tsr.save(target, X)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        tsr.open_memmap(target, dtype="float32", shape=(9, 9))
    assert caught.value.filename == str(target)
    assert target.read_bytes() == tsr.dumps(X)
    assert os.listdir(target.parent) == ["x.tsr"]
