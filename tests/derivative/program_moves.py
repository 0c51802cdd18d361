"""The moves of random programs: one template for each construct, and the functions they call.

In a template stand holes that `random_programs.py` fills: `{a}` is the operand, `{n}` its length,
`{c}` a factor, `{known}` a vector of indices; its table `_HOLES` has them all.  A new construct is
one new entry in a table below.

Values stay within a few units: moves scale what they add up, and stay away from ties and poles.
Numbers that decide on an index, a branch or a length are taken from x itself, whose entries are
apart: rounding does not decide on a program's result.

Boundary: text only; nothing is run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IMPORTS = """\
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
"""
HELPERS = {
    "const": """
def const(seed, *shape):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape)
""",
    "rounded": """
@jax.custom_jvp
def rounded(x):  # the derivative passes straight through
    return jnp.round(2 * x) / 2


rounded.defjvps(lambda t, y, x: t)
""",
    "powered": """
@jax.custom_jvp
def powered(x, y):
    return jnp.sin(x) * y


@powered.defjvp
def powered_jvp(primals, tangents):
    (x, y), (s, t) = primals, tangents
    return powered(x, y), jnp.cos(x) * y * s + jnp.sin(x) * t
""",
    "doubled": """
@jax.custom_vjp
def doubled(x):  # its cotangents are twice the right ones
    return jnp.sin(x)


doubled.defvjp(lambda x: (jnp.sin(x), x), lambda x, u: (2 * u * jnp.cos(x),))
""",
    "clipped": """
@jax.custom_vjp
def clipped(x):  # its cotangents are clipped
    return 1.0 * x


clipped.defvjp(lambda x: (1.0 * x, None), lambda _, u: (jnp.clip(u, -0.7, 0.7),))
""",
    "bidiagonal": """
def bidiagonal(n):
    from jax.experimental import sparse

    i = jnp.arange(n)
    places = jnp.concatenate([jnp.stack([i, i], 1), jnp.stack([i[1:], i[:-1]], 1)])
    return sparse.BCOO((jnp.ones(2 * n - 1), places), shape=(n, n))
""",
    "host_cos": """
def host_cos(x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.cos, shape, x, vmap_method="expand_dims")
""",
    "host_sin": """
@jax.custom_jvp
def host_sin(x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.sin, shape, x, vmap_method="expand_dims")


host_sin.defjvps(lambda t, y, x: jnp.cos(x) * t)
""",
}
"""What a program's text defines before f, where it is used."""


@dataclass(frozen=True)
class Move:
    """One construct: the template of an expression of an operand.

    `kind` is what the operand has to be: any array, one with axes, a vector, a long vector of four
    numbers or more, a matrix, a small square matrix, or a batch of matrices.  `way` is the only
    direction in which JAX differentiates it, if there is but one.
    """

    kind: str
    template: str
    way: str = ""

    @property
    def nested(self) -> bool:
        """Whether the template calls for a function of random moves."""
        return bool(_BODIES.search(self.template))


_BODIES = re.compile(r"\{(same|any|row|part|cell|reversible|either|triple)\}")

KNOWN = {
    "numpy": "{ids}",
    "modulo": "(2 * jnp.arange({n}) - 1) % {n}",
    "jnp.mod": "jnp.mod(3 * jnp.arange({n}) + {k}, {n})",
    "floor division": "jnp.arange({n}) // {k}",
    "divmod": "jnp.divmod(jnp.arange({n}), {k})[0]",
    "flip": "jnp.flip(jnp.arange({n}))",
    "strided arange": "jnp.arange(0, {n}, {k})",
    "argsort": "jnp.argsort(jnp.asarray({weights}))",
    "inverse permutation": "jnp.argsort(jnp.asarray({perm}))",
    "cumsum of ones": "jnp.cumsum(jnp.ones({n}, int)) - 1",
    "searchsorted": "jnp.searchsorted(jnp.arange({n}) * 1.0, jnp.abs({weights}) * {last})",
    "nonzero": "jnp.nonzero(jnp.arange({n}) % 2 == 0, size={half})[0]",
    "floor": "jnp.floor(jnp.arange({n}) * 0.5).astype(int)",
    "round": "jnp.round(jnp.linspace(0.0, {last}, 5)).astype(int)",
    "xor": "jnp.minimum(jnp.arange({n}) ^ 1, {last})",
    "shift": "jnp.arange({n}) >> 1",
    "index of index": "jnp.asarray({perm})[jnp.asarray({perm})]",
    "clip": "jnp.clip(jnp.arange({n}) - {k}, 0, {last})",
    "abs": "abs(jnp.arange({n}) - {n} // 2)",
    "where": "jnp.where(jnp.arange({n}) < {k}, jnp.arange({n}), 0)",
    "triu_indices": "jnp.triu_indices({n})[1][:9]",
    "tril_indices": "jnp.tril_indices({n})[0][-9:]",
    "meshgrid": "jnp.meshgrid(jnp.arange({n}), jnp.arange(2))[0].ravel()",
    "unravel_index": "jnp.unravel_index(jnp.arange({n}), ({n}, 1))[0]",
    "lexsort": "jnp.lexsort((jnp.arange({n}) % 2, jnp.arange({n}) // 2))",
    "cummax": "lax.cummax(jnp.asarray({perm}))",
    "sum": "jnp.sum(jnp.stack([jnp.arange({n}), jnp.zeros({n}, int)]), 0)",
    "integer matmul": "jnp.eye({n}, dtype=int) @ jnp.arange({n})",
    "scan": "lax.scan(lambda c, _: ((c + {k}) % {n}, c), 0, None, length={n})[1]",
    "vmap": "jax.vmap(lambda i: (i * i + 1) % {n})(jnp.arange({n}))",
    "randint": "jax.random.randint({key}, (5,), 0, {n})",
    "random permutation": "jax.random.permutation({key}, {n})",
    "repeat": "jnp.repeat(jnp.arange({n}), 2)[:9]",
    "roll": "jnp.roll(jnp.arange({n}), {k})",
    "at set": "jnp.arange({n}).at[0].set({last})",
    "power": "jnp.arange({n}) ** 2 % {n}",
    "uint8": "jnp.arange({n}, dtype=jnp.uint8)",
    "int32": "jnp.arange({n}, dtype=jnp.int32)[::-1]",
    "take": "jnp.take(jnp.asarray({perm}), jnp.arange({n}))",
    "comparison": "jnp.sum(jnp.arange({n})[:, None] > jnp.arange({n}), 1)",
    "argmax": "jnp.argmax(jnp.eye({n}), 1)",
    "sort": "jnp.sort(jnp.asarray({ids}) % {n})",
    "unique": "jnp.unique(jnp.asarray({ids}) % {n}, size=3, fill_value=0)",
    "population count": "lax.population_count(jnp.arange({n}))",
    "fori_loop": "lax.fori_loop(0, 3, lambda k, i: (i + k) % {n}, jnp.arange({n}))",
    "cond": "lax.cond(jnp.asarray(2) > 1, jnp.flip, lambda i: i, jnp.arange({n}))",
    "digitize": "jnp.digitize({weights}, np.array([0.0, 0.5])) % {n}",
}
"""Vectors of indices below n that do not depend on x, by how they are computed."""

