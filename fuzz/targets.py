"""What is fuzzed: functions bytes -> None, each with the invariant that it holds in its first line.

An invariant that does not hold is an AssertionError, and any error that a target does not name is
a fault as well. No engine is imported: the guided one, the plain one and pytest run the same
functions.
"""

from __future__ import annotations

import atexit
import json
import shutil
import struct
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tsr
from session import message
from session.errors import MessageError
from tests.reading import Outcome, findings, is_tsr4, outcome, tensors_of, ways_of_reading
from tests.reading import reference as read_by_construct
from tsr import FormatError, TSRError, UnsupportedError
from tsr import schema as declarations
from tsr.cli.hexdump import hexdump
from tsr.diagnosis.repairing import changed, mend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["TARGETS"]

# What lenient reading waives: section 10 of spec/tsr-v1.md, section 12 of spec/tsr4.md.
WAIVED = frozenset((
    "V1-RESERVED-1", "V1-RESERVED-2", "V1-RESERVED-3", "V1-PAYLOAD-2",
    "T4-RESERVED-1", "T4-RESERVED-2", "T4-RESERVED-3", "T4-END-1", "T4-PADDING-1",
))  # fmt: skip

# What is checked where verification is asked for: section 11 of spec/tsr4.md.
_VERIFIED = ("T4-CRC-2", "T4-PADDING-1")

_V1_DTYPES = tuple(map(np.dtype, ("<f4", "<i1", "<i4", ">f4", ">i4")))
_TSR4_DTYPES = (*_V1_DTYPES, np.dtype("<f2"), np.dtype(">f2"))
_PARAMETERS = struct.Struct("<8B")

# ------------------------------------------------------------------ the codec


def loads(data: bytes) -> None:
    """An array that is written as the same bytes again, or FormatError; never anything else."""
    try:
        array = tsr.loads(data)
    except FormatError:
        return
    except UnsupportedError:
        assert is_tsr4(data), "only TSR4 holds several tensors"
        return
    if is_tsr4(data):
        _assert_rewritten(data, [array])
    else:
        assert tsr.dumps(array) == data


def header(data: bytes) -> None:
    """A header that is built as the same 64 bytes again, or FormatError; never anything else."""
    try:
        parsed = tsr.parse_header(data)
    except FormatError:
        return
    assert tsr.build_header(parsed.dtype, parsed.shape) == data[:64]
    assert (parsed.size, parsed.nbytes) == (
        int.from_bytes(data[40:48], "little"),
        int.from_bytes(data[40:48], "little") * parsed.itemsize,
    )


def round_trip(data: bytes) -> None:
    """Whatever array the input describes comes back from a TSR v1 file with all its bits."""
    array = _array(data, _V1_DTYPES)
    file = tsr.dumps(array)
    assert tensors_of([tsr.loads(file)]) == tensors_of([_canonical(array)])
    memory = bytearray(len(file))
    assert tsr.dumps_into(memory, array) == len(file)
    assert memory == file


def round_trip_tsr4(data: bytes) -> None:
    """Whatever arrays the input describes come back from a TSR4 file; none for a 0 in a shape."""
    array = _array(data, _TSR4_DTYPES)
    arrays = [array, array[..., :1]] if array.ndim else [array]
    compress = data[7:8] > b"\x7f"
    try:
        file = tsr.dumps(arrays, format="tsr4", compress=compress)
    except UnsupportedError:
        assert not all(item.size for item in arrays)
        return
    shapes = [(1,) * (4 - item.ndim) + item.shape for item in arrays]
    expected = [_canonical(item).reshape(shape) for item, shape in zip(arrays, shapes, strict=True)]
    assert tensors_of(tsr.open(file)) == tensors_of(expected)


def open(data: bytes) -> None:
    """Tensors that are written as an equal file, or FormatError, which validate finds first."""
    found = _read(data)
    faults = findings(data)
    if _is_refused(found):
        assert faults[0] == found[1:]
        return
    assert not faults
    with tsr.open(data) as file:
        _assert_rewritten(data, list(file))


def unverified(data: bytes) -> None:
    """Without verification the same result, unless verification refused a checksum or padding."""
    found, verified = outcome(lambda: tsr.open(data, verify=False)), _read(data)
    if found != verified:
        assert _is_refused(verified), (found, verified)
        assert verified[1] in _VERIFIED, (found, verified)
    assert not _is_refused(found) or found[1] not in _VERIFIED, found


