"""Five problems of CUTEst in JAX and in CasADi, and the derivative of each that a solver needs.

Written anew from the formulas of their SIF files (https://github.com/ralna/SIF); sif2jax
(https://github.com/johannahaffner/sif2jax) has them in JAX, too.  Indices are computed where they
are used, as in the formulas.  Indices there begin with 1, here with 0.  CUTEst itself: N. I. M.
Gould, D. Orban and Ph. L. Toint, Comput. Optim. Appl. 60 (2015), 545-557.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from sparse_cases import Case

Array = NDArray[np.float64]
Function = Callable[[Any], Any]


def cvxqp1(n: int) -> Case:
    """CVXQP1, the Hessian of the objective.

    A convex quadratic program: Σ_i ½ i (x_i + x_{mod(2i−1, n)+1} + x_{mod(3i−1, n)+1})².  Its
    constraints are linear.  N. Gould, 1995; CVXQP1.SIF, classification QLR2-AN-V-V.
    """

    def f(x: Any) -> Any:
        i = jnp.arange(1, n + 1)
        alpha = x[i - 1] + x[(2 * i - 1) % n] + x[(3 * i - 1) % n]
        return jnp.sum(0.5 * i * alpha**2)

    def casadi(x: Any) -> Any:
        i = np.arange(1, n + 1)
        alpha = x + x[((2 * i - 1) % n).tolist()] + x[((3 * i - 1) % n).tolist()]
        return _ca().dot(0.5 * i, alpha**2)

    return Case("hessian", f, _near(np.full(n, 0.5)), casadi)


def broydnbd(n: int) -> Case:
    """BROYDNBD, the Jacobian of the residuals.

    Broyden's banded system, five variables below the diagonal and one above it.  In the middle
    r_i = 2 x_i + 5 x_i² − Σ_{i−5 ≤ j < i} (x_j + x_j³) − (x_{i+1} + x_{i+1}²), in the first five
    and last two rows 2 x_i + 5 x_i³ − Σ_{j ≠ i} (x_j + x_j²).  Problem 31 of J. J. Moré, B. S.
    Garbow and K. E. Hillstrom, ACM TOMS 7 (1981), 17-41, as BROYDNBD.SIF has it (Ph. Toint, 1989),
    classification NOR2-AN-V-V.
    """
    below, above = 5, 1

    def f(x: Any) -> Any:
        i = jnp.arange(n)[:, None]
        j = i + jnp.arange(-below, above + 1)
        inside = (j >= 0) & (j < n)
        near = x[jnp.clip(j, 0, n - 1)]
        square, cube = near**2, near**3
        middle = (i >= below) & (i < n - above - 1)
        own = 2 * near + 5 * jnp.where(middle, square, cube)
        other = near + jnp.where(middle & (j < i), cube, square)
        return jnp.sum(jnp.where(inside, jnp.where(j == i, own, -other), 0.0), 1)

    def casadi(x: Any) -> Any:
        def corner(i: int) -> Any:
            others = [j for j in range(max(i - below, 0), min(i + above + 1, n)) if j != i]
            return 2 * x[i] + 5 * x[i] ** 3 - sum(x[j] + x[j] ** 2 for j in others)

        first, last = below, n - above - 1
        own, after = x[first:last], x[first + 1 : last + 1]
        middle = 2 * own + 5 * own**2 - (after + after**2)
        for shift in range(1, below + 1):
            before = x[first - shift : last - shift]
            middle -= before + before**3
        ends = [list(map(corner, rows)) for rows in (range(first), range(last, n))]
        return _ca().vertcat(*ends[0], middle, *ends[1])

    return Case("jacobian", f, _near(np.ones(n)), casadi)


def lukvle14(n: int) -> Case:
    """LUKVLE14, the Jacobian of the constraints.

    The chained modified HS49 problem.  For k = 1, 3, 5, ...: c_k = x_k² + x_{k+1} + x_{k+2} +
    4 x_{k+3} − 7 and c_{k+1} = x_{k+2}² − 5 x_{k+4} − 6.  Problem 5.14 of L. Luksan and J. Vlcek,
    technical report 767, Academy of Sciences of the Czech Republic, 1999; LUKVLE14.SIF (N. Gould,
    2001), classification OQR2-AY-V-V.
    """
    n -= (n - 2) % 3
    return Case("jacobian", _chained_constraints(n), _chained_start(n), _chained_by_casadi(n))


def lukvle14_lagrangian(n: int) -> Case:
    """LUKVLE14, the Hessian of the Lagrangian at fixed multipliers λ_k = 1 + sin k.

    The objective: Σ_j (x_{j+1} − x_{j+2})² + (x_{j+3} − 1)² + (x_{j+4} − 1)⁴ + (x_{j+5} − 1)⁶ with
    j = 0, 3, 6, ...
    """
    n -= (n - 2) % 3
    groups = (n - 2) // 3
    constraints, by_casadi = _chained_constraints(n), _chained_by_casadi(n)

    def f(x: Any) -> Any:
        j = 3 * jnp.arange(groups)
        powers = (x[j + 2] - 1) ** 2 + (x[j + 3] - 1) ** 4 + (x[j + 4] - 1) ** 6
        multipliers = 1 + jnp.sin(1 + jnp.arange(2 * groups))
        return jnp.sum((x[j] - x[j + 1]) ** 2 + powers) + multipliers @ constraints(x)

    def casadi(x: Any) -> Any:
        a, b, c, d, e = (x[k : min(k + 3 * groups, n) : 3] for k in range(5))
        terms = (a - b) ** 2 + (c - 1) ** 2 + (d - 1) ** 4 + (e - 1) ** 6
        multipliers = 1 + np.sin(1 + np.arange(2 * groups))
        return _ca().sum1(terms) + _ca().dot(multipliers, by_casadi(x))

    return Case("hessian", f, _chained_start(n), casadi)


def _chained_constraints(n: int) -> Function:
    """Return the constraints of LUKVLE14, two for each three variables."""

    def f(x: Any) -> Any:
        def odd(k: Any) -> Any:
            return x[k] ** 2 + x[k + 1] + x[k + 2] + 4 * x[k + 3] - 7

        def even(k: Any) -> Any:
            return x[k + 2] ** 2 - 5 * x[k + 4] - 6

        k = jnp.arange(2 * ((n - 2) // 3))
        first = 2 * (k // 2)
        return jnp.where(k % 2 == 0, jax.vmap(odd)(first), jax.vmap(even)(first))

    return f


def _chained_by_casadi(n: int) -> Function:
    count = (n - 2) // 3

    def casadi(x: Any) -> Any:
        a, b, c, d, e = (x[k : k + 2 * count : 2] for k in range(5))
        both = _ca().horzcat(a**2 + b + c + 4 * d - 7, c**2 - 5 * e - 6)
        return _ca().vec(both.T)

    return casadi


def _chained_start(n: int) -> Array:
    return _near(np.resize([10.0, 7.0, -3.0], n))


def yatp1(n: int) -> Case:
    """YATP1, the Jacobian of the residuals.

    A square matrix x and multipliers y and z: x_ij³ − 10 x_ij² − (y_i + z_j)(x_ij cos x_ij −
    sin x_ij) = 0, and sums of sin(x_ij) / x_ij over each row and each column that are 1.  Ph.
    Toint, 2003, "a late evening idea"; as the heading of YATP1NE.SIF says it and YATP1CNE.SIF,
    corrected by N. Gould in 2019, computes it.  Classification NOR2-AN-V-V.
    """
    side = _side(n)
    return Case("jacobian", _stochastic(side), _stochastic_start(side), _stochastic_by_casadi(side))


def yatp1_lagrangian(n: int) -> Case:
    """YATP1, the Hessian of the residuals' sum at fixed multipliers λ_k = 1 + sin k."""
    side = _side(n)
    residuals, by_casadi = _stochastic(side), _stochastic_by_casadi(side)
    count = side**2 + 2 * side

    def f(x: Any) -> Any:
        return (1 + jnp.sin(1 + jnp.arange(count))) @ residuals(x)

    def casadi(x: Any) -> Any:
        return _ca().dot(1 + np.sin(1 + np.arange(count)), by_casadi(x))

    return Case("hessian", f, _stochastic_start(side), casadi)


