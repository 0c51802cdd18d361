"""Bessel functions of orders 0 and 1 of a real number, and their derivatives.

Up to 8 the functions are Chebyshev series in `x**2` (of the second kind, what is left of them
without their logarithm and pole); from 8 on they are

    J_n(x) = sqrt(2 / (pi x)) (P_n(x) cos(x - c_n) - Q_n(x) sin(x - c_n)),    c_n = (2 n + 1) pi / 4
    Y_n(x) = sqrt(2 / (pi x)) (P_n(x) sin(x - c_n) + Q_n(x) cos(x - c_n))

with Chebyshev series for the amplitudes, as in C. W. Clenshaw, *Chebyshev series for mathematical
functions*, National Physical Laboratory Mathematical Tables 5 (1962).  The coefficients were
computed from the definitions with 40 digits.  Between its zeros a value has an error of a few units
in the last place; at a zero, of as many of the amplitude.

The derivatives are those of the theory (DLMF 10.6.2), not of the series: `j0' = -j1`,
`j1' = j0 - j1/x`, and the same of the second kind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jaccli.expression.library.series import chebyshev

if TYPE_CHECKING:
    from jax import Array

_JOIN = 8.0
"""Where the amplitudes take over from the series in `x**2`."""

_J0 = (
    0.15772797147489012,
    -0.008723442352852221,
    0.2651786132033368,
    -0.37009499387264977,
    0.15806710233209725,
    -0.034893769411408884,
    0.004819180069467605,
    -0.00046062616620627504,
    3.246032882100508e-05,
    -1.7619469077621507e-06,
    7.608163592418782e-08,
    -2.679253530557673e-09,
    7.848696314479465e-11,
    -1.9438346867370164e-12,
    4.125320595634374e-14,
    -7.588508125447546e-16,
    1.2218515873961411e-17,
    -1.7367896077002368e-19,
)
"""J0(x), in x**2 from 0 to 64."""
_J1X = (
    0.08104484632565812,
    -0.1489751450676521,
    0.1609992623572097,
    -0.08268049176681791,
    0.022213639654966037,
    -0.003646940600769276,
    0.0004050337728354822,
    -3.255554866857259e-05,
    1.9858774049915165e-06,
    -9.521984756750436e-08,
    3.687133759097148e-09,
    -1.178026622695885e-10,
    3.160154580348003e-12,
    -7.221755239651773e-14,
    1.4232144003513942e-15,
    -2.4441972916190464e-17,
    3.6912682997929334e-19,
)
"""J1(x) / x, in x**2 from 0 to 64."""
_R0 = (
    0.03645469809116044,
    -0.2783237094075825,
    0.2960499990207148,
    0.09825508408187864,
    -0.10755155280627783,
    0.031799074084414514,
    -0.005161397105810715,
    0.0005498525320039012,
    -4.1996983149420134e-05,
    2.4290361107923793e-06,
    -1.1049969793472957e-07,
    4.06651736597911e-09,
    -1.2374148898289854e-10,
    3.1685725528945945e-12,
    -6.926956032431002e-14,
    1.3086308625876684e-15,
    -2.1586201986914482e-17,
    3.136863182479938e-19,
)
"""Y0(x) - 2/pi log(x/2) J0(x), in x**2 from 0 to 64."""
_R1 = (
    0.038300769852423776,
    -0.08182561412732826,
    -0.0248677076121964,
    0.047967452752746984,
    -0.01852588451089802,
    0.003680607687823511,
    -0.0004627254060293369,
    4.06940026958087e-05,
    -2.6617695125295625e-06,
    1.350602691325434e-07,
    -5.483524110336276e-09,
    1.8245086841229007e-10,
    -5.070666636591129e-12,
    1.1956162517587948e-13,
    -2.423162442712473e-15,
    4.268126513072962e-17,
    -6.596060978723042e-19,
)
"""(Y1(x) - 2/pi (log(x/2) J1(x) - 1/x)) / x, in x**2 from 0 to 64."""
_P0 = (
    0.9994603493475187,
    -0.0005365220468132117,
    3.0751847875194745e-06,
    -5.1705945376060975e-08,
    1.6306464635151382e-09,
    -7.86409137723707e-11,
    5.168262387349193e-12,
    -4.3045788699253914e-13,
    4.3265957431549404e-14,
    -5.069034095935236e-15,
    6.748072215733873e-16,
    -1.0011513723467786e-16,
    1.6305919233744186e-17,
    -2.880866169482871e-18,
    5.468082783259037e-19,
    -1.106203649682969e-19,
)
"""The amplitude of the cosine in J0(x) sqrt(pi x / 2), in (8/x)**2 from 0 to 1."""
_Q0 = (
    -0.015555854605337009,
    6.838519942611649e-05,
    -7.414498411060647e-07,
    1.7972457247968992e-08,
    -7.27191593686632e-10,
    4.2201219046687385e-11,
    -3.206747420996635e-12,
    3.006145125351706e-13,
    -3.336328185322427e-14,
    4.255225040245461e-15,
    -6.09993013164005e-16,
    9.662128970303257e-17,
    -1.6686065214378146e-17,
    3.1082440486738143e-18,
    -6.191115787358143e-19,
    1.3091448717220062e-19,
)
"""That of the sine, times x/8."""
_P1 = (
    1.0009030408600137,
    0.0008989898330859408,
    -3.987284300488908e-06,
    6.177633960644299e-08,
    -1.8718907491063067e-09,
    8.816898659582339e-11,
    -5.704863640395645e-12,
    4.699195515230542e-13,
    -4.6842237839904895e-14,
    5.452674896044717e-15,
    -7.221180842274018e-16,
    1.0667689114335412e-16,
    -1.7312313216116335e-17,
    3.0492991197665872e-18,
    -5.772421654987452e-19,
    1.1650571755711464e-19,
)
"""The amplitude of the cosine in J1(x) sqrt(pi x / 2), in (8/x)**2 from 0 to 1."""
_Q1 = (
    0.04677778706953532,
    -9.62772354915708e-05,
    9.138615257955454e-07,
    -2.0959781384083424e-08,
    8.229193327650554e-10,
    -4.686363688176945e-11,
    3.5152187949686082e-12,
    -3.2643156743279e-13,
    3.5967765829165294e-14,
    -4.5612523950772974e-15,
    6.508282957783384e-16,
    -1.0269147531823243e-16,
    1.767635548776479e-17,
    -3.2834519872981614e-18,
    6.524081149589258e-19,
    -1.3765771484849427e-19,
)
"""That of the sine, times x/8."""


@jax.custom_jvp
def j0(x: Any) -> Array:
    """Return the Bessel function of the first kind of order 0.

    >>> print(f"{j0(2.5):.4f}")
    -0.0484
    """
    x = jnp.abs(_float(x))
    near, far = _parts(x)
    cosine, sine = _turned(far, 0)
    wave = _wave(far, _P0, _Q0, cosine, sine)
    return jnp.where(x < _JOIN, chebyshev(_J0, near * near / 32 - 1), wave)


@j0.defjvp
def _j0_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return j0(x), -j1(x) * v


@jax.custom_jvp
def j1(x: Any) -> Array:
    """Return the Bessel function of the first kind of order 1."""
    x = _float(x)
    value: Array = x * _j1_over(x)
    return value


@j1.defjvp
def _j1_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return j1(x), (j0(x) - _j1_over(x)) * v


@jax.custom_jvp
def _j1_over(x: Any) -> Array:
    """Return `j1(x) / x`, which is 1/2 at 0."""
    x = jnp.abs(_float(x))
    near, far = _parts(x)
    cosine, sine = _turned(far, 1)
    wave = _wave(far, _P1, _Q1, cosine, sine)
    return jnp.where(x < _JOIN, chebyshev(_J1X, near * near / 32 - 1), wave / far)


@_j1_over.defjvp
def _j1_over_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return _j1_over(x), -_j2_over(_float(x)) * v


def _j2_over(x: Array) -> Array:
    """Return `j2(x) / x`: below 1 by its Taylor series, as the recurrence would cancel there."""
    small = jnp.abs(x) < 1
    inner, outer = jnp.where(small, x, 0.0), jnp.where(small, 1.0, x)
    z = inner * inner / 4
    total: Array = jnp.zeros_like(x)
    for k in range(10, -1, -1):
        total = total * -z + 1 / (math.factorial(k) * math.factorial(k + 2))
    return jnp.where(small, inner / 4 * total, (2 * _j1_over(outer) - j0(outer)) / outer)


@jax.custom_jvp
def y0(x: Any) -> Array:
    """Return the Bessel function of the second kind of order 0: NaN below 0, -inf at 0."""
    x = _float(x)
    near, far = _parts(x)
    cosine, sine = _turned(far, 0)
    wave = _wave(far, _P0, _Q0, sine, -cosine)
    rest = chebyshev(_R0, near * near / 32 - 1)
    return jnp.where(x < _JOIN, rest + 2 / math.pi * jnp.log(near / 2) * j0(near), wave)


@y0.defjvp
def _y0_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    return y0(x), -y1(x) * v


@jax.custom_jvp
def y1(x: Any) -> Array:
    """Return the Bessel function of the second kind of order 1: NaN below 0, -inf at 0."""
    x = _float(x)
    near, far = _parts(x)
    cosine, sine = _turned(far, 1)
    wave = _wave(far, _P1, _Q1, sine, -cosine)
    rest = near * chebyshev(_R1, near * near / 32 - 1)
    pole = 2 / math.pi * (jnp.log(near / 2) * j1(near) - 1 / near)
    return jnp.where(x < _JOIN, jnp.where(near == 0, -jnp.inf, rest + pole), wave)


@y1.defjvp
def _y1_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (v,) = primals, tangents
    value = y1(x)
    return value, (y0(x) - value / x) * v


def _float(x: Any) -> Array:
    """Return numbers as an array of floats."""
    x = jnp.asarray(x)
    value: Array = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))
    return value


def _parts(x: Array) -> tuple[Array, Array]:
    """Return `x` where the series holds and where the amplitudes do, kept in range elsewhere."""
    return jnp.where(x < _JOIN, x, 1.0), jnp.where(x < _JOIN, _JOIN, x)


def _turned(x: Array, order: int) -> tuple[Array, Array]:
    """Return cosine and sine of `x - (2 order + 1) pi / 4`, exact in the phase for large `x`."""
    cosine, sine = jnp.cos(x), jnp.sin(x)
    total, difference = (cosine + sine) * math.sqrt(0.5), (sine - cosine) * math.sqrt(0.5)
    return (total, difference) if order == 0 else (difference, -total)


def _wave(
    x: Array, p: tuple[float, ...], q: tuple[float, ...], cosine: Array, sine: Array
) -> Array:
    """Return `sqrt(2 / (pi x)) (P cosine - Q sine)`."""
    shrunk = _JOIN / x
    at = 2 * shrunk * shrunk - 1
    amplitudes = chebyshev(p, at) * cosine - shrunk * chebyshev(q, at) * sine
    return jnp.sqrt(2 / (math.pi * x)) * amplitudes
