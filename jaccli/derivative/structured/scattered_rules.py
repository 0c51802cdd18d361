"""Rules of linear primitives for scattered entries: they act on values and move positions.

Boundary: an operand without a rule here is made dense by the interpreter.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.constants import is_known
from jaccli.derivative.positions import (
    convolution_positions,
    counted,
    flat_position,
    read_positions,
    repeated,
    window_positions,
    write_positions,
)
from jaccli.derivative.structured.index_maps import Shape
from jaccli.derivative.structured.scattered import (
    MANY,
    SPARSE,
    Array,
    Positions,
    Scattered,
    TooMany,
    joined,
    squeezed,
    total,
    unraveled,
)

# Rules: `rule(eqn, operands, values)` takes for each operand the scattered entries, None (zero),
# or an array, and returns those of the results; None where the operands must be dense.

Part = Scattered | None
_RULES: dict[str, Callable[..., Any]] = {}


def apply(eqn: Any, operands: Sequence[Any], values: Sequence[Any]) -> list[list[Part]] | None:
    """Return the scattered parts of each result of an equation; None if it has no rule for them.

    `operands` are lists of `Scattered` (one of each seed) where they depend on seeds, else arrays;
    `values` has numpy's of those that are known.
    """
    rule = _RULES.get(eqn.primitive.name)
    if rule is None:
        return None
    seeds = sorted({part.seed for x in operands if isinstance(x, list) for part in x})
    results: list[list[Part]] = [[] for _ in eqn.outvars]
    for seed in seeds:
        own = [
            next((part for part in x if part.seed == seed), None) if isinstance(x, list) else x
            for x in operands
        ]
        try:
            found = rule(eqn, own, values)
        except TooMany:
            return None
        if found is None:
            return None
        for result, part in zip(results, found, strict=True):
            result.append(part)
    return results


def _rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        _RULES.update(dict.fromkeys(names, f))
        return f

    return register


def _shape(atom: Any) -> Shape:
    return tuple(atom.aval.shape)


@_rule(
    "broadcast_in_dim", "reshape", "squeeze", "transpose", "rev", "slice", "tile",
    "pad", "gather", "dynamic_slice",
)  # fmt: skip
def _move(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """y[i] = x[p[i]]."""
    x, name = operands[0], eqn.primitive.name
    if not isinstance(x, Scattered):
        return [None] if name == "pad" else None
    if name != "pad" and not all(map(is_known, values[1:])):
        return None
    positions = read_positions(eqn, *(values[1:] if name != "pad" else ()))
    assert positions is not None
    return [x.read(positions, math.prod(_shape(eqn.invars[0])))]


@_rule("split", "unstack")
def _parts(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """[y_0, y_1, …] = x."""
    shape, axis = _shape(eqn.invars[0]), eqn.params["axis"]
    at = counted(shape)
    if eqn.primitive.name == "unstack":
        pieces = [np.asarray(at.take(k, axis)) for k in range(shape[axis])]
    else:
        pieces = np.split(at, np.cumsum(eqn.params["sizes"])[:-1], axis)
    return [operands[0].read(piece, math.prod(shape)) for piece in pieces]


@_rule("concatenate", "stack")
def _join(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """Y = [x_0, x_1, …]."""
    at, start, parts = counted(_shape(eqn.outvars[0])), 0, []
    for x, atom in zip(operands, eqn.invars, strict=True):
        shape = _shape(atom)
        if eqn.primitive.name == "stack":
            out = np.asarray(at.take(start, eqn.params["axis"]))
            start += 1
        else:
            axis = eqn.params["dimension"]
            out = np.take(at, np.arange(start, start + shape[axis]), axis)
            start += shape[axis]
        if isinstance(x, Scattered):
            parts.append(x.written(out))
    return [total(parts) if parts else None]


@_rule("reduce_sum")
def _reduce(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """Y = Σ_k x[k]: positions alone."""
    shape, axes = _shape(eqn.invars[0]), eqn.params["axes"]
    narrow = tuple(1 if d in axes else n for d, n in enumerate(shape))
    return [total([operands[0].written(np.broadcast_to(counted(narrow), shape))])]


@_rule("mul", "div")
def _multiply(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """(c ⊙ x)' = c ⊙ x', entries left out where c is known to be 0."""
    a, b = operands
    by = operator.mul if eqn.primitive.name == "mul" else operator.truediv
    x, c, value = (a, b, values[1]) if isinstance(a, Scattered) else (b, a, values[0])
    if isinstance(c, Scattered) or (by is operator.truediv and x is b):
        return None
    shape = _shape(eqn.outvars[0])
    x = _broadcast(x, _shape(eqn.invars[0 if x is a else 1]), shape)
    if by is operator.mul and is_known(value) and np.size(value) > 1 and not np.all(value):
        x = x.kept(np.broadcast_to(np.asarray(value) != 0, shape).reshape(-1)[x.near])
    if len(np.shape(c)) not in (0, len(shape)):
        return None
    return [x.scaled(by, c, shape)]


def _broadcast(x: Scattered, shape: Shape, out: Shape) -> Scattered:
    """Return an operand of an elementwise operation with its dims of size 1 repeated."""
    if shape == out:
        return x
    return x.read(repeated(shape, out), math.prod(shape))


@_rule("add", "add_any", "sub")
def _add(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """(a ± b)' = a' ± b'."""
    shape = _shape(eqn.outvars[0])
    parts = [
        _broadcast(x, _shape(v), shape)
        for x, v in zip(operands, eqn.invars, strict=True)
        if isinstance(x, Scattered)
    ]
    if eqn.primitive.name == "sub" and isinstance(operands[1], Scattered):
        parts[-1] = replace(parts[-1], val=-parts[-1].val)
    return [total(parts)]


