"""Statistics, sorting, searching and indexing of arrays."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(8))
def statistics(x: Tree) -> Tree:
    """A median, a percentile, a variance and a correlation."""
    return jnp.stack(
        [
            jnp.median(x),
            jnp.percentile(x, 30.0),
            jnp.var(x),
            jnp.corrcoef(x.reshape(2, 4))[0, 1],
        ]
    )


@model(positive(8))
def sorting(x: Tree) -> Tree:
    """Sorted values, and values by sorted positions."""
    return jnp.sort(x)[::2] * x[jnp.argsort(x)][1::2]


@model(positive(8))
def searching(x: Tree) -> Tree:
    """Cumulative sums at positions that a search returns."""
    found = jnp.searchsorted(x.sort(), jnp.array([0.5, 0.9])).clip(0, 7)
    return jnp.cumsum(x)[found]


@model(positive(4))
def vectorized(x: Tree) -> Tree:
    """`jnp.vectorize` with a signature."""
    dot = jnp.vectorize(jnp.dot, signature="(n),(n)->()")
    return dot(x.reshape(2, 2), x.reshape(2, 2) ** 2)


@model(positive(5))
def integers_inside(x: Tree) -> Tree:
    """Positions that are computed from the values."""
    i = jnp.floor(x * 3).astype(int)
    return x * i + jnp.take(x, i % 5)


@model(positive(6))
def einsum(x: Tree) -> Tree:
    """Outer products and their traces."""
    y = x.reshape(2, 3)
    return jnp.einsum("bi,bj->bij", y, y).trace(axis1=1, axis2=2)


@model(normal(6))
def scattered(x: Tree) -> Tree:
    """Updates at positions: set, add, multiply and maximum.

    https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html
    """
    y = jnp.zeros(6).at[jnp.array([0, 2, 2])].add(x[:3]).at[5].set(x[3] * x[4])
    return y.at[1::2].multiply(x[:3]).at[0].max(x[5])


@model(normal(4, 5))
def segments(x: Tree) -> Tree:
    """Sums and maxima over segments, and the k largest.

    https://docs.jax.dev/en/latest/_autosummary/jax.ops.segment_sum.html
    """
    ids = jnp.array([0, 0, 1, 2])
    largest, _ = jax.lax.top_k(x[:, 0], 2)
    totals = jax.ops.segment_sum(jnp.sin(x), ids, num_segments=3)
    return {"sum": totals, "max": jax.ops.segment_max(x, ids, 3), "largest": largest}


@model(positive(5))
def interpolated(x: Tree) -> Tree:
    """Interpolation in a table and in an image.

    https://docs.jax.dev/en/latest/_autosummary/jax.scipy.ndimage.map_coordinates.html
    """
    image = jnp.asarray(normal(4, 5))
    at = [x[:3] * 2, x[2:] * 2.5]
    sampled = jax.scipy.ndimage.map_coordinates(image, at, order=1)
    return sampled * jnp.interp(x[:3], jnp.linspace(0.0, 2.0, 5), jnp.linspace(0.0, 2.0, 5) ** 2)
