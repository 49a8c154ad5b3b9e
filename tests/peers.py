"""Python in another process: a peer to race with, to kill, or to run under limits of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# What a test waits for at most: long enough for a machine that does much else.
PATIENCE_SECONDS = 60.0

_ROOT = str(Path(__file__).parents[1])


@cache
def can_unshare() -> bool:
    """Tell whether a process may have mounts and limits of its own."""
    try:
        return not subprocess.run(
            ["unshare", "-Urm", "true"], capture_output=True, check=False
        ).returncode
    except OSError:
        return False


@contextmanager
def peer(code: str, *arguments: object, setup: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run Python code, which the end of the block kills.

    Parameters
    ----------
    code : str
        The code; its arguments are in ``sys.argv[1:]``.
    *arguments : object
        As their ``str``.
    setup : str, optional
        Shell commands to run before, as the root of namespaces of their own: mounts and limits of
        the system that end with the process.
    """
    command = [sys.executable, "-c", code, *map(str, arguments)]
    if setup:
        line = f"set -e; {setup}; exec {shlex.join(command)}"
        command = ["unshare", "-Urm", "sh", "-c", line]
    environment = {**os.environ, "PYTHONPATH": _ROOT}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], line: str = "") -> None:
    """Give a peer a line to read."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    """Read a line that a peer has printed and flushed."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def run(code: str, *arguments: object, setup: str = "") -> str:
    """Run Python code to its end, which must be a good one; give what it printed."""
    with peer(code, *arguments, setup=setup) as process:
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    return output


def descriptors() -> list[str]:
    """List what this process has open."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    # That of the listing itself is gone by now.
    return sorted(os.readlink(link) for link in links if link.is_symlink())
