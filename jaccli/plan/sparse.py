"""The sparse side of a plan: the derivative prepared, and when `auto` takes it.

Boundary: reads shapes and structure; computes nothing big.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli.derivative.sparse import Coloring, Pattern, Prepared, color, joined, prepare, split
from jaccli.errors import ComputationError, SpecError
from jaccli.plan.shapes import avals

if TYPE_CHECKING:
    from jaccli.plan.plan import Plan

CLEARLY = 8
"""`auto` takes a coloring with so many times fewer products than there are rows or columns."""


def prepared(plan: Plan) -> Prepared:
    """Return the plan's sparse derivative, prepared: its pattern, and how it is computed.

    Raises:
        SpecError: the user's pattern does not fit.
        ComputationError: asdex is missing or does not know an operation, or JAX has no way to
            differentiate the model.
    """
    try:
        return _prepared(plan, None if plan.given is None else _in_tree_order(plan, plan.given))
    except ImportError as error:
        message = f"{plan.derivative} by mode sparse: this model's pattern has to be detected."
        hint = "Install asdex for that: pip install 'jaccli[sparse]'."
        raise ComputationError(message, hint=hint) from error
    except (TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        message = f"{plan.derivative} by mode sparse: {reason}"
        raise ComputationError(message, hint="Another --mode may do.") from error


def cheaper(plan: Plan) -> Prepared | None:
    """Return the derivative by a coloring, if it needs far fewer products than other modes.

    Only where the engine's links say nothing.
    """
    try:
        found = _prepared(plan, None)
    except (ImportError, TypeError, ValueError, NotImplementedError):
        return None
    if found.coloring is None or CLEARLY * found.coloring.count > min(found.pattern.shape):
        return None
    return found


def _prepared(plan: Plan, pattern: Pattern | None) -> Prepared:
    model = plan.model
    constants = model.constants

    def f(wrt: Mapping[str, Any], rest: Mapping[str, Any]) -> Any:
        return model.function({**rest, **constants, **wrt})

    wrt, rest = avals(model)
    derivative = "hessian" if plan.derivative == "hessian" else "jacobian"
    return prepare(derivative, f, wrt, rest, about=plan.facts, pattern=pattern)


def _in_tree_order(plan: Plan, given: Pattern) -> Pattern:
    """Return the user's pattern with rows and columns in JAX's order, that of sorted names."""
    ins = {name: plan.model.in_shape(name) for name in plan.model.wrt}
    outs = dict(plan.outputs)
    if plan.derivative == "hessian":
        if plan.facts.outputs != 1 or len(outs) != 1:
            message = "a pattern goes with the Hessian of one scalar output."
            raise SpecError(plan.spec.problem("sparsity", message, "Choose one with --select."))
        outs = ins
    expected = tuple(sum(map(math.prod, side.values())) for side in (outs, ins))
    if given.shape != expected:
        message = f"the pattern has the shape {given.shape}; the derivative's is {expected}."
        hint = "Rows and columns are in the order of --layout matrix."
        raise SpecError(plan.spec.problem("sparsity.file", message, hint))
    if plan.derivative == "hessian":  # symmetric, whatever the file has of it
        rows, columns = given.rows, given.columns
        given = Pattern(np.append(rows, columns), np.append(columns, rows), given.shape)
    found = split(given.sorted(), list(outs.values()), list(ins.values()))
    names = itertools.product(outs, ins)
    blocks = {name: entries for name, (entries, _) in zip(names, found, strict=True)}
    ordered = [blocks[name] for name in itertools.product(sorted(outs), sorted(ins))]
    sizes = [[math.prod(side[name]) for name in sorted(side)] for side in (outs, ins)]
    return joined(ordered, *sizes).sorted()


def coloring(plan: Plan) -> Coloring | None:
    """Return the coloring of a plan whose operator is `sparse`; None where asdex is missing.

    Where links serve, no coloring is needed, and this is the one that it would take.
    """
    found = plan.prepared
    assert found is not None
    if found.coloring is not None:
        return found.coloring
    pattern, barred = found.pattern.sorted(), (plan.facts.no_forward, plan.facts.no_reverse)
    square = plan.derivative == "hessian" and plan.facts.outputs == 1
    if plan.derivative == "hessian" and not square:
        # There may be more rows than asdex numbers: to columns, only those with entries matter.
        filled, rows = np.unique(pattern.rows, return_inverse=True)
        pattern, barred = (
            Pattern(rows, pattern.columns, (filled.size, pattern.shape[1])),
            (False, True),
        )
    try:
        return color("hessian" if square else "jacobian", pattern, *barred)
    except ImportError:
        return None


def in_spec_order(plan: Plan) -> Pattern:
    """Return the pattern of a plan's joined matrix, rows and columns as in `--layout matrix`.

    Of a Hessian of several numbers, the rows count outputs and inputs.
    """
    found = plan.prepared
    assert found is not None
    ins = {name: math.prod(plan.model.in_shape(name)) for name in plan.model.wrt}
    blocks, rows = [], []
    for out, shape in plan.outputs.items():
        for wrt in ins if plan.derivative == "hessian" else (None,):
            row = found.entries[out] if wrt is None else found.entries[out][wrt]
            blocks += [row[name] for name in ins]
            rows.append(math.prod(shape) * (1 if wrt is None else ins[wrt]))
    return joined(blocks, rows, list(ins.values())).sorted()
