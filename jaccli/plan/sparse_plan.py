"""The sparse side of a plan: the derivative prepared, and when `auto` takes it.

Boundary: reads shapes and structure; computes nothing big.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaccli import memory
from jaccli.derivative.operators import HESSIAN_SWEEPS, JACOBIAN_SWEEPS
from jaccli.derivative.refusal import advice, explained, working
from jaccli.derivative.sparse import (
    Coloring,
    Pattern,
    Prepared,
    TooManyEntries,
    color,
    joined,
    prepare,
    prepared_if_colored,
    split,
)
from jaccli.errors import BudgetError, JaccliError, SpecError, UnderivableError, format_bytes
from jaccli.plan.shapes import avals

if TYPE_CHECKING:
    from jaccli.plan.plan import Plan

_HELD = 24
"""Bytes for every entry: its value, where it stands, and in which order."""
CLEARLY = 8
"""`auto` takes a coloring with so many times fewer products than there are rows or columns."""

_COMPARED = 1 << 30
"""Bytes, at most, that `auto` spends on looking for a coloring: some seconds' work."""


def prepared(plan: Plan) -> Prepared:
    """Return the plan's sparse derivative, prepared: its pattern, and how it is computed.

    Raises:
        SpecError: the user's pattern does not fit.
        BudgetError: there are more entries than the memory budget holds.
        UnderivableError: JAX has no way to differentiate the model.
    """
    given = None if plan.given is None else _in_tree_order(plan, plan.given)
    most = max(plan.budget - plan.input_bytes, 0) // _HELD
    asked = plan.spec.mode == "sparse" or plan.storage == "sparse" or plan.given is not None
    try:
        with memory.growing_by(plan.budget - plan.input_bytes if asked else _to_compare(plan)):
            return prepare(*_problem(plan), about=plan.facts, pattern=given, most=most)
    except memory.Exhausted as error:
        raise BudgetError(
            f"{plan.derivative} by mode sparse: to find its zeros takes more than the memory "
            f"budget of {format_bytes(plan.budget)} leaves.",
            hint="Raise --memory, give the pattern (`sparsity`), or take another mode.",
        ) from error
    except TooManyEntries as error:
        raise BudgetError(
            f"{plan.derivative} by mode sparse: {error.count:,} entries take "
            f"{format_bytes(_HELD * error.count)} with their places, more than the memory budget "
            f"of {format_bytes(plan.budget)} leaves.",
            hint="Raise --memory, or choose fewer entries with --wrt and --select.",
        ) from error
    except (JaccliError, MemoryError):
        raise
    except Exception as error:  # what JAX and the rules of libraries raise is of every type
        reason = explained(error, plan.facts)
        message = f"{plan.derivative} by mode sparse: {reason}."
        raise UnderivableError(message, reason, hint=advice(_others(plan))) from error


def _to_compare(plan: Plan) -> int:
    """Return the bytes that may be spent on a sparse derivative that nobody has asked for."""
    return min((plan.budget - plan.input_bytes) // 4, _COMPARED)


def _others(plan: Plan) -> list[str]:
    """Return the plain modes by which the model can be differentiated."""
    derivative, f, wrt, rest = _problem(plan)
    operators = {"jacobian": JACOBIAN_SWEEPS, "hessian": HESSIAN_SWEEPS}[derivative]

    def trace(mode: str) -> object:
        return jax.eval_shape(
            lambda wrt, rest: operators[mode](lambda x: f(x, rest), wrt)(wrt), wrt, rest
        )

    return working([name for name in operators if name != "loop"], trace)


def cheaper(plan: Plan) -> Prepared | None:
    """Return the derivative by a coloring, if it needs far fewer products than other modes.

    Only where the engine's links say nothing.
    """
    try:
        with memory.growing_by(_to_compare(plan)):
            found = prepared_if_colored(*_problem(plan), about=plan.facts)
    except memory.Exhausted:
        return None
    except (JaccliError, MemoryError):
        raise
    except Exception:  # `auto` has other ways
        return None
    if found is None or found.coloring is None:
        return None
    if CLEARLY * found.coloring.products > min(found.pattern.shape):
        return None
    return found


def _problem(plan: Plan) -> tuple[str, Any, dict[str, Any], dict[str, Any]]:
    """Return what is to be prepared: derivative, function, shapes of wrt inputs and of the rest."""
    model = plan.model
    constants = model.constants

    def f(wrt: Mapping[str, Any], rest: Mapping[str, Any]) -> Any:
        return model.function({**rest, **constants, **wrt})

    wrt, rest = avals(model)
    derivative = "hessian" if plan.derivative == "hessian" else "jacobian"
    return derivative, f, wrt, rest


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


def coloring(plan: Plan) -> Coloring:
    """Return the coloring of a plan whose operator is `sparse`.

    Where links serve, no coloring is needed, and this is the one that it would take.
    """
    found = _found(plan)
    if found.coloring is not None:
        return found.coloring
    pattern, barred = found.pattern.sorted(), (plan.facts.no_forward, plan.facts.no_reverse)
    square = plan.derivative == "hessian" and plan.facts.outputs == 1
    if plan.derivative == "hessian" and not square:
        # There may be very many rows: to columns, only those with entries matter.
        filled, rows = np.unique(pattern.rows, return_inverse=True)
        pattern, barred = (
            Pattern(rows, pattern.columns, (filled.size, pattern.shape[1])),
            (False, True),
        )
    return color("hessian" if square else "jacobian", pattern, *barred)


def _found(plan: Plan) -> Prepared:
    """Return what was prepared.

    Raises:
        UnderivableError: the mode was refused, and another one was taken.
    """
    if plan.prepared is None:
        message = f"{plan.derivative}: its pattern is not known: {plan.refusal}."
        raise UnderivableError(message, plan.refusal)
    return plan.prepared


def in_spec_order(plan: Plan) -> Pattern:
    """Return the pattern of a plan's joined matrix, rows and columns as in `--layout matrix`.

    Of a Hessian of several numbers, the rows count outputs and inputs.
    """
    found = _found(plan)
    ins = {name: math.prod(plan.model.in_shape(name)) for name in plan.model.wrt}
    blocks, rows = [], []
    for out, shape in plan.outputs.items():
        for wrt in ins if plan.derivative == "hessian" else (None,):
            row = found.entries[out] if wrt is None else found.entries[out][wrt]
            blocks += [row[name] for name in ins]
            rows.append(math.prod(shape) * (1 if wrt is None else ins[wrt]))
    return joined(blocks, rows, list(ins.values())).sorted()