def _side(n: int) -> int:
    """Return how many rows and columns the matrix has, of about n variables."""
    return max(round(math.sqrt(n + 1)) - 1, 2)


def _stochastic(side: int) -> Function:
    """Return the residuals of YATP1: of the entries, of the row sums, of the column sums."""

    def f(v: Any) -> Any:
        x = v[: side**2].reshape(side, side)
        y, z = jnp.split(v[side**2 :], 2)
        entries = x**3 - 10 * x**2 - (y[:, None] + z) * (x * jnp.cos(x) - jnp.sin(x))
        ratios = jnp.sin(x) / x
        return jnp.concatenate([entries.ravel(), ratios.sum(1) - 1, ratios.sum(0) - 1])

    return f


def _stochastic_by_casadi(side: int) -> Function:
    def casadi(v: Any) -> Any:
        ca = _ca()
        x = ca.reshape(v[: side**2], side, side).T  # CasADi keeps columns together
        y, z = v[side**2 : side**2 + side], v[side**2 + side :]
        both = ca.repmat(y, 1, side) + ca.repmat(z.T, side, 1)
        entries = x**3 - 10 * x**2 - both * (x * ca.cos(x) - ca.sin(x))
        ratios = ca.sin(x) / x
        return ca.vertcat(ca.vec(entries.T), ca.sum2(ratios) - 1, ca.sum1(ratios).T - 1)

    return casadi


