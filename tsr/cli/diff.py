"""``tsr diff``: two paths -> what differs between the tensors in them.

Exit codes are those of diff: 0, the same; 1, different; 2, trouble: whatever kept it from finding
out, an invalid file too.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import add_json, add_lenient, command_parser
from tsr.cli.inputs import STDIN, label, opened
from tsr.cli.output import print_table, printable
from tsr.cli.progress import progress_bar
from tsr.cli.report import SYSTEM, Report
from tsr.errors import TSRError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from tsr.comparison import Comparison, Differences, Side, TensorComparison

__all__ = ["parser", "run"]

SAME, DIFFERENT, TROUBLE = 0, 1, SYSTEM

_DESCRIPTION = """\
Show what differs between the tensors of two files or folders of any format that tsr convert reads.
Tensors are matched by name where both have names, else by their order.

Bits are compared, so that -0.0 differs from 0.0, one NaN from another, and a dtype from another.
With a tolerance, be it 0, values are, whatever their dtypes: an element is the same if the two are
equal, or both NaN, or within any one of the tolerances. Formats, compression, byte orders and the
dimensions of 1 that TSR4 puts in front of a shape make no difference.

Errors and ULPs are those of all numbers that are not equal, within the tolerance or not. A ULP
is a step from one float to the next of its dtype.

Exit codes are those of diff: 0, the same; 1, different; 2, trouble, such as an invalid file.

JSON: an object with equal, bits (whether bits are compared), rtol, atol, ulp, a, b and tensors, a
list of those that differ, or of all with --all: name, status ("same", "values", "dtype", "shape",
"only in a", "only in b"), differences or null, and for either side index, dtype, shape, path and
byte_offset, where the first element that differs begins in the file. What JSON has no number for is
a string: "nan", "inf", "-inf"."""

_EXAMPLES = """\
  tsr diff old.pt new.safetensors
  tsr diff model.pt model/ --all
  tsr diff --rtol 1e-5 --atol 1e-8 --tensor fc1.weight a.npz b.npz
  tsr diff --ulp 4 x.tsr - < y.tsr
  tsr diff --quiet a.tsr b.tsr && echo same"""


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("diff", _DESCRIPTION, _EXAMPLES)
    path = "a file or folder, or '-' for a .tsr file from stdin"
    made.add_argument("a", metavar="A", help=path)
    made.add_argument("b", metavar="B", help="what it is compared with, likewise")
    made.add_argument(
        "--rtol", type=_tolerance, metavar="R",
        help="take numbers for the same if |a - b| <= ATOL + R * |b|, as numpy.allclose does",
    )  # fmt: skip
    made.add_argument(
        "--atol", type=_tolerance, metavar="ATOL", help="the other term of that (default: 0)"
    )
    made.add_argument(
        "--ulp", type=_steps, metavar="N",
        help="take finite floats of one dtype for the same if they are at most N ULPs apart",
    )  # fmt: skip
    made.add_argument(
        "--nan-differs", action="store_true", help="let a NaN differ from any other, and itself"
    )
    made.add_argument("--tensor", metavar="NAME|INDEX", help="compare only this one of the tensors")
    made.add_argument("--all", action="store_true", help="list tensors that are the same, too")
    short = made.add_mutually_exclusive_group()
    short.add_argument(
        "-q", "--quiet", action="store_true", help="say only that they differ, if they do"
    )
    add_json(short, "an object")
    add_lenient(made)
    return made


def run(options: Namespace) -> int:
    """Compare, print what differs and give the exit code."""
    if options.a == options.b == STDIN:
        parser().error("A and B: only one of them can be stdin")
    report = Report()
    try:
        found = _compare(options)
    except (TSRError, OSError, MemoryError) as error:
        report.add(error)
        return TROUBLE
    if options.json:
        print(_json(found, options))
    elif options.quiet:
        if not found.equal:
            print(printable(f"{label(options.a)} and {label(options.b)} differ"))
    else:
        _print(found, options)
    return SAME if found.equal else DIFFERENT


def _compare(options: Namespace) -> Comparison:
    from tsr.comparison import compare

    with progress_bar() as bar:

        def progress(done: int, total: int, name: str) -> None:
            if bar is not None:
                bar(done >> 20, total >> 20, f"MiB {name}")

        return compare(
            opened(options.a),
            opened(options.b),
            rtol=options.rtol,
            atol=options.atol,
            ulp=options.ulp,
            equal_nan=False if options.nan_differs else None,
            tensor=options.tensor,
            strict=not options.lenient,
            progress=progress,
        )


def _print(found: Comparison, options: Namespace) -> None:
    for side, given, name in ((found.a, options.a, "A"), (found.b, options.b, "B")):
        print(printable(f"{name}  {label(given)}  {_side(side)}"))
    if not found.same_order:
        print("the tensors have another order")
    shown = [each for each in found.tensors if options.all or not each.equal]
    if shown and (len(found.tensors) > 1 or options.all):
        print()
        print_table(
            ("TENSOR", "FOUND", "DTYPE", "SHAPE", "DIFFER", "SHARE", "MAX ABS", "MAX REL", "ULP"),
            [_row(each) for each in shown],
        )
    for each in shown:
        if not each.equal:
            print()
            for line in _details(each):
                print(printable(line))
    print("\n" + _summary(found) if shown else _summary(found))


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
    return f"different: {tensors} of {total}, {differing} of them"


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


def _json(found: Comparison, options: Namespace) -> str:
    tolerance = found.tolerance
    head = {
        "equal": found.equal,
        "bits": tolerance.bits,
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "ulp": tolerance.ulp,
        "same_order": found.same_order,
        "a": _side_object(found.a, options.a),
        "b": _side_object(found.b, options.b),
    }
    shown = [each for each in found.tensors if options.all or not each.equal]
    lines = ",\n".join(json.dumps(_tensor_object(each)) for each in shown)
    listing = f"[\n{lines}\n]" if lines else "[]"
    return json.dumps(head).removesuffix("}") + f', "tensors": {listing}}}'


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
    if isinstance(value, complex):
        return [_number(part, dtype) for part in (value.real, value.imag)]
    number = float(value if dtype is None else _digits(value, dtype))
    return number if math.isfinite(number) else str(number)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"got {text!r}, expected a number from 0 up")
    return value


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**64:
        raise ArgumentTypeError(f"got {text!r}, expected a whole number from 0 up")
    return int(text)
