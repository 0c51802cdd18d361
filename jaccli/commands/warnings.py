"""The warnings about a result: what made it not finite, and the kinks that the point is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaccli.errors import Problem

if TYPE_CHECKING:
    from jaccli.plan import Plan
    from jaccli.result import NonFinite

_MOST = 5
"""Warnings that are given at most."""


def remarks(plan: Plan, nonfinite: NonFinite | None, *, debug: bool = False) -> tuple[str, ...]:
    """Return the warnings about a derivative, a paragraph each.  No failure here costs a result.

    With `debug`, failures are raised.
    """
    from jaccli.diagnose.explain import explain
    from jaccli.diagnose.of_whole import of_whole

    said = [] if nonfinite is None else [f"{nonfinite}."]
    try:
        cause, kinks = explain(*of_whole(plan, nonfinite))
    except Exception as error:
        if debug:
            raise
        reason = str(error).strip().split("\n")[0]
        return (*said, f"the point could not be examined ({type(error).__name__}: {reason})")
    if cause is not None:
        said = [f"{said[0]}\n{cause}"]
    said += map(str, kinks)
    more = len(said) - _MOST
    return (*said[:_MOST], *([f"and {more} more."] if more > 0 else []))


def nonfinite_problems(plan: Plan, nonfinite: NonFinite) -> tuple[Problem, ...]:
    """Return what is wrong with a result that is not finite, and the cause if it is known."""
    from jaccli.diagnose.causes import cause
    from jaccli.diagnose.of_whole import of_whole

    try:
        whole, entry = of_whole(plan, nonfinite)
        found = None if entry is None else cause(whole, entry)
    except Exception:  # what is reported is the result's failure, not this one
        found = None
    return (Problem(f"{nonfinite}."), *(() if found is None else (found.problem,)))
