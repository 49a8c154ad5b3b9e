"""The repository's model and some vectors -> the page of ``tsr view --html`` that shows them."""

from __future__ import annotations

import numpy as np

import tsr
from docs.hooks.included import ROOT
from docs.hooks.vectors import file_of, vector
from tsr.page import build_page

__all__ = ["PAGE", "example"]

PAGE = "example.html"

_VECTORS = {"v1": ("int32-rank4", "total-wrap-2-64-plus-21"), "tsr4": ("zlib-three", "offset-gap")}


def example() -> str:
    """Make the page."""
    files: dict[str, bytes] = {}
    with np.load(ROOT / "tests" / "data" / "mnist_mlp_3.npz") as model:
        files["fc1 of a model, 64 units.tsr"] = tsr.dumps(
            model["fc1.weight"][:64].reshape(8, 8, 28, 28)
        )
        files["fc3 of a model.tsr"] = tsr.dumps(model["fc3.weight"])
    for format, names in _VECTORS.items():
        files |= {f"{name}.tsr": file_of(vector(format, name)) for name in names}
    broken = bytearray(tsr.dumps(np.arange(6, dtype=np.float32).reshape(2, 3)))
    broken[40] = 7
    files["broken.tsr"] = bytes(broken)
    return build_page(files.values(), names=list(files), title="An example")
