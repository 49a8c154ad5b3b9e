"""A line of a program's output -> an `Answer`; and when two answers say the same.

What ``spec/conformance.md`` calls an answer. A line that is none becomes an answer too, one of
the kind ``"failed"``: nothing is raised here.
"""

from __future__ import annotations

import json
import struct
import zlib
from functools import lru_cache
from typing import Any, Literal, NamedTuple

__all__ = ["Answer", "Tensor", "agree", "equally_right", "failed", "parse", "same_place"]

_DTYPES = ("float32", "float16", "int8", "int32")
_FORMATS = ("v1", "tsr4")


class Tensor(NamedTuple):
    """A tensor that was read: its shape is that of the format, its hash that of the elements."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


class Answer(NamedTuple):
    """What a program makes of an input.

    Attributes
    ----------
    kind : {"accepted", "refused", "skipped", "failed"}
        ``"failed"`` stands for no answer: the program died, hung or wrote something else.
    format, tensors
        Of what is accepted: ``"v1"`` or ``"tsr4"``, and the tensors.
    clause, field, offset
        Of what is refused; field and offset are None where the program does not tell.
    reason : str
        Why it was skipped, or how the program failed.
    by : str
        What judged, where that was not the implementation itself.
    """

    kind: Literal["accepted", "refused", "skipped", "failed"]
    format: str = ""
    tensors: tuple[Tensor, ...] = ()
    clause: str = ""
    field: str | None = None
    offset: int | None = None
    reason: str = ""
    by: str = ""

    def __str__(self) -> str:
        if self.kind == "accepted":
            tensors = ", ".join(
                f"{tensor.dtype} {tensor.shape} {tensor.sha256[:8]}" for tensor in self.tensors
            )
            return f"accepted as {self.format}: {tensors}"
        if self.kind == "refused":
            place = "" if self.field is None else f" {self.field}"
            place += "" if self.offset is None else f" at {self.offset}"
            return f"{self.clause}{place}"
        return f"{self.kind}: {self.reason}"


def failed(reason: str) -> Answer:
    """Make the answer of a program that gave none."""
    return Answer("failed", reason=reason)


@lru_cache(1 << 14)  # most refusals are the same few
def parse(line: bytes) -> Answer:
    """Parse a line, without its end."""
    try:
        document = json.loads(line)
        if "skip" in document:
            answer = Answer("skipped", reason=document["skip"])
        elif "clause" in document:
            answer = Answer(
                "refused",
                clause=document["clause"],
                field=document.get("field"),
                offset=document.get("offset"),
                by=document.get("by", ""),
            )
        else:
            answer = Answer(
                "accepted",
                format=document["format"],
                tensors=tuple(map(_tensor, document["tensors"])),
                by=document.get("by", ""),
            )
        if not _is_sound(answer):
            raise ValueError("a member has a wrong type or value")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return failed(f"wrote {line[:80]!r}, which is no answer")
    return answer


def _tensor(document: Any) -> Tensor:
    return Tensor(document["dtype"], tuple(document["shape"]), document["sha256"])


def _is_sound(answer: Answer) -> bool:
    texts = (answer.clause, answer.reason, answer.by, answer.field or "")
    if not all(isinstance(text, str) for text in texts) or type(answer.offset) not in (
        int,
        type(None),
    ):
        return False
    return answer.kind != "accepted" or (
        answer.format in _FORMATS and all(map(_is_tensor, answer.tensors))
    )


def _is_tensor(tensor: Tensor) -> bool:
    return (
        tensor.dtype in _DTYPES
        and all(type(dim) is int for dim in tensor.shape)
        and isinstance(tensor.sha256, str)
    )


# ------------------------------------------------------------------ comparing


def agree(data: bytes, one: Answer, other: Answer) -> bool:
    """Tell whether two answers to the same input say the same, as far as both say something."""
    if "skipped" in (one.kind, other.kind):
        return True
    if one.kind != other.kind or one.kind == "failed":
        return False
    if one.kind == "accepted":
        return (one.format, one.tensors) == (other.format, other.tensors)
    return same_place(one, other) and (
        one.clause == other.clause or equally_right(data, one, other)
    )


def same_place(one: Answer, other: Answer) -> bool:
    """Tell whether two refusals name the same field and offset, where both name one."""
    return (one.field == other.field or None in (one.field, other.field)) and (
        one.offset == other.offset or None in (one.offset, other.offset)
    )


def equally_right(data: bytes, one: Answer, other: Answer) -> bool:
    """Tell whether ``spec/tsr4.md`` lets a reader report either of two clauses.

    Section 14: a stream that gives more than `nbytes`, and is invalid right behind its byte
    ``nbytes + 1``, breaks T4-ZLIB-2, but an inflater that looks ahead reports T4-ZLIB-1.
    """
    if {one.clause, other.clause} != {"T4-ZLIB-1", "T4-ZLIB-2"}:
        return False
    number = next((place[8:-1] for place in (one.field, other.field) if place), "")
    if not number.isdecimal() or len(data) < 192 + 64 * int(number):
        return False
    nbytes, start, size = struct.unpack_from("<QQQ", data, 164 + 64 * int(number))
    payload = data[start : start + size]
    # zlib looks ahead: of what it inflates without an error, the next byte is valid too.
    return _inflates(payload, nbytes) and not _inflates(payload, nbytes + 1)


def _inflates(payload: bytes, nbytes: int) -> bool:
    # No stream of deflate gives 1032 times its own bytes, so the claim is never allocated.
    if not 0 < nbytes <= 1032 * len(payload):
        return False
    try:
        zlib.decompressobj().decompress(payload, nbytes)
    except zlib.error:
        return False
    return True
