"""Hypothesis profiles and the fixtures that many tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.browsing import Tab

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start a browser, once for the tests of a module: that takes a second or two.

    While it is there an event loop runs, beside which tests of asyncio could not start theirs.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright, which the extra test has, is not installed"
    )
    from tests.browsing import CHROMIUM, launch

    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        started = launch(driver)
        yield started
        started.close()


@pytest.fixture(scope="module")
def shared_tab(browser: Any) -> Iterator[Tab]:
    """Open a tab for the tests of a module."""
    from tests.browsing import Tab

    opened = Tab(browser)
    yield opened
    opened.close()


@pytest.fixture
def tab(shared_tab: Tab) -> Tab:
    """Take the tab with the settings that it began with."""
    shared_tab.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return shared_tab
