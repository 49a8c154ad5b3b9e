"""A C++ program that has ways to be measured: built, started, and asked for the time of each."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

__all__ = ["Program", "Way", "build", "build_session", "compiler"]

_ROOT = Path(__file__).parents[3]


def compiler() -> str:
    """Say which compiler it is, and its version."""
    command = [os.environ.get("CXX", "c++"), "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[0]


def build(source: str, folder: str, *options: str) -> str:
    """Compile a source of this folder, with ``CXX`` and ``CXXFLAGS``; the path of the program."""
    binary = f"{folder}/{Path(source).stem}"
    include = _ROOT / "tsr" / "include"
    flags = os.environ.get("CXXFLAGS", "-O2 -DNDEBUG").split()
    subprocess.run(
        [os.environ.get("CXX", "c++"), "-std=c++17", *flags, f"-I{include}",
         str(Path(__file__).with_name(source)), "-o", binary, *options],
        check=True,
    )  # fmt: skip
    return binary


def build_session(folder: str) -> list[str]:
    """Build the session's library there, and give what a program that uses it is compiled with."""
    source, target = _ROOT / "session", f"{folder}/session"
    commands = (
        ["cmake", "-S", str(source / "cpp"), "-B", target, "-DCMAKE_BUILD_TYPE=Release"],
        ["cmake", "--build", target, "--parallel"],
    )
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return [
        "-DTR_BUILD_PYTHON_SESSION", f"-I{source / 'include'}",
        f"{target}/libtech_renaissance.a", "-pthread",
    ]  # fmt: skip


class Program:
    """A running program that does what commands say and tells the time of it.

    Parameters
    ----------
    command : list of str
    environment : dict, optional
        By default that of this process.
    """

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def way(self, name: str) -> Way:
        """Give one of its ways, for the harness."""
        return Way(self, name)

    def time_of(self, name: str, count: int) -> float:
        """Have it go one of its ways so many times; how long that took, in seconds."""
        pipe, answers = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert answers is not None
        pipe.write(f"{name}\t{count}\n")
        pipe.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError(f"the program ended at {name!r}")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()


class Way:
    """A way that a program goes: what the harness calls `Elsewhere`."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self._name = name

    def __call__(self) -> object:
        """Go it once."""
        return self.time_of(1)

    def time_of(self, count: int) -> float:
        """Go it so many times and tell how long that took, in seconds."""
        return self._program.time_of(self._name, count)
