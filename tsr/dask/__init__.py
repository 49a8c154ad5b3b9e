"""Many files <-> one dask array, and conversions by the workers of a cluster: the extra ``dask``.

Like ``import tsr``, ``import tsr.dask`` loads nothing; a name comes with its module, and that
raises `MissingExtraError` where dask is not installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsr.dask.arrays import from_files
    from tsr.dask.conversion import Summary, convert
    from tsr.dask.storing import to_files

__all__ = ["Summary", "convert", "from_files", "to_files"]

_HOMES = {
    "Summary": "conversion",
    "convert": "conversion",
    "from_files": "arrays",
    "to_files": "storing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
