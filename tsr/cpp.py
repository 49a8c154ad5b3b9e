"""Where a C++ build finds the codec as a header: paths of what ships beside this module.

Nothing goes in; `FileNotFoundError` is raised where the header or its CMake package is not there,
as in an installation that was stripped of it or is a zip archive.
"""

from __future__ import annotations

import errno
import os

__all__ = ["get_cmake_dir", "get_include"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def get_include() -> str:
    """Tell the directory that a compiler needs for ``#include <tsr/tsr.hpp>``.

    Returns
    -------
    str
        An absolute path, for ``-I``.

    Raises
    ------
    FileNotFoundError
        The header is not there.
    """
    return _directory("include", holding=os.path.join("tsr", "tsr.hpp"))


def get_cmake_dir() -> str:
    """Tell the directory of the CMake package, for ``find_package(tsr CONFIG)``.

    Returns
    -------
    str
        An absolute path, for ``-Dtsr_DIR=``.

    Raises
    ------
    FileNotFoundError
        The package is not there.
    """
    return _directory("share", "cmake", "tsr", holding="tsrConfig.cmake")


def _directory(*parts: str, holding: str) -> str:
    directory = os.path.join(_PACKAGE, *parts)
    needed = os.path.join(directory, holding)
    if not os.path.isfile(needed):
        raise FileNotFoundError(errno.ENOENT, "not part of this installation of tsr-codec", needed)
    return directory
