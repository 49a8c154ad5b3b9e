"""The page in a real browser: values and statistics are numpy's, and everybody can use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr

pytest.importorskip("playwright", reason="playwright, which the extra test has, is not installed")
from tests.browsing import Tab, Viewer, viewer

SPECIAL = np.array(
    [[np.nan, np.inf, -np.inf, 0.0, -0.0], [0.1, 1e-45, 3.4028235e38, -16777216.0, 5.684342e-14]],
    np.float32,
)


def chance(*shape: int) -> NDArray[Any]:
    """Make float32 values from a seed that their shape is."""
    values = np.random.default_rng(shape or 1).standard_normal(shape)
    return np.asarray(values, np.float32)


def check_value(array: NDArray[Any], found: tuple[tuple[int, ...], str, int]) -> None:
    """Compare what the page says of an element with what numpy has there: bits, and the value."""
    index, text, bits = found
    element = array[index]
    stored = element.tobytes()
    assert bits == int.from_bytes(stored, "little")
    if np.isnan(element):
        assert text == "NaN"
    else:
        assert array.dtype.type(text).tobytes() == stored  # all digits that matter
        unique = np.format_float_scientific(element) if array.dtype.kind == "f" else str(element)
        digits = re.sub(r"[^\d]", "", text.split("e")[0]).strip("0")
        assert len(digits) <= len(re.sub(r"[^\d]", "", unique.split("e")[0]))  # and no more


def check_statistics(array: NDArray[Any], found: dict[str, float]) -> None:
    """Compare the page's statistics with numpy's, in float64, of the finite values."""
    values = array.astype(np.float64).reshape(-1)
    finite = values[np.isfinite(values)]
    expected: dict[str, Any] = {
        "count": values.size,
        "minimum": finite.min() if finite.size else np.nan,
        "maximum": finite.max() if finite.size else np.nan,
        "mean": finite.mean() if finite.size else np.nan,
        "deviation": finite.std() if finite.size else np.nan,
        "zeros": np.count_nonzero(values == 0),
    }
    if array.dtype.kind == "f":
        expected |= {
            "nans": np.count_nonzero(np.isnan(values)),
            "positiveInfinities": np.count_nonzero(values == np.inf),
            "negativeInfinities": np.count_nonzero(values == -np.inf),
        }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-12, nan_ok=True), name


def test_dropped_file(tab: Tab, tmp_path: Path) -> None:
    """A page without files takes one that is dropped, and shows the values under the pointer."""
    array = chance(4, 6)
    with viewer(tab, tmp_path) as shown:
        assert shown.page.is_visible("#empty")
        shown.drop([("x.tsr", tsr.dumps(array))])
        shown.page.wait_for_selector("#statistics tr")
        assert shown.page.is_hidden("#empty")
        assert shown.text("status") == "1 file, all valid"
        _, _, width, height = shown.box
        # Elements are at most 64 pixels large where all is fitted, and in the middle.
        left, top = width / 2 - 3 * 64, height / 2 - 2 * 64
        for index in np.ndindex(4, 6):
            place = left + 64 * index[1] + 20, top + 64 * index[0] + 40
            found = shown.element_at(*place)
            assert found[0] == index
            check_value(array, found)
        check_statistics(array, shown.statistics())


ARRAYS: dict[str, NDArray[Any]] = {
    "rank-0": np.float32(0.1).reshape(()),
    "rank-1": chance(700),
    "rank-2": SPECIAL,
    "rank-3": chance(3, 40, 30),
    "rank-4": chance(2, 3, 5, 7),
    "zeros-of-int8": np.arange(-128, 128, dtype=np.int8).reshape(16, 16),
    "int32": np.array([[2**31 - 1, -(2**31), 0, 12345678]], np.int32),
    "large-mean": (chance(300, 400) / 1000 + 1000).astype(np.float32),
    "tall": chance(5000, 3),
    "no-number": np.full((3, 4), np.nan, np.float32),
}
EMPTY = np.zeros((2, 0, 3), np.float32)
CONTAINED: list[NDArray[Any]] = [
    np.arange(24, dtype=np.float16).reshape(2, 3, 4) / 3,
    np.array([[np.nan, np.inf, 6e-8, 65504, -0.0, 0.1]], np.float16),
    chance(2, 3, 20, 30),
    np.arange(-60, 60, dtype=np.int8).reshape(10, 12),
]


def test_values_and_statistics(tab: Tab, tmp_path: Path) -> None:
    """For every dtype and rank, values at several places and the statistics are numpy's."""
    files = [(f"{name}.tsr", tsr.dumps(array)) for name, array in ARRAYS.items()]
    for compress in (False, True):
        data = tsr.dumps(CONTAINED, format="tsr4", compress=compress)
        files.append((f"{compress}.tsr", data))
    four = [array.reshape((1,) * (4 - array.ndim) + array.shape) for array in CONTAINED]
    expected = {f"option-{i}-0": array for i, array in enumerate(ARRAYS.values())}
    for group in (len(ARRAYS), len(ARRAYS) + 1):
        expected |= {f"option-{group}-{i}": array for i, array in enumerate(four)}
    with viewer(tab, tmp_path, files) as shown:
        _, _, width, height = shown.box
        for option, array in expected.items():
            shown.choose(option)
            check_statistics(array, shown.statistics())
            check_value(array, shown.readout())
            for x, y in ((0.5, 0.5), (0.52, 0.48), (0.46, 0.53)):
                check_value(array, shown.element_at(x * width, y * height))


