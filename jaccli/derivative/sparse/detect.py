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
from typing import Any

import jax
import numpy as np

from jaccli.derivative.basis import Tree
from jaccli.derivative.facts import UNFINISHED, contains, is_literal
from jaccli.derivative.known import LIMIT, constant, evaluate, is_inexact, is_known, known
from jaccli.derivative.positions import (
    convolution_positions,
    corner,
    counted,
    read_positions,
    window_positions,
    write_positions,
)
from jaccli.derivative.primitives import INLINED, closed_parts
from jaccli.derivative.sparse import rows as sets
from jaccli.derivative.sparse.entries import Pattern
from jaccli.derivative.sparse.rows import Rows, TooDense

MOST = 2**24
"""Entries of all sets of one array, at most."""
_STEPS = 30_000
"""Equations of a loop that are followed step by step; longer loops are followed to a fixpoint."""
_ROUNDS = 40
"""Rounds after which sets of a loop that still grow are made full."""

Function = Callable[..., Tree]
Shape = tuple[int, ...]


def jacobian_pattern(f: Function, x: Tree, rest: Tree, most: int = MOST) -> Pattern:
    """Return the pattern of the Jacobian of `f(x, rest)` by x, all outputs and inputs joined.

    Raises:
        TooDense: the sets of an array have more than `most` entries.
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
    forward = not contains(closed.jaxpr, UNFINISHED)
    if not forward:  # a custom reverse rule alone
        closed = jax.make_jaxpr(pull)(leaves, others, floats)
    seeds = leaves if forward else floats
    sizes = [math.prod(seed.shape) for seed in seeds]
    eye, ends = sets.identity(sum(sizes)), np.cumsum(sizes)
    args: list[Any] = [_UNKNOWN] * (len(leaves) + len(others))
    args += [eye[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    results = _Detector(sum(sizes), most).run(closed.jaxpr, closed.consts, args)
    found = iter(_as_rows(y, v, sum(sizes)) for y, v in zip(results, closed.out_avals, strict=True))
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


class _Unknown:
    """A value that does not depend on the seeds, and is not known while tracing."""

    def __repr__(self) -> str:
        return "unknown"


_UNKNOWN = _Unknown()
Value = Any  # Rows, a numpy array that is known, or _UNKNOWN


def _is_rows(x: Value) -> bool:
    return not (x is _UNKNOWN or is_known(x))


def _as_rows(x: Value, aval: Any, columns: int) -> Rows:
    """Return a result's rows: of what does not depend on the seeds, none."""
    return x if _is_rows(x) else sets.empty(math.prod(aval.shape), columns)


def _shape(atom: Any) -> Shape:
    return tuple(atom.aval.shape)


