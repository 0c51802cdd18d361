"""One root of F(u, θ) = 0 in u, from a start: found, made exact, and judged.

1. optimistix's `Dogleg`, a trust-region method (M. J. D. Powell, "A hybrid method for nonlinear
   equations", 1970), on scaled unknowns and scaled equations, comes near.
2. Where that ends far from a root, as it does where a first step is so long that F overflows,
   Newton's method with damped steps goes on (Deuflhard, 2004, section 3.3): a step is halved until
   the step that follows it, by the same Jacobian, is shorter.
3. Newton's method goes on until its steps no longer shrink: to the last digits.
4. The root is judged by h = |J(u)⁻¹ (J(u + δ) − J(u)) δ| / |δ|, where δ is the step that Newton's
   method would take next together with what the rounding of F amounts to.  By the theorem of
   Newton and Kantorovich in its affine invariant form (P. Deuflhard, "Newton Methods for Nonlinear
   Problems", 2004, section 2.1) a root lies within 2 |δ| where h ≤ 1/2, and J is regular there.
   There is no tolerance that depends on a unit: h is small, as it is wherever digits of the
   derivative are right, or there is no root, or J is singular at it.

Boundary: differentiates nothing but F by u; its own derivative is `implicit_function.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.implicit.linear_systems import Array, LinearSystem, Residual

STEPS = 256
"""Steps of a run of the trust-region method, at most."""
_SMALLER = 1e-6
"""How far the size of an unknown may fall in a run: what is measured by its start is 0 then."""
_RUNS = 4
"""Runs of the method, at most."""
_SHORTEST = 1e-6
"""How far a damped step goes at least, of the size of the unknowns."""
_DAMPED_STEPS = 64
"""Steps of the damped method, at most."""
_NEWTON_STEPS = 40
"""Steps of Newton's method after it, at most."""
_SURE_STEPS = 3
"""Newton steps that are taken in any case: an entry that is 0 has steps of rounding alone."""
_DISTINCT = 0.05
"""The h from which on a root is not told apart from another one, or from none."""

_ARRIVED = 1e-3
"""The relative size of a Newton step below which the iteration has come to rest."""
_NEARBY = 0.125
"""How far away, relatively, the size of the terms is measured that may cancel at the root."""
_OPERATIONS = 8
"""Operations that round such a term, about."""


class Root(NamedTuple):
    """What was found: `u` `(n,)`, and whether it is a root at which the Jacobian is regular."""

    u: Array
    is_root: Array
    is_regular: Array


def find_root(
    residual: Residual, system: LinearSystem, start: Array, sizes: Array, theta: Any
) -> Root:
    """Return the root of `residual(u, theta)` that is found from `start`, `(n,)`.

    `sizes` `(n,)` are the magnitudes of the unknowns, by which the first steps are measured.
    """
    f = partial(_at, residual, theta)
    near = _damped(f, system, _approached(f, system, start, sizes), sizes)
    exact = _judged(f, system, _polished(f, system, near), sizes)
    better = exact.is_root | (jnp.linalg.norm(f(exact.u)) < jnp.linalg.norm(f(near)))
    return exact._replace(u=jnp.where(better, exact.u, near))


def _at(residual: Residual, theta: Any, u: Array) -> Array:
    return residual(u, theta)


class _Approach(NamedTuple):
    """A point, the sizes of its unknowns, and how many runs of the method have led there."""

    u: Array
    sizes: Array
    runs: Array
    goes_on: Array


def _approached(
    f: Callable[[Array], Array], system: LinearSystem, start: Array, sizes: Array
) -> Array:
    """Return where the trust-region method ends: run again where unknowns are of other sizes."""

    def run(state: _Approach) -> _Approach:
        u = _trusted(f, system, state.u, state.sizes)
        sizes = jnp.maximum(jnp.abs(u), _SMALLER * state.sizes)
        goes_on = jnp.any(sizes <= _SMALLER * state.sizes) & (state.runs < _RUNS)
        return _Approach(u, sizes, state.runs + 1, goes_on)

    begin = _Approach(start, sizes, jnp.ones((), jnp.int32), jnp.array(True))
    return lax.while_loop(lambda state: state.goes_on, run, begin).u


