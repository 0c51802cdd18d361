"""Constant folding: equations that do not depend on a function's inputs are computed once.

Every equation whose operands are known is computed while tracing, inside calls and branches too;
branches whose index is known are taken.  The structured engine, the detection of patterns and the
compiler get what remains.  Known arrays that cost nothing to compute again (a mask from counters)
stay equations of the program, so that XLA fuses them.

Boundary: equations that depend on the inputs are kept as they are.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr

from jaccli.derivative import constants, independent_steps, jaxprs
from jaccli.derivative.primitives import CALLS, bind, scan_of

_SHORT = 64
"""Elements of an array that is written into the program whatever it would cost to compute."""
_FUSED = {
    "iota", "broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "copy",
    "add", "sub", "mul", "neg", "max", "min", "abs", "sign", "lt", "le", "gt", "ge", "eq", "ne",
    "and", "or", "xor", "not", "select_n", "clamp", "stop_gradient",
}  # fmt: skip
"""Primitives that XLA computes on the fly for each element of what uses them."""
_SPARSE = ("bcoo_", "bcsr_")
"""What begins the names of operations on JAX's sparse arrays, replaced by what implements them."""
_POLYNOMIAL = "polynomial"
"""What `polyval` is from JAX 0.12 on, replaced by Horner's steps."""
_OF_NUMPY = {"Einsum", "Nonzero", "SearchSorted"}
"""Functions of numpy that are one `call_hi_primitive` from JAX 0.12 on, also replaced.

Others of that kind, as `Frexp`, `Ldexp` and users' own, bring a derivative that is not their
implementation's, which may be of bits and then has none.
"""
_PLACES = {
    "axis_index", "psum", "psum_invariant", "pmax", "pmin", "ppermute", "all_gather",
    "all_gather_invariant", "all_to_all", "reduce_scatter", "pbroadcast", "pvary",
}  # fmt: skip
"""Primitives whose result depends on where they run."""


def limit_of(closed: ClosedJaxpr) -> int:
    """Return how many elements a known array may have, for a function of these arrays."""
    avals = (*closed.in_avals, *closed.out_avals)
    return max(constants.LIMIT, 64 * sum(int(math.prod(aval.shape)) for aval in avals))


