"""The codec under the protocol: ``python -m spec.conformance.codec``."""

from __future__ import annotations

from typing import Any

import tsr
from spec.conformance.serving import accepted, refused, serve


def answer(data: bytes) -> dict[str, Any]:
    """Judge an input with `tsr.open`, all of its tensors used in their order."""
    try:
        with tsr.open(data) as file:
            return accepted(
                "tsr4" if file.format == "TSR4" else "v1",
                [(array.dtype.name, array.shape, array) for array in file],
            )
    except tsr.FormatError as error:
        return refused(error.clause, error.field, error.offset)


if __name__ == "__main__":
    serve(answer)
