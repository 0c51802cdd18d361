"""The PUMA 560 arm, used by puma560.yaml."""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Denavit-Hartenberg parameters of the links: offset d and length a in metres, twist in quarters of
# a turn.
LINKS = (
    (0.0, 0.0, 1),
    (0.0, 0.4318, 0),
    (0.15005, 0.0203, -1),
    (0.4318, 0.0, 1),
    (0.0, 0.0, -1),
    (0.0, 0.0, 0),
)


def wrist_position(q: jax.Array) -> dict[str, jax.Array]:
    """Return the position of the wrist's centre, in metres, at the joint angles `q` (6)."""
    position = jnp.zeros(3)
    for angle, (d, a, twist) in reversed(list(zip(q, LINKS, strict=True))):
        x, y, z = position
        # Turned about x by the twist (0 or a quarter turn), then moved along x and z ...
        x, y, z = x + a, (y, -z, z)[twist], (z, y, -y)[twist] + d
        # ... then turned about z by the joint.
        c, s = jnp.cos(angle), jnp.sin(angle)
        position = jnp.stack([c * x - s * y, s * x + c * y, z])
    return {"position": position}