def folded(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Return the same function with the equations that depend on no argument folded."""
    if not _has_work(closed.jaxpr):
        return closed
    fold = _Fold(limit_of(closed))

    def run(*args: Any) -> list[Any]:
        return [fold.emitted(y) for y in fold.run(closed.jaxpr, closed.consts, args)]

    return jax.make_jaxpr(run)(*closed.in_avals)


def _has_work(jaxpr: Any) -> bool:
    """Return whether an equation, at any depth, depends on no argument, or is to be expanded."""
    dependent = list(jaxprs.dependent(jaxpr, {*jaxpr.invars}))
    return len(dependent) < len(jaxpr.eqns) or any(
        eqn.primitive.name == "scan"
        or _is_expanded(eqn)
        or any(map(_has_work, jaxprs.inner_jaxprs(eqn.params)))
        for eqn in dependent
    )


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that depends on no input: result `number` of an equation of constants.

    `value` is None where it has not been computed, because numpy is not known to agree with XLA,
    or because it is too large.
    """

    eqn: Any
    operands: tuple[Any, ...]
    number: int
    value: np.ndarray | None
    fused: bool


class _Fold:
    """The evaluation of one function; `emissions` has what constants have become in the program."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.emissions: ChainMap[Any, tuple[Any, list[Any]]] = ChainMap({})
        self.demanded: dict[Constant, np.ndarray | None] = {}

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """Return the results of a jaxpr: constants (numpy's, or `Constant`), and traced values."""
        known = list(map(constants.known, consts))
        return jaxprs.evaluate(jaxpr, known, args, self.results, literal=_literal)

    def results(self, eqn: Any, operands: list[Any]) -> Sequence[Any]:
        """Return the results of one equation."""
        name = eqn.primitive.name
        called = CALLS.get(name)
        if called is not None:
            jaxpr, consts = jaxprs.closed_parts(eqn.params[called])
            return self.run(jaxpr, consts, operands)
        expanded = _expanded(eqn)
        if expanded is not None:
            return self.run(expanded.jaxpr, expanded.consts, operands)
        if name == "cond":
            return self.branch(eqn, operands)
        if not eqn.effects and name not in _PLACES and all(map(_is_constant, operands)):
            return self.constants(eqn, operands)
        if name == "scan":
            return self.at_once(eqn, operands) or self.loop(eqn, operands)
        indexed = _INDEXED.get(name)
        if indexed is not None:
            which = range(indexed.start, min(indexed.stop, len(operands)))
            operands = [self.known(x) if k in which else x for k, x in enumerate(operands)]
        return bind(eqn, [self.emitted(x) for x in operands])

    def constants(self, eqn: Any, operands: list[Any]) -> list[Any]:
        """Return the results of an equation of constants."""
        values = [x.value if isinstance(x, Constant) else x for x in operands]
        found = None
        if all(value is not None and constants.is_known(value) for value in values):
            found = constants.evaluate(eqn, values, self.limit)
        fused = eqn.primitive.name in _FUSED and all(
            x.fused or (x.value is not None and x.value.size <= _SHORT)
            if isinstance(x, Constant)
            else np.size(x) <= _SHORT
            for x in operands
        )
        return [
            Constant(eqn, tuple(operands), k, None if found is None else found[k], fused)
            for k in range(len(eqn.outvars))
        ]

    def known(self, x: Any) -> Any:
        """Return a constant that decides on structure computed, whatever it costs."""
        if not isinstance(x, Constant) or x.value is not None:
            return x
        if x not in self.demanded:
            self.demanded[x] = _computed(x, self.limit)
        value = self.demanded[x]
        return x if value is None else value

    def branch(self, eqn: Any, operands: list[Any]) -> Sequence[Any]:
        """Return the results of the branch that is taken, or of all of them behind the choice."""
        branches = eqn.params["branches"]
        index = self.known(operands[0])
        value = index.value if isinstance(index, Constant) else index
        if value is not None and constants.is_known(value):
            taken = branches[min(max(int(value), 0), len(branches) - 1)]
            return self.run(taken.jaxpr, taken.consts, operands[1:])
        constant = any(map(_is_constant, operands[1:]))
        if not (constant or any(_has_work(branch.jaxpr) for branch in branches)):
            return bind(eqn, [self.emitted(x) for x in operands])
        traced = [k for k, x in enumerate(operands) if k and not _is_constant(x)]

        def call(branch: Any, *args: Any) -> list[Any]:
            full = list(operands)
            for k, x in zip(traced, args, strict=True):
                full[k] = x
            return self.inner(branch, full[1:])

        ways = [partial(call, branch) for branch in branches]
        return lax.switch(self.emitted(index), ways, *(operands[k] for k in traced))  # type: ignore[no-any-return]

    def at_once(self, eqn: Any, operands: list[Any]) -> Sequence[Any] | None:
        """Return the results of a scan whose steps do not wait for each other; else None."""
        loop = scan_of(eqn)
        flat = _flattened(loop.body)
        values = [x.value if isinstance(x, Constant) else x for x in operands]
        given = [np.asarray(x) if x is not None and constants.is_known(x) else None for x in values]
        scan = independent_steps.Scan(
            flat.jaxpr, flat.consts, loop.consts, loop.carry, loop.length, loop.reverse, given
        )
        run = independent_steps.at_once(scan)
        if run is None:
            return None
        traced = [self.emitted(x) for x, y in zip(operands, given, strict=True) if y is None]
        avals = [v.aval for v, y in zip(eqn.invars, given, strict=True) if y is None]
        try:
            inner = jax.make_jaxpr(run)(*avals)
        except (TypeError, ValueError, NotImplementedError):  # what JAX cannot batch stays a loop
            return None
        if [aval.str_short() for aval in inner.out_avals] != [
            v.aval.str_short() for v in eqn.outvars
        ]:
            return None
        return self.run(inner.jaxpr, inner.consts, traced)

    def loop(self, eqn: Any, operands: list[Any]) -> Sequence[Any]:
        """Return the results of a scan whose body is folded."""
        scan = scan_of(eqn)
        body, n, m = scan.body, scan.consts, scan.carry
        if not (any(map(_is_constant, operands[:n])) or _has_work(body.jaxpr)):
            return bind(eqn, [self.emitted(x) for x in operands])
        consts, carry, rows = operands[:n], operands[n : n + m], operands[n + m :]

        def step(carry: Any, rows: Any) -> tuple[Any, Any]:
            out = self.inner(body, [*consts, *carry, *rows])
            return out[:m], out[m:]

        start, columns = [self.emitted(x) for x in carry], [self.emitted(x) for x in rows]
        last, ys = lax.scan(step, start, columns, **scan.how)
        return [*last, *ys]

    def inner(self, body: Any, args: list[Any]) -> list[Any]:
        """Return the results of a jaxpr that is traced on its own: what it emits stays inside."""
        self.emissions = self.emissions.new_child()
        try:
            out = self.run(body.jaxpr, body.consts, args)
            return [
                lax.convert_element_type(y, v.aval.dtype) if constants.is_known(y) else y
                for y, v in zip(map(self.emitted, out), body.jaxpr.outvars, strict=True)
            ]
        finally:
            self.emissions = self.emissions.parents

    def emitted(self, x: Any) -> Any:
        """Return a value as an operand of the program."""
        if not isinstance(x, Constant):
            return x
        if x.value is not None and (x.value.size <= _SHORT or not x.fused):
            return np.ascontiguousarray(x.value) if x.value.ndim else x.value
        key = (x.eqn, *map(id, x.operands))
        if key not in self.emissions:
            # With the operands, which must live as long as the key that is made of their ids.
            results = bind(x.eqn, [self.emitted(y) for y in x.operands])
            self.emissions[key] = (x.operands, results)
        return self.emissions[key][1][x.number]


_INDEXED = {
    "gather": slice(1, 2),
    "scatter": slice(1, 2),
    "scatter-add": slice(1, 2),
    "scatter-mul": slice(1, 2),
    "scatter-max": slice(1, 2),
    "scatter-min": slice(1, 2),
    "dynamic_slice": slice(1, 99),
    "dynamic_update_slice": slice(2, 99),
}
"""Operands that decide on where entries are."""


def _is_expanded(eqn: Any) -> bool:
    """Return whether an equation is replaced by what implements it."""
    name = eqn.primitive.name
    if name == _POLYNOMIAL or name.startswith(_SPARSE):
        return True
    return type(eqn.params.get("_prim")).__qualname__ in _OF_NUMPY


def _expanded(eqn: Any) -> ClosedJaxpr | None:
    """Return what implements an equation that is to be replaced, None for others."""
    if not _is_expanded(eqn):
        return None
    name, params = eqn.primitive.name, eqn.params
    if name == _POLYNOMIAL:
        return jax.make_jaxpr(_horner)(*(v.aval for v in eqn.invars))
    if name.startswith(_SPARSE):
        from jax.experimental.sparse import bcoo, bcsr

        module = bcoo if name.startswith("bcoo_") else bcsr
        implementation = getattr(module, f"_{name}_impl", None)
    else:
        implementation = getattr(eqn.primitive, "to_lojax", None)
    if implementation is None:
        return None
    return jax.make_jaxpr(partial(implementation, **params))(*(v.aval for v in eqn.invars))


def _horner(x: jax.Array, *coefficients: jax.Array) -> jax.Array:
    """Return the polynomial whose coefficients are given from the constant one upwards."""
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def _flattened(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Return a jaxpr with its calls written out."""
    if not any(eqn.primitive.name in CALLS for eqn in closed.jaxpr.eqns):
        return closed

    def results(eqn: Any, operands: list[Any]) -> list[Any]:
        called = CALLS.get(eqn.primitive.name)
        return bind(eqn, operands) if called is None else run(eqn.params[called], operands)

    def run(called: Any, args: Sequence[Any]) -> list[Any]:
        return jaxprs.evaluate(*jaxprs.closed_parts(called), args, results, every=True)

    return jax.make_jaxpr(lambda *args: run(closed, args))(*closed.in_avals)


def _literal(atom: Any) -> Any:
    return constants.known_literal(atom, atom.val)


def _is_constant(x: Any) -> bool:
    concrete = isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
    return isinstance(x, Constant) or constants.is_known(x) or concrete


def _computed(constant: Constant, limit: int) -> np.ndarray | None:
    """Return a constant's value by JAX, None if it is not one of numbers, or too large."""
    aval = constant.eqn.outvars[constant.number].aval
    if not constants.is_whole(aval.dtype) or math.prod(aval.shape) > limit:
        return None
    done: dict[Any, list[Any]] = {}

    def value(x: Any) -> Any:
        if not isinstance(x, Constant):
            return x
        if x.value is not None:
            return x.value
        key = (x.eqn, *map(id, x.operands))
        if key not in done:
            done[key] = bind(x.eqn, list(map(value, x.operands)))
        return done[key][x.number]

    with jax.ensure_compile_time_eval():
        return np.asarray(jax.jit(lambda: value(constant))())
