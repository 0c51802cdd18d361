"""The sparsity pattern of a derivative, read from the program that is differentiated.

The jaxpr of the linear map `t ↦ jvp(f, x, t)` (or of `u ↦ vjp(f, x)(u)`) is run on sets: for each
element of each array, the inputs that it may depend on.  Custom rules are in it, as they are in
the derivative.  What is known while tracing (indices, masks, constant matrices) is taken at its
value; where an operation is not known, each of its results may depend on all of its operands.

A pattern holds at every point: the numbers of the inputs are never used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaccli import memory
from jaccli.derivative import jaxprs, structure_losses
from jaccli.derivative.basis import Tree
from jaccli.derivative.constants import LIMIT, evaluate, is_inexact, is_known, known, known_literal
from jaccli.derivative.primitives import INLINED, scan_of, while_of
from jaccli.derivative.sparse import index_sets as sets
from jaccli.derivative.sparse import window_rules as _window_rules  # noqa: F401  registers them
from jaccli.derivative.sparse.detected_values import (
    UNKNOWN,
    Detection,
    Shape,
    Value,
    as_rows,
    is_rows,
    none,
    shape_of,
)
from jaccli.derivative.sparse.index_sets import MOST, TooDense
from jaccli.derivative.sparse.pattern import Pattern
from jaccli.derivative.sparse.set_rules import RULES, mixed
from jaccli.derivative.structured.linearity import is_linear
from jaccli.derivative.trace_info import UNFINISHED

_STEPS = 30_000
"""Equations of a loop that are followed step by step; longer loops are followed to a fixpoint."""
_ROUNDS = 40
"""Rounds after which sets of a loop that still grow are made full."""

Function = Callable[..., Tree]


def jacobian_pattern(f: Function, x: Tree, rest: Tree, most: int = MOST) -> Pattern:
    """Return the pattern of the Jacobian of `f(x, rest)` by x, all outputs and inputs joined.

    Raises:
        TooDense: the sets have more than `most` entries, or a custom rule is not linear.
        TypeError, ValueError, NotImplementedError: JAX has no way to differentiate `f`.
    """
    leaves, inside = jax.tree.flatten(x)
    others, outside = jax.tree.flatten(rest)
    out = jax.tree.leaves(jax.eval_shape(f, x, rest))
    real = [is_inexact(y.dtype) for y in out]

    def flat(arrays: Sequence[Any], more: Sequence[Any]) -> list[Any]:
        return jax.tree.leaves(
            f(jax.tree.unflatten(inside, arrays), jax.tree.unflatten(outside, more))
        )

    def push(arrays: Any, more: Any, tangents: Any) -> list[Any]:
        found = jax.jvp(lambda *a: flat(a, more), arrays, tangents)[1]
        return [t for t, flag in zip(found, real, strict=True) if flag]

    def pull(arrays: Any, more: Any, cotangents: Any) -> list[Any]:
        given = iter(cotangents)
        full = [
            next(given) if flag else np.zeros(y.shape, jax.dtypes.float0)
            for y, flag in zip(out, real, strict=True)
        ]
        return list(jax.vjp(lambda *a: flat(a, more), *arrays)[1](full))

    floats = [y for y, flag in zip(out, real, strict=True) if flag]
    closed = jax.make_jaxpr(push)(leaves, others, leaves)
    forward = not jaxprs.contains(closed.jaxpr, UNFINISHED)
    if not forward:  # a custom reverse rule alone
        closed = jax.make_jaxpr(pull)(leaves, others, floats)
        still = len(closed.in_avals) - len(floats)
        if not is_linear(closed, [False] * still + [True] * len(floats)):
            raise TooDense("a custom rule that is not linear")
    seeds = leaves if forward else floats
    sizes = [math.prod(seed.shape) for seed in seeds]
    eye, ends = sets.identity(sum(sizes)), np.cumsum(sizes)
    args: list[Any] = [UNKNOWN] * (len(leaves) + len(others))
    args += [eye[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    results = _Detector(sum(sizes), most).run(closed.jaxpr, closed.consts, args)
    found = iter(as_rows(y, v, sum(sizes)) for y, v in zip(results, closed.out_avals, strict=True))
    blocks = [
        next(found) if flag or not forward else sets.empty(math.prod(y.shape), sum(sizes))
        for y, flag in (zip(out, real, strict=True) if forward else [(y, True) for y in leaves])
    ]
    matrix = sets.stacked(blocks).tocoo()
    if forward:
        return Pattern(matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.shape)
    starts = np.cumsum([0, *(math.prod(y.shape) for y in out)])
    places = [np.arange(a, b) for a, b, flag in zip(starts, starts[1:], real, strict=False) if flag]
    place = np.concatenate(places) if places else np.zeros(0, np.int64)
    shape = (int(starts[-1]), matrix.shape[0])
    return Pattern(place[matrix.col], matrix.row.astype(np.int64), shape).sorted()


def hessian_pattern(f: Function, x: Tree, rest: Tree, most: int = MOST) -> Pattern:
    """Return the pattern of the Hessian of the scalar `f(x, rest)` by x, symmetric.

    Raises:
        TooDense, TypeError, ValueError, NotImplementedError: as `jacobian_pattern`.
    """

    def gradient(x: Tree, rest: Tree) -> Tree:
        return jax.grad(lambda x: jax.numpy.reshape(jax.tree.leaves(f(x, rest))[0], ()))(x)

    half = jacobian_pattern(gradient, x, rest, most)
    return Pattern(
        np.append(half.rows, half.columns), np.append(half.columns, half.rows), half.shape
    ).sorted()


class _Detector:
    """One detection, with sets of `columns` columns."""

    def __init__(self, columns: int, most: int) -> None:
        self.columns, self.most = columns, most
        self.context = Detection(columns, most)

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Value]) -> list[Value]:
        values = [value if is_known(value) else UNKNOWN for value in map(known, consts)]
        literal = partial(known_literal, otherwise=UNKNOWN)
        return jaxprs.evaluate(jaxpr, values, args, self.checked, literal=literal, every=True)

    def checked(self, eqn: Any, operands: list[Value]) -> Sequence[Value]:
        """Return the results of an equation, if they are not too dense."""
        memory.check_growth()
        results = self.results(eqn, operands)
        for value in results:
            if is_rows(value) and value.nnz > self.most:
                raise TooDense(f"{value.nnz:,} entries")
        return results

    def results(self, eqn: Any, operands: list[Value]) -> Sequence[Value]:
        name = eqn.primitive.name
        if any(hasattr(atom.aval, "inner_aval") for atom in (*eqn.invars, *eqn.outvars)):
            raise NotImplementedError(f"{structure_losses.place(eqn)} changes an array in place")
        if not any(map(is_rows, operands)):
            found = evaluate(eqn, operands, LIMIT) if all(map(is_known, operands)) else None
            if found is not None:
                return found
            if name not in INLINED or not any(map(is_known, operands)):
                return [UNKNOWN] * len(eqn.outvars)
        if name in INLINED:
            return self.run(*jaxprs.closed_parts(eqn.params[INLINED[name]]), operands)
        if name in _CONTROL:
            return _CONTROL[name](self, eqn, operands)
        if not any(is_rows(x) and x.nnz for x in operands):
            return [none(self.context, v) for v in eqn.outvars]
        rule = RULES.get(name)
        found = rule(self.context, eqn, operands) if rule is not None else None
        if found is None:
            found = mixed(self.context, eqn, operands)
        return found if isinstance(found, list) else [found]

    # Control flow -------------------------------------------------------------------------------

    def branch(self, eqn: Any, operands: list[Value]) -> list[Value]:
        """The union of what branches give, or the one that is known to be taken."""
        branches, index = eqn.params["branches"], operands[0]
        if is_known(index):
            branches = [branches[min(max(int(index), 0), len(branches) - 1)]]
        found = [self.run(b.jaxpr, b.consts, operands[1:]) for b in branches]
        return [
            found[0][k] if len(found) == 1 else self._either([each[k] for each in found], v)
            for k, v in enumerate(eqn.outvars)
        ]

    def _either(self, values: Sequence[Value], var: Any) -> Value:
        """Return what may be one of several values."""
        with_rows = [x for x in values if is_rows(x)]
        return sets.united(with_rows) if with_rows else UNKNOWN

    def loop(self, eqn: Any, operands: list[Value]) -> list[Value]:
        """A scan: step by step if it is short, else to a fixpoint."""
        scan = scan_of(eqn)
        body, n, m, length = scan.body, scan.consts, scan.carry, scan.length
        consts, carry, xs = operands[:n], operands[n : n + m], operands[n + m :]
        if length * jaxprs.count(body.jaxpr) > _STEPS:
            return self._fixpoint(eqn, body, consts, carry, xs, length)
        shapes = [shape_of(v)[1:] for v in eqn.invars[n + m :]]
        order = range(length)[::-1] if scan.reverse else range(length)
        ys: list[list[Value]] = [[] for _ in eqn.outvars[m:]]
        for k in order:
            step = [_part(x, k, shape) for x, shape in zip(xs, shapes, strict=True)]
            out = self.run(body.jaxpr, body.consts, [*consts, *carry, *step])
            carry = out[:m]
            for row, y in zip(ys, out[m:], strict=True):
                row.append(y)
        stacked = [
            self._stacked(row[::-1] if scan.reverse else row, v)
            for row, v in zip(ys, eqn.outvars[m:], strict=True)
        ]
        return [*carry, *stacked]

    def _stacked(self, values: list[Value], var: Any) -> Value:
        if values and all(map(is_known, values)):
            return np.stack(values)
        if not any(map(is_rows, values)):
            return UNKNOWN
        size = math.prod(shape_of(var)[1:])
        empty = sets.empty(size, self.columns)
        return sets.stacked([x if is_rows(x) else empty for x in values])

    def _fixpoint(
        self, eqn: Any, body: Any, consts: Any, carry: Any, xs: Any, length: int
    ) -> list[Value]:
        """Every step may see any row of what is scanned; every row of the results is of any."""
        m = len(carry)
        step = [
            sets.gathered(x, np.tile(np.arange(x.shape[0] // length), length), x.shape[0] // length)
            if is_rows(x)
            else UNKNOWN
            for x in xs
        ]
        carry, out = self._settled(body, consts, carry, step, eqn.outvars[:m])
        ys = [
            sets.taken(y, np.tile(np.arange(y.shape[0]), length)) if is_rows(y) else UNKNOWN
            for y in out[m:]
        ]
        return [*carry, *ys]

    def unbounded(self, eqn: Any, operands: list[Value]) -> list[Value]:
        """A while loop: step by step while its condition is known, else to a fixpoint."""
        loop = while_of(eqn)
        skip, n = loop.ends, loop.consts
        ends, consts, carry = operands[:skip], operands[skip : skip + n], operands[skip + n :]
        state = carry
        for _ in range(_STEPS // max(jaxprs.count(loop.body.jaxpr), 1)):
            (goes,) = self.run(loop.condition.jaxpr, loop.condition.consts, [*ends, *state])
            if not is_known(goes) or np.ndim(goes):
                break
            if not goes:
                return state
            state = self.run(loop.body.jaxpr, loop.body.consts, [*consts, *state])
        return self._settled(loop.body, consts, carry, [], eqn.outvars)[0]

    def solution(self, eqn: Any, operands: list[Value]) -> list[Value]:
        """A linear solve: what the solver makes of right-hand sides."""
        lengths, solve = eqn.params["const_lengths"], eqn.params["jaxprs"].solve
        start, end = lengths.matvec + lengths.vecmat, sum(lengths)
        # What a solver of the host makes of its arguments is not seen, nor that it is linear.
        if any(map(is_rows, operands[:end])) or jaxprs.contains(solve.jaxpr, "pure_callback"):
            return mixed(self.context, eqn, operands)
        consts = operands[start : start + lengths.solve]
        return self.run(solve.jaxpr, solve.consts, [*consts, *operands[end:]])

    def _settled(
        self, body: Any, consts: Any, carry: Any, step: Any, outvars: Any
    ) -> tuple[list[Value], list[Value]]:
        """Return the carry that a body does not enlarge, and the body's results then."""
        carry = [x if is_rows(x) else UNKNOWN for x in carry]
        for number in range(_ROUNDS + 2 + len(carry)):
            out = self.run(body.jaxpr, body.consts, [*consts, *carry, *step])
            grown, same = [], True
            for before, after, var in zip(carry, out, outvars, strict=False):
                both = self._either([before, after], var)
                if is_rows(both) and both.nnz > (before.nnz if is_rows(before) else 0):
                    same = False
                    if number >= _ROUNDS:
                        both = sets.taken(
                            sets.together(both), np.zeros(math.prod(shape_of(var)), np.int64)
                        )
                grown.append(both)
            if same:
                return grown, out
            carry = grown
        raise TooDense("a loop whose sets do not settle")


def _part(x: Value, k: int, shape: Shape) -> Value:
    """Return the k-th row of what is scanned."""
    if is_rows(x):
        size = math.prod(shape)
        return x[k * size : (k + 1) * size]
    return x[k] if is_known(x) else x


_CONTROL: dict[str, Callable[..., list[Value]]] = {
    "cond": _Detector.branch,
    "scan": _Detector.loop,
    "while": _Detector.unbounded,
    "custom_linear_solve": _Detector.solution,
}


PATTERNS = {"jacobian": jacobian_pattern, "hessian": hessian_pattern}
"""What detects the pattern of each derivative."""
