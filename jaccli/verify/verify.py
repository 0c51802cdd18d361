"""All checks of a plan, one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from jaccli.errors import BudgetError, format_bytes
from jaccli.execute.interruptible import interruptible
from jaccli.plan import Plan
from jaccli.result import Sparse, first_nonfinite
from jaccli.verify.check_data import SEED, CheckData
from jaccli.verify.checks import CHECKS, Check
from jaccli.verify.flat_model import NotDifferentiableBy
from jaccli.verify.notes import notes
from jaccli.verify.report import FAIL, OK, SKIPPED, CheckReport, CheckResult, counted, judge
from jaccli.verify.supplied import Supplied, against

if TYPE_CHECKING:
    from jaccli.context import Progress

PROBES = 5
"""Random directions where a derivative is too large for every entry."""
_STACKS = 5
"""float64 arrays for each direction: itself, its product, and three for the rounding."""


def verify(
    plan: Plan,
    progress: Progress,
    *,
    probes: int = PROBES,
    rtol: float | None = None,
    atol: float = 0.0,
    supplied: Sequence[Supplied] = (),
    certify: bool = False,
    digits: float | None = None,
) -> CheckReport:
    """Check a plan's derivative at its point.

    `rtol` is 1e-6 when it is None, and 1e-4 where float32 takes part.  With `certify`, each block
    is compared with ball arithmetic, and must have `digits` correct digits (12 when it is None, 5
    with float32).

    Raises:
        BudgetError: the random directions exceed the memory budget.
        ComputationError: the derivative cannot be computed at all.
    """
    _check_probes(plan, probes)
    progress.start(len(CHECKS) + 1 + len(supplied))

    def rows(data: CheckData) -> Iterator[CheckResult]:
        yield from _rows(data, progress, rtol, atol, supplied)
        if certify:
            from jaccli.verify.certificates import certificates

            yield from certificates(data, digits)

    return interruptible(
        lambda: CheckReport(plan, tuple(rows(CheckData(plan, probes))), notes(plan), probes, SEED)
    )


def _check_probes(plan: Plan, probes: int) -> None:
    """Raise a BudgetError if random directions, and what comes of them, take too much memory."""
    inputs = sum(math.prod(plan.model.in_shape(name)) for name in plan.model.wrt)
    outputs = sum(map(math.prod, plan.outputs.values()))
    rows = 1 if plan.model.batch_size is None else plan.model.batch_size
    needed = 8 * _STACKS * probes * rows * (inputs + outputs)
    if needed > plan.budget:
        raise BudgetError(
            f"{counted(probes, 'random direction')} take {format_bytes(needed)}, "
            f"more than the memory budget of {format_bytes(plan.budget)}.",
            hint="Raise --memory, or take fewer with --probes.",
        )


def _rows(
    data: CheckData,
    progress: Progress,
    rtol: float | None,
    atol: float,
    supplied: Sequence[Supplied],
) -> Iterator[CheckResult]:
    if rtol is None:
        rtol = 1e-4 if data.flat.eps > 1e-10 else 1e-6
    yield _finite(data)
    progress.advance(1)
    mine = [check for check in CHECKS if check.applies_to(data)]
    # Finite differences come first: they decide where a mode is not finite.
    rows: dict[str, CheckResult] = {}
    for check in sorted(mine, key=lambda check: not check.decides):
        deciding = None if check.decides else _deciding(mine, rows)
        rows[check.name] = _row(data, check, rtol, atol, deciding)
        progress.advance(1)
    yield from (rows[check.name] for check in mine)
    progress.advance(len(CHECKS) - len(mine))
    for one in supplied:
        yield against(data, one)
        progress.advance(1)


def _deciding(checks: Sequence[Check], rows: Mapping[str, CheckResult]) -> CheckResult | None:
    """Return the row of finite differences of the derivative itself: of the gradient's, if any."""
    found = [rows[check.name] for check in checks if check.decides]
    return found[-1] if found else None


def _row(
    data: CheckData, check: Check, rtol: float, atol: float, deciding: CheckResult | None
) -> CheckResult:
    reason = "there are no entries" if data.is_empty else check.skip_reason(data)
    if reason:
        return CheckResult(check.name, SKIPPED, detail=reason)
    try:
        return judge(check.name, check.sides(data), rtol, atol, deciding)
    except NotDifferentiableBy as error:
        return CheckResult(check.name, SKIPPED, detail=f"JAX says: {error}")


def _finite(data: CheckData) -> CheckResult:
    """Return the verdict on NaN and infinities, of which there should be none."""
    kept = data.plan.storage == "sparse" or data.is_formed
    if not (kept or data.is_product or data.order == 0):
        return CheckResult("finite", SKIPPED, detail="the derivative is too large to be formed")
    found = first_nonfinite(data.result)
    values = [block.values for block in data.result.blocks]
    count = sum(each.nnz if isinstance(each, Sparse) else each.size for each in values)
    noun = "stored entry" if data.plan.storage == "sparse" else "entry"
    return CheckResult(
        "finite", FAIL if found else OK, counted(count, noun), detail=str(found) if found else ""
    )
