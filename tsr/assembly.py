"""Arrays -> the bytes of a TSR4 file: payloads as they come, then what precedes them.

Where the payloads begin depends on how many there are, and the directory has their sizes and
checksums: so offsets count from the first payload until all is known. Raises `UnsupportedError`
for what has no encoding.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tsr import payload
from tsr.compression import STREAM_START, adler32, crc32, deflate
from tsr.container import TensorInfo, check_shape, encode_container, next_start
from tsr.dtypes import TSR4_TYPES
from tsr.errors import UnsupportedError
from tsr.layout import TSR4_RAW, TSR4_ZLIB
from tsr.threads import in_order, thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import DTypeLike

    from tsr.buffers import ArrayObject
    from tsr.dtypes import ElementType

__all__ = ["Assembly", "Tensor", "prepare"]

# Below so many bytes to deflate the threads cost more than they gain.
_PARALLEL_BYTES = 1 << 20


class Tensor(NamedTuple):
    """What can be written.

    Attributes
    ----------
    element : ElementType
    shape : tuple of int
        The four dimensions it is written with.
    nbytes : int
        Bytes that the elements take.
    blocks : callable
        Gives the bytes of the elements in order, at most `payload.BLOCK_BYTES` at a time. Raises
        `UnsupportedError` where a value would change.
    """

    element: ElementType
    shape: tuple[int, int, int, int]
    nbytes: int
    blocks: Callable[[], Iterator[memoryview]]


def prepare(array: ArrayObject, cast: DTypeLike | None, lossy: bool) -> Tensor:
    """Check that an array can be written.

    Raises
    ------
    UnsupportedError
        It has no encoding.
    """
    source, element = payload.prepare(array, cast, TSR4_TYPES)
    shape, nbytes = check_shape(element, source.shape), source.size * element.itemsize
    return Tensor(element, shape, nbytes, partial(payload.blocks, source, element, lossy))


class Assembly:
    """What is to be one file.

    Attributes
    ----------
    mode : int
        The value of ``file_mode``.
    infos : list of TensorInfo
        Those of the payloads so far; offsets count from the first payload.
    end : int
        Where the last of them ends, likewise.
    """

    def __init__(self, compress: bool) -> None:
        self.mode = TSR4_ZLIB if compress else TSR4_RAW
        self.infos: list[TensorInfo] = []
        self.end = 0

    def add(self, tensors: Sequence[Tensor]) -> Iterator[bytes | memoryview]:
        """Give the bytes by which the payloads grow; those of a tensor count once all are out.

        Raises
        ------
        UnsupportedError
            A value would change.
        """
        return self._add_raw(tensors) if self.mode == TSR4_RAW else self._add_zlib(tensors)

    def forget(self, count: int) -> None:
        """Take back all tensors but the first `count`."""
        del self.infos[count:]
        self.end = self.infos[-1].offset + self.infos[-1].stored_nbytes if self.infos else 0

    def head(self) -> bytes:
        """Build header, directory and padding: all that comes before the first payload."""
        if not self.infos:
            raise UnsupportedError("a TSR4 file: got no tensor, expected at least one")
        return encode_container(self.mode, self.infos)

    def _add_raw(self, tensors: Sequence[Tensor]) -> Iterator[bytes | memoryview]:
        for tensor in tensors:
            start = next_start(self.end, TSR4_RAW)
            if start > self.end:
                yield bytes(start - self.end)
            crc = 0
            for data in tensor.blocks():
                crc = crc32(data, crc)
                yield data
            self._append(tensor, start, tensor.nbytes, crc)

    def _add_zlib(self, tensors: Sequence[Tensor]) -> Iterator[bytes]:
        # Blocks of all tensors are compressed side by side.
        count = sum(-(-tensor.nbytes // payload.BLOCK_BYTES) for tensor in tensors)
        total = sum(tensor.nbytes for tensor in tensors)
        workers = thread_count(count) if total >= _PARALLEL_BYTES else 1
        stored = 0
        for block, pieces in in_order(_deflate, _blocks(tensors), workers):
            yield from pieces
            stored += sum(map(len, pieces))
            if block.is_last:
                self._append(block.tensor, self.end, stored, block.crc)
                stored = 0

    def _append(self, tensor: Tensor, start: int, stored: int, crc: int) -> None:
        info = TensorInfo(tensor.element, tensor.shape, start, tensor.nbytes, stored, crc)
        self.infos.append(info)
        self.end = start + stored


class _Block(NamedTuple):
    # A piece of a payload, with the checksums of all up to its end.
    tensor: Tensor
    data: memoryview
    is_first: bool
    is_last: bool
    crc: int
    adler: int


def _blocks(tensors: Iterable[Tensor]) -> Iterator[_Block]:
    for tensor in tensors:
        crc, adler, done = 0, 1, 0
        for data in tensor.blocks():
            crc, adler = crc32(data, crc), adler32(data, adler)
            is_first, done = done == 0, done + len(data)
            yield _Block(tensor, data, is_first, done == tensor.nbytes, crc, adler)


def _deflate(block: _Block) -> tuple[_Block, tuple[bytes, ...]]:
    start = STREAM_START if block.is_first else b""
    end = block.adler.to_bytes(4, "big") if block.is_last else b""
    return block, (start, *deflate(block.data, block.is_last), end)
