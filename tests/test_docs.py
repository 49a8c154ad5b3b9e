"""The documentation's examples run, and its pages have all that the package has."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import dask.array
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import session
import tsr
import tsr.converters
import tsr.dask
import tsr.testing
import tsr.torch
import tsr.xarray
from spec.conformance import kaitai
from tests.documents import ROOT, Block, blocks, check_console, check_python, link_clone
from tsr.cli import dispatch
from tsr.cli.report import INVALID, SYSTEM

DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in DOCS.rglob("*.md")}

# What has to be installed for the examples of a page, where that is more than Python.
_NEEDS = re.compile(r"^needs: \[(.*)\]$", re.MULTILINE)

# Blocks that are there to be read: what a program prints, and how to install. Pages of the web run
# in a browser, by a test of their own.
_READ_ONLY = {"text", "sh", "html"}

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

WITH_CODE = [
    page for page in sorted(PAGES) if {block.language for block in blocks(PAGES[page])} - _READ_ONLY
]


def missing(page: str) -> list[str]:
    """Tell which of the programs are not there that a page says its examples need."""
    found = _NEEDS.search(PAGES[page])
    names = found[1].split(", ") if found else []
    reasons = [f"{name} is not installed" for name in names if not shutil.which(name)]
    if "kaitai" in names:
        reasons = [kaitai.unavailable()]
    return list(filter(None, reasons))


@pytest.mark.parametrize("page", WITH_CODE)
def test_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All examples of a page run in its order, in a folder of their own, and give what it shows."""
    for reason in missing(page):
        pytest.skip(reason)
    link_clone(tmp_path, "tests", "tsr", "session", "spec")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TR_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("NODE_PATH", os.pathsep.join(map(str, kaitai.node_modules())))
    names: dict[str, object] = {"__name__": "__main__"}
    listed = blocks(PAGES[page])
    for index, block in enumerate(listed):
        if block.title is not None:
            later = [other.code for other in listed[index + 1 :]]
            assert any(block.title in code for code in later), f"nothing uses {block.title}"
            Path(block.title).write_text(block.code)
        elif block.language not in _READ_ONLY:
            run(block, names, page)


def run(block: Block, names: dict[str, object], page: str) -> None:
    """Run an example that is no file."""
    if block.language == "python":
        check_python(block.code, names, page)
    elif block.language == "console":
        check_console(block.code)
    elif block.language == "js":
        check_javascript(block.code)
    elif block.language == "cpp":
        check_cpp(block.code)
    else:
        pytest.fail(f"nothing runs {block.language!r}; a title makes it a file for the commands")


def check_javascript(code: str) -> None:
    """Run a module, and compare what it logs with what its comments say."""
    Path("example.mjs").write_text(code)
    done = subprocess.run(
        ["node", "example.mjs"], capture_output=True, text=True, timeout=60, check=False
    )
    said = [line.split("//", 1)[1].strip() for line in code.splitlines() if "console.log" in line]
    assert (done.stdout.splitlines(), done.stderr) == (said, "")


