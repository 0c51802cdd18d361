"""Products of two arrays with labelled axes, as few operations as they need.

Boundary: arrays and labels; nothing structured.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import jax.numpy as jnp
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


def product(a: Any, la: Labels, b: Any, lb: Labels, target: Sequence[Label], **dot: Any) -> Any:
    """Return Σ a·b over the labels that are not in `target`, axes in its order (or of size 1).

    Axes of size 1 are constant along their label.  `dot` are parameters of `lax.dot_general`.
    """
    a, la = squeezed(a, la)
    b, lb = squeezed(b, lb)
    a, la = summed(a, la, {*target, *lb})
    b, lb = summed(b, lb, {*target, *la})
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
    dims = (
        ([lx.index(k) for k in contracted], [ly.index(k) for k in contracted]),
        ([lx.index(k) for k in batch], [ly.index(k) for k in batch]),
    )
    return arranged(lax.dot_general(x, y, dims, **dot), result, target)
