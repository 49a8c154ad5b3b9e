"""Colours: when there are any, and that all that prints asks in one place."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import main
from tsr.cli.color import CHOICES, console, paint, wants_color

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM")


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("stderr", [False, True])
@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "wanted"),
    [
        pytest.param("auto", {}, True, True, id="terminal"),
        pytest.param("auto", {}, False, False, id="pipe"),
        pytest.param("auto", {"TERM": "xterm"}, False, False, id="pipe-of-a-terminal"),
        pytest.param("auto", {"TERM": "dumb"}, True, False, id="dumb"),
        pytest.param("auto", {"NO_COLOR": "1"}, True, False, id="no-color"),
        pytest.param("auto", {"NO_COLOR": "0"}, True, False, id="no-color-whatever-it-says"),
        pytest.param("auto", {"NO_COLOR": ""}, True, True, id="no-color-empty"),
        pytest.param("auto", {"FORCE_COLOR": "1"}, False, True, id="forced"),
        pytest.param("auto", {"FORCE_COLOR": ""}, False, False, id="forced-empty"),
        pytest.param("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, False, True, id="forced-dumb"),
        pytest.param("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False, id="both"),
        pytest.param("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True, id="always"),
        pytest.param("never", {"FORCE_COLOR": "1"}, True, False, id="never"),
    ],
)
def test_decision(
    choice: str,
    environment: dict[str, str],
    terminal: bool,
    wanted: bool,
    stderr: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The option decides, then NO_COLOR, FORCE_COLOR, TERM and the stream; rich follows."""
    pytest.importorskip("rich")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr" if stderr else "stdout", out)
    # The other stream decides nothing.
    monkeypatch.setattr(sys, "stdout" if stderr else "stderr", io.StringIO())
    assert wants_color(choice, stderr=stderr) is wanted
    assert ("\x1b[31m" in paint("x", "red", choice, stderr=stderr)) is wanted
    made = console(choice, stderr=stderr)
    assert made is not None
    made.print("[red]one[/] [bold]two")
    assert ("\x1b[31mone\x1b[0m \x1b[1mtwo\x1b[0m" in out.getvalue()) is wanted
    assert re.sub(r"\x1b\[\d*m", "", out.getvalue()) == "one two\n"


def test_without_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without the stream colours nothing, and printing is no error."""
    monkeypatch.setattr(sys, "stdout", None)
    assert not wants_color()
    made = console()
    if made is not None:
        made.print("[red]one")


def test_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no console where rich is not installed."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert [console(choice) for choice in CHOICES] == [None] * 3
    assert paint("x", "green", "always") == "\x1b[32mx\x1b[0m"


def test_table_keeps_its_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--color always` colours what goes to a pipe, and moves nothing in it."""
    monkeypatch.chdir(tmp_path)
    tsr.save("a.tsr", np.zeros((2, 3), np.float32))
    tsr.save("b.tsr", [np.zeros(2, np.int8)] * 2, format="tsr4")
    for arguments in (["."], ["b.tsr"]):
        assert main(["info", *arguments]) == 0
        plain = capsys.readouterr().out
        assert "\x1b" not in plain
        assert main(["info", "--color", "always", *arguments]) == 0
        colored = capsys.readouterr().out
        assert re.sub(r"\x1b\[\d*m", "", colored) == plain != colored
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert main(["info", "--color=never", *arguments]) == 0
        assert capsys.readouterr().out == plain
        monkeypatch.delenv("FORCE_COLOR")


def test_wrong_choice(capsys: pytest.CaptureFixture[str]) -> None:
    """Another choice is refused, and the three are named."""
    assert main(["info", "--color", "sometimes", "x"]) == 2
    err = capsys.readouterr().err
    assert all(choice in err for choice in CHOICES)


def test_no_color_needs_nothing() -> None:
    """The decision imports neither rich nor anything else that costs."""
    script = (
        "import sys; from tsr.cli.color import paint; paint('x', 'red')\n"
        "assert not {'rich', 'numpy'} & sys.modules.keys()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
