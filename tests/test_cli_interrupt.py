"""Ctrl-C in the midst of long work, of every command: quiet, at once, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tsr
from tsr.cli.dispatch import COMMANDS
from tsr.container import TensorInfo, encode_container
from tsr.dtypes import TSR4_BY_CODE
from tsr.layout import TSR4_RAW

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="needs /proc, which tells what a process has open"
)

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}
# A shell has its background jobs ignore SIGINT, and what they start inherits that.
RUN = """
import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)
from tsr.cli import main; sys.exit(main())
"""

# A process has to end so many seconds after the signal, on a machine that does much else. What
# it is at would take longer by far.
PATIENCE = 20.0

# Sparse files take no room, and hours to read. What is written in part is smaller, for a disk
# may not have room for more.
HUGE = 1 << 42
LARGE = 1 << 35


def write_v1(path: str, nbytes: int, behind: int = 0) -> None:
    """Make a TSR v1 file of zeros, and more of them behind its end."""
    with open(path, "wb") as file:
        file.write(tsr.build_header("int8", (1 << 16, nbytes >> 16)))
        file.truncate(file.tell() + nbytes + behind)


def write_tsr4(path: str, nbytes: int) -> None:
    """Make a TSR4 file of zeros, with any checksum."""
    int8 = next(element for element in TSR4_BY_CODE.values() if element.name == "int8")
    info = TensorInfo(int8, (1, 1, 1 << 16, nbytes >> 16), 0, nbytes, nbytes, 0)
    with open(path, "wb") as file:
        file.write(encode_container(TSR4_RAW, [info]))
        file.truncate(file.tell() + nbytes)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_v1("huge.tsr", HUGE)
    write_tsr4("huge4.tsr", HUGE)
    write_v1("large.tsr", LARGE)
    # A copy in memory, even where it is a mapping, has to fit what the system may promise.
    write_v1("broken.tsr", LARGE >> 3, behind=1)
    os.mkdir("folder")
    for name in ("a", "b", "c"):
        write_v1(f"folder/{name}.tsr", HUGE)
    Path("sums").write_text(f"{'0' * 64}  huge.tsr\n")


# What takes long, and the file that shows that it is at it: one that it reads, or that it has
# begun to write.
LONG = [
    ("validate huge4.tsr", "huge4.tsr"),
    ("validate --json folder huge4.tsr", "huge4.tsr"),
    ("dump --csv huge.tsr", "huge.tsr"),
    ("dump --json huge.tsr", "huge.tsr"),
    ("convert large.tsr x.npy", "x.npy.*.tmp"),
    ("convert --to tsr4 large.tsr x.tsr", "x.tsr.*.tmp"),
    ("checksum huge.tsr", "huge.tsr"),
    ("checksum --json folder", "folder/b.tsr"),
    ("manifest folder", "folder/b.tsr"),
    ("manifest --check --allow-extra sums", "huge.tsr"),
    ("explain huge4.tsr", "huge4.tsr"),
    ("diff huge.tsr folder/a.tsr", "folder/a.tsr"),
    ("view --exact huge.tsr", "huge.tsr"),
    ("view --exact --json huge4.tsr", "huge4.tsr"),
    ("repair broken.tsr -o mended.tsr", "mended.tsr.*.tmp"),
]

# Those that write, and one with threads.
TERMINATED = [(line, name) for line, name in LONG if "tmp" in name or line.startswith("manifest ")]

# Commands that are done at once, and two whose own tests do the same, with a worker and a server.
SHORT = {"info", "completion", "scan", "session"}


def is_at(process: subprocess.Popen[bytes], name: str) -> bool:
    """Tell whether a process has a file open or mapped, or one of this pattern is there."""
    if "*" in name:
        return any(Path().glob(name))
    path = str(Path(name).resolve())
    folder = Path(f"/proc/{process.pid}/fd")
    try:
        opened = {os.readlink(entry) for entry in folder.iterdir()}
        return path in opened or path in Path(f"/proc/{process.pid}/maps").read_text()
    except FileNotFoundError:  # closed while we looked
        return False


@pytest.mark.parametrize(("line", "name"), LONG, ids=[line for line, _ in LONG])
def test_interrupt(line: str, name: str) -> None:
    """It ends with 130, says nothing, and leaves the folder as it was."""
    check_end(line, name, signal.SIGINT, 130)


@pytest.mark.parametrize(("line", "name"), TERMINATED, ids=[line for line, _ in TERMINATED])
def test_terminate(line: str, name: str) -> None:
    """What is terminated, as by a batch system, ends in the same way."""
    check_end(line, name, signal.SIGTERM, 143)


def check_end(line: str, name: str, number: signal.Signals, code: int) -> None:
    """Check that it ends with this code, says nothing, and leaves the folder as it was."""
    before = sorted(Path().rglob("*"))
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *line.split()],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            end = time.monotonic() + 60
            while not is_at(process, name):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.01)
            time.sleep(0.1)  # into it
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert (process.returncode, errors) == (code, b"")
    assert sorted(Path().rglob("*")) == before


def test_every_command_is_tried() -> None:
    """A new command is tried, too."""
    assert {line.split()[0] for line, _ in LONG} | SHORT >= set(COMMANDS)
