"""What is in a file, what is wrong with it, and what mends it. No numpy.

`tsr.explain` and `tsr.repair` are here, and what they give; `clauses` has the rules of the
specifications in words.
"""

from __future__ import annotations

from tsr.diagnosis.anatomy import Part
from tsr.diagnosis.clauses import Clause, clause, clauses
from tsr.diagnosis.explanation import Explanation, explain
from tsr.diagnosis.faults import Fault, Mark
from tsr.diagnosis.mending import Change
from tsr.diagnosis.repairing import Repair, repair
from tsr.diagnosis.resemblance import Resemblance

__all__ = [
    "Change",
    "Clause",
    "Explanation",
    "Fault",
    "Mark",
    "Part",
    "Repair",
    "Resemblance",
    "clause",
    "clauses",
    "explain",
    "repair",
]
