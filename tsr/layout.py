"""The layouts of both formats compiled for the hot path.

`tsr.schema` declares them; these are the same facts as ``struct`` wants them, because a
construct parse costs two hundred times as much. ``tests/test_layout.py`` derives format, names
and offsets from the schema and fails on any difference.
"""

from __future__ import annotations

from struct import Struct

__all__ = [
    "TSR4_ALIGNMENT",
    "TSR4_ENTRY",
    "TSR4_ENTRY_OFFSETS",
    "TSR4_ENTRY_SIZE",
    "TSR4_HEADER",
    "TSR4_HEADER_SIZE",
    "TSR4_MAGIC",
    "TSR4_OFFSETS",
    "TSR4_RANK",
    "TSR4_RAW",
    "TSR4_VERSION",
    "TSR4_ZLIB",
    "V1_HEADER",
    "V1_HEADER_SIZE",
    "V1_MAGIC",
    "V1_OFFSETS",
    "V1_RANK_MAX",
    "V1_VERSION",
]

V1_MAGIC = b"TSR!"
V1_VERSION = 1
V1_HEADER_SIZE = 64
V1_RANK_MAX = 4

V1_HEADER = Struct("<4siiiiiiiiiqqq")
V1_OFFSETS = {
    "magic": 0,
    "version": 4,
    "header_size": 8,
    "reserved_1": 12,
    "dtype": 16,
    "ndim": 20,
    "dims": 24,
    "total_elements": 40,
    "reserved_2": 48,
    "reserved_3": 56,
    "payload": 64,
}

TSR4_MAGIC = b"TSR4"
TSR4_VERSION = (4, 20)
TSR4_HEADER_SIZE = 128
TSR4_ENTRY_SIZE = 64
TSR4_RANK = 4

# The two values of ``file_mode``, and what the payloads of the first are aligned to.
TSR4_RAW = 0
TSR4_ZLIB = 1
TSR4_ALIGNMENT = 256

TSR4_HEADER = Struct("<4sHHIIIIQQII80s")
TSR4_OFFSETS = {
    "magic": 0,
    "version_major": 4,
    "version_minor": 6,
    "header_size": 8,
    "file_mode": 12,
    "tensor_count": 16,
    "entry_size": 20,
    "dir_offset": 24,
    "data_offset": 32,
    "header_crc32": 40,
    "reserved_0": 44,
    "reserved_1": 48,
    "directory": 128,
}

TSR4_ENTRY = Struct("<B3siiiiqQQQQI")
TSR4_ENTRY_OFFSETS = {
    "dtype": 0,
    "reserved_0": 1,
    "shape": 4,
    "numel": 20,
    "row_stride": 28,
    "nbytes": 36,
    "data_offset": 44,
    "payload_size": 52,
    "data_crc32": 60,
}
