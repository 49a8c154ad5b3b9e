"""`compare`: two files, folders or arrays -> what differs between them, tensor by tensor.

Tensors are compared piece by piece, where they lie, so that memory stays small however large they
are; bytes that are the same are compared as bytes, and only the others looked at as numbers. Raises
`FormatError` and `ConversionError` for what cannot be read, `UnsupportedError` for options that
make no sense and `OSError` for what cannot be opened.
"""

from __future__ import annotations

import math
import mmap
from contextlib import ExitStack
from math import prod
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tsr.comparison import ulp as ulps
from tsr.comparison.measure import Measure
from tsr.comparison.pairing import pair
from tsr.comparison.results import Comparison, Differences, Side, TensorComparison, Tolerance
from tsr.comparison.scanning import is_fill, pieces
from tsr.contents import read_layout
from tsr.converters.reading import open_tensors, show_arrays
from tsr.errors import UnsupportedError
from tsr.pages import Pages
from tsr.remote.urls import is_url, refuse_options
from tsr.source import is_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsr.converters.reading import NamedTensor, Reading

    Progress: TypeAlias = Callable[[int, int, str], object]

__all__ = ["compare"]


def compare(
    a: Any,
    b: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    ulp: int | None = None,
    equal_nan: bool | None = None,
    tensor: str | int | None = None,
    strict: bool = True,
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare two files of any readable formats, or arrays, tensor by tensor.

    Without a tolerance elements are the same if their bits are, so that -0.0 differs from 0.0 and
    a NaN from one of another payload, and tensors of different dtypes differ. Those of different
    dtypes have their values compared nevertheless, exactly: no digit of an int64 is lost against a
    float64.

    With any of `rtol`, `atol`, `ulp` and `equal_nan`, be it 0, values are compared, whatever the
    dtypes: an element is the same if the two are equal, as -0.0 and 0.0 are, or both NaN, or
    within any one of the tolerances given. An infinity is only the same as itself.

    Tensors of different shapes differ, and are not compared. That TSR4 puts dimensions of 1 in
    front of a shape makes no difference, nor do formats, compression, byte orders, orders in
    memory and scalars or metadata beside the tensors.

    Parameters
    ----------
    a, b : path, URL, file object, bytes-like, or array-like and dicts, lists and tuples of such
        A path or URL is that of a file or folder that `tsr.convert` reads; a file object and bytes
        hold a ``.tsr`` file. Arrays are taken as they are.
    rtol, atol : float, optional
        As in `numpy.allclose`: numbers are the same if ``|a - b| <= atol + rtol * |b|``. Each is 0
        unless it is given.
    ulp : int, optional
        Finite floats of the same dtype are the same if `math.nextafter` takes at most so many
        steps from the one to the other.
    equal_nan : bool, optional
        False: a NaN differs from any other, even of the same bits.
    tensor : str or int, optional
        Compare only the one with this name, or this index.
    strict : bool, default True
        False accepts ``.tsr`` files with set reserved fields, padding that is not 0 or bytes after
        the last payload.
    progress : callable, optional
        Called as ``progress(done, total, name)`` with bytes compared, before each tensor and
        every 16 MiB.
    storage_options : mapping, optional
        For URLs among `a` and `b`: what fsspec's file systems for them are made with.

    Returns
    -------
    Comparison
        Its `equal` says it all; `tensors` what differs where, and by how much. Tensors are matched
        by name where both sides have names, those left over by names with dots in place of
        slashes, else by their index.

    Raises
    ------
    FormatError, ConversionError
        A file is broken, or of no format that is read.
    UnsupportedError
        An option makes no sense, there is no such tensor, or something is no array of numbers.
    OSError
        A file cannot be opened.

    Examples
    --------
    >>> tsr.compare("model.pt", "model/").equal
    True
    >>> result = tsr.compare("a.tsr", "b.npy", rtol=1e-5, atol=1e-8)
    >>> result.tensors[0].differences.max_absolute
    """
    tolerance = _check_tolerance(rtol, atol, ulp, equal_nan)
    if not any(map(is_url, (a, b))):
        refuse_options(storage_options)
    with ExitStack() as stack:
        side_a, side_b = (_open(side, strict, stack, storage_options) for side in (a, b))
        pairs, same_order = pair(side_a, side_b, tensor)
        told = _Progress(progress, pairs)
        compared = tuple(_compare_pair(*each, (side_a, side_b), tolerance, told) for each in pairs)
        told.end()
        return Comparison(_side(side_a), _side(side_b), tolerance, compared, same_order)


def _check_tolerance(rtol: Any, atol: Any, ulp: Any, equal_nan: bool | None) -> Tolerance:
    if ulp is not None and not (isinstance(ulp, Integral) and 0 <= int(ulp) < 2**64):
        raise UnsupportedError(f"ulp: got {ulp!r}, expected an int from 0 up")
    steps = None if ulp is None else int(ulp)
    return Tolerance(_check_term("rtol", rtol), _check_term("atol", atol), steps, equal_nan)


def _check_term(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:  # an int
        number = math.inf
    if not 0 <= number < math.inf:
        raise UnsupportedError(f"{name}: got {value!r}, expected a number from 0 up")
    return number


def _open(given: Any, strict: bool, stack: ExitStack, storage: Mapping[str, Any] | None) -> Reading:
    is_buffer = isinstance(given, (bytes, bytearray, memoryview, mmap.mmap))
    if is_path(given) or is_buffer or hasattr(given, "read"):
        storage = storage if is_url(given) else None
        return stack.enter_context(open_tensors(given, strict=strict, storage_options=storage))
    return show_arrays(given)


def _side(reading: Reading) -> Side:
    return Side(reading.path, reading.format, reading.mode, len(reading))


class _Progress:
    """Tells bytes of all tensors, from those of each."""

    def __init__(self, tell: Progress | None, pairs: Any) -> None:
        self._tell = tell
        self._total = sum(a.nbytes for a, b in pairs if a is not None and b is not None)
        self._before = 0

    def __call__(self, done: int, name: str) -> None:
        if self._tell is not None:
            self._tell(self._before + done, self._total, name)

    def next(self, nbytes: int) -> None:
        self._before += nbytes

    def end(self) -> None:
        self(self._total - self._before, "")


def _compare_pair(
    a: NamedTensor | None, b: NamedTensor | None, sides: tuple[Reading, Reading],
    tolerance: Tolerance, told: _Progress,
) -> TensorComparison:  # fmt: skip
    status, differences = "same", None
    if a is None or b is None:
        status = "only in b" if a is None else "only in a"
    else:
        shape = _common_shape(a, b, sides)
        if shape is None:
            status = "shape"
        else:
            told(0, a.name)
            differences = _differences(a, b, shape, tolerance, lambda done: told(done, a.name))
            told.next(a.nbytes)
            if a.dtype != b.dtype and tolerance.bits:
                status = "dtype"
            elif differences.differing:
                status = "values"
    both = (a, b)
    name = next(each.name for each in both if each is not None)
    if a is not None and b is not None and sides[1].named > sides[0].named:
        name = b.name
    return TensorComparison(
        name,
        indices=_each(both, "index"),
        names=_each(both, "name"),
        dtypes=_each(both, "dtype"),
        shapes=_each(both, "shape"),
        paths=_each(both, "path"),
        status=status,
        differences=differences,
    )


def _each(both: tuple[NamedTensor | None, NamedTensor | None], attribute: str) -> Any:
    return tuple(None if each is None else getattr(each, attribute) for each in both)


def _common_shape(
    a: NamedTensor, b: NamedTensor, sides: tuple[Reading, Reading]
) -> tuple[int, ...] | None:
    # The shape of both, without the dimensions that TSR4 puts in front; None if there is none.
    short, long = sorted((a.shape, b.shape), key=len)
    added = len(long) - len(short)
    if long != (1,) * added + short:
        return None
    is_known = not added or _is_tsr4(a, sides[0]) or _is_tsr4(b, sides[1])
    return short if is_known else None


def _is_tsr4(tensor: NamedTensor, side: Reading) -> bool:
    # A folder has files of either format.
    if side.format != "folder" or tensor.file is None:
        return side.format == "TSR4"
    return read_layout(tensor.file, strict=False).format == "TSR4"


def _differences(
    a: NamedTensor, b: NamedTensor, shape: tuple[int, ...], tolerance: Tolerance,
    told: Callable[[int], object],
) -> Differences:  # fmt: skip
    measure = Measure(a.dtype, b.dtype, tolerance)
    whole_a, whole_b = a.array(), b.array()
    pages = [(Pages(whole), whole.itemsize) for whole in (whole_a, whole_b)]

    def passed(elements: int) -> None:
        for each, itemsize in pages:
            each.release_first(elements * itemsize)
        told(elements * itemsize_a)

    itemsize_a = whole_a.itemsize
    passed(0)  # of what was read for a checksum
    array_a, array_b = whole_a.reshape(shape), whole_b.reshape(shape)
    times = array_a.size if is_fill(array_a) and is_fill(array_b) else 1
    if times > 1:  # no file has to hold them, so that they can be more than anybody can wait for
        array_a, array_b = (each[(slice(1),) * each.ndim] for each in (array_a, array_b))
    for start, piece_a, piece_b in pieces(array_a, array_b, measure.skips_same_bytes, passed):
        measure.add(piece_a, piece_b, start)
    measure.multiply(times)
    offsets: Any = (None, None)
    first = _place(measure.first, shape)
    if first is not None:
        offsets = tuple(
            each.byte_offset(whole, (0,) * (whole.ndim - len(first)) + first)
            for each, whole in ((a, whole_a), (b, whole_b))
        )
    return _summary(measure, shape, offsets)


def _summary(
    measure: Measure, shape: tuple[int, ...], offsets: tuple[int | None, int | None]
) -> Differences:
    counts = enumerate(measure.ulps.tolist())
    return Differences(
        elements=prod(shape),
        differing=measure.differing,
        unequal=measure.unequal,
        unequal_bits=measure.unequal_bits if measure.dtype_a == measure.dtype_b else None,
        first=_place(measure.first, shape),
        first_values=measure.first_values,
        first_offsets=offsets,
        max_absolute=measure.absolute.value,
        max_absolute_at=_place(measure.absolute.index, shape),
        max_relative=measure.relative.value,
        max_relative_at=_place(measure.relative.index, shape),
        max_ulp=measure.steps.value,
        max_ulp_at=_place(measure.steps.index, shape),
        ulp_histogram=tuple((*ulps.bin_range(index), count) for index, count in counts if count),
        nan_a=measure.nan_a,
        nan_b=measure.nan_b,
        nan_payloads=measure.nan_payloads,
        infinities=measure.infinities,
    )


def _place(index: int | None, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    # The index in every dimension.
    return None if index is None else tuple(map(int, np.unravel_index(index, shape)))
