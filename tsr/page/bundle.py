"""ES modules that import each other -> one script, for a page that is a single file.

Each module becomes a function that runs once and gives what it exports, so that names in one are
not seen in another. Only what our own modules use is understood: named imports at the beginning of
a line, and `export` before a declaration. Raises `ValueError` for anything else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bundle"]

_IMPORT = re.compile(r"^import \{([^}]*)\} from '(\.[^']*)';$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle(entry: Path) -> str:
    """Put a module and all that it imports, from files beside it or near, into one script."""
    scripts: dict[Path, str] = {}
    _add(entry.resolve(), scripts, ())
    return "\n".join(scripts.values())


def _add(path: Path, scripts: dict[Path, str], importers: tuple[Path, ...]) -> None:
    if path in importers:
        raise ValueError(f"{path.name}: imports itself, by way of {importers[-1].name}")
    if path in scripts:
        return
    source = path.read_text(encoding="utf-8")
    head = []
    for names, target in _IMPORT.findall(source):
        imported = (path.parent / target).resolve()
        _add(imported, scripts, (*importers, path))
        head.append(f"const {{{names.replace(' as ', ': ')}}} = {_variable(imported)};")
    exported = ", ".join(_EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub("", source)).strip()
    other = _OTHER.search(body)
    if other is not None:
        raise ValueError(f"{path.name}: got {other[0]!r}, expected named imports or exports")
    if any(_variable(path) == _variable(there) for there in scripts):
        raise ValueError(f"{path.name}: another module has this name, too")
    parts = [
        f"const {_variable(path)} = (() => {{",
        *head,
        body,
        f"return {{{exported}}};",
        "})();",
    ]
    scripts[path] = "\n".join(parts) + "\n"


def _variable(path: Path) -> str:
    return f"{path.stem}_module"
