"""The C++ client of the session, built once for all tests, and a way to drive it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = [
    "EXAMPLES",
    "PATIENCE_MS",
    "ROOT",
    "SOURCES",
    "CppError",
    "CppSession",
    "a_client",
    "build_programs",
    "client_environment",
    "configure",
    "driver_of",
    "install",
    "make",
    "patient",
]

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "session" / "cpp"
EXAMPLES = SOURCES / "examples"

# What takes milliseconds may take this long on a machine that is busy with other things.
PATIENCE_MS = 120_000

# What is tested, in a project of its own. `recovery_hang` does not wait long for the answer that
# never comes.
_PROJECT = f"""\
cmake_minimum_required(VERSION 3.16)
project(tests LANGUAGES CXX)
set(TR_BUILD_PYTHON_SESSION ON CACHE BOOL "")
set(TR_BUILD_TESTS ON CACHE BOOL "")
set(TR_INSTALL ON CACHE BOOL "")
add_subdirectory("{SOURCES}" session)
file(GLOB programs examples/*.cpp)
foreach(program IN LISTS programs)
    get_filename_component(name "${{program}}" NAME_WE)
    add_executable(${{name}} "${{program}}")
    target_link_libraries(${{name}} PRIVATE tech_renaissance::tech_renaissance)
endforeach()
"""


def patient(source: str) -> str:
    """Give a program time: its time-outs were meant for a machine that does nothing else."""
    return re.sub(r"\b(5000|10000|3000)\b", str(PATIENCE_MS), source)


def client_environment(workspace: Path) -> dict[str, str]:
    """Make the environment of a client: it starts workers of this package, by this Python."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TR_PYTHON": sys.executable,
        "TR_WORKSPACE": str(workspace),
    }


# ---------------------------------------------------------------- building


def _run(*command: object) -> None:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def configure(sources: Path, build: Path, *options: str) -> None:
    """Configure a project; a warning is an error."""
    flags = "-O1 -Wall -Wextra -Wconversion -Werror"
    _run("cmake", "-S", sources, "-B", build, f"-DCMAKE_CXX_FLAGS={flags}", *options)


def make(build: Path, *options: str) -> None:
    """Build a project that is configured."""
    _run("cmake", "--build", build, "--parallel", os.cpu_count() or 1, *options)


def install(build: Path, prefix: Path) -> None:
    """Install what is built."""
    _run("cmake", "--install", build, "--prefix", prefix)


def build_programs(factory: pytest.TempPathFactory) -> Path:
    """Build the client, its driver, its unit tests and the patient examples, once in a test run.

    Returns
    -------
    Path
        The folder of the programs: that which TR_CPP_PROGRAMS names, if it does.
    """
    given = os.environ.get("TR_CPP_PROGRAMS")
    if given:  # built before, with sanitizers for example
        return Path(given)
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the other processes have theirs beside it
        shared = shared.parent
    project, build = shared / "session_cpp", shared / "session_cpp_build"
    project.mkdir(exist_ok=True)
    with open(project / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (project / "done").exists():
            examples = project / "examples"
            examples.mkdir(exist_ok=True)
            for example in EXAMPLES.glob("*.cpp"):
                (examples / example.name).write_text(patient(example.read_text()))
            recovery = (EXAMPLES / "recovery.cpp").read_text()
            hasty = recovery.replace("wait_for_tensor(5000)", "wait_for_tensor(500)", 1)
            (examples / "recovery_hang.cpp").write_text(patient(hasty))
            (project / "CMakeLists.txt").write_text(_PROJECT)
            configure(project, build)
            make(build)
            (project / "done").touch()
    return build


def driver_of(programs: Path) -> Path:
    """Find the program that `CppSession` drives."""
    return programs / "session" / "tests" / "session_driver"


# ---------------------------------------------------------------- driving


class CppError(Exception):
    """What a C++ client threw: its type's name is in `kind`."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {message}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _unescaped(line: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), line)


class CppSession:
    """A process that has one session; `tests/cpp/session/session_driver.cpp` lists its commands.

    Parameters
    ----------
    driver : Path
    workspace : Path
    script : path
    session_id : str
    prefix : tuple of str
        A command that runs the driver.
    stderr : int, optional
        Its descriptor; by default that of this process.
    """

    def __init__(
        self,
        driver: Path,
        workspace: Path,
        script: Path | str,
        session_id: str = "s",
        prefix: tuple[str, ...] = (),
        stderr: int | None = None,
    ) -> None:
        self.path = workspace / "python_session" / f"tr_session_{session_id}"
        self.process = subprocess.Popen(
            [*prefix, driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=client_environment(workspace), start_new_session=True, encoding="utf-8",
            errors="surrogatepass", stderr=stderr,
        )  # fmt: skip
        self("new", script, session_id, workspace)

    def __call__(self, command: str, *words: object) -> str:
        """Give a command; give its value, or raise `CppError`."""
        self.tell(command, *words)
        return self.hear()

    def tell(self, command: str, *words: object) -> None:
        """Give a command, and do not wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(_escaped(" ".join([command, *map(str, words)])) + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for the answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the client ended with {self.process.wait()}"
        kind, _, value = _unescaped(line.removesuffix("\n")).partition(" ")
        if kind == "error":
            raise CppError(*value.split(" ", 1))
        assert kind == "ok"
        return value

    def close(self) -> int:
        """Have the process end by the end of its input; give its status."""
        with self.process:
            pass
        return self.process.returncode


@contextmanager
def a_client(
    driver: Path,
    workspace: Path,
    script: Path | str,
    session_id: str = "s",
    prefix: tuple[str, ...] = (),
    stderr: int | None = None,
) -> Iterator[CppSession]:
    """Give a client, which has to end well."""
    client = CppSession(driver, workspace, script, session_id, prefix, stderr)
    try:
        yield client
    except BaseException:
        client.process.kill()
        client.close()
        raise
    assert client.close() in (0, -9)
