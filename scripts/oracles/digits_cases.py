"""The element-wise functions of the expression language in mpmath, and where they are examined.

One row of `CASES` for every function: its formula in arithmetic of any precision, without JAX, and
the points.  `oracle` differences the formula with so many digits that all of a float's are right.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np

Point = tuple[float, ...]
Formula = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """A function of the table: `formula` of the differentiated arguments, and the `points`.

    Attributes:
        formula: takes mpmath's numbers, and is analytic around each point.
        points: arguments, one tuple for each point.
        before: literal arguments in front of the others, as the order of `polygamma`.
        after: those behind them.
        digits: the digits that the formula is evaluated with.
        partials: the second derivatives that exist in JAX, by their arguments' numbers.
    """

    formula: Formula
    points: Sequence[Point]
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()
    digits: int = 480
    partials: tuple[tuple[int, int], ...] = field(default=())

    @property
    def arity(self) -> int:
        """How many arguments are differentiated."""
        return len(self.points[0])

    @property
    def seconds(self) -> tuple[tuple[int, int], ...]:
        """The second derivatives that are examined, by their arguments' numbers."""
        every = tuple(itertools.combinations_with_replacement(range(self.arity), 2))
        return self.partials or every


# Where.


def _sizes(low: float, high: float, count: int) -> list[float]:
    """Return numbers evenly spaced in their logarithm, none of them round."""
    return [float(x) * 1.0123 for x in np.logspace(np.log10(low), np.log10(high / 1.0123), count)]


_COUNT = 46
_SIZES = [*_sizes(1e-12, 1e3, _COUNT), 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0, 10.0, 12.0, 20.0, 25.0]
_TAILS = [16.7, 18.4, 30.0, 36.9, 37.3, 45.0, 88.0, 120.0, 200.0, 340.0, 353.5, 500.0, 700.0, 707.9]
_FEW = [1e-12, 3e-8, 1.1e-4, 0.013, 0.31, 1.7, 6.1, 37.0, 214.0, 1e3]


def _each(*numbers: Sequence[float]) -> list[Point]:
    return [(x,) for xs in numbers for x in xs]


def _minus(numbers: Sequence[float]) -> list[float]:
    return [-x for x in numbers]


POSITIVE = _each(_SIZES, _TAILS)
SIGNED = _each(_SIZES, _minus(_SIZES), _TAILS, _minus(_TAILS))
SMOOTH = [*SIGNED, (0.0,)]
_SMALL = _sizes(1e-12, 0.5, 24)
_BELOW = [1 - x for x in _sizes(1e-7, 0.5, 12)]
"""Just below 1."""
WITHIN = _each(_SMALL, _BELOW, _minus(_SMALL), _minus(_BELOW), [0.0])
PORTIONS = _each(_SMALL, _BELOW)
OUTSIDE = _each([1 + x for x in _sizes(1e-6, 1e3, 30)], [1e5, 1e9])
PLANE = [(a, b) for a in [*_FEW, *_minus(_FEW)] for b in [*_FEW, *_minus(_FEW)]]
QUADRANT = [(a, b) for a in _FEW for b in _FEW]
_NEAR = [(a, a + d) for a in (-3.0, 0.2, 40.0) for d in (1e-9, -3e-5, 0.02)]
HUGE = _each([1e4, 1e8, 1e15, 1e19, 1e25, 1e30, 1e37])
_POLES = [-0.5, -1.25, -2.75, -7.75, -8.5, -10.5, -16.5, -30.3, -75.1, -120.6, -0.013, -0.9999]


# What.


def _sinc(x: Any) -> Any:
    return mp.sin(mp.pi * x) / (mp.pi * x) if x else mp.mpf(1)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x))


def _ndtr(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _gelu_tanh(x: Any) -> Any:
    c = mp.sqrt(2 / mp.pi)
    return x * _sigmoid(2 * c * (x + mp.mpf(0.044715) * x**3))


def _elu(x: Any, alpha: Any = 1) -> Any:
    return x if x > 0 else alpha * mp.expm1(x)


def _celu(x: Any, alpha: Any = 1) -> Any:
    return x if x > 0 else alpha * mp.expm1(x / alpha)


_SELU_SCALE = "1.0507009873554804934193349852946"
_SELU_ALPHA = "1.6732632423543772848170429916717"


def _selu(x: Any) -> Any:
    return mp.mpf(_SELU_SCALE) * _elu(x, mp.mpf(_SELU_ALPHA))


def _clip(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, low), high)


