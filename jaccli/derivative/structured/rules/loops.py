"""The rules of loops: they run over the values of terms whose links stay the same.

Boundary: where links do not settle, or settle on dense arrays, the fallback takes over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaccli.derivative.jaxprs import is_literal
from jaccli.derivative.primitives import scan_of, while_of
from jaccli.derivative.structured.fallback import dependent
from jaccli.derivative.structured.interpret import interpret
from jaccli.derivative.structured.linear_map import Array, Linear, Term, collect
from jaccli.derivative.structured.registry import Equation, NoStructure, Operand, rule

MAX_ROUNDS, MAX_CARRIED = 3, 4
"""After how many rounds links must have settled, and on how many terms at most."""


@dataclass(frozen=True, eq=False)
class Structure:
    """A linear value without its numbers: the `val` of its terms is a shape."""

    of: Linear

    def filled(self, vals: Sequence[Array]) -> Linear:
        """Return the value with these numbers."""
        terms = [replace(t, val=val) for t, val in zip(self.of.terms, vals, strict=True)]
        return replace(self.of, terms=tuple(terms))

    def plus(self, value: Operand) -> Linear:
        """Return 0 + value, 0 having every term of the structure; a constant can only be 0."""
        zeros = self.filled([jnp.zeros(t.val.shape, t.val.dtype) for t in self.of.terms])
        more = value.linked.terms if isinstance(value, Linear) else ()
        return collect(self.of.shape, self.of.dtype, [*zeros.terms, *more])

    def alike(self, other: Structure) -> bool:
        """Return whether another structure is the same."""
        return len(self.of.terms) == len(other.of.terms) and all(
            a.seed == b.seed
            and a.val.shape == b.val.shape
            and a.free == b.free
            and all(
                np.array_equal(k, m)
                for k, m in zip(a.links, b.links, strict=True)
                if k is not None and m is not None
            )
            for a, b in zip(self.of.terms, other.of.terms, strict=True)
        )

    def saves(self) -> bool:
        """Return whether the terms hold fewer numbers than the dense array."""
        stored = sum(math.prod(term.val.shape) for term in self.of.terms)
        far = sum(math.prod(seed.sizes) for seed in self.of.seeds)
        return len(self.of.terms) <= MAX_CARRIED and stored < math.prod(self.of.shape) * far


def parted(value: Operand) -> tuple[Structure | None, Any]:
    """Return the structure and the numbers of a value; an array has no structure."""
    if not isinstance(value, Linear):
        return None, value
    value = value.linked
    vals = [jnp.asarray(term.val) for term in value.terms]
    shapes = [jax.ShapeDtypeStruct(val.shape, val.dtype) for val in vals]
    return Structure(Structure(value).filled(shapes)), vals


def united(structure: Structure | None, vals: Any) -> Operand:
    """Return the value of a structure and numbers."""
    return vals if structure is None else structure.filled(vals)


@rule("scan")
def scan(eqn: Equation, *operands: Operand) -> list[Operand]:
    """Aⁿ h, with links that A keeps: the loop runs over the values of h.

    The structure S of h is the first with S = S ∪ A S, found on shapes alone.
    """
    scan = scan_of(eqn)
    body, length, count = scan.body, scan.length, scan.carry
    if length == 0:
        raise NoStructure
    operands = tuple(x.linked if isinstance(x, Linear) else x for x in operands)
    consts, rest = operands[: scan.consts], operands[scan.consts :]
    flags = dependent(eqn, [isinstance(x, Linear) for x in operands])
    carry = [_linear(x) if flag else x for x, flag in zip(rest[:count], flags, strict=False)]
    rows, columns = _each([_sliced(x, length) for x in rest[count:]])

    def step(state: Any, numbers: Any, slices: Any) -> tuple[Any, Any, Any, Any]:
        args = map(united, (*state, *rows), (*numbers, *slices))
        out = interpret(body.jaxpr, body.consts, [*consts, *args])
        after = [x if s is None else s.plus(x) for s, x in zip(state, out[:count], strict=True)]
        ys = [_linear(y) if flag else y for y, flag in zip(out[count:], flags[count:], strict=True)]
        return *_each([parted(x) for x in after]), *_each([parted(y) for y in ys])

    one = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), columns)
    state, start = _settled(carry, lambda state, numbers: step(state, numbers, one)[:2])
    outputs: list[Any] = []

    def scanned(numbers: Any, slices: Any) -> tuple[Any, Any]:
        _, after, outputs[:], ys = step(state, numbers, slices)
        return after, ys

    last, ys = lax.scan(scanned, start, columns, **scan.how)
    stacked = [
        y if s is None else _stacked(s.filled(y), length) for s, y in zip(outputs, ys, strict=True)
    ]
    return [*map(united, state, last), *stacked]


@rule("while")
def while_loop(eqn: Equation, *operands: Operand) -> list[Operand]:
    """The same for a loop of unknown length, whose end the seeds do not decide on."""
    loop = while_of(eqn)
    body, condition, skip, count = loop.body, loop.condition, loop.ends, loop.consts
    operands = tuple(x.linked if isinstance(x, Linear) else x for x in operands)
    flags = dependent(eqn, [isinstance(x, Linear) for x in operands])
    ends, consts, first = operands[:skip], operands[skip : skip + count], operands[skip + count :]
    ends_known = not any(isinstance(x, Linear) for x in ends)
    uses = {v for eqn in condition.jaxpr.eqns for v in eqn.invars if not is_literal(v)}
    seeded = zip(condition.jaxpr.invars[skip:], flags, strict=True)
    if not ends_known or any(flag and v in uses for v, flag in seeded):
        raise NoStructure  # columns end at times of their own
    carry = [_linear(x) if flag else x for x, flag in zip(first, flags, strict=True)]
    if condition.out_avals[0].shape:  # of a batch, each element of which ends by itself
        body, consts = _held_at_ends(body, condition, count, skip), (*consts, *ends)

    def step(state: list[Structure | None], numbers: Any) -> tuple[list[Any], Any]:
        args = map(united, state, numbers)
        out = interpret(body.jaxpr, body.consts, [*consts, *args])
        after = [x if s is None else s.plus(x) for s, x in zip(state, out, strict=True)]
        return _each([parted(x) for x in after])

    def goes_on(numbers: Any) -> Any:
        primal = [
            _zero(v) if flag else x
            for x, v, flag in zip(numbers, body.jaxpr.outvars, flags, strict=True)
        ]
        return jnp.any(jaxpr_as_fun(condition)(*ends, *primal)[0])

    state, start = _settled(carry, step)
    last = lax.while_loop(goes_on, lambda numbers: step(state, numbers)[1], start)
    return list(map(united, state, last))


def _held_at_ends(body: Any, condition: Any, count: int, skip: int) -> Any:
    """Return the body of a batched loop, which leaves an element as it is when that has ended.

    It takes what the condition holds after its own `count` constants.
    """

    def held(*args: Any) -> list[Any]:
        consts, ends, carry = args[:count], args[count : count + skip], args[count + skip :]
        (goes,) = jaxpr_as_fun(condition)(*ends, *carry)
        return [
            lax.select(lax.broadcast_in_dim(goes, new.shape, range(goes.ndim)), new, old)
            for new, old in zip(jaxpr_as_fun(body)(*consts, *carry), carry, strict=True)
        ]

    avals = (*body.in_avals[:count], *condition.in_avals[:skip], *body.in_avals[count:])
    return jax.make_jaxpr(held)(*avals)


def _zero(v: Any) -> Array:
    return jnp.zeros(v.aval.shape, v.aval.dtype)


def _settled(
    carry: Sequence[Operand], step: Callable[..., tuple[list[Any], Any]]
) -> tuple[list[Structure | None], Any]:
    """Return the structure that a step keeps, and the numbers of `carry` in it."""
    state = [parted(x)[0] for x in carry]
    for _ in range(MAX_ROUNDS):
        joined = [x if s is None else s.plus(x) for s, x in zip(state, carry, strict=True)]
        state, start = _each([parted(x) for x in joined])
        found: list[Any] = []

        def after(numbers: Any, state: Any = state, found: list[Any] = found) -> Any:
            found[:], out = step(state, numbers)
            return out

        jax.eval_shape(after, start)
        pairs = [(a, b) for a, b in zip(state, found, strict=True) if a is not None]
        if not any(b.saves() for _, b in pairs):
            raise NoStructure
        if all(a.alike(b) for a, b in pairs):
            return state, start
        state = found
    raise NoStructure


def _each(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Return the first parts and the second parts."""
    return [a for a, _ in pairs], [b for _, b in pairs]


