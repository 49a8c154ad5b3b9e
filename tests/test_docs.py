"""The documentation's examples run, and its pages have all that the package has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import session
import tsr
import tsr.testing
from tests.documents import ROOT, Block, blocks, check_console, check_python, link_clone

DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in DOCS.rglob("*.md")}

# What has to be installed for the examples of a page, where that is more than Python.
_NEEDS = re.compile(r"^needs: \[(.*)\]$", re.MULTILINE)

# Blocks that are there to be read: what a program prints, and how to install.
_READ_ONLY = {"text", "sh"}


def needs(page: str) -> list[str]:
    """Tell which programs a page says that its examples need."""
    found = _NEEDS.search(PAGES[page])
    return found[1].split(", ") if found else []


WITH_CODE = [
    page for page in sorted(PAGES) if {block.language for block in blocks(PAGES[page])} - _READ_ONLY
]


@pytest.mark.parametrize("page", WITH_CODE)
def test_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All examples of a page run in its order, in a folder of their own, and give what it shows."""
    for program in needs(page):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    link_clone(tmp_path, "tests", "tsr", "session", "spec")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TR_WORKSPACE", str(tmp_path / "workspace"))
    names: dict[str, object] = {}
    for block in blocks(PAGES[page]):
        if block.title is not None:
            Path(block.title).write_text(block.code)
        elif block.language not in _READ_ONLY:
            run(block, names, page)


def run(block: Block, names: dict[str, object], page: str) -> None:
    """Run an example that is no file."""
    if block.language == "python":
        check_python(block.code, names, page)
    elif block.language == "console":
        check_console(block.code)
    else:
        pytest.fail(f"nothing runs {block.language!r}; a title makes it a file for the commands")