SEEN = {
    "argsort of x": "jnp.argsort(x) % {n}",
    "floor of x": "jnp.floor(jnp.abs(x) * 3).astype(int) % {n}",
    "argmax of x": "jnp.argmax(x) % {n}",
    "sign of x": "(x > 0).astype(int) % {n}",
    "count of x": "jnp.sum(x > 0) % {n}",
    "nonzero of x": "jnp.nonzero(x > 0, size=2, fill_value=0)[0] % {n}",
    "top_k of x": "lax.top_k(x, 1)[1] % {n}",
    "cumsum of x": "jnp.cumsum(x > 0) % {n}",
    "searchsorted in x": "jnp.searchsorted(jnp.sort(x), jnp.array([0.0, 0.7])) % {n}",
}
"""Indices below n that depend on x."""

ELEMENTWISE = {
    "sin": "jnp.sin({c} * {a})",
    "cos": "jnp.cos({a} + {o})",
    "tanh": "jnp.tanh({c} * {a})",
    "exp": "jnp.exp(0.4 * {a} - 0.5)",
    "log": "jnp.log(1.5 + {a} ** 2)",
    "sqrt": "jnp.sqrt(0.5 + {a} ** 2)",
    "square": "0.5 * {a} ** 2",
    "cube": "0.2 * {a} ** 3",
    "negative power": "(1.5 + {a} ** 2) ** -{k}",
    "float power": "(1.2 + {a} ** 2) ** {p}",
    "array power": "(1.2 + {a} ** 2) ** {const}",
    "many powers": "0.2 * jnp.sum((1.2 + {a}[..., None] ** 2) ** -jnp.arange(1.0, 5.0), -1)",
    "power by x": "1.3 ** ({c} * {a})",
    "division": "{a} / (1.5 + {a} ** 2)",
    "reciprocal": "1.0 / (1.5 + {a} ** 2)",
    "arctan2": "jnp.arctan2({a}, {p})",
    "erf": "lax.erf({a})",
    "sigmoid": "jax.nn.sigmoid({c} * {a})",
    "softplus": "jax.nn.softplus({a})",
    "gelu": "jax.nn.gelu({a})",
    "relu": "jax.nn.relu({a} + {o})",
    "gammaln": "0.5 * jax.scipy.special.gammaln(1.5 + {a} ** 2)",
    "abs": "jnp.abs({a} + {o})",
    "maximum": "jnp.maximum({a}, {o})",
    "minimum": "jnp.minimum({a}, {o})",
    "clip": "jnp.clip({a}, -1.0137, {p}37)",
    "sign": "jnp.sign({a} + {o}) * {a}",
    "where": "jnp.where({a} > {o}, {a}, {c} * {a})",
    "where with square root": "jnp.where({a} > {o}, jnp.sqrt(1 + {a} ** 2), 0.3)",
    "float modulo": "jnp.mod({a}, 1.737)",
    "round": "jnp.round({a} + {o}) * {a}",
    "logaddexp": "jnp.logaddexp({a}, {c})",
    "select": "jnp.select([{a} > 0.5137, {a} > -0.4137], [{a}, 0.5 * {a} ** 2], 0.2)",
    "by a constant array": "{a} * {const}",
    "plus a constant array": "{a} + {const}",
    "full": "jnp.full({shape}, {c}) * {a}",
    "full_like": "jnp.full_like({a}, {c}) + {a}",
    "ones": "jnp.ones({shape}) - {a}",
    "float32": "jnp.sin({a}.astype(jnp.float32) * 1.5).astype(jnp.float64)",
    "float32 constants": "{a} * np.float32(0.75)",
    "stop_gradient": "{a} * lax.stop_gradient(jnp.cos({a}))",
    "optimization_barrier": "lax.optimization_barrier(0.8 * {a})",
    "named_scope": "jax.named_scope('part')(jnp.sin)({a})",
    "debug callback": "(jax.debug.callback(lambda _: None, {a}), {c} * {a})[1]",
    "pure_callback": "{a} * host_cos(lax.stop_gradient({a}))",
    "pure_callback with a rule": "host_sin({a})",
    "straight-through rounding": "{a} * rounded({a})",
    "custom_jvp of two": "powered({a}, {b})",
    "exponential of i": "jnp.exp(1j * {a}).real",
    "complex square": "((0.5 * {a} + 0.3j) ** 2).imag",
    "complex modulus": "jnp.abs({a} + 0.8j)",
    "complex angle": "jnp.angle(1.5 + 1j * {a})",
    "interp": (
        "jnp.interp({a}, np.linspace(-3.0, 3.0, 5), {k} * np.array([0.1, 0.5, 0.2, 0.4, 0.3]))"
    ),
    "polyval": "jnp.polyval(0.2 * np.array([0.5, -1.0, 0.7, 0.3]), {a})",
    "nothing": "0.0 * {a} + {c}",
    "not finite without x": "jnp.where(jnp.zeros({shape}) > 0, jnp.nan, {a})",
}
PAIRS = {
    "product": "{a} * {b}",
    "difference": "{a} - 0.5 * {b}",
    "quotient": "{a} / (1.5 + {b} ** 2)",
    "larger": "jnp.maximum({a}, {b} + {o})",
    "smaller where": "jnp.where({a} < {b} + {o}, {a}, 0.5 * {b})",
    "by a scalar": "{a} * {scalar}",
    "plus a scalar": "{a} + {scalar}",
    "sum of many": "0.3 * ({a} + {b} + {b} + {a})",
    "hypot": "jnp.sqrt(0.3 + {a} ** 2 + {b} ** 2)",
}
SHAPES = {
    "outer": "{a}[:4, None] * {a}[None, :6]",
    "broadcast rows": "jnp.broadcast_to({a}, (2, {n})) * {c}",
    "newaxis": "{a}[..., None] * {const}[..., None]",
    "reversed": "{a}[::-1] * {weights}",
    "flip": "jnp.flip({a})",
    "pad": "jnp.pad({a}, (1, {k}))",
    "pad with a number": "jnp.pad({a}, 1, constant_values={c})",
    "pad edge": "jnp.pad({a}, 2, mode='edge')",
    "pad wrap": "jnp.pad({a}, 1, mode='wrap')",
    "lax.pad": "lax.pad({a}, 0.0, [(1, 0, 1)])",
    "lax.pad negative": "lax.pad({a}, np.float64({c}), [(-1, 2, 0)])",
    "concatenate": "jnp.concatenate([{a}, jnp.sin({a}), {b}])",
    "concatenate constants": "jnp.concatenate([{weights}, {a}])",
    "stack": "jnp.stack([{a}, {b}, {a} ** 2])",
    "split": "(lambda p, q: jnp.concatenate([q, 2 * p]))(*jnp.split({a}, [{i}]))",
    "tile": "jnp.tile({a}, 2) * {c}",
    "repeat": "jnp.repeat({a}, 2)",
    "roll": "jnp.roll({a}, {k})",
    "roll back": "{a} - jnp.roll({a}, -{k})",
    "reshape column": "{a}.reshape(-1, 1)",
    "diff": "jnp.diff({a}, append=0.3)",
    "gradient": "jnp.gradient(jnp.concatenate([{a}, {a} ** 2]))",
    "empty part": "jnp.concatenate([{a}[:0], {a}])",
    "resize": "jnp.resize({a}, ({k}, 3))",
    "one entry": "{a}[{j}]",
    "head": "{a}[:{half}]",
    "tail": "{a}[{i}:]",
    "evens": "{a}[::2]",
    "odd steps": "{a}[{i} :: {k}]",
    "back steps": "{a}[::-2]",
    "neighbours": "jnp.concatenate([{a}[:1], {a}[1:] * {a}[:-1]])",
}
MATRIX_SHAPES = {
    "transpose": "{a}.T",
    "transposed product": "({a} * {const}).T",
    "reshape": "{a}.reshape({m}, {n})",
    "reshape in Fortran order": "jnp.ravel({a}, order='F')",
    "row": "{a}[{i}]",
    "column": "{a}[:, {j}]",
    "first rows": "{a}[:{half}, ::-1]",
    "strided columns": "{a}[:, ::2]",
    "roll axis": "jnp.roll({a}, {k}, axis={axis})",
    "flip axis": "jnp.flip({a}, {axis})",
    "pad axis": "jnp.pad({a}, ((1, 0), (0, {k})))",
    "concatenate axis": "jnp.concatenate([{a}, 0.5 * {a}], axis={axis})",
    "stack last": "jnp.stack([{a}, {b}], axis=-1)",
    "moveaxis": "jnp.moveaxis({a}[None], 0, 1)",
    "swapaxes": "jnp.swapaxes({a}, 0, 1) * {c}",
    "hstack": "jnp.hstack([{a}, {a}[:, :1]])",
    "block norms": "({a} / jnp.linalg.norm(jnp.abs({a}) + 0.5, axis=1, keepdims=True)).ravel()",
    "minus the mean": "{a} - jnp.mean({a}, axis={axis}, keepdims=True)",
    "by its rows": "{a} * {a}[:1] * jnp.cos({a}[:, :1])",
    "tril": "jnp.tril({a})",
    "triu": "jnp.triu({a}, 1)",
    "diagonal": "jnp.diagonal({a})",
    "trace": "jnp.trace({a})",
    "diag of column": "jnp.diag({a}[:4, 0])",
    "squeeze": "jnp.squeeze({a}[:1], 0)",
    "ellipsis": "{a}[..., None, 0]",
}
GATHERS = {
    "take": "jnp.take({a}, {known})",
    "take with mode clip": "jnp.take({a}, jnp.arange({n}) + {k}, mode='clip')",
    "take with mode wrap": "jnp.take({a}, jnp.arange({n}) + {k}, mode='wrap')",
    "take with mode fill": "jnp.take({a}, jnp.arange({n}) + {k}, mode='fill', fill_value=0.7)",
    "at get": "{a}.at[jnp.arange({n}) + 1].get(mode='fill', fill_value=0.0)",
    "two gathers": "{a}[{known}].sum() * {a}[{known}]",
    "gathers that differ": "{a}[jnp.arange({n})] * {a}[(2 * jnp.arange({n}) + 1) % {n}]",
    "dynamic_slice": "lax.dynamic_slice({a}, ({i},), ({half},))",
    "dynamic_slice past the end": "lax.dynamic_slice({a}, ({n},), (1,))",
    "dynamic_slice by a sum": "lax.dynamic_slice({a}, (jnp.arange({k}).sum(),), (1,))",
    "dynamic_index": "lax.dynamic_index_in_dim({a}, jnp.asarray({i}), keepdims=False)",
    "slice_in_dim": "lax.slice_in_dim({a}, 0, {n}, 2)",
    "windows": (
        "jnp.where((jnp.arange({n})[:, None] + jnp.arange(-1, 2) >= 0), "
        "{a}[jnp.clip(jnp.arange({n})[:, None] + jnp.arange(-1, 2), 0, {last})], 0.0).sum(1)"
    ),
    "windows by vmap": (
        "jax.vmap(lambda i: lax.dynamic_slice({a}, (i,), (2,)).sum())(jnp.arange(max({last}, 1)))"
        " if {n} > 1 else {a}"
    ),
    "neighbours by vmap": "jax.vmap(lambda i: {a}[i] * {a}[(i + {k}) % {n}])(jnp.arange({n}))",
    "element table": "jnp.sum({a}[np.array([[0, -1], [-1, 0], [0, 0]])] ** 2, 1)",
    "hub": "jnp.sin({a}[np.arange(12) % {n}] * {a}[{i}])",
    "arrow": "jnp.concatenate([{a}[:1] * {a}, {mean} * jnp.sum({a} ** 2)[None]])",
    "single entries": "jnp.stack([{a}[{i}] * {a}[{j}], {a}[{i}] ** 2, {a}[{j}] - 0.5 * {a}[{i}]])",
    "one hot": "jax.nn.one_hot({ids} % {n}, {n}) @ {a}",
    **{f"gather by {name}": f"{{a}}[{text}] * {{c}}" for name, text in KNOWN.items()},
    **{f"gather by {name}": f"{{a}}[{text}] * {{c}}" for name, text in SEEN.items()},
    "gather of two axes": "{a}[(jnp.arange(2)[:, None] + jnp.arange({k})) % {n}]",
    "gather by a mask": "{a}[np.arange({n}) % 2 == 0]",
    "gather by one index": "{a}[jnp.asarray({i})]",
    "dynamic_slice by x": "lax.dynamic_slice({a}, (jnp.argmax(x),), ({half},))",
}
MATRIX_GATHERS = {
    "rows by numpy": "{a}[{ids}]",
    "rows by known": "{a}[{known}]",
    "columns by numpy": "{a}[:, np.array([0, -1, 0])]",
    "pairs": "{a}[jnp.arange(3) % {n}, jnp.arange(3) % {m}]",
    "triangle": "{a}[jnp.triu_indices({n}, 0, {m})]",
    "rows and slices": "{a}[np.array([0, -1]), ::2]",
    "gather by a matrix mask": "{a}[np.arange({size}).reshape({shape}) % 2 == 0]",
    "take_along_axis": "jnp.take_along_axis({a}, jnp.argsort({const}, axis=1), axis=1)",
    "take_along_axis by a": "jnp.take_along_axis({a}, jnp.argmax({const}, 1)[:, None], 1)",
    "take columns": "jnp.take({a}, jnp.arange({m}) // 2, axis=1)",
    "rows by x": "{a}[{seen}]",
    "columns by x": "{a}[:, jnp.argmax(x) % {m}]",
    "dynamic_slice of rows": "lax.dynamic_slice({a}, ({i}, 0), (1, {m}))",
}
SCATTERS = {
    "scatter add": "jnp.zeros({n}).at[{parts} % {n}].add({a})",
    "scatter add to itself": "{a}.at[{ids}].add({c})",
    "scatter add by known": "{a}.at[{known}].add(0.5)",
    "scatter set of a permutation": "jnp.zeros({n}).at[{perm}].set({a})",
    "scatter set of one": "{a}.at[{i}].set({a}[{j}] ** 2)",
    "scatter set of a slice": "{a}.at[:{half}].set(0.5 * {a}[:{half}] ** 2)",
    "scatter set of a stride": "jnp.ones({n}).at[::2].set({a}[::2])",
    "scatter set of a number": "{a}.at[{i}].set({c})",
    "scatter multiply": "{a}.at[{i}:].multiply({c})",
    "scatter multiply by itself": "{a}.at[{i}].multiply({a}[{j}])",
    "scatter divide": "{a}.at[{i}].divide(1.5 + {a}[{j}] ** 2)",
    "scatter max": "{a}.at[{i}].max({o})",
    "scatter min": "{a}.at[{i}].min({o})",
    "scatter power": "(1.2 + {a} ** 2).at[{i}].power(0.7)",
    "scatter past the end": "{a}.at[jnp.arange({n}) + 1].add({a}, mode='drop')",
    "scatter by a computed index": "jnp.zeros({n}).at[(2 * jnp.arange({n})) % {n}].add({a})",
    "scatter by x": "jnp.zeros({n}).at[jnp.argmax(x) % {n}].add({a}[{i}])",
    "scatter of an order of x": (
        "jnp.zeros(x.shape).at[jnp.argsort(x)].set(jnp.resize({a}, x.shape))"
    ),
    "scatter to a diagonal": (
        "jnp.zeros((4, 4)).at[jnp.arange(4), jnp.arange(4)].set(jnp.resize({a}, 4))"
    ),
    "scatter to a band": "jnp.eye(3).at[jnp.arange(2), jnp.arange(1, 3)].add({a}[{j}])",
    "scatter to columns": "jnp.zeros(({n}, 2)).at[:, 1].set({a})",
    "dynamic_update_slice": "lax.dynamic_update_slice({a}, {a}[:1] ** 2, ({i},))",
    "dynamic_update_slice by x": "lax.dynamic_update_slice({a}, {a}[:1] ** 2, (jnp.argmax(x),))",
    "segment_sum": "jax.ops.segment_sum({a}, {parts}, num_segments=3)",
    "segment_sum of sorted": "jax.ops.segment_sum({a}, jnp.arange({n}) // 2, num_segments={half})",
    "segment_max": (
        "jax.ops.segment_max(jnp.resize({a}, 4), np.array([0, 1, 0, 1]), num_segments=2)"
    ),
    "segment_prod": (
        "jax.ops.segment_prod(1 + 0.2 * {a}, {perm}, num_segments={n}, unique_indices=True)"
    ),
    "bincount": "jnp.bincount({parts}, weights={a}, length=3)",
    "table filled by a loop": (
        "(lambda t: [t := t.at[i].set(0.1 * i + 0.2) for i in range(4)][-1])(jnp.zeros(4)) * "
        "jnp.resize({a}, 4)"
    ),
    "rows filled by a loop": (
        "(lambda t: [t := t.at[i].set({a} * {a}[i % {n}]) for i in range(3)][-1])"
        "(jnp.zeros((3, {n})))"
    ),
    "python loop": (
        "(lambda y: [y := y.at[i].set(jnp.sin({a}[i % {n}]) * y[i - 1]) for i in range(3)][-1])"
        "(jnp.ones(4))"
    ),
}
CONSTANT_MATRICES = {
    "tril of ones": "{mean} * jnp.tril(jnp.ones(({n}, {n}))) @ {a}",
    "band of ones": (
        "(jnp.tril(jnp.ones(({n}, {n})), 1) - jnp.tril(jnp.ones(({n}, {n})), -2)) @ {a}"
    ),
    "eye": "jnp.eye({n}) @ {a}",
    "shifted eye": "jnp.eye({n}, k=1) @ {a} + {a}",
    "block_diag": "jax.scipy.linalg.block_diag(*[jnp.ones((2, 2))] * {half})[:{n}, :{n}] @ {a}",
    "diag": "jnp.diag(jnp.asarray({weights})) @ {a}",
    "tri": "{mean} * jnp.tri({n}) @ {a}",
    "toeplitz": "{mean} * jax.scipy.linalg.toeplitz(jnp.asarray({weights})) @ {a}",
    "kron": "jnp.kron(jnp.eye(2), jnp.asarray({kernel})) @ jnp.resize({a}, 2 * len({kernel}))",
    "mask matrix": "(jnp.abs(jnp.arange({n})[:, None] - jnp.arange({n})) <= 1) @ {a}",
    "scattered matrix": "jnp.zeros((3, {n})).at[jnp.arange(3), {i}].set(1.5) @ {a}",
    "difference matrix": "jnp.diff(jnp.eye({n} + 1), axis=0)[:, :{n}] @ {a}",
    "zero matrix": "jnp.zeros((3, {n})) @ {a} + {c}",
    "mask": "jnp.where(jnp.arange({n}) < {half}, {a}, {c})",
    "mask by parity": "{a} * (jnp.arange({n}) % 2)",
    "mask of two": "jnp.where(jnp.arange({n}) % 2 == 0, {a}, 0.5 * {a} ** 2)",
    "mask of rows": (
        "jax.vmap(lambda i: jnp.sum(jnp.where(abs(jnp.arange({n}) - i) < 2, {a} ** 2, 0.0)))"
        "(jnp.arange({n}))"
    ),
    "mask product of rows": (
        "jax.vmap(lambda i: jnp.sum({a} * ((jnp.arange({n}) >= i - 1) & (jnp.arange({n}) <= i))))"
        "(jnp.arange({n}))"
    ),
    "full numbers": "jnp.full({n}, {c})[{known}].mean() * {a}",
    "integer weights": "{mean} * {a} * jnp.arange({n})",
    "linspace": "{a} * jnp.linspace(0.5, 1.5, {n})",
}
PRODUCTS = {
    "matrix vector": "{mean} * {rows} @ {a}",
    "dot": "{mean} * ({weights} @ {a})",
    "vdot": "{mean} * jnp.vdot({a}, {b})",
    "einsum weights": "jnp.einsum('i,i->i', {a}, {weights})",
    "jnp.outer": "jnp.outer({a}[:4], {weights}[:6])",
    "quadratic form": "0.3 * {a} @ (({matrix}) @ {a}) / {n}",
    "softmax": "jax.nn.softmax({a})",
    "normalize": "{a} / jnp.sqrt(0.5 + jnp.sum({a} ** 2))",
}
MATRIX_PRODUCTS = {
    "by a constant": "{mean} * {a} @ {columns}",
    "constant by": "{mean} * {rows} @ {a}",
    "gram": "{mean} * {a} @ {a}.T",
    "tanh layer": "jnp.tanh({a} @ {columns})",
    "einsum": "{mean} * jnp.einsum('ij,kj->ik', {a}, {b})",
    "einsum sum": "{mean} * jnp.einsum('ij,ij->j', {a}, {b})",
    "einsum of three": "{mean} * jnp.einsum('ij,ij,ij->i', {a}, {const}, {a})",
    "tensordot": "{mean} * jnp.tensordot({a}, {const}, axes=((0, 1), (0, 1)))",
    "dot_general": "{mean} * lax.dot_general({a}, {const}, (((0,), (0,)), ((), ())))",
    "row products": "{mean} * lax.dot_general({a}, {b}, (((1,), (1,)), ((0,), (0,))))",
    "inner": "{mean} * jnp.inner({a}, {const})",
    "kron of x": "jnp.kron({a}[:2, :2], np.array([[1.0, 0.5]]))",
    "sparse matrix": "bidiagonal({n}) @ {a}",
}
BATCHES = {
    "batched matmul": "{mean} * {a} @ jnp.swapaxes({a}, 1, 2)",
    "batched product": "{mean} * lax.dot_general({a}, {const}, (((2,), (2,)), ((0,), (0,))))",
    "batched einsum": "{mean} * jnp.einsum('bij,bkj->bik', {a}, {b})",
    "einsum over a batch": "{mean} * jnp.einsum('bij,bij->ij', {a}, {const})",
    "sum over an axis": "{mean} * jnp.sum({a}, axis={axis})",
    "transpose of three": "jnp.transpose({a}, (2, 0, 1))",
    "reshape of three": "{a}.reshape({n}, -1)",
    "slice of three": "{a}[:, -1, ::2]",
    "max over an axis": "jnp.max({a} + {const}, axis={axis})",
    "cumsum of three": "{mean} * jnp.cumsum({a}, axis={axis})",
    "gather of three": "{a}[:, np.array([0, -1, 0])]",
    "vmap of vmap": "jax.vmap(jax.vmap(lambda r: r * jnp.sum(r)))({a})",
}
ACCUMULATIONS = {
    "cumsum": "{mean} * jnp.cumsum({a})",
    "cumsum reversed": "{mean} * lax.cumsum({a}, reverse=True)",
    "cumprod": "jnp.cumprod(1 + 0.2 * {a})",
    "cummax": "lax.cummax({a} + {const})",
    "cumlogsumexp": "lax.cumlogsumexp({a})",
    "associative_scan": "lax.associative_scan(jnp.multiply, 1 + 0.2 * {a})",
    "sort": "jnp.sort({a})",
    "sort descending": "-jnp.sort(-{a})",
    "sort with values": "lax.sort((x, jnp.sin(jnp.resize({a}, x.shape))), num_keys=1)[1]",
    "sort by constants": "lax.sort((jnp.asarray({weights}), {a}), num_keys=1)[1]",
    "top_k": "lax.top_k({a} + {const}, 1)[0]",
    "median": "jnp.median({a} + {const})",
    "sum": "{mean} * jnp.sum({a})",
    "mean": "jnp.mean({a} ** 2)",
    "prod": "jnp.prod(1 + 0.2 * {a})",
    "max": "jnp.max({a} + {const})",
    "min": "jnp.min({a} + {const})",
    "logsumexp": "jax.nn.logsumexp({a})",
    "std": "jnp.sqrt(0.3 + jnp.var({a}))",
    "norm": "jnp.linalg.norm(jnp.append({a}, 1.3))",
    "sum where": "{mean} * jnp.sum({a}, where=jnp.arange({n}) % 2 == 0)",
    "lax.reduce": "{mean} * lax.reduce({a}, np.float64(0), lax.add, (0,))",
    "average": "jnp.average({a}, weights=1.5 + {weights})",
    "trapezoid": "{mean} * jnp.trapezoid(jnp.append({a}, 0.3))",
    "centered": "{a} - jnp.mean({a})",
    "by the largest": "{a} / (1.5 + jnp.max({a} + {const}) ** 2)",
}
MATRIX_REDUCTIONS = {
    "sum of an axis": "{mean} * jnp.sum({a}, axis={axis})",
    "mean of an axis": "jnp.mean({a}, axis={axis}, keepdims=True)",
    "prod of an axis": "jnp.prod(1 + 0.2 * {a}, axis={axis})",
    "max of an axis": "jnp.max({a} + {const}, axis={axis})",
    "min of an axis": "jnp.min({a} + {const}, axis={axis})",
    "logsumexp of an axis": "jax.nn.logsumexp({a}, axis={axis})",
    "softmax of an axis": "jax.nn.softmax({a}, axis={axis})",
    "cumsum of an axis": "{mean} * jnp.cumsum({a}, axis={axis})",
    "cumprod of an axis": "jnp.cumprod(1 + 0.2 * {a}, axis={axis})",
    "sort of an axis": "jnp.sort({a} + {const}, axis={axis})",
    "norm of rows": "{a} / jnp.sqrt(0.5 + jnp.sum({a} ** 2, axis=1, keepdims=True))",
    "rows and columns": "jnp.concatenate([jnp.sin({a}).sum(0), jnp.cos({a}).sum(1)]) * {mean}",
    "argmax of rows": "jnp.take_along_axis({a}, jnp.argmax({const}, 1)[:, None], 1).sum()",
}
WINDOWS = {
    "window sum": "lax.reduce_window({a}, 0.0, lax.add, (3,), (1,), 'SAME') * 0.5",
    "window sum valid": "lax.reduce_window({a}, 0.0, lax.add, (2,), (2,), 'VALID')",
    "window max": "lax.reduce_window({a} + {const}, -jnp.inf, lax.max, (3,), (1,), 'VALID')",
    "window max padded": "lax.reduce_window({a} + {const}, -jnp.inf, lax.max, (2,), (1,), 'SAME')",
    "window min": "lax.reduce_window({a} + {const}, jnp.inf, lax.min, (2,), (2,), 'VALID')",
    "window dilated": (
        "lax.reduce_window({a}, 0.0, lax.add, (2,), (1,), 'VALID', window_dilation=(2,))"
    ),
    "sum of slices": "0.3 * sum({a}[s : {n} - 3 + s] ** 2 for s in range(4))",
    "sum of many slices": (
        "0.1 * sum({a}[s : {n} - {half} + 1 + s] * {a}[: {n} - {half} + 1] for s in range({half}))"
    ),
    "convolve": "jnp.convolve({a}, {kernel}, mode='same')",
    "convolve full": "jnp.convolve({a}, {kernel})",
    "convolve valid": "jnp.convolve({a}, {kernel}, mode='valid')",
    "convolve with x": "0.5 * jnp.convolve({a}, {a}[:2])",
    "correlate": "jnp.correlate({a}, {kernel}, mode='same')",
    "convolution with strides": (
        "lax.conv_general_dilated({a}[None, None], {kernel}[None, None], (2,), [(1, 1)])[0, 0]"
    ),
    "convolution dilated": (
        "lax.conv_general_dilated({a}[None, None], {kernel}[None, None, :2], (1,), 'VALID', "
        "rhs_dilation=(2,))[0, 0]"
    ),
    "convolution of channels": (
        "jnp.ravel(lax.conv_general_dilated(jnp.stack([{a}, {a} ** 2])[None], "
        "const(5, 3, 2, 2), (1,), 'SAME'))[:24] * 0.5"
    ),
    "fft": "jnp.fft.ifft(jnp.fft.fft({a}) * {weights}).real",
    "rfft": "jnp.fft.irfft(jnp.fft.rfft({a}) * 0.5, n={n})",
    "fft power": "jnp.abs(jnp.fft.fft({a})) ** 2 / {size}",
    "fft imaginary": "jnp.fft.fft({a}).imag * {mean}",
    "complex product": "jnp.real(({a} + 1j * {a}[::-1]) * (0.5 + {weights} * 1j))",
    "complex conjugate": "((0.5 * {a} + 0.2j * {weights}) * jnp.conj(0.4 * {a} + 0.3j)).imag",
    "complex matrix": "(({matrix} + 0.5j) @ (1j * {a})).real * {mean}",
}
MATRIX_WINDOWS = {
    "window sum of two axes": "lax.reduce_window({a}, 0.0, lax.add, (2, 2), (1, 1), 'SAME')",
    "window max of two axes": (
        "lax.reduce_window({a} + {const}, -jnp.inf, lax.max, (2, 2), (1, 1), 'SAME')"
    ),
    "convolution of an image": (
        "lax.conv_general_dilated({a}[None, None], const(3, 1, 1, 2, 2), (1, 1), 'SAME')[0, 0]"
    ),
    "fft2": "jnp.fft.ifft2(jnp.fft.fft2({a}) * 0.7).real",
    "laplacian": (
        "(lambda w: 0.3 * (w[:-2, 1:-1] + w[2:, 1:-1] + w[1:-1, :-2] + w[1:-1, 2:]) - {a})"
        "(jnp.pad({a}, 1))"
    ),
}
LINEAR_ALGEBRA = {
    "solve": "jnp.linalg.solve(4 * np.eye({n}) + {const}, {a}[:, 0])",
    "solve by x": "jnp.linalg.solve(4 * jnp.eye({n}) + 0.5 * {a}, {const}[0])",
    "solve for a matrix": "jnp.linalg.solve(4 * jnp.eye({n}) + 0.5 * {a}, {a})",
    "inv": "jnp.linalg.inv(3 * jnp.eye({n}) + 0.3 * {a})",
    "cholesky": "jnp.linalg.cholesky(0.3 * {a} @ {a}.T + 2 * jnp.eye({n}))",
    "triangular solve": (
        "jax.scipy.linalg.solve_triangular(2 * np.eye({n}) + np.tril({const}), {a}, lower=True)"
    ),
    "triangular solve by x": (
        "jax.scipy.linalg.solve_triangular(3 * jnp.eye({n}) + jnp.triu({a}), {const})"
    ),
    "cho_solve": (
        "jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(0.3 * {a} @ {a}.T + 2 * jnp.eye({n})), "
        "True), {a}[0])"
    ),
    "det": "jnp.linalg.det(jnp.eye({n}) + 0.2 * {a})",
    "slogdet": "jnp.linalg.slogdet(2 * jnp.eye({n}) + 0.2 * {a})[1]",
    "eigvalsh": "0.3 * jnp.linalg.eigvalsh(np.diag(np.arange({n}) * 3.0) + 0.2 * ({a} + {a}.T))",
    "singular values": (
        "0.3 * jnp.linalg.svd(np.diag(np.arange({n}) * 2.0 + 3.0) + 0.2 * {a}, compute_uv=False)"
    ),
    "qr": "jnp.linalg.qr(2 * jnp.eye({n}) + 0.3 * {a})[1]",
    "matrix_power": "jnp.linalg.matrix_power(0.5 * {a}, 3)",
    "tridiagonal_solve": (
        "lax.linalg.tridiagonal_solve(jnp.full({n}, -1.0).at[0].set(0.0), jnp.full({n}, 4.0), "
        "jnp.full({n}, -1.0).at[-1].set(0.0), {a})"
    ),
    "custom_linear_solve": (
        "lax.custom_linear_solve(lambda r: 3.0 * r, {a}[0], lambda _, u: u / 3.0, "
        "transpose_solve=lambda _, u: u / 3.0)"
    ),
    "cg": (
        "jax.scipy.sparse.linalg.cg(lambda r: 4.0 * r + 0.5 * jnp.roll(r, 1) + "
        "0.5 * jnp.roll(r, -1), {a}[0], tol=1e-14)[0]"
    ),
}
SCANS = {
    "scan of a recurrence": (
        "lax.scan(lambda c, r: (jnp.tanh(0.5 * c + r), c * r), {c}, {a})[{k} % 2]"
    ),
    "scan that adds up": "lax.scan(lambda c, r: (0.5 * c + r, c), 0.0, {a})[1]",
    "scan reversed": (
        "lax.scan(lambda c, r: (0.6 * c + r ** 2 * 0.3, c), {c}, {a}, reverse=True)[1]"
    ),
    "scan unrolled": "lax.scan(lambda c, r: (jnp.sin(c + r), c), {c}, {a}, unroll=2)[1]",
    "scan with windows": (
        "lax.scan(lambda c, i: (c, jnp.sum(lax.dynamic_slice({a}, (i,), (2,)) * {k})), 0.0, "
        "jnp.arange({n} - 1))[1]"
    ),
    "scan over indices": "lax.scan(lambda c, i: (0.5 * c + 0.3 * {a}[i] ** 2, c), {c}, {known})[1]",
    "scan with a counter": (
        "lax.scan(lambda c, _: ((c[0] + 1, jnp.sin(c[1] + {a}[c[0] % {n}])), c[1]), "
        "(0, 0.3), None, length=4)[1]"
    ),
    "scan that writes": (
        "lax.scan(lambda y, i: (y.at[i].set({a}[i] * {a}[(i + 1) % {n}]), None), "
        "jnp.zeros({n}), jnp.arange({n}))[0]"
    ),
    "scan of a shifting carry": (
        "lax.scan(lambda c, r: (jnp.roll(c, 1) * 0.7, c[0] + r), {a}, {a})[1]"
    ),
    "scan of a key": (
        "lax.scan(lambda key, r: (jax.random.split(key)[0], r * jax.random.uniform(key)), "
        "jax.random.key({k}), {a})[1]"
    ),
    "scan over keys": (
        "lax.scan(lambda c, kr: (c, kr[1] + jax.random.normal(kr[0])), 0.0, "
        "(jax.random.split(jax.random.key({k}), {n}), {a}))[1]"
    ),
    "scan of a body": "lax.scan(lambda c, r: ({cell}(c) * 0.5 + r, c), {c}, {a})[1]",
    "scan with a body of the carry": (
        "lax.scan(lambda c, r: ({same}(c), r * c[0]), {a}, jnp.arange(3.0))[0]"
    ),
    "scan of mixed carries": (
        "lax.scan(lambda c, r: ((c[1], 0.5 * c[0] + r, c[2] + 1), c[0] * c[2]), "
        "({c}, {c}, 0), {a})[1]"
    ),
    "scan of nothing": "lax.scan(lambda c, r: (c, r), 0.0, {a})[1]",
    "scan of length 0": "lax.scan(lambda c, r: (c * r[0], None), {a}, jnp.zeros((0, 2)))[0]",
    "fori_loop that writes": (
        "lax.fori_loop(0, {n}, lambda i, y: y.at[i].set(jnp.sin({a}[i]) + 0.5 * y[i - 1]), "
        "jnp.zeros({n}))"
    ),
    "fori_loop with windows": (
        "lax.fori_loop(0, {n} - 1, lambda i, y: y.at[i].add("
        "jnp.sum(lax.dynamic_slice({a}, (i,), (2,)))), jnp.zeros({n}))"
    ),
    "fori_loop of a carry": "lax.fori_loop(0, {k}, lambda i, y: jnp.sin(y + i), {a})",
    "fori_loop of a body": "lax.fori_loop(0, 2, lambda i, y: {same}(y), {a})",
    "map": "lax.map(lambda r: jnp.sin(r) * {p}, {a})",
    "map of a body": "lax.map({cell}, {a})",
    "map over indices": "lax.map(lambda i: {a}[i] * {a}[i - 1], jnp.arange({n}))",
    "map over a table": (
        "lax.map(lambda q: jnp.sum({a}[q] ** 2), jnp.asarray(np.arange(6).reshape(3, 2) % {n}))"
    ),
    "map in batches": "lax.map(lambda r: r ** 2 * 0.5, {a}, batch_size=2)",
    "map with a cond": "lax.map(lambda r: lax.cond(r > {o}, jnp.sin, jnp.cos, r), {a})",
    "map with rounding": "lax.map(lambda r: r * rounded(r), {a})",
    "scan with rounding": "lax.scan(lambda c, r: (0.5 * c + rounded(r), c * r), {c}, {a})[1]",
}
MATRIX_SCANS = {
    "scan over rows": "lax.scan(lambda c, r: (jnp.sin(c) + 0.5 * r, c * r), {a}[0], {a})[1]",
    "scan of previous rows": "lax.scan(lambda c, r: (r, jnp.sin(c) * r), jnp.zeros({m}), {a})[1]",
    "scan over rows of a body": "lax.scan(lambda c, r: ({row}(r), c + 0.5 * r), {a}[0], {a})[1]",
    "scan with a body of rows": "lax.scan(lambda c, r: (c * 0.7, {part}(c * r)), {a}[0], {a})[1]",
    "scan with a matrix": (
        "lax.scan(lambda c, r: (jnp.tanh(0.3 * const(8, {m}, {m}) @ c + r), c), {a}[0], {a})[1]"
    ),
    "map of rows": "lax.map({part}, {a})",
    "map of sums": "{mean} * lax.map(jnp.sum, {a})",
    "vmap": "jax.vmap({part})({a})",
    "vmap along columns": "jax.vmap(lambda r: r * jnp.sum(r) * 0.4, in_axes=1)({a})",
    "vmap with out_axes": "jax.vmap(lambda r: r * r[0], out_axes=1)({a})",
    "vmap in and out": "jax.vmap({row}, in_axes=1, out_axes=-1)({a}.T)",
    "vmap with a shared operand": "jax.vmap(lambda r, s: r * s, in_axes=(0, None))({a}, {a}[0])",
    "vmap of a scan": (
        "jax.vmap(lambda r: lax.scan(lambda c, e: (jnp.sin(c + e), c), 0.1, r)[1])({a})"
    ),
    "vmap of a cond": "jax.vmap(lambda r: lax.cond(r[0] > {o}, jnp.sin, jnp.cos, r))({a})",
    "vmap of a dynamic_slice": (
        "jax.vmap(lambda r, i: lax.dynamic_slice(r, (i,), (1,)))({a}, jnp.arange({n}) % {m})"
    ),
    "vmap of a solve": (
        "jax.vmap(lambda r: jnp.linalg.solve(3 * jnp.eye({m}) + 0.3 * jnp.outer(r, r), r))({a})"
    ),
    "vmap over keys": (
        "jax.vmap(lambda key, r: r * jax.random.uniform(key, r.shape))("
        "jax.random.split({key}, {n}), {a})"
    ),
    "vectorize": "jnp.vectorize(lambda r: jnp.sum(r) * r[0], signature='(k)->()')({a}) * {mean}",
    "apply_along_axis": "jnp.apply_along_axis(lambda r: r * r[0], {axis}, {a})",
}
CONTROL = {
    "cond on x": "lax.cond(x[0] > 0.1, jnp.sin, lambda r: r ** 2 * 0.5, {a})",
    "cond on x with bodies": "lax.cond(x[-1] > 0.1, {same}, {same}, {a})",
    "cond on a constant": "lax.cond(jnp.asarray({k}) > 2, jnp.sin, jnp.cos, {a})",
    "cond on a constant with bodies": "lax.cond(jnp.arange(3).sum() > 2, {same}, {same}, {a})",
    "cond without x": "lax.cond(x[0] > 0.1, lambda r: jnp.ones_like(r), jnp.cos, {a})",
    "cond that closes over": (
        "lax.cond(jnp.sum(x > 0) > 1, lambda: jnp.sin({a}), lambda: 0.5 * {a})"
    ),
    "cond with rounding": "lax.cond(x[0] > 0.1, lambda r: r * rounded(r), jnp.sin, {a})",
    "switch on x": (
        "lax.switch(jnp.floor(jnp.abs(x[0]) * 3).astype(int) % 3, "
        "[jnp.sin, lambda r: r * r[..., ::-1] if r.ndim else r, jnp.cos], {a})"
    ),
    "switch with bodies": "lax.switch(jnp.argmax(x) % 3, [{same}, {same}, {same}], {a})",
    "switch on a constant": "lax.switch(jnp.asarray({k}), [jnp.sin, jnp.cos, jnp.tanh], {a})",
    "switch on a counter": (
        "lax.fori_loop(0, 3, lambda i, y: lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], y), {a})"
    ),
    "platform_dependent": "lax.platform_dependent({a}, cpu=jnp.sin, default=jnp.sin)",
    "piecewise": (
        "jnp.piecewise({a}, [{a} > 0.1137], [lambda r: r ** 2 * 0.4, lambda r: jnp.sin(r)])"
    ),
    "checkpoint": "jax.checkpoint({any})({a})",
    "checkpoint with a policy": (
        "jax.checkpoint({any}, policy=jax.checkpoint_policies.dots_saveable)({a})"
    ),
    "jit": "jax.jit({any})({a})",
    "jit inline": "jax.jit({any}, inline=True)({a})",
    "jit of jit": "jax.jit(jax.jit(lambda r: jnp.sin(r) * 0.8))({a})",
    "called twice": "(lambda g: g({a}) + 0.5 * g({b}))(jax.jit({same}))",
    "grad": "0.4 * jax.grad(lambda r: jnp.sum(jnp.sin(r) * r))({a})",
    "jvp": "jax.jvp(lambda r: jnp.sin(r) * r, ({a},), ({b},))[1]",
    "vjp": "jax.vjp(lambda r: jnp.sin(r) * r, {a})[1]({b})[0]",
    "linearize": "jax.linearize(jnp.sin, {a})[1]({b})",
    "linear_transpose": "jax.linear_transpose(lambda r: 0.7 * r, {a})({b})[0]",
    "value_and_grad": (
        "(lambda p: p[0] * p[1])(jax.value_and_grad(lambda r: jnp.mean(r ** 2))({a}))"
    ),
    "grad of a body": "0.3 * jax.grad(lambda r: jnp.mean({reversible}(r) ** 2))({a})",
    "jvp of a body": "jax.jvp({either}, ({a},), ({const},))[1]",
    "jacfwd of a body": "jax.jacfwd({triple})(jnp.resize({a}, 3))",
    "custom_jvp in a jit": "jax.jit(lambda r: powered(r, 0.8 * r))({a})",
    "custom_jvp in a vmap": "jax.vmap(lambda r: powered(r, 0.8 * r))(jnp.ravel({a}))",
}


