"""Statistics -> text: a table, a histogram of bars, a histogram in a few characters. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsr.viewing.statistics import Statistics

__all__ = ["EIGHTHS", "SPARKS", "bars", "number", "percent", "short", "sparkline", "table"]

# Blocks of one to eight eighths, to the right and upwards.
EIGHTHS = "\u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"
SPARKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"

# The same in ASCII, from less to more.
_PLAIN_SPARKS = ".:-=+*#@"

# A bar is at least so long where it is longest, however narrow the window.
_BAR_MIN = 4
_BAR_MAX = 60

# An edge that is 0 but for rounding is called so.
_NEARLY_ZERO = 1e-12


def number(value: float) -> str:
    """Write a number in a few characters; an int that is not long as it is."""
    return str(value) if isinstance(value, int) and abs(value) < 10**9 else f"{value:.4g}"


def short(value: float) -> str:
    """Write a number in fewer characters still."""
    return str(value) if isinstance(value, int) and abs(value) < 10**6 else f"{value:.3g}"


def percent(share: float) -> str:
    """Write a share in a few characters."""
    return f"{100 * share:.3g}%"


def table(found: Statistics) -> list[tuple[str, str]]:
    """Give names and values."""
    rows = [("elements", f"{found.count:,}")]
    if found.sampled:
        share = found.looked_at / found.count
        rows.append(("looked at", f"{found.looked_at:,} ({percent(share)})"))
    for name in ("minimum", "maximum", "mean", "std"):
        value = getattr(found, name)
        rows.append((name, "none" if value is None else number(value)))
    rows.append(("zeros", _count(found.zeros, found)))
    others = [(name, _count(count, found)) for count, name in _others(found)]
    return rows + (others or [("not finite", "0")])


def _others(found: Statistics) -> list[tuple[int, str]]:
    kinds = [
        (found.nans, "NaN"), (found.positive_infinities, "+inf"),
        (found.negative_infinities, "-inf"),
    ]  # fmt: skip
    return [(count, name) for count, name in kinds if count]


def _count(count: int, found: Statistics) -> str:
    return f"{count:,} ({percent(count / found.looked_at)})" if count else "0"


def bars(found: Statistics, width: int, blocks: bool) -> list[tuple[str, str, str]]:
    """Give for each bin where it begins, a bar and how much is in it, and a last limit.

    Bars are as long as `width` characters allow. `blocks`, they are drawn by blocks, to an
    eighth of a character.
    """
    if not found.counts:
        return []
    least = (found.edges[-1] / 2 - found.edges[0] / 2) * _NEARLY_ZERO
    labels = [number(edge if abs(edge) >= least else 0) for edge in found.edges]
    if isinstance(found.minimum, int) or found.edges[0] == found.edges[-1]:
        labels.pop()  # no bin begins there
    if found.sampled:
        amounts = [percent(count / found.looked_at) for count in found.counts]
    else:
        amounts = [f"{count:,}" for count in found.counts]
    margin = max(map(len, labels))
    room = width - margin - max(map(len, amounts)) - 2
    room = min(max(room, _BAR_MIN), _BAR_MAX)
    most = max(found.counts)
    lines = [
        (f"{label:>{margin}} ", _bar(count, most, room, blocks), f" {amount}" if count else "")
        for label, count, amount in zip(labels, found.counts, amounts, strict=False)
    ]
    return lines + [(f"{label:>{margin}}", "", "") for label in labels[len(found.counts) :]]


def _bar(count: int, most: int, room: int, blocks: bool) -> str:
    # What is not 0 shows.
    if not count:
        return ""
    if not blocks:
        return "#" * max(1, round(room * count / most))
    full, rest = divmod(max(1, round(8 * room * count / most)), 8)
    return EIGHTHS[-1] * full + (EIGHTHS[rest - 1] if rest else "")


def sparkline(counts: Sequence[int], blocks: bool) -> str:
    """Give a character for each bin, the higher the more is in it; a space for nothing."""
    signs = SPARKS if blocks else _PLAIN_SPARKS
    most = max(counts, default=0)
    return "".join(
        signs[max(0, round(count / most * len(signs)) - 1)] if count else " " for count in counts
    )
