"""The page's builder: one file, no network, names that cannot break out, modules put together."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tests.vectors import Vectors, file_of
from tsr.diagnosis.clauses import clauses
from tsr.errors import FormatError, UnsupportedError
from tsr.layout import TSR4_ENTRY_SIZE, TSR4_HEADER_SIZE, V1_HEADER_SIZE
from tsr.page import build_page, write_page
from tsr.page.bundle import bundle
from tsr.page.tables import layout_tables

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "tsr" / "js").glob("*.mjs"), *(ROOT / "tsr" / "page").glob("*.mjs")])

V1 = Vectors("v1.json")
TINY = file_of(V1.by_id["fp32-rank2"])


def element(page: str, start: str) -> str:
    """Take what stands in the element that begins so."""
    (found,) = re.findall(f"{re.escape(start)}>(.*?)</", page, re.DOTALL)
    return str(found)


def data_of(page: str) -> Any:
    """Take the data that the page's script reads."""
    return json.loads(element(page, '<script type="application/json" id="data"'))


def test_files_are_carried() -> None:
    """A page carries its files' names, sizes and bytes, and what explains them."""
    dense = tsr.dumps(np.random.default_rng(1).standard_normal((8, 8)).astype(np.float32))
    zeros = tsr.dumps(np.zeros((32, 32), np.float32))
    page = build_page([dense, zeros], names=["one.tsr", "two.tsr"])
    data = data_of(page)
    assert data["files"] == [
        {"name": "one.tsr", "id": "bytes-0", "size": 320, "deflated": False},
        {"name": "two.tsr", "id": "bytes-1", "size": 4160, "deflated": True},
    ]
    carried = [
        base64.b64decode(element(page, f'<script type="application/octet-stream" id="bytes-{i}"'))
        for i in range(2)
    ]
    assert carried[0] == dense
    assert zlib.decompress(carried[1]) == zeros
    assert data["clauses"].keys() == clauses().keys()
    assert "<title>one.tsr, two.tsr · tsr</title>" in page


def test_paths_are_names(tmp_path: Path) -> None:
    """What is read from a path is called as the path is given."""
    path = tmp_path / "x.tsr"
    path.write_bytes(TINY)
    (file,) = data_of(build_page([path]))["files"]
    assert file["name"] == str(path)


def test_nothing_to_carry() -> None:
    """A page without files is a place to drop some."""
    page = build_page()
    assert data_of(page)["files"] == []
    assert "<title>tsr viewer</title>" in page


def test_names_cannot_break_out() -> None:
    """A name that looks like markup ends no element, and a title is escaped."""
    name = "</script><img src=x onerror=alert(1)>.tsr"
    page = build_page([TINY], names=[name], title=name)
    assert data_of(page)["files"][0]["name"] == name
    assert "<img" not in page
    assert html.escape(name) in page


def test_names_that_are_no_text() -> None:
    """A name with bytes that are no UTF-8 is carried, and the page is text all the same."""
    page = build_page([TINY], names=["a\udcff.tsr"])
    assert data_of(page)["files"][0]["name"] == "a\udcff.tsr"
    assert "<title>a?.tsr · tsr</title>" in page.encode().decode()


def test_policy_allows_only_what_is_there() -> None:
    """The policy names the page's script and style by their hashes, and no place to fetch from."""
    page = build_page([TINY])
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": digest(element(page, '<script type="module"')),
        "style-src": digest(element(page, "<style")),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    addresses = set(re.findall(r"https?://[^\s'\"<)]*", page))
    # The name of a vocabulary, and how a pointer of Git LFS begins.
    assert addresses == {"http://www.w3.org/2000/svg", "https://git-lfs"}