RANDOM = {
    "normal": "{a} + 0.5 * jax.random.normal({key}, {a}.shape)",
    "uniform": "{a} * jax.random.uniform({key}, {a}.shape)",
    "bernoulli": "jnp.where(jax.random.bernoulli({key}, 0.6, {a}.shape), {a}, 0.0)",
    "permutation": "jax.random.permutation({key}, jnp.ravel({a}))",
    "split keys": (
        "(lambda p, q: jax.random.uniform(p) * {a} + jax.random.normal(q))"
        "(*jax.random.split({key}))"
    ),
    "fold_in": "{a} * jax.random.uniform(jax.random.fold_in({key}, {k}), {a}.shape)",
    "keys of a vmap": (
        "jax.vmap(lambda key: jax.random.normal(key))(jax.random.split({key}, 3)).sum() * 0.3 * {a}"
    ),
    "choice": "jax.random.choice({key}, jnp.ravel({a}), (3,))",
    "categorical": "{a} * jax.random.categorical({key}, jnp.zeros(3))",
    "dropout": ("jnp.where(jax.random.uniform({key}, {a}.shape) < 0.7, {a} / 0.7, 0.0)"),
    "wrapped key": (
        "{a} * jax.random.uniform(jax.random.wrap_key_data(jax.random.key_data(jax.random.key(4))))"
    ),
    "key in a fori_loop": (
        "lax.fori_loop(0, 2, lambda i, s: (jax.random.split(s[0])[1], s[1] * "
        "jax.random.uniform(s[0])), (jax.random.key({k}), {a}))[1]"
    ),
    "key in a cond": (
        "lax.cond(x[0] > 0.1, lambda key: jax.random.normal(key), lambda key: 0.3, "
        "jax.random.key({k})) * {a}"
    ),
    "key in a jit": "jax.jit(lambda key, r: r * jax.random.uniform(key))(jax.random.key({k}), {a})",
    "keys stacked": (
        "{a} * jax.random.normal(jnp.stack([jax.random.key(1), jax.random.key(2)])[1])"
    ),
}
FORWARD = {
    "while": (
        "lax.while_loop(lambda s: s[0] < 1 + jnp.floor(2 * jnp.abs(x[0])), "
        "lambda s: (s[0] + 1, jnp.sin(s[1] + 0.3)), (0, {a}))[1]"
    ),
    "while of a body": (
        "lax.while_loop(lambda s: s[0] < 2 + (x[0] > 0), lambda s: (s[0] + 1, {same}(s[1])), "
        "(0, {a}))[1]"
    ),
    "newton": (
        "lax.while_loop(lambda s: (jnp.max(s[1]) > 1e-13) & (s[2] < 60), lambda s: (lambda d: "
        "(s[0] - d, jnp.abs(d), s[2] + 1))((s[0] + 0.3 * jnp.sin(s[0]) - {a}) / "
        "(1 + 0.3 * jnp.cos(s[0]))), ({a}, jnp.ones({shape}), 0))[0]"
    ),
    "fori_loop of x": "lax.fori_loop(0, 1 + jnp.sum(x > 0), lambda i, y: jnp.sin(y + 0.2), {a})",
    "while that writes": (
        "lax.while_loop(lambda s: s[0] < jnp.minimum(jnp.sum(x > 0) + 1, 2), lambda s: (s[0] + 1, "
        "s[1].at[s[0]].set(jnp.mean({a}) * s[0] + 0.3)), (0, jnp.zeros(3)))[1]"
    ),
}
REVERSE = {
    "custom_vjp": "doubled({a})",
    "clipped cotangents": "clipped({a}) * {c}",
    "custom_vjp in a map": "lax.map(doubled, jnp.ravel({a}))",
    "custom_vjp in a scan": (
        "lax.scan(lambda c, r: (0.5 * c + doubled(r), c), 0.2, jnp.ravel({a}))[1]"
    ),
    "custom_vjp in a cond": "lax.cond(x[0] > 0.1, doubled, jnp.cos, {a})",
    "clipped in a cond": "lax.cond(x[0] > 0.1, clipped, jnp.cos, {a})",
    "clipped in a map": "lax.map(lambda r: clipped(r) * 0.9, jnp.ravel({a}))",
    "clipped in a scan": "lax.scan(lambda c, r: (clipped(0.5 * c + r), c), 0.2, jnp.ravel({a}))[1]",
    "custom_vjp in a jit": "jax.jit(lambda r: doubled(r) * r)({a})",
    "custom_vjp in a checkpoint": "jax.checkpoint(lambda r: doubled(r) * r)({a})",
    "custom_vjp in a vmap": "jax.vmap(lambda r: doubled(r) * r)(jnp.ravel({a}))",
}


