"""`tsr view` on a terminal: colours, half blocks, and the size of the window."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tsr.cli import main
from tsr.cli.output import width_of
from tsr.cli.viewing import listing
from tsr.cli.viewing.palette import ABOVE, BELOW, NAN, Scale, colors, make_scale
from tsr.viewing.statistics import summarize

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
fcntl = pytest.importorskip("fcntl", reason="sets the size of a window")
termios = pytest.importorskip("termios", reason="sets the size of a window")
pytest.importorskip("rich")

RUN = "import sys; from tsr.cli import main; sys.exit(main())"
BLOCK_RICH = f"import sys; sys.modules['rich'] = None; {RUN}"
HALF = "\u2580"
ENVIRONMENT = {
    **{
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONIOENCODING")
    },
    "PYTHONPATH": str(Path(tsr.__file__).parents[1]),
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "PYTHONUTF8": "1",
}


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def terminal(
    *arguments: str, size: tuple[int, int] = (30, 80), script: str = RUN, **environment: str
) -> str:
    """View in a window of so many lines and columns, and give what shows there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", script, "view", *arguments],
        env={**ENVIRONMENT, **environment}, stdin=theirs, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so when the other side is closed
                break
            if not piece:
                break
            shown += piece
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


def pixels(line: str) -> list[tuple[list[int], list[int] | None]]:
    """Give the upper and lower colour of each character of a line that has any."""
    found = []
    for styles, text in re.findall("\x1b\\[([0-9;]+)m([^\x1b]*)", line):
        numbers = [int(number) for number in styles.split(";")]
        fore = numbers[2:5] if numbers[:2] == [38, 2] else None
        back = numbers[-3:] if numbers[-5:-3] == [48, 2] else None
        for character in text:
            if character == HALF and fore is not None:
                found.append((fore, back))
            elif character == " " and back is not None:
                found.append((back, back))
    return found


def test_colors() -> None:
    """Each character is two cells, in colours of their numbers; what is not finite has its own."""
    matrix: NDArray[Any] = np.linspace(-1, 3, 20 * 70, dtype=np.float32).reshape(20, 70)
    expected = colors(Scale(-3, 3, True).places(matrix.astype(float)), True).tolist()
    matrix[4, 7], matrix[5, 7], matrix[6, 7], matrix[7, 0] = np.nan, np.inf, -np.inf, np.nan
    tsr.save("x.tsr", matrix)
    lines = terminal("x.tsr").splitlines()
    expected[4][7], expected[5][7], expected[6][7] = list(NAN), list(ABOVE), list(BELOW)
    expected[7][0] = list(NAN)
    for row in range(10):
        upper, lower = expected[2 * row : 2 * row + 2]
        assert pixels(lines[1 + row]) == list(zip(upper, lower, strict=True))
    assert lines[11].endswith("0" + "69".rjust(69) + "\x1b[0m")
    assert HALF in lines[1]
    legend = [color for color, _ in pixels(lines[12])]
    assert legend[0] == colors(np.array(0.0), True).tolist()
    assert legend[-1] == colors(np.array(1.0), True).tolist()
    assert [color for color, _ in pixels(lines[13])] == [
        list(color) for color in (NAN, NAN, ABOVE, ABOVE, BELOW, BELOW)
    ]


def test_odd_rows() -> None:
    """The lower half of the last line stays empty where the number of rows is odd."""
    tsr.save("x.tsr", np.zeros((21, 70), np.int8))
    lines = terminal("x.tsr").splitlines()
    assert pixels(lines[10])[0] == (colors(np.array(0.5), False).tolist(),) * 2
    assert pixels(lines[11])[0] == (colors(np.array(0.5), False).tolist(), None)


@pytest.mark.parametrize("size", [(24, 80), (60, 120), (10, 30)])
def test_fits_the_window(size: tuple[int, int]) -> None:
    """The picture is as wide as the window; all of it fits, unless that is very small."""
    tsr.save("x.tsr", np.random.default_rng(1).random((1000, 1000), np.float32))
    lines = terminal("x.tsr", size=size).splitlines()
    painted = [line for line in lines if len(pixels(line)) > 24]
    assert {len(pixels(line)) for line in painted} == {size[1] - 4} or size[1] == 30
    if size[1] >= 72:
        assert size[0] - 4 <= len(lines) <= size[0] - 1
        plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines]
        assert max(map(len, plain)) <= size[1]