def test_slices(tab: Tab, tmp_path: Path) -> None:
    """Sliders pick the index on the axes before the last two, and keep the place in the plane."""
    array = chance(3, 4, 5, 6)
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(array))]) as shown:
        shown.page.focus("#heatmap")
        shown.page.keyboard.press("ArrowDown")
        for axis, steps in ((0, 2), (1, 3)):
            shown.page.focus(f"#axis-{axis}")
            for _ in range(steps):
                shown.page.keyboard.press("ArrowRight")
        found = shown.readout()
        assert found[0] == (2, 3, 1, 0)
        check_value(array, found)
        assert shown.page.locator("#slices output").all_inner_texts() == ["2 of 3", "3 of 4"]
        assert shown.text("slices").endswith("[2, 3, :, :]")


def test_no_elements(tab: Tab, tmp_path: Path) -> None:
    """A tensor of size 0 has no heatmap, and the page says why."""
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(EMPTY))]) as shown:
        assert shown.text("nothing") == "No elements: a dimension of 2 \u00d7 0 \u00d7 3 is 0."
        assert shown.page.is_hidden("#heatmap")
        check_statistics(EMPTY, shown.statistics())
        assert shown.text("bin") == "No finite values"


def test_quick_walk(tab: Tab, tmp_path: Path) -> None:
    """Who goes through large tensors quickly waits for the last one only."""
    array = np.tile(np.arange(-128, 128, dtype=np.int8), 1 << 15)
    data = tsr.dumps([array, array + np.int8(1), array[:100]], format="tsr4")
    with viewer(tab, tmp_path, [("x.tsr", data)]) as shown:
        shown.page.evaluate(
            "() => { for (const index of [1, 0, 1, 0, 1, 2])"
            " document.getElementById(`option-0-${index}`).click(); }"
        )
        shown.page.wait_for_selector("#statistics tr")
        check_statistics(array[:100], shown.statistics())
        shown.choose("option-0-1")
        check_statistics(array, shown.statistics())


def test_files_are_removed(tab: Tab, tmp_path: Path) -> None:
    """A button and a key take the chosen file off the list; after the last the page is empty."""
    files = [("a.tsr", tsr.dumps(chance(2, 2))), ("b.tsr", b"TSR!"), ("c.tsr", tsr.dumps(EMPTY))]
    with viewer(tab, tmp_path, files) as shown:
        shown.choose("option-1")
        shown.page.click("#remove")
        assert shown.text("status") == "2 files, all valid"
        assert shown.text("tensor-title") == "c.tsr"
        shown.page.focus("#list")
        shown.page.keyboard.press("Delete")
        assert shown.text("tensor-title") == "a.tsr"
        assert shown.focused() == "list"
        shown.drop([("d.tsr", tsr.dumps(chance(3, 3)))])
        assert shown.text("tensor-title") == "d.tsr"
        shown.page.focus("#list")
        shown.page.keyboard.press("Delete")
        assert shown.text("tensor-title") == "a.tsr"
        shown.page.keyboard.press("Delete")
        assert shown.focused() == "choose-first"
        assert shown.text("status") == ""
        for identifier in ("tensor", "fault", "anatomy", "list"):
            assert shown.page.is_hidden(f"#{identifier}")
        shown.drop(files[:1])
        assert shown.text("tensor-title") == "a.tsr"
        assert shown.page.is_hidden("#empty")