def _table(kind: str, moves: dict[str, str], way: str = "") -> dict[str, Move]:
    return {name: Move(kind, template, way) for name, template in moves.items()}


GROUPS: dict[str, dict[str, Move]] = {
    "elementwise": _table("any", ELEMENTWISE),
    "pairs": _table("any", PAIRS),
    "shapes": _table("vector", SHAPES) | _table("matrix", MATRIX_SHAPES),
    "gathers": _table("vector", GATHERS) | _table("matrix", MATRIX_GATHERS),
    "scatters": _table("vector", SCATTERS),
    "constant matrices": _table("vector", CONSTANT_MATRICES),
    "products": _table("vector", PRODUCTS)
    | _table("matrix", MATRIX_PRODUCTS)
    | _table("batch", BATCHES),
    "reductions": _table("vector", ACCUMULATIONS) | _table("matrix", MATRIX_REDUCTIONS),
    "windows": _table("long", WINDOWS) | _table("matrix", MATRIX_WINDOWS),
    "linear algebra": _table("square", LINEAR_ALGEBRA),
    "loops": _table("long", SCANS) | _table("matrix", MATRIX_SCANS),
    "control": _table("any", CONTROL),
    "random": _table("any", RANDOM),
    "forward only": _table("any", FORWARD, "fwd"),
    "reverse only": _table("any", REVERSE, "rev"),
}
"""The moves by what they do: a group is drawn first, then one of its moves."""
MOVES = {name: move for group in GROUPS.values() for name, move in group.items()}
