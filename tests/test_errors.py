"""The error tree: who derives from what, what is said, what survives a pickle."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import tsr
from tsr.extras import require

ERRORS = [
    pytest.param(
        tsr.FormatError("dtype", 16, found=9, expected=1, clause="V1-DTYPE-1", path="a", note="n"),
        ValueError,
        "a: dtype at offset 16: got 9, expected 1 (n) [V1-DTYPE-1]",
        id="format",
    ),
    pytest.param(
        tsr.UnsupportedError("no", given=3, allowed=["x"], cast="y"), TypeError, "no", id="array"
    ),
    pytest.param(
        tsr.ConversionError("no", path="a.pt", name="w"), ValueError, "a.pt: w: no", id="convert"
    ),
    pytest.param(
        tsr.MissingExtraError("torch", "torch", "reading .pt"),
        ImportError,
        "reading .pt needs torch: pip install 'tsr-codec[torch]'",
        id="extra",
    ),
]


@pytest.mark.parametrize(("error", "builtin", "message"), ERRORS)
def test_tree_and_message(error: Exception, builtin: type[Exception], message: str) -> None:
    """Every error is a TSRError and the builtin error whose meaning it shares."""
    assert isinstance(error, tsr.TSRError)
    assert isinstance(error, builtin)
    assert str(error) == message


@pytest.mark.parametrize(("error", "builtin", "message"), ERRORS)
def test_pickle(error: Any, builtin: type[Exception], message: str) -> None:
    """An error crosses a process border with its message and every attribute."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == message
    assert vars(copy) == vars(error)


def test_missing_package_names_the_extra() -> None:
    """A package that is not installed is an error that says how to get it."""
    with pytest.raises(tsr.MissingExtraError, match=r"tsr-codec\[formats\]"):
        require("no_such_package_at_all", "formats", "reading .xyz")
