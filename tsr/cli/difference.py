"""What a comparison found -> text for people, or JSON.

Raises `OSError` where stdout takes no more.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tsr.cli.color import paint
from tsr.cli.inputs import label
from tsr.cli.output import print_table, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsr.comparison import Comparison, Differences, Side, TensorComparison

__all__ = ["json_text", "print_comparison"]

_COLUMNS = (
    "TENSOR", "FOUND", "DTYPE", "SHAPE", "DIFFER", "SHARE", "MAX ABS", "MAX REL", "MAX ULP",
)  # fmt: skip

# The dtypes of the two parts of complex numbers.
_PARTS = {"complex64": "float32", "complex128": "float64"}

# So many tensors have their details told, unless all are asked for.
_DETAILED_MAX = 10


def print_comparison(
    found: Comparison, given: tuple[str, str], everything: bool, color: str
) -> None:
    """Print what was found, for people.

    Parameters
    ----------
    found : Comparison
    given : tuple of str
        The paths as the caller gave them.
    everything : bool
        List tensors that are the same, too, and have details of any number of the others.
    color : str
        What ``--color`` got.
    """
    for side, path, name in zip((found.a, found.b), given, "AB", strict=True):
        print(printable(f"{name}  {label(path)}  {_side(side)}"))
    if not found.same_order:
        print("the tensors have another order")
    shown = [each for each in found.tensors if everything or not each.equal]
    is_table = bool(shown) and (len(found.tensors) > 1 or everything)
    if is_table:
        print()
        print_table(_COLUMNS, [_row(each) for each in shown], color=color)
    detailed = [each for each in shown if not each.equal and not (is_table and _is_told(each))]
    cut = len(detailed) if everything else _DETAILED_MAX
    for each in detailed[:cut]:
        print()
        for line in _details(each):
            print(printable(line))
    if detailed[cut:]:
        print(f"\ndetails of {len(detailed[cut:])} more with --all, of one with --tensor NAME")
    if shown:
        print()
    print(paint(_summary(found), "green" if found.equal else "red", color))


def json_text(found: Comparison, given: tuple[str, str], everything: bool) -> str:
    """Give what was found as a JSON object, a line for each tensor.

    Parameters
    ----------
    found, given, everything
        As for `print_comparison`.
    """
    tolerance = found.tolerance
    head = {
        "equal": found.equal,
        "bits": tolerance.bits,
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "ulp": tolerance.ulp,
        "equal_nan": tolerance.equal_nan,
        "same_order": found.same_order,
        "a": _side_object(found.a, given[0]),
        "b": _side_object(found.b, given[1]),
    }
    shown = [each for each in found.tensors if everything or not each.equal]
    lines = ",\n".join(json.dumps(_tensor_object(each)) for each in shown)
    listing = f"[\n{lines}\n]" if lines else "[]"
    return json.dumps(head).removesuffix("}") + f', "tensors": {listing}}}'


def _is_told(each: TensorComparison) -> bool:
    # Whether a row of the table says all.
    return each.differences is None


def _side(side: Side) -> str:
    mode = f" {side.mode}" if side.mode else ""
    return f"({side.format}{mode}, {_count(side.tensors, 'tensor')})"


def _summary(found: Comparison) -> str:
    elements = sum(each.differences.elements for each in found.tensors if each.differences)
    within = sum(each.differences.unequal for each in found.tensors if each.differences)
    differing = sum(each.differences.differing for each in found.tensors if each.differences)
    tensors = sum(not each.equal for each in found.tensors)
    total = f"{_count(len(found.tensors), 'tensor')}, {_count(elements, 'element')}"
    if found.equal and within:
        return f"the same within the tolerance: {total}, {within} of other values"
    if found.equal:
        return f"the same: {total}"
    return (
        f"different: {tensors} of {_count(len(found.tensors), 'tensor')}, {differing} of "
        f"{_count(elements, 'element')}"
    )


def _row(each: TensorComparison) -> tuple[str | int, ...]:
    start = (each.name, each.status, _both(each.dtypes), _both(each.shapes))
    found = each.differences
    if found is None:
        return (*start, "", "", "", "", "")
    numbers = (found.max_absolute, found.max_relative, found.max_ulp)
    return (
        *start, found.differing, _percent(found), *("" if n is None else _short(n) for n in numbers)
    )  # fmt: skip


def _both(two: tuple[Any, Any]) -> str:
    # What both sides have, or what either has.
    return " / ".join(dict.fromkeys(str(each) for each in two if each is not None))


def _details(each: TensorComparison) -> Iterator[str]:
    name = each.name or "the tensor"
    if each.status.startswith("only"):
        yield f"{name}: {each.status[:-1]}{each.status[-1].upper()}"
        return
    found = each.differences
    if found is None:
        yield f"{name}: shape {each.shapes[0]} in A, {each.shapes[1]} in B"
        return
    count = _count(found.elements, "element")
    yield f"{name}: {found.differing} of {count} differ ({_percent(found)})"
    if each.dtypes[0] != each.dtypes[1]:
        yield f"  dtype     {each.dtypes[0]} in A, {each.dtypes[1]} in B"
    if found.first is not None and found.first_values is not None:
        texts = map(_digits, found.first_values, each.dtypes)
        yield f"  first     at {found.first}: {' in A, '.join(texts)} in B"
        yield from _offsets(each, found)
    for title, value, place in (
        ("absolute", found.max_absolute, found.max_absolute_at),
        ("relative", found.max_relative, found.max_relative_at),
        ("ULP     ", found.max_ulp, found.max_ulp_at),
    ):
        if value is not None:
            yield f"  {title}  at most {_short(value)}, at {place}"
    if found.ulp_histogram:
        bins = ", ".join(f"{_range(*ends)}: {count}" for *ends, count in found.ulp_histogram)
        yield f"  by ULP    {bins}"
    yield from _specials(found)


def _offsets(each: TensorComparison, found: Differences) -> Iterator[str]:
    places = [
        f"{offset} of {path} ({name})"
        for name, offset, path in zip("AB", found.first_offsets, each.paths, strict=True)
        if offset is not None
    ]
    if places:
        yield f"  byte      {', '.join(places)}"


def _specials(found: Differences) -> Iterator[str]:
    if found.nan_a or found.nan_b or found.nan_payloads:
        payloads = f", {found.nan_payloads} in both with other bits" if found.nan_payloads else ""
        yield f"  NaN       {found.nan_a} only in A, {found.nan_b} only in B{payloads}"
    if found.infinities:
        yield f"  infinite  {found.infinities} in one, or of the other sign"
    if found.unequal_bits is not None and found.unequal_bits > found.unequal:
        yield f"  equal     {found.unequal_bits - found.unequal} of equal values and other bits"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _percent(found: Differences) -> str:
    return f"{100 * found.share:.3g}%"


def _short(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def _range(first: int, last: int) -> str:
    return str(last) if first == last else f"{first} to {last}"


def _digits(value: Any, dtype: str | None) -> str:
    # The fewest digits that tell a number from others of its dtype.
    import numpy as np

    if isinstance(value, (float, complex)):
        sizes = {"float16": np.float16, "float64": float, "complex64": np.complex64}
        narrow: Any = sizes.get(dtype or "", complex if isinstance(value, complex) else np.float32)
        with np.errstate(all="ignore"):  # a NaN may be a signalling one
            return str(narrow(value))
    return str(value)


def _side_object(side: Side, given: str) -> dict[str, Any]:
    return {"path": given, "format": side.format, "mode": side.mode, "tensors": side.tensors}


def _tensor_object(each: TensorComparison) -> dict[str, Any]:
    found = each.differences
    offsets = found.first_offsets if found is not None else (None, None)
    sides = {
        side: None
        if each.indices[at] is None
        else {
            "index": each.indices[at],
            "dtype": each.dtypes[at],
            "shape": each.shapes[at],
            "path": each.paths[at],
            "byte_offset": offsets[at],
        }
        for at, side in enumerate("ab")
    }
    made: dict[str, Any] = {"name": each.name, "status": each.status, **sides}
    made["differences"] = None if found is None else _differences_object(found, each.dtypes)
    return made


def _differences_object(found: Differences, dtypes: tuple[Any, Any]) -> dict[str, Any]:
    values = found.first_values
    return {
        "elements": found.elements,
        "differing": found.differing,
        "share": found.share,
        "unequal": found.unequal,
        "unequal_bits": found.unequal_bits,
        "first": found.first,
        "first_values": None if values is None else [*map(_number, values, dtypes)],
        "max_absolute": _number(found.max_absolute, None),
        "max_absolute_at": found.max_absolute_at,
        "max_relative": _number(found.max_relative, None),
        "max_relative_at": found.max_relative_at,
        "max_ulp": found.max_ulp,
        "max_ulp_at": found.max_ulp_at,
        "ulp_histogram": found.ulp_histogram,
        "nan_a": found.nan_a,
        "nan_b": found.nan_b,
        "nan_payloads": found.nan_payloads,
        "infinities": found.infinities,
    }


def _number(value: Any, dtype: str | None) -> Any:
    # As JSON has it, a complex number as two.
    if value is None or isinstance(value, int):
        return value
    if dtype is not None and dtype.startswith("complex"):
        return [_number(part, _PARTS.get(dtype)) for part in (value.real, value.imag)]
    number = float(value if dtype is None else _digits(value, dtype))
    return number if math.isfinite(number) else str(number)
