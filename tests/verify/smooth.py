"""Random smooth expressions, badly scaled ones among them, and points to take them at."""

from __future__ import annotations

import numpy as np

_ONE = (
    "sin({a})",
    "cos({a})",
    "exp(-({a})**2)",
    "tanh({a})",
    "log(1 + ({a})**2)",
    "sqrt(1 + ({a})**2)",
    "erf({a})",
    "arctan({a})",
    "softplus({a})",
    "sigmoid({a})",
    "1 / (1 + ({a})**2)",
    "({a})**2",
    "({a})**3",
    "arcsinh({a})",
    "cosh(tanh({a}))",
    "gammaln(2 + ({a})**2)",
    "sin({k} * ({a}))",
    "exp(-(({a}) / {k})**2)",
    "{k} * ({a})",
)
_TWO = (
    "({a}) + ({b})",
    "({a}) - ({b})",
    "({a}) * ({b})",
    "({a}) / (2 + sin({b}))",
    "logaddexp({a}, {b})",
    "sqrt(1 + ({a})**2 + ({b})**2)",
)


def expression(rng: np.random.Generator, depth: int = 3) -> str:
    """Return a random expression of x and y that has all derivatives everywhere."""
    if depth == 0 or rng.random() < 0.1:
        return str(rng.choice(["x", "y", "x * y", "x - y", f"{rng.normal():.3g} * x"]))
    factor = f"{10 ** rng.uniform(-2, 2):.3g}"
    inner = expression(rng, depth - 1)
    if rng.random() < 0.5:
        return str(rng.choice(_ONE)).format(a=inner, k=factor)
    return str(rng.choice(_TWO)).format(a=inner, b=expression(rng, depth - 1))


def point(rng: np.random.Generator) -> dict[str, float]:
    """Return a point, its entries of different sizes."""
    sizes = 10 ** rng.uniform(-1.5, 1.0, 2)
    x, y = rng.normal(size=2) * sizes
    return {"x": float(x), "y": float(y)}
