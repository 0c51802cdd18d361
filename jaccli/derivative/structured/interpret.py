"""The interpreter: runs the jaxpr of a linear map on structured Jacobians.

Equations that do not depend on the seeds are evaluated as they come (known integers in numpy),
calls are inlined, and the rest goes to its rule, or to the fallback.

Boundary: knows no primitive but the calls it inlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaccli.derivative.facts import is_literal
from jaccli.derivative.structured.fallback import INLINED, bind, fallback
from jaccli.derivative.structured.known import evaluate, is_whole, known
from jaccli.derivative.structured.registry import RULES, Equation, NoStructure, Operand
from jaccli.derivative.structured.terms import Linear

NARROW = ("mul", "div")
"""Primitives whose rules take a broadcast operand with its dims of size 1 as they were."""


def interpret(
    jaxpr: Any,
    consts: Sequence[Any],
    args: Sequence[Operand],
    wanted: Sequence[bool] | None = None,
) -> list[Operand | None]:
    """Return the results of `jaxpr`; those not `wanted` are None."""
    env: dict[Any, Operand] = dict(zip(jaxpr.constvars, map(known, consts), strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    small: dict[Any, Any] = {}  # arrays before they were broadcast, with dims of size 1
    wanted = [True] * len(jaxpr.outvars) if wanted is None else wanted

    def read(atom: Any) -> Operand:
        return atom.val if is_literal(atom) else env[atom]

    for eqn, needed in live(jaxpr, wanted):
        operands = [read(atom) for atom in eqn.invars]
        if eqn.primitive.name in NARROW:
            operands = [
                x if is_literal(v) else small.get(v, x)
                for x, v in zip(operands, eqn.invars, strict=True)
            ]
            results = apply(eqn, operands, needed, lambda e=eqn: [read(atom) for atom in e.invars])
        else:
            results = apply(eqn, operands, needed)
        for var, value in zip(eqn.outvars, results, strict=True):
            if value is not None:
                env[var] = value
        if eqn.primitive.name == "broadcast_in_dim" and not isinstance(operands[0], Linear):
            small[eqn.outvars[0]] = _before(eqn, operands[0])
    return [read(v) if want else None for v, want in zip(jaxpr.outvars, wanted, strict=True)]


def live(jaxpr: Any, wanted: Sequence[bool]) -> list[tuple[Equation, list[bool]]]:
    """Return the equations that the wanted results need, each with which of its own are needed."""
    used = {v for v, want in zip(jaxpr.outvars, wanted, strict=True) if want and not is_literal(v)}
    kept = []
    for eqn in reversed(jaxpr.eqns):
        needed = [v in used for v in eqn.outvars]
        if any(needed) or eqn.effects:
            kept.append((eqn, needed))
            used |= {v for v in eqn.invars if not is_literal(v)}
    return kept[::-1]


def apply(
    eqn: Equation, operands: Sequence[Operand], needed: Sequence[bool], full: Any = None
) -> list[Operand | None]:
    """Return the results of one equation; `full` gives the operands all broadcast."""
    called = INLINED.get(eqn.primitive.name)
    linear = [x for x in operands if isinstance(x, Linear)]
    if not linear:
        operands = operands if full is None else full()
        value = evaluate(eqn, operands)
        if value is not None:
            return [value]
        whole = any(is_whole(v.aval.dtype) for v in eqn.outvars) and any(map(_known, operands))
        if called is None or not whole:
            return list(bind(eqn, operands))
    if called is not None:
        inner = eqn.params[called]
        jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
        return interpret(jaxpr, consts, operands, needed)
    if len(eqn.outvars) == 1 and (
        not any(x.terms for x in linear) or 0 in eqn.outvars[0].aval.shape
    ):
        aval = eqn.outvars[0].aval
        return [Linear(tuple(aval.shape), aval.dtype, ())]
    rule = RULES.get(eqn.primitive.name)
    if rule is not None:
        typed = [_typed(x, v) for x, v in zip(operands, eqn.invars, strict=True)]
        try:
            results = rule(eqn, *typed)
            return [results] if isinstance(results, Linear) else list(results)
        except NoStructure:
            pass
    return list(fallback(eqn, operands if full is None else full()))


def _typed(x: Operand, atom: Any) -> Operand:
    """Return an operand, a literal one with its dtype."""
    dtype = atom.aval.dtype
    return np.asarray(x, dtype) if is_literal(atom) else x


def _before(eqn: Equation, operand: Any) -> Any:
    """Return the operand of a broadcast, reshaped to the rank of its result."""
    shape = [1] * len(eqn.outvars[0].aval.shape)
    for d, axis in enumerate(eqn.params["broadcast_dimensions"]):
        shape[axis] = np.shape(operand)[d]
    return np.reshape(operand, shape) if _known(operand) else operand.reshape(shape)


def _known(x: Any) -> bool:
    """Return whether an operand is an integer known while tracing."""
    return isinstance(x, np.ndarray | np.generic | int) and is_whole(np.asarray(x).dtype)
