"""A case: a function at a point whose derivative is taken.  Data only; measures nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Case:
    """A function at a point; `closed` is its derivative written by hand.

    With `batched`, x has a leading axis, and the whole derivative is mapped over it.
    """

    name: str
    f: Function
    x: Any
    closed: Function | None = None
    derivative: str = "jacobian"
    batched: bool = False

    @property
    def point(self) -> Any:
        """One point, of which f takes the derivative."""
        return jax.tree.map(lambda leaf: leaf[0], self.x) if self.batched else self.x


def hessian(name: str, f: Function, x: Any, closed: Function | None = None) -> Case:
    """Return the case of a Hessian."""
    return Case(name, f, x, closed, "hessian")


def array(*shape: int, scale: float = 1.0, seed: int = 0) -> Any:
    """Return normal random numbers, the same for the same shape and seed."""
    rng = np.random.default_rng([seed, *shape])
    return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Any:
    """Return uniform random numbers, the same for the same shape and seed."""
    rng = np.random.default_rng([seed, *shape])
    return jnp.asarray(rng.uniform(low, high, shape), jnp.float32)
