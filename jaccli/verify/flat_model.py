"""The model as a function of one flat vector, evaluated at many points and along many directions.

All arrays are stacked: points and tangents `(k, B, N)`, outputs and cotangents `(k, B, M)`, where k
counts points or directions, B batch rows (1 without a batch), N entries of all wrt inputs and M
those of all outputs, both in their order.  Every function is compiled once, for a few of the k at a
time, so that memory stays bounded.

Boundary: evaluates; compares nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.derivative.operators import HESSIAN, JACOBIAN
from jaccli.execute.compile_plan import settings
from jaccli.execute.compiler import options
from jaccli.models import Point, load
from jaccli.plan import Plan
from jaccli.result.result import Array
from jaccli.spec import PythonModel

_HELD = 1 << 22
"""Approximate maximum of the numbers in the arguments and results of one call."""
_POINTS_PER_CALL = 64
"""Points that a compiled call takes: always as many, because compiling takes longer."""


_LARGE = 10_000
"""Number of inputs and outputs from which on compiled code is optimized."""
_QUICK_OPTIONS: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
}
"""Options for small models, whose checks spend most of their time compiling."""


class NotDifferentiableBy(Exception):
    """JAX cannot differentiate the model in this way; the message says why."""


@dataclass
class Flat:
    """A plan's model at its point; `double` says that all floats are taken as float64."""

    plan: Plan
    function: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    primals: dict[str, np.ndarray]
    double: bool = False
    _compiled: dict[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def wrt(self) -> tuple[str, ...]:
        """The names of the inputs that are differentiated by."""
        return self.plan.model.wrt

    @cached_property
    def n(self) -> int:
        """How many entries the wrt inputs have."""
        return sum(math.prod(self.plan.model.in_shape(name)) for name in self.wrt)

    @cached_property
    def m(self) -> int:
        """How many entries the outputs have."""
        return sum(map(math.prod, self.plan.outputs.values()))

    @cached_property
    def rows(self) -> int:
        """How many batch rows there are; 1 without a batch."""
        size = self.plan.model.batch_size
        return 1 if size is None else size

    @cached_property
    def x(self) -> Array:
        """The primal, `(B, N)`."""
        parts = [_row_first(self, name, self.primals[name]) for name in self.wrt]
        if not parts:
            return np.zeros((self.rows, 0))
        return np.concatenate(parts, axis=1, dtype=np.result_type(*parts))

    @cached_property
    def eps(self) -> float:
        """The rounding unit of the coarsest of the inputs and outputs that are floats."""
        avals = {
            name: jax.ShapeDtypeStruct(self.plan.model.in_shape(name), array.dtype)
            for name, array in self.primals.items()
        }
        with self._settings():
            out = jax.eval_shape(self.function, avals)
        dtypes = [aval.dtype for name, aval in avals.items() if name in self.wrt]
        dtypes += [aval.dtype for aval in out.values()]
        floats = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
        finfo: Any = jnp.finfo  # knows bfloat16, and is not typed
        return max((float(finfo(dtype).eps) for dtype in floats), default=2.0**-52)

    def values(self, points: Array) -> Array:
        """Return the outputs, `(k, B, M)`."""
        return self._stacked("values", lambda f, x: f(x), points, step=_POINTS_PER_CALL)

    def jvp(self, points: Array, tangents: Array) -> tuple[Array, Array]:
        """Return the outputs as forward rules give them, and J v, both `(k, B, M)`."""

        def product(f: Any, x: Any, v: Any) -> Any:
            return jnp.concatenate(jax.jvp(f, (x,), (v,)))

        both = self._stacked("pushed", product, points, tangents)
        return both[..., : self.m], both[..., self.m :]

    def vjp(self, points: Array, cotangents: Array) -> tuple[Array, Array]:
        """Return the outputs as reverse rules give them, `(k, B, M)`, and Jᵀ u, `(k, B, N)`."""

        def product(f: Any, x: Any, u: Any) -> Any:
            y, pull = jax.vjp(f, x)
            return jnp.concatenate([y, pull(u)[0]])

        both = self._stacked("pulled", product, points, cotangents)
        return both[..., : self.m], both[..., self.m :]

    def hvp(self, points: Array, tangents: Array, cotangents: Array) -> Array:
        """Return the derivative of Jᵀ u along v: the Hessian of ⟨u, f⟩ times v, `(k, B, N)`."""
        reverse = self.plan.facts.no_forward

        def product(f: Any, x: Any, v: Any, u: Any) -> Any:
            def slope(x: Any) -> Any:
                return jax.vjp(f, x)[1](u)[0]

            # A function that has no forward rule is symmetric in its Hessian all the same.
            return jax.vjp(slope, x)[1](v)[0] if reverse else jax.jvp(slope, (x,), (v,))[1]

        return self._stacked("curved", product, points, tangents, cotangents)

    def jacobian(self, mode: str, points: Array) -> Array:
        """Return the Jacobian, `(k, B, M, N)`."""
        width = self.m * self.n
        return self._stacked(mode, JACOBIAN[mode], points, step=_POINTS_PER_CALL, width=width)

    def hessian(self, mode: str, points: Array) -> Array:
        """Return the Hessian, `(k, B, M, N, N)`."""
        return self._stacked(mode, HESSIAN[mode], points, width=self.m * self.n**2)

    def _stacked(
        self, name: str, product: Callable[..., Any], *stacks: Array, step: int = 0, width: int = 0
    ) -> Array:
        """Apply `product(f, x, ...)` to every batch row of every element of the stacks.

        `step` of them are taken at a time, by default all, and fewer where they are large: `width`
        counts the numbers of one result.
        """
        size = max(1, self.rows) * max(1, self.n, self.m, width)
        step = max(1, min(step or len(stacks[0]), _HELD // size))
        with self._settings():
            rest = {name: self.primals[name] for name in self.primals if name not in self.wrt}
            parts, call = [], None
            for start in range(0, len(stacks[0]), step):
                chunk = [stack[start : start + step].astype(self.x.dtype) for stack in stacks]
                count = len(chunk[0])
                if count < step:  # filled up, so that one program serves all
                    chunk = [np.concatenate([c, *[c[-1:]] * (step - count)]) for c in chunk]
                call = call or self._call(f"{name} {step}", product, rest, chunk)
                parts.append(np.asarray(call(rest, *chunk))[:count])
        return np.concatenate(parts)

    def _call(
        self, key: str, product: Callable[..., Any], rest: Mapping[str, Any], stacks: list[Array]
    ) -> Callable[..., Any]:
        """Return the compiled function of some of the k elements."""
        if key in self._compiled:
            return self._compiled[key]
        axes = {name: self.plan.model.batch.get(name) for name in rest}

        def row(rest: Any, *vectors: Any) -> Any:
            return product(lambda x: self._outputs(x, rest), *vectors)

        by_rows = jax.vmap(row, in_axes=(axes, *[0] * len(stacks)), axis_size=self.rows)
        stacked = jax.vmap(by_rows, in_axes=(None, *[0] * len(stacks)))
        try:
            lowered = jax.jit(stacked).lower(rest, *stacks)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise NotDifferentiableBy(str(error).strip().split("\n")[0]) from error
        on_cpu = self.plan.device.handle.platform == "cpu"
        is_quick = on_cpu and self.rows * (self.n + self.m) < _LARGE
        quickly = _QUICK_OPTIONS if is_quick else {}
        self._compiled[key] = lowered.compile({**quickly, **options(self.plan)})
        return self._compiled[key]

    def _outputs(self, x: Any, rest: Mapping[str, Any]) -> Any:
        """Return the flat outputs of one batch row."""
        inputs, start = dict(rest), 0
        for name in self.wrt:
            shape = self.plan.model.in_shape(name)
            part = x[start : start + math.prod(shape)]
            inputs[name] = part.astype(self.primals[name].dtype).reshape(shape)
            start += math.prod(shape)
        outputs = self.function(inputs)
        flat = [jnp.ravel(outputs[name]).astype(x.dtype) for name in self.plan.outputs]
        return jnp.concatenate(flat)

    @contextmanager
    def _settings(self) -> Iterator[None]:
        with settings(self.plan):
            if self.double:
                with jax.enable_x64(True):
                    yield
            else:
                yield


def flat(plan: Plan) -> Flat:
    """Return the model of a plan as it is."""
    primals = {name: array[...] for name, array in plan.model.primals.items()}
    return Flat(plan, plan.model.function, primals)


def in_double(plan: Plan) -> Flat:
    """Return the model of a plan with every float as float64, at the same point."""
    primals = {
        name: array[...].astype(np.float64) if array.dtype.kind == "f" else array[...]
        for name, array in plan.model.primals.items()
    }
    function = plan.model.function
    if not isinstance(plan.spec.model, PythonModel):  # Python code follows its inputs by itself
        spec = replace(plan.spec, dtype="float64")
        function = load(spec, Point(primals, plan.model.wrt, {})).function
    return Flat(plan, function, primals, double=True)


def flattened(flat: Flat, vectors: Mapping[str, np.ndarray], *, batched: bool) -> Array:
    """Return a plan's tangents or cotangents by name as one `(B, ·)` array."""
    parts = []
    for name in flat.wrt if set(vectors) == set(flat.wrt) else flat.plan.outputs:
        rows = vectors[name] if batched else vectors[name][None]
        rows = rows.reshape(len(rows), -1) if len(rows) else rows.reshape(0, 1)
        parts.append(np.broadcast_to(rows, (flat.rows, rows.shape[1])))
    return np.concatenate(parts, axis=1)


def _row_first(flat: Flat, name: str, array: np.ndarray) -> Array:
    """Return an input as `(B, entries)`, the same in every row if it is not batched."""
    size = math.prod(flat.plan.model.in_shape(name))
    axis = flat.plan.model.batch.get(name)
    if axis is None:
        return np.broadcast_to(array.reshape(1, size), (flat.rows, size))
    return np.moveaxis(array, axis, 0).reshape(flat.rows, size)
