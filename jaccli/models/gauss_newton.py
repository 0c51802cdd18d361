"""The Gauss–Newton approximation as a model: half the square of the linearized residuals.

`½ |r(x₀) + J(x₀) (x - x₀)|²` has the value and the gradient of `½ |r|²` at the point `x₀`, and the
Hessian `JᵀJ` there.  So every mode, storage and chunk of Hessians, and their products, serve it.
Nocedal & Wright, Numerical Optimization, 10.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jaccli.choices import APPROXIMATED, GAUSS_NEWTON
from jaccli.models.model import LoadedModel
from jaccli.spec import Spec

COST = "cost"
"""The name of the output, half the sum of the squares of all residuals."""
_AT = "{}@"
"""What the point of an input is called: no input's name holds an @."""


def is_point(name: str) -> bool:
    """Whether an input of a model is the point of another."""
    return name.endswith("@")


def approximated(spec: Spec, model: LoadedModel, derivative: str) -> LoadedModel:
    """Return the model whose derivative is what the spec's `approximation` asks for.

    A model that is one already is returned as it is.
    """
    if spec.approximation != GAUSS_NEWTON or derivative not in APPROXIMATED:
        return model
    return model if _AT.format(model.wrt[0]) in model.primals else gauss_newton(model)


def gauss_newton(model: LoadedModel) -> LoadedModel:
    """Return the model of one output, `cost`, whose Hessian is `JᵀJ` of all outputs together.

    The point at which residuals are linearized is given by inputs of its own, so that it stays
    where it is when the others are changed.
    """
    wrt, residuals = model.wrt, model.function
    points = {name: _AT.format(name) for name in wrt}

    def function(inputs: Mapping[str, Any]) -> dict[str, Any]:
        import jax
        import jax.numpy as jnp

        fixed = {name: value for name, value in inputs.items() if name not in points.values()}
        at = {name: inputs[point] for name, point in points.items()}
        steps = {name: inputs[name] - value for name, value in at.items()}
        values, changes = jax.jvp(lambda one: residuals({**fixed, **one}), (at,), (steps,))
        squares = [jnp.sum(jnp.square(values[name] + changes[name])) for name in values]
        return {COST: sum(squares[1:], start=squares[0]) / 2}

    return replace(
        model,
        function=function,
        primals={**model.primals, **{points[name]: model.primals[name] for name in wrt}},
        batch={**model.batch, **{points[n]: model.batch[n] for n in wrt if n in model.batch}},
    )
