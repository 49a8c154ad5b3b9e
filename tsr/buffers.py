"""What holds numbers in memory: any contiguous buffer -> its bytes, without a copy.

Raises `UnsupportedError` for what is no such buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tsr.errors import UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["ArrayObject", "BytesLike", "SupportsArray", "SupportsDLPack", "bytes_view"]

# numpy's arrays are buffers, which its type hints say only from Python 3.12 on.
BytesLike: TypeAlias = "Buffer | NDArray[Any]"


class SupportsArray(Protocol):
    """Whatever converts itself to an array: one of numpy's, or a tensor of torch's."""

    def __array__(self) -> Any: ...


class SupportsDLPack(Protocol):
    """Whatever gives its memory to others by DLPack, as arrays of many libraries do."""

    def __dlpack__(self) -> Any: ...

    def __dlpack_device__(self) -> Any: ...


# What can be written. Narrower than numpy's ArrayLike: no list, no Python number.
ArrayObject: TypeAlias = "SupportsArray | SupportsDLPack | Buffer"


def bytes_view(data: BytesLike, what: str = "source") -> bytes | memoryview:
    """View any contiguous buffer as bytes, without a copy.

    Parameters
    ----------
    data : bytes-like
    what : str
        What errors call it.

    Raises
    ------
    UnsupportedError
        `data` is no buffer, its memory has gaps, or holds references to objects.
    """
    if isinstance(data, bytes):
        return data
    reason: Exception | str = "it holds references to objects"
    try:
        view = memoryview(data)  # type: ignore[arg-type] # numpy's arrays are buffers
        if "O" not in view.format:
            if view.nbytes:
                return view.cast("B")
            # A view with a 0 in its shape cannot be cast, and holds no byte.
            return b"" if view.readonly else memoryview(bytearray())
    except (TypeError, ValueError, BufferError) as error:
        reason = error
    raise UnsupportedError(
        f"{what}: got {type(data).__name__}, expected a path, a binary file object or a contiguous "
        f"buffer of numbers ({reason})",
        given=type(data),
    )