def test_no_memory(tab: Tab, tmp_path: Path) -> None:
    """A tensor that there is no memory for is told, and the page goes on."""
    halves = tsr.dumps([np.ones((2, 2), np.float16)], format="tsr4")
    whole = chance(2, 3)
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(whole))]) as shown:
        shown.page.evaluate(
            "() => { globalThis.Float32Array = class extends Float32Array {"
            " constructor(...given) {"
            " if (typeof given[0] === 'number') throw new RangeError('no room');"
            " super(...given); } }; }"
        )
        shown.drop([("y.tsr", halves)])
        shown.page.click("#option-1-0")
        shown.page.wait_for_selector("#nothing:not([hidden])")
        assert shown.text("nothing") == "This tensor cannot be shown here (RangeError: no room)."
        shown.choose("option-0-0")
        check_statistics(whole, shown.statistics())
        shown.page.reload()


def pixel(shown: Viewer, x: float, y: float) -> list[int]:
    """Read the colour of the heatmap at a place."""
    shown.page.evaluate("() => new Promise(requestAnimationFrame)")
    colour: list[int] = shown.page.evaluate(
        """([x, y]) => {
          const canvas = document.getElementById('heatmap');
          const ratio = canvas.width / canvas.clientWidth;
          const context = new OffscreenCanvas(1, 1).getContext('2d');
          context.drawImage(canvas, x * ratio, y * ratio, 1, 1, 0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data];
        }""",
        [x, y],
    )
    return colour


def test_colours(tab: Tab, tmp_path: Path) -> None:
    """NaN and infinities have the legend's colours; other numbers those of the range."""
    array = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 1.0]], np.float32)
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(array))]) as shown:
        _, _, width, height = shown.box
        left, middle = width / 2 - 3 * 64, height / 2 + 26  # below what is written
        legend = shown.page.eval_on_selector_all(
            ".swatch", "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
        )
        for column, colour in enumerate(legend):
            red, green, blue, _ = pixel(shown, left + 64 * column + 32, middle)
            assert f"rgb({red}, {green}, {blue})" == colour
        low, zero, high = (pixel(shown, left + 64 * c + 32, middle)[:3] for c in (3, 4, 5))
        assert low[2] > 80 > low[0]  # blue
        assert high[0] > 80 > high[2]  # red
        assert min(zero) > 225
        assert (shown.text("low"), shown.text("high")) == ("-1", "1")
        assert shown.text("marks").split("\n") == ["NaN (1)", "+inf (1)", "-inf (1)"]
        shown.page.select_option("#colours", "sequential")
        dark, _, bright = (sum(pixel(shown, left + 64 * c + 32, middle)[:3]) for c in (3, 4, 5))
        assert dark < bright


def test_robust_range(tab: Tab, tmp_path: Path) -> None:
    """The robust range leaves out what is extreme."""
    array = np.linspace(1, 101, 101, dtype=np.float32)
    array[-1] = 1e6
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(array))]) as shown:
        assert (shown.text("low"), shown.text("high")) == ("1", "1000000")
        shown.page.select_option("#range", "robust")
        low, high = np.percentile(array, [2, 98])
        assert (float(shown.text("low")), float(shown.text("high"))) == (low, high)


def test_histogram(tab: Tab, tmp_path: Path) -> None:
    """The bins and their counts are numpy's, and the arrow keys go through them."""
    array = chance(200, 300)
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(array))]) as shown:
        shown.page.wait_for_selector(".bin")
        counts, edges = np.histogram(array.astype(np.float64), bins=64)
        shown.page.focus(".histogram")
        for count, edge in list(zip(counts, edges, strict=False))[:40]:
            shown.page.keyboard.press("ArrowRight")
            start, _, _, said = re.split(r" (to) (.*): ", shown.text("bin"))
            assert int(said.replace(",", "")) == count
            assert float(start) == pytest.approx(edge, rel=1e-3)
        shown.page.check("#logarithmic")
        assert shown.page.locator(".bin").count() == 64


