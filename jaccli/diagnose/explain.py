"""Warnings about a derivative at its point: the cause of NaN or infinity, and kinks."""

from __future__ import annotations

from jaccli.errors import Problem
from jaccli.plan import Plan
from jaccli.result import NonFinite


def explain(
    plan: Plan, nonfinite: NonFinite | None = None
) -> tuple[Problem | None, tuple[Problem, ...]]:
    """Return the cause of an entry that is not finite, or None, and the kinks at the point.

    Each problem names the operation with its place in the source, the entries of its arguments, and
    the slope that JAX takes or what to write instead.  A kink that is the cause is left out.

    Raises:
        ComputationError: the model fails as it is evaluated.
    """
    from jaccli.diagnose import kinks

    cause = None
    if nonfinite is not None:
        from jaccli.diagnose import causes

        cause = causes.cause(plan, nonfinite)
    kinks_found = kinks.explain(plan)
    if cause is None:
        return None, tuple(each.problem for each in kinks_found)
    return cause.problem, tuple(each.problem for each in kinks_found if each.key != cause.key)
