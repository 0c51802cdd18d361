"""What is to be said of a derivative at its point: what made it not finite, and its kinks."""

from __future__ import annotations

from jaccli.errors import Problem
from jaccli.plan import Plan
from jaccli.result import NonFinite


def explain(
    plan: Plan, nonfinite: NonFinite | None = None
) -> tuple[Problem | None, tuple[Problem, ...]]:
    """Return what made an entry not finite, if that can be told, and the kinks at the point.

    Each problem names the operation, where it stands, the entries of its arguments that are at
    the point, and what JAX takes or what to write instead.  A kink that is the cause is left out.

    Raises:
        ComputationError: the model fails as it is evaluated.
    """
    from jaccli.diagnose import kinks

    cause = None
    if nonfinite is not None:
        from jaccli.diagnose import causes

        cause = causes.cause(plan, nonfinite)
    found = kinks.explain(plan)
    if cause is None:
        return None, tuple(each.problem for each in found)
    return cause.problem, tuple(each.problem for each in found if each.key != cause.key)
