"""The README's examples run, and print what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import tsr
from tests.documents import ROOT, blocks, check_console, check_python, link_clone

README = (ROOT / "README.md").read_text()


def code_of(language: str) -> list[str]:
    """Take the code of a language out of the README."""
    return [block.code for block in blocks(README, language)]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory in which the repository's data is where the README finds it."""
    link_clone(tmp_path, "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_examples(clone: Path) -> None:
    """Every Python example runs, in order, and prints what its comments say."""
    names: dict[str, object] = {}
    for code in code_of("python"):
        check_python(code, names, "README.md")
    assert sorted(path.name for path in clone.iterdir()) == ["many.tsr", "tests", "x.npy", "x.tsr"]


def test_shell_examples(clone: Path) -> None:
    """Every command of the shell examples prints what the README shows below it."""
    for shell in code_of("console")[:2]:
        check_console(shell)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_cpp_example(clone: Path) -> None:
    """The C++ example is the one of the example projects, and does what the README shows."""
    code, _ = code_of("cpp")
    assert code == (ROOT / "tests" / "cpp" / "examples" / "embed.cpp").read_text()
    assert code.count("\n") <= 20
    (clone / "embed.cpp").write_text(code)
    tsr.save("x.tsr", np.arange(6, dtype=np.float32).reshape(2, 3))
    check_console(code_of("console")[2])


def test_cpp_session_example() -> None:
    """The session's C++ example is one of its programs, which `tests/test_session_cpp.py` runs."""
    _, code = code_of("cpp")
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

    (diagram,) = code_of("text")
    offsets = [int(number) for number in diagram.splitlines()[0].split()]
    assert offsets == sorted(set(V1_OFFSETS.values()) - {V1_OFFSETS["reserved_3"]})
