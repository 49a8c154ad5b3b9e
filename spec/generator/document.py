"""What the generators of test vectors share: packing values, and rendering the document.

No codec is imported, here or in the generators: ``struct`` packs every byte.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "COMMON_FLAGS",
    "INT32_MAX",
    "INT32_MIN",
    "INT64_MAX",
    "INT64_MAX_DIMS",
    "INT64_MIN",
    "UINT32_MAX",
    "UINT64_MAX",
    "Vector",
    "fp32",
    "int8",
    "int32",
    "label",
    "refused",
    "render",
    "words",
    "zip_bytes",
]

Vector = dict[str, object]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
UINT32_MAX, UINT64_MAX = 2**32 - 1, 2**64 - 1

# INT64_MAX as a product of three dimensions, for files that meet the limit exactly.
INT64_MAX_DIMS = (859764727, 218934409, 49)

# The flags that mean the same in every format.
COMMON_FLAGS = {
    "bits": "The values survive only where they are copied as bits.",
    "boundary": "The greatest or least value that is accepted, or the first beyond it.",
    "byte-swapped": "A whole number, or more, is stored in big-endian order.",
    "cut": "A valid file that ends too early. Any valid vector may be cut at any length.",
    "foreign": "The file is of another format, or looks like it.",
    "narrow": "Right for a reader that looks only at the low bits of a wider field.",
    "negative": "A dimension or a count is negative.",
    "order": "Several clauses are broken, and the first of them is reported.",
    "pinned": "The whole file is pinned by its sha256: a change of the generator cannot move it.",
    "polyglot": "The file is also a file of another format, or holds one.",
    "reserved": "A reserved field is not 0.",
}

# ------------------------------------------------------------------ bytes


def fp32(*values: float) -> bytes:
    """Pack values as FP32."""
    return struct.pack(f"<{len(values)}f", *values)


def words(*values: int) -> bytes:
    """Pack bit patterns of 32 bits."""
    return struct.pack(f"<{len(values)}I", *values)


def int8(*values: int) -> bytes:
    """Pack values as INT8."""
    return struct.pack(f"<{len(values)}b", *values)


def int32(*values: int) -> bytes:
    """Pack values as INT32."""
    return struct.pack(f"<{len(values)}i", *values)


def zip_bytes(name: bytes, content: bytes) -> bytes:
    """Pack a ZIP archive of one stored file, dated 1980-01-01."""
    facts = struct.pack("<IIIHH", zlib.crc32(content), len(content), len(content), len(name), 0)
    local = struct.pack("<4s5H", b"PK\3\4", 20, 0, 0, 0, 33) + facts + name + content
    entry = struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 0, 0, 33) + facts
    entry += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + end


# ------------------------------------------------------------------ vectors


def label(number: int) -> str:
    """Spell a number within an id."""
    return str(number).replace("-", "minus-")


def refused(
    name: str,
    comment: str,
    flags: str,
    data: bytes,
    report: Vector,
    *,
    lenient: Vector | None = None,
    lenient_error: Vector | None = None,
) -> Vector:
    """Describe a file that is refused with a report; `flags` are separated by spaces.

    `lenient` is what lenient reading gives. Where it refuses the file for another reason than
    strict reading does, `lenient_error` is that reason.
    """
    vector: Vector = {"id": name, "comment": comment, "flags": flags.split(), "valid": False}
    vector |= report
    vector["lenient"] = lenient is not None
    vector |= lenient or {}
    if lenient_error is not None:
        vector["lenient_error"] = lenient_error
    return vector | {"hex": data.hex()}


# ------------------------------------------------------------------ the document


def render(
    name: str,
    specification: str,
    groups: Iterable[Callable[[], Iterator[Vector]]],
    *,
    clauses: Iterable[str],
    not_bytes: list[str],
    flags: dict[str, str],
) -> str:
    """Render the JSON document of a format, one member of a vector a line.

    Parameters
    ----------
    name, specification : str
        The format, and the document whose clauses the vectors name.
    groups : iterable of callable
        They give the vectors, in order.
    clauses : iterable of str
        The clauses on bytes, in the order of the specification.
    not_bytes : list of str
        The other clauses.
    flags : dict
        For each flag, what it says of a vector.
    """
    vectors = [vector for group in groups for vector in group()]
    reported = Counter(str(vector.get("clause")) for vector in vectors)
    document = {
        "format": name,
        "specification": specification,
        "generated_by": "spec/make_vectors.py",
        "counts": {
            "vectors": len(vectors),
            "valid": sum(vector["valid"] is True for vector in vectors),
            "invalid": sum(vector["valid"] is False for vector in vectors),
            "lenient": sum(vector.get("lenient") is True for vector in vectors),
        },
        "clauses": {clause: reported[clause] for clause in clauses},
        "not_bytes": not_bytes,
        "flags": dict(sorted(flags.items())),
    }
    head = json.dumps(document, indent=2).removesuffix("\n}")
    body = ",\n".join(_render_vector(vector) for vector in vectors)
    return f'{head},\n  "vectors": [\n{body}\n  ]\n}}\n'


def _render_vector(vector: Vector) -> str:
    members = (f"      {json.dumps(name)}: {json.dumps(value)}" for name, value in vector.items())
    return "    {\n" + ",\n".join(members) + "\n    }"
