"""A folder -> everything in it and the folders in it.

No symbolic link to a folder is ever followed: it is given as the entry that it is. Raises
`OSError` for a folder that cannot be read and `ConversionError` for one that nests too deeply.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tsr.converters.tree import DEPTH_MAX
from tsr.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsr.errors import TSRError

__all__ = ["walk"]


def walk(
    path: str, report: Callable[[str, TSRError | OSError], object] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Give each folder with the names of the folders and of the other things in it.

    Parameters
    ----------
    path : str
        The first folder. Names that the caller removes from the list of folders are left out.
    report : callable, optional
        Told the path and the error of what cannot be walked, in place of raising it.
    """

    def fail(error: TSRError | OSError, where: str) -> None:
        if report is None:
            raise error
        report(where, error)

    outer = path.rstrip(os.sep).count(os.sep)
    walked = os.walk(path, onerror=lambda error: fail(error, str(error.filename or path)))
    for folder, folders, names in walked:
        if folder.count(os.sep) - outer > DEPTH_MAX:
            folders.clear()
            fail(ConversionError(f"nested deeper than {DEPTH_MAX}", path=folder), folder)
            continue
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [name for name in folders if name not in links]
        yield folder, folders, names + links
