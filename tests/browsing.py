"""A headless Chromium for the tests of the page: how files are dropped and what the page shows.

Raises `AssertionError` where the page asks for anything but itself, or writes to the console.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, Route

from tsr.page import write_page

__all__ = ["CHROMIUM", "Tab", "Viewer", "launch", "viewer"]

# Debian's name first; others are those of Ubuntu and of Google.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

_DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent(kind, options));
  }
}"""


def launch(driver: Playwright) -> Browser:
    """Start the browser of the system."""
    return driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Viewer:
    """The page in a browser.

    Parameters
    ----------
    page : Page
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def drop(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Drop files, and wait until they are read."""
        count = self.page.locator("#list [role=group]").count() + len(files)
        self.page.evaluate(_DROP, [(name, base64.b64encode(data).decode()) for name, data in files])
        self.wait_for_files(count)

    def wait_for_files(self, count: int) -> None:
        """Wait until the status says that so many files are there."""
        self.page.wait_for_function(
            "(count) => document.getElementById('status').textContent.startsWith(`${count} file`)",
            arg=count,
        )

    def choose(self, option: str) -> None:
        """Choose an entry of the list by its id, and wait for the statistics if there are any."""
        self.page.evaluate("(id) => document.getElementById(id).click()", option)
        if self.page.is_visible("#tensor"):
            self.page.wait_for_selector("#statistics tr")

    def text(self, identifier: str) -> str:
        """Read an element's text."""
        return self.page.inner_text(f"#{identifier}")

    def element_at(self, x: float, y: float) -> tuple[tuple[int, ...], str, int]:
        """Point at a place of the heatmap, in pixels; read index, value and bits."""
        left, top, _, _ = self.box
        self.page.mouse.move(left + x, top + y)
        return self.readout()

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The heatmap's left and top edge, width and height."""
        left, top, width, height = self.page.evaluate(
            "() => { const box = document.getElementById('heatmap').getBoundingClientRect();"
            " return [box.left, box.top, box.width, box.height]; }"
        )
        return left, top, width, height

    def readout(self) -> tuple[tuple[int, ...], str, int]:
        """Read index, value and bits of the element that is pointed at."""
        index, value, bits = self.page.evaluate(
            "() => ['at', 'value', 'bits'].map((id) => document.getElementById(id).textContent)"
        )
        return tuple(map(int, re.findall(r"\d+", index))), value, int(bits, 16)

    def statistics(self) -> dict[str, float]:
        """Read the table of statistics, unrounded."""
        rows: dict[str, str] = self.page.evaluate(
            "() => Object.fromEntries([...document.querySelectorAll('#statistics tr')]"
            ".map((row) => [row.dataset.name, row.dataset.value]))"
        )
        return {name: float(value) for name, value in rows.items()}

    def tab_to(self, identifier: str) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(20):
            self.page.keyboard.press("Tab")
            if self.focused() == identifier:
                return
        raise AssertionError(f"Tab does not reach {identifier}")

    def focused(self) -> str:
        """Name the element that has the focus."""
        return str(self.page.evaluate("() => document.activeElement.id"))


class Tab:
    """A tab that shows one page after the other: to make a new one takes longer than to load it.

    Parameters
    ----------
    browser : Browser
    **options
        Those of the browser's context.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._context = browser.new_context(viewport={"width": 1200, "height": 800}, **options)
        self._context.route(re.compile(r"^(?!file:|data:)"), self._refuse)
        self._context.set_default_timeout(20_000)
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        # From now on choosers are caught: who first asks for one could be too late for it.
        self.page.on("filechooser", lambda _: None)

    def close(self) -> None:
        """Close the tab and its context."""
        self._context.close()

    def _refuse(self, route: Route) -> None:
        self.asked.append(route.request.url)
        route.abort()


@contextmanager
def viewer(
    tab: Tab, folder: Path, files: Sequence[tuple[str, bytes]] = (), **options: Any
) -> Iterator[Viewer]:
    """Open a page that carries files, and see in the end that nothing was wrong with it.

    Parameters
    ----------
    tab : Tab
    folder : Path
        Where the page is written.
    files : sequence of pairs
        A name and the bytes of each file.
    **options
        Those of `write_page`.
    """
    path = folder / "page.html"
    write_page(path, [data for _, data in files], names=[name for name, _ in files], **options)
    del tab.said[:], tab.asked[:]
    tab.page.goto(path.as_uri())
    shown = Viewer(tab.page)
    if files:
        shown.wait_for_files(len(files))
        tab.page.wait_for_selector("#fault:not([hidden]), #statistics tr")
    yield shown
    if tab.said or tab.asked:
        raise AssertionError(f"on the console: {tab.said}, asked for: {tab.asked}")
