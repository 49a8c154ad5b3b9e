"""The first bytes of a file and its size -> what a row of a scan says. No I/O, no numpy.

The rules are those of `tsr.contents`. Most files of a data set begin with the same bytes, so that
what was said of them once is said again. Nothing is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsr.contents import decode_layout
from tsr.errors import FormatError
from tsr.header import raise_error
from tsr.layout import TSR4_MAGIC, V1_MAGIC

if TYPE_CHECKING:
    from tsr.container import TensorInfo

__all__ = ["ERROR", "FORMATS", "INVALID", "OK", "STATUSES", "TSR4", "V1", "Facts", "Judge"]

V1, TSR4 = "TSR v1", "TSR4"
FORMATS = (V1, TSR4)

OK, INVALID, ERROR = "ok", "invalid", "error"
STATUSES = (OK, INVALID, ERROR)

# What is remembered, of each kind: some 20 MB at most.
_REMEMBERED = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What rows say of a tensor or of a bad file, but for where it is. Many rows share one.

    Attributes
    ----------
    format : str or None
        None where the first bytes are those of neither format.
    dtype : str or None
    shape : tuple of int or None
        Both None of a bad file.
    nbytes : int
        Bytes that the elements take; 0 of a bad file.
    status : str
        ``"ok"``, ``"invalid"`` or ``"error"``.
    error : str or None
        What is wrong with the file, without its path.
    """

    format: str | None
    dtype: str | None
    shape: tuple[int, ...] | None
    nbytes: int
    status: str
    error: str | None


class Judge:
    """Says what there is to say of files; several threads may ask.

    Attributes
    ----------
    strict : bool
        False accepts what the original readers do.
    known : dict
        First bytes and size of files -> what was said of them. A file that is found here breaks
        no other rule, if it is a regular one.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.known: dict[tuple[bytes, int], Facts] = {}
        self._tensors: dict[tuple[str, str, tuple[int, ...]], Facts] = {}
        self._bad: dict[tuple[str | None, str, str], Facts] = {}

    def header(self, head: bytes, size: int | None) -> Facts:
        """Judge a file by its first 64 bytes, unless it is one of TSR4."""
        try:
            [info] = decode_layout(head, size, self.strict, None, raise_error).infos
        except FormatError as error:
            return self.invalid(error, head)
        return Facts(V1, info.element.name, info.shape, info.nbytes, OK, None)

    def remember(self, key: tuple[bytes, int], facts: Facts) -> None:
        """Have `known` give it the next time."""
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        self.known[key] = facts

    def tensor(self, info: TensorInfo, format: str = TSR4) -> Facts:
        """Say what a file does of one of its tensors."""
        key = (format, info.element.name, info.shape)
        facts = self._tensors.get(key)
        if facts is None:
            facts = Facts(*key, info.nbytes, OK, None)
            if len(self._tensors) >= _REMEMBERED:
                self._tensors.clear()
            self._tensors[key] = facts
        return facts

    def invalid(self, error: FormatError, head: bytes = b"") -> Facts:
        """Say which rule a file with these first bytes breaks."""
        magic = head[: len(V1_MAGIC)]
        format = V1 if magic == V1_MAGIC else TSR4 if magic == TSR4_MAGIC else None
        return self._say(format, INVALID, str(error).removeprefix(f"{error.path}: "))

    def failed(self, error: Exception) -> Facts:
        """Say why the system or a package could not read a file."""
        reason = error.strerror if isinstance(error, OSError) else None
        return self._say(None, ERROR, reason or str(error) or type(error).__name__)

    def _say(self, format: str | None, status: str, error: str) -> Facts:
        facts = self._bad.get((format, status, error))
        if facts is None:
            facts = Facts(format, None, None, 0, status, error)
            if len(self._bad) >= _REMEMBERED:
                self._bad.clear()
            self._bad[format, status, error] = facts
        return facts
