"""Products of two arrays with labelled axes, as few operations as they need.

Boundary: arrays and labels; nothing structured.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    return reshaped(array, [next(sizes) if label in labels else 1 for label in target])


def reshaped(array: Any, shape: Sequence[int]) -> Any:
    """Return the array reshaped, or as it is: each operation costs compile time."""
    return array if array.shape == tuple(shape) else array.reshape(shape)


def squeezed(array: Any, labels: Labels) -> tuple[Any, Labels]:
    """Return the array without its axes of size 1."""
    shape = array.shape
    kept = [label for label, size in zip(labels, shape, strict=True) if size != 1]
    return reshaped(array, [size for size in shape if size != 1]), kept


def summed(array: Any, labels: Labels, keep: set[Label]) -> tuple[Any, Labels]:
    """Return the sum over all labels but those to keep."""
    axes = tuple(a for a, label in enumerate(labels) if label not in keep)
    if not axes:
        return array, labels
    return jnp.sum(array, axes), [label for label in labels if label in keep]


class Factor(NamedTuple):
    """An array with labelled axes; those of size 1 are constant along their label."""

    array: Any
    labels: Labels

    def joined(self, by: Callable[[Any, Any], Any], other: Factor) -> Factor:
        """Return `by(self, other)`, element by element."""
        labels = [*self.labels, *(label for label in other.labels if label not in self.labels)]
        return Factor(by(arranged(*self, labels), arranged(*other, labels)), labels)


@dataclass(frozen=True, eq=False)
class Product:
    """A `value`, Σ a·b over the labels that do not number its axes, and its factors a and b.

    The factors serve to add products cheaply: a·b + c·b = (a + c)·b.  What scales a product scales
    its value: c·(a·b) as (c·a)·b may leave the range of floats where the former does not, and XLA
    fuses the scalings of a value anyway.
    """

    factors: tuple[Factor, Factor]
    dot: dict[str, Any]
    value: Any

    def plus(self, other: Product) -> Product | None:
        """Return the sum, if the products share a factor, or one is a factor of the other."""
        pairs = ((self, other), (self, whole(other.value)), (whole(self.value), other))
        for (p, q), k, m in itertools.product(pairs, (0, 1), (0, 1)):
            shared, same = p.factors[1 - k], q.factors[1 - m]
            if shared.array is same.array and shared.labels == same.labels and p.dot == q.dot:
                a, c = p.factors[k], q.factors[m]
                if not p._sums() or {*a.labels} == {*c.labels}:
                    return p._with(k, a.joined(operator.add, c))
        return None

    def _sums(self) -> bool:
        return any(label not in range(self.value.ndim) for label in self.factors[0].labels)

    def _with(self, k: int, factor: Factor) -> Product:
        """Return the product with another k-th factor."""
        factors = (factor, self.factors[1]) if k == 0 else (self.factors[0], factor)
        value = _multiplied(*factors, range(self.value.ndim), self.dot)
        return Product(factors, self.dot, value)


def whole(value: Any) -> Product:
    """Return a value as the product of 1 and itself."""
    one = Factor(np.ones((), value.dtype), [])
    return Product((one, Factor(value, list(range(value.ndim)))), {}, value)


def product(a: Any, la: Labels, b: Any, lb: Labels, target: Sequence[Label], **dot: Any) -> Product:
    """Return Σ a·b over the labels that are not in `target`, axes in its order (or of size 1).

    Axes of size 1 are constant along their label.  `dot` are parameters of `lax.dot_general`.
    """
    a, la = squeezed(a, la)
    b, lb = squeezed(b, lb)
    a, la = summed(a, la, {*target, *lb})
    b, lb = summed(b, lb, {*target, *la})
    number = {label: axis for axis, label in enumerate(target)}
    x, y = (
        Factor(array, [number.get(k, k) for k in labels]) for array, labels in ((a, la), (b, lb))
    )
    return Product((x, y), dot, _multiplied(x, y, range(len(target)), dot))


def _multiplied(x: Factor, y: Factor, target: Sequence[Label], dot: dict[str, Any]) -> Any:
    """Return Σ x·y over the labels that are not in `target`: one `dot_general` if there are any."""
    sums = [label for label in x.labels if label not in target]
    if not sums:
        return arranged(*x, target) * arranged(*y, target)
    batch = [label for label in target if label in x.labels and label in y.labels]

    def free(x: Factor, y: Factor) -> Labels:
        return [k for k in (*x.labels, *y.labels) if k not in (*sums, *batch)]

    swapped = [*batch, *free(y, x)]
    if swapped == [label for label in target if label in swapped]:
        x, y = y, x
    if not batch:  # as XLA likes it: x with the sums last, y with them first
        x = _transposed(x, [*(label for label in x.labels if label not in sums), *sums])
        y = _transposed(y, [*sums, *(label for label in y.labels if label not in sums)])

    def axes(labels: Labels) -> tuple[list[int], list[int]]:
        return [x.labels.index(k) for k in labels], [y.labels.index(k) for k in labels]

    dims = (axes(sums), axes(batch))
    return arranged(lax.dot_general(x.array, y.array, dims, **dot), [*batch, *free(x, y)], target)


def _transposed(factor: Factor, order: Labels) -> Factor:
    axes = [factor.labels.index(label) for label in order]
    return factor if order == factor.labels else Factor(factor.array.transpose(axes), order)