def _trusted(
    f: Callable[[Array], Array], system: LinearSystem, start: Array, sizes: Array
) -> Array:
    """Return where the trust-region method ends, unknowns and equations scaled to size 1."""
    import optimistix

    from jaccli.derivative.implicit.lineax_solver import Solver

    # It stops when a step changes u by less than `rtol` or `atol`, and the sum of squares, of 1 at
    # the start, by less than `atol`.
    atol, rtol = (1e-9, 1e-6) if start.dtype == jnp.float64 else (1e-5, 1e-3)
    rows = system.row_sizes(system.entries(f, start), sizes)
    rows = jnp.where((rows > 0) & jnp.isfinite(rows), rows, 1)
    first = jnp.linalg.norm(f(start) / rows)
    weights = jnp.where((first > 0) & jnp.isfinite(first), 1 / first, 1) / rows
    wide = jax.dtypes.canonicalize_dtype(float)  # optimistix mixes no dtypes: the default alone

    def scaled(z: Array, _: Any) -> Array:
        return (weights * f(sizes * z.astype(start.dtype))).astype(wide)

    method: Any = optimistix.Dogleg(rtol, atol, linear_solver=Solver(system))
    begin = (start / sizes).astype(wide)
    found: Any = optimistix.root_find(scaled, method, begin, max_steps=STEPS, throw=False)
    u = sizes * found.value.astype(start.dtype)
    return jnp.where(jnp.all(jnp.isfinite(u)), u, start)


class _Damped(NamedTuple):
    """A point, how many damped steps have led there, and whether the method goes on."""

    u: Array
    count: Array
    goes_on: Array


def _damped(f: Callable[[Array], Array], system: LinearSystem, u: Array, sizes: Array) -> Array:
    """Return where damped Newton steps lead; u itself where the next step is a small one."""

    def step(now: _Damped) -> _Damped:
        factors = system.factors(system.entries(f, now.u))
        delta = system.solve(factors, -f(now.u))
        measure = jnp.maximum(jnp.abs(now.u), sizes)
        length = jnp.linalg.norm(delta / measure)
        is_wanted = jnp.isfinite(length) & jnp.any(jnp.abs(delta) > _ARRIVED * measure)

        def halved(trial: tuple[Array, Array]) -> tuple[Array, Array]:
            # A residual that is not finite gives a step that is not, and so one that is too long.
            part = trial[0] / 2
            follows = system.solve(factors, -f(now.u + part * delta))
            return part, ~(jnp.linalg.norm(follows / measure) <= (1 - part / 4) * length)

        def goes_on(trial: tuple[Array, Array]) -> Array:
            return trial[1] & (trial[0] * length > _SHORTEST)

        part, failed = lax.while_loop(goes_on, halved, (jnp.full((), 2, u.dtype), is_wanted))
        moved = is_wanted & ~failed
        at = jnp.where(moved, now.u + part * delta, now.u)
        return _Damped(at, now.count + 1, moved & (now.count < _DAMPED_STEPS))

    begin = _Damped(u, jnp.zeros((), jnp.int32), jnp.array(True))
    return lax.while_loop(lambda now: now.goes_on, step, begin).u


class _Newton(NamedTuple):
    """The state of Newton's method: the last step's size, and whether it goes on."""

    u: Array
    size: Array
    count: Array
    goes_on: Array


def _polished(f: Callable[[Array], Array], system: LinearSystem, u: Array) -> Array:
    """Return the point after Newton's steps, as long as they shrink by half at least."""

    def step(state: _Newton) -> _Newton:
        delta = _newton_step(f, system, state.u)
        size = _relative(delta, state.u)
        good = jnp.isfinite(size)
        good &= (size < state.size / 2) | ((state.count < _SURE_STEPS) & (size < 0.1))
        u = jnp.where(good, state.u + delta, state.u)
        goes_on = good & (size > 0) & (state.count < _NEWTON_STEPS)
        return _Newton(u, size, state.count + 1, goes_on)

    start = _Newton(u, jnp.full((), jnp.inf, u.dtype), jnp.zeros((), jnp.int32), jnp.array(True))
    return lax.while_loop(lambda state: state.goes_on, step, start).u


