"""A computed derivative compared with ball arithmetic: the correct digits of each entry."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from jaccli.certify.balls import Array, Undecidable, array, balls, set_precision
from jaccli.certify.differences import first, second
from jaccli.certify.evaluate import evaluate
from jaccli.expression import Expression

_MAX_DIFFERENCES = 2_000
"""Maximum number of differences; if there are more, a random sample of this size."""
_PERTURBATIONS = 2
"""Number of random perturbations of the inputs by a unit in the last place, for conditioning."""
_SECONDS = 20.0
"""Seconds after which no further difference is begun."""
_ZERO = 1e-60
"""Values below this share of the outputs, or of the largest entry, count as 0."""
_MAX_DIGITS = 17.0
"""Correct digits of the float nearest to the true value."""


class CertifiedEntry(NamedTuple):
    """One entry: its place `(m, n)` or `(m, n, n)`, the computed and the true value, its digits.

    `lost` are the digits lost to conditioning: log10 of the change of the entry, in units in its
    last place, when all inputs change by a unit in their last place.
    """

    place: tuple[int, ...]
    computed: float
    true: float
    digits: float
    lost: float


@dataclass(frozen=True)
class CertifiedProblem:
    """A model at its point: the expressions, their inputs, and which are differentiated."""

    expressions: Mapping[str, Expression]
    outputs: Sequence[str]
    inputs: Mapping[str, np.ndarray]
    wrt: Sequence[str]
    dtype: str

    def function(self, perturbation: int = 0) -> Callable[[Sequence[tuple[int, arb]]], Array]:
        """Return the flat outputs as a function of steps of the flat wrt inputs.

        With a `perturbation`, all float inputs are moved by about a unit in the last place.
        """
        exact = {name: balls(values) for name, values in self.inputs.items()}
        if perturbation:
            rng = np.random.default_rng(perturbation)
            unit = float(np.finfo(self.dtype).eps)
            for name in exact:
                if exact[name].dtype == object:
                    signs = rng.choice([-unit, unit], exact[name].shape)
                    exact[name] = array(exact[name] * (1 + balls(signs)))

        def f(steps: Sequence[tuple[int, arb]]) -> Array:
            inputs = dict(exact)
            start = 0
            for name in self.wrt:
                size = exact[name].size
                steps_here = [(j - start, h) for j, h in steps if start <= j < start + size]
                if steps_here:
                    flat = exact[name].reshape(-1).copy()
                    for j, h in steps_here:
                        flat[j] = flat[j] + h
                    inputs[name] = flat.reshape(exact[name].shape)
                start += size
            values = evaluate(self.expressions, inputs, self.dtype)
            return np.concatenate([values[name].reshape(-1) for name in self.outputs])

        return f


def certify(problem: CertifiedProblem, order: int, computed: Array) -> Iterator[CertifiedEntry]:
    """Yield the entries of a derivative `(m, n)` or `(m, n, n)` that were certified.

    Raises:
        NoCertificate: a function has none.
        Unclear: a comparison cannot be decided, as at a kink.
    """
    set_precision()
    n = computed.shape[-1]
    places = (
        [(i, j) for i in range(n) for j in range(i, n)] if order == 2 else [(j,) for j in range(n)]
    )
    if len(places) > _MAX_DIFFERENCES:
        rng = np.random.default_rng(0)
        places = [
            places[k] for k in sorted(rng.choice(len(places), _MAX_DIFFERENCES, replace=False))
        ]
    functions = [problem.function(perturbation) for perturbation in range(1 + _PERTURBATIONS)]
    bases = [f([]) for f in functions]
    take: Any = second if order == 2 else first
    unit = float(np.finfo(problem.dtype).eps)
    finite = np.abs(computed[np.isfinite(computed)])
    zero = _ZERO * float(max(finite.max(initial=0.0), *(abs(each.mid()) for each in bases[0]), 0.0))
    start_time = time.monotonic()
    for place in places:
        if time.monotonic() - start_time > _SECONDS:
            return
        true = take(functions[0], bases[0], *place)
        perturbed = [
            take(f, base, *place) for f, base in zip(functions[1:], bases[1:], strict=True)
        ]
        for m, value in enumerate(true):
            lost = (
                max((_relative_difference(value, other[m]) for other in perturbed), default=0.0)
                / unit
            )
            for where in {(m, *place), (m, *place[::-1])}:
                number = float(computed[where])
                yield CertifiedEntry(
                    where, number, float(value.mid()), _digits(number, value, zero), _log(lost)
                )


def _relative_difference(a: arb, b: arb) -> float:
    """Return the relative difference of two numbers."""
    if not abs(a) > 0:
        return 0.0 if not abs(b) > 0 else math.inf
    return float((abs(a - b) / abs(a)).mid())


def _log(lost: float) -> float:
    return min(_MAX_DIGITS, math.log10(lost)) if lost > 1 else 0.0


def _digits(computed: float, true: arb, zero: float) -> float:
    """Return how many digits of a number are correct: 17 of the nearest float.

    A value that is certainly below `zero` counts as 0.

    Raises:
        Unclear: the ball is too wide to tell.
    """
    if not true.is_finite():
        raise Undecidable("a derivative that is not finite")
    if not math.isfinite(computed):
        return 0.0
    if abs(true) <= zero:
        return _MAX_DIGITS if abs(computed) <= zero else 0.0
    difference = abs(arb(computed) - true)
    if float(true.mid()) == computed:
        return _MAX_DIGITS
    if float(difference.rad()) > 1e-3 * float(difference.mid()) + 1e-300 and float(
        difference.rad()
    ) > 1e-25 * abs(computed):
        raise Undecidable("a derivative that balls do not determine")
    share = float((difference / abs(true)).mid())
    return 0.0 if share >= 1 else min(_MAX_DIGITS, -math.log10(share)) if share > 0 else _MAX_DIGITS
