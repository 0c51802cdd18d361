"""A plan as pure JAX functions: whole, by batch rows, or by unit vectors.

Boundary: builds functions; compiles and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaccli.derivative import operators
from jaccli.derivative.basis import Sweep, Tree
from jaccli.plan import Plan

Arguments = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
"""The wrt inputs, the other inputs and the vectors, each by name."""


def arguments(plan: Plan) -> Arguments:
    """Return the plan's numpy arrays in the order that the functions take them."""
    primals = plan.model.primals
    wrt = {name: primals[name] for name in plan.model.wrt}
    rest = {name: array for name, array in primals.items() if name not in wrt}
    return wrt, rest, dict(plan.vectors)


def batch_axes(plan: Plan) -> Arguments:
    """Return the batch axis of each argument, None where all batch rows share it."""
    wrt, rest, vectors = arguments(plan)
    axes = plan.model.batch
    vector_axis = 0 if plan.vector_batched else None
    return (
        {name: axes.get(name) for name in wrt},
        {name: axes.get(name) for name in rest},
        dict.fromkeys(vectors, vector_axis),
    )


def whole(plan: Plan) -> Callable[[Tree, Tree, Tree], Tree]:
    """Return the function that computes the whole result, every batch row at once."""
    row = _row(plan)
    return row if plan.model.batch_size is None else jax.vmap(row, in_axes=batch_axes(plan))


def sweep(plan: Plan, wrt: Tree, rest: Tree) -> Sweep:
    """Return the derivative of one point as a sweep over unit vectors; shapes alone are read."""
    hessian = plan.derivative == "hessian"
    builders = operators.HESSIAN_SWEEPS if hessian else operators.JACOBIAN_SWEEPS
    return builders[plan.mode](_function(plan, rest), wrt)


def _function(plan: Plan, rest: Tree) -> Callable[[Tree], Tree]:
    """Return the model as a function of the wrt inputs alone."""
    return lambda wrt: plan.model.function({**rest, **wrt})


def _row(plan: Plan) -> Callable[[Tree, Tree, Tree], Tree]:
    """Return the derivative at one point, as a function of wrt inputs, other inputs, vectors."""
    return lambda wrt, rest, vectors: _OPERATORS[plan.derivative](
        _function(plan, rest), wrt, vectors, plan.mode
    )


_OPERATORS: dict[str, Callable[[Callable[[Tree], Tree], Tree, Tree, str], Tree]] = {
    "evaluate": lambda f, x, v, mode: f(x),
    "gradient": lambda f, x, v, mode: operators.jacobian(f, x, mode),
    "jacobian": lambda f, x, v, mode: operators.jacobian(f, x, mode),
    "hessian": lambda f, x, v, mode: operators.hessian(f, x, mode),
    "jvp": lambda f, x, v, mode: operators.jvp(f, x, v),
    "vjp": lambda f, x, v, mode: operators.vjp(f, x, v),
    "hvp": lambda f, x, v, mode: operators.hvp(f, x, v, mode),
}