def _newton_step(f: Callable[[Array], Array], system: LinearSystem, u: Array) -> Array:
    return system.solve(system.factors(system.entries(f, u)), -f(u))


def _relative(delta: Array, u: Array) -> Array:
    """Return the largest size of a change, each entry relative to what it changes."""
    sizes = jnp.maximum(jnp.abs(u), jnp.abs(delta))
    return jnp.max(jnp.abs(delta) / jnp.where(sizes > 0, sizes, 1))


def _judged(f: Callable[[Array], Array], system: LinearSystem, u: Array, sizes: Array) -> Root:
    """Return the point with the verdict on it."""
    eps = float(np.finfo(u.dtype).eps)
    entries = system.entries(f, u)
    factors = system.factors(entries)
    value = f(u)
    noise = _noise(f, system, u, sizes, value)
    signs = jnp.where(jnp.arange(u.size) % 2 == 0, 1, -1).astype(u.dtype)
    step = system.solve(factors, -value)
    strays = [step + system.solve(factors, noise * sign) for sign in (1, signs)]
    h = jnp.max(jnp.stack([_contraction(f, system, factors, u, stray) for stray in strays]))
    pivot = system.smallest_pivot(factors)
    finite = jnp.all(jnp.isfinite(u)) & jnp.all(jnp.isfinite(value)) & jnp.isfinite(h)
    distinct = finite & (h < _DISTINCT)
    regular = distinct & (pivot > 4 * eps * jnp.sqrt(u.size))
    # A root at which J is singular is known by its residual alone; 1/c has none at infinity.
    arrived = ~(jnp.abs(step) > _ARRIVED * jnp.maximum(jnp.abs(u), sizes))
    root = distinct | (jnp.all(jnp.abs(value) <= 16 * noise) & jnp.all(arrived))
    return Root(u, root, regular)


def _noise(
    f: Callable[[Array], Array], system: LinearSystem, u: Array, sizes: Array, value: Array
) -> Array:
    """Return the rounding of F at u, `(n,)`.

    It is what F strays by where u moves by a few units of rounding.  That may be 0 by chance, or
    because terms that cancel are exact: not less than the terms at nearby points are rounded by.
    """
    eps = float(np.finfo(u.dtype).eps)
    x = jnp.where(u == 0, sizes, u)
    ulp = eps * jnp.where(u == 0, sizes * eps, u)
    signs = jnp.where(jnp.arange(u.size) % 2 == 0, 1, -1).astype(u.dtype)

    def stray(move: Array) -> Array:
        _, slope = jax.jvp(f, (u,), ((u + move) - u,))
        return jnp.abs(f(u + move) - value - slope)

    def rounded(at: Array) -> Array:
        terms = _OPERATIONS * eps * system.row_sizes(system.entries(f, at), x)
        return jnp.where(jnp.isfinite(terms), terms, jnp.inf)

    strays = jax.vmap(stray)(jnp.stack([ulp, -ulp, 3 * signs * ulp]))
    terms = jax.vmap(rounded)(jnp.stack([u + _NEARBY * x, u - _NEARBY * x]))
    strays = jnp.where(jnp.isfinite(strays), strays, 0)
    # The smaller side: an exponential grows by orders of magnitude on the other one.
    least = jnp.min(terms, axis=0, keepdims=True)
    least = jnp.where(jnp.isfinite(least), least, 0)
    return jnp.max(jnp.concatenate([strays, least]), axis=0)


def _contraction(
    f: Callable[[Array], Array], system: LinearSystem, factors: Array, u: Array, delta: Array
) -> Array:
    """Return h: how much J changes along a step δ, seen through its inverse."""

    def slope(at: Array) -> Array:
        return jax.jvp(f, (at,), (delta,))[1]

    change = system.solve(factors, slope(u + delta) - slope(u))
    sizes = jnp.maximum(jnp.abs(u), jnp.abs(delta))
    sizes = jnp.where(sizes > 0, sizes, 1)
    moved = jnp.max(jnp.abs(delta) / sizes)
    return jnp.where(moved == 0, 0, jnp.max(jnp.abs(change) / sizes) / moved)
