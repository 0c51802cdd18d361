"""Differential equations, solved by Diffrax and by JAX."""

from __future__ import annotations

import diffrax as dfx
import jax
import jax.numpy as jnp
from jax.experimental.ode import odeint

from tests.ecosystem.cases import Tree, model, normal, positive


def _reactions(t: Tree, y: Tree, k: Tree) -> Tree:
    return jnp.array([-k[0] * y[0], k[0] * y[0] - k[1] * y[1]])


@model(positive(2), differences_rtol=1e-5, step=1e-2, refused=(2,))
def adaptive_steps(k: Tree) -> Tree:
    """Reactions by their rates, at several times, with steps of adapted size."""
    return dfx.diffeqsolve(
        dfx.ODETerm(_reactions),
        dfx.Tsit5(),
        0.0,
        3.0,
        None,
        jnp.array([1.0, 0.2]),
        args=k,
        stepsize_controller=dfx.PIDController(rtol=1e-8, atol=1e-8),
        saveat=dfx.SaveAt(ts=jnp.linspace(0.0, 3.0, 5)),
    ).ys


@model(positive(2))
def forward_adjoint(k: Tree) -> Tree:
    """Euler's method, prepared for forward mode alone."""
    return dfx.diffeqsolve(
        dfx.ODETerm(lambda t, y, k: -k[0] * y + k[1]),
        dfx.Euler(),
        0.0,
        1.0,
        0.1,
        jnp.array([1.0]),
        args=k,
        adjoint=dfx.ForwardMode(),
    ).ys


@model((positive(1)[0], positive(1)[0]))
def second_order(y0: Tree) -> Tree:
    """Prey and predators by where they start, prepared for second derivatives.

    https://docs.kidger.site/diffrax/examples/hessian/
    """

    def field(t: Tree, y: Tree, args: Tree) -> Tree:
        prey, predators = y
        return 1.1 * prey - 0.4 * prey * predators, 0.1 * prey * predators - 0.4 * predators

    solver = dfx.Heun(scan_kind="bounded")
    solution = dfx.diffeqsolve(dfx.ODETerm(field), solver, 0.0, 1.0, 0.1, y0, max_steps=16)
    return solution.ys[0][0]


@model(positive(1)[0])
def steady_state(rate: Tree) -> Tree:
    """The solution at a steady state, by the implicit function theorem.

    https://docs.kidger.site/diffrax/examples/steady_state/
    """
    return dfx.diffeqsolve(
        dfx.ODETerm(lambda t, y, rate: rate - y - 0.1 * y**3),
        dfx.Tsit5(),
        0.0,
        jnp.inf,
        None,
        1.0,
        args=rate,
        max_steps=None,
        stepsize_controller=dfx.PIDController(rtol=1e-10, atol=1e-12),
        event=dfx.Event(dfx.steady_state_event(rtol=1e-10, atol=1e-12)),
        adjoint=dfx.ImplicitAdjoint(),
    ).ys


@model(normal(4, 2))
def neural_controlled(path: Tree) -> Tree:
    """A neural differential equation that data drive, by `DirectAdjoint`.

    https://docs.kidger.site/diffrax/examples/neural_cde/
    """
    weights = jnp.asarray(normal(2, 4))
    times = jnp.linspace(0.0, 1.0, 4)
    control = dfx.LinearInterpolation(times, path)
    term = dfx.ControlTerm(lambda t, y, args: jnp.tanh(y @ weights).reshape(2, 2), control).to_ode()
    return dfx.diffeqsolve(
        term, dfx.Euler(), 0.0, 1.0, 0.2, jnp.array([0.1, -0.2]),
        adjoint=dfx.DirectAdjoint(), max_steps=8,
    ).ys[0]  # fmt: skip


@model(positive(2))
def stochastic(k: Tree) -> Tree:
    """A stochastic differential equation along one Brownian path.

    https://docs.kidger.site/diffrax/usage/getting-started/
    """
    path = dfx.UnsafeBrownianPath(shape=(), key=jax.random.key(0))
    drift = dfx.ODETerm(lambda t, y, k: -k[0] * y)
    noise = dfx.ControlTerm(lambda t, y, k: k[1] * jnp.sin(y), path)
    return dfx.diffeqsolve(
        dfx.MultiTerm(drift, noise), dfx.Euler(), 0.0, 1.0, 0.25, 1.0, args=k,
        adjoint=dfx.DirectAdjoint(), max_steps=4,
    ).ys  # fmt: skip


@model(positive(2), differences_rtol=1e-5)
def pendulum(y0: Tree) -> Tree:
    """A pendulum by jax.experimental.ode, whose adjoint is an equation solved backwards."""

    def field(y: Tree, t: Tree) -> Tree:
        return jnp.array([y[1], -jnp.sin(y[0])])

    return odeint(field, y0, jnp.linspace(0.0, 2.0, 4), rtol=1e-9, atol=1e-9)
