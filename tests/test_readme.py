"""The README's examples run, and print what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tsr

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Take the code blocks of a language out of the README."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory in which the repository's data is where the README finds it."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_examples(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every Python example runs, in order, and prints what its comments say."""
    names: dict[str, object] = {}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - the README is ours
        said = [line.split("#", 1)[1].strip() for line in code.splitlines() if "print(" in line]
        assert capsys.readouterr().out.splitlines() == said
    assert sorted(path.name for path in clone.iterdir()) == ["many.tsr", "tests", "x.npy", "x.tsr"]


def check_console(shell: str) -> None:
    """Run the commands of a console, and compare what they print with what is shown below them."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for example in re.split(r"^\$ ", shell, flags=re.MULTILINE)[1:]:
        command, _, expected = example.partition("\n")
        done = subprocess.run(
            ["bash", "-c", command],
            capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False,
        )  # fmt: skip
        assert done.stdout + done.stderr == expected, command


def test_shell_examples(clone: Path) -> None:
    """Every command of the shell examples prints what the README shows below it."""
    shell, _ = blocks("console")
    check_console(shell)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_cpp_example(clone: Path) -> None:
    """The C++ example is the one of the example projects, and does what the README shows."""
    code, _ = blocks("cpp")
    assert code == (ROOT / "tests" / "cpp" / "examples" / "embed.cpp").read_text()
    assert code.count("\n") <= 20
    (clone / "embed.cpp").write_text(code)
    tsr.save("x.tsr", np.arange(6, dtype=np.float32).reshape(2, 3))
    _, shell = blocks("console")
    check_console(shell)


def test_cpp_session_example() -> None:
    """The session's C++ example is one of its programs, which `tests/test_session_cpp.py` runs."""
    _, code = blocks("cpp")
    assert code == (ROOT / "session" / "cpp" / "examples" / "default_worker.cpp").read_text()


def test_the_two_commands() -> None:
    """The commands that a fresh clone needs are there, where `.ci/run` finds them."""
    ci = (ROOT / ".ci" / "run").read_text()
    for name in ("try", "test"):
        assert re.search(rf"^<!-- {name} -->\n```sh\n", README, re.MULTILINE)
        assert f"command_of {name}" in ci


def test_files_that_are_named_exist() -> None:
    """Every path that the README names in backquotes is in the repository."""
    for path in re.findall(r"`((?:spec|tests|tsr)/[\w./-]+)`", README):
        assert (ROOT / path).exists(), path


def test_layout_diagram() -> None:
    """The offsets in the diagram are those of the layout."""
    from tsr.layout import V1_OFFSETS

    (diagram,) = blocks("text")
    offsets = [int(number) for number in diagram.splitlines()[0].split()]
    assert offsets == sorted(set(V1_OFFSETS.values()) - {V1_OFFSETS["reserved_3"]})
