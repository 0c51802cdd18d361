"""The estimated cost of a program: by XLA's counts once compiled, or before by a trace.

Both are rooflines with the same rates, accurate enough to tell apart programs that differ by a
factor of 3.  The trace's is over equations: element-wise ones are fused and cost their results,
products their multiplications; moving data is free until the data is read.

Boundary: reads jaxprs and compiled programs; compiles and runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax

from jaccli import memory
from jaccli.derivative import structure_losses
from jaccli.derivative.jaxprs import count, inner_jaxprs, needed
from jaccli.derivative.select_mode import family

_RATES = {"operations": 30e9, "traffic": 8e9, "transcendentals": 0.5e9}
"""Per second, of one CPU core and its memory.  Programs are compared, so ratios matter alone."""
_PER_OPERATION, _PER_TRANSCENDENTAL = 1 / _RATES["operations"], 1 / _RATES["transcendentals"]
_PER_NUMBER = 1 / 3e9
"""Seconds for a number that is computed and written."""
_MOVING = {
    "reshape", "broadcast_in_dim", "squeeze", "iota", "copy", "transpose", "slice",
    "rev", "pad", "convert_element_type", "stop_gradient",
}  # fmt: skip
_INDEXING = ("gather", "dynamic_")
_PER_UPDATE = 20
"""Estimated cost of one update of a scatter, in computed numbers."""
TRANSCENDENTAL = {
    "tanh", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "logistic", "erf", "pow",
    "sqrt", "rsqrt", "cbrt", "atan2", "lgamma", "digamma", "sinh", "cosh", "asin", "acos", "atan",
}  # fmt: skip
FACTORIZING = {
    "triangular_solve", "cholesky", "lu", "eigh", "eig", "svd", "qr", "geqrf",
}  # fmt: skip
_UNKNOWN_LENGTH = 10
"""Assumed number of rounds of a loop of unknown length."""


@dataclass(frozen=True)
class Cost:
    """The cost of one run of a program.

    `operations` and `transcendentals` are counts of floating-point operations and of calls of
    `exp`, `tanh` and the like; `traffic` is in bytes read and written; the rest in bytes held:
    `arguments`, `outputs`, and the `temporaries` beside them.  XLA counts the body of a loop once
    and library calls (LAPACK) not at all.
    """

    operations: float
    traffic: float
    transcendentals: float
    arguments: int
    outputs: int
    temporaries: int

    @property
    def seconds(self) -> float:
        """The predicted time of a run in seconds."""
        return float(sum(getattr(self, name) / rate for name, rate in _RATES.items()))

    @property
    def held(self) -> int:
        """The bytes held while the program runs."""
        return self.arguments + self.outputs + self.temporaries


def of(compiled: Any) -> Cost:
    """Return the cost of a compiled program; counts that the platform does not report are 0."""
    analysis = compiled.cost_analysis() or {}
    memory = compiled.memory_analysis()

    def size(name: str) -> int:
        return int(getattr(memory, f"{name}_size_in_bytes", 0))

    reused = size("alias")  # arguments that become outputs

    return Cost(
        operations=float(analysis.get("flops", 0.0)),
        traffic=float(analysis.get("bytes accessed", 0.0)),
        transcendentals=float(analysis.get("transcendentals", 0.0)),
        arguments=size("argument") - reused,
        outputs=size("output"),
        temporaries=size("temp"),
    )


def estimated(operator: Any, *args: Any) -> float:
    """Return the seconds that a function may take at the shapes of its arguments, by a trace."""
    jaxpr = jax.make_jaxpr(operator)(*args).jaxpr
    return _seconds(jaxpr) + sum(map(_size, jaxpr.outvars)) * _PER_NUMBER


def equations(operator: Any, *args: Any) -> int:
    """Return how many equations the results of a function need, at the shapes of its arguments."""
    jaxpr = jax.make_jaxpr(operator)(*args).jaxpr
    return sum(1 + sum(map(count, inner_jaxprs(eqn.params))) for eqn, _ in needed(jaxpr))


def measures(
    function: Callable[[str], Any], args: Sequence[Any], max_bytes: int | None = None
) -> tuple[Callable[[str], float], Callable[[str], int]]:
    """Return functions that estimate an operator's seconds, and count its equations.

    `function(operator)` is traced at `args`.  If it cannot be traced within `max_bytes` bytes of
    memory, the results are infinity and 0.
    """
    too_large = set[str]()

    def comparable(measure: Callable[..., Any], failed: Any) -> Callable[[str], Any]:
        def of(operator: str) -> Any:
            if family(operator) in too_large:
                return failed
            limited = nullcontext() if max_bytes is None else memory.growing_by(max_bytes)
            try:
                with limited, structure_losses.recorded():  # and forgotten: it is only compared
                    return measure(function(operator), *args)
            except memory.Exhausted:
                too_large.add(family(operator))
            except Exception:  # it cannot be traced, for whatever reason
                pass
            return failed

        return of

    return comparable(estimated, math.inf), comparable(equations, 0)


def _seconds(jaxpr: Any) -> float:
    """Add up the equations that results need, from the last: the others will be dropped."""
    return sum((of_equation(eqn) for eqn, _ in reversed(needed(jaxpr))), 0.0)


def of_equation(eqn: Any) -> float:
    """Return the estimated seconds of one equation, loops with all of their steps."""
    name, result_size = eqn.primitive.name, sum(map(_size, eqn.outvars))
    parts = [_seconds(inner) for inner in inner_jaxprs(eqn.params)]
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
        touched = result_size + sum(map(_size, eqn.invars))
        return float(2 * result_size * length * _PER_OPERATION + touched * _PER_NUMBER / 2)
    if name == "conv_general_dilated":
        return 2 * result_size * _size(eqn.invars[1]) * _PER_OPERATION
    if name in FACTORIZING:
        last = max((v.aval.shape[-1] for v in eqn.invars if v.aval.shape), default=1)
        return 2 * result_size * last * _PER_OPERATION + result_size * _PER_NUMBER
    if name in ("fft", "sort"):
        last = max(v.aval.shape[-1] if v.aval.shape else 1 for v in eqn.invars)
        return 5 * result_size * math.log2(last + 1) * _PER_OPERATION + result_size * _PER_NUMBER
    if name.startswith(("reduce_", "cum", "arg")):
        return sum(map(_size, eqn.invars)) * _PER_NUMBER
    if name.startswith("scatter"):  # one update after another
        return (_PER_UPDATE * _size(eqn.invars[2]) + result_size) * _PER_NUMBER
    if name.startswith(_INDEXING):
        return 3 * result_size * _PER_NUMBER
    if parts:
        return float(sum(parts))
    each = _PER_NUMBER + (_PER_TRANSCENDENTAL if name in TRANSCENDENTAL else 0.0)
    return result_size * each


def _size(atom: Any) -> int:
    return math.prod(atom.aval.shape)