def lenient(data: bytes) -> None:
    """Lenient reading accepts all that strict reading does, and beyond it what is waived only."""
    strict, found = _read(data), outcome(lambda: tsr.open(data, strict=False))
    if not _is_refused(strict):
        assert found == strict
    elif _is_refused(found):
        assert found[1] not in WAIVED
        assert found[1:] == next(fault for fault in findings(data, strict=False))
    else:
        assert {clause for clause, *_ in findings(data)} <= WAIVED


def readers(data: bytes) -> None:
    """Every way of reading gives the same tensors or the same refusal."""
    results = ways_of_reading(data, _folder())
    expected = results["bytes"]
    others = {name: result for name, result in results.items() if result != expected}
    assert not others, (expected, others)


def reference(data: bytes) -> None:
    """Construct's reference and the fast path agree on verdict, clause, place and tensors."""
    found, expected = _read(data), read_by_construct(data)
    assert found == expected, (found, expected)


def schema(data: bytes) -> None:
    """What construct parses it builds as an equal file, and so do the package's writers."""
    parse = declarations.reference_loads_tsr4 if is_tsr4(data) else declarations.reference_loads
    try:
        parsed = parse(data)
    except FormatError:
        return
    if isinstance(parsed, list):
        file = declarations.reference_dumps_tsr4(parsed)
        assert file == tsr.dumps(parsed, format="tsr4")
        assert tensors_of(declarations.reference_loads_tsr4(file)) == tensors_of(parsed)
        _assert_rewritten(data, parsed)
    else:
        assert declarations.reference_dumps(parsed) == data == tsr.dumps(parsed)


def explain(data: bytes) -> None:
    """What is explained has the findings of validate; parts cover the file, and marks lie in it."""
    explanation = tsr.explain(data)
    assert [_place(finding) for finding in explanation.findings] == findings(data)
    for chosen in (None, (0,)):
        end = 0
        for part in explanation.parts(chosen):
            assert part.offset == end, (part, end)
            assert part.size > 0, part
            end += part.size
        assert end == len(data)
    faults = explanation.faults()
    for mark in (mark for fault in faults for mark in fault.marks):
        assert 0 <= mark.offset <= mark.offset + mark.size <= len(data), mark
        assert mark.size or mark.missing > 0, mark
    assert list(hexdump(explanation, explanation.parts((0,)), faults, 80)) or not data


def repair(data: bytes) -> None:
    """What is mended is valid, with every payload as it was; else something remains."""
    for checksums in (False, True):
        mended, before = mend(data, checksums=checksums)
        made = b"".join(changed(before, mended.changes))
        assert findings(made) == [] or mended.remaining, mended
        assert bool(mended.changes) == (made != data)
        if mended.remaining:
            assert findings(data), mended
            continue
        with tsr.open(made) as file:
            for info in file.infos:
                stored = slice(info.offset, info.offset + info.stored_nbytes)
                assert made[stored] == data[stored], info
        if not _is_refused(outcome(lambda: tsr.open(data, strict=False))):
            assert _read(made) == outcome(lambda: tsr.open(data, strict=False))


def _place(finding: FormatError) -> tuple[str, str, int]:
    return finding.clause, finding.field, finding.offset


def _read(data: bytes) -> Outcome:
    return outcome(lambda: tsr.open(data))


def _is_refused(found: Outcome) -> bool:
    return found[:1] == ("refused",)


def _assert_rewritten(data: bytes, arrays: list[NDArray[Any]]) -> None:
    # A file of version 1 has one encoding. One of TSR4 has too, but for compression and row_stride.
    if not is_tsr4(data):
        assert tsr.dumps(arrays[0]) == data
        return
    file = tsr.dumps(arrays, format="tsr4")
    assert tensors_of(tsr.open(file)) == tensors_of(arrays)
    if data[12] == 0:
        strided = bytearray(file)
        for entry in range(128, 128 + 64 * len(arrays), 64):
            strided[entry + 28 : entry + 36] = data[entry + 28 : entry + 36]
        assert strided == data


