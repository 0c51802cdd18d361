"""A model defined by equations as a function: the unknowns are solved for, then the outputs.

Boundary: names, shapes and expressions here; how a root is found and differentiated is
`derivative/implicit/`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli.errors import Problem, SpecError, UsageError, install, listed
from jaccli.spec import EquationsModel, Spec

if TYPE_CHECKING:
    from jaccli.derivative.implicit import LinearSystem, Root

Arrays = dict[str, Any]
Shape = tuple[int, ...]
_BESIDE = 1e-3
"""How far away, relatively, it is seen whether the Jacobian is finite beside a point."""


@dataclass(frozen=True, eq=False)
class EquationSystem:
    """The equations of a spec with the unknowns' starts: arrays of float by name, in order.

    The unknowns, and the residuals of the equations, are joined to vectors `(n,)` in their order.
    """

    spec: Spec
    model: EquationsModel
    starts: Mapping[str, np.ndarray]
    limit: int
    _systems: dict[str, tuple[LinearSystem, dict[str, Shape]]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many unknown numbers there are."""
        return sum(start.size for start in self.starts.values())

    @property
    def start(self) -> np.ndarray:
        """The starts, joined."""
        return np.concatenate([start.reshape(-1) for start in self.starts.values()])

    @property
    def digest(self) -> str:
        """The hash of the starts, which are part of the function."""
        from jaccli.storage.digest import digest

        return digest(dict(self.starts))

    @property
    def sizes(self) -> np.ndarray:
        """The magnitude of each unknown, `(n,)`: its start's, or its array's where that is 0."""
        parts = []
        for start in self.starts.values():
            largest = float(np.abs(start).max()) or 1.0
            parts.append(np.where(start != 0, np.abs(start), largest).reshape(-1))
        return np.concatenate(parts).astype(self.start.dtype)

    def outputs(self, inputs: Mapping[str, Any]) -> Arrays:
        """Return the outputs by name: NaN, with their derivatives, where there is no solution."""
        import jax.numpy as jnp
        from jax import lax

        from jaccli.derivative.implicit import implicit_function

        theta = self.parameters(inputs)
        solve = implicit_function(self.residuals, self.system(theta), self.root)
        u = solve(theta)
        valid = jnp.where(lax.stop_gradient(jnp.isfinite(u).all()), 1, np.nan)
        values = {**inputs, **self.unknowns(u)}
        solved = set(self.starts)
        for name, expression in self.model.expressions.items():
            values[name] = self._evaluated(expression, values)
            if solved.intersection(expression.names):
                solved.add(name)
        return {
            name: values[name] * valid.astype(values[name].dtype)
            if name in solved and jnp.issubdtype(values[name].dtype, jnp.inexact)
            else values[name]
            for name in self.model.outputs
        }

    def parameters(self, inputs: Mapping[str, Any]) -> Arrays:
        """Return the inputs that the equations use."""
        import jax.numpy as jnp

        formulas = (*self.model.equations.values(), *self.model.used_by_equations.values())
        used = {name for each in formulas for name in each.names}
        return {name: jnp.asarray(array) for name, array in inputs.items() if name in used}

    def unknowns(self, u: Any) -> Arrays:
        """Return the unknowns of a vector by name."""
        found, begin = {}, 0
        for name, start in self.starts.items():
            found[name] = u[begin : begin + start.size].reshape(start.shape)
            begin += start.size
        return found

    def residuals(self, u: Any, theta: Mapping[str, Any]) -> Any:
        """Return the residuals `(n,)` at the unknowns `(n,)` and the inputs that are used."""
        import jax.numpy as jnp

        values = {**theta, **self.unknowns(u)}
        for name, expression in self.model.used_by_equations.items():
            values[name] = self._evaluated(expression, values)
        parts = [self._evaluated(each, values) for each in self.model.equations.values()]
        return jnp.concatenate([jnp.ravel(part).astype(u.dtype) for part in parts])

    def root(self, theta: Mapping[str, Any]) -> Root:
        """Return what the root finder arrives at."""
        import jax.numpy as jnp

        from jaccli.derivative.implicit import find_root

        start, sizes = jnp.asarray(self.start), jnp.asarray(self.sizes)
        return find_root(self.residuals, self.system(theta), start, sizes, theta)

    def examined(self, inputs: Mapping[str, Any]) -> Arrays:
        """Return what a report of a failure needs: where the root finder ends, and what is there.

        `is_flat` says that the Jacobian, `entries`, is nearly singular there; `overflows` that
        it is not finite on either side of the point, as it is beside a kink.
        """
        import jax.numpy as jnp

        theta = self.parameters(inputs)
        system, root = self.system(theta), self.root(theta)

        def jacobian(u: Any) -> Any:
            return system.entries(lambda at: self.residuals(at, theta), u)

        entries = jacobian(root.u)
        signs = np.where(np.arange(self.size) % 2 == 0, _BESIDE, -_BESIDE).astype(self.start.dtype)
        beside = signs * jnp.where(root.u == 0, jnp.asarray(self.sizes), root.u)
        is_finite = [jnp.isfinite(jacobian(root.u + s * beside)).all() for s in (1, -1)]
        pivot = system.smallest_pivot(system.factors(entries))
        return {
            **root._asdict(),
            "residual": self.residuals(root.u, theta),
            "start_residual": self.residuals(jnp.asarray(self.start), theta),
            "entries": entries,
            "overflows": ~(is_finite[0] | is_finite[1]),
            "is_flat": ~(pivot > np.sqrt(np.finfo(self.start.dtype).eps)),
        }

    def system(self, theta: Mapping[str, Any]) -> LinearSystem:
        """Return what solves with the Jacobian of the unknowns, for inputs of these shapes."""
        return self._system(theta)[0]

    def equation_shapes(self, theta: Mapping[str, Any]) -> dict[str, Shape]:
        """Return the shape of each equation."""
        return self._system(theta)[1]

    def _system(self, theta: Mapping[str, Any]) -> tuple[LinearSystem, dict[str, Shape]]:
        import jax

        from jaccli.derivative.implicit import system_of

        shapes = {
            name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in theta.items()
        }
        key = repr(sorted((name, x.shape, str(x.dtype)) for name, x in shapes.items()))
        if key not in self._systems:
            u = jax.ShapeDtypeStruct((self.size,), self.start.dtype)
            found = self._shapes(u, shapes)
            self._systems[key] = system_of(self.residuals, u, shapes), found
        return self._systems[key]

    def _shapes(self, u: Any, theta: Mapping[str, Any]) -> dict[str, Shape]:
        """Return the shape of each equation.

        Raises:
            SpecError: they have not as many entries as the unknowns.
        """
        import jax

        def each(u: Any, theta: Mapping[str, Any]) -> Arrays:
            values = {**theta, **self.unknowns(u)}
            for name, expression in self.model.used_by_equations.items():
                values[name] = self._evaluated(expression, values)
            return {
                name: self._evaluated(equation, values)
                for name, equation in self.model.equations.items()
            }

        found = jax.eval_shape(each, u, theta)
        shapes = {name: tuple(found[name].shape) for name in self.model.equations}
        for name, value in found.items():
            if value.dtype.kind not in "fiu":
                message = f"the equation {name!r} is of {value.dtype}; it must be real numbers."
                raise SpecError(self.spec.problem(f"model.equations.{name}", message))
        starts = {name: start.shape for name, start in self.starts.items()}
        entries = sum(map(math.prod, shapes.values()))
        if entries != self.size:
            message = (
                f"{_counted('equation', shapes)}, and {_counted('unknown', starts)}: "
                "there must be as many equations as unknowns."
            )
            fewer = "equations" if entries < self.size else "unknowns"
            hint = f"Add {fewer}, or give the shapes that the equations have to the starts."
            raise SpecError(self.spec.problem("model.equations", message, hint))
        return shapes

    def _evaluated(self, expression: Any, values: Mapping[str, Any]) -> Any:
        from jaccli.expression import evaluate

        return evaluate(expression, values, dtype=self.spec.dtype, limit=self.limit)


