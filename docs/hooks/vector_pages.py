"""The test vectors -> a page for the valid ones of each format, and one for each clause."""

from __future__ import annotations

from collections import Counter
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from docs.hooks.clauses import anchor_of, page_of
from docs.hooks.dumps import directive
from docs.hooks.vectors import DOCUMENTS, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docs.hooks.vectors import Vector

__all__ = ["counts", "navigation", "pages"]

FOLDER = "spec/vectors"


@cache
def counts() -> dict[str, int]:
    """Count the vectors that report each clause."""
    return dict(
        Counter(
            vector["clause"]
            for format in DOCUMENTS
            for vector in document(format)["vectors"]
            if not vector["valid"]
        )
    )


@cache
def _groups() -> dict[str, dict[str, list[Vector]]]:
    # For each format and name of a page the vectors there, in the order of the document.
    groups: dict[str, dict[str, list[Vector]]] = {}
    for format in DOCUMENTS:
        names = groups[format] = {}
        for vector in document(format)["vectors"]:
            names.setdefault(_group(format, vector), []).append(vector)
    return groups


def _group(format: str, vector: Vector) -> str:
    if not vector["valid"]:
        return str(vector["clause"])
    return f"Valid, {vector['mode'].upper()}" if format == "tsr4" else "Valid"


def _path(format: str, name: str) -> str:
    slug = name.lower().replace(", ", "-")
    return f"{FOLDER}/{f'{format}-{slug}' if name.startswith('Valid') else slug}.md"


def navigation() -> list[Any]:
    """Give the entries of the pages in the navigation."""
    listed = [f"{FOLDER}/index.md"]
    return [
        *listed,
        *(
            {title: [{name: _path(format, name)} for name in _groups()[format]]}
            for format, title in DOCUMENTS.items()
        ),
    ]


def pages() -> Iterator[tuple[str, str]]:
    """Make the pages: for each its path and its Markdown."""
    for format, names in _groups().items():
        for name, vectors in names.items():
            yield _path(format, name), _page(format, name, vectors)


def _page(format: str, name: str, vectors: list[Vector]) -> str:
    # The search finds a page by what it is about, not each of its vectors.
    lines = [
        "---",
        f"title: {name}",
        "search: {boost: 0.5}",
        "---",
        "",
        f"# {_title(format, name)}",
    ]
    if not name.startswith("Valid"):
        lines += ["", f"[{name}](../{page_of(name).split('/')[1]}#{anchor_of(name)})"]
    for vector in vectors:
        lines += ["", *_described(format, vector)]
    return "\n".join([*lines, ""])


def _title(format: str, name: str) -> str:
    if name.startswith("Valid"):
        return f"Valid files of {DOCUMENTS[format]}{name.removeprefix('Valid')}"
    return f"Files that break {name}"


def _described(format: str, vector: Vector) -> list[str]:
    flags = document(format)["flags"]
    kinds = " ".join(
        f'<span class="flag" title="{escape(flags[flag])}">{escape(flag)}</span>'
        for flag in vector["flags"]
    )
    comment = escape(vector["comment"]).replace("*", r"\*").replace("_", r"\_").replace("[", r"\[")
    said = [f"## {vector['id']}", "", f"{comment}. {kinds}"]
    return [*said, "", directive(format, vector["id"])]