def _array(data: bytes, dtypes: Sequence[np.dtype[Any]]) -> NDArray[Any]:
    # Eight bytes say of which type, shape and layout; the others are its bits.
    kind, ndim, *dims, layout, _ = _PARAMETERS.unpack(data[:8].ljust(8, b"\0"))
    dtype = dtypes[kind % len(dtypes)]
    shape = tuple(dim % 6 for dim in dims[: ndim % 5])
    bits = data[8:] or b"\0"
    size = int(np.prod(shape, dtype=int)) * dtype.itemsize
    array: NDArray[Any] = np.frombuffer((bits * (size // len(bits) + 1))[:size], dtype)
    array = array.reshape(shape)
    if layout & 1:
        array = array.T
    if layout & 2 and array.ndim:
        array = array[::-1]
    if layout & 4 and array.ndim:
        array = array[..., ::2]
    if layout & 8:
        array = np.asfortranarray(array) if array.ndim else array.copy()
    if layout & 16 and array.ndim < 4:
        array = np.broadcast_to(array, (2, *array.shape))
    return array


def _canonical(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("<"), order="C")


# ------------------------------------------------------------------ the session


def request(data: bytes) -> None:
    """A Request of what the JSON says, the same once encoded and decoded; or MessageError."""
    try:
        decoded = message.decode_request(data)
    except MessageError:
        return
    if not decoded.is_original:
        fields = json.loads(data.decode(), strict=False)
        assert decoded.command == fields["command"].strip()
        assert decoded.parameters == fields.get("parameters", "")
        assert decoded.id == fields.get("id", "")
    encoded = message.encode_request(decoded, 1)
    assert isinstance(json.loads(encoded), dict)
    assert message.decode_request(encoded) == decoded


def response(data: bytes) -> None:
    """A Response of what the JSON says, the same once encoded and decoded; or MessageError."""
    try:
        decoded = message.decode_response(data)
    except MessageError:
        return
    again = message.decode_response(message.encode_response(decoded, 1))
    if decoded.is_original:
        # Its reader takes no escapes: quotes are replaced, and nothing is not sent.
        assert again.is_original
        return
    fields = json.loads(data.decode(), strict=False)
    assert decoded.tensors == tuple(fields.get("tensors", ()))
    for name in ("command", "result", "message", "id"):
        assert getattr(decoded, name) == fields.get(name, "")
    assert again == decoded


# ------------------------------------------------------------------ other formats


def npy(data: bytes) -> None:
    """A file that holds what numpy reads, and so converts back; or TSRError and no file."""
    _convert(data, ".npy", lambda path: [np.load(path)])


def npz(data: bytes) -> None:
    """A folder that holds what numpy reads, and so converts back; or TSRError and no folder."""
    _convert(data, ".npz", lambda path: np.load(path).values())


def safetensors(data: bytes) -> None:
    """A folder that holds what safetensors reads, and so converts back; or TSRError and none."""
    from safetensors.numpy import load_file

    _convert(data, ".safetensors", lambda path: load_file(path).values())


def pt(data: bytes) -> None:
    """A folder that holds what torch reads, and so converts back; or TSRError and none."""
    import torch

    def read(path: Path) -> list[NDArray[Any]]:
        try:
            value = torch.load(path, map_location="cpu", weights_only=True)
        except RuntimeError:  # a record that is too long, though no element lies in it
            value = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        leaves = _leaves(value)
        return [leaf.detach().numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]

    _convert(data, ".pt", read)


def _convert(data: bytes, suffix: str, read: Callable[[Path], Iterable[NDArray[Any]]]) -> None:
    folder = _folder()
    shutil.rmtree(folder)
    folder.mkdir()
    source, back = folder / f"source{suffix}", folder / f"back{suffix}"
    converted = folder / ("converted.tsr" if suffix == ".npy" else "converted")
    source.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd in a file, or old
        try:
            tsr.convert(source, converted)
        except TSRError:
            assert list(folder.iterdir()) == [source], "a refused file leaves nothing behind"
            return
        expected = _bits(read(source))
        assert _bits(map(tsr.load, folder.rglob("*.tsr"))) == expected
        tsr.convert(converted, back)
        assert _bits(read(back)) == expected


def _bits(arrays: Iterable[NDArray[Any]]) -> list[Any]:
    # In an order of their own: names become those of files. A tensor may be there twice.
    return sorted(map(tensors_of, ([_canonical(array)] for array in arrays)))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        yield value
        return
    for item in value:
        yield from _leaves(item)


@cache
def _folder() -> Path:
    # Gone when the process ends in good order, which an engine does not.
    folder = tempfile.mkdtemp(prefix="fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


# ------------------------------------------------------------------ all of them

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        loads, header, round_trip, round_trip_tsr4, open, unverified, lenient, readers, reference,
        schema, explain, repair, request, response, npy, npz, safetensors, pt,
    )
}  # fmt: skip
