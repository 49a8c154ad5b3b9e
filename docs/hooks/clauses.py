"""The ids of clauses in a page -> links to the clauses, and below these links to their vectors."""

from __future__ import annotations

import re
from functools import cache

from docs.hooks.included import ROOT
from docs.hooks.prose import change_prose, relative
from docs.hooks.vectors import counts

__all__ = ["anchor_of", "ids", "link", "page_of"]

PAGES = {"V1": "spec/tsr-v1.md", "FILE": "spec/tsr-v1.md", "T4": "spec/tsr4.md"}
_ID = r"(?:V1|T4)-[A-Z0-9]+-\d|FILE-\d"
# Code and links are passed over, as long as the code is not an id and nothing else.
_PASSED = r"`(?!(?:" + _ID + r")`)[^`]*`|\[[^\]]*\]\([^)]*\)|^#.*$|<[^>]*>"
_TOKEN = re.compile(rf"{_PASSED}|(?<![\w`-])(`?)({_ID})\1(?![\w-])", re.MULTILINE)
_HEADING = re.compile(rf"^### ({_ID})$", re.MULTILINE)


@cache
def ids() -> tuple[str, ...]:
    """List the clauses of both documents, in their order."""
    documents = ("spec/tsr-v1.md", "spec/tsr4.md")
    return tuple(
        clause for path in documents for clause in _HEADING.findall((ROOT / path).read_text())
    )


def page_of(clause: str) -> str:
    """Name the page that a clause stands in."""
    return PAGES[clause.partition("-")[0]]


def anchor_of(clause: str) -> str:
    """Give the anchor of a clause in its page."""
    return clause.lower()


def link(text: str, page: str) -> str:
    """Make links of the ids of clauses in a page."""

    def token(found: re.Match[str]) -> str:
        clause = found[2]
        if clause not in ids():
            return found[0]
        home = "" if page == page_of(clause) else relative(page_of(clause), page)
        return f"[{found[1]}{clause}{found[1]}]({home}#{anchor_of(clause)})"

    text = change_prose(text, lambda prose: _TOKEN.sub(token, prose))
    return _HEADING.sub(_with_vectors, text) if page in PAGES.values() else text


def _with_vectors(heading: re.Match[str]) -> str:
    clause = heading[1]
    count = counts().get(clause)
    if not count:
        return heading[0]  # it is not about bytes
    page = f"vectors/{anchor_of(clause)}.md"
    return f"{heading[0]}\n\n[{count} vectors]({page}){{ .to-vectors }}"
