"""The errors the package raises on purpose, arranged by blame.

Every error here derives from `TSRError`, so one ``except`` catches it all; each class also
derives from the builtin whose meaning it shares. Errors of the operating system are not
wrapped: a missing file is a `FileNotFoundError` with its path.
"""

from __future__ import annotations

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = [
    "ClosedFileError",
    "ConversionError",
    "ConversionWarning",
    "FormatError",
    "MissingExtraError",
    "TSRError",
    "UnsupportedError",
]


def _restore(kind: type[TSRError], args: tuple[object, ...], state: dict[str, Any]) -> TSRError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class TSRError(Exception):
    """The root of every error that this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders (multiprocessing, dask): keep message and attributes.
        return _restore, (type(self), self.args, self.__dict__)


class FormatError(TSRError, ValueError):
    """The bytes break the specification.

    Parameters
    ----------
    field : str
        The field at fault, named as in the specification's tables.
    offset : int
        Where the field begins, in bytes from the start of the file.
    found, expected : object
        What stands there and what a valid file has there.
    clause : str
        Id of the violated clause, for example ``"V1-DTYPE-1"``: those of ``spec/tsr-v1.md``
        begin with ``V1`` or ``FILE``, those of ``spec/tsr4.md`` with ``T4``.
    path : str, optional
        The file, when there is one.
    note : str, optional
        What else helps to understand the fault.

    Attributes
    ----------
    path, field, offset, found, expected, clause, note
        As given.
    """

    def __init__(
        self,
        field: str,
        offset: int,
        *,
        found: object,
        expected: object,
        clause: str,
        path: str | None = None,
        note: str = "",
    ) -> None:
        self.path = path
        self.field = field
        self.offset = offset
        self.found = found
        self.expected = expected
        self.clause = clause
        self.note = note
        where = f"{path}: " if path is not None else ""
        remark = f" ({note})" if note else ""
        super().__init__(
            f"{where}{field} at offset {offset}: got {found}, expected {expected}"
            f"{remark} [{clause}]"
        )


class UnsupportedError(TSRError, TypeError):
    """The caller's array or option has no encoding in the format.

    Parameters
    ----------
    message : str
        What was given and what is allowed.
    given : object, optional
        The offending value: a dtype, a shape, a type.
    allowed : sequence of str, optional
        What would have been accepted.
    cast : str, optional
        The dtype that would keep every value, when there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        given: object = None,
        allowed: Sequence[str] = (),
        cast: str | None = None,
    ) -> None:
        self.given = given
        self.allowed = tuple(allowed)
        self.cast = cast
        super().__init__(message)


class ClosedFileError(TSRError, ValueError):
    """What was closed is used."""


class ConversionError(TSRError, ValueError):
    """A file of another format cannot be represented; the message names what would be lost.

    Parameters
    ----------
    message : str
        What cannot be kept, and the option that would allow it.
    path : str, optional
        The file at fault.
    name : str, optional
        The tensor or entry at fault inside the file.
    """

    def __init__(self, message: str, *, path: str | None = None, name: str | None = None) -> None:
        self.path = path
        self.name = name
        where = "".join(f"{part}: " for part in (path, name) if part is not None)
        super().__init__(where + message)


class MissingExtraError(TSRError, ImportError):
    """An optional dependency is needed and not installed, or too old.

    Parameters
    ----------
    package : str
        The missing package.
    extra : str
        The extra of ``tsr-codec`` that installs it.
    purpose : str
        What it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{purpose} needs {package}: pip install 'tsr-codec[{extra}]'")


class ConversionWarning(UserWarning):
    """A conversion lets go what the target has no place for; an option keeps it."""
