"""The pictures of the page in the documentation: python -m tests.page_pictures [FOLDER].

Takes screenshots of the page in Chromium, with files made from ``tests/data``, and writes them to
``docs/images`` or to another folder, in 256 colours. Needs Pillow for that. Raises what playwright
does where there is no Chromium.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

import tsr
from tests.browsing import Tab, Viewer, launch, viewer

__all__ = ["take_pictures"]

ROOT = Path(__file__).parents[1]


def files() -> list[tuple[str, bytes]]:
    """Make a container of every dtype, some weights as images, and a file that is damaged."""
    with np.load(ROOT / "tests" / "data" / "mnist_mlp_3.npz") as arrays:
        first, second, third = (arrays[f"fc{i}.weight"] for i in (1, 2, 3))
    classes = third[:, :12].copy()
    classes[2, 5:7], classes[6, 3], classes[7, 9] = np.nan, np.inf, -np.inf
    damaged = bytearray(tsr.dumps(classes))
    damaged[24:28] = (4).to_bytes(4, "little")
    encoder = [
        positions(96, 128),
        third.astype(np.float16),
        np.rint(second[:64] / np.abs(second).max() * 127).astype(np.int8),
        np.arange(96, dtype=np.int32),
    ]
    return [
        ("encoder.tsr", tsr.dumps(encoder, format="tsr4", compress=True)),
        ("filters.tsr", tsr.dumps(first.reshape(16, 32, 28, 28))),
        ("classes.tsr", tsr.dumps(classes)),
        ("damaged.tsr", bytes(damaged)),
    ]


def positions(length: int, size: int) -> NDArray[np.float32]:
    """Encode positions as transformers do: by sines and cosines of falling frequency."""
    angles = np.arange(length)[:, None] / 10_000 ** (2 * np.arange(size // 2) / size)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, size).astype("f4")


def show_container(shown: Viewer) -> None:
    """Show a tensor of many, with a field of its entry explained."""
    shown.choose("option-0-0")
    shown.page.locator("#hexdump [role=option]").nth(21).click()
    shown.page.evaluate("() => scrollTo(0, 0)")
    shown.element_at(262, 170)


def show_values(shown: Viewer) -> None:
    """Show a tensor with NaN and infinities, whose values there is room for."""
    shown.choose("option-2-0")
    shown.page.focus("#heatmap")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        shown.page.keyboard.press(key)


def show_slice(shown: Viewer) -> None:
    """Show a plane of a tensor of rank 4."""
    shown.choose("option-1-0")
    shown.page.select_option("#range", "slice")
    for axis, steps in ((0, 9), (1, 14)):
        shown.page.focus(f"#axis-{axis}")
        for _ in range(steps):
            shown.page.keyboard.press("ArrowRight")
    shown.element_at(400, 200)


def show_fault(shown: Viewer) -> None:
    """Show what is wrong with a damaged file."""
    shown.choose("option-3")


PICTURES: dict[str, tuple[str, Callable[[Viewer], None]]] = {
    "page-light.png": ("light", show_container),
    "page-dark.png": ("dark", show_values),
    "page-slices.png": ("light", show_slice),
    "page-invalid.png": ("light", show_fault),
}


def take_pictures(folder: Path) -> None:
    """Write all pictures to a folder."""
    Image = import_module("PIL.Image")  # noqa: N806 - the name of a module, which tests lack
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver, TemporaryDirectory() as temporary:
        browser = launch(driver)
        tab = Tab(browser)
        for name, (scheme, show) in PICTURES.items():
            tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of playwright's names
            with viewer(tab, Path(temporary), files()) as shown:
                tab.page.set_viewport_size({"width": 1280, "height": 800})
                show(shown)
                shown.page.evaluate("() => new Promise(requestAnimationFrame)")
                picture = Image.open(BytesIO(shown.page.screenshot(full_page=True)))
                # Of the methods the one that keeps the few bright colours as they are.
                few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, 1, dither=0)
                few.save(folder / name, optimize=True)
        browser.close()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
