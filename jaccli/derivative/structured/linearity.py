"""Whether a map that ought to be linear is: users' backward rules may be anything.

The engine and the patterns count on two things.  What is added to a value that depends on the
seeds is taken as 0; and where no entry leads nothing is computed, so that 0 must make 0.  What is
not linear otherwise (a cotangent that is clipped) they take densely, which is right.  So the jaxpr
of the map is run on what is known where its argument is 0.

Boundary: reads jaxprs; computes no derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaccli.derivative import jaxprs, structure_losses
from jaccli.derivative.constants import evaluate, is_inexact, is_known, known, known_literal
from jaccli.derivative.primitives import INLINED, scan_of, while_of
from jaccli.derivative.structured.registry import RULES

Known = np.ndarray[Any, Any] | None
"""numpy's array of a constant; None if it is not known."""


@dataclass(frozen=True, eq=False)
class _Moving:
    """A value that depends on the argument: whether it is 0 where that is, and numpy's array."""

    is_zero: bool
    there: Known = None


Value = Known | _Moving

_ZERO = _Moving(is_zero=True)
_COMPUTED = 2**16
"""Elements of an array that is computed, at most."""
_SUMS = {
    "add", "add_any", "sub", "select_n", "concatenate", "stack", "pad", "dynamic_update_slice",
    "scatter", "scatter-add",
}  # fmt: skip
"""Operations that are linear in all of their floats together."""
_FACTORS = {
    "mul": slice(2),
    "dot_general": slice(2),
    "conv_general_dilated": slice(2),
    "div": slice(1),
    "scatter-mul": slice(1),
    "triangular_solve": slice(1, 2),
}
"""Operations that are 0 where one of these operands is."""
_KEEPING = {
    "abs", "asin", "asinh", "atan", "cbrt", "ceil", "clamp", "complex", "cummax", "cummin", "erf",
    "expm1", "fft", "floor", "log1p", "max", "min", "reduce_max", "reduce_min", "reduce_window_sum",
    "round", "select_and_gather_add", "select_and_scatter_add", "sign", "sin", "sinh", "sqrt",
    "square", "tan", "tanh",
}  # fmt: skip
"""Operations that are 0 where all their operands are, as those are that have a rule."""


class _Affine(Exception):
    """Something is added that is not 0."""


def is_linear(closed: Any, moving: Sequence[bool]) -> bool:
    """Return whether a jaxpr is known to be what the engine takes it for, linear in `moving`.

    What it is not for is noted as a loss.
    """
    try:
        return all(map(_is_zero, _run(closed, [_ZERO if flag else None for flag in moving])))
    except _Affine:
        return False


def _run(called: Any, args: Sequence[Value]) -> list[Value]:
    """Return the results of a jaxpr, closed or not."""
    jaxpr, consts = jaxprs.closed_parts(called)
    values = [const if is_known(const) else None for const in map(known, consts)]
    return jaxprs.evaluate(jaxpr, values, args, _results, literal=known_literal)


def _results(eqn: Any, operands: list[Value]) -> list[Value]:
    """Return the results of one equation."""
    name, params = eqn.primitive.name, eqn.params
    if name in INLINED:
        return _run(params[INLINED[name]], operands)
    still = [x for x in operands if not isinstance(x, _Moving)]
    if len(still) == len(operands):
        return list(_computed(eqn, still) or [None] * len(eqn.outvars))
    if name == "cond":
        cases = [_run(branch, operands[1:]) for branch in params["branches"]]
        return [_joined(each) for each in zip(*cases, strict=True)]
    if name == "scan":
        scan = scan_of(eqn)
        return _loop(scan.body, operands[: scan.consts], operands[scan.consts :], scan.carry)
    if name == "while":
        loop = while_of(eqn)
        consts, start = operands[loop.ends :], operands[loop.ends + loop.consts :]
        return _loop(loop.body, consts[: loop.consts], start, len(start))
    if name in _SUMS and not (name == "select_n" and isinstance(operands[0], _Moving)):
        floats = _floats(eqn, operands)
        if any(isinstance(x, _Moving) for x in floats) and not all(
            isinstance(x, _Moving) or _is_zero(x) for x in floats
        ):
            structure_losses.note(eqn, advice="a custom rule that is linear keeps structure")
            raise _Affine
    there = [_there(x, v) for x, v in zip(operands, eqn.invars, strict=True)]
    found = _computed(eqn, there)
    if found is not None:
        return [_Moving(_is_zero(y), y) for y in found]
    return [_Moving(_vanishes(eqn, operands))] * len(eqn.outvars)


def _loop(body: Any, consts: Sequence[Value], rest: Sequence[Value], carry: int) -> list[Value]:
    """Return what every step leaves: what is carried is 0 where it starts and stays so."""
    state = [_plain(x) for x in rest[:carry]]
    rows = [_plain(x) for x in rest[carry:]]
    while True:
        found = _run(body, [*consts, *state, *rows])
        kept = [_joined(pair) for pair in zip(state, found, strict=False)]
        if all(_is_alike(x, y) for x, y in zip(state, kept, strict=True)):
            return [*state, *(_plain(x) for x in found[carry:])]
        state = kept


def _joined(cases: Sequence[Value]) -> Value:
    """Return what is known of a value that is one of several."""
    if any(isinstance(x, _Moving) for x in cases):
        return _Moving(all(map(_is_zero, cases)))
    return np.zeros(()) if all(map(_is_zero, cases)) else None


def _plain(x: Value) -> Value:
    """Return what is known of each row of an array, or of what an array becomes."""
    return _joined([x])


def _is_alike(x: Value, y: Value) -> bool:
    return isinstance(x, _Moving) == isinstance(y, _Moving) and _is_zero(x) == _is_zero(y)


def _is_zero(x: Value) -> bool:
    if isinstance(x, _Moving):
        return x.is_zero
    return x is not None and not np.any(x)


def _floats(eqn: Any, operands: Sequence[Value]) -> list[Value]:
    return [x for x, v in zip(operands, eqn.invars, strict=True) if is_inexact(v.aval.dtype)]


def _there(x: Value, variable: Any) -> Known:
    """Return numpy's array of a value where the argument is 0, None if it is not known."""
    if not isinstance(x, _Moving):
        return x
    aval = variable.aval
    computed = x.is_zero and x.there is None and aval.size <= _COMPUTED
    return np.zeros(aval.shape, aval.dtype) if computed else x.there


def _computed(eqn: Any, operands: Sequence[Known]) -> list[Known] | None:
    """Return the results where all operands are known and the results are not large."""
    arrays = [x for x in operands if x is not None]
    if len(arrays) < len(operands):
        return None
    if eqn.primitive.name == "broadcast_in_dim" and arrays[0].size == 1:  # of any size
        return [np.broadcast_to(arrays[0].reshape(()), eqn.outvars[0].aval.shape)]
    return evaluate(eqn, arrays, _COMPUTED)


def _vanishes(eqn: Any, operands: Sequence[Value]) -> bool:
    """Return whether the results are 0, by those of the operands that are."""
    name = eqn.primitive.name
    if name in _FACTORS:
        return any(map(_is_zero, operands[_FACTORS[name]]))
    if name == "custom_linear_solve":
        return all(map(_is_zero, operands[sum(eqn.params["const_lengths"]) :]))
    floats = _floats(eqn, operands)
    return (name in RULES or name in _KEEPING) and bool(floats) and all(map(_is_zero, floats))
