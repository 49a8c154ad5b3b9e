"""The names under which the Tech Renaissance framework knows this package, and nothing else.

Example
-------
>>> from tech_renaissance import export_tsr, import_tsr
>>> export_tsr(torch.eye(3), "eye.tsr")
>>> import_tsr("eye.tsr")
"""

from __future__ import annotations

import sys

from tsr.errors import TSRError

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    import os
    from typing import Any

    import torch

    from session import PythonSession, TechRenaissanceServer
    from tsr.buffers import ArrayObject

__all__ = ["PythonSession", "TSRError", "TechRenaissanceServer", "export_tsr", "import_tsr"]


def export_tsr(tensor: torch.Tensor | ArrayObject, filename: str | os.PathLike[str]) -> None:
    """Write a torch tensor or numpy array as a TSR v1 file.

    Parameters
    ----------
    tensor : torch.Tensor or ndarray
        float32, int8 or int32, rank 0 to 4.
    filename : path
        Replaced in one step once the file is complete.

    Raises
    ------
    UnsupportedError
        The tensor has no encoding.
    OSError
        The file cannot be written.
    """
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    if torch is not None and isinstance(tensor, torch.Tensor):
        from tsr.torch import save as save_tensor

        save_tensor(filename, tensor)
    else:
        from tsr.writer import save

        save(filename, tensor)


def import_tsr(filename: str | os.PathLike[str]) -> torch.Tensor:
    """Read a file of a single tensor, of TSR v1 or TSR4, as a torch tensor.

    Parameters
    ----------
    filename : path
        The file.

    Returns
    -------
    torch.Tensor
        float32, int8 or int32, or from a TSR4 file float16; contiguous, writable; changes do
        not reach the file.

    Raises
    ------
    FormatError
        The file breaks a clause of ``spec/tsr-v1.md`` or ``spec/tsr4.md``.
    OSError
        The file cannot be opened.
    """
    from tsr.torch import load

    return load(filename)


def __getattr__(name: str) -> Any:
    # The session's classes come when they are asked for: reading a file needs neither.
    if name not in ("PythonSession", "TechRenaissanceServer"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import session

    return getattr(session, name)
