"""What the derivatives of a model are held against: JAX's own, and finite differences.

Boundary: knows nothing of jaccli.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from tests.ecosystem.cases import Case, Function, Tree

WAYS = {
    1: (jax.jacrev, jax.jacfwd),
    2: (
        lambda f: jax.jacfwd(jax.jacrev(f)),
        lambda f: jax.jacrev(jax.jacrev(f)),
        lambda f: jax.jacfwd(jax.jacfwd(f)),
        lambda f: jax.jacrev(jax.jacfwd(f)),
    ),
}
"""Every way JAX has to a derivative of that order; the first one that works is the reference."""

DIRECTIONS = 3


def reference(case: Case, order: int) -> Tree | None:
    """Return the derivative by the first way that works, None if JAX refuses them all."""
    for way in WAYS[order]:
        try:
            return evaluated(way(case.model), case.point)
        except Exception:  # what JAX and the rules of libraries raise is of every type
            continue
    return None


QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}
"""How programs are compiled that run once: nearly all the time goes into compiling."""


def evaluated(function: Function, point: Tree) -> Tree:
    """Return the result of the compiled function as numpy arrays."""
    return jax.device_get(jax.jit(function, compiler_options=QUICK)(point))


class Differences(NamedTuple):
    """Derivatives along directions: `directions` (k, N), `quotients` (k, M), size of the values."""

    directions: NDArray[np.float64]
    quotients: NDArray[np.float64]
    size: float


@cache
def flattened(case: Case) -> Function:
    """Return the model as a compiled function of one vector to one vector."""
    function = case.smooth or case.model
    _, unravel = ravel_pytree(case.point)
    flat = lambda x: ravel_pytree(function(unravel(x)))[0]  # noqa: E731
    return jax.jit(flat, compiler_options=QUICK)


def differences(case: Case, order: int) -> Differences:
    """Return the first or second derivative along random directions, by five-point formulas."""
    x, _ = ravel_pytree(case.point)
    flat = flattened(case)

    def value(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(flat(x), np.float64)

    rng = np.random.default_rng(len(x))
    directions = rng.standard_normal((DIRECTIONS, len(x)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x, h, middle = np.asarray(x), case.step, value(x)
    quotients = []
    for v in directions:
        a, b, c, d = (value(x + k * h * v) for k in (-2, -1, 1, 2))
        if order == 1:
            quotients.append((a - 8 * b + 8 * c - d) / (12 * h))
        else:
            quotients.append((-a + 16 * b - 30 * middle + 16 * c - d) / (12 * h**2))
    return Differences(directions, np.stack(quotients), float(np.max(np.abs(middle))))


def along(derivative: Tree, point: Tree, order: int, directions: NDArray[np.float64]) -> NDArray:
    """Return a Jacobian `(*out, *in)` or Hessian `(*out, *in, *in)` along directions: (k, M).

    The leaves of a derivative are ordered by output, then by input.
    """
    sizes = [np.size(leaf) for leaf in jax.tree.leaves(point)]
    ends = np.cumsum(sizes)
    parts = [directions[:, end - n : end] for n, end in zip(sizes, ends, strict=True)]
    leaves = iter(jax.tree.leaves(derivative))
    rows = []
    for leaf in leaves:
        blocks = [leaf, *(next(leaves) for _ in range(len(sizes) ** order - 1))]
        if order == 1:
            pairs = zip(blocks, parts, strict=True)
            rows.append(sum(v @ b.reshape(-1, v.shape[1]).T for b, v in pairs))
        else:
            triples = zip(blocks, ((v, w) for v in parts for w in parts), strict=True)
            rows.append(
                sum(
                    np.einsum("mij,ki,kj->km", b.reshape(-1, v.shape[1], w.shape[1]), v, w)
                    for b, (v, w) in triples
                )
            )
    return np.concatenate(rows, axis=1)
