"""Seconds that one call takes: to trace, compile and run an operator, predicted from the function.

Nothing is differentiated for it: what is counted are the function's own equations, by kind, and
their longest chain.  XLA's time grows with both, in reverse much faster with the chain: the
transpose of a slice is a pad, and a fusion computes again what stands behind each.  The
coefficients are fitted by `scripts/bench/fit_oneshot.py`.

Boundary: reads jaxprs; traces, compiles and runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
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
    "factor": cost.FACTORIZING | {"custom_linear_solve", "householder_product", "fft", "sort"},
    "loop": {"scan", "while", "cond"},
    "special": cost.TRANSCENDENTAL,
}  # fmt: skip
_PREFIXES = {
    "index": ("gather", "scatter", "dynamic_"),
    "reduce": ("reduce_", "cum", "arg"),
    "cut": ("slice", "pad", "concatenate", "rev", "split"),
}


class OneCall:
    """Predicts the seconds of a call that compiles a derivative's program and runs it once.

    `points` is how many rows a batch has.
    """

    def __init__(self, facts: TraceInfo, points: int = 1) -> None:
        self.facts = facts
        self.points = points

    @cached_property
    def features(self) -> Features:
        """The function's features."""
        return features(self.facts.jaxpr.jaxpr, self.facts.varied)

    def total(self, operator: str) -> float:
        """Return the seconds to trace, compile and run an operator."""
        pairs = zip(_MILLISECONDS[operator], self.features.vector, strict=True)
        return sum(coefficient * value for coefficient, value in pairs) / 1000 + self.run(operator)

    def run(self, operator: str) -> float:
        """Return the seconds to run an operator."""
        inputs, outputs = self.facts.inputs, self.facts.outputs
        return self.points * run_seconds(operator, inputs, outputs, self.features.run)


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
    # 99 functions, factor of 1.71
    "fwd": (57, 1.4, 2.6, 0.45, 1.5, 20, 17, 8.7, 9.4, 45, 0, 14, 0, 26),
    # 99 functions, factor of 1.78
    "structured-fwd": (51, 1.3, 2.8, 1.6, 1.5, 2.4, 18, 6.9, 11, 73, 0, 18, 0, 25),
    # 98 functions, factor of 1.83
    "rev": (59, 2.1, 0, 1.9, 0, 12, 15, 11, 5.1, 90, 3.5, 83, 3.9, 0),
    # 95 functions, factor of 1.93
    "structured-rev": (54, 1.6, 2.2, 3.1, 0, 12, 15, 8.4, 1.7, 98, 1.1, 35, 150, 19),
    # 61 functions, factor of 1.65
    "fwd-fwd": (56, 3.5, 7.7, 0, 0.78, 20, 17, 17, 0, 330, 0, 47, 0, 0),
    # 61 functions, factor of 1.58
    "structured-fwd-fwd": (23, 5, 16, 0, 5.3, 59, 22, 11, 0, 330, 0, 58, 0, 0),
    # 54 functions, factor of 1.64
    "fwd-rev": (41, 4.8, 6.6, 2.3, 2.2, 23, 30, 26, 0, 450, 0, 0, 1300, 0),
    # 54 functions, factor of 1.69
    "structured-fwd-rev": (17, 4.8, 14, 7.5, 0.29, 32, 29, 15, 0, 440, 0, 0, 1300, 0),
}  # fmt: skip
"""By operator, what each entry of `Features.vector` adds: fitted on 2 cores with jax 0.10.1.

The factor is the geometric one by which predictions are off (root mean square).
"""
