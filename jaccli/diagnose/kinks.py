"""Detection of kinks: points at which a function has no derivative.

An entry is reported where an argument is exactly at a kink of its function, the pieces that meet
there differ in slope along the wrt inputs, and the outputs depend on the entry.  Nothing is run
for models without such functions, and the slopes are compared only where there is a tie.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.diagnose import operations
from jaccli.diagnose.evaluate import at_rows
from jaccli.diagnose.kink_table import KINKS, Tie
from jaccli.diagnose.operations import Step, bare, entry
from jaccli.errors import Problem
from jaccli.plan import Plan

_SHOWN = 2
"""Entries that a message names."""

_SECOND = ("hessian", "hvp")


@dataclass(frozen=True)
class Finding:
    """A kink at the primal point: `key` identifies the operation, `problem` has the message."""

    key: Hashable
    problem: Problem

    def __str__(self) -> str:
        return str(self.problem)


@dataclass
class _Sites:
    """The kinks of one trace of the model, in the order in which they are evaluated."""

    ties: list[tuple[Step, Tie]] = field(default_factory=list)

    def add_ties(self, step: Step) -> bool:
        """Note the ties of a step; return whether it has any."""
        kink = KINKS.get(step.name)
        if kink is None or isinstance(step.result, tuple) or step.result.dtype == bool:
            return False
        active = [tie._replace(at=tie.at & step.active) for tie in kink.ties(step)]
        self.ties += [(step, tie) for tie in active]
        return bool(active)


def explain(plan: Plan) -> tuple[Finding, ...]:
    """Return the kinks that the primal point of a derivative is on, in the order of the model.

    There are none to report for `evaluate`, and none where looking would exceed the budget.

    Raises:
        ComputationError: the model fails as it is evaluated.
    """
    if plan.derivative == "evaluate" or not operations.names(plan) & set(KINKS):
        return ()
    sites = _Sites()

    def tied(wrt: Any, rest: Any) -> list[Any]:
        sites.ties.clear()

        def watch(step: Step) -> Any:
            sites.add_ties(step)
            return step.result

        operations.run(plan, {**rest, **wrt}, watch)
        return [jnp.any(tie.at) for _, tie in sites.ties]

    # Most points are on no kink: one cheap program says so.
    if not any(map(np.any, at_rows(plan, tied) or ())):
        return ()
    noticed = at_rows(plan, _noticed_entries(plan, sites))
    return () if noticed is None else tuple(_findings(plan, sites, noticed))


# Relevance


def _noticed_entries(plan: Plan, sites: _Sites) -> Callable[[Any, Any], list[Any]]:
    """Return a function from the inputs to the entries of each tie that affect the derivative."""
    second = plan.derivative in _SECOND

    def noticed_entries(wrt: Any, rest: Any) -> list[Any]:
        shifts = jax.eval_shape(lambda wrt: _shapes(plan, {**rest, **wrt}), wrt)
        zero = [jnp.zeros(s.shape, jnp.result_type(s.dtype, jnp.float32)) for s in shifts]

        def total(shifts: list[Any], wrt: Any) -> Any:
            """Return a mix of the outputs, with every site's result shifted; and the pieces."""
            sites.ties.clear()
            left = iter(shifts)

            def watch(step: Step) -> Any:
                return step.result + next(left) if sites.add_ties(step) else step.result

            outputs = operations.run(plan, {**rest, **wrt}, watch)
            floats = [y for y in outputs.values() if jnp.issubdtype(y.dtype, jnp.inexact)]
            mix = sum(jnp.sum(y * _generic(y, salt)) for salt, y in enumerate(floats))
            pairs = [[_alike(*pair) for pair in tie.pairs] for _, tie in sites.ties]
            return mix, (pairs, [tie.at for _, tie in sites.ties])

        toward = {name: _generic(array, salt) for salt, (name, array) in enumerate(wrt.items())}
        slopes = _piece_derivatives(plan, lambda wrt: total(zero, wrt)[1][0], wrt, toward, second)
        weights = _weights(plan, lambda s, w: total(s, w)[0], zero, wrt, toward, second)
        _, (_, at) = total(zero, wrt)
        owner = _owners(sites)
        noticed_at = []
        for number, (step, tie) in enumerate(sites.ties):
            matters = at[number]
            for pair in range(len(tie.pairs)):
                matters &= _differ([order[number][pair] for order in slopes])
            # x * sign(x) has a kink although sign(x) counts for nothing at 0: its jump has a slope.
            jumps: Any = KINKS[step.name].kind == "jump"
            if slopes and KINKS[step.name].kind == "switch":
                jumps = _differ([slopes[0][number][-1]])
            if weights:
                *kinks, jump = [tie.to_tie_shape(order[owner[number]]) != 0 for order in weights]
                matters &= functools.reduce(operator.or_, kinks, jump & jumps)
            noticed_at.append(tie.to_operand_shape(matters))
        return noticed_at

    return noticed_entries


def _alike(*pair: Any) -> list[Any]:
    """Return both pieces as arrays of one floating dtype, whose slopes can be compared."""
    kind = jnp.result_type(*pair, jnp.float32)
    return [jnp.asarray(piece, kind) for piece in pair]


