"""Hypothesis profiles and the fixtures that many tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# CI runs the same examples every time; nightly looks further.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=200)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=20_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_collection_finish() -> None:
    """Leave the modules and tests that are there out of all collections of garbage to come.

    Going through them costs tens to hundreds of milliseconds each time, and many tests collect.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Name a file to write, in an empty directory."""
    return tmp_path / "x.tsr"


@pytest.fixture
def workspace() -> Iterator[Path]:
    """Make a workspace for sessions, and check that nothing is left of it."""
    from tests.session_workers import a_workspace

    with a_workspace() as folder:
        yield folder