def _log_gamma(x: Any) -> Any:
    """Return log |gamma(x)|."""
    return mp.loggamma(x) if x > 0 else mp.log(abs(mp.gamma(x)))


def _beta_log(a: Any, b: Any) -> Any:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def _hypot(x: Any, y: Any) -> Any:
    return mp.sqrt(x * x + y * y)


def _logaddexp(x: Any, y: Any) -> Any:
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y)))


def _ndtri(p: Any) -> Any:
    """Return the x of ndtr(x) = p: Newton's iterations from the float's value."""
    from scipy.special import ndtri

    upper = p > 0.5
    q = 1 - p if upper else p
    x = mp.mpf(float(ndtri(float(q))))
    for _ in range(14):
        step = (_ndtr(x) - q) * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
        x -= step / (1 + x * step / 2)
        if abs(step) < mp.mpf(10) ** (-mp.mp.dps // 3):
            step = (_ndtr(x) - q) * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
            x -= step / (1 + x * step / 2)
            break
    return -x if upper else x


def _erfinv(x: Any) -> Any:
    return _ndtri((x + 1) / 2) / mp.sqrt(2) if abs(x) > 0.1 else mp.erfinv(x)


def _bessel(order: int, scaled: bool = False) -> Formula:
    return lambda x: mp.besseli(order, x) * (mp.exp(-abs(x)) if scaled else 1)


def _rel_entr(p: Any, q: Any) -> Any:
    return p * mp.log(p / q)


def _cbrt(x: Any) -> Any:
    return mp.sign(x) * mp.cbrt(abs(x))


def _power(x: Any, y: Any) -> Any:
    return mp.exp(y * mp.log(x))


def _mod(x: Any, y: Any) -> Any:
    return x - y * mp.floor(x / y)


def _fmod(x: Any, y: Any) -> Any:
    quotient = x / y
    return x - y * (mp.floor(quotient) if quotient >= 0 else mp.ceil(quotient))


def _trunc(x: Any) -> Any:
    return mp.floor(x) if x >= 0 else mp.ceil(x)


_DISTINCT = [(a, b) for a, b in PLANE if abs(a) != abs(b)]
_RATIOS = [(5.3, 2.1), (-5.3, 2.1), (5.3, -2.1), (0.7, 1.9), (211.3, 1.7)]
_GAMMAS = [
    (a, x)
    for a in (0.1, 0.9, 1.0, 2.5, 9.0, 31.7, 312.0)
    for x in (1e-9, 0.02, 0.8, 3.1, 11.0, 45.0, 300.0)
]
_BETAS = [
    (a, b)
    for a in (1e-9, 0.013, 0.5, 1.0, 2.5, 17.0, 214.0)
    for b in (1e-6, 0.5, 1.0, 2.5, 7.1, 17.0, 900.0)
]
_ZETAS = [(x, q) for x in (1.5, 2.0, 3.3, 8.0, 15.0) for q in (0.05, 0.5, 1.0, 3.7, 40.0)]
_POWERS = [
    (x, y) for x in (1e-6, 0.02, 0.7, 1.0, 1.9, 37.0) for y in (-3.0, -0.5, 0.3, 1.0, 2.0, 4.7)
]
_LEVELS = [(x, y) for x in [*_FEW, *_minus(_FEW)] for y in (1e-9, 0.3, 4.0, 900.0)]


_ROWS: dict[str, Case | list[Case]] = {
    "sin": Case(mp.sin, SMOOTH),
    "cos": Case(mp.cos, SMOOTH),
    "tan": Case(mp.tan, SMOOTH),
    "arcsin": Case(mp.asin, WITHIN),
    "arccos": Case(mp.acos, WITHIN),
    "arctan": Case(mp.atan, SMOOTH),
    "arctan2": Case(lambda y, x: mp.atan2(y, x), PLANE),
    "asin": Case(mp.asin, WITHIN),
    "acos": Case(mp.acos, WITHIN),
    "atan": Case(mp.atan, SMOOTH),
    "atan2": Case(lambda y, x: mp.atan2(y, x), PLANE),
    "sinh": Case(mp.sinh, SMOOTH),
    "cosh": Case(mp.cosh, SMOOTH),
    "tanh": Case(mp.tanh, SMOOTH),
    "arcsinh": Case(mp.asinh, [*SMOOTH, *HUGE]),
    "arccosh": Case(mp.acosh, [*OUTSIDE, *HUGE]),
    "arctanh": Case(mp.atanh, WITHIN),
    "asinh": Case(mp.asinh, [*SMOOTH, *HUGE]),
    "acosh": Case(mp.acosh, [*OUTSIDE, *HUGE]),
    "atanh": Case(mp.atanh, WITHIN),
    "sinc": Case(_sinc, SMOOTH),
    "deg2rad": Case(mp.radians, SMOOTH),
    "rad2deg": Case(mp.degrees, SMOOTH),
    "hypot": Case(_hypot, PLANE),
    "abs": Case(abs, SIGNED),
    "absolute": Case(abs, SIGNED),
    "sign": Case(mp.sign, SIGNED),
    "exp": Case(mp.exp, SMOOTH),
    "exp2": Case(lambda x: mp.mpf(2) ** x, SMOOTH),
    "expm1": Case(mp.expm1, SMOOTH),
    "log": Case(mp.log, POSITIVE),
    "log2": Case(lambda x: mp.log(x) / mp.log(2), POSITIVE),
    "log10": Case(lambda x: mp.log(x) / mp.log(10), POSITIVE),
    "log1p": Case(mp.log1p, [*POSITIVE, *_each(_minus(_SMALL), _minus(_BELOW), [0.0])]),
    "logaddexp": Case(_logaddexp, [*PLANE, *_NEAR]),
    "logaddexp2": Case(lambda x, y: _logaddexp(x * mp.ln2, y * mp.ln2) / mp.ln2, [*PLANE, *_NEAR]),
    "sqrt": Case(mp.sqrt, POSITIVE),
    "cbrt": Case(_cbrt, SIGNED),
    "square": Case(lambda x: x * x, SMOOTH),
    "reciprocal": Case(lambda x: 1 / x, SIGNED),
    "power": [
        Case(_power, _POWERS),
        *(Case(lambda x, k=k: x**k, SMOOTH, after=(k,)) for k in (0, 1, 2, 3, 7)),
        Case(lambda x: x**-2, SIGNED, after=(-2,)),
        Case(lambda x: x ** mp.mpf(2.5), POSITIVE, after=(2.5,)),
    ],
    "add": Case(lambda x, y: x + y, PLANE),
    "subtract": Case(lambda x, y: x - y, PLANE),
    "multiply": Case(lambda x, y: x * y, PLANE),
    "divide": Case(lambda x, y: x / y, PLANE),
    "negative": Case(lambda x: -x, SMOOTH),
    "floor_divide": Case(lambda x, y: mp.floor(x / y), _RATIOS),
    "mod": Case(_mod, _RATIOS),
    "remainder": Case(_mod, _RATIOS),
    "fmod": Case(_fmod, _RATIOS),
    "maximum": Case(max, _DISTINCT),
    "minimum": Case(min, _DISTINCT),
    "fmax": Case(max, _DISTINCT),
    "fmin": Case(min, _DISTINCT),
    "clip": Case(lambda x: _clip(x, -3, 5), SMOOTH, after=(-3.0, 5.0)),
    "where": Case(lambda x, y: x, PLANE, before=(True,)),
    "heaviside": Case(lambda x: (mp.sign(x) + 1) / 2, SIGNED, after=(0.5,)),
    "copysign": Case(lambda x, y: abs(x) * mp.sign(y), PLANE),
    "floor": Case(mp.floor, _each([0.3, 2.7, -0.4, 17.2])),
    "ceil": Case(mp.ceil, _each([0.3, 2.7, -0.4, 17.2])),
    "trunc": Case(_trunc, _each([0.3, 2.7, -0.4, 17.2])),
    "rint": Case(mp.nint, _each([0.3, 2.7, -0.4, 17.2])),
    "round": Case(mp.nint, _each([0.3, 2.7, -0.4, 17.2])),
    "nan_to_num": Case(lambda x: x, SMOOTH),
    "relu": Case(lambda x: max(x, 0), SIGNED),
    "relu6": Case(lambda x: _clip(x, 0, 6), SIGNED),
    "sigmoid": Case(_sigmoid, SMOOTH),
    "softplus": Case(_softplus, SMOOTH),
    "gelu": [
        Case(_gelu_tanh, SMOOTH),
        Case(lambda x: x * _ndtr(x), SMOOTH, after=(False,)),
    ],
    "silu": Case(lambda x: x * _sigmoid(x), SMOOTH),
    "swish": Case(lambda x: x * _sigmoid(x), SMOOTH),
    "mish": Case(lambda x: x * mp.tanh(_softplus(x)), SMOOTH),
    "elu": [Case(_elu, SIGNED), Case(_elu, _LEVELS)],
    "celu": [Case(_celu, SIGNED), Case(_celu, _LEVELS)],
    "selu": Case(_selu, SIGNED),
    "leaky_relu": Case(lambda x: x if x > 0 else x * mp.mpf(0.01), SIGNED),
    "log_sigmoid": Case(lambda x: -_softplus(-x), SMOOTH),
    "hard_tanh": Case(lambda x: _clip(x, -1, 1), _each(_FEW[:-5], [1.7], _minus(_FEW[:-5]))),
    "hard_sigmoid": Case(lambda x: _clip(x + 3, 0, 6) / 6, SMOOTH),
    "hard_silu": Case(lambda x: x * _clip(x + 3, 0, 6) / 6, SMOOTH),
    "soft_sign": Case(lambda x: x / (1 + abs(x)), SIGNED),
    "squareplus": [
        Case(lambda x: (x + mp.sqrt(x * x + 4)) / 2, [*SMOOTH, *HUGE, *_each([-1e5, -1e9])]),
        Case(lambda x, b: (x + mp.sqrt(x * x + b)) / 2, _LEVELS),
    ],
    "erf": Case(mp.erf, SMOOTH),
    "erfc": Case(mp.erfc, SMOOTH),
    "erfinv": Case(_erfinv, WITHIN, digits=120),
    "gammafn": Case(mp.gamma, _each(_sizes(1e-6, 150, 20), _POLES), digits=120),
    "gammaln": Case(_log_gamma, [*POSITIVE, *_each(_POLES)], digits=120),
    "digamma": Case(mp.digamma, [*POSITIVE, *_each(_POLES)], digits=120),
    "polygamma": [
        Case(
            lambda x, n=n: mp.polygamma(n, x),
            _each(_sizes(1e-5, 900, 16), _POLES),
            before=(n,),
            digits=120,
        )
        for n in (0, 1, 2, 3, 4)
    ],
    "gammainc": Case(
        lambda a, x: mp.gammainc(a, 0, x, regularized=True),
        _GAMMAS,
        digits=300,
    ),
    "gammaincc": Case(
        lambda a, x: mp.gammainc(a, x, regularized=True),
        _GAMMAS,
        digits=450,
    ),
    "factorial": Case(lambda x: mp.gamma(x + 1), _each(_sizes(1e-6, 150, 20)), digits=120),
    "betafn": Case(mp.beta, [p for p in _BETAS if p != (17.0, 900.0)], digits=120),
    "betaln": Case(_beta_log, _BETAS, digits=120),
    "zetafn": Case(mp.zeta, _ZETAS, digits=135),
    "betainc": Case(
        lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
        [(a, b, x) for a, b in ((0.3, 0.8), (2.5, 1.2), (7.0, 30.0)) for x in (0.02, 0.3, 0.9)],
        digits=100,
        partials=((0, 2), (1, 2), (2, 2)),
    ),
    "multigammaln": Case(
        lambda a: mp.log(mp.pi) * 3 / 2 + mp.fsum(mp.loggamma(a - mp.mpf(j) / 2) for j in range(3)),
        _each([1.1, 1.9, 3.3, 12.5, 80.0, 1e3]),
        after=(3,),
        digits=120,
    ),
    "erfcx": Case(
        lambda x: mp.exp(x * x) * mp.erfc(x), _each(_SIZES, _minus(_sizes(1e-12, 20, 24)), [0.0])
    ),
    "expi": Case(mp.ei, _each(_sizes(1e-12, 600, 30), _minus(_sizes(1e-12, 600, 30))), digits=150),
    "exp1": Case(mp.e1, _each(_sizes(1e-12, 600, 30)), digits=150),
    "j0": Case(lambda x: mp.besselj(0, x), SMOOTH, digits=150),
    "j1": Case(lambda x: mp.besselj(1, x), SMOOTH, digits=150),
    "y0": Case(lambda x: mp.bessely(0, x), POSITIVE, digits=150),
    "y1": Case(lambda x: mp.bessely(1, x), POSITIVE, digits=150),
    "i0": Case(_bessel(0), SMOOTH, digits=150),
    "i0e": Case(_bessel(0, True), SIGNED, digits=150),
    "i1": Case(_bessel(1), SMOOTH, digits=150),
    "i1e": Case(_bessel(1, True), SIGNED, digits=150),
    "expit": Case(_sigmoid, SMOOTH),
    "logit": Case(lambda x: mp.log(x / (1 - x)), PORTIONS),
    "xlogy": Case(lambda x, y: x * mp.log(y), QUADRANT),
    "xlog1py": Case(lambda x, y: x * mp.log1p(y), QUADRANT),
    "entr": Case(lambda x: -x * mp.log(x), POSITIVE),
    "rel_entr": Case(_rel_entr, QUADRANT),
    "kl_div": Case(lambda p, q: p * mp.log(p / q) - p + q, QUADRANT),
    "ndtr": Case(_ndtr, SMOOTH),
    "log_ndtr": Case(lambda x: mp.log(_ndtr(x)), SMOOTH),
    "ndtri": Case(_ndtri, PORTIONS, digits=120),
    "normal_pdf": Case(mp.npdf, SMOOTH),
    "normal_logpdf": Case(lambda x: mp.log(mp.npdf(x)), SMOOTH),
}

CASES: dict[str, tuple[Case, ...]] = {
    name: tuple(row) if isinstance(row, list) else (row,) for name, row in _ROWS.items()
}
"""Every element-wise function whose results are floats, by its name in the expression language."""


# The oracle.


@dataclass(frozen=True)
class Truth:
    """The right values of a case at its points, as float64 arrays over the points.

    `orders[0]` has the value, `orders[1]` the first derivatives, `orders[2]` the second ones, and
    `slack` beside each how much it changes when the arguments change by one relative unit.
    """

    orders: tuple[list[Any], list[Any], list[Any]]
    slack: tuple[list[Any], list[Any], list[Any]]


def oracle(case: Case, points: Sequence[Point]) -> Truth:
    """Return the right values at points, each a tuple of as many numbers as the case takes."""
    rows = [_at(case, point) for point in points]
    gathered = [
        [np.array([row[order][k] for row in rows]) for k in range(len(rows[0][order]))]
        for order in range(6)
    ]
    return Truth(tuple(gathered[:3]), tuple(gathered[3:]))  # type: ignore[arg-type]


def _at(case: Case, point: Point) -> list[list[float]]:
    """Return values, first and second derivatives at a point, then what they change by."""
    with mp.workdps(case.digits):
        x = [mp.mpf(each) for each in point]
        h = [mp.mpf(10) ** (-case.digits // 9) * (abs(each) or 1) for each in x]
        seen: dict[tuple[int, ...], Any] = {}

        def f(*steps: int) -> Any:
            if steps not in seen:
                moved = [a + k * b for a, k, b in zip(x, steps, h, strict=True)]
                seen[steps] = mp.mpf(case.formula(*moved))
            return seen[steps]

        def partial(orders: Sequence[int]) -> Any:
            """Return a mixed derivative by central differences."""
            total = mp.mpf(0)
            for nodes in itertools.product(*(_STENCILS[k] for k in orders)):
                weight = mp.fprod(w for _, w in nodes)
                total += weight * f(*(node for node, _ in nodes))
            result = total / mp.fprod(b**k for b, k in zip(h, orders, strict=True))
            at_zero = not all(x) and abs(result) < mp.sqrt(min(h))
            return mp.mpf(0) if at_zero else result

        def slack(orders: Sequence[int]) -> Any:
            higher = ([o + (k == j) for j, o in enumerate(orders)] for k in range(len(x)))
            return mp.fsum(abs(a * partial(o)) for a, o in zip(x, higher, strict=True))

        wanted = [[(0,) * len(x)], _units(len(x)), [_pair(len(x), *ij) for ij in case.seconds]]
        values = [[float(partial(o)) for o in some] for some in wanted]
        return values + [[float(slack(o)) for o in some] for some in wanted]


_STENCILS: dict[int, list[tuple[int, Any]]] = {
    0: [(0, 1)],
    1: [(1, mp.mpf("0.5")), (-1, mp.mpf("-0.5"))],
    2: [(1, 1), (0, -2), (-1, 1)],
    3: [(2, mp.mpf("0.5")), (1, -1), (-1, 1), (-2, mp.mpf("-0.5"))],
}
"""Central differences of each order: steps and weights."""


def _units(arity: int) -> list[tuple[int, ...]]:
    return [tuple(int(k == j) for j in range(arity)) for k in range(arity)]


def _pair(arity: int, i: int, j: int) -> tuple[int, ...]:
    return tuple((k == i) + (k == j) for k in range(arity))