def test_zoom_and_pan(tab: Tab, tmp_path: Path) -> None:
    """Wheel, keys and buttons zoom; what is under the pointer stays there; drag and keys move."""
    array = np.arange(200 * 300, dtype=np.int32).reshape(200, 300)
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(array))]) as shown:
        fitted = shown.text("zoom")
        before = shown.element_at(333, 222)
        shown.page.mouse.wheel(0, -800)
        shown.page.wait_for_function(
            "(text) => document.getElementById('zoom').textContent !== text", arg=fitted
        )
        assert shown.element_at(334, 222)[0] == before[0]
        shown.page.mouse.down()
        shown.page.mouse.move(600, 500)
        shown.page.mouse.up()
        moved = shown.element_at(333, 222)
        assert moved[0] != before[0]
        check_value(array, moved)
        shown.page.click("#zoom-fit")
        assert shown.text("zoom") == fitted
        shown.page.focus("#heatmap")
        for _ in range(12):
            shown.page.keyboard.press("+")
        assert shown.text("zoom") != fitted
        shown.page.keyboard.press("Shift+ArrowRight")
        right = shown.element_at(333, 222)
        shown.page.keyboard.press("Shift+ArrowLeft")
        assert shown.element_at(334, 222)[0][1] < right[0][1]
        shown.page.keyboard.press("End")
        shown.page.keyboard.press("PageDown")
        index, *_ = shown.readout()
        assert index[1] == 299
        assert index[0] > 1
        shown.page.keyboard.press("0")
        assert shown.text("zoom") == fitted


def test_large_tensor(browser: Any, tmp_path: Path) -> None:
    """Of millions of elements no more are drawn than the screen shows, however fine it is."""
    tab = Tab(browser, device_scale_factor=3)
    array = np.zeros((2048, 2048), np.int8)
    array[:, 1024:] = 100
    array[512:520] = -100
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(array))]) as shown:
        assert re.fullmatch(r"[2-9]\.\d elements per px, the mean of some", shown.text("zoom"))
        size = shown.page.eval_on_selector("#heatmap", "(canvas) => canvas.width * canvas.height")
        assert size <= 1 << 20
        _, _, width, height = shown.box
        check_value(array, shown.element_at(width * 0.6, height * 0.7))
        right, left, upper = (
            pixel(shown, x * width, y * height) for x, y in ((0.6, 0.7), (0.4, 0.7), (0.4, 0.252))
        )
        assert right[0] > 100 > right[2]  # 100 is red
        assert min(left) > 225  # 0 is nearly white
        assert upper[2] > upper[0] + 30  # some of the rows of -100 are in the mean
        check_statistics(array, shown.statistics())


def test_keyboard_alone(tab: Tab, tmp_path: Path) -> None:
    """Everything is reached and used without a pointer."""
    rank4 = chance(2, 3, 4, 5)
    files = [("a.tsr", tsr.dumps(chance(3, 3))), ("b.tsr", tsr.dumps(rank4))]
    with viewer(tab, tmp_path, files) as shown:
        shown.tab_to("choose")
        with shown.page.expect_file_chooser() as chooser:
            shown.page.keyboard.press("Enter")
        third = tmp_path / "c.tsr"
        tsr.save(third, chance(2, 2))
        chooser.value.set_files(third)
        shown.wait_for_files(3)
        shown.tab_to("theme")
        shown.tab_to("list")
        shown.page.keyboard.press("Home")
        shown.page.keyboard.press("ArrowDown")
        assert shown.text("tensor-title") == "b.tsr"
        active = shown.page.get_attribute("#list", "aria-activedescendant")
        assert shown.page.get_attribute(f"#{active}", "aria-selected") == "true"
        shown.tab_to("axis-0")
        shown.page.keyboard.press("ArrowRight")
        shown.tab_to("axis-1")
        shown.page.keyboard.press("End")
        shown.tab_to("zoom-in")
        shown.page.keyboard.press("Enter")
        shown.tab_to("range")
        shown.tab_to("colours")
        shown.tab_to("heatmap")
        for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
            shown.page.keyboard.press(key)
        assert shown.readout()[0] == (1, 2, 1, 1)
        check_value(rank4, shown.readout())
        outline = "(name) => getComputedStyle(document.getElementById(name)).outlineStyle"
        assert shown.page.evaluate(outline, "heatmap") == "solid"
        shown.tab_to("logarithmic")
        shown.page.keyboard.press("Space")
        shown.tab_to("hexdump")
        shown.page.keyboard.press("End")
        assert shown.text("field").startswith("payload")


