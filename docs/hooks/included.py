"""Directives in pages -> the text of the repository's own documents and sources.

``<!-- include PATH -->``, alone on a line, is the whole of a file: Markdown as it stands, other
files as blocks of code that bear their name. ``<!-- include PATH#ANCHOR -->`` is the text below a
heading of a Markdown file, to the next heading; ``table`` behind it takes only the tables there.
Links to files that have a page go to that page, and their names in backquotes become links.

`ValueError` is raised for a heading that is not there, and for a link to a file that has no page;
`OSError` for a file that is not there.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

from docs.hooks.prose import FENCED, change_prose, relative

__all__ = ["DIRECTIVE", "expand", "homes", "section"]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

DIRECTIVE = re.compile(r"^<!-- include ([^\s#]+)(?:#(\S+))?( table)? -->$", re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_NAME = re.compile(r"(?<!\[)`([\w./-]+\.\w+)`(?!\])")

_LANGUAGES = {
    ".cpp": "cpp", ".hpp": "cpp", ".c": "c", ".mjs": "js", ".py": "python", ".txt": "cmake",
    ".ksy": "yaml",
}  # fmt: skip


@cache
def homes() -> dict[str, str]:
    """Tell which page a file of the repository is, of those that are pages as a whole."""
    found: dict[str, str] = {}
    for page in sorted(DOCS.rglob("*.md")):
        for path, anchor, _ in DIRECTIVE.findall(page.read_text()):
            if path.endswith(".md") and not anchor:
                found.setdefault(path, page.relative_to(DOCS).as_posix())
    return found


def expand(text: str, page: str) -> str:
    """Put in the place of each directive of a page what it names."""
    return DIRECTIVE.sub(lambda found: _taken(found[1], found[2], bool(found[3]), page), text)


def _taken(path: str, anchor: str | None, tables: bool, page: str) -> str:
    text = (ROOT / path).read_text()
    if not path.endswith(".md"):
        return f'```{_LANGUAGES[Path(path).suffix]} title="{path}"\n{text}```'
    if anchor:
        text = section(text, anchor)
    if tables:
        text = "\n".join(_TABLE.findall(text))
    return change_prose(text, lambda prose: _linked(prose, path, page))


def section(text: str, anchor: str) -> str:
    """Take the text below the heading with an anchor, to the next heading of any level."""
    blocks = [found.span() for found in FENCED.finditer(text)]
    headings = [
        found
        for found in _HEADING.finditer(text)
        if not any(start <= found.start() < end for start, end in blocks)
    ]
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if _anchor(heading[2]) == anchor:
            return text[heading.end() : following.start() if following else None].strip() + "\n"
    raise ValueError(f"no heading {anchor!r} in what is included")


def _anchor(title: str) -> str:
    # As Markdown and GitHub make it.
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _linked(prose: str, path: str, page: str) -> str:
    def link(found: re.Match[str]) -> str:
        target = normpath(join(dirname(path), found[1]))
        own = target.removeprefix("docs/") if target.startswith("docs/") else homes().get(target)
        if own is None:
            raise ValueError(f"{path} links to {found[1]}, which has no page")
        return f"]({relative(own, page)}{found[2] or ''})"

    def name(found: re.Match[str]) -> str:
        home = homes().get(found[1])
        if home is None or home == page:
            return found[0]
        return f"[{found[0]}]({relative(home, page)})"

    return _NAME.sub(name, _LINK.sub(link, prose))
