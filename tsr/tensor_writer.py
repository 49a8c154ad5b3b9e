"""Arrays -> a TSR4 file: several at once, or one at a time.

Raises `UnsupportedError` for what has no encoding and `OSError` for what cannot be written.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from typing import cast as cast_type

from tsr.assembly import Assembly, prepare
from tsr.container import COUNT_MAX, data_start, next_start
from tsr.deferred import open_deferred
from tsr.errors import ClosedFileError, UnsupportedError
from tsr.exchange import converts_itself
from tsr.layout import TSR4_RAW
from tsr.writer import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Literal

    from numpy.typing import DTypeLike
    from typing_extensions import Self

    from tsr.assembly import Tensor
    from tsr.buffers import ArrayObject
    from tsr.deferred import Deferred
    from tsr.writer import Target

__all__ = ["TensorWriter", "create", "dumps_tensors", "save_prepared", "save_tensors"]

# Up to here one write of two pieces joined beats two writes.
_JOIN_BYTES = 1 << 16

# Up to here a file is put together in memory and written at once.
_SMALL_BYTES = 1 << 20


class TensorWriter:
    """A TSR4 file in the making: a context manager to which tensors are added. Made by `create`.

    The file appears under its name when the ``with`` block ends without an error, or at `close`.
    Until then what stood there is untouched, and what is never closed leaves nothing behind. It
    is for one thread.
    """

    _file: Deferred | None = None

    def __init__(self, file: Deferred, assembly: Assembly) -> None:
        self._file = file
        self._assembly = assembly

    def add(
        self, array: ArrayObject, *, cast: DTypeLike | None = None, lossy: bool = False
    ) -> None:
        """Write one more tensor; nothing of it is kept in memory.

        Parameters
        ----------
        array : ndarray or array-like object
            float32, float16, int8 or int32, of up to four dimensions, none of them 0, with any
            strides and byte order. Leading ones fill its shape up to four. If another thread
            changes it meanwhile, its checksum will not fit.
        cast, lossy
            As for `tsr.save`.

        Raises
        ------
        UnsupportedError
            The array has no encoding, or `cast` would lose a value. It is left out; the file
            can go on.
        OSError
            It cannot be written.
        """
        self.add_prepared([prepare(array, cast, lossy)])

    def add_prepared(self, tensors: Sequence[Tensor]) -> None:
        """Write more tensors, all of which stay as they are until this returns."""
        file, count = self._opened(), len(self._assembly.infos)
        try:
            for piece in _joined(self._assembly.add(tensors)):
                file.write(piece)
        except BaseException:
            # What was taken from the assembly need not have been written.
            self._assembly.forget(count)
            file.rewind(self._assembly.end)
            raise

    def close(self) -> None:
        """Complete the file and give it its name; a second time, do nothing.

        Raises
        ------
        UnsupportedError
            It has no tensor: there is no such file.
        OSError
            It cannot be written.
        """
        if self._file is None:
            return
        try:
            head = self._assembly.head()
        except UnsupportedError:
            self.discard()
            raise
        file, self._file = self._file, None
        file.complete(head, self._assembly.end)

    def discard(self) -> None:
        """Give the file up: leave nothing behind."""
        if self._file is not None:
            file, self._file = self._file, None
            file.discard()

    @property
    def closed(self) -> bool:
        """Whether the file was completed or given up."""
        return self._file is None

    @property
    def count(self) -> int:
        """The number of tensors so far."""
        return len(self._assembly.infos)

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if self._file is not None:
            self.discard()
            message = "a TSR4 file was never closed: nothing is written"
            warnings.warn(message, ResourceWarning, stacklevel=2, source=self)

    def _opened(self) -> Deferred:
        if self._file is None:
            raise ClosedFileError("the file is closed")
        return self._file


def create(
    target: Target,
    *,
    format: Literal["tsr4"] = "tsr4",
    compress: bool = False,
    count: int | None = None,
    durable: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> TensorWriter:
    """Begin a file to which tensors are added one at a time.

    Parameters
    ----------
    target : path, URL or binary file object
        A path gets its file in one step, when all is written, and so does a URL. What goes to
        that or to a file object waits in a temporary file until then.
    format : {"tsr4"}
        TSR v1 holds a single array, which `save` writes and `open_memmap` fills in place.
    compress : bool, default False
        Compress the tensors with zlib, several threads at once.
    count : int, optional
        The tensors to come, where that is known. The directory precedes the tensors and grows
        with them: they are moved when the file is closed, unless there are so many.
    durable : bool, optional
        As for `save`.
    storage_options : mapping, optional
        As for `save`.

    Returns
    -------
    TensorWriter
        A context manager; its `~TensorWriter.add` adds a tensor.

    Raises
    ------
    UnsupportedError
        An option makes no sense, or what the URL leads to can only be read.
    OSError
        The file cannot be created.

    Examples
    --------
    >>> with tsr.create("big.tsr") as file:
    ...     for layer in layers:
    ...         file.add(layer)
    """
    if format != "tsr4":
        raise UnsupportedError(f"format: got {format!r}, expected 'tsr4'", given=format)
    try:
        expected = 1 if count is None else operator.index(count)
    except TypeError:
        expected = 0
    if not 1 <= expected <= COUNT_MAX:
        raise UnsupportedError(f"count: got {count!r}, expected 1 to {COUNT_MAX}", given=count)
    return _create(target, compress, expected, durable, 0, storage_options)


def save_tensors(
    target: Target,
    arrays: ArrayObject | Iterable[ArrayObject],
    *,
    compress: bool,
    cast: DTypeLike | None,
    lossy: bool,
    durable: bool | None,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a TSR4 file, for `tsr.save`."""
    given = _as_iterable(arrays)
    if not isinstance(given, (list, tuple)):  # nobody knows how many: one after the other
        with _create(target, compress, 1, durable, 0, storage_options) as file:
            for array in given:
                file.add(array, cast=cast, lossy=lossy)
        return
    prepared = _prepare_all(given, cast, lossy)
    save_prepared(
        target, prepared, compress=compress, durable=durable, storage_options=storage_options
    )


