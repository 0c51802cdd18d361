"""`vmap` of a small function over many points, as one loop over them where that is possible.

Boundary: traces and builds; what cannot be taken apart is left to `jax.vmap`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaccli import memory
from jaccli.derivative import constants, jaxprs
from jaccli.derivative.basis import Tree
from jaccli.derivative.folding import folded
from jaccli.derivative.points.fused_loop import over_points, works
from jaccli.derivative.points.scalar_rules import Budget, NotScalar, objects, scalars
from jaccli.derivative.points.scalars import Interpreter
from jaccli.derivative.primitives import bind

FEWEST = 10_000
"""Points from which on a loop of its own is worth its trial and its tracing, about 0.1 s."""
_NUMBERS = 128
"""Numbers of a point that go in, and that come out, at most."""
_OPERATIONS = 4_000
"""Operations on single numbers while tracing; each is traced, and compiled, by itself."""


def mapped(row: Callable[..., Tree], in_axes: Any) -> Callable[..., Tree]:
    """Return `jax.vmap(row, in_axes)` for a CPU; of a small `row`, as one loop over the points.

    Values are those of `vmap` to rounding, infinities and NaN the same.  Where an operation of
    `row` is not one on single numbers (a factorization, a loop of unknown length, random numbers,
    an index that is computed from the point), or there are too many, it is `vmap` itself.
    """
    usual = jax.vmap(row, in_axes=in_axes)

    def compute(*args: Tree) -> Tree:
        leaves, structure = jax.tree.flatten(args)
        axes = jax.tree.leaves(_spread(in_axes, args), is_leaf=lambda axis: axis is None)
        counts = {x.shape[a] for x, a in zip(leaves, axes, strict=True) if a is not None}
        if len(counts) != 1 or 0 in counts or not works():
            return usual(*args)
        try:
            return _loop(row, leaves, structure, axes, counts.pop())
        except (memory.Exhausted, MemoryError):
            raise
        except Exception:  # NotScalar, or a defect of a rule: the usual way is open
            return usual(*args)

    return compute


def _spread(in_axes: Any, args: Sequence[Tree]) -> Any:
    """Return the axes as a tree with one for every array."""
    return jax.tree.map(
        lambda axis, arg: jax.tree.map(lambda _: axis, arg),
        tuple(in_axes),
        tuple(args),
        is_leaf=lambda axis: axis is None or isinstance(axis, int),
    )


@dataclass(frozen=True)
class _Scalars:
    """A function of one point as a jaxpr of scalars, with its constants.

    `inner` has as arguments the numbers of the point that it uses: `used` of all.  `results` has
    for every array of the result that differs from point to point an array of what stands in it:
    numbers, or the positions of `inner`'s results.
    """

    inner: jaxprs.Subprogram
    consts: Sequence[Any]
    out_avals: Sequence[Any]
    used: list[int]
    results: list[np.ndarray]


@dataclass(frozen=True)
class _Result:
    """A number of the result that is number `position` of what the loop computes."""

    position: int


def _loop(
    row: Callable[..., Tree], leaves: Sequence[Any], structure: Any, axes: Sequence[Any], count: int
) -> Tree:
    """Return the results of all points.

    Raises:
        NotScalar: the function is not taken apart into numbers.
    """
    avals = [_without(x, a) for x, a in zip(leaves, axes, strict=True)]
    own = [a is not None for a in axes]
    if sum(math.prod(x.shape) for x, flag in zip(avals, own, strict=True) if flag) > _NUMBERS:
        raise NotScalar("a point has too many numbers")
    jaxpr, out = jax.make_jaxpr(lambda *args: row(*args), return_shape=True)(
        *jax.tree.unflatten(structure, avals)
    )
    shapes, outside = jax.tree.flatten(out)
    if not sum(y.size for y in shapes) or sum(y.size for y in shapes) > _NUMBERS:
        raise NotScalar("the result of a point has too many numbers, or none")
    parts = _Parts(folded(jaxpr), own)
    by_point = [
        jnp.moveaxis(x, a, 0).reshape(count, -1) if flag else None
        for x, a, flag in zip(leaves, axes, own, strict=True)
    ]
    shared, same = parts.shared([x for x, flag in zip(leaves, own, strict=True) if not flag])
    inputs: list[Any] = []
    for table in by_point:
        if table is not None:
            inputs += [table[:, k] for k in range(table.shape[1])]
    for x in shared:
        inputs += [x.reshape(-1)[k] for k in range(x.size)]
    numbers = parts.scalars([x for x, flag in zip(avals, own, strict=True) if flag], shared)
    dtypes = [aval.dtype for aval in numbers.out_avals]
    used = [inputs[k] for k in numbers.used]
    if len(dtypes) == 1:
        raise NotScalar("one number has one loop in any case, which XLA cuts for its threads")
    floats = {dtype for dtype in (*(x.dtype for x in used), *dtypes) if constants.is_inexact(dtype)}
    if len(floats) > 1:
        raise NotScalar("floats of several dtypes, which XLA refuses in one reduction")
    computed = over_points(
        lambda *args: jaxprs.evaluate(numbers.inner, numbers.consts, args, bind),
        used,
        dtypes,
        count,
    )

    def column(value: Any, dtype: Any) -> Any:
        if isinstance(value, _Result):
            return computed[value.position]
        return jnp.full((count,), np.asarray(value, dtype))

    own_places, fixed = iter(numbers.results), iter(same)
    arrays: list[Any] = []
    for y, varies in zip(shapes, parts.varying, strict=True):
        if not varies:
            arrays.append(jnp.broadcast_to(next(fixed), (count, *y.shape)))
            continue
        columns = [column(value, y.dtype) for value in scalars(next(own_places))]
        whole = jnp.stack(columns, 1) if columns else jnp.zeros((count, 0), y.dtype)
        arrays.append(whole.reshape(count, *y.shape))
    return jax.tree.unflatten(outside, arrays)


def _without(x: Any, axis: int | None) -> jax.ShapeDtypeStruct:
    shape = list(x.shape)
    if axis is not None:
        del shape[axis % len(shape)]
    return jax.ShapeDtypeStruct(tuple(shape), x.dtype)


class _Parts:
    """A jaxpr as what all points share, and what each has for itself (`own`, by argument)."""

    def __init__(self, closed: ClosedJaxpr, own: Sequence[bool]) -> None:
        self.closed, self.own = closed, own
        jaxpr: Any = closed.jaxpr
        sources = jaxprs.chosen(jaxpr.invars, own)
        self.pointwise = list(jaxprs.dependent(jaxpr, sources))
        self.varied = sources

    @cached_property
    def _joints(self) -> list[Any]:
        """The values that points share and use: variables of the jaxpr, constants left out."""
        jaxpr: Any = self.closed.jaxpr
        constvars = set(jaxpr.constvars)
        found: dict[Any, None] = {}
        for v in (v for eqn in self.pointwise for v in eqn.invars):
            if not jaxprs.is_literal(v) and v not in self.varied and v not in constvars:
                found[v] = None
        return list(found)

    def shared(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the values that points share and use, then the results that are the same for all.

        `values` are the arguments that points share.
        """
        jaxpr: Any = self.closed.jaxpr
        there = [v for v, flag in zip(jaxpr.invars, self.own, strict=True) if not flag]
        before = [eqn for eqn in jaxpr.eqns if not any(v in self.varied for v in eqn.outvars)]
        same = [v for v, flag in zip(jaxpr.outvars, self.varying, strict=True) if not flag]
        part = jaxprs.Subprogram(jaxpr.constvars, there, before, [*self._joints, *same])
        found = jaxprs.evaluate(part, self.closed.consts, list(values), bind)
        arrays = [jnp.asarray(x) for x in found]
        joints = arrays[: len(self._joints)]
        if sum(x.size for x in joints) > _NUMBERS:
            raise NotScalar("points share too many numbers")
        return joints, arrays[len(joints) :]

    @property
    def varying(self) -> list[bool]:
        """Which results differ from point to point."""
        jaxpr: Any = self.closed.jaxpr
        return [jaxprs.depends(v, self.varied) for v in jaxpr.outvars]

    def scalars(self, own: Sequence[Any], shared: Sequence[Any]) -> _Scalars:
        """Return the part that points have for themselves, on scalars.

        `own` and `shared` are the shapes of what it takes: arguments, then values that are shared.
        """
        jaxpr: Any = self.closed.jaxpr
        mine = [v for v, flag in zip(jaxpr.invars, self.own, strict=True) if flag]
        wanted = [v for v, flag in zip(jaxpr.outvars, self.varying, strict=True) if flag]
        part = jaxprs.Subprogram(jaxpr.constvars, [*mine, *self._joints], self.pointwise, wanted)
        takes = [*own, *shared]
        avals = [
            jax.ShapeDtypeStruct((), x.dtype) for x in takes for _ in range(math.prod(x.shape))
        ]
        consts = self._constants(part)
        places: list[np.ndarray] = []

        def run(*numbers: Any) -> list[Any]:
            remaining = iter(numbers)
            args = [
                objects([next(remaining) for _ in range(math.prod(x.shape))], tuple(x.shape))
                for x in takes
            ]
            results = Interpreter(Budget(_OPERATIONS)).run(part, consts, args)
            positions: dict[int, int] = {}
            out: list[Any] = []

            def placed(value: Any) -> Any:
                if not isinstance(value, jax.core.Tracer):
                    return value
                if id(value) not in positions:
                    positions[id(value)] = len(out)
                    out.append(value)
                return _Result(positions[id(value)])

            for each in results:
                array = np.asarray(each)
                places.append(objects([placed(v) for v in scalars(array)], array.shape))
            return out

        inner = jax.make_jaxpr(run)(*avals)
        needed: Any = inner.jaxpr
        reading = _read(needed)
        used = [k for k, v in enumerate(needed.invars) if v in reading]
        if not used:
            raise NotScalar("nothing depends on the point")
        takes_used = [needed.invars[k] for k in used]
        trimmed = jaxprs.Subprogram(needed.constvars, takes_used, needed.eqns, needed.outvars)
        return _Scalars(trimmed, inner.consts, inner.out_avals, used, places)

    def _constants(self, part: Any) -> list[Any]:
        """Return the constants that points use; others are 0, which nothing reads."""
        read = _read(part)
        return [
            constants.known(value) if v in read else np.zeros(())
            for v, value in zip(part.constvars, self.closed.consts, strict=True)
        ]


def _read(jaxpr: Any) -> set[Any]:
    """Return the variables that the results of a jaxpr need, and those that are results."""
    atoms = [v for eqn, _ in jaxprs.needed(jaxpr) for v in eqn.invars] + list(jaxpr.outvars)
    return {v for v in atoms if not jaxprs.is_literal(v)}