def _linear(x: Operand) -> Linear:
    """Return a linear value as it is; in place of one a constant can only be 0."""
    return x if isinstance(x, Linear) else Linear(tuple(np.shape(x)), x.dtype, ())


def _sliced(x: Operand, length: int) -> tuple[Structure | None, Any]:
    """Return the structure of x[i], the same for each i, and its numbers with i as first axis."""
    if not isinstance(x, Linear):
        return None, x
    terms, vals = [], []
    for term in x.terms:
        if any(link is not None and link.shape[0] > 1 for link in term.links):
            raise NoStructure
        axis = term.near_axis(0)
        val = jnp.moveaxis(term.broadcast((length, *term.near[1:])).val, axis, 0)
        one = jax.ShapeDtypeStruct(val.shape[1:], val.dtype)
        maps = tuple(None if link is None else link[0] for link in term.links)
        terms.append(Term(term.seed, one, maps))
        vals.append(val)
    return Structure(Linear(x.shape[1:], x.dtype, tuple(terms))), vals


def _stacked(y: Linear, length: int) -> Linear:
    """Return the value whose slices are y, given numbers with a first axis more than it says."""
    terms = []
    for term in y.terms:
        maps = tuple(None if link is None else link[None] for link in term.links)
        axis = len(term.free) if term.seed.far_first else 0
        terms.append(Term(term.seed, jnp.moveaxis(term.val, 0, axis), maps))
    return collect((length, *y.shape), y.dtype, terms)
