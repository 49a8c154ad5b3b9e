"""Numbers -> places on a scale -> colours. No I/O.

One scale goes from dark to light, for numbers of one sign; one goes from blue over near white to
red, for numbers on both sides of 0. What is no finite number has a colour of its own, which neither
of the scales comes near to.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ABOVE", "BARS", "BELOW", "NAN", "RAMP", "Color", "Scale", "colors", "make_scale"]

Color: TypeAlias = "tuple[int, int, int]"

NAN: Color = (255, 0, 200)
ABOVE: Color = (255, 138, 0)  # positive infinity
BELOW: Color = (96, 240, 40)  # negative infinity

# Bars of a histogram, in dark windows and in light ones.
BARS: Color = (70, 150, 190)

# What stands for a place on the scale where there are no colours.
RAMP = " .:-=+*#%@"

# At even distances on the scales of the page for browsers (tsr/page/colours.mjs), which a test
# compares: on both, equal steps look equal, and on the first each colour is lighter than the one
# before it.
_SEQUENTIAL = (
    (37, 0, 71), (35, 39, 99), (27, 73, 118), (25, 106, 132), (43, 138, 142), (75, 168, 145),
    (121, 197, 138), (179, 219, 118), (245, 234, 92),
)  # fmt: skip
_DIVERGING = (
    (0, 70, 140), (22, 111, 206), (95, 158, 238), (166, 202, 248), (245, 241, 240),
    (245, 182, 173), (228, 123, 108), (191, 62, 50), (139, 0, 1),
)  # fmt: skip

# Colours of a scale, beside its first: so many can be told apart, and few are soon drawn.
_STEPS = 255

# The share of cells that a robust scale leaves out at each end.
_OUTLIERS = 0.02


class Scale(NamedTuple):
    """From which number to which the scale goes; `diverging`, 0 is in its middle."""

    low: float
    high: float
    diverging: bool

    def places(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the place of each number, from 0 to 1; what is beyond an end is at it."""
        if self.low == self.high:  # an only number is in the middle
            below = np.where(numbers < self.low, 0.0, 0.5)
            return np.where(numbers > self.high, 1.0, below)
        # Of halves, where the difference is beyond float64; but the smallest numbers have none.
        share = 1.0 if isfinite(self.high - self.low) else 0.5
        low, high = self.low * share, self.high * share
        found: NDArray[np.float64] = (np.clip(numbers * share, low, high) - low) / (high - low)
        return found


def make_scale(
    numbers: NDArray[np.float64], limits: tuple[float, float] | None, robust: bool
) -> Scale | None:
    """Choose the scale for numbers, of which those that are NaN have none.

    Parameters
    ----------
    numbers : ndarray
    limits : tuple of float, optional
        What the ends of the scale are to be.
    robust : bool
        Leave out some numbers at both ends, which are put at the ends.

    Returns
    -------
    Scale or None
        None where all are NaN.
    """
    finite = numbers[~np.isnan(numbers)]
    if limits is not None:
        low, high = limits
        return Scale(low, high, low == -high < 0)
    if not finite.size:
        return None
    if robust:
        low, high = np.quantile(finite, (_OUTLIERS, 1 - _OUTLIERS), method="nearest").tolist()
    else:
        low, high = finite.min().item(), finite.max().item()
    if low < 0 < high:
        reach = max(-low, high)
        return Scale(-reach, reach, True)
    return Scale(low, high, False)


def colors(places: NDArray[Any], diverging: bool) -> NDArray[np.uint8]:
    """Give the colour of each place: red, green and blue along a new last axis."""
    anchors = np.array(_DIVERGING if diverging else _SEQUENTIAL, np.float64)
    at = np.linspace(0.0, 1.0, len(anchors))
    places = np.round(places * _STEPS) / _STEPS
    channels = [np.interp(places, at, anchors[:, channel]) for channel in range(3)]
    found: NDArray[np.uint8] = np.stack(channels, axis=-1).round().astype(np.uint8)
    return found
