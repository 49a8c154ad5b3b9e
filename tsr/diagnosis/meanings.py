"""What the fields of a file say, in words. No I/O, no numpy.

Values of fields go in, as far as they are there: whatever they are, a text comes out.
"""

from __future__ import annotations

import math
from contextlib import suppress
from struct import Struct
from typing import Any

from tsr.dtypes import ANNOUNCED, TSR4_BY_CODE, V1_BY_CODE, ElementType
from tsr.layout import TSR4_RAW, TSR4_ZLIB, V1_RANK_MAX

__all__ = [
    "count_of",
    "meaning_of_payload",
    "meanings_of_entry",
    "meanings_of_tsr4",
    "meanings_of_v1",
    "numbers_of",
]

# What struct calls the element types.
_LETTERS = {"float32": "f", "float16": "e", "int8": "b", "int32": "i"}


def meanings_of_v1(values: dict[str, Any]) -> dict[str, str]:
    """Say what each field of a TSR v1 header says."""
    ndim, dims = values.get("ndim", 0), values.get("dims", (1, 1, 1, 1))
    code, total = values.get("dtype", -1), values.get("total_elements", 0)
    if 0 <= ndim <= V1_RANK_MAX:
        unused = V1_RANK_MAX - ndim
        shape = f"shape {dims[unused:]}"
        if unused:
            shape += f", the first {unused} unused" if unused > 1 else ", the first unused"
    else:
        shape = "which of them are the shape is not known"
    element = V1_BY_CODE.get(code)
    size = f", {total * element.itemsize} bytes" if element and total >= 0 else ""
    announced = f"{ANNOUNCED.get(code)}, announced for later versions"
    return {
        "magic": "a TSR v1 file",
        "version": "version of the format",
        "header_size": "bytes of the header",
        "reserved_1": "reserved",
        "dtype": announced if code in ANNOUNCED else _element(element),
        "ndim": count_of(ndim, "dimension"),
        "dims": shape,
        "total_elements": count_of(total, "element") + size,
        "reserved_2": "reserved",
        "reserved_3": "reserved",
    }


def meanings_of_tsr4(values: dict[str, Any]) -> dict[str, str]:
    """Say what each field of a TSR4 header says."""
    modes = {
        TSR4_RAW: "RAW: payloads as they are",
        TSR4_ZLIB: "ZLIB: payloads compressed",
    }
    return {
        "magic": "a TSR4 file",
        "version_major": "major version",
        "version_minor": "minor version",
        "header_size": "bytes of the header",
        "file_mode": modes.get(values.get("file_mode", 0), "no mode"),
        "tensor_count": count_of(values.get("tensor_count", 0), "tensor"),
        "entry_size": "bytes of an entry",
        "dir_offset": "of the directory",
        "data_offset": "of the first payload",
        "header_crc32": "of the header",
        "reserved_0": "reserved",
        "reserved_1": "reserved",
    }


def meanings_of_entry(values: dict[str, Any]) -> dict[str, str]:
    """Say what each field of an entry says."""
    return {
        "dtype": _element(TSR4_BY_CODE.get(values.get("dtype", -1))),
        "reserved_0": "reserved",
        "shape": "N, H, W, C",
        "numel": count_of(values.get("numel", 0), "element"),
        "row_stride": "in memory, not checked",
        "nbytes": "bytes of the elements",
        "data_offset": "of the payload",
        "payload_size": "bytes of the payload",
        "data_crc32": "of the elements",
    }


def meaning_of_payload(
    element: ElementType | None, shape: tuple[int, ...], nbytes: int, *, is_stream: bool = False
) -> str:
    """Say what a payload is; `nbytes` are those of the elements."""
    stream = f"a zlib stream of {count_of(nbytes, 'byte')}" if is_stream else ""
    if element is None:
        return stream or "of elements that are not known"
    elements = f"{element.label}, shape {shape}"
    return f"{stream}: {elements}" if stream else f"{elements}: {count_of(nbytes, 'byte')}"


def _element(element: ElementType | None) -> str:
    if element is None:
        return "no element type"
    return f"{element.label}, {element.name}, {count_of(element.itemsize, 'byte')} each"


def count_of(number: int, noun: str) -> str:
    """Say how many there are of something."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun.removesuffix('y')}ies" if noun.endswith("ry") else f"{number} {noun}s"


def numbers_of(element: ElementType, data: bytes) -> list[str]:
    """Say which numbers bytes are, each in the fewest digits that tell it from the others."""
    letter = _LETTERS[element.name]
    count = len(data) // element.itemsize
    numbers = Struct(f"<{count}{letter}").unpack_from(data)
    return [_shortest(number, letter) for number in numbers]


def _shortest(number: float, letter: str) -> str:
    if not isinstance(number, float) or not math.isfinite(number):
        return str(number)
    packed = Struct(f"<{letter}").pack(number)
    for digits in range(1, 9):
        text = f"{number:.{digits}g}"
        with suppress(OverflowError):  # rounded up beyond the largest
            if Struct(f"<{letter}").pack(float(text)) == packed:
                return text
    return f"{number:.9g}"
