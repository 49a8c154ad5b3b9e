"""The journal of conversions into a folder: what was done, and what was begun. No dask.

JSON lines in the file ``.tsr-convert.jsonl`` of the destination, which is only appended to:

    {"run": 1, "source": "/data/arrays", "digest": "5f0c...", "options": {...}}
    {"pending": ["a.npy", "b/c.npy"]}
    {"done": "a.npy", "state": [1064, 17...], "destination": "a.tsr", "made": [1088, 17...]}
    {"failed": "b/c.npy", "error": "...", "left": false}

Names are relative to the source and to the destination. What is written is announced as pending
before it is begun, and only where nothing is yet: so what is there later without being done is
left by a run that was cut off, and may be replaced. A last line that was cut off counts as
not written, and so does any line that is no such object.

One run at a time holds a lock on the file (flock), which ends with its process. Where a file
system has no locks, two runs at once do each other no harm: both write the same bytes, whole
files, and at worst either refuses what it takes for somebody else's. Raises `BlockingIOError`
where another run has the lock, and `OSError` for what cannot be read or written.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    # Sizes and times of a file, or of all that is in a folder.
    Stamp: TypeAlias = list[int]

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment] # that is what it is then

__all__ = ["NAME", "Journal"]

NAME = ".tsr-convert.jsonl"

# Of the lines; another number is that of another version of this package.
_VERSION = 1

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_APPEND
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)

# What is remembered of a source, of which there may be many millions: digests of the options, of
# the state of the source and of what was made, behind each other. Of what was begun only the first.
_DIGEST = 8


class Journal:
    """The journal in a folder, locked while the ``with`` block lasts.

    Parameters
    ----------
    folder : str
        The destination, which is there.
    source : str
        The folder that is converted.
    options : dict
        What the results depend on beside the sources.
    resume : bool, default True
        False: what is in the journal does not count.
    durable : bool, default False
        True: what is announced survives a loss of power before it is begun.

    Attributes
    ----------
    cut_off : bool
        Whether something was begun, and never done.
    """

    def __init__(
        self,
        folder: str,
        source: str,
        options: dict[str, Any],
        *,
        resume: bool = True,
        durable: bool = False,
    ) -> None:
        self.path = os.path.join(folder, NAME)
        self.cut_off = False
        self._source = os.path.realpath(source)
        self._options = options
        self._digest = _digest(options)
        self._resume = resume
        self._durable = durable
        self._entries: dict[int, bytes] = {}
        self._earlier: dict[str, Any] | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self.path, _FLAGS, 0o666)
        try:
            self._lock()
            with open(self._descriptor, "rb", closefd=False) as file:
                whole = self._read(file)
        except BaseException:
            os.close(self._descriptor)
            raise
        if not whole:
            self._write(b"\n")  # what follows is no part of the line that was cut off
        self.cut_off = any(len(entry) == _DIGEST for entry in self._entries.values())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)  # and so the lock ends

    @property
    def other_options(self) -> dict[str, Any] | None:
        """What the source was converted with the last time, if that is something else."""
        earlier = self._earlier
        return None if earlier is None or _digest(earlier) == self._digest else earlier

    def begin(self) -> None:
        """Write down that a run begins."""
        run = {"run": _VERSION, "source": self._source, "digest": self._digest.hex()}
        self._append([{**run, "options": self._options}])

    def is_done(self, source: str, state: Stamp) -> bool:
        """Tell whether a source was converted as it is now."""
        entry = self._entries.get(self._key(source), b"")
        return entry[: 2 * _DIGEST] == self._digest + _digest(state)

    def may_replace(self, source: str, made: Stamp) -> bool:
        """Tell whether what is in the place of a source's result is this journal's."""
        entry = self._entries.get(self._key(source), b"")
        if entry[:_DIGEST] != self._digest:
            return False
        return len(entry) == _DIGEST or entry[2 * _DIGEST :] == _digest(made)

    def announce(self, sources: list[str]) -> None:
        """Write down what is about to be begun."""
        self._append([{"pending": sources}])
        if self._durable:
            os.fsync(self._descriptor)
        self._note_pending(sources, self._digest)

    def record(self, lines: Iterable[dict[str, Any]]) -> None:
        """Write down what was done and what failed, in lines as they are described above."""
        self._append(lines)

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno, "Another conversion into this folder is in work", self.path
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                raise

    def _read(self, file: IO[bytes]) -> bool:
        # Take in all lines; tell whether the last one is whole.
        line = b"\n"
        source, digest = "", b""
        for line in file:
            with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                entry = json.loads(line)
                if "run" in entry:
                    known = entry["run"] == _VERSION
                    source = entry["source"] if known else ""
                    digest = _digest(entry["options"])
                    if source == self._source and self._resume:
                        self._earlier = entry["options"]
                elif source == self._source and self._resume:
                    self._take(entry, digest)
        return line.endswith(b"\n")

    def _take(self, entry: dict[str, Any], digest: bytes) -> None:
        if "pending" in entry:
            self._note_pending(entry["pending"], digest)
        elif "done" in entry:
            parts = digest, _digest(entry["state"]), _digest(entry["made"])
            self._entries[self._key(entry["done"])] = b"".join(parts)
        elif not entry["left"]:
            self._entries.pop(self._key(entry["failed"]), None)

    def _note_pending(self, sources: list[str], digest: bytes) -> None:
        for source in sources:
            self._entries[self._key(source)] = digest

    def _key(self, source: str) -> int:
        return int.from_bytes(_digest(source), "big")

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        self._write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _write(self, data: bytes) -> None:
        try:
            done = 0
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        except OSError as error:
            error.filename = self.path
            raise


def _digest(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()
