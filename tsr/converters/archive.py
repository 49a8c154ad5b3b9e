"""A member of a zip archive that is stored uncompressed -> where its bytes lie in the file."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import zipfile

__all__ = ["data_start"]

# The local header in front of each member: its last two fields say how long its name and its
# extra field are, and the data follow those.
_LOCAL_HEADER = struct.Struct("<26xHH")


def data_start(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    """Give the offset of a member's first byte; `file` is the archive, open for reading."""
    file.seek(member.header_offset)
    lengths: tuple[int, int] = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return member.header_offset + _LOCAL_HEADER.size + sum(lengths)
