"""The test vectors -> a page for the valid ones of each format, and one for each clause."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from docs.hooks.clauses import anchor_of, page_of
from docs.hooks.dumps import directive
from docs.hooks.prose import relative
from docs.hooks.vectors import DOCUMENTS, document
from tsr.diagnosis.clauses import clause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docs.hooks.vectors import Vector

__all__ = ["expand", "navigation", "pages"]

DIRECTIVE = "<!-- vector pages -->"
FOLDER = "spec/vectors"


@cache
def _groups() -> dict[str, dict[str, list[Vector]]]:
    # For each format and name of a page the vectors there; clauses as the specification has them.
    groups: dict[str, dict[str, list[Vector]]] = {}
    for format in DOCUMENTS:
        found: dict[str, list[Vector]] = {}
        for vector in document(format)["vectors"]:
            found.setdefault(_group(format, vector), []).append(vector)
        valid = [name for name in found if name.startswith("Valid")]
        groups[format] = {name: found[name] for name in (*valid, *document(format)["clauses"])}
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


def expand(text: str) -> str:
    """Put a table of the pages in the place of the directive."""
    return text.replace(DIRECTIVE, "\n".join(_table())) if DIRECTIVE in text else text


def _table() -> Iterator[str]:
    yield "| format | vectors | how many |"
    yield "|---|---|--:|"
    for format, names in _groups().items():
        for name, vectors in names.items():
            place = relative(_path(format, name), f"{FOLDER}/index.md")
            yield f"| {DOCUMENTS[format]} | [{name}]({place}) | {len(vectors)} |"


def pages() -> Iterator[tuple[str, str]]:
    """Make the pages: for each its path and its Markdown."""
    for format, names in _groups().items():
        for name, vectors in names.items():
            yield _path(format, name), _page(format, name, vectors)


def _page(format: str, name: str, vectors: list[Vector]) -> str:
    # The search finds what a page is about before it finds its vectors.
    lines = ["---", f"title: {name}", "search: {boost: 0.5}", "---", ""]
    lines += [f"# {_title(format, name)}", "", *_introduced(name)]
    for vector in vectors:
        lines += ["", *_described(format, vector)]
    return "\n".join([*lines, ""])


def _title(format: str, name: str) -> str:
    if name.startswith("Valid"):
        return f"Valid files of {DOCUMENTS[format]}{name.removeprefix('Valid')}"
    return f"Files that break {name}"


def _introduced(name: str) -> list[str]:
    if name.startswith("Valid"):
        return []
    demanded = clause(name)
    place = relative(page_of(name), f"{FOLDER}/index.md")
    return [
        f"[{name}]({place}#{anchor_of(name)}): {_plain(demanded.sentence)}",
        "",
        f"What mends such a file: {_plain(demanded.mend)}",
    ]


def _described(format: str, vector: Vector) -> list[str]:
    flags = document(format)["flags"]
    kinds = " ".join(
        f'<span class="flag" title="{escape(flags[flag])}">{escape(flag)}</span>'
        for flag in vector["flags"]
    )
    return [
        f"## {vector['id']}",
        "",
        f"{_plain(vector['comment'])} {kinds}",
        "",
        _held(vector) if vector["valid"] else _reported(vector),
        "",
        directive(format, vector["id"]),
    ]


def _held(vector: Vector) -> str:
    tensors = vector.get("tensors", [vector])
    held = ", ".join(f"{tensor['dtype']} `{tuple(tensor['shape'])}`" for tensor in tensors)
    return f"Valid: {held}."


def _reported(vector: Vector) -> str:
    lenient = "accepts it" if vector["lenient"] else "refuses it as well"
    if "lenient_error" in vector:
        lenient = f"reports {vector['lenient_error']['clause']}"
    return f"Invalid: `{vector['field']}` at offset {vector['offset']}. Lenient reading {lenient}."


def _plain(text: str) -> str:
    # As it stands, whatever of it is a mark of Markdown.
    return re.sub(r"([*_`\[\]])", r"\\\1", escape(text, quote=False))