def _counted(what: str, shapes: Mapping[str, Shape]) -> str:
    """Return `2 equations (flow, 3 entries of balance)`."""
    parts = []
    for name, shape in shapes.items():
        count = math.prod(shape)
        parts.append(name if not shape else f"{count:,} entries of {name}")
    total = sum(map(math.prod, shapes.values()))
    return f"{total:,} {what}{'' if total == 1 else 's'} ({listed(parts, 6)})"


def equation_system(spec: Spec, model: EquationsModel, limit: int) -> EquationSystem:
    """Return the system of a spec, its starts read.

    Raises:
        SpecError: a start is not finite, or is empty.
        SourceError: a start's file cannot be read.
        UsageError: the root finder is not installed.
    """
    try:
        import optimistix  # noqa: F401
    except ImportError:
        message = "Models of equations need optimistix."
        raise UsageError(message, hint=install("equations")) from None
    starts = {}
    problems: list[Problem] = []
    for name, source in model.unknowns.items():
        start = np.asarray(source.load(spec.dtype, limit))
        wrong = ""
        if not start.size:
            wrong = f"the start of shape {start.shape} has no entries."
        elif not np.isfinite(start).all():
            wrong = f"the start is {start[~np.isfinite(start)][0]}; it must be finite."
        if wrong:
            problems.append(spec.problem(f"model.unknowns.{name}", wrong))
        starts[name] = start.astype(spec.dtype)
    if problems:
        raise SpecError(*problems)
    return EquationSystem(spec, model, starts, limit)
