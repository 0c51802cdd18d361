"""Products of two arrays with labelled axes, as few operations as they need.

Boundary: arrays and labels; nothing structured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Label = Hashable
Labels = list[Any]


def arranged(array: Any, labels: Labels, target: Sequence[Label]) -> Any:
    """Return the array with its axes in the target's order, size 1 where it has no such axis."""
    order = [labels.index(label) for label in target if label in labels]
    if order != list(range(array.ndim)):
        array = array.transpose(order)
    sizes = iter(array.shape)
    return array.reshape([next(sizes) if label in labels else 1 for label in target])


def squeezed(array: Any, labels: Labels) -> tuple[Any, Labels]:
    """Return the array without its axes of size 1."""
    shape = array.shape
    kept = [label for label, size in zip(labels, shape, strict=True) if size != 1]
    return array.reshape([size for size in shape if size != 1]), kept


def summed(array: Any, labels: Labels, keep: set[Label]) -> tuple[Any, Labels]:
    """Return the sum over all labels but those to keep."""
    axes = tuple(a for a, label in enumerate(labels) if label not in keep)
    if not axes:
        return array, labels
    return jnp.sum(array, axes), [label for label in labels if label in keep]


@dataclass(frozen=True, eq=False)
class Product:
    """A `value`, Σ a·b over the labels that are not in `target`, and what it was made of.

    The factors serve to scale and add it cheaply: c·(a·b) = (c·a)·b, and a·b + c·b = (a + c)·b.
    What is multiplied again leaves the first `value` unused: dead code, which jit drops.
    """

    factors: tuple[tuple[Any, Labels], tuple[Any, Labels]]
    target: tuple[Label, ...]
    dot: dict[str, Any]
    value: Any

    def scaled(self, by: Callable[[Any, Any], Any], c: Any) -> Product | None:
        """Return `by(self, c)`, a product or quotient, by way of a factor no larger than self."""
        c = jnp.reshape(c, (1,) * (len(self.target) - np.ndim(c)) + np.shape(c))
        c, lc = squeezed(c, list(self.target))
        sizes = [math.prod(a.shape) for a, _ in self.factors]
        able = [k for k, (_, la) in enumerate(self.factors) if {*lc} <= {*la}]
        k = min(able, key=sizes.__getitem__, default=None)
        if k is None or sizes[k] > math.prod(self.value.shape):
            return None
        a, la = self.factors[k]
        return self._with(k, by(a, arranged(c, lc, la)))

    def plus(self, other: Product) -> Product | None:
        """Return self + other, if they share a factor."""
        labels = [[la for _, la in p.factors] for p in (self, other)]
        if labels[0] != labels[1] or self.target != other.target or self.dot != other.dot:
            return None
        for k in (0, 1):
            if self.factors[1 - k][0] is other.factors[1 - k][0]:
                return self._with(k, self.factors[k][0] + other.factors[k][0])
        return None

    def _with(self, k: int, array: Any) -> Product:
        """Return the product with another k-th factor."""
        (a, la), (b, lb) = self.factors
        a, b = (array, b) if k == 0 else (a, array)
        return product(a, la, b, lb, self.target, **self.dot)


def product(a: Any, la: Labels, b: Any, lb: Labels, target: Sequence[Label], **dot: Any) -> Product:
    """Return Σ a·b over the labels that are not in `target`, axes in its order (or of size 1).

    Axes of size 1 are constant along their label.  `dot` are parameters of `lax.dot_general`.
    """
    a, la = squeezed(a, la)
    b, lb = squeezed(b, lb)
    a, la = summed(a, la, {*target, *lb})
    b, lb = summed(b, lb, {*target, *la})
    return Product(((a, la), (b, lb)), tuple(target), dot, _multiplied(a, la, b, lb, target, dot))


def _led_by(array: Any, labels: Labels, first: Labels) -> tuple[Any, Labels]:
    """Return the array with some of its axes moved to the front."""
    order = [*first, *(label for label in labels if label not in first)]
    return array.transpose([labels.index(label) for label in order]), order


def _multiplied(
    a: Any, la: Labels, b: Any, lb: Labels, target: Sequence[Label], dot: dict[str, Any]
) -> Any:
    """Return the value of a product: one `dot_general` where something is summed."""
    contracted = [label for label in la if label in lb and label not in target]
    if not contracted:
        return arranged(a, la, target) * arranged(b, lb, target)
    batch = [label for label in target if label in la and label in lb]
    best = None
    for x, lx, y, ly in ((a, la, b, lb), (b, lb, a, la)):
        free = [label for side in (lx, ly) for label in side if label not in (*contracted, *batch)]
        result = [*batch, *free]
        best = best or (x, lx, y, ly, result)
        if result == [label for label in target if label in result]:
            best = (x, lx, y, ly, result)
            break
    x, lx, y, ly, result = best  # type: ignore[misc]
    if not batch:  # the right factor as XLA likes it, which costs nothing where it is constant
        y, ly = _led_by(y, ly, contracted)
    dims = (
        ([lx.index(k) for k in contracted], [ly.index(k) for k in contracted]),
        ([lx.index(k) for k in batch], [ly.index(k) for k in batch]),
    )
    return arranged(lax.dot_general(x, y, dims, **dot), result, target)