def test_roles_and_names(tab: Tab, tmp_path: Path) -> None:
    """What can be used has a role and a name for assistive technology."""
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(chance(2, 3, 4)))]) as shown:
        for role, name in (
            ("listbox", "Tensors"),
            ("listbox", "Fields of the file"),
            ("slider", "axis 0"),
            ("slider", "Histogram: bin"),
            ("application", "Heatmap of 3 rows and 4 columns"),
            ("button", "Zoom in"),
            ("combobox", "Range"),
            ("table", "Statistics"),
        ):
            assert shown.page.get_by_role(role, name=name).count() == 1, (role, name)  # type: ignore[arg-type] # one of playwright's names
        assert shown.page.get_by_role("group", name="x.tsr").count() == 1
        assert shown.page.get_attribute("#readout", "aria-live") == "polite"


CONTRASTS = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g)
    .map((part) => Number(part) * (text.startsWith('color(') ? 255 : 1));
  const light = ([red, green, blue]) => [red, green, blue]
    .map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length === 3) return colour;
    }
  };
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.matches('script, noscript, option')) continue;
    const [one, other] = [numbers(getComputedStyle(element).color), ground(element)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push([element.textContent, element.className, ratio]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str, tab: Tab, tmp_path: Path) -> None:
    """Every text has the contrast that WCAG asks for at level AA, in both themes."""
    broken = bytearray(tsr.dumps(chance(3, 4)))
    broken[16] = 9
    files = [
        ("broken.tsr", bytes(broken)),
        ("x.tsr", tsr.dumps(CONTAINED, format="tsr4", compress=True)),
        ("y.tsr", tsr.dumps(np.arange(4, dtype=np.int32))),
    ]
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # one of playwright's names
    with viewer(tab, tmp_path, files) as shown:
        assert shown.page.evaluate(CONTRASTS) == []
        shown.choose("option-1-0")
        assert shown.page.evaluate(CONTRASTS) == []
        shown.page.evaluate(
            "for (const run of document.querySelectorAll('.run')) run.classList.add('lit')"
        )
        assert shown.page.evaluate(CONTRASTS) == []


def test_themes(tab: Tab, tmp_path: Path) -> None:
    """The theme follows the system until one is chosen, which is kept."""
    ground = "() => getComputedStyle(document.body).backgroundColor"
    with viewer(tab, tmp_path) as shown:
        light = shown.page.evaluate(ground)
        shown.page.emulate_media(color_scheme="dark")
        dark = shown.page.evaluate(ground)
        assert light != dark
        shown.page.click("#theme")
        assert shown.text("theme") == "Theme: light"
        assert shown.page.evaluate(ground) == light
        shown.page.click("#theme")
        shown.page.emulate_media(color_scheme="light")
        assert shown.page.evaluate(ground) == dark
        shown.page.reload()
        assert shown.text("theme") == "Theme: dark"
        assert shown.page.evaluate(ground) == dark
        shown.page.evaluate("() => localStorage.clear()")


def test_network_is_forbidden(tab: Tab, tmp_path: Path) -> None:
    """Nothing can be fetched or sent, nor a script run, even if something tried."""
    with viewer(tab, tmp_path, [("x.tsr", tsr.dumps(chance(2, 2)))]) as shown:
        tried = shown.page.evaluate(
            """async () => {
              const image = new Image();
              const loaded = new Promise((resolve) => {
                image.onload = () => resolve('loaded');
                image.onerror = () => resolve('refused');
              });
              image.src = 'https://tsr.example/x.png';
              const fetched = await fetch('https://tsr.example/')
                .then(() => 'fetched', () => 'refused');
              const script = document.createElement('script');
              script.textContent = 'globalThis.ran = true';
              document.head.append(script);
              return [await loaded, fetched, globalThis.ran ? 'ran' : 'refused'];
            }"""
        )
        assert tried == ["refused", "refused", "refused"]
        assert tab.asked == []
        refused = "\n".join(line for line in tab.said if "Content Security Policy" in line)
        for what in ("default-src 'none'", "img-src data:", "script-src 'sha256-"):
            assert what in refused
        tab.said.clear()