def digest(text: str) -> str:
    """Write the hash of a script or a style as a policy does."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_written_whole(tmp_path: Path) -> None:
    """The page is written as it is built, and a file that cannot be read leaves the old one."""
    out = tmp_path / "page.html"
    write_page(out, [TINY], names=["x.tsr"], title="x")
    written = out.read_bytes()
    assert written == build_page([TINY], names=["x.tsr"], title="x").encode()
    with pytest.raises(FileNotFoundError):
        write_page(out, [tmp_path / "missing.tsr"])
    with pytest.raises(FormatError, match="FILE-1"):
        write_page(out, [tmp_path])
    assert out.read_bytes() == written
    assert list(tmp_path.iterdir()) == [out]


def test_wrong_arguments() -> None:
    """A single file in place of a list, and names of other files, are errors that say so."""
    for single in ("x.tsr", Path("x.tsr"), TINY):
        with pytest.raises(UnsupportedError, match="expected a list of files"):
            build_page(single)  # type: ignore[arg-type] # what the test is about
    with pytest.raises(UnsupportedError, match="names: got 1, expected one for each of 2 files"):
        build_page([TINY, TINY], names=["x.tsr"])


def test_modules_write_no_markup() -> None:
    """Text from files can become no markup: nothing in the page takes any."""
    for path in MODULES:
        source = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", source)


def test_every_module_is_in_the_page() -> None:
    """No module of the package is left over."""
    script = bundle(ROOT / "tsr" / "page" / "app.mjs")
    assert set(re.findall(r"^const (\w+)_module = ", script, re.M)) == {p.stem for p in MODULES}


def write_modules(folder: Path, **modules: str) -> Path:
    """Write modules, the first of which imports the others."""
    for name, source in modules.items():
        (folder / f"{name}.mjs").write_text(source)
    return folder / f"{next(iter(modules))}.mjs"


def test_bundle(tmp_path: Path) -> None:
    """A module that several import is there once, before them, and its own names are its own."""
    entry = write_modules(
        tmp_path,
        app="import { two as second } from './a.mjs';\n"
        "import {\n  b,\n} from './b.mjs';\nsecond(b);\n",
        a="import { b } from './b.mjs';\nconst own = 1;\nexport function two() {\n  return b;\n}\n",
        b="export const b = 2;\nexport async function* c() {}\nexport class D {}\n",
    )
    assert bundle(entry) == (
        "const b_module = (() => {\nconst b = 2;\nasync function* c() {}\nclass D {}\n"
        "return {b, c, D};\n})();\n\n"
        "const a_module = (() => {\nconst { b } = b_module;\nconst own = 1;\n"
        "function two() {\n  return b;\n}\nreturn {two};\n})();\n\n"
        "const app_module = (() => {\nconst { two: second } = a_module;\n"
        "const {\n  b,\n} = b_module;\nsecond(b);\nreturn {};\n})();\n"
    )


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        pytest.param({"a": "export default 1;\n"}, "got 'export default 1;'", id="default"),
        pytest.param({"a": "import * as b from './b.mjs';\n"}, r"got \"import \* as", id="star"),
        pytest.param({"a": "export let b = 1;\n"}, "got 'export let b", id="let"),
        pytest.param({"a": "import { b } from 'b';\n"}, 'got "import { b } from', id="package"),
        pytest.param(
            {
                "a": "import { b } from './b.mjs';\n",
                "b": "import { a } from './a.mjs';\nexport const b = 1;\n",
            },
            "a.mjs: imports itself, by way of b.mjs",
            id="circle",
        ),
    ],
)
def test_bundle_refuses(modules: dict[str, str], message: str, tmp_path: Path) -> None:
    """What the bundler does not understand is an error, not a broken page."""
    with pytest.raises(ValueError, match=message):
        bundle(write_modules(tmp_path, **modules))


def test_bundle_refuses_equal_names(tmp_path: Path) -> None:
    """Two modules of one name would be one variable."""
    (tmp_path / "x").mkdir()
    entry = write_modules(tmp_path, app="import { a } from './x/app.mjs';\n")
    (tmp_path / "x" / "app.mjs").write_text("export const a = 1;\n")
    with pytest.raises(ValueError, match="another module has this name"):
        bundle(entry)


def test_tables_have_every_byte() -> None:
    """Fields follow each other without a gap, and their items fill them."""
    tables = layout_tables()
    for rows, size in (
        (tables["v1"]["header"], V1_HEADER_SIZE),
        (tables["tsr4"]["header"], TSR4_HEADER_SIZE),
        (tables["tsr4"]["entry"], TSR4_ENTRY_SIZE),
    ):
        ends = [row["offset"] + row["size"] for row in rows]
        assert [row["offset"] for row in rows] == [0, *ends[:-1]]
        assert ends[-1] == size
    sizes = {"uint8": 1, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8}
    for row in [*tables["v1"]["header"], *tables["tsr4"]["header"], *tables["tsr4"]["entry"]]:
        assert row["items"] * sizes.get(row["type"], row["size"]) == row["size"]


@pytest.mark.parametrize("document", ["tsr-v1.md", "tsr4.md"])
def test_clauses_of_fields_are_the_documents(document: str) -> None:
    """The clauses of a field are those that the specification reports with it."""
    text = (ROOT / "spec" / document).read_text()
    reported: dict[str, list[str]] = {}
    for clause, field in re.findall(r"^\| ((?:V1|T4)-\S+) +\| (\S+) ", text, re.MULTILINE):
        reported.setdefault(re.sub(r"(?<=[a-z])\[[ij]\]$", "", field), []).append(clause)
    tables = layout_tables()["v1" if document == "tsr-v1.md" else "tsr4"]
    for prefix, rows in (("", tables["header"]), ("entries[i].", tables.get("entry", ()))):
        for row in rows:
            assert list(row["clauses"]) == reported.get(prefix + row["name"], [])
