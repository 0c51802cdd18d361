"""Exponential integrals and the scaled complementary error function, with derivatives that hold in
the tails.

The values of `erfcx`, and of `expi` above 0, are JAX's; those of `exp1` are a power series and
Chebyshev series whose coefficients were computed from the definition with 40 digits (JAX's loop
does not end at some points).  The derivatives are the closed forms (DLMF 7.10.1 and 6.2), arranged
so that nothing cancels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from jaccli.expression.library.series import chebyshev

if TYPE_CHECKING:
    from jax import Array

_FAR = 2.5
"""Above it, the derivative of `erfcx` is a continued fraction."""
_TERMS = 60
_POWERS = 18
"""Terms of the power series of `exp1` up to 1."""
_EULER = 0.5772156649015329

_NEAR = (
    0.7361930142806509,
    0.10860598521493683,
    -0.02388631895900859,
    0.005547189911799939,
    -0.0013468314333207857,
    0.0003391294727949977,
    -8.79897837824138e-05,
    2.3404288702199644e-05,
    -6.356186543874855e-06,
    1.7568527851358291e-06,
    -4.92933696058904e-07,
    1.4010308907587848e-07,
    -4.026908771996578e-08,
    1.1688275704897672e-08,
    -3.421973927262269e-09,
    1.0095452553003414e-09,
    -2.9987413864799496e-10,
    8.96212713945433e-11,
    -2.6932733905378344e-11,
    8.134321577832048e-12,
    -2.467958654468261e-12,
    7.518981660460654e-13,
    -2.299506520111391e-13,
    7.057198021308714e-14,
    -2.1728744205262704e-14,
    6.7102258426671e-15,
    -2.078004344732759e-15,
    6.451768645228439e-16,
    -2.00797683196414e-16,
    6.263513615798829e-17,
    -1.9579202185397474e-17,
    6.132441746075917e-18,
    -1.9243415011808963e-18,
)
"""x exp(x) E1(x), in x from 1 to 4."""
_FAR_OUT = (
    0.9053540999623492,
    -0.08648117855259871,
    0.007224101543746595,
    -0.0008097559457557386,
    0.00010999134432661389,
    -1.7173329989377674e-05,
    2.9856275144792833e-06,
    -5.65964914577193e-07,
    1.15268083971414e-07,
    -2.4950304402693382e-08,
    5.692324201833754e-09,
    -1.3599576648056003e-09,
    3.3846628887608844e-10,
    -8.737853904474682e-11,
    2.33158866322266e-11,
    -6.411481049213786e-12,
    1.8122469802048165e-12,
    -5.253831761558461e-13,
    1.5592182725919257e-13,
    -4.7291682970803986e-14,
    1.4637618643932435e-14,
    -4.617388988712924e-15,
    1.4827103482893693e-15,
    -4.841672496239229e-16,
    1.6062155757002903e-16,
    -5.408917538957171e-17,
    1.847470159346898e-17,
    -6.395830792759095e-18,
    2.2427807216997594e-18,
)
"""The same, in 4/x from 0 to 1."""


@jax.custom_jvp
def erfcx(x: Any) -> Array:
    """Return `exp(x**2) * erfc(x)`.

    >>> print(f"{erfcx(1.0):.6f} {erfcx(1e10):.6e}")
    0.427584 5.641896e-11
    """
    value: Array = special.erfcx(x)
    return value


@erfcx.defjvp
def _erfcx_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return erfcx(x), _erfcx_slope(jnp.asarray(x)) * v


def _erfcx_slope(x: Array) -> Array:
    """Return `2 x erfcx(x) - 2/sqrt(pi)`; far out, where the two cancel, by their difference.

    There `erfcx(x)` is `1 / sqrt(pi) / (x + K)`, with K the continued fraction of DLMF 7.9.1.
    """
    scale = 2 / math.sqrt(math.pi)
    near, far = jnp.where(x < _FAR, x, 0.0), jnp.where(x < _FAR, _FAR, x)
    fraction = jnp.zeros_like(far)
    for k in range(_TERMS, 0, -1):
        fraction = k / 2 / (far + fraction)
    return jnp.where(x < _FAR, 2 * near * erfcx(near) - scale, -scale * fraction / (far + fraction))


@jax.custom_jvp
def expi(x: Any) -> Array:
    """Return the exponential integral `Ei(x)`, the integral of `exp(t) / t` from -inf to `x`."""
    x = jnp.asarray(x)
    above: Array = special.expi(jnp.where((x > 0) & (x < jnp.inf), x, 1.0))
    above = jnp.where(x == jnp.inf, jnp.inf, above)
    below = -exp1(jnp.where(x < 0, -x, 1.0))
    return jnp.where(x > 0, above, jnp.where(x < 0, below, jnp.where(x == 0, -jnp.inf, jnp.nan)))


@expi.defjvp
def _expi_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return expi(x), jnp.exp(x) / x * v


@jax.custom_jvp
def exp1(x: Any) -> Array:
    """Return the exponential integral `E1(x)`, the integral of `exp(-t) / t` from `x` to inf.

    NaN below 0.  Up to 1 the power series; above, Chebyshev series of `x exp(x) E1(x)`.

        >>> print(f"{exp1(1.0):.6f}")
        0.219384
    """
    x = jnp.asarray(x)
    low, high = jnp.where(x < 1, x, 1.0), jnp.where(x < 1, 1.0, x)
    total = jnp.zeros_like(low)
    for k in range(_POWERS, 0, -1):
        total = 1 / (k * math.factorial(k)) - low * total
    small = low * total - jnp.log(low) - _EULER
    middle = chebyshev(_NEAR, (2 * jnp.minimum(high, 4.0) - 5) / 3)
    large = chebyshev(_FAR_OUT, 8 / jnp.maximum(high, 4.0) - 1)
    return jnp.where(x < 1, small, jnp.exp(-high) / high * jnp.where(x < 4, middle, large))


@exp1.defjvp
def _exp1_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return exp1(x), -jnp.exp(-x) / x * v