def save_prepared(
    target: Target,
    tensors: Sequence[Tensor],
    *,
    compress: bool,
    durable: bool | None,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a TSR4 file of all tensors that it is to hold."""
    size = sum(next_start(tensor.nbytes, TSR4_RAW) for tensor in tensors)
    if size <= _SMALL_BYTES:
        data = _dumps(tensors, compress)
        write_whole(target, [data], durable, len(data), storage_options)
        return
    size = 0 if compress else size
    with _create(target, compress, len(tensors), durable, size, storage_options) as file:
        file.add_prepared(tensors)


def dumps_tensors(
    arrays: ArrayObject | Iterable[ArrayObject],
    *,
    compress: bool,
    cast: DTypeLike | None,
    lossy: bool,
) -> bytes:
    """Encode a TSR4 file, for `tsr.dumps`."""
    given = _as_iterable(arrays)
    if isinstance(given, (list, tuple)):
        return _dumps(_prepare_all(given, cast, lossy), compress)
    assembly = Assembly(compress)
    # Copied at once: what comes next may come in the same memory.
    pieces = [
        bytes(piece) for array in given for piece in assembly.add([prepare(array, cast, lossy)])
    ]
    return b"".join([assembly.head(), *pieces])


def _dumps(tensors: Sequence[Tensor], compress: bool) -> bytes:
    assembly = Assembly(compress)
    pieces = list(assembly.add(tensors))
    return b"".join([assembly.head(), *pieces])


def _prepare_all(
    arrays: Sequence[ArrayObject], cast: DTypeLike | None, lossy: bool
) -> list[Tensor]:
    made: list[Tensor] = []
    for array in arrays:
        try:
            made.append(prepare(array, cast, lossy))
        except UnsupportedError as error:  # noqa: PERF203 - a try costs nothing
            if len(arrays) == 1:
                raise
            raise UnsupportedError(
                f"arrays[{len(made)}]: {error}", given=error.given, allowed=error.allowed,
                cast=error.cast,
            ) from error  # fmt: skip
    return made


def _create(
    target: Target,
    compress: bool,
    count: int,
    durable: bool | None,
    size: int,
    storage_options: Mapping[str, Any] | None,
) -> TensorWriter:
    assembly = Assembly(compress)
    start = data_start(count, assembly.mode)
    size = start + size if size else 0
    file = open_deferred(target, durable, size, start, storage_options)
    return TensorWriter(file, assembly)


def _joined(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    # Small pieces together, for each write takes a system call.
    small: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        if small and size + len(piece) > _JOIN_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(piece) > _JOIN_BYTES:
            yield piece
        else:
            small.append(piece)
            size += len(piece)
    yield b"".join(small)


def _as_iterable(arrays: Any) -> Iterable[ArrayObject]:
    if isinstance(arrays, (list, tuple)):
        return arrays
    # One array is an iterable of its rows, too, and text is one of nothing that counts.
    if (
        converts_itself(arrays)
        or isinstance(arrays, (str, bytes))
        or not isinstance(arrays, Iterable)
    ):
        return [arrays]
    if isinstance(arrays, Mapping):
        raise UnsupportedError(
            "arrays: got a mapping, and TSR4 has no place for names; expected a list of its values",
            given=type(arrays),
        )
    return cast_type("Iterable[ArrayObject]", arrays)
