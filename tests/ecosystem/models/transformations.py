"""Models that transform, compile, place or cast inside."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.experimental import checkify, sparse
from jax.flatten_util import ravel_pytree
from jax.sharding import PartitionSpec

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(4))
def nested_checkpoints(x: Tree) -> Tree:
    """Recomputation within recomputation."""
    return jax.checkpoint(lambda v: jnp.sin(jax.checkpoint(jnp.tanh)(v)) * v)(x)


@model(positive(4))
def inner_gradient(x: Tree) -> Tree:
    """The derivative of a gradient."""
    return jax.grad(lambda v: jnp.sum(jnp.sin(v) * v**2))(x)


@model(positive(4))
def inner_hessian(x: Tree) -> Tree:
    """The derivative of a Hessian."""
    return jax.hessian(lambda v: jnp.sum(jnp.tanh(v) ** 3))(x).sum(0)


@model(positive(4))
def inner_jit(x: Tree) -> Tree:
    """A compiled function with a static argument."""
    return jax.jit(lambda v, n: v**n, static_argnums=1)(x, 3)


@model(positive(4), rtol=1e-2, differences_rtol=1e-2, smooth=lambda x: 2 * x**2)
def bfloat16_inside(x: Tree) -> Tree:
    """A product in half precision; how it rounds depends on what is fused."""
    return (x.astype(jnp.bfloat16) * 2).astype(x.dtype) * x


@model(positive(4), smooth=lambda x: jnp.sin(x) * x)
def float32_inside(x: Tree) -> Tree:
    """A sine in single precision."""
    return jnp.sin(x.astype(jnp.float32)).astype(x.dtype) * x


@model(positive(6))
def named_scope(x: Tree) -> Tree:
    """Names for the profiler."""
    with jax.named_scope("layer"):
        return jnp.tanh(x)


@model(positive(6))
def raveled_tree(x: Tree) -> Tree:
    """A tree made flat and restored."""
    flat, unravel = ravel_pytree({"a": x[:2], "b": x[2:]})
    tree = unravel(flat * 2)
    return tree["a"].sum() * tree["b"]


@model(normal(4))
def linearized(x: Tree) -> Tree:
    """A derivative of derivatives by `jvp`, `vjp` and `linearize`.

    https://docs.jax.dev/en/latest/notebooks/autodiff_cookbook.html
    """

    def f(v: Tree) -> Tree:
        return jnp.sin(v) * jnp.roll(v, 1)

    pushed = jax.jvp(f, (x,), (x**2,))[1]
    return pushed + jax.vjp(f, x)[1](x)[0] + jax.linearize(f, x)[1](jnp.cos(x))


@model((normal(3), normal(2, 3), normal(1)[0]))
def logistic_regression(point: Tree) -> Tree:
    """Predictions by weights, inputs and bias: a tuple in, a tuple out.

    https://docs.jax.dev/en/latest/notebooks/autodiff_cookbook.html
    """
    weights, inputs, bias = point
    logits = inputs @ weights + bias
    return jax.nn.sigmoid(logits), jnp.sum(jax.nn.log_sigmoid(logits))


@model(normal(4))
def sharded(x: Tree) -> Tree:
    """A function of shards with a sum over all devices.

    https://docs.jax.dev/en/latest/notebooks/shard_map.html
    """
    spec = PartitionSpec("i")
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    total = jax.shard_map(
        lambda v: jnp.sin(v) * jax.lax.psum(v.sum(), "i"), mesh=mesh, in_specs=spec, out_specs=spec
    )
    return total(x)


@model(positive(4))
def checked(x: Tree) -> Tree:
    """A function whose run-time checks were made an output.

    https://docs.jax.dev/en/latest/debugging/checkify_guide.html
    """

    def positive_root(x: Tree) -> Tree:
        checkify.check(jnp.all(x > 0), "x must be positive")
        return jnp.sqrt(x) * x.sum()

    return checkify.checkify(positive_root)(x)[1]


@model(normal(4), refused=(2,))
def mutable_array(x: Tree) -> Tree:
    """An array that is updated in place.

    https://docs.jax.dev/en/latest/array_refs.html
    """
    total = jax.new_ref(jnp.zeros(4))
    total[...] += jnp.sin(x)
    total[1:] *= x[:-1]
    return total[...]


@model(normal(5))
def sparse_product(x: Tree) -> Tree:
    """A sparse matrix times a vector, with a value that depends on it.

    https://docs.jax.dev/en/latest/jax.experimental.sparse.html
    """
    dense = jnp.diag(jnp.arange(1.0, 6.0)) + jnp.diag(jnp.ones(4), 1)
    matrix = sparse.BCOO.fromdense(dense, nse=9)
    matrix = sparse.BCOO((matrix.data * jnp.exp(x[0]), matrix.indices), shape=matrix.shape)
    return matrix @ jnp.sin(x)
