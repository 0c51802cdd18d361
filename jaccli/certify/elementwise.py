"""The functions of numbers, over balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flint import arb

from jaccli.certify.balls import Undecidable, elementwise, floor, less, on_balls, truth

_SELU = arb(1.0507009873554804934193349852946)
_ALPHA = arb(1.6732632423543772848170429916717)


def _maximum(a: arb, b: arb) -> arb:
    return b if less(a, b) else a


def _minimum(a: arb, b: arb) -> arb:
    return b if less(b, a) else a


def _sign(x: arb) -> arb:
    return arb(int(less(arb(0), x)) - int(less(x, arb(0))))


def _trunc(x: arb) -> Any:
    return -floor(-x) if less(x, arb(0)) else floor(x)


def _rint(x: arb) -> Any:
    below = floor(x)
    half = x - below - arb(0.5)
    if not less(half, arb(0)) and not less(arb(0), half):  # exactly: to the even one
        return below if (below / 2).is_integer() else below + 1
    return below if less(half, arb(0)) else below + 1


def _round(x: arb, decimals: int = 0) -> Any:
    scale = arb(10) ** decimals
    return _rint(x * scale) / scale


def _power(a: Any, b: Any) -> arb:
    """Return a**b: of whole exponents for every base."""
    if isinstance(b, int) or hasattr(b, "dtype"):
        return arb(a) ** int(b) if not isinstance(a, arb) else a ** int(b)
    a = a if isinstance(a, arb) else arb(a)
    exponent = b.unique_fmpz() if b.is_exact() and b.is_integer() else None
    if exponent is not None:
        return arb(1) if exponent == 0 else a ** int(exponent)
    if a.is_exact() and a.is_zero():
        return arb(0) if less(arb(0), b) else arb.nan()
    return a**b if less(arb(0), a) else arb.nan()


def _number(value: Any) -> Any:
    return value if isinstance(value, arb | int) else value.item()


def _log_gamma(x: arb) -> arb:
    return x.lgamma() if less(arb(0), x) else abs(x.gamma()).log()


def _multigamma(a: arb, d: int) -> arb:
    parts = [_log_gamma(a - arb(j) / 2) for j in range(d)]
    return sum(parts, arb(d * (d - 1)) / 4 * arb.pi().log())


def _polygamma(n: Any, x: arb) -> arb:
    order = int(n.unique_fmpz())
    if order == 0:
        return x.digamma()
    power, sums = order + 1, arb(0)
    while not less(arb(0), x):  # Hurwitz' zeta function of what is positive
        sums, x = sums + 1 / x**power, x + 1
    return arb(-1) ** power * arb(order).fac() * (sums + arb(power).zeta(x))


def _zero_at(x: arb, value: Callable[[], arb]) -> arb:
    """Return 0 where x is 0, and else the value."""
    return arb(0) if x.is_zero() else value()


def _entr(x: arb) -> arb:
    return arb.neg_inf() if less(x, arb(0)) else _zero_at(x, lambda: -x * x.log())


def _gelu(x: arb, approximate: bool = True) -> arb:
    if approximate:
        inner = (2 / arb.pi()).sqrt() * (x + arb(0.044715) * x**3)
        return x / 2 * (1 + inner.tanh())
    return x * _ndtr(x)


def _ndtr(x: arb) -> arb:
    return (-x / arb(2).sqrt()).erfc() / 2


def _elu(x: arb, alpha: Any = 1.0) -> arb:
    return x if less(arb(0), x) else arb(alpha) * x.expm1()


def _celu(x: arb, alpha: Any = 1.0) -> arb:
    return x if less(arb(0), x) else arb(alpha) * (x / arb(alpha)).expm1()


def _logpdf(x: arb, loc: arb, scale: arb) -> arb:
    z = (x - loc) / scale
    return -(z * z) / 2 - scale.log() - (2 * arb.pi()).log() / 2


def _hard_sigmoid(x: arb) -> arb:
    return _minimum(_maximum(x + 3, arb(0)), arb(6)) / 6


def _heaviside(x: arb, at: arb) -> arb:
    return arb(0) if less(x, arb(0)) else arb(1) if less(arb(0), x) else at


def _cbrt(x: arb) -> arb:
    return -(-x).root(3) if less(x, arb(0)) else x.root(3)


def _squareplus(x: arb, b: Any = 4.0) -> arb:
    return (x + (x * x + arb(b)).sqrt()) / 2


def _nan_to_num(x: arb, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> arb:
    if x.is_finite():
        return x
    raise Undecidable("nan_to_num of what is not finite")


def _copysign(x: arb, y: arb) -> arb:
    if y.is_zero():
        return abs(x)
    return -abs(x) if less(y, arb(0)) else abs(x)


_ONE: dict[str, Callable[..., Any]] = {
    "sin": arb.sin, "cos": arb.cos, "tan": arb.tan, "arcsin": arb.asin, "arccos": arb.acos,
    "arctan": arb.atan, "sinh": arb.sinh, "cosh": arb.cosh, "tanh": arb.tanh,
    "arcsinh": arb.asinh, "arccosh": arb.acosh, "arctanh": arb.atanh, "sinc": arb.sinc_pi,
    "deg2rad": lambda x: x * arb.pi() / 180, "rad2deg": lambda x: x * 180 / arb.pi(),
    "abs": abs, "sign": _sign, "exp": arb.exp, "exp2": lambda x: (x * arb.const_log2()).exp(),
    "expm1": arb.expm1, "log": arb.log, "log2": lambda x: x.log() / arb.const_log2(),
    "log10": lambda x: x.log() / arb.const_log10(), "log1p": arb.log1p, "sqrt": arb.sqrt,
    "cbrt": _cbrt, "square": lambda x: x * x, "reciprocal": lambda x: 1 / x,
    "negative": lambda x: -x,
    "floor": floor, "ceil": lambda x: -floor(-x), "trunc": _trunc, "rint": _rint,
    "round": _round, "nan_to_num": _nan_to_num,
    "relu": lambda x: _maximum(x, arb(0)),
    "relu6": lambda x: _minimum(_maximum(x, arb(0)), arb(6)),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "softplus": lambda x: x.exp().log1p(), "gelu": _gelu,
    "silu": lambda x: x / (1 + (-x).exp()),
    "mish": lambda x: x * x.exp().log1p().tanh(), "elu": _elu, "celu": _celu,
    "selu": lambda x: _SELU * (x if less(arb(0), x) else _ALPHA * x.expm1()),
    "leaky_relu": lambda x, negative_slope=0.01: x if less(arb(0), x) else x * arb(negative_slope),
    "log_sigmoid": lambda x: -(-x).exp().log1p(),
    "hard_tanh": lambda x: _minimum(_maximum(x, arb(-1)), arb(1)),
    "hard_sigmoid": _hard_sigmoid, "hard_silu": lambda x: x * _hard_sigmoid(x),
    "soft_sign": lambda x: x / (1 + abs(x)), "squareplus": _squareplus,
    "erf": arb.erf, "erfc": arb.erfc, "erfinv": arb.erfinv, "gammafn": arb.gamma,
    "gammaln": _log_gamma, "digamma": arb.digamma, "factorial": lambda x: (x + 1).gamma(),
    "i0": lambda x: x.bessel_i(0), "i1": lambda x: x.bessel_i(1),
    "i0e": lambda x: (-abs(x)).exp() * x.bessel_i(0),
    "i1e": lambda x: (-abs(x)).exp() * x.bessel_i(1),
    "erfcx": lambda x: (x * x).exp() * x.erfc(), "expi": arb.ei,
    "exp1": lambda x: x.expint(arb(1)) if less(arb(0), x) else arb.nan(),
    "j0": lambda x: x.bessel_j(0), "j1": lambda x: x.bessel_j(1),
    "y0": lambda x: x.bessel_y(0), "y1": lambda x: x.bessel_y(1),
    "logit": lambda x: (x / (1 - x)).log(), "entr": _entr, "ndtr": _ndtr,
    "log_ndtr": lambda x: _ndtr(x).log(),
    "ndtri": lambda p: arb(2).sqrt() * (2 * p - 1).erfinv(),
}  # fmt: skip
_TWO: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "floor_divide": lambda a, b: floor(a / b),
    "mod": lambda a, b: a - b * floor(a / b), "fmod": lambda a, b: a - b * _trunc(a / b),
    "arctan2": arb.atan2, "hypot": lambda a, b: (a * a + b * b).sqrt(),
    "logaddexp": lambda a, b: (a.exp() + b.exp()).log(),
    "logaddexp2": lambda a, b: (arb(2) ** a + arb(2) ** b).log() / arb.const_log2(),
    "maximum": _maximum, "minimum": _minimum, "fmax": _maximum, "fmin": _minimum,
    "heaviside": _heaviside, "copysign": _copysign, "polygamma": _polygamma,
    "gammainc": lambda a, x: x.gamma_lower(a, 1), "gammaincc": lambda a, x: x.gamma_upper(a, 1),
    "betafn": lambda a, b: a.gamma() * b.gamma() / (a + b).gamma(),
    "betaln": lambda a, b: _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b),
    "zetafn": lambda x, q: x.zeta(q),
    "ldexp": lambda x, n: x * arb(2) ** n,
    "multigammaln": lambda a, d: _multigamma(a, int(d.unique_fmpz())),
    "xlogy": lambda x, y: _zero_at(x, lambda: x * y.log()),
    "xlog1py": lambda x, y: _zero_at(x, lambda: x * y.log1p()),
    "rel_entr": lambda p, q: _zero_at(p, lambda: p * (p / q).log()),
    "kl_div": lambda p, q: _zero_at(p, lambda: p * (p / q).log()) - p + q,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[arb, arb], bool]] = {
    "less": less,
    "greater": lambda a, b: less(b, a),
    "less_equal": lambda a, b: not less(b, a),
    "greater_equal": lambda a, b: not less(a, b),
    "equal": lambda a, b: not less(a, b) and not less(b, a),
    "not_equal": lambda a, b: less(a, b) or less(b, a),
}


def _isclose(a: arb, b: arb, rtol: Any = 1e-05, atol: Any = 1e-08) -> bool:
    return not less(arb(atol) + arb(rtol) * abs(b), abs(a - b))


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:
    x = x if min is None else on_balls(_maximum)(x, min)
    return x if max is None else on_balls(_minimum)(x, max)


def _pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return on_balls(lambda *point: _logpdf(*point).exp())(x, loc, scale)


def _normal_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return on_balls(_logpdf)(x, loc, scale)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{name: on_balls(function) for name, function in (*_ONE.items(), *_TWO.items())},
    **{name: truth(function) for name, function in _COMPARISONS.items()},
    "power": elementwise(lambda a, b: _power(_number(a), _number(b))),
    "isclose": truth(_isclose),
    "isnan": truth(lambda x: bool(x.is_nan())),
    "isinf": truth(lambda x: not x.is_finite() and not x.is_nan()),
    "isfinite": truth(lambda x: bool(x.is_finite())),
    "signbit": truth(lambda x: less(x, arb(0))),
    "betainc": on_balls(lambda a, b, x: x.beta_lower(a, b, True)),
    "clip": _clip,
    "normal_pdf": _pdf,
    "normal_logpdf": _normal_logpdf,
}
"""The functions of numbers by name."""
