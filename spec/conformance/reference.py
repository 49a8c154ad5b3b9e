"""The declarations in `tsr.schema` under the protocol: ``python -m spec.conformance.reference``."""

from __future__ import annotations

from typing import Any

from spec.conformance.serving import accepted, refused, serve
from tsr import FormatError, schema


def answer(data: bytes) -> dict[str, Any]:
    """Judge an input with the reference codec for the format whose magic it bears."""
    try:
        if data[:4] == b"TSR4":
            format, arrays = "tsr4", schema.reference_loads_tsr4(data)
        else:
            format, arrays = "v1", [schema.reference_loads(data)]
    except FormatError as error:
        return refused(error.clause, error.field, error.offset)
    return accepted(format, [(array.dtype.name, array.shape, array) for array in arrays])


if __name__ == "__main__":
    serve(answer)
