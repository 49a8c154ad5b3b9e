"""URLs -> bytes, lists of objects, and files that appear whole; all storage is fsspec's.

Only a URL that is used imports fsspec, with the package that its scheme needs. Raises `OSError`
for what storage refuses, `FormatError` for an object that changes while it is read,
`MissingExtraError` for a package that is not there, and no error of a package for storage.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from tsr.remote.failures import translated
    from tsr.remote.listing import Entry, exists, is_folder, list_objects
    from tsr.remote.object import RemoteObject
    from tsr.remote.scratch import downloaded, uploaded
    from tsr.remote.storage import filesystem
    from tsr.remote.urls import basename, is_url, join, label, local_path, refuse_options

__all__ = [
    "Entry",
    "RemoteObject",
    "basename",
    "downloaded",
    "exists",
    "filesystem",
    "is_folder",
    "is_url",
    "join",
    "label",
    "list_objects",
    "local_path",
    "refuse_options",
    "translated",
    "uploaded",
]

_MODULES = {
    "failures": ("translated",),
    "storage": ("filesystem",),
    "listing": ("Entry", "exists", "is_folder", "list_objects"),
    "object": ("RemoteObject",),
    "scratch": ("downloaded", "uploaded"),
    "urls": ("basename", "is_url", "join", "label", "local_path", "refuse_options"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"tsr.remote.{_HOMES[name]}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value
