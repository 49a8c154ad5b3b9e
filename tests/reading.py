"""Every way of reading there is: bytes -> what each makes of them, in a form that compares."""

from __future__ import annotations

import io
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest
from numpy.typing import NDArray

import tsr
from tsr import contents, reader, schema, tensor_file, validation
from tsr.contents import read_layout

__all__ = [
    "Dribble",
    "Outcome",
    "findings",
    "is_tsr4",
    "layout_outcome",
    "outcome",
    "pipe",
    "reference",
    "refusal",
    "tensors_of",
    "ways_of_finding",
    "ways_of_opening",
    "ways_of_reading",
]

# dtype, shape and bytes of every tensor; of a refusal a word and `refusal`.
Outcome = tuple[Any, ...]


def tensors_of(arrays: Iterable[NDArray[Any]]) -> Outcome:
    """Give arrays in a form that compares: every bit counts."""
    return tuple((array.dtype.str, array.shape, array.tobytes()) for array in arrays)


def refusal(error: tsr.FormatError) -> Outcome:
    """Give what an error is about."""
    return error.clause, error.field, error.offset


def outcome(read: Callable[[], Iterable[NDArray[Any]]]) -> Outcome:
    """Give what reading makes of a file: its tensors, or what it is refused for."""
    try:
        return tensors_of(read())
    except tsr.FormatError as error:
        return ("refused", *refusal(error))


def is_tsr4(data: bytes) -> bool:
    """Tell which format a reader takes bytes for."""
    return data[:4] == b"TSR4"


def reference(data: bytes) -> Outcome:
    """Read with the declarations in `tsr.schema` alone."""
    if is_tsr4(data):
        return outcome(lambda: schema.reference_loads_tsr4(data))
    return outcome(lambda: [schema.reference_loads(data)])


# ------------------------------------------------------------------ where bytes come from


class Dribble:
    """The least that can be read: a stream that gives a few bytes at a time, and no way back."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, 7))


@contextmanager
def pipe(data: bytes) -> Iterator[IO[bytes]]:
    """Give a pipe out of which bytes come."""
    receiver, sender = os.pipe()

    def pour() -> None:
        with suppress(BrokenPipeError), os.fdopen(sender, "wb") as sink:
            sink.write(data)

    thread = threading.Thread(target=pour)
    thread.start()
    with os.fdopen(receiver, "rb") as stream:
        yield stream
    thread.join()


@contextmanager
def plain_file(path: Path, start: int = 0) -> Iterator[IO[bytes]]:
    """Give a file object that stands somewhere in a file."""
    with path.open("rb") as stream:
        stream.seek(start)
        yield stream


@contextmanager
def everything_large() -> Iterator[None]:
    """Have files mapped and threads used, whatever the size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "SMALL_FILE", 0)
        patch.setattr(reader, "SMALL_FILE", 0)
        patch.setattr(tensor_file, "_PARALLEL_BYTES", 0)
        patch.setattr(validation, "_PARALLEL_BYTES", 0)
        yield


# ------------------------------------------------------------------ what is made of them


def ways_of_opening(
    data: bytes, folder: Path, *, strict: bool = True, verify: bool = True
) -> dict[str, Outcome]:
    """Open a file of either format from every kind of source and use all its tensors."""

    def opened(source: Any, mmap_mode: Any = "r", part: slice | None = None) -> Outcome:
        def read() -> Iterable[NDArray[Any]]:
            file = tsr.open(source, mmap_mode=mmap_mode, strict=strict, verify=verify)
            return file if part is None else file[part]

        return outcome(read)

    path, behind = folder / "x.tsr", folder / "behind.tsr"
    path.write_bytes(data)
    behind.write_bytes(b"before" + data)
    results = {
        "bytes": opened(data),
        "bytearray": opened(bytearray(data)),
        "misaligned": opened(memoryview(b"\0" + data)[1:]),
        "copies": opened(data, None),
        "slice": opened(data, part=slice(None)),
        "path": opened(path),
        "path, copy-on-write": opened(path, "c"),
        "path, copies": opened(path, None),
        "stream": opened(io.BytesIO(data)),
        "dribble": opened(Dribble(data)),
        "dribble, copy-on-write": opened(Dribble(data), "c"),
    }
    for name, source in {
        "pipe": pipe(data),
        "file object": plain_file(path),
        "file object behind bytes": plain_file(behind, start=6),
    }.items():
        with source as stream:
            results[name] = opened(stream)
    with everything_large():
        results["mapped"] = opened(path)
        results["mapped, copy-on-write"] = opened(path, "c")
        results["mapped, by threads"] = opened(path, part=slice(None))
        with plain_file(behind, start=6) as stream:
            results["mapped behind bytes"] = opened(stream)
    if data:
        with plain_file(path) as stream:
            mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        results["mmap"] = opened(mapping)
    return results


def ways_of_reading(data: bytes, folder: Path, *, strict: bool = True) -> dict[str, Outcome]:
    """Read a file of either format in every way there is, and find its first fault."""
    results = ways_of_opening(data, folder, strict=strict)
    if not is_tsr4(data) or int.from_bytes(data[16:20], "little") == 1:
        results |= _ways_of_loading(data, folder / "x.tsr", strict)
    expected = results["bytes"]
    if expected[:1] == ("refused",):
        for name, faults in ways_of_finding(data, folder / "x.tsr", strict).items():
            results[f"validate, {name}"] = ("refused", *faults[0])
    return results


def ways_of_finding(data: bytes, path: Path, strict: bool = True) -> dict[str, list[Outcome]]:
    """List the faults of a file, from every kind of source; `path` is where it lies."""
    results = {
        "bytes": findings(data, strict),
        "path": findings(path, strict),
        "stream": findings(io.BytesIO(data), strict),
        "dribble": findings(Dribble(data), strict),
    }
    with plain_file(path) as stream:
        results["file object"] = findings(stream, strict)
    with everything_large():
        results["mapped"] = findings(path, strict)
    return results


def findings(source: Any, strict: bool = True) -> list[Outcome]:
    """List what a file is at fault for."""
    return [refusal(error) for error in tsr.validate(source, strict=strict)]


def layout_outcome(source: Any, strict: bool = True) -> Outcome:
    """Read header and directory only, and give what they are refused for."""
    try:
        read_layout(source, strict)
    except tsr.FormatError as error:
        return ("refused", *refusal(error))
    return ()


def _ways_of_loading(data: bytes, path: Path, strict: bool) -> dict[str, Outcome]:
    # What reads a file of one tensor.
    def loaded(source: Any, mmap_mode: Any = "r") -> Outcome:
        return outcome(lambda: [tsr.load(source, mmap_mode=mmap_mode, strict=strict)])

    results = {
        "loads": outcome(lambda: [tsr.loads(data, strict=strict)]),
        "loads, bytearray": outcome(lambda: [tsr.loads(bytearray(data), strict=strict)]),
        "load": loaded(path),
        "load, copy-on-write": loaded(path, "c"),
        "load, copy": loaded(path, None),
        "load, bytes": loaded(data),
        "load, stream": loaded(io.BytesIO(data)),
        "load, dribble": loaded(Dribble(data)),
    }
    with plain_file(path) as stream:
        results["load, file object"] = loaded(stream)
    with everything_large():
        results["load, mapped"] = loaded(path)
    if not is_tsr4(data):  # checksums forbid to change a file in place
        results["load, in place"] = loaded(path, "r+")
        results["open_memmap"] = outcome(lambda: [tsr.open_memmap(path, "r", strict=strict)])
    return results