class _Detector:
    """One detection, with sets of `columns` columns."""

    def __init__(self, columns: int, most: int) -> None:
        self.columns, self.most = columns, most

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Value]) -> list[Value]:
        env: dict[Any, Value] = {}
        for var, const in zip(jaxpr.constvars, consts, strict=True):
            value = known(const)
            env[var] = value if is_known(value) else _UNKNOWN
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Value:
            if is_literal(atom):
                return constant(atom) if is_known(atom.val) else _UNKNOWN
            return env[atom]

        for eqn in jaxpr.eqns:
            operands = [read(atom) for atom in eqn.invars]
            results = self.results(eqn, operands)
            for var, value in zip(eqn.outvars, results, strict=True):
                if _is_rows(value) and value.nnz > self.most:
                    raise TooDense(f"{value.nnz:,} entries")
                env[var] = value
        return [read(atom) for atom in jaxpr.outvars]

    def results(self, eqn: Any, operands: list[Value]) -> Sequence[Value]:
        name = eqn.primitive.name
        if not any(map(_is_rows, operands)):
            found = evaluate(eqn, operands, LIMIT) if all(map(is_known, operands)) else None
            if found is not None:
                return found
            if name not in INLINED or not any(map(is_known, operands)):
                return [_UNKNOWN] * len(eqn.outvars)
        if name in INLINED:
            return self.run(*closed_parts(eqn.params[INLINED[name]]), operands)
        if name in _CONTROL:
            return _CONTROL[name](self, eqn, operands)
        if not any(_is_rows(x) and x.nnz for x in operands):
            return [self._none(v) for v in eqn.outvars]
        rule = _RULES.get(name)
        found = rule(self, eqn, operands) if rule is not None else None
        if found is None:
            found = _mixed(self, eqn, operands)
        return found if isinstance(found, list) else [found]

    def _none(self, var: Any) -> Value:
        if not is_inexact(var.aval.dtype):
            return _UNKNOWN
        return sets.empty(math.prod(_shape(var)), self.columns)

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
        with_rows = [x for x in values if _is_rows(x)]
        return sets.united(with_rows) if with_rows else _UNKNOWN

    def loop(self, eqn: Any, operands: list[Value]) -> list[Value]:
        """A scan: step by step if it is short, else to a fixpoint."""
        params = eqn.params
        body, n, m, length = (params[k] for k in ("jaxpr", "num_consts", "num_carry", "length"))
        consts, carry, xs = operands[:n], operands[n : n + m], operands[n + m :]
        if length * len(body.jaxpr.eqns) > _STEPS:
            return self._fixpoint(eqn, body, consts, carry, xs, length)
        shapes = [_shape(v)[1:] for v in eqn.invars[n + m :]]
        order = range(length)[::-1] if params["reverse"] else range(length)
        ys: list[list[Value]] = [[] for _ in eqn.outvars[m:]]
        for k in order:
            step = [_part(x, k, shape) for x, shape in zip(xs, shapes, strict=True)]
            out = self.run(body.jaxpr, body.consts, [*consts, *carry, *step])
            carry = out[:m]
            for row, y in zip(ys, out[m:], strict=True):
                row.append(y)
        stacked = [
            self._stacked(row[::-1] if params["reverse"] else row, v)
            for row, v in zip(ys, eqn.outvars[m:], strict=True)
        ]
        return [*carry, *stacked]

    def _stacked(self, values: list[Value], var: Any) -> Value:
        if values and all(map(is_known, values)):
            return np.stack(values)
        if not any(map(_is_rows, values)):
            return _UNKNOWN
        size = math.prod(_shape(var)[1:])
        none = sets.empty(size, self.columns)
        return sets.stacked([x if _is_rows(x) else none for x in values])

    def _fixpoint(
        self, eqn: Any, body: Any, consts: Any, carry: Any, xs: Any, length: int
    ) -> list[Value]:
        """Every step may see any row of what is scanned; every row of the results is of any."""
        m = len(carry)
        step = [
            sets.gathered(x, np.tile(np.arange(x.shape[0] // length), length), x.shape[0] // length)
            if _is_rows(x)
            else _UNKNOWN
            for x in xs
        ]
        carry, out = self._settled(body, consts, carry, step, eqn.outvars[:m])
        ys = [
            sets.taken(y, np.tile(np.arange(y.shape[0]), length)) if _is_rows(y) else _UNKNOWN
            for y in out[m:]
        ]
        return [*carry, *ys]

    def unbounded(self, eqn: Any, operands: list[Value]) -> list[Value]:
        """A while loop, to a fixpoint."""
        params = eqn.params
        skip, n = params["cond_nconsts"], params["body_nconsts"]
        consts, carry = operands[skip : skip + n], operands[skip + n :]
        return self._settled(params["body_jaxpr"], consts, carry, [], eqn.outvars)[0]

    def _settled(
        self, body: Any, consts: Any, carry: Any, step: Any, outvars: Any
    ) -> tuple[list[Value], list[Value]]:
        """Return the carry that a body does not enlarge, and the body's results then."""
        carry = [x if _is_rows(x) else _UNKNOWN for x in carry]
        for count in range(_ROUNDS + 2 + len(carry)):
            out = self.run(body.jaxpr, body.consts, [*consts, *carry, *step])
            grown, same = [], True
            for before, after, var in zip(carry, out, outvars, strict=False):
                both = self._either([before, after], var)
                if _is_rows(both) and both.nnz > (before.nnz if _is_rows(before) else 0):
                    same = False
                    if count >= _ROUNDS:
                        both = sets.taken(
                            sets.together(both), np.zeros(math.prod(_shape(var)), np.int64)
                        )
                grown.append(both)
            if same:
                return grown, out
            carry = grown
        raise TooDense("a loop whose sets do not settle")


def _part(x: Value, k: int, shape: Shape) -> Value:
    """Return the k-th row of what is scanned."""
    if _is_rows(x):
        size = math.prod(shape)
        return x[k * size : (k + 1) * size]
    return x[k] if is_known(x) else x


_CONTROL: dict[str, Callable[..., list[Value]]] = {
    "cond": _Detector.branch,
    "scan": _Detector.loop,
    "while": _Detector.unbounded,
}


# Rules: `rule(detector, eqn, operands)` returns the rows of the result, or None where it does not
# apply; then each result may depend on everything.

_RULES: dict[str, Callable[..., Any]] = {}


def _rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        _RULES.update(dict.fromkeys(names, f))
        return f

    return register


def _mixed(detector: _Detector, eqn: Any, operands: list[Value]) -> list[Value]:
    """Everything depends on everything, but for the leading axes of what works on the last ones."""
    depth = _LAST_AXES.get(eqn.primitive.name)
    rows = []
    for x, atom in zip(operands, eqn.invars, strict=True):
        if _is_rows(x) and x.nnz:
            shape = _shape(atom)
            lead = math.prod(shape[: len(shape) - depth]) if depth is not None else 1
            rows.append((x, math.prod(shape), lead))
    lead = max(count for _, _, count in rows)
    lead = lead if all(count == lead for _, _, count in rows) else 1
    union = sets.united(
        [sets.gathered(x, np.arange(size) // max(size // lead, 1), lead) for x, size, _ in rows]
    )
    results: list[Value] = []
    for var in eqn.outvars:
        size = math.prod(_shape(var))
        if not is_inexact(var.aval.dtype):
            results.append(_UNKNOWN)
            continue
        fits = lead > 1 and size % lead == 0
        source = union if fits or lead == 1 else sets.together(union)
        each = np.arange(size) // max(size // lead, 1) if fits else np.zeros(size, np.int64)
        results.append(sets.taken(source, each))
    return results


_LAST_AXES = {
    "triangular_solve": 2, "cholesky": 2, "lu": 2, "eigh": 2, "eig": 2, "svd": 2, "qr": 2,
    "geqrf": 2, "householder_product": 2, "tridiagonal_solve": 2, "schur": 2, "hessenberg": 2,
    "symmetric_product": 2,
}  # fmt: skip
"""How many of the last axes an operation works on, for each index of the others."""


def _read(eqn: Any, *indices: Any) -> Any:
    """Return where each result reads the first operand, of a primitive that moves elements."""
    return read_positions(eqn, *indices)


@_rule("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev", "slice", "tile")
def _move(detector: _Detector, eqn: Any, operands: list[Value]) -> Rows:
    return sets.taken(operands[0], _read(eqn))


@_rule("pad")
def _pad(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    return sets.taken(operands[0], _read(eqn)) if not _is_rows(operands[1]) else None


@_rule("gather", "dynamic_slice")
def _gather(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    x, *indices = operands
    if all(map(is_known, indices)):
        return sets.taken(x, _read(eqn, *indices))
    return _anywhere(eqn, x)


def _anywhere(eqn: Any, x: Rows) -> Any:
    """Read at places that only the program knows: any along the axes that are indexed."""
    shape, sizes = _shape(eqn.invars[0]), eqn.params["slice_sizes"]
    free = [d for d, (n, m) in enumerate(zip(shape, sizes, strict=True)) if n != m]
    if eqn.primitive.name == "dynamic_slice":
        axes = list(range(len(shape)))
    else:
        numbers = eqn.params["dimension_numbers"]
        if numbers.operand_batching_dims:
            return None
        windows = [d for d in range(len(shape)) if d not in numbers.collapsed_slice_dims]
        axes = [-1] * len(shape)
        for d, axis in zip(windows, numbers.offset_dims, strict=True):
            axes[d] = axis
        free += [d for d in numbers.collapsed_slice_dims if d not in free]
    narrow = tuple(1 if d in free else n for d, n in enumerate(shape))
    union = sets.gathered(x, _collapsed(shape, narrow), math.prod(narrow))
    out = _shape(eqn.outvars[0])
    at: Any = np.zeros((1,) * len(out), np.int64)
    for d, n in enumerate(narrow):
        at = at * n
        if n > 1:
            at = at + np.arange(n).reshape([-1 if a == axes[d] else 1 for a in range(len(out))])
    return sets.taken(union, np.broadcast_to(at, out))


def _collapsed(shape: Shape, narrow: Shape) -> Any:
    """Return for each element of `shape` its position in the array that has some dims of size 1."""
    return np.broadcast_to(counted(narrow), shape)


@_rule("dynamic_update_slice")
def _update_slice(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    x, update, *starts = operands
    shape, window = _shape(eqn.invars[0]), _shape(eqn.invars[1])
    x, update = (
        _as_rows(each, atom.aval, detector.columns)
        for each, atom in zip((x, update), eqn.invars[:2], strict=True)
    )
    if all(map(is_known, starts)):
        first = corner(shape, window, starts)
        at = counted(shape)[tuple(slice(i, i + m) for i, m in zip(first, window, strict=True))]
        keep = np.ones(math.prod(shape), np.bool_)
        keep[at.reshape(-1)] = False
        return sets.united([sets.kept(x, keep), sets.gathered(update, at, math.prod(shape))])
    narrow = tuple(m if n == m else 1 for n, m in zip(shape, window, strict=True))
    union = sets.gathered(update, _collapsed(window, narrow), math.prod(narrow))
    return sets.united([x, sets.taken(union, _collapsed(shape, narrow))])


@_rule("scatter-add", "scatter", "scatter_add", "scatter-mul")
def _scatter(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    x, indices, updates = operands
    size = math.prod(_shape(eqn.outvars[0]))
    x = _as_rows(x, eqn.invars[0].aval, detector.columns)
    updates = _as_rows(updates, eqn.invars[2].aval, detector.columns)
    to = write_positions(eqn, indices, _shape(eqn.invars[2])) if is_known(indices) else None
    if to is None:
        anything = sets.taken(sets.together(updates), np.zeros(size, np.int64))
        return sets.united([x, anything])
    if eqn.primitive.name == "scatter":
        keep = np.ones(size, np.bool_)
        keep[to[to >= 0]] = False
        x = sets.kept(x, keep)
    return sets.united([x, sets.gathered(updates, to, size)])


@_rule(
    "add", "add_any", "sub", "neg", "convert_element_type", "reduce_precision", "real", "imag",
    "conj", "copy", "copy_p", "name", "complex", "optimization_barrier", "sharding_constraint",
    "mul", "div", "max", "min",
)  # fmt: skip
def _elementwise(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    if len(eqn.outvars) > 1:  # a barrier: each operand by itself
        return [
            x if _is_rows(x) else detector._none(v)
            for x, v in zip(operands, eqn.outvars, strict=True)
        ]
    shape = _shape(eqn.outvars[0])
    parts = []
    for x, atom in zip(operands, eqn.invars, strict=True):
        if _is_rows(x):
            parts.append(sets.taken(x, _broadcast(_shape(atom), shape)))
    union = sets.united(parts)
    if eqn.primitive.name == "mul":
        for x in operands:
            if is_known(x) and not np.all(x):
                union = sets.kept(union, np.broadcast_to(np.asarray(x) != 0, shape))
    return union


def _broadcast(shape: Shape, out: Shape) -> Any:
    """Return where each result of an elementwise operation reads an operand of `shape`."""
    at = counted(shape)
    return np.broadcast_to(at.reshape((1,) * (len(out) - len(shape)) + shape), out)


@_rule("select_n")
def _select(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    which, *cases = operands
    shape = _shape(eqn.outvars[0])
    parts = []
    for k, case in enumerate(cases):
        if _is_rows(case):
            case = sets.taken(case, _broadcast(_shape(eqn.invars[k + 1]), shape))
            if is_known(which):
                case = sets.kept(case, np.broadcast_to(np.asarray(which) == k, shape))
            parts.append(case)
    return sets.united(parts)


@_rule("concatenate", "stack")
def _join(detector: _Detector, eqn: Any, operands: list[Value]) -> Rows:
    shapes, out = [_shape(v) for v in eqn.invars], _shape(eqn.outvars[0])
    whole = sets.stacked(
        [_as_rows(x, v.aval, detector.columns) for x, v in zip(operands, eqn.invars, strict=True)]
    )
    starts = np.cumsum([0, *map(math.prod, shapes)])[:-1]
    at = [counted(shape) + start for shape, start in zip(shapes, starts, strict=True)]
    axis = eqn.params["dimension" if eqn.primitive.name == "concatenate" else "axis"]
    joined = (np.concatenate if eqn.primitive.name == "concatenate" else np.stack)(at, axis)
    assert joined.shape == out
    return sets.taken(whole, joined)


@_rule("split", "unstack")
def _parts(detector: _Detector, eqn: Any, operands: list[Value]) -> list[Rows]:
    at, axis = counted(_shape(eqn.invars[0])), eqn.params["axis"]
    if eqn.primitive.name == "unstack":
        return [
            sets.taken(operands[0], np.asarray(at.take(k, axis))) for k in range(len(eqn.outvars))
        ]
    pieces = np.split(at, np.cumsum(eqn.params["sizes"])[:-1], axis)
    return [sets.taken(operands[0], piece) for piece in pieces]


@_rule("reduce_sum", "reduce_max", "reduce_min")
def _reduce(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    shape, axes = _shape(eqn.invars[0]), eqn.params["axes"]
    narrow = tuple(1 if d in axes else n for d, n in enumerate(shape))
    return sets.gathered(operands[0], _collapsed(shape, narrow), math.prod(narrow))


@_rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _running(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    shape, axis = _shape(eqn.invars[0]), eqn.params["axis"]
    n = shape[axis]
    if n * math.prod(shape) > detector.most:
        return _along(detector, eqn, operands[0], shape, axis)
    near, far = np.nonzero(np.tri(n, dtype=np.bool_))
    if eqn.params["reverse"]:
        near, far = far, near
    at = np.moveaxis(counted(shape), axis, -1).reshape(-1, n)
    return sets.combined(
        operands[0], at[:, near].reshape(-1), at[:, far].reshape(-1), math.prod(shape)
    )


@_rule("sort")
def _sort(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    shape, axis = _shape(eqn.invars[0]), eqn.params["dimension"]
    return [
        _along(detector, eqn, x, shape, axis) if _is_rows(x) else detector._none(v)
        for x, v in zip(operands, eqn.outvars, strict=True)
    ]


@_rule("fft")
def _fft(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    shape, out = _shape(eqn.invars[0]), _shape(eqn.outvars[0])
    depth = len(eqn.params["fft_lengths"])
    lead = shape[: len(shape) - depth]
    count, size = math.prod(lead), math.prod(shape)
    union = sets.gathered(operands[0], np.arange(size) // max(size // max(count, 1), 1), count)
    total = math.prod(out)
    return sets.taken(union, np.arange(total) // max(total // max(count, 1), 1))


def _along(detector: _Detector, eqn: Any, x: Rows, shape: Shape, axis: int) -> Rows:
    """Each result may depend on all along an axis."""
    narrow = tuple(1 if d == axis else n for d, n in enumerate(shape))
    to = _collapsed(shape, narrow)
    return sets.taken(sets.gathered(x, to, math.prod(narrow)), to)


@_rule("dot_general")
def _dot(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    a, b = operands
    if _is_rows(a) and _is_rows(b):
        return None
    (ca, cb), (ba, bb) = eqn.params["dimension_numbers"]
    shapes = [_shape(v) for v in eqn.invars]
    la: list[Any] = [("a", d) for d in range(len(shapes[0]))]
    lb: list[Any] = [("b", d) for d in range(len(shapes[1]))]
    for d, e in [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]:
        lb[e] = la[d]
    batch, gone = [la[d] for d in ba], [la[d] for d in ca]
    out = [*batch, *(k for k in (*la, *lb) if k not in (*batch, *gone))]
    sizes = dict(zip((*la, *lb), (*shapes[0], *shapes[1]), strict=True))
    x, lx, c, lc = (a, la, b, lb) if _is_rows(a) else (b, lb, a, la)
    total = math.prod(sizes[k] for k in out)
    own = [k for k in lx if k not in lc]  # axes that only the linear operand has
    if is_known(c) and not np.all(c):
        index = dict(zip(lc, np.nonzero(np.asarray(c)), strict=True))
        count = math.prod(sizes[k] for k in own)
        if next(iter(index.values())).size * count <= detector.most:
            grid = np.meshgrid(*(np.arange(sizes[k]) for k in own), indexing="ij")
            full = {k: v[:, None] for k, v in index.items()}
            full.update({k: g.reshape(1, -1) for k, g in zip(own, grid, strict=True)})
            targets, sources = np.broadcast_arrays(_flat(full, out, sizes), _flat(full, lx, sizes))
            return sets.combined(x, targets.reshape(-1), sources.reshape(-1), total)
    left = [k for k in lx if k not in gone]
    narrow = tuple(1 if k in gone else sizes[k] for k in lx)
    union = sets.gathered(x, _collapsed(tuple(sizes[k] for k in lx), narrow), math.prod(narrow))
    axes = {k: np.arange(sizes[k]).reshape([-1 if q == k else 1 for q in out]) for k in out}
    at: Any = np.broadcast_to(_flat(axes, left, sizes), [sizes[k] for k in out])
    return sets.taken(union, at)


def _flat(index: dict[Any, Any], labels: Sequence[Any], sizes: dict[Any, int]) -> Any:
    """Return the flat position of indices by label."""
    at: Any = 0
    for k in labels:
        at = at * sizes[k] + index[k]
    return at


@_rule("conv_general_dilated")
def _convolve(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    x, kernel = operands
    params = eqn.params
    plain = params["feature_group_count"] == 1 and params["batch_group_count"] == 1
    if not _is_rows(x) or _is_rows(kernel) or not plain:
        return None
    numbers = params["dimension_numbers"]
    shape, out = _shape(eqn.invars[0]), _shape(eqn.outvars[0])
    # Signal as (n, c, *space): channels are united, then places are read tap by tap.
    first = counted(shape).transpose(numbers.lhs_spec)
    n, _, *space = first.shape
    to = np.broadcast_to(counted((n, *space))[:, None], first.shape)
    targets = np.empty(math.prod(shape), np.int64)
    targets[first.reshape(-1)] = to.reshape(-1)
    size = n * math.prod(space)
    union = sets.gathered(x, targets, size)
    weights = np.asarray(kernel).transpose(numbers.rhs_spec) if is_known(kernel) else None
    window = [_shape(eqn.invars[1])[d] for d in numbers.rhs_spec[2:]]
    counts = [out[d] for d in numbers.out_spec[2:]]
    reads = convolution_positions(params, window, (n, *space), (n, *counts))
    parts = [
        sets.taken(union, at)
        for tap, at in zip(np.ndindex(*window), reads, strict=True)
        if weights is None or weights[(slice(None), slice(None), *tap)].any()
    ]
    if not parts:
        return detector._none(eqn.outvars[0])
    by_place = sets.united(parts)
    spread = np.empty(math.prod(out), np.int64)
    last = counted(out).transpose(numbers.out_spec)
    rows = counted((n, *counts))[:, None]
    spread[last.reshape(-1)] = np.broadcast_to(rows, last.shape).reshape(-1)
    return sets.taken(by_place, spread)


@_rule("reduce_window_sum")
def _window(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    return _windowed(eqn, operands[0], _shape(eqn.invars[0]), _shape(eqn.outvars[0]))


@_rule("select_and_gather_add")
def _window_chosen(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    """The element whose key is the largest of its window: any of them."""
    tangents, keys = operands
    if not _is_rows(tangents) or _is_rows(keys):
        return None
    return _windowed(eqn, tangents, _shape(eqn.invars[0]), _shape(eqn.outvars[0]))


@_rule("select_and_scatter_add")
def _window_spread(detector: _Detector, eqn: Any, operands: list[Value]) -> Any:
    """The transpose of that: from each place of a window to any element in it."""
    source, keys = operands
    if not _is_rows(source) or _is_rows(keys):
        return None
    shape, out = _shape(eqn.invars[0]), _shape(eqn.outvars[0])
    reads = window_positions(eqn.params, out, shape)
    near = np.concatenate([at.reshape(-1) for at in reads])
    far = np.tile(np.arange(math.prod(shape)), len(reads))
    inside = near >= 0
    return sets.combined(source, near[inside], far[inside], math.prod(out))


def _windowed(eqn: Any, x: Rows, shape: Shape, out: Shape) -> Rows:
    return sets.united([sets.taken(x, at) for at in window_positions(eqn.params, shape, out)])


PATTERNS = {"jacobian": jacobian_pattern, "hessian": hessian_pattern}
"""What detects the pattern of each derivative."""
