"""The first bytes of a file that is no TSR -> what it looks like, and what to do about it.

The guess is one by the bytes alone, never by the name. No I/O, no numpy; nothing is raised.
"""

from __future__ import annotations

import json
import os
from shlex import quote
from typing import NamedTuple

__all__ = ["LOOKED_AT", "Resemblance", "resemblance"]

# As many bytes as a guess takes into account.
LOOKED_AT = 4096

_OURS = ((b"TSR!", "TSR v1"), (b"TSR4", "TSR4"))

# The longest header that safetensors reads.
_SAFETENSORS_MAX = 100_000_000

# Suffixes that `tsr convert` takes for another one.
_SYNONYMS = ((".pt", ".pth"), (".h5", ".hdf5"))


class Resemblance(NamedTuple):
    """What a file looks like.

    Attributes
    ----------
    kind : str
        In one word: ``"npy"``, ``"zip"``, ``"text"``, ``"empty"``, ``"unknown"``.
    description : str
        What to call it: ``"an array file of numpy (.npy)"``.
    advice : str
        What to do, or nothing.
    """

    kind: str
    description: str
    advice: str = ""


def resemblance(data: bytes, path: str | None = None) -> Resemblance:
    """Tell what a file looks like.

    Parameters
    ----------
    data : bytes
        Its first bytes, 4096 where it has as many.
    path : str, optional
        Its name, for the advice.
    """
    data = data[:LOOKED_AT]
    name = "FILE" if path is None else f"./{path}" if path.startswith("-") else path
    for find in (_nothing, _near, _by_magic, _zip, _safetensors, _text, _shifted):
        found = find(data, name)
        if found is not None:
            return found
    return Resemblance("unknown", "no format that is known here")


def _nothing(data: bytes, name: str) -> Resemblance | None:
    if not data:
        advice = "Whatever was to write it did not get to it: write it again."
        return Resemblance("empty", "an empty file", advice)
    if not data.strip(b"\0"):
        advice = "It was never written to, or not written to the end: get it again."
        whole = len(data) < LOOKED_AT
        description = "nothing but zeros" if whole else "zeros, at its beginning at least"
        return Resemblance("zeros", description, advice)
    return None


def _near(data: bytes, name: str) -> Resemblance | None:
    if len(data) < 4 and b"TSR".startswith(data):
        return Resemblance("cut", "the first bytes of a TSR file", "Get it again.")
    for magic, kind in _OURS:
        if data[:4] == magic[::-1]:
            advice = (
                "It was written by a machine or program of the other byte order: write it again."
            )
            return Resemblance("reversed", f"a {kind} file with its bytes in reverse order", advice)
    return None


def _shifted(data: bytes, name: str) -> Resemblance | None:
    for magic, kind in _OURS:
        if (start := data.find(magic)) > 0:
            advice = f"Cut off what stands before it: tail -c +{start + 1} {quote(name)} > OUT.tsr"
            return Resemblance("shifted", f"a {kind} file from offset {start} on", advice)
    if data[:3] == b"TSR":
        return Resemblance("variant", "a TSR file of a kind that no writer is known to make")
    return None


# A pickle of the number that torch.save wrote first, before it took to zip archives.
_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

