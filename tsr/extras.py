"""Optional dependencies, imported where they are used: a missing one names its extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tsr.errors import MissingExtraError

__all__ = ["require"]


def require(package: str, extra: str, purpose: str) -> Any:
    """Import an optional package.

    Raises
    ------
    MissingExtraError
        It is not installed, with the extra of ``tsr-codec`` that installs it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise  # it is there, and lacks something of its own
        raise MissingExtraError(package, extra, purpose) from error
