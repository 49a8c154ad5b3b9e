"""The site of the documentation is built without a warning, and has what the sources have."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.documents import ROOT
from tests.vectors import Vectors, file_of
from tsr.cli.dispatch import COMMANDS
from tsr.diagnosis.clauses import clauses

pytest.importorskip("mkdocs", reason="mkdocs is not installed: the extra docs")

V1 = Vectors("v1.json")
TSR4 = Vectors("tsr4.json")

# Browsers take a moment for more, and nobody reads it.
PAGE_MAX = 1 << 20


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, with every warning an error; once for all workers of pytest-xdist."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with open(shared / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = shared / "site"
        if not target.exists():
            build(shared / "building")
            os.rename(shared / "building", target)
    return target


def build(target: Path) -> None:
    """Build the site into a folder, as the documents say it is built."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@cache
def ids_of(path: Path) -> frozenset[str]:
    """List the ids in a page."""
    return frozenset(map(unescape, re.findall(r'<[^>]*\sid="([^"]*)"', path.read_text())))


def test_every_link_leads_somewhere(site: Path) -> None:
    """Links within the site lead to files that exist, and to ids within them."""
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # it is shown for any address
            continue
        for target in set(re.findall(r'<a [^>]*?\bhref="(?!\w+:)([^"]*)"', page.read_text())):
            path, _, anchor = unescape(target).partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.is_file(), (page, target)
            assert not anchor or anchor in ids_of(linked), (page, target)


def test_nothing_is_fetched(site: Path) -> None:
    """Scripts, styles, images and fonts all come from the site itself."""
    for page in site.rglob("*.html"):
        sources = re.findall(r'<(?!a )\w+ [^>]*\b(?:src|href)="([^"]*)"', page.read_text())
        assert sources
        assert not [source for source in sources if re.match(r"(https?:)?//", source)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\"?(https?:)?//|@import", style.read_text()), style


def test_pages_are_of_a_size_to_read(site: Path) -> None:
    """No page is larger than a browser shows at once."""
    assert all(page.stat().st_size < PAGE_MAX for page in site.rglob("*.html"))


def test_every_clause_has_an_anchor(site: Path) -> None:
    """The place that `tsr.diagnosis.clauses` gives for a clause is there in the site."""
    for clause in clauses().values():
        path, anchor = clause.location.replace(".md", ".html").split("#")
        assert anchor in ids_of(site / path), clause.id


def test_every_vector_is_shown(site: Path) -> None:
    """Each vector has a hexdump, whose first bytes are its own and whose parts are all buttons."""
    shown = {}
    for page in (site / "spec" / "vectors").glob("*-*.html"):
        sections = re.split(r'<h2 id="([\w-]+)">', page.read_text())[1:]
        for name, text in zip(sections[::2], sections[1::2], strict=True):
            shown[page.name.startswith(("tsr4", "t4")), name] = text
    for vectors, is_tsr4 in ((V1, False), (TSR4, True)):
        for name, vector in vectors.by_id.items():
            text = shown.pop((is_tsr4, name)).partition("</figure>")[0]
            dump = re.sub(r"<[^>]*>", "", text[text.index("<pre") : text.index("</pre>")])
            first = file_of(vector)[:8]
            assert first.hex(" ") == dump[10 : 10 + 3 * len(first)].strip() or not first, name
            assert text.count("<button") == text.count("<th scope=row>"), name
            assert vector["valid"] or 'class="dump-said wrong"' in text, name
    assert not shown


def test_wrong_bytes_are_marked(site: Path) -> None:
    """The bytes of a field that breaks a clause are marked, and no others."""
    text = (site / "spec" / "tsr-v1.html").read_text()
    (dump,) = re.findall(r"<figure.*?aria-label=\"Bytes of total-wrap.*?</figure>", text, re.DOTALL)
    marked = re.findall(r'<(?:button type="button"|span) class="wrong"[^>]*>([^<]*)<', dump)
    assert marked == ["15 00 00 00 00 00 00 00", "........"]
    assert "total_elements at offset 40: got 21, expected" in dump


def test_fields_tell_what_they_are(site: Path, browser: Any) -> None:
    """Under the pointer and with the keyboard, a field shows its name, value and meaning."""
    from playwright.sync_api import expect

    page = browser.new_page()
    page.goto((site / "spec" / "tsr-v1.html").as_uri())
    valid, wrong = page.locator("figure.dump").first, page.locator("figure.dump").nth(3)
    valid.get_by_text("06 00 00 00 00 00 00 00").hover()
    said = valid.locator(".dump-said")
    expect(said).to_have_text("total_elements at offset 40, 8 bytes: 6 — 6 elements, 24 bytes")
    assert valid.locator(".shown").count() == 2  # the bytes and their ASCII
    first = valid.locator("button").first
    first.focus()
    expect(said).to_contain_text("magic at offset 0, 4 bytes: 54 53 52 21")
    first.press("ArrowRight")
    expect(said).to_contain_text("version at offset 4, 4 bytes: 1")
    wrong.locator("button.wrong").click()
    expect(wrong.locator(".dump-said")).to_contain_text("[V1-TOTAL-1]")
    expect(wrong.locator(".dump-said")).to_contain_text("21 elements, 21 bytes")
    page.close()


def test_every_command_has_its_help(site: Path) -> None:
    """The page of the commands has the help of each, as the parsers give it."""
    text = unescape((site / "reference" / "command-line.html").read_text())
    for name in COMMANDS:
        assert f"usage: tsr {name} " in text
    for name in ("run", "ls", "clean"):
        assert f"usage: tsr session {name} " in text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param("project/changelog.html", "Semantic Versioning", id="changelog"),
        pytest.param("project/security.html", "data from a stranger", id="security"),
        pytest.param("project/contributing.html", "Where things are", id="contributing"),
        pytest.param("figures/codec.html", "read many files", id="figures"),
        pytest.param("figures/fuzzing.html", "round_trip_tsr4", id="fuzzing"),
        pytest.param("limits.html", "SIGBUS", id="limits"),
    ],
)
def test_documents_are_taken_in(site: Path, page: str, text: str) -> None:
    """What stands in the repository's own documents stands in the site."""
    assert text in unescape((site / page).read_text())
