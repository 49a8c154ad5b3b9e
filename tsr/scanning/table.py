"""Batches of rows -> a table: arrays by the names of columns, and what pandas and arrow make of it.

Raises `MissingExtraError` where pandas or pyarrow is asked for and not there.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, cast

from tsr.dtypes import TSR4_TYPES
from tsr.extras import require
from tsr.scanning.facts import FORMATS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from tsr.scanning.facts import Facts
    from tsr.scanning.scanner import Batch

__all__ = ["COLUMNS", "DTYPES", "Table", "build_table", "text"]

COLUMNS = ("path", "index", "format", "dtype", "shape", "bytes", "status", "error")

DTYPES = tuple(element.name for element in TSR4_TYPES)

# The columns that have few values, and what they may be, in order.
_CATEGORIES = {
    "format": FORMATS,
    "dtype": DTYPES,
    "status": STATUSES,
}


class Table(dict[str, "NDArray[Any]"]):
    """What a scan found: a dict of arrays, one a column, with a row for each tensor.

    ``path``, a str, and ``index``, the number of the tensor in its file; ``format``, ``"TSR v1"``
    or ``"TSR4"``; ``dtype``, numpy's name; ``shape``, a tuple of int; ``bytes``, what the elements
    take; ``status``, ``"ok"``, ``"invalid"`` for a file that breaks a rule of its format, or
    ``"error"`` for one that could not be read; ``error``, what is wrong, else None. ``index`` and
    ``bytes`` are int64, the others objects. A bad file is one row, with index 0, 0 bytes and None
    for what is not known.

    Examples
    --------
    >>> table = tsr.scan("runs/")
    >>> large = table.select(table["bytes"] > 2**20)
    """

    @property
    def rows(self) -> int:
        """Number of rows; the length of the dict is that of columns."""
        return len(next(iter(self.values()), ()))

    def select(self, mask: Any) -> Table:
        """Make a table of some rows.

        Parameters
        ----------
        mask : array of bool, array of int or slice
            As an index of each column.
        """
        return Table({name: column[mask] for name, column in self.items()})

    def to_pandas(self) -> pd.DataFrame:
        """Make a data frame.

        ``format``, ``dtype`` and ``status`` are categories, ``path`` and ``error`` strings,
        ``bytes`` is a nullable Int64, ``index`` an int64, ``shape`` holds tuples. What is not
        known is missing.
        """
        pd = require("pandas", "tables", "Table.to_pandas")
        columns: dict[str, Any] = {}
        for name, column in self.items():
            if name in _CATEGORIES:
                columns[name] = pd.Categorical(column, categories=_CATEGORIES[name])
            elif name in ("path", "error"):
                # In Python's memory, for paths hold what is no UTF-8.
                columns[name] = pd.array(column, dtype=pd.StringDtype("python"))
            elif name == "bytes":
                columns[name] = pd.arrays.IntegerArray(column.copy(), self._is_bad())
            else:
                columns[name] = column
        return pd.DataFrame(columns)

    def to_arrow(self) -> pa.Table:
        r"""Make a table of pyarrow.

        ``format``, ``dtype`` and ``status`` are dictionaries, ``path`` and ``error`` strings,
        ``index`` and ``bytes`` int64, ``shape`` is a list of int64. What is not known is null.
        arrow's strings are UTF-8: a byte of a name that is none becomes ``\xff``.
        """
        pa = require("pyarrow", "tables", "Table.to_arrow")
        columns: dict[str, Any] = {}
        for name, column in self.items():
            if name in _CATEGORIES:
                kind = pa.dictionary(pa.int8(), pa.string())
                columns[name] = pa.array(column, pa.string()).dictionary_encode().cast(kind)
            elif name in ("path", "error"):
                columns[name] = _arrow_text(pa, column)
            elif name == "bytes":
                columns[name] = pa.array(column, pa.int64(), mask=self._is_bad())
            else:
                kind = pa.list_(pa.int64()) if name == "shape" else pa.int64()
                columns[name] = pa.array(column, kind)
        return pa.table(columns)

    def _is_bad(self) -> NDArray[Any]:
        return cast("NDArray[Any]", self["status"] != "ok")

    def __repr__(self) -> str:
        return f"Table({self.rows} rows: {', '.join(self)})"


def text(value: str) -> str:
    r"""Make UTF-8 of a name: a byte that is none becomes ``\xff``, as Python writes it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        data = value.encode("utf-8", "surrogateescape")
        return data.decode("utf-8", "backslashreplace")
    return value


def _arrow_text(pa: Any, column: NDArray[Any]) -> Any:
    try:
        return pa.array(column, pa.string())
    except (UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowException):
        return pa.array([None if each is None else text(each) for each in column], pa.string())


class _Codes(dict["Facts", int]):
    # What rows say -> a number for it, in the order in which it was first said.
    def __missing__(self, facts: Facts) -> int:
        code = self[facts] = len(self)
        return code


def build_table(batches: Iterable[Batch]) -> Table:
    """Put all rows into arrays. What many say is held once."""
    import numpy as np

    codes = _Codes()
    indexes = array("q")
    said: list[NDArray[Any]] = [np.empty(0, np.int32)]
    paths: list[NDArray[Any]] = [np.empty(0, object)]
    for batch in batches:
        facts = batch.facts
        count = len(facts)
        if facts.count(facts[0]) == count:  # as in most batches
            said.append(np.full(count, codes[facts[0]], np.int32))
        else:
            said.append(np.fromiter(map(codes.__getitem__, facts), np.int32, count))
        indexes.fromlist(batch.indexes)
        paths.append(np.array(batch.paths, object))
    chosen = np.concatenate(said)

    def column(values: Iterable[object], dtype: Any = object) -> NDArray[Any]:
        kinds: NDArray[Any] = np.empty(len(codes), dtype)
        for at, value in enumerate(values):
            kinds[at] = value
        return kinds.take(chosen)

    return Table(
        path=np.concatenate(paths),
        index=np.array(indexes, np.int64),
        format=column(facts.format for facts in codes),
        dtype=column(facts.dtype for facts in codes),
        shape=column(facts.shape for facts in codes),
        bytes=column((facts.nbytes for facts in codes), np.int64),
        status=column(facts.status for facts in codes),
        error=column(facts.error for facts in codes),
    )
