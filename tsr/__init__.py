"""Read, write, convert and check ``.tsr`` tensor files.

``import tsr`` itself loads nothing: each name below comes with its module when it is first
used, so that reading a header needs no numpy and reading an array no torch.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    import tsr.dask as dask
    import tsr.torch as torch
    from tsr.comparison import Comparison, compare
    from tsr.container import TensorInfo
    from tsr.converters import convert
    from tsr.cpp import get_cmake_dir, get_include
    from tsr.diagnosis import Explanation, Repair, explain, repair
    from tsr.errors import (
        ClosedFileError,
        ConversionError,
        ConversionWarning,
        FormatError,
        MissingExtraError,
        TSRError,
        UnsupportedError,
    )
    from tsr.header import Header, build_header, parse_header
    from tsr.memmap import open_memmap
    from tsr.reader import load, loads
    from tsr.scanning import scan
    from tsr.source import read_header
    from tsr.tensor_file import TensorFile, open
    from tsr.tensor_writer import TensorWriter, create
    from tsr.validation import validate
    from tsr.writer import dumps, dumps_into, save

__all__ = [
    "ClosedFileError",
    "Comparison",
    "ConversionError",
    "ConversionWarning",
    "Explanation",
    "FormatError",
    "Header",
    "MissingExtraError",
    "Repair",
    "TSRError",
    "TensorFile",
    "TensorInfo",
    "TensorWriter",
    "UnsupportedError",
    "build_header",
    "compare",
    "convert",
    "create",
    "dask",
    "dumps",
    "dumps_into",
    "explain",
    "get_cmake_dir",
    "get_include",
    "load",
    "loads",
    "open",
    "open_memmap",
    "parse_header",
    "read_header",
    "repair",
    "save",
    "scan",
    "torch",
    "validate",
]

_MODULES = {
    "errors": (
        "ClosedFileError", "ConversionError", "ConversionWarning", "FormatError",
        "MissingExtraError", "TSRError", "UnsupportedError",
    ),
    "header": ("Header", "build_header", "parse_header"),
    "source": ("read_header",),
    "validation": ("validate",),
    "diagnosis": ("Explanation", "Repair", "explain", "repair"),
    "container": ("TensorInfo",),
    "tensor_file": ("TensorFile", "open"),
    "tensor_writer": ("TensorWriter", "create"),
    "reader": ("load", "loads"),
    "writer": ("dumps", "dumps_into", "save"),
    "memmap": ("open_memmap",),
    "converters": ("convert",),
    "comparison": ("Comparison", "compare"),
    "scanning": ("scan",),
    "cpp": ("get_cmake_dir", "get_include"),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"tsr.{_HOMES[name]}"), name)
    elif name in ("dask", "torch"):
        value = import_module(f"tsr.{name}")
    elif name == "__version__":
        value = import_module("importlib.metadata").version("tsr-codec")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
