"""Functions in the ways people write sparse problems, with the true number of their entries.

Each entry of `MODELS` says what hides its zeros.  The numbers are those of dense derivatives at
random points, but for the window maximum, where another element of each window is the largest at
another point: there all of them count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import sparse as jax_sparse

PERMUTATION = np.random.default_rng(0).permutation(400)
QUADS = np.array(
    [[i, i + 1, i + 21, i + 20] for r in range(19) for i in range(20 * r, 20 * r + 19)]
)
HUB_FROM = np.concatenate([np.arange(399), np.full(9, 7)])
HUB_TO = np.concatenate([np.arange(1, 400), np.arange(100, 109)])
BAND = np.diag(np.full(200, 4.0)) + np.diag(np.full(199, -1.0), 1) + np.diag(np.full(197, 0.5), -3)


@dataclass(frozen=True)
class Model:
    """A function of `n` numbers, its derivative and the true number of entries of that."""

    f: Callable[[Any], Any]
    derivative: str
    n: int
    entries: int


MODELS: dict[str, Model] = {}


def model(derivative: str, n: int, entries: int) -> Callable[[Any], Any]:
    """Register a function under its name."""

    def register(f: Any) -> Any:
        MODELS[f.__name__] = Model(f, derivative, n, entries)
        return f

    return register


# Arithmetic on constants: indices that are computed inside.


@model("jacobian", 400, 400)
def running_sum_of_ones(x: Any) -> Any:
    return x[jnp.cumsum(jnp.ones(400, jnp.int32)) - 1] ** 2


@model("jacobian", 400, 780)
def first_of_each_row_of_20(x: Any) -> Any:
    return x * x[20 * (jnp.arange(400) // 20)]


@model("jacobian", 400, 799)
def indices_by_way_of_floats(x: Any) -> Any:
    return x[jnp.floor(jnp.arange(400) * 0.5).astype(int)] * x


@model("jacobian", 400, 400)
def index_of_an_index(x: Any) -> Any:
    t = jnp.asarray(PERMUTATION)
    return x[t[t]] ** 2


@model("jacobian", 400, 400)
def inverse_permutation(x: Any) -> Any:
    return (x**2)[jnp.argsort(jnp.asarray(PERMUTATION))]


@model("jacobian", 400, 400)
def segments(x: Any) -> Any:
    return jax.ops.segment_sum(jnp.sin(x), jnp.arange(400) // 4, num_segments=100)


@model("jacobian", 400, 799)
def exclusive_or_and_shift(x: Any) -> Any:
    i = jnp.arange(400)
    return x[i ^ 1] * x[i >> 1]


@model("jacobian", 400, 400)
def sum_of_indices(x: Any) -> Any:
    return x[jnp.sum(jnp.stack([jnp.arange(400), jnp.zeros(400, jnp.int32)]), 0)] ** 2


@model("jacobian", 400, 40)
def squares_and_absolute_values(x: Any) -> Any:
    i = jnp.arange(20)
    return jnp.take(x, i**2) * x[abs(i - 10)]


@model("jacobian", 400, 756)
def triangle_indices(x: Any) -> Any:
    a, b = jnp.triu_indices(28, 1)
    return x[a] * x[b]


@model("jacobian", 210, 590)
def order_of_a_triangle(x: Any) -> Any:
    a, b = jnp.triu_indices(20)
    order = jnp.lexsort((a, b))
    return x[b[order]] * x[a[order]] + x[order]


@model("jacobian", 400, 800)
def periodic_neighbor_under_vmap(x: Any) -> Any:
    return jax.vmap(lambda i: x[i] ** 2 - x[jnp.mod(i + 1, 400)])(jnp.arange(400))


@model("jacobian", 400, 800)
def remainder_of_odd_numbers(x: Any) -> Any:
    return x[(2 * jnp.arange(400) - 1) % 400] * x


@model("jacobian", 400, 200)
def places_that_hold(x: Any) -> Any:
    return x[jnp.nonzero(jnp.arange(400) % 2, size=200)[0]] ** 3


@model("jacobian", 400, 40)
def places_found_in_a_sorted_table(x: Any) -> Any:
    table = jnp.linspace(0.0, 1.0, 401)
    return x[jnp.searchsorted(table, jnp.linspace(0.1, 0.9, 40))] ** 2


@model("jacobian", 40, 40)
def permutation_by_a_key(x: Any) -> Any:
    return x[jax.random.permutation(jax.random.key(0), 40)] ** 2


@model("jacobian", 400, 1600)
def block_diagonal_matrix(x: Any) -> Any:
    return jax.scipy.linalg.block_diag(*[jnp.ones((4, 4))] * 100) @ x**2


@model("hessian", 40, 40)
def weighted_power_sums(x: Any) -> Any:
    k = jnp.arange(1.0, 41.0)[:, None]
    return jnp.sum(jnp.cos(k[:, 0]) * jnp.sum(x[None, :] ** k, axis=1))


# Windows.


def _window(width: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        n = x.shape[0]

        def row(i: Any) -> Any:
            j = i + jnp.arange(1 - width, 1)
            return x[i] ** 3 - jnp.sum(jnp.where(j >= 0, x[jnp.clip(j, 0, n - 1)] ** 2, 0.0))

        return jax.vmap(row)(jnp.arange(n))

    f.__name__ = f"window_of_{width}_by_indices"
    return f


model("jacobian", 200, 794)(_window(4))
model("jacobian", 200, 1185)(_window(6))
model("jacobian", 200, 3810)(_window(20))


@model("jacobian", 400, 1198)
def window_sum(x: Any) -> Any:
    return lax.reduce_window(x**2, 0.0, lax.add, (3,), (1,), "SAME")


@model("jacobian", 400, 7910)
def long_window_sum(x: Any) -> Any:
    return lax.reduce_window(x**2, 0.0, lax.add, (20,), (1,), "SAME")


@model("jacobian", 400, 1194)
def window_maximum(x: Any) -> Any:
    return lax.reduce_window(x**2, -jnp.inf, lax.max, (3,), (1,), "VALID")


@model("hessian", 200, 11270)
def window_of_31_by_convolution(x: Any) -> Any:
    q = jnp.convolve(jnp.pad(x, (0, 30)), jnp.ones(31), mode="valid")
    return jnp.sum(q**4)


@model("jacobian", 400, 14440)
def forty_slices(x: Any) -> Any:
    return sum(x[s : 400 - 39 + s] ** 2 for s in range(40))


@model("hessian", 400, 9814)
def six_gathers(x: Any) -> Any:
    i = np.arange(400)
    s = sum((x**2)[(k * i + k - 1) % 400] for k in (1, 3, 7, 9, 11, 13))
    return jnp.sum(s**2 * jnp.arange(1.0, 401.0))


# Masks and constant matrices.


@model("jacobian", 400, 100)
def mask_by_position(x: Any) -> Any:
    return jnp.where(jnp.arange(400) < 100, x**2, 3.0)


@model("jacobian", 400, 1197)
def triangles_of_ones(x: Any) -> Any:
    ones = jnp.ones((400, 400))
    return (jnp.tril(ones) - jnp.tril(ones, -3)) @ x**2


@model("jacobian", 200, 596)
def banded_matrix(x: Any) -> Any:
    return jnp.asarray(BAND) @ x**2


@model("jacobian", 200, 796)
def band_of_a_full_row(x: Any) -> Any:
    j = jnp.arange(200)

    def row(i: Any) -> Any:
        near = (j >= i - 2) & (j <= i + 1) & (j != i)
        return 2 * x[i] + x[i] ** 3 - jnp.sum(x**2 * near)

    return jax.vmap(row)(j)


@model("hessian", 200, 1388)
def squares_of_a_band(x: Any) -> Any:
    return jnp.sum(band_of_a_full_row(x) ** 2)


@model("jacobian", 400, 400)
def one_hot_rows(x: Any) -> Any:
    return jax.nn.one_hot(jnp.arange(400)[::-1], 400) @ jnp.sin(x)


@model("jacobian", 400, 799)
def product_with_a_sparse_array(x: Any) -> Any:
    i = jnp.arange(400)
    places = jnp.concatenate([jnp.stack([i, i], 1), jnp.stack([i[1:], i[:-1]], 1)])
    return jax_sparse.BCOO((jnp.ones(799), places), shape=(400, 400)) @ x**2


# Dense rows, hubs, sums along an axis.


@model("hessian", 200, 994)
def two_ends_meet_all(x: Any) -> Any:
    return jnp.sum(jnp.sin(3 * x[1:-1] - x[0] - x[-1]))


@model("jacobian", 200, 400)
def one_full_row(x: Any) -> Any:
    return jnp.concatenate([x**2, jnp.sum(x**3)[None]])


@model("jacobian", 200, 599)
def full_row_and_full_column(x: Any) -> Any:
    return jnp.concatenate([x[:-1] ** 2 * x[-1], jnp.sum(x**3)[None], x[:1]])


@model("hessian", 400, 1216)
def hub(x: Any) -> Any:
    return jnp.sum(jnp.sin(x[HUB_FROM] * x[HUB_TO]))


@model("jacobian", 440, 1600)
def sums_of_rows_and_columns(x: Any) -> Any:
    square, by_row = x[:400].reshape(20, 20), x[400:420]
    cells = square**2 - by_row[:, None] * jnp.sin(square)
    sines = jnp.cos(square)
    return jnp.concatenate([cells.ravel(), sines.sum(1), sines.sum(0)])


@model("jacobian", 400, 2000)
def norms_of_blocks(x: Any) -> Any:
    p = x.reshape(-1, 5)
    return (p / jnp.linalg.norm(p, axis=1, keepdims=True)).ravel()


# Updates and loops.


@model("jacobian", 200, 300)
def interleaved_by_set(x: Any) -> Any:
    out = jnp.zeros(200)
    return out.at[::2].set(x[::2] ** 2).at[1::2].set(x[::2] * x[1::2])


@model("jacobian", 200, 350)
def multiplied_in_part(x: Any) -> Any:
    return (x**2).at[:150].multiply(x[50:])


@model("hessian", 400, 400)
def table_filled_cell_by_cell(x: Any) -> Any:
    table = jnp.zeros((20, 20))
    for i in range(20):
        for j in range(20):
            table = table.at[i, j].set((i * 0.1 - 1.0) ** 2 * (j * 0.1 - 1.0) ** 2)
    return jnp.sum((x.reshape(20, 20) - table) ** 4)


@model("jacobian", 400, 1194)
def band_by_fori_loop(x: Any) -> Any:
    w = jnp.array([1.0, -2.0, 3.0])

    def step(i: Any, y: Any) -> Any:
        return y.at[i].set(jnp.dot(w, lax.dynamic_slice(x, (i,), (3,)) ** 2))

    return lax.fori_loop(0, 398, step, jnp.zeros(400))


@model("jacobian", 400, 1444)
def elements_by_map(x: Any) -> Any:
    return lax.map(lambda q: jnp.sum(x[q] ** 2), jnp.asarray(QUADS))


@model("jacobian", 400, 792)
def rows_with_the_one_before(x: Any) -> Any:
    def step(before: Any, row: Any) -> tuple[Any, Any]:
        return row, jnp.sin(before) * row

    return lax.scan(step, jnp.zeros(4), x.reshape(100, 4))[1].ravel()


@model("jacobian", 400, 400)
def loop_of_unknown_length(x: Any) -> Any:
    def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
        y, _ = state
        change = (y - 0.3 * jnp.sin(y) - x) / (1 - 0.3 * jnp.cos(y))
        return y - change, jnp.max(jnp.abs(change))

    return lax.while_loop(lambda state: state[1] > 1e-14, step, (x, jnp.inf))[0]


@model("hessian", 200, 200)
def weights_by_full_with_a_float(x: Any) -> Any:
    return jnp.sum(jnp.full(200, 2.5) * x * x)


@model("hessian", 9, 63)
def formulas_on_single_entries(x: Any) -> Any:
    total, o = 0.0, x[6:]
    for c in range(2):
        a, b, d = x[3 * c], x[3 * c + 1], x[3 * c + 2]
        t = jnp.sqrt(a * a + b * b + d * d + 1e-12)
        u, v, w = a / t, b / t, d / t
        s, k = jnp.sin(t), 1.0 - jnp.cos(t)
        p = o[0] * (1 - k) + (v * o[2] - w * o[1]) * s + u * (u * o[0] + v * o[1]) * k
        q = o[1] * (1 - k) + (w * o[0] - u * o[2]) * s + v * (u * o[1] + w * o[2]) * k
        r = p * p + q * q
        f = 1.0 + 0.1 * r + 0.01 * r * r
        total += (f * p - 1.0) ** 2 + (f * q - 2.0) ** 2
    return total


# Groups: what a batch or a channel does not share.


@model("jacobian", 216, 432)
def convolution_of_each_channel_by_itself(x: Any) -> Any:
    kernel = jnp.array([1.0, 0.0, -2.0]).reshape(3, 1, 1) * jnp.ones((3, 1, 6))
    y = lax.conv_general_dilated(
        x.reshape(1, 36, 6),
        kernel,
        (1,),
        [(0, 2)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=6,
    )
    return jnp.concatenate([y.reshape(-1), x[:12] ** 2])


@model("jacobian", 72, 720)
def kernel_of_a_convolution(x: Any) -> Any:
    signal = jnp.ones((1, 6, 22))
    kernel = x.reshape(12, 1, 6)
    y = lax.conv_general_dilated(
        signal,
        kernel,
        (2,),
        [(0, 4)],
        feature_group_count=6,
        dimension_numbers=("NCW", "OIW", "NCW"),
    )
    return y


@model("jacobian", 120, 360)
def small_solves_of_a_batch(x: Any) -> Any:
    matrices = 4 * jnp.eye(3) + jnp.cos(jnp.arange(360.0)).reshape(40, 3, 3)
    return jnp.linalg.solve(matrices, x.reshape(40, 3, 1))


@model("hessian", 120, 720)
def rows_written_at_places_of_their_own(x: Any) -> Any:
    """The largest three of each row: anywhere in it, but in no other row."""
    return jnp.sum(lax.top_k(x.reshape(20, 6), 3)[0] ** 3 * x.reshape(20, 6)[:, :3])


@model("jacobian", 200, 396)
def counted_while(x: Any) -> Any:
    def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
        i, y = state
        return i + 1, y.at[i].set(x[i] * x[i + 1])

    return lax.while_loop(lambda state: state[0] < 198, step, (0, jnp.zeros(200)))[1]
