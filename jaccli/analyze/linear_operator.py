"""The derivative of a model as a linear map: J v, Jᵀ u, H v, compiled once, never a matrix.

The model is linearized at its point once, so that products do not evaluate it again.  A product
costs 0.4 of a jvp of the gradient where the model dominates, and never more than one.
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
from jaccli.execute.solution_check import check_points
from jaccli.plan import Plan


class Linearized:
    """A model linearized at its point: `operator` has the products, `nbytes` counts their memory.

    `plan` is that of a jvp (for a Jacobian) or an hvp (for a Hessian).  For a Hessian, `value` and
    `gradient` `(N,)` are those of the output.

    Raises:
        ComputationError: JAX cannot linearize the model.
        BudgetError: the products need more memory than the budget.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        missing_mode = (
            "reverse" if plan.facts.no_reverse else "forward" if plan.facts.no_forward else ""
        )
        if missing_mode:
            raise ComputationError(
                f"analyze: products with the {_NAMES[plan.derivative]} take both modes, and JAX "
                f"has no {missing_mode} mode for this model.",
                hint="Have the matrix formed: leave out --top, or raise --memory.",
            )
        wrt, rest, _ = jax.device_put(functions.arguments(plan), plan.device.handle)
        in_shapes = {name: plan.model.in_shape(name) for name in plan.model.wrt}
        dtypes = {name: plan.model.primals[name].dtype for name in in_shapes}
        self.dtype = np.result_type(*dtypes.values(), *(block.dtype for block in plan.blocks))
        self.value: float | None = None
        self.gradient: Array | None = None
        self.nbytes = 0
        width = sum(map(prod, in_shapes.values()))

        def split(vector: Any) -> dict[str, Any]:
            return _split(vector, in_shapes, dtypes)

        def flattened(f: Function) -> Function:
            return lambda x: _flatten(f(x), list(plan.outputs))

        check_points(plan)
        with settings(plan):
            if plan.derivative == "hvp":
                self._hessian(wrt, rest, split, list(in_shapes))
                return
            forward = self._compile_and_call(
                lambda w, r: jax.linearize(flattened(functions.function(plan, r)), w)[1], wrt, rest
            )
            backward = self._compile_and_call(
                lambda w, r: jax.vjp(flattened(functions.function(plan, r)), w)[1], wrt, rest
            )
            count = sum(map(prod, plan.outputs.values()))
            out = jnp.result_type(*(block.dtype for block in plan.blocks))
            self.operator = LinearOperator(
                (count, width),
                dtype=self.dtype,
                matvec=self._product(lambda f, v: f(split(v)), forward, width),
                rmatvec=self._product(
                    lambda f, u: _flatten(f(u.astype(out))[0], list(in_shapes)), backward, count
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
            return value, _flatten(gradient, names), linear

        value, gradient, linear = self._compile_and_call(build, wrt, rest)
        self.value, self.gradient = float(value), np.asarray(gradient)
        width = len(self.gradient)
        product = self._product(lambda f, v: _flatten(f(split(v)), names), linear, width)
        self.operator = LinearOperator(
            (width, width), dtype=self.dtype, matvec=product, rmatvec=product
        )

    def _compile_and_call(self, function: Callable[..., Tree], *args: Any) -> Tree:
        """Compile and call a function, once the budget allows it."""
        try:
            lowered = jax.jit(function).lower(*args)
        except (TypeError, ValueError, NotImplementedError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ComputationError(f"analyze: the model cannot be linearized: {reason}") from error
        compiled = interruptible(lowered.compile)
        program_cost = cost.of(compiled)
        total = program_cost.held + self.nbytes
        if total > self.plan.budget:
            raise BudgetError(
                f"analyze: products with the {_NAMES[self.plan.derivative]} take "
                f"{format_bytes(total)}, more than the memory budget of "
                f"{format_bytes(self.plan.budget)}.",
                hint="Raise --memory.",
            )
        # The outputs, the linear map, stay in memory; temporaries are freed.
        self.nbytes += program_cost.outputs
        return jax.block_until_ready(compiled(*args))

    def _product(
        self, apply: Callable[[Any, Any], Any], linear: Any, size: int
    ) -> Callable[[Array], Array]:
        """Return the compiled product with vectors of this size."""
        vector = jax.ShapeDtypeStruct((size,), self.dtype)
        with settings(self.plan):
            compiled = interruptible(jax.jit(apply).lower(linear, vector).compile)
        program_cost = cost.of(compiled)
        self.nbytes += program_cost.temporaries + program_cost.outputs

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
    """Split a flat vector into named arrays."""
    parts, start = {}, 0
    for name, shape in shapes.items():
        stop = start + prod(shape)
        parts[name] = vector[start:stop].reshape(shape).astype(dtypes[name])
        start = stop
    return parts


def _flatten(tree: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the arrays of a tree, flattened and joined in the order of the names."""
    return jnp.concatenate([tree[name].reshape(-1) for name in names])