def _shapes(plan: Plan, inputs: Any) -> list[Any]:
    """Return the results of the steps with kinks, for their shapes."""
    sites, results = _Sites(), []

    def watch(step: Step) -> Any:
        if sites.add_ties(step):
            results.append(step.result)
        return step.result

    operations.run(plan, inputs, watch)
    return results


def _owners(sites: _Sites) -> list[int]:
    """Return which of the steps with kinks each tie is of."""
    owners: list[int] = []
    for number, (step, _) in enumerate(sites.ties):
        again = number > 0 and sites.ties[number - 1][0] is step
        owners.append(owners[-1] + (not again) if owners else 0)
    return owners


def _generic(array: Any, salt: int) -> Any:
    """Return a direction without symmetries: numbers between 1 and 2, each another one."""
    count = jnp.arange(1, array.size + 1, dtype=array.dtype).reshape(array.shape)
    return 1 + jnp.mod(count * 0.6180339887 + salt * 0.7548776662, 1)


def _piece_derivatives(plan: Plan, f: Any, wrt: Any, toward: Any, second: bool) -> list[Any]:
    """Return the pieces' values, their derivatives along `toward`, and perhaps the second ones."""
    if plan.facts.no_forward:
        return []

    def along(f: Any) -> Any:
        return lambda wrt: jax.jvp(f, (wrt,), (toward,))[1]

    orders = [f, along(f)] + ([along(along(f))] if second else [])
    return [order(wrt) for order in orders]


def _weights(plan: Plan, f: Any, shifts: Any, wrt: Any, toward: Any, second: bool) -> list[Any]:
    """Return how much the outputs notice of each step's result, and the derivatives of that.

    The last is of the order of the derivative, for what jumps; those before it are for kinks.
    """
    if plan.facts.no_reverse or plan.facts.no_forward:
        return []
    shifted = [_generic(shift, salt) for salt, shift in enumerate(shifts)]

    def along(f: Any) -> Any:
        return lambda *x: jax.jvp(f, x, (shifted, toward))[1]

    noticed = jax.grad(f)
    orders = [noticed, along(noticed)] + ([along(along(noticed))] if second else [])
    return [order(shifts, wrt) for order in orders]


def _differ(orders: Sequence[Any]) -> Any:
    """Return where two pieces differ in value or in a derivative, by more than rounding."""
    if not orders:
        return True
    differ: Any = False
    for a, b in orders:
        tolerance = math.sqrt(float(np.finfo(a.dtype).eps))
        scale = jnp.maximum(jnp.abs(a), jnp.abs(b))
        differ |= ~((a == b) | (jnp.abs(a - b) <= tolerance * scale))
    return differ


# Messages


def _findings(plan: Plan, sites: _Sites, noticed: Sequence[np.ndarray]) -> Iterator[Finding]:
    """Yield the kinks whose entries `(*batch, *shape)` are noticed by the derivative."""
    reported: set[tuple[Hashable, str]] = set()
    for (step, tie), at in zip(sites.ties, noticed, strict=True):
        if not at.any() or (step.origin.key, tie.text) in reported:  # an earlier turn of the loop
            continue
        reported.add((step.origin.key, tie.text))
        where = ""
        if plan.model.batch_size is not None:
            rows = np.flatnonzero(at.reshape(len(at), -1).any(axis=1))
            at, where = at[rows[0]], _rows(rows)
        kink = KINKS[step.name]
        message = f"{step.origin.text} is at a {kink.kind}: {_entries(tie, at)}{where}."
        written = {name: bare(step.origin.operand(name)) for name in ("x1", "x2")}
        rule = step.origin.rule
        hint = tie.takes or kink.takes.format(**written)
        hint = f"The derivative there is what the {rule} around it says." if rule else hint
        yield Finding(step.origin.key, step.origin.problem(message, hint))


def _rows(rows: np.ndarray) -> str:
    """Return `, at batch row 2` or `, at batch rows 0, 3 and 5 more`."""
    shown = [str(row) for row in rows[:3]]
    if len(rows) > 3:
        shown.append(f"{len(rows) - 3} more")
    return f", at batch row{'s' if len(rows) > 1 else ''} {_listed(shown)}"


def _entries(tie: Tie, at: np.ndarray) -> str:
    """Return `x[3] = 0`, `x[0] = 0, x[3] = 0 and 2 more entries` or `x[0] and x[4] are tied`."""
    indices = np.flatnonzero(at)
    shown = []
    for flat_index in indices[:_SHOWN]:
        index = [int(i) for i in np.unravel_index(flat_index, at.shape)]
        named = {name: entry(text, own, index) for name, (text, own) in tie.operands.items()}
        shown.append(tie.text.format(**named))
    more = len(indices) - len(shown)
    if more:
        shown.append(f"{more:,} more entr{'y' if more == 1 else 'ies'}")
    return f"{_listed(shown)} are tied" if tie.among_entries else _listed(shown)


def _listed(parts: list[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
