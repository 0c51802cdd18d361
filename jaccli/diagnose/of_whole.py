"""A derivative that was computed in part, as one of the whole model: what is to be explained.

Boundary: translates places and shapes; evaluates nothing.
"""

from __future__ import annotations

from dataclasses import replace

from jaccli.plan import Plan
from jaccli.plan.shapes import trace
from jaccli.result.nonfinite import NonFinite


def of_whole(plan: Plan, nonfinite: NonFinite | None) -> tuple[Plan, NonFinite | None]:
    """Return a plan of the whole model at the same point, and an entry by its places there.

    Only what the explanations read of the plan is the whole model's: the function, the point, the
    outputs and the facts.
    """
    model = plan.model
    if model.whole is None:
        return plan, nonfinite
    found = trace(plan.spec, model.whole)
    if model.gradient_of is not None:  # the two sides may have picked of one input
        plan = replace(plan, derivative="hessian")
        nonfinite = nonfinite and replace(nonfinite, wrt=(), places=())
    whole = replace(
        plan,
        model=replace(model.whole, function=found.function),
        outputs=found.outputs,
        facts=found.facts,
    )
    if nonfinite is None or not nonfinite.places:
        return whole, nonfinite
    names = (*(() if nonfinite.output is None else (nonfinite.output,)), *nonfinite.wrt)
    sides = [model.rows] * (nonfinite.output is not None) + [model.cols] * len(nonfinite.wrt)
    places = tuple(
        int(side[name].positions[place]) if name in side else place
        for side, name, place in zip(sides, names, nonfinite.places, strict=True)
    )
    return whole, replace(nonfinite, places=places)
