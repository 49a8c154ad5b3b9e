"""What a terminal sees: tables and progress bars by rich, if that is there, and plain text else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import main, progress

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
pytest.importorskip("rich")

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
    "PYTHONPATH": str(Path(tsr.__file__).parents[1]),
    "TERM": "xterm",
    "COLUMNS": "100",
}
RUN = "import sys; from tsr.cli import main; sys.exit(main())"
BLOCK_RICH = f"import sys; sys.modules['rich'] = None; {RUN}"
SLOW_CONVERT = f"""
import sys, time, tsr
from tsr.cli import progress
from tsr.converters import Conversion
progress.DELAY = 0.1
def convert(source, destination, *, progress, **options):
    for done in range(3):
        progress(done, 3, "[bold]w" + chr(27))
        time.sleep(0.3)
    return [Conversion(source, destination, 3)]
tsr.convert = convert
{RUN.removeprefix("import sys; ")}
"""
SLOW_DIFF = f"""
import sys, time
from tsr import comparison
from tsr.cli import progress
progress.DELAY = 0.1
compare = comparison.compare
def slow(*paths, progress, **options):
    def told(*each):
        progress(*each)
        time.sleep(0.2)
    return compare(*paths, progress=told, **options)
comparison.compare = slow
{RUN.removeprefix("import sys; ")}
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make two files in the working directory, one with a name that rich would obey."""
    monkeypatch.chdir(tmp_path)
    tsr.save("[red]a.tsr", np.zeros((2, 3), np.float32))
    tsr.save("b.tsr", np.zeros(3, np.int8))


def terminal(script: str, *arguments: str, streams: str = "stdout stderr") -> str:
    """Run a script with these streams on a terminal and give what shows there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=theirs if "stdout" in streams else subprocess.DEVNULL,
        stderr=theirs if "stderr" in streams else subprocess.DEVNULL,
    ) as process:
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
    assert process.returncode == 0
    return shown.decode()


def test_table_on_a_terminal() -> None:
    """A table is drawn by rich, which takes no name for markup."""
    shown = terminal(RUN, "info", ".")
    assert "─────" in shown
    assert "\x1b[" in shown
    assert "./[red]a.tsr" in shown
    assert "2 files" in shown


def test_listing_on_a_terminal() -> None:
    """So is the table of a file's tensors, which has no total."""
    tsr.save("c.tsr", [np.zeros(2, np.int8), np.zeros(3, np.float16)], format="tsr4")
    shown = terminal(RUN, "info", "c.tsr")
    assert "─────" in shown
    assert shown.startswith("c.tsr\r\n  format    TSR4\r\n")
    rows = [line.split() for line in shown.splitlines() if "(1, 1, 1, " in line]
    assert [row[:2] for row in rows] == [["0", "int8"], ["1", "float16"]]
    assert shown.count("CRC32") == 1


def test_table_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that does not fit is folded, not cut."""
    os.rename("b.tsr", "b" * 100)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["info", "[red]a.tsr", "b" * 100]) == 0
    shown = capsys.readouterr().out
    assert sum(line.lstrip("\x1b[0m ").startswith("bb") for line in shown.splitlines()) > 1
    assert shown.count("b") == 100


def test_table_elsewhere() -> None:
    """What goes to a file or a pipe is plain."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "info", "."], env=ENVIRONMENT, capture_output=True, check=True
    )
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    assert done.stdout.startswith(b"PATH          FORMAT")


