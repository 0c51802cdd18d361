"""The derivative of a model as a linear map: J v, Jᵀ u, H v, compiled once, never a matrix.

The model is linearized at its point, so that a product repeats nothing of the model itself.  A
product costs 0.4 of a jvp of the gradient where the model dominates, and never more than it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.linalg import LinearOperator

from jaccli.analyze.spectrum import Array
from jaccli.derivative import cost
from jaccli.derivative.basis import Function, Tree
from jaccli.errors import BudgetError, ComputationError, format_bytes
from jaccli.execute import functions
from jaccli.execute.compile_plan import settings
from jaccli.execute.interruptible import interruptible
from jaccli.plan import Plan


class Linearized:
    """A model linearized at its point: `operator` has the products, `held` the bytes they need.

    `plan` is that of a jvp (a Jacobian) or of an hvp (a Hessian).  Of a Hessian, `value` and
    `gradient` `(N,)` are those of the output.

    Raises:
        ComputationError: JAX cannot linearize the model.
        BudgetError: the products need more memory than the budget.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        barred = "reverse" if plan.facts.no_reverse else "forward" if plan.facts.no_forward else ""
        if barred:
            raise ComputationError(
                f"analyze: products with the {_NAMES[plan.derivative]} take both modes, and JAX "
                f"has no {barred} mode for this model.",
                hint="Have the matrix formed: leave out --top, or raise --memory.",
            )
        wrt, rest, _ = jax.device_put(functions.arguments(plan), plan.device.handle)
        ins = {name: plan.model.in_shape(name) for name in plan.model.wrt}
        dtypes = {name: plan.model.primals[name].dtype for name in ins}
        self.dtype = np.result_type(*dtypes.values(), *(block.dtype for block in plan.blocks))
        self.value: float | None = None
        self.gradient: Array | None = None
        self.held = 0
        width = sum(map(prod, ins.values()))

        def split(vector: Any) -> dict[str, Any]:
            return _split(vector, ins, dtypes)

        def joined(f: Function) -> Function:
            return lambda x: _joined(f(x), list(plan.outputs))

        with settings(plan):
            if plan.derivative == "hvp":
                self._hessian(wrt, rest, split, list(ins))
                return
            forward = self._compiled(
                lambda w, r: jax.linearize(joined(functions.function(plan, r)), w)[1], wrt, rest
            )
            backward = self._compiled(
                lambda w, r: jax.vjp(joined(functions.function(plan, r)), w)[1], wrt, rest
            )
            count = sum(map(prod, plan.outputs.values()))
            out = jnp.result_type(*(block.dtype for block in plan.blocks))
            self.operator = LinearOperator(
                (count, width),
                dtype=self.dtype,
                matvec=self._product(lambda f, v: f(split(v)), forward, width),
                rmatvec=self._product(
                    lambda f, u: _joined(f(u.astype(out))[0], list(ins)), backward, count
                ),
            )

    def _hessian(
        self, wrt: Tree, rest: Tree, split: Callable[[Any], Tree], names: Sequence[str]
    ) -> None:
        """Linearize the gradient."""

        def build(w: Tree, r: Tree) -> Tree:
            def scalar(x: Tree) -> Any:
                (value,) = functions.function(self.plan, r)(x).values()
                return value

            def slope(x: Tree) -> Any:
                value, gradient = jax.value_and_grad(scalar)(x)
                return gradient, value

            gradient, linear, value = jax.linearize(slope, w, has_aux=True)
            return value, _joined(gradient, names), linear

        value, gradient, linear = self._compiled(build, wrt, rest)
        self.value, self.gradient = float(value), np.asarray(gradient)
        width = len(self.gradient)
        product = self._product(lambda f, v: _joined(f(split(v)), names), linear, width)
        self.operator = LinearOperator(
            (width, width), dtype=self.dtype, matvec=product, rmatvec=product
        )

    def _compiled(self, function: Callable[..., Tree], *args: Any) -> Tree:
        """Compile and call a function, once the budget allows it."""
        try:
            lowered = jax.jit(function).lower(*args)
        except (TypeError, ValueError, NotImplementedError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ComputationError(f"analyze: the model cannot be linearized: {reason}") from error
        compiled = interruptible(lowered.compile)
        needs = cost.of(compiled)
        held = needs.held + self.held
        if held > self.plan.budget:
            raise BudgetError(
                f"analyze: products with the {_NAMES[self.plan.derivative]} take "
                f"{format_bytes(held)}, more than the memory budget of "
                f"{format_bytes(self.plan.budget)}.",
                hint="Raise --memory.",
            )
        # What the linear map keeps stays; what it needed to be made goes.
        self.held += needs.outputs
        return jax.block_until_ready(compiled(*args))

    def _product(
        self, apply: Callable[[Any, Any], Any], linear: Any, size: int
    ) -> Callable[[Array], Array]:
        """Return the compiled product with vectors of this size."""
        vector = jax.ShapeDtypeStruct((size,), self.dtype)
        with settings(self.plan):
            compiled = interruptible(jax.jit(apply).lower(linear, vector).compile)
        needs = cost.of(compiled)
        self.held += needs.temporaries + needs.outputs

        def product(vector: Array) -> Array:
            flat = jax.device_put(
                np.asarray(vector, self.dtype).reshape(size), self.plan.device.handle
            )
            return np.asarray(compiled(linear, flat))

        return product


_NAMES = {"jvp": "Jacobian", "hvp": "Hessian"}


def _split(
    vector: Any, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arrays that a flat vector joins."""
    parts, start = {}, 0
    for name, shape in shapes.items():
        stop = start + prod(shape)
        parts[name] = vector[start:stop].reshape(shape).astype(dtypes[name])
        start = stop
    return parts


def _joined(tree: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the arrays of a tree, flattened and joined in the order of the names."""
    return jnp.concatenate([tree[name].reshape(-1) for name in names])
