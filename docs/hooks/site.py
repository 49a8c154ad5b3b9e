"""What mkdocs calls while it builds the site; the modules beside it do the work.

Pages of ``docs`` come in and go out with what they include from the repository, with links to the
clauses, with the help of the commands and with the hexdumps of vectors. The pages of
the vectors are made here, and stand in the navigation where ``mkdocs.yml`` leaves a place for them.
Raises `PluginError`, which mkdocs shows, for a directive that names nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

# The documented package is the one beside this folder, whatever is installed.
ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from docs.hooks import clauses, commands, dumps, example, included, vector_pages  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

__all__ = ["on_config", "on_files", "on_page_markdown", "on_post_page"]

# The entry of the navigation that is filled here.
VECTORS = "Test vectors"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the vectors into the navigation."""
    _fill(config.nav or [])
    return config


def _fill(entries: list[Any]) -> None:
    # An entry is a path, or a title with a path or a list of entries.
    for entry in entries:
        for title, below in entry.items() if isinstance(entry, dict) else ():
            if title == VECTORS:
                entry[title] = vector_pages.navigation()
            elif isinstance(below, list):
                _fill(below)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the vectors, and the example of a page for the browser."""
    for path, text in vector_pages.pages():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, example.PAGE, content=example.example()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Take in what a page includes, and make links of the ids of clauses."""
    uri = page.file.src_uri
    try:
        text = included.expand(markdown, uri)
        text = commands.expand(text)
        text = vector_pages.expand(text)
        text = dumps.placeholders(text, uri)
        return clauses.link(text, uri)
    except (ValueError, OSError) as error:
        raise PluginError(f"{uri}: {error}") from error


def on_post_page(output: str, **_: Any) -> str:
    """Put the hexdumps where their places are: no Markdown and no index has to read them."""
    return dumps.fill(output)