def test_table_fits_the_window() -> None:
    """A table has the columns that there is room for."""
    tsr.save("m.tsr", [np.arange(9.0, dtype=np.float32), np.ones(7, np.int8)], format="tsr4")
    wide, narrow = (terminal("m.tsr", size=(24, width)).splitlines() for width in (100, 50))
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in (wide[0], narrow[0])]
    assert plain[0].split() == [
        "INDEX", "DTYPE", "SHAPE", "MIN", "MAX", "MEAN", "STD", "HISTOGRAM"
    ]  # fmt: skip
    assert plain[1].split() == ["INDEX", "DTYPE", "SHAPE", "MIN", "MAX"]


def test_no_color() -> None:
    """NO_COLOR, a dumb terminal, `--color never` and a lack of rich have characters instead."""
    tsr.save("x.tsr", np.arange(6, dtype=np.int8).reshape(2, 3))
    plain = terminal("x.tsr", NO_COLOR="1")
    assert "\x1b" not in plain
    assert "[ .:-=+*#%@]" in plain
    assert plain == terminal("x.tsr", TERM="dumb") == terminal("--color", "never", "x.tsr")
    assert plain == terminal("x.tsr", script=BLOCK_RICH)


def test_without_half_blocks() -> None:
    """Where the encoding has no half block, a character is one cell."""
    tsr.save("x.tsr", np.zeros((2, 20), np.int8))
    shown = terminal("x.tsr", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert shown.isascii()
    [row] = [line for line in shown.splitlines() if line.startswith("\x1b[2m0 ")]
    assert pixels(row) == [(colors(np.array(0.5), False).tolist(),) * 2] * 20 * 3


def test_color_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--color always` colours what goes to a pipe, and needs rich for it."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    tsr.save("x.tsr", np.zeros((2, 2), np.int8))
    assert main(["view", "--color", "always", "x.tsr"]) == 0
    assert "\x1b[48;" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["view", "--color", "always", "x.tsr"]) == 1
    assert capsys.readouterr() == (
        "", "tsr: --color: --color always needs rich: pip install 'tsr-codec[cli]'\n"
    )  # fmt: skip


@pytest.mark.parametrize("diverging", [False, True])
def test_palette(diverging: bool) -> None:
    """Lightness rises along the scale; on the diverging one it falls again behind the middle."""
    rows = colors(np.linspace(0, 1, 101), diverging).astype(float)
    lightness = rows @ [0.2126, 0.7152, 0.0722]
    middle = 50 if diverging else 100
    assert (np.diff(lightness[: middle + 1]) >= 0).all()
    assert (np.diff(lightness[middle:]) <= 0).all()
    # A mark is never taken for a number.
    for mark in (NAN, ABOVE, BELOW):
        assert np.linalg.norm(rows - np.array(mark), axis=1).min() > 60


def test_scales() -> None:
    """The scale goes around 0 where there are both signs; places are right at any magnitude."""
    numbers = np.array([-1.0, 3.0, np.nan])
    assert make_scale(numbers, None, False) == (-3.0, 3.0, True)
    assert make_scale(numbers[1:], None, False) == (3.0, 3.0, False)
    assert make_scale(numbers[2:], None, False) is None
    assert make_scale(numbers, (-1.0, 1.0), False) == (-1.0, 1.0, True)
    assert make_scale(numbers, (0.0, 1.0), True) == (0.0, 1.0, False)
    huge = np.array([-1.7e308, 0.0, 1.7e308])
    scale = make_scale(huge, None, False)
    assert scale is not None
    assert scale.places(huge).tolist() == [0.0, 0.5, 1.0]
    assert Scale(2.0, 2.0, False).places(np.array([1.0, 2.0, 3.0])).tolist() == [0.0, 0.5, 1.0]
    outlying = np.concatenate([np.linspace(0, 1, 99), [1e6]])
    assert make_scale(outlying, None, True) == pytest.approx((0.02, 0.99, False), abs=0.02)


def test_places_of_the_smallest_numbers() -> None:
    """Numbers that have no half have their places, too; what is beyond the scale is at its end."""
    smallest = np.array([0.0, 5e-324, 1e-323])
    scale = make_scale(smallest, None, False)
    assert scale is not None
    assert scale.places(smallest).tolist() == [0.0, 0.5, 1.0]
    with np.errstate(all="raise"):
        assert Scale(-1.7e308, -1.6e308, False).places(np.array([1.7e308])).tolist() == [1.0]


def test_table_of_very_many_tensors() -> None:
    """The time that a table takes grows with its lines, not with their square."""
    begin = time.process_time()
    found = summarize(np.arange(3))
    lines = listing.listing(
        [listing.row("x.tsr", i, "", "int64", (i, 3), found) for i in range(5000)], 80
    )
    assert time.process_time() - begin < 10  # the square of 5000 takes minutes
    assert len(lines) == 5001
    assert len({width_of("".join(span.text for span in line)) for line in lines}) == 1
