"""How long a traced program may take, before anything is compiled: good for telling 1 from 3.

A roofline over its equations.  Element-wise ones are fused and cost the numbers they compute;
products cost their multiplications; what is moved about is free until it is read.

Boundary: reads jaxprs; compiles and runs nothing.
"""

from __future__ import annotations

import math
from typing import Any

import jax

from jaccli.derivative.trace_info import count, inner_jaxprs, is_literal, live

_PER_OPERATION, _PER_NUMBER, _PER_TRANSCENDENTAL = 1 / 30e9, 1 / 3e9, 1 / 0.5e9
"""Seconds on one CPU core; ratios matter alone."""
_MOVING = {
    "reshape", "broadcast_in_dim", "squeeze", "iota", "copy", "transpose", "slice",
    "rev", "pad", "convert_element_type", "stop_gradient",
}  # fmt: skip
_INDEXING = ("gather", "dynamic_")
_PER_UPDATE = 20
"""Numbers that XLA computes in the time of one update of a scatter, about."""
_TRANSCENDENTAL = {
    "tanh", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "logistic", "erf", "pow",
    "sqrt", "rsqrt", "cbrt", "atan2", "lgamma", "digamma", "sinh", "cosh", "asin", "acos", "atan",
}  # fmt: skip
_FACTORIZING = {
    "triangular_solve", "cholesky", "lu", "eigh", "eig", "svd", "qr", "geqrf", "fft", "sort",
}  # fmt: skip
_UNKNOWN_LENGTH = 10
"""Rounds of a loop whose length is not known."""


def seconds(closed: Any) -> float:
    """Return the estimate for a closed jaxpr in seconds."""
    written = sum(_size(v) for v in closed.jaxpr.outvars)
    return _jaxpr(closed.jaxpr) + written * _PER_NUMBER


def _jaxpr(jaxpr: Any) -> float:
    """Add up the equations that results need: the others will be dropped."""
    needed = set(filter(_is_variable, jaxpr.outvars))
    total = 0.0
    for eqn in reversed(jaxpr.eqns):
        if needed.intersection(eqn.outvars):
            needed.update(filter(_is_variable, eqn.invars))
            total += _equation(eqn)
    return total


def _is_variable(atom: Any) -> bool:
    return not is_literal(atom)


def _equation(eqn: Any) -> float:
    name, written = eqn.primitive.name, sum(map(_size, eqn.outvars))
    parts = [_jaxpr(inner) for inner in inner_jaxprs(eqn.params)]
    if name == "scan":
        return float(eqn.params["length"] * sum(parts))
    if name == "while":
        return _UNKNOWN_LENGTH * sum(parts)
    if name == "cond":
        return float(max(parts, default=0.0))
    if name.startswith("custom_jvp"):
        return float(parts[0])
    if name in _MOVING:
        return 0.0
    if name == "dot_general":
        (summed, _), _ = eqn.params["dimension_numbers"]
        length = math.prod(eqn.invars[0].aval.shape[d] for d in summed)
        touched = written + sum(map(_size, eqn.invars))
        return float(2 * written * length * _PER_OPERATION + touched * _PER_NUMBER / 2)
    if name == "conv_general_dilated":
        return 2 * written * _size(eqn.invars[1]) * _PER_OPERATION
    if name in _FACTORIZING:
        last = max((v.aval.shape[-1] for v in eqn.invars if v.aval.shape), default=1)
        return 2 * written * last * _PER_OPERATION + written * _PER_NUMBER
    if name.startswith(("reduce_", "cum", "arg")):
        return sum(map(_size, eqn.invars)) * _PER_NUMBER
    if name.startswith("scatter"):  # one update after another
        return (_PER_UPDATE * _size(eqn.invars[2]) + written) * _PER_NUMBER
    if name.startswith(_INDEXING):
        return 3 * written * _PER_NUMBER
    if parts:
        return float(sum(parts))
    each = _PER_NUMBER + (_PER_TRANSCENDENTAL if name in _TRANSCENDENTAL else 0.0)
    return written * each


def _size(atom: Any) -> int:
    return math.prod(atom.aval.shape)


def equations(operator: Any, *args: Any) -> int:
    """Return how many equations the results of an operator need, at the shapes of its arguments."""
    jaxpr = jax.make_jaxpr(operator)(*args).jaxpr
    needed = live(jaxpr, [True] * len(jaxpr.outvars))
    return sum(1 + sum(map(count, inner_jaxprs(eqn.params))) for eqn, _ in needed)


def of(operator: Any, *args: Any) -> float:
    """Return the estimate for an operator at the shapes of its arguments, in seconds."""
    return seconds(jax.make_jaxpr(operator)(*args))