def check_cpp(code: str) -> None:
    """Compile a part of a program, without a warning."""
    folders = [f"-I{ROOT / folder}" for folder in ("tsr/include", "session/include")]
    done = subprocess.run(
        ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", *folders, "-x", "c++", "-"],
        input=code, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_page_of_the_web(tmp_path: Path) -> None:
    """The page that reads a file in a browser shows what is in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    [page] = blocks(PAGES["how-to/embed-javascript.md"], "html")
    for module in (ROOT / "tsr" / "js").glob("*.mjs"):
        (tmp_path / module.name).symlink_to(module)
    (tmp_path / "index.html").write_text(page.code)
    tsr.save(tmp_path / "x.tsr", np.array([[1, 2], [3, 4]], dtype=np.int8))
    with serving(tmp_path) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page()
        shown.goto(address)
        shown.locator("#file").set_input_files(tmp_path / "x.tsr")
        sync_api.expect(shown.locator("#said")).to_have_text("int8 2,2\n1,2,3,4")
        browser.close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder, and give the address."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            self.extensions_map = {".html": "text/html", ".mjs": "text/javascript"}
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_installing() -> None:
    """What is to be read and not run installs extras that exist, or is in the README too."""
    project = (ROOT / "pyproject.toml").read_text()
    readme = (ROOT / "README.md").read_text()
    for page, text in PAGES.items():
        for block in blocks(text, "sh"):
            for extras in re.findall(r"\[([a-z,]+)\]", block.code):
                for extra in extras.split(","):
                    assert re.search(rf"^{extra} = \[", project, re.MULTILINE), (page, extra)
            commands = re.findall(r"\S*\b(?:tsr|cmake|pytest) .*", block.code)
            assert all(command in readme for command in commands), page


def documented() -> list[str]:
    """List what the reference has, by their names."""
    text = "".join(text for page, text in PAGES.items() if page.startswith("reference/"))
    return re.findall(r"^::: (\S+)$", text, re.MULTILINE)


def test_every_public_name_has_its_place() -> None:
    """The reference has all that is public, once; what else it has is what these give out."""
    public = {f"tsr.{name}" for name in tsr.__all__ if name not in ("dask", "torch")}
    for module in (session, tsr.testing, tsr.torch, tsr.dask, tsr.xarray, tsr.converters):
        public |= {f"{module.__name__}.{name}" for name in module.__all__}
    public.remove("tsr.converters.convert")  # it is tsr.convert
    names = documented()
    assert len(names) == len(set(names))
    assert public <= set(names)
    for name in set(names) - public:
        module_name, _, attribute = name.rpartition(".")
        assert attribute in import_module(module_name).__all__, name


# What works in a worker only: how-to/session.md has a worker that does the same.
_IN_A_WORKER = "session.TechRenaissanceServer"


def test_examples_of_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples in docstrings run, where there are the files that they speak of."""
    tensor = np.arange(4, dtype=np.float32).reshape(2, 2)
    names = {"np": np, "tsr": tsr, "PythonSession": session.PythonSession}
    names |= dict.fromkeys(("a", "b", "weight", "bias"), tensor) | {"layers": [tensor]}
    names["x"] = dask.array.from_array(tensor)  # type: ignore[no-untyped-call]
    finder, checker = doctest.DocTestFinder(recurse=False), doctest.OutputChecker()
    ran = 0
    for name in documented():
        module, _, attribute = name.rpartition(".")
        if module == "tsr.testing" or name == _IN_A_WORKER:  # tests/test_testing.py has those
            continue
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        prepare_files(name, tensor)
        found = getattr(import_module(module), attribute)
        for example in [each for test in finder.find(found, name) for each in test.examples]:
            with redirect_stdout(StringIO()) as printed:
                exec(compile(example.source, name, "single"), names)  # noqa: S102 - ours
            if example.want:
                assert checker.check_output(example.want, printed.getvalue(), 0), example.source
            ran += 1
    assert ran > 20


def prepare_files(name: str, tensor: NDArray[Any]) -> None:
    """Make the files that the examples of a function speak of."""
    if name == "tsr.open":
        tsr.save("model.tsr", [tensor], format="tsr4")
    for folder in {"tsr.dask.from_files": ("images", "parts"), "tsr.scanning.Table": ("runs",)}.get(
        name, ()
    ):
        os.mkdir(folder)
        tsr.save(f"{folder}/x.tsr", tensor)
    if name not in ("tsr.convert", "tsr.compare"):
        return
    os.mkdir("arrays")
    for path in ("x.npy", "b.npy", "arrays/y.npy"):
        np.save(path, tensor)
    tsr.save("a.tsr", tensor)
    tsr.torch.save("arrays/z.tsr", torch.from_numpy(tensor))
    torch.save({"weight": torch.from_numpy(tensor)}, "model.pt")
    if name == "tsr.compare":
        tsr.convert("model.pt", "model/")


def test_exit_codes() -> None:
    """The exit codes that the reference lists are those of the commands."""
    listed = re.findall(r"^\| (\d+) \|", PAGES["reference/command-line.md"], re.MULTILINE)
    known = {dispatch.INTERRUPTED, dispatch.PIPE_CLOSED, dispatch.TERMINATED, INVALID, SYSTEM}
    assert sorted(map(int, listed)) == sorted({0, *known})
