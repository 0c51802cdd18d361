"""A differential equation of Diffrax, used by diffrax_predators.yaml."""

from __future__ import annotations

import diffrax
import jax
import jax.numpy as jnp


def populations(rates: jax.Array) -> dict[str, jax.Array]:
    """Return prey and predators at the times 1, 2 and 3 (Lotka and Volterra)."""

    def field(t: jax.Array, y: jax.Array, rates: jax.Array) -> jax.Array:
        birth, hunting, growth, death = rates
        prey, predators = y
        return jnp.stack([(birth - hunting * predators) * prey,
                          (growth * prey - death) * predators])  # fmt: skip

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        t0=0.0,
        t1=3.0,
        dt0=None,
        y0=jnp.array([10.0, 5.0]),
        args=rates,
        saveat=diffrax.SaveAt(ts=jnp.array([1.0, 2.0, 3.0])),
        stepsize_controller=diffrax.PIDController(rtol=1e-10, atol=1e-10),
    )
    return {"prey": solution.ys[:, 0], "predators": solution.ys[:, 1]}
