"""Files -> the page: what it carries, put into its template.

Scripts, styles and data are all in the page, and its policy forbids every request. Files that fit
are carried whole, others reduced: see `tsr.page.payloads`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from tsr.atomic import AtomicFile
from tsr.contents import read_all
from tsr.diagnosis.clauses import clauses
from tsr.errors import UnsupportedError
from tsr.page.bundle import bundle
from tsr.page.payloads import Payloads, reduced_record
from tsr.page.tables import layout_tables
from tsr.source import is_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsr.source import Source

__all__ = ["EMBED_MAX", "build_page", "write_page"]

# The bytes of files that a page carries: as base64 they are 4/3 as many, which browsers still take
# in a second or two.
EMBED_MAX = 32 << 20

_HERE = Path(__file__).parent


def build_page(
    files: Iterable[Source] = (),
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    limit: int = EMBED_MAX,
) -> str:
    """Make a page that shows files, valid ones or not, and that further ones can be dropped onto.

    Parameters
    ----------
    files : iterable of paths, file objects or bytes-like
        None is as well: the page then waits for files to be dropped.
    names : sequence of str, optional
        What the page calls them; by default their paths as they are given.
    title : str, optional
        The title of the page.
    limit : int
        The bytes that are carried whole, of all files together. Of a file that does not fit the
        page has samples and statistics, and says so.

    Returns
    -------
    str
        One HTML document, which needs nothing else.

    Raises
    ------
    OSError
        A file cannot be read.
    FormatError
        A path leads to something else than a regular file.
    UnsupportedError
        `files` is a single file, or there are more or fewer `names`.
    """
    sources = _sources(files, names)
    carried: list[dict[str, Any]] = []
    payloads = Payloads()
    left = limit
    for index, source in enumerate(sources):
        data, _, path = read_all(source, strict=True)
        name = names[index] if names is not None else path or f"file {index + 1}"
        is_whole = len(data) <= left
        left -= len(data) if is_whole else 0
        record = payloads.add(data) if is_whole else reduced_record(data, path, payloads)
        carried.append({"name": name, **record})
    data_text = json.dumps(
        {"files": carried, "tables": layout_tables(), "clauses": _clauses()}, ensure_ascii=True
    )
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = bundle(_HERE / "app.mjs")
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(script, style),
        version=_version(),
        title=_escaped(title if title is not None else _title(carried)),
        style=_inline(style),
        data=data_text.replace("<", "\\u003c"),  # so that no name in it ends the element
        payloads="\n".join(payloads.elements),
        script=_inline(script),
    )


def write_page(
    path: str | os.PathLike[str],
    files: Iterable[Source] = (),
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    limit: int = EMBED_MAX,
) -> None:
    """Write the page that `build_page` makes to a file, which is whole or absent.

    Raises
    ------
    OSError
        A file cannot be read, or the page not written.
    FormatError
        A path leads to something else than a regular file.
    UnsupportedError
        As for `build_page`.
    """
    page = build_page(files, names=names, title=title, limit=limit).encode()
    with AtomicFile(os.fsdecode(path), size=len(page)) as out:
        out.write(page)


def _sources(files: Iterable[Source], names: Sequence[str] | None) -> list[Source]:
    if is_path(files) or isinstance(files, (bytes, bytearray, memoryview)):
        raise UnsupportedError(f"files: got {type(files).__name__}, expected a list of files")
    sources = list(files)
    if names is not None and len(names) != len(sources):
        raise UnsupportedError(
            f"names: got {len(names)}, expected one for each of {len(sources)} files", given=names
        )
    return sources


def _clauses() -> dict[str, Any]:
    # As clauses.json has them: a clause is a named tuple, which JSON would take for a list.
    return {
        name: {"sentence": rule.sentence, "mend": rule.mend} for name, rule in clauses().items()
    }


def _policy(script: str, style: str) -> str:
    # The page may run its own script, use its own style, and fetch nothing at all.
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _inline(text: str) -> str:
    if "</" in text:
        raise ValueError("a script or style of the page holds '</', which could end its element")
    return text


def _title(carried: Sequence[dict[str, Any]]) -> str:
    if not carried:
        return "tsr viewer"
    shown = [Path(record["name"]).name for record in carried[:3]]
    return ", ".join(shown) + (" …" if len(carried) > 3 else "") + " · tsr"


def _escaped(text: str) -> str:
    # A file's name can have bytes that are no UTF-8, which no page can have.
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _version() -> str:
    try:
        return version("tsr-codec")
    except PackageNotFoundError:  # the sources, not installed
        return "unknown"