def _stochastic_start(side: int) -> Array:
    return _near(np.concatenate([np.full(side**2, 6.0), np.full(2 * side, 0.5)]))


def scurly30(n: int) -> Case:
    """SCURLY30, the Hessian of the objective.

    Σ_i q_i (q_i (q_i² − 20) − 0.1) with q_i = Σ_{i ≤ j ≤ i+30} s_j x_j and scale factors s_i from
    1 to exp(12).  N. Gould, 1997; SCURLY30.SIF, classification SUR2-AN-V-0.
    """
    width = 30

    def f(x: Any) -> Any:
        scales = jnp.exp(12.0 * jnp.arange(n) / (n - 1))
        q = jnp.convolve(jnp.pad(scales * x, (0, width)), jnp.ones(width + 1), mode="valid")
        return jnp.sum(q * (q * (q**2 - 20) - 0.1))

    def casadi(x: Any) -> Any:
        ca = _ca()
        scaled = np.exp(12.0 * np.arange(n) / (n - 1)) * x
        q = scaled
        for shift in range(1, width + 1):
            q += ca.vertcat(scaled[shift:], ca.SX(shift, 1))
        return ca.sum1(q * (q * (q**2 - 20) - 0.1))

    i = np.arange(1, n + 1)
    start = 1e-4 * i * np.exp(12.0 * (i - 1) / (n - 1)) / (n + 1)
    return Case("hessian", f, _near(start), casadi)


def _near(start: Array) -> Array:
    """Return a point near the start, where no entry of a derivative is 0 by chance."""
    return start * np.random.default_rng(0).uniform(0.9, 1.1, start.size)


def _ca() -> Any:
    import casadi

    return casadi


CASES: dict[str, tuple[Callable[[int], Case], int]] = {
    "CVXQP1": (cvxqp1, 10_000),
    "BROYDNBD": (broydnbd, 5_000),
    "LUKVLE14": (lukvle14, 9_998),
    "LUKVLE14 Lagrangian": (lukvle14_lagrangian, 9_998),
    "YATP1": (yatp1, 123_200),
    "YATP1 Lagrangian": (yatp1_lagrangian, 123_200),
    "SCURLY30": (scurly30, 10_000),
}
"""Each problem's derivative, and the default number of variables of its SIF file."""
