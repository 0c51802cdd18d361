"""Loops, branches and callbacks of JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(4))
def callback_with_a_rule(x: Tree) -> Tree:
    """A function of numpy with a derivative of its own."""

    @jax.custom_jvp
    def sine(x: Tree) -> Tree:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda v: np.sin(v), shape, x, vmap_method="expand_dims")

    sine.defjvp(lambda primals, tangents: (sine(*primals), jnp.cos(*primals) * tangents[0]))
    return sine(x) * x


@model(positive(4), refused=(1, 2))
def callback_without_a_rule(x: Tree) -> Tree:
    """A function of numpy, of which JAX knows no derivative."""
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.sin, shape, x, vmap_method="expand_dims") * x


@model(positive(4))
def debug_callback(x: Tree) -> Tree:
    """A callback for its effect alone."""
    jax.debug.callback(lambda _: None, x)
    return x**2


@model(positive(6))
def switch(x: Tree) -> Tree:
    """A branch chosen by the data."""
    return jax.lax.switch(jnp.argmax(x) % 3, [jnp.sin, jnp.cos, lambda v: v**2], x)


@model(positive(6))
def while_loop(x: Tree) -> Tree:
    """A loop whose length depends on the data: forward mode alone."""
    return jax.lax.while_loop(
        lambda c: jnp.sum(c**2) > 0.1, lambda c: c * 0.7 + 0.01 * jnp.sin(c), x
    )


@model(positive(6))
def reductions(x: Tree) -> Tree:
    """A reduction by multiplication, and one over windows."""
    product = jax.lax.reduce(x, 1.0, jax.lax.mul, (0,))
    return product + jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (2,), (1,), "VALID").sum()


@model(normal(3))
def fori_loop(x: Tree) -> Tree:
    """A loop of known length: a scan, with a reverse mode.

    https://docs.jax.dev/en/latest/_autosummary/jax.lax.fori_loop.html
    """
    return jax.lax.fori_loop(0, 4, lambda i, c: jnp.sin(c) + i * 0.1 * x, x)


@model(normal(3))
def fori_loop_to_a_traced_end(x: Tree) -> Tree:
    """A loop whose length is an array: forward mode alone.

    https://docs.jax.dev/en/latest/201/control-flow.html
    """
    end = jnp.argmin(x) + 2
    return jax.lax.fori_loop(0, end, lambda _, c: c * jnp.cos(c), x)


@model({"state": normal(3), "weight": normal(3, 3)})
def recurrence(point: Tree) -> Tree:
    """A scan with a carry, with outputs and with a matrix from outside.

    https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html
    """

    def step(state: Tree, x: Tree) -> tuple[Tree, Tree]:
        state = jnp.tanh(point["weight"] @ state + x)
        return state, state[0]

    last, seen = jax.lax.scan(step, point["state"], jnp.asarray(normal(4, 3)))
    return {"last": last, "seen": seen}


@model(normal(4))
def conditional_in_vmap(x: Tree) -> Tree:
    """A `cond` under `vmap`, which computes both branches.

    https://docs.jax.dev/en/latest/_autosummary/jax.lax.cond.html
    """
    return jax.vmap(lambda v: jax.lax.cond(v > 0, jnp.sin, lambda v: v**3, v))(x)


@model(positive(2, 5))
def associative_scan(x: Tree) -> Tree:
    """A linear recurrence as a parallel prefix.

    https://docs.jax.dev/en/latest/_autosummary/jax.lax.associative_scan.html
    """

    def combine(left: Tree, right: Tree) -> Tree:
        return left[0] * right[0], right[0] * left[1] + right[1]

    return jax.lax.associative_scan(combine, (x[0], x[1]))[1]


@model(normal(3, 2))
def sequential_map(x: Tree) -> Tree:
    """`lax.map` in batches.

    https://docs.jax.dev/en/latest/_autosummary/jax.lax.map.html
    """
    return jax.lax.map(lambda row: jnp.exp(row) * row.sum(), x, batch_size=2)
