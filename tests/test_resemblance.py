"""`tsr.diagnosis.resemblance`: what files look like that are no TSR files."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsr.diagnosis.resemblance import Resemblance, resemblance

X = np.arange(6, dtype=np.float32)


def npy() -> bytes:
    """Make a file of numpy's."""
    file = io.BytesIO()
    np.save(file, X)
    return file.getvalue()


def npz() -> bytes:
    """Make an archive of numpy's."""
    file = io.BytesIO()
    np.savez(file, x=X)
    return file.getvalue()


def zipped() -> bytes:
    """Make a zip archive that holds text, and the magic of a TSR file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("read.me", "TSR!")
    return file.getvalue()


def tarred() -> bytes:
    """Make a tar archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (bytes(100), "zeros"),
        (b"T", "cut"),
        (b"TSR", "cut"),
        (b"!RST" + bytes(60), "reversed"),
        (b"4RST" + bytes(60), "reversed"),
        (b"TSR\0\1" + bytes(59), "variant"),
        (b"\xff\0TSR!\1", "shifted"),
        (npy(), "npy"),
        (npz(), "npz"),
        (zipped(), "zip"),
        (b"PK\5\6" + bytes(18), "zip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(8), "hdf5"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (bz2.compress(b"x"), "bzip2"),
        (lzma.compress(b"x"), "xz"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GGUF\3\0\0\0", "gguf"),
        (b"%PDF-1.7\n%\xe2", "pdf"),
        (tarred(), "tar"),
        (pickle.dumps([1]), "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs"),
        (b"<!DOCTYPE html>\n<html>", "html"),
        (b"  <HTML>", "html"),
        (b'{"a": [1, 2]}', "json"),
        (json.dumps(list(range(10_000))).encode(), "text"),
        (json.dumps([{"a": "b" * 10_000}]).encode(), "json"),
        (b"TSR is a format.\n", "text"),
        (("é" * 5000).encode(), "text"),
        ("hello".encode("utf-16"), "text"),
        (b"\x9c\x01\x02\x03 not text", "unknown"),
    ],
)
def test_kinds(data: bytes, kind: str) -> None:
    """A file is taken for what it is."""
    found = resemblance(data)
    assert found.kind == kind
    assert found.description


@pytest.mark.parametrize("zipped", [True, False])
def test_torch(zipped: bool) -> None:
    """A file of torch's is, in the old style and the new."""
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=zipped)
    found = resemblance(file.getvalue(), "model.pth")
    assert found.kind == "pt"
    assert found.advice == "Convert it: tsr convert model.pth model/"


def test_safetensors() -> None:
    """A file of safetensors is, the empty one too."""
    save = pytest.importorskip("safetensors.numpy").save
    for tensors in ({}, {"a": X}):
        found = resemblance(save(tensors), "m.safetensors")
        assert found.kind == "safetensors"
        assert found.advice == "Convert it: tsr convert m.safetensors m/"


@pytest.mark.parametrize(
    ("data", "path", "advice"),
    [
        (npy(), "x.npy", "Convert it: tsr convert x.npy x.tsr"),
        (npy(), "x.NPY", "Convert it: tsr convert x.NPY x.tsr"),
        (npy(), "my x.tsr", "Name it what it is, then: tsr convert 'my x.npy' 'my x.tsr'"),
        (npz(), "x.npz", "Convert it: tsr convert x.npz x/"),
        (gzip.compress(b"x", mtime=0), "x.gz", "Decompress it: gzip -dc x.gz | tsr explain -"),
        (b"\xff\0TSR!\1", "x.tsr", "Cut off what stands before it: tail -c +3 x.tsr > OUT.tsr"),
        (b"version https://git-lfs.github.com", "x.tsr", "Get it: git lfs pull"),
        (npy(), None, "Name it what it is, then: tsr convert FILE.npy FILE.tsr"),
        (npy(), "-x.npy", "Convert it: tsr convert ./-x.npy ./-x.tsr"),
        (npz(), "-x", "Name it what it is, then: tsr convert ./-x.npz ./-x/"),
        (gzip.compress(b"x", mtime=0), "-x.gz", "Decompress it: gzip -dc ./-x.gz | tsr explain -"),
        (zipped(), "--x", "Unpack it: unzip ./--x"),
        (b"hello", "x.tsr", ""),
    ],
)
def test_advice(data: bytes, path: str | None, advice: str) -> None:
    """What to do names the file, quoted for a shell."""
    assert resemblance(data, path).advice == advice


@given(st.binary() | st.text('TSR!{["<é\n').map(str.encode), st.text("a.'/ "))
def test_any_bytes(data: bytes, path: str) -> None:
    """Any bytes look like something."""
    found = resemblance(data, path)
    assert isinstance(found, Resemblance)
    assert found.description