# What files begin with: kind, what to call it, and the suffix that `tsr convert` knows it by or
# the command that gives what is in it.
_MAGICS = (
    (b"\x93NUMPY", "npy", "an array file of numpy (.npy)", ".npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 file (.h5)", ".h5"),
    (_TORCH, "pt", "a torch file in the old style (.pt)", ".pt"),
    (b"\x1f\x8b", "gzip", "compressed with gzip", "gzip -dc"),
    (b"\x28\xb5\x2f\xfd", "zstd", "compressed with zstd", "zstd -dc"),
    (b"\xfd7zXZ\0", "xz", "compressed with xz", "xz -dc"),
    (b"BZh", "bzip2", "compressed with bzip2", "bzip2 -dc"),
    (b"\x04\x22\x4d\x18", "lz4", "compressed with lz4", "lz4 -dc"),
    (b"\x89PNG\r\n\x1a\n", "png", "a PNG image", ""),
    (b"\xff\xd8\xff", "jpeg", "a JPEG image", ""),
    (b"GIF8", "gif", "a GIF image", ""),
    (b"II*\0", "tiff", "a TIFF image", ""),
    (b"MM\0*", "tiff", "a TIFF image", ""),
    (b"%PDF-", "pdf", "a PDF document", ""),
    (b"\x7fELF", "elf", "a program or library", ""),
    (b"GGUF", "gguf", "a GGUF model", ""),
    (b"PAR1", "parquet", "a Parquet table", ""),
    (b"ARROW1", "arrow", "an Arrow file", ""),
    (b"SQLite format 3\0", "sqlite", "an SQLite database", ""),
    (b"MATLAB 5.0", "mat", "a MATLAB file", ""),
    (b"version https://git-lfs", "lfs", "a pointer of Git LFS, not the file", "git lfs pull"),
)  # fmt: skip


def _by_magic(data: bytes, name: str) -> Resemblance | None:
    for magic, kind, description, helper in _MAGICS:
        if data.startswith(magic):
            return Resemblance(kind, description, _advice(name, helper))
    if data[257:262] == b"ustar":
        return Resemblance("tar", "a tar archive", f"Unpack it: tar -xf {quote(name)}")
    if data[:1] == b"\x80" and data[1:2] in b"\2\3\4\5":
        description = "a pickle of Python, which can run code when it is read"
        return Resemblance("pickle", description)
    return None


def _zip(data: bytes, name: str) -> Resemblance | None:
    if data[:4] == b"PK\5\6":
        return Resemblance("zip", "an empty zip archive")
    if data[:4] != b"PK\3\4":
        return None
    length = int.from_bytes(data[26:28], "little")
    member = data[30 : 30 + length]
    if member.endswith(b".npy"):
        return Resemblance("npz", "arrays of numpy in a zip archive (.npz)", _advice(name, ".npz"))
    if member.endswith((b"/data.pkl", b"/byteorder", b"/.format_version", b"/version")):
        return Resemblance("pt", "a torch file (.pt)", _advice(name, ".pt"))
    advice = f"Unpack it: unzip {quote(name)}"
    return Resemblance("zip", "a zip archive", advice)


def _safetensors(data: bytes, name: str) -> Resemblance | None:
    # The length of the JSON that follows.
    length = int.from_bytes(data[:8], "little")
    if data[8:10] not in (b'{"', b"{}") or not 2 <= length <= _SAFETENSORS_MAX:
        return None
    return Resemblance("safetensors", "a safetensors file", _advice(name, ".safetensors"))


def _text(data: bytes, name: str) -> Resemblance | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Resemblance("text", "text in UTF-16")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:  # else a character is cut
            return None
        text = data[: error.start].decode()
    start = text.lstrip("\ufeff \t\r\n")
    if not all(character.isprintable() or character in "\ufeff\t\r\n\f" for character in text):
        return None
    if start[:9].lower() == "<!doctype" or start[:5].lower() == "<html":
        advice = "Where it came from by download, the answer was no file: look at what it says."
        return Resemblance("html", "a web page", advice)
    if start[:1] in ("{", "[") and _is_json(start, complete=len(data) < LOOKED_AT):
        return Resemblance("json", "JSON")
    return Resemblance("text", "text")


def _is_json(text: str, *, complete: bool) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return not complete and text[1:].lstrip()[:1] in '"{['
    except RecursionError:
        return True
    return True


def _advice(name: str, helper: str) -> str:
    if helper.endswith("-dc"):
        return f"Decompress it: {helper} {quote(name)} | tsr explain -"
    if not helper.startswith("."):
        return helper and f"Get it: {helper}"
    stem, suffix = os.path.splitext(name)
    target = quote(stem + (".tsr" if helper == ".npy" else "/"))
    if (helper, suffix.lower()) in _SYNONYMS or suffix.lower() == helper:
        return f"Convert it: tsr convert {quote(name)} {target}"
    return f"Name it what it is, then: tsr convert {quote(stem + helper)} {target}"
