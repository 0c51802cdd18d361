"""A model as data: a function, a point, and how exactly its derivatives are known.

The modules in `models/` register their models with `@model(point)`; importing `models` imports all
of them.  Boundary: knows neither jaccli nor how a derivative is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tree = Any
Function = Callable[[Tree], Tree]


@dataclass(frozen=True, eq=False)
class Case:
    """A model at a point.

    `rtol` bounds the difference from JAX, relative to the largest entry of the derivative.
    Finite differences with the step `step` agree within `differences_rtol`; they take
    `smooth` in place of the model where its derivative is deliberately another one (stopped
    gradients) or where the model rounds.  `refused` has the orders (1: Jacobian, 2: Hessian) for
    which JAX has no derivative in any combination of modes.
    """

    model: Function
    point: Tree
    rtol: float = 1e-6
    step: float = 1e-3
    differences_rtol: float = 1e-6
    smooth: Function | None = None
    refused: tuple[int, ...] = ()


CASES: dict[str, Case] = {}


def model(point: Tree, **options: Any) -> Callable[[Function], Function]:
    """Register the decorated function as `module.function`, with the options of `Case`."""

    def register(function: Function) -> Function:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        assert name not in CASES
        assert function.__doc__, f"{name}: says neither what it is nor where it comes from"
        CASES[name] = Case(function, point, **options)
        return function

    return register


def positive(*shape: int) -> NDArray[np.float64]:
    """Return random numbers between 0.2 and 1.4, the same for the same shape."""
    return np.random.default_rng(shape).uniform(0.2, 1.4, shape)


def normal(*shape: int) -> NDArray[np.float64]:
    """Return standard normal random numbers, the same for the same shape."""
    return np.random.default_rng(shape).standard_normal(shape)
