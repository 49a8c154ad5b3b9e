"""`compare`: two files, folders or arrays -> what differs between them.

`comparing` opens and compares, `pairing` says what is compared with what, `scanning` finds the
pieces that differ and `measure` looks at them, by the arithmetic of `exact` and `ulp`; `results` is
what comes out.
"""

from __future__ import annotations

from tsr.comparison.comparing import compare
from tsr.comparison.results import Comparison, Differences, Side, TensorComparison, Tolerance

__all__ = ["Comparison", "Differences", "Side", "TensorComparison", "Tolerance", "compare"]