def test_table_without_rich() -> None:
    """A terminal shows the plain table where rich is not installed, with a bold heading."""
    shown = terminal(BLOCK_RICH, "info", ".")
    assert shown.startswith("\x1b[1mPATH          FORMAT")
    assert "\x1b" not in shown.partition("\x1b[0m\r\n")[2]
    assert terminal(BLOCK_RICH, "info", "--color=never", ".").startswith("PATH          FORMAT")


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_terminal_that_wants_no_color(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and a dumb terminal get no colors."""
    monkeypatch.setitem(ENVIRONMENT, name, "dumb")
    shown = terminal(RUN, "info", ".")
    assert "\x1b" not in shown
    assert "─────" in shown
    assert "2 files" in shown


def test_long_conversion_shows_progress() -> None:
    """A bar shows what is done on stderr, and is gone when the result is printed."""
    shown = terminal(SLOW_CONVERT, "convert", "b.tsr", "b.npy")
    assert "━━━━" in shown
    assert "2/3" in shown
    assert r"[bold]w\x1b" in shown
    assert "\x1b[?25h" in shown  # the cursor is back
    assert shown.endswith("\x1b[2Kb.tsr -> b.npy (3 tensors)\r\n")  # on an erased line


def test_long_comparison_shows_progress() -> None:
    """So does one of `tsr diff`, in MiB."""
    tsr.save("c.tsr", [np.zeros(5 << 20, np.int8), np.zeros(3 << 20, np.int8)], format="tsr4")
    shown = terminal(SLOW_DIFF, "diff", "c.tsr", "c.tsr")
    assert "5/8\x1b[0m MiB 1" in shown
    assert shown.endswith(f"\x1b[32mthe same: 2 tensors, {8 << 20} elements\x1b[0m\r\n")


def test_short_conversion_shows_none() -> None:
    """What takes less than the delay shows no bar."""
    patient = f"from tsr.cli import progress; progress.DELAY = 60; {RUN}"
    assert terminal(patient, "convert", "b.tsr", "b.npy") == "b.tsr -> b.npy\r\n"


def test_no_progress_elsewhere() -> None:
    """Where stderr is no terminal there is no bar, whatever stdout is."""
    script = SLOW_CONVERT.replace("progress(done, 3", "assert progress is None; (done, 3")
    shown = terminal(script, "convert", "b.tsr", "b.npy", streams="stdout")
    assert shown == "b.tsr -> b.npy (3 tensors)\r\n"


def test_no_progress_without_rich() -> None:
    """Without rich there is no bar, and the conversion goes on."""
    script = f"import sys; sys.modules['rich'] = None\n{SLOW_CONVERT}"
    assert terminal(script, "convert", "b.tsr", "b.npy") == "b.tsr -> b.npy (3 tensors)\r\n"


def test_progress_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bar is gone and its timer stopped when the conversion fails."""
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    def fail() -> None:
        with progress.progress_bar() as update:
            assert update is not None
            update(0, 2, "first")
            time.sleep(0.3)
            update(1, 2, "second")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert capsys.readouterr().out == ""


# Every piece takes its time, and a bar shows early.
SLOW = """
import sys, time
from tsr.cli import progress
progress.DELAY = 0.1
def slow(function):
    def wait(*arguments, **options):
        time.sleep(0.3)
        return function(*arguments, **options)
    return wait
"""
SLOW_INFO = f"{SLOW}import tsr.cli.info as m; m.read_layout = slow(m.read_layout)\n{RUN}"
SLOW_VALIDATE = f"""{SLOW}
import tsr.contents as m; m.crc32 = slow(m.crc32)
m._PIECE = 1 << 20
{RUN}"""
SLOW_DIGESTS = f"""{SLOW}
import tsr.digests as m; m.Digest = slow(m.Digest)
{RUN}"""


@pytest.fixture
def large() -> None:
    """Make a file of several pieces."""
    tsr.save("large.tsr", [np.zeros(3 << 20, np.int8)], format="tsr4")


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("script", "arguments", "amount"),
    [
        pytest.param(SLOW_INFO, ["info", "b.tsr", "large.tsr"], "1/2", id="info"),
        pytest.param(SLOW_VALIDATE, ["validate", "large.tsr"], "2.0/3.0 MiB", id="validate"),
        pytest.param(SLOW_VALIDATE, ["explain", "large.tsr"], "large.tsr", id="explain"),
        pytest.param(SLOW_DIGESTS, ["checksum", "large.tsr"], "3.0/3.0 MiB", id="checksum"),
        pytest.param(SLOW_DIGESTS, ["manifest"], "3.0/3.0 MiB", id="manifest"),
    ],
)
def test_long_reading_shows_progress(script: str, arguments: list[str], amount: str) -> None:
    """What reads files for long has a bar on stderr, by files or bytes, and then none."""
    shown = terminal(script, *arguments)
    assert "━" in shown
    assert amount in shown
    assert "\x1b[?25h" in shown  # the cursor is back
    if arguments[0] == "manifest":
        os.unlink("SHA256SUMS")
    quiet = terminal(script, *arguments, streams="stdout")
    assert "━" not in quiet
    assert quiet.splitlines()[-1] in shown


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("command", ["validate", "checksum"])
def test_progress_leaves_stdout_alone(command: str) -> None:
    """What goes to a pipe gets there, though a bar shows on the terminal meanwhile."""
    script = SLOW_VALIDATE if command == "validate" else SLOW_DIGESTS
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", script, command, "large.tsr", "b.tsr"],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        assert process.stdout is not None
        printed = process.stdout.read().decode()
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert process.returncode == 0
    assert "━━━━" in shown
    plain = subprocess.run(
        [sys.executable, "-c", RUN, command, "large.tsr", "b.tsr"],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert printed == plain.stdout
    assert plain.stderr == ""