@_rule("neg", "copy", "name", "convert_element_type", "real", "imag", "conj")
def _convert(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """φ(x)' = φ(x')."""
    (x,) = operands
    name = eqn.primitive.name
    if name == "convert_element_type":
        if jnp.iscomplexobj(x.val):
            return None
        return [replace(x, val=lax.convert_element_type(x.val, eqn.params["new_dtype"]))]
    return [replace(x, val=_CONVERSIONS[name](x.val))] if name in _CONVERSIONS else [x]


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg,
    "real": jnp.real,
    "imag": jnp.imag,
    "conj": jnp.conj,
}


@_rule("select_n")
def _select(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """select(w, x_0, x_1, …)' = Σ_k [w == k] ⊙ x_k'."""
    which, *cases = operands
    shape = _shape(eqn.outvars[0])
    if isinstance(which, Scattered) or len(np.shape(which)) not in (0, len(shape)):
        return None
    parts = []
    for k, x in enumerate(cases):
        if not isinstance(x, Scattered):
            continue
        x = _broadcast(x, _shape(eqn.invars[k + 1]), shape)
        if is_known(values[0]):
            mask = np.broadcast_to(np.asarray(values[0]) == k, shape).reshape(-1)
            parts.append(x.kept(mask[x.near]))
        else:
            hit = jnp.reshape(jnp.equal(which, k), -1)
            at = squeezed(x.near, shape, np.shape(which)) if np.ndim(which) else 0
            parts.append(replace(x, val=jnp.where(hit[at], x.val, np.zeros((), x.val.dtype))))
    return [total(parts)]


@_rule("scatter-add", "scatter")
def _scatter(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """Y = x, then y[p[k]] += u[k], or = u[k]."""
    x, _, updates = operands
    if not is_known(values[1]):
        return None
    to = write_positions(eqn, values[1], _shape(eqn.invars[2]))
    if to is None:
        return None
    parts = []
    if isinstance(x, Scattered):
        keep = np.ones(math.prod(_shape(eqn.invars[0])), np.bool_)
        if eqn.primitive.name == "scatter":
            keep[to[to >= 0]] = False
        parts.append(x.kept(keep[x.near]))
    if isinstance(updates, Scattered):
        parts.append(updates.written(to))
    return [total(parts)]


@_rule("reduce_window_sum")
def _window(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """y[p] = Σ_t x[s·p + d·t]."""
    shape, out = _shape(eqn.invars[0]), _shape(eqn.outvars[0])
    taps = window_positions(eqn.params, shape, out)
    return [windowed(operands[0], taps, math.prod(shape))]


def windowed(x: Scattered, taps: Sequence[Positions], size: int) -> Scattered | None:
    """Return the sum of what results read at each tap; None if those are too many."""
    if len(taps) * x.count > MANY:
        return None
    return total([x.read(at, size) for at in taps])


@_rule("conv_general_dilated")
def _convolve(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """y[n, o, p] = Σ_t Σ_c x[n, c, s·p + d·t] k[o, c, t]."""
    x, kernel = operands
    params, out = eqn.params, _shape(eqn.outvars[0])
    plain = params["feature_group_count"] == 1 and params["batch_group_count"] == 1
    if not isinstance(x, Scattered) or isinstance(kernel, Scattered) or not plain:
        return None
    numbers = params["dimension_numbers"]
    sides = [_shape(eqn.invars[0]), _shape(eqn.invars[1]), out]
    specs = [numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec]
    (n, c, *space), (many, _, *window), (_, _, *counts) = (
        [shape[d] for d in spec] for shape, spec in zip(sides, specs, strict=True)
    )
    if x.count * math.prod(window) * many > MANY:
        return None
    # Channels are carried along: positions are those of (n, *space) for each.
    index = unraveled(x.near, sides[0])
    row, channel, *place = (index[d] for d in numbers.lhs_spec)
    at = np.ravel_multi_index([row, *place], (n, *space))
    taps = convolution_positions(params, window, (n, *space), (n, *counts))
    entry, read = joined(at, np.stack(taps).reshape(-1), n * math.prod(space))
    tap, result = np.divmod(read, n * math.prod(counts))
    entry, tap, result = (np.repeat(a, many) for a in (entry, tap, result))
    feature = np.tile(np.arange(many), read.size)
    weights = jnp.transpose(kernel, numbers.rhs_spec).reshape(many, c, -1)
    val = x.val[entry] * weights[feature, channel[entry], tap]
    row, *place = unraveled(result, (n, *counts))
    spots = dict(zip(numbers.out_spec, (row, feature, *place), strict=True))
    near = np.ravel_multi_index([spots[d] for d in range(len(out))], out)
    val = val.astype(eqn.outvars[0].aval.dtype)
    return [total([Scattered(x.seed, val, near, x.far[entry])])]


@_rule("dot_general")
def _dot(eqn: Any, operands: list[Any], values: list[Any]) -> Any:
    """y[i, j] = Σ_k c[i, k] x[k, j]."""
    a, b = operands
    if isinstance(a, Scattered) and isinstance(b, Scattered):
        return None
    first = isinstance(a, Scattered)
    x, c, value = (a, b, values[1]) if first else (b, a, values[0])
    (ca, cb), (ba, bb) = eqn.params["dimension_numbers"]
    la: list[Any] = [("a", d) for d in range(len(_shape(eqn.invars[0])))]
    lb: list[Any] = [("b", d) for d in range(len(_shape(eqn.invars[1])))]
    for d, e in [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]:
        lb[e] = la[d]
    lx, lc = (la, lb) if first else (lb, la)
    batch, gone = [la[d] for d in ba], [la[d] for d in ca]
    out = [*batch, *(k for k in (*la, *lb) if k not in (*batch, *gone))]
    sizes = dict(zip((*la, *lb), (*_shape(eqn.invars[0]), *_shape(eqn.invars[1])), strict=True))
    found = contracted(x, lx, value if is_known(value) else c, lc, out, sizes)
    if found is None:
        return None
    return [replace(found, val=found.val.astype(eqn.outvars[0].aval.dtype))]


def contracted(
    x: Scattered,
    lx: Sequence[Any],
    c: Array | None,
    lc: Sequence[Any],
    out: Sequence[Any],
    sizes: dict[Any, int],
) -> Scattered | None:
    """Return Σ x·c over the labels that are not in `out` (c None: a sum alone).

    Each entry of x meets what c has at its index: what is not 0, where c is known.  None if that
    is no less than a dense array.
    """
    shape = [sizes[k] for k in out]
    index = dict(zip(lx, unraveled(x.near, [sizes[k] for k in lx]), strict=True))
    if c is None:
        return total(
            [replace(x, near=np.broadcast_to(flat_position(index, out, sizes), x.near.shape))]
        )
    own = [k for k in lc if k not in lx]  # axes that c alone has
    if is_known(c) and not np.all(c):
        nonzero = dict(zip(lc, np.nonzero(np.asarray(c)), strict=True))
        shared = [k for k in lc if k in lx]
        size = math.prod(sizes[k] for k in shared)
        count = nonzero[lc[0]].size if lc else 0
        at_x, at_c = (
            np.broadcast_to(flat_position(table, shared, sizes), n)
            for table, n in ((index, x.count), (nonzero, count))
        )
        pair, entry = joined(at_c, at_x, size)
        table = {k: v[entry] for k, v in index.items()}
        table.update({k: nonzero[k][pair] for k in own})
    else:
        many = math.prod(sizes[k] for k in own)
        if many * x.count * SPARSE > math.prod(shape) * math.prod(x.seed.shape):
            return None
        entry = np.repeat(np.arange(x.count), many)
        table = {k: v[entry] for k, v in index.items()}
        rest = unraveled(np.tile(np.arange(many), x.count), [sizes[k] for k in own])
        table.update(zip(own, rest, strict=True))
    factor = jnp.reshape(c, -1)[np.asarray(flat_position(table, lc, sizes))]
    near = np.broadcast_to(flat_position(table, out, sizes), entry.shape)
    return total([Scattered(x.seed, x.val[entry] * factor, near, x.far[entry])])
