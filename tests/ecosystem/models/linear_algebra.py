"""Factorizations and solves of JAX and Lineax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import lineax as lx

from tests.ecosystem.cases import Tree, model, normal, positive


@model(normal(4, 4))
def decompositions(a: Tree) -> Tree:
    """A determinant, an inverse, eigenvalues and an exponential."""
    s = a @ a.T + 2 * jnp.eye(4)
    exponential = jax.scipy.linalg.expm(a * 0.1)
    sums = jnp.linalg.inv(s).sum() + jnp.linalg.eigvalsh(s).sum() + exponential.sum()
    return jnp.linalg.slogdet(s)[1] + sums


@model(normal(4, 3))
def least_squares(a: Tree) -> Tree:
    """`jnp.linalg.lstsq`, by the matrix."""
    return jnp.linalg.lstsq(a, jnp.arange(4.0))[0]


@model(normal(4, 4))
def lineax_cholesky(a: Tree) -> Tree:
    """A positive definite system."""
    operator = lx.MatrixLinearOperator(a @ a.T + 3 * jnp.eye(4), lx.positive_semidefinite_tag)
    return lx.linear_solve(operator, jnp.arange(4.0), lx.Cholesky()).value


@model({"diagonal": 4 + positive(4), "lower": normal(3), "right": normal(4)})
def lineax_tridiagonal(point: Tree) -> Tree:
    """A tridiagonal system, by the matrix and the right-hand side.

    https://docs.kidger.site/lineax/examples/structured_matrices/
    """
    upper = jnp.array([2.0, -1.0, -0.5])
    operator = lx.TridiagonalLinearOperator(point["diagonal"], point["lower"], upper)
    return lx.linear_solve(operator, point["right"]).value


@model(positive(3))
def lineax_jacobian_operator(y: Tree) -> Tree:
    """A step of Newton's method that knows the Jacobian by its products alone.

    https://docs.kidger.site/lineax/examples/no_materialisation/
    """

    def f(y: Tree, _: None) -> Tree:
        return jnp.stack([5 * y[0] + y[1] ** 2, y[1] - y[2] + 5, y[0] / (1 + 5 * y[2] ** 2) + y[2]])

    operator = lx.JacobianLinearOperator(f, y)
    solver = lx.Normal(lx.CG(rtol=1e-12, atol=1e-12))
    return y - lx.linear_solve(operator, f(y, None), solver).value


@model(normal(5, 2))
def lineax_least_squares(a: Tree) -> Tree:
    """An overdetermined system by a QR factorization.

    https://docs.kidger.site/lineax/examples/least_squares/
    """
    operator = lx.MatrixLinearOperator(a)
    return lx.linear_solve(operator, jnp.arange(5.0), solver=lx.QR()).value


@model(normal(4, 3))
def spectrum(a: Tree) -> Tree:
    """Singular values, a factorization and an eigenvector.

    https://docs.jax.dev/en/latest/jax.numpy.html#module-jax.numpy.linalg
    """
    gram = a.T @ a
    vectors = jnp.linalg.eigh(gram)[1]
    upper = jnp.linalg.qr(a)[1]
    return {
        "singular": jnp.linalg.svd(a, compute_uv=False),
        "projector": jnp.outer(vectors[:, 2], vectors[:, 2]),
        "volume": jnp.log(jnp.abs(jnp.diag(upper))).sum(),
        "solved": jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(gram), True), a[0]),
    }
