"""Keys of a tree <-> names of files, one folder a level.

A name is the key with everything but ASCII letters, digits, ``_.-~`` percent-encoded, as is a
leading dot: ``fc1.weight`` stays as it is. Keys whose names a file system that ignores case could
not tell apart, or that are the same text as an int and a str, have every byte of the later one
encoded. A key that is too long for a file name is cut, and marked with a digest of the whole;
only ``tensors.json`` knows it then.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

__all__ = ["MANIFEST", "SUFFIX", "FileNames", "key_of", "natural_order"]

MANIFEST = "tensors.json"
SUFFIX = ".tsr"

# File systems take 255 bytes; the rest is for suffixes.
_LENGTH_MAX = 200

# The name of the empty key; it cannot come from another, whose "%" is encoded.
_EMPTY = "%"


class FileNames:
    """Gives each tensor of a tree a path of its own, relative to the folder."""

    def __init__(self) -> None:
        self._given: dict[tuple[str | int, ...], str] = {}
        self._taken = {MANIFEST}

    def path(self, keys: tuple[str | int, ...]) -> str:
        """Give the path for the tensor that `keys` lead to, with ``/`` between its folders."""
        path = ""
        for depth in range(1, len(keys) + 1):
            suffix = SUFFIX if depth == len(keys) else ""
            if keys[:depth] not in self._given:
                self._given[keys[:depth]] = self._allocate(path, str(keys[depth - 1]), suffix)
            path = self._given[keys[:depth]]
        return path

    def _allocate(self, folder: str, key: str, suffix: str) -> str:
        prefix = f"{folder}/" if folder else ""
        for name in (_escape(key), _escape_all(key), _cut(key)):
            path = prefix + name + suffix
            if len(name) <= _LENGTH_MAX and path.lower() not in self._taken:
                self._taken.add(path.lower())
                return path
        raise AssertionError(f"no name is left for {key!r}")  # a digest is not met twice


def key_of(name: str) -> str:
    """Give the key that a file's name, without its suffix, comes from."""
    return "" if name == _EMPTY else unquote(name, errors="surrogatepass")


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """Order names as people do: ``layer2`` before ``layer10``."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(False, int(p), "") if p[0] in "0123456789" else (True, 0, p) for p in parts]


def _escape(key: str) -> str:
    name = quote(key, safe="", errors="surrogatepass")
    return "%2E" + name[1:] if name.startswith(".") else name or _EMPTY


def _escape_all(key: str) -> str:
    return "".join(f"%{byte:02X}" for byte in key.encode("utf-8", "surrogatepass"))


def _cut(key: str) -> str:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{_escape(key)[: _LENGTH_MAX // 2]}%~{digest}"
