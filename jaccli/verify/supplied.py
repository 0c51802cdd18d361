"""The comparison of a user-supplied derivative with the computed one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jaccli.result import Stored
from jaccli.result.compare.compare import Comparison, DifferingEntry, compare
from jaccli.result.nonfinite import entry_name
from jaccli.verify.check_data import CheckData
from jaccli.verify.report import FAIL, OK, CheckResult, Mismatch, counted


@dataclass(frozen=True)
class Supplied:
    """The arrays of a file, their name in the report, and their tolerances."""

    name: str
    stored: Stored
    rtol: float | None
    atol: float


def against(data: CheckData, supplied: Supplied) -> CheckResult:
    """Compare as `jaccli compare` does: no allowance is made for rounding."""
    comparison = compare(data.result, supplied.stored, rtol=supplied.rtol, atol=supplied.atol)
    if not comparison.verdicts or not (comparison.passed or comparison.worst):
        return CheckResult(supplied.name, FAIL, detail=_structure(comparison))
    worst = comparison.worst[0] if comparison.worst else None
    verdict = max(comparison.verdicts, key=lambda one: (one.failed, one.rtol))
    size = max(abs(worst.a), abs(worst.b)) if worst else 0.0
    return CheckResult(
        supplied.name,
        OK if comparison.passed else FAIL,
        counted(sum(one.size for one in comparison.verdicts), "entry"),
        _apart(worst) if worst else 0.0,
        verdict.atol + verdict.rtol * size,
        worst=tuple(
            Mismatch(_name(data, entry), entry.b, entry.a, ("yours", "computed"))
            for entry in comparison.off
        ),
        detail=_structure(comparison),
    )


def _apart(entry: DifferingEntry) -> float:
    """Return how far two numbers are apart: infinitely, where just one is NaN."""
    difference = abs(entry.a - entry.b)
    return math.inf if math.isnan(difference) else difference


def _structure(comparison: Comparison) -> str:
    """Return what differs besides numbers."""
    lines = [str(one) for one in comparison.verdicts if not one.passed and not one.failed]
    lines += [f"{key} is not in the file" for key in comparison.only_a]
    lines += [f"{key} is in the file alone" for key in comparison.only_b]
    return "; ".join((*lines, *comparison.notes))


def _name(data: CheckData, entry: DifferingEntry) -> str:
    """Return the entry as a derivative: `d r[3] / d k2`."""
    for block in data.result.blocks:
        if block.key == entry.key:
            return entry_name(data.result, block, entry.position)
    index = np.unravel_index(entry.position, data.shape)
    name = data.namer(data.axes, "hvp" if data.plan.derivative == "hvp" else "")
    return name(tuple(map(int, index)))
