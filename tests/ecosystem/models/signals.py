"""Convolutions, Fourier transforms, complex numbers and special functions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy import signal, special, stats

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(8))
def convolutions(x: Tree) -> Tree:
    """A direct convolution and one by Fourier transforms."""
    direct = signal.convolve(x, jnp.array([1.0, 2.0, 1.0]), mode="same")
    return direct + signal.fftconvolve(x, jnp.array([1.0, -1.0]), mode="same")


@model(positive(8))
def fourier_round_trip(x: Tree) -> Tree:
    """Phases turned in the frequency domain."""
    return jnp.fft.irfft(jnp.fft.rfft(x) * jnp.exp(1j * jnp.arange(5.0)))


@model(positive(4))
def complex_inside(x: Tree) -> Tree:
    """Complex numbers between real ones."""
    z = jnp.exp(1j * x) * (1 + 2j)
    return jnp.real(z * z) + jnp.abs(z)


@model(normal(2, 6))
def strided_convolution(x: Tree) -> Tree:
    """A dilated, strided convolution with several channels.

    https://docs.jax.dev/en/latest/notebooks/convolutions.html
    """
    kernel = jnp.asarray(normal(3, 2, 2))
    return jax.lax.conv_general_dilated(x[None], kernel, (2,), [(1, 0)], rhs_dilation=(2,))[0] ** 2


@model(positive(4))
def special_functions(x: Tree) -> Tree:
    """Functions of jax.scipy.special.

    https://docs.jax.dev/en/latest/jax.scipy.html#module-jax.scipy.special
    """
    return jnp.stack(
        [
            special.logsumexp(x),
            special.gammaln(x).sum(),
            special.erf(x).prod(),
            special.gammainc(2.0, x).sum(),
            special.i0e(x).sum(),
            special.xlogy(x, x).sum(),
            special.betainc(2.0, 3.0, x / 2).sum(),
        ]
    )


@model({"mean": normal(3), "factor": normal(3, 3)})
def densities(point: Tree) -> Tree:
    """Logarithms of densities of jax.scipy.stats.

    https://docs.jax.dev/en/latest/jax.scipy.html#module-jax.scipy.stats
    """
    covariance = point["factor"] @ point["factor"].T + jnp.eye(3)
    several = stats.multivariate_normal.logpdf(jnp.ones(3), point["mean"], covariance)
    return several + stats.t.logpdf(point["mean"], 4.0).sum()
