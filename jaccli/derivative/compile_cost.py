"""Seconds that one call takes: to trace, compile and run an operator, predicted from the function.

Nothing is differentiated for it: what is counted are the function's own equations, by kind, and
their longest chain.  XLA's time grows with both, in reverse much faster with the chain: the
transpose of a slice is a pad, and a fusion computes again what stands behind each.  The
coefficients are fitted by `scripts/bench/fit_oneshot.py`.

Boundary: reads jaxprs; traces, compiles and runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jaccli.derivative import cost
from jaccli.derivative.jaxprs import chosen, dependent, inner_jaxprs, is_literal

if TYPE_CHECKING:
    from jaccli.derivative.trace_info import TraceInfo

KINDS = ("map", "special", "view", "cut", "index", "reduce", "dot", "factor", "loop")
"""Kinds of equations that take about as long to compile as each other."""


@dataclass(frozen=True)
class Features:
    """What of a function decides on the seconds: equations by kind, their longest chain, one run.

    The body of a loop counts once, as it is compiled.  `run` is the estimated seconds of the
    function itself at one point (`cost.py`).
    """

    counts: Counter[str]
    depth: int
    run: float

    @property
    def vector(self) -> tuple[float, ...]:
        """What the coefficients multiply."""
        counts, depth = self.counts, self.depth / 1000
        moved = counts["cut"] + counts["index"]
        return (
            1.0,
            *(float(counts[kind]) for kind in KINDS),
            (counts["map"] + counts["special"]) * depth,
            moved * depth,
            moved * depth**2,
            counts["dot"] * depth,
        )


def features(jaxpr: Any, varied: Sequence[bool]) -> Features:
    """Return the features of a jaxpr that is differentiated by its `varied` arguments."""
    counts: Counter[str] = Counter()
    levels: dict[Any, int] = {}
    run, deepest = 0.0, 0
    for eqn in dependent(jaxpr, chosen(jaxpr.invars, varied)):
        name = eqn.primitive.name
        inner = list(inner_jaxprs(eqn.params))
        if name.startswith("custom_jvp"):
            inner = inner[:1]
        own = 0
        for part in inner:
            within = features(part, [True] * len(part.invars))
            counts.update(within.counts)
            own = max(own, within.depth)
        kind = kind_of(name)
        if not inner or kind in ("loop", "factor"):
            counts[kind] += 1
            own += 1
        before = (levels.get(v, 0) for v in eqn.invars if not is_literal(v))
        level = own + max(before, default=0)
        levels.update(dict.fromkeys(eqn.outvars, level))
        deepest = max(deepest, level)
        run += cost.of_equation(eqn)
    return Features(counts, deepest, run)


@cache
def kind_of(name: str) -> str:
    """Return the kind of a primitive."""
    for kind, names in _KINDS.items():
        if name in names:
            return kind
    starts = (kind for kind, prefixes in _PREFIXES.items() if name.startswith(prefixes))
    return next(starts, "map")


_KINDS = {
    "view": {
        "reshape", "broadcast_in_dim", "squeeze", "convert_element_type", "copy", "transpose",
        "stop_gradient", "iota", "expand_dims",
    },
    "dot": {"dot_general", "conv_general_dilated"},
    "factor": cost.FACTORIZING | {"custom_linear_solve", "householder_product"},
    "loop": {"scan", "while", "cond"},
    "special": cost.TRANSCENDENTAL,
}  # fmt: skip
_PREFIXES = {
    "index": ("gather", "scatter", "dynamic_"),
    "reduce": ("reduce_", "cum", "arg"),
    "cut": ("slice", "pad", "concatenate", "rev", "split"),
}


def one_call(derivative: str, facts: TraceInfo, points: int = 1) -> Callable[[str], float]:
    """Return a function from an operator to the seconds of one call, at a number of points."""

    @cache
    def of_function() -> Features:
        return features(facts.jaxpr.jaxpr, facts.varied)

    def seconds(operator: str) -> float:
        found = of_function()
        pairs = zip(_MILLISECONDS[operator], found.vector, strict=True)
        compiling = sum(coefficient * value for coefficient, value in pairs) / 1000
        return compiling + points * run_seconds(operator, facts.inputs, facts.outputs, found.run)

    return seconds


def run_seconds(operator: str, inputs: int, outputs: int, once: float) -> float:
    """Return the estimated seconds of a run, of a function that takes `once` seconds itself.

    Plain modes take a pass for each input or output, and a pass some runs of the function.  What
    the engine saves of that is not known before it is traced: it is taken to be half of the way
    (geometrically) from one run of the function.
    """
    plain = operator.removeprefix("structured-")
    runs = {
        "fwd": 2 * inputs,
        "rev": 3 * outputs,
        "fwd-fwd": 4 * inputs**2,
        "fwd-rev": 6 * inputs * outputs,
    }[plain]
    return once * (runs if plain == operator else float(runs) ** 0.5)


_MILLISECONDS: dict[str, tuple[float, ...]] = {
    # 77 functions, factor of 1.65
    "fwd": (60.3, 1.04, 0.906, 0, 0.499, 0, 20.3, 8.11, 35.8, 49.4, 2.44, 14.7, 0, 25.9),
    # 77 functions, factor of 1.74
    "structured-fwd": (53.6, 1.06, 2.47, 0.615, 0.43, 8.62, 19.3, 5.48, 23.4, 77.8, 0, 23.9, 0, 28.8),
    # 76 functions, factor of 1.80
    "rev": (62.3, 1.03, 0, 1.3, 0, 0, 18.1, 9.13, 24.3, 97.5, 10, 47.4, 63.2, 0),
    # 74 functions, factor of 1.89
    "structured-rev": (59.3, 0.97, 1.52, 1.2, 0, 0, 15.7, 7.06, 17.4, 106, 4.48, 30.6, 134, 15.8),
    # 17 functions, factor of 1.35
    "fwd-fwd": (76.9, 0, 0, 2.72, 1.13, 16.3, 36.6, 11.1, 175, 0, 18.7, 0, 102, 2.63e+03),
    # 17 functions, factor of 1.32
    "structured-fwd-fwd": (20.9, 0, 15.3, 0, 8.79, 95.9, 55.3, 0, 178, 0, 29, 0, 0, 4.99e+03),
    # 17 functions, factor of 1.28
    "fwd-rev": (62.6, 0, 0, 0, 4.49, 83.7, 33.3, 32.8, 158, 0, 110, 0, 212, 0),
    # 16 functions, factor of 1.33
    "structured-fwd-rev": (40.6, 0, 17.8, 0, 0.582, 70.9, 41.1, 0, 164, 0, 0, 0, 6.36e+03, 0),
}  # fmt: skip
"""By operator, what each entry of `Features.vector` adds: fitted on 2 cores with jax 0.10.1.

The factor is the geometric one by which predictions are off (root mean square).
"""
