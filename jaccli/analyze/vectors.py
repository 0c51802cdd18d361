"""Vectors as sums of names: `0.71 x[0] - 0.71 x[3]`.

Boundary: numbers and names in, text or plain data out.
"""

from __future__ import annotations

import numpy as np

from jaccli.analyze.problem import Labels
from jaccli.analyze.spectrum import Array

_TERMS = 4
"""Components that are shown at most."""
_WHOLE = 0.99
"""The part of the squared length from which on nothing is said to be missing."""
_EQUAL = 1e-4
"""The relative difference up to which two components are of one size."""
_LISTED = 8
"""Components that JSON holds at most."""


def orient(right: Array, left: Array | None) -> tuple[Array, Array | None]:
    """Return unit vectors with the greatest component of each of `right` positive.

    The signs of singular vectors are arbitrary but for their product, those of eigenvectors wholly.
    """
    if not right.size:
        return right, left
    sizes = np.abs(right)
    # Of components that are equal to rounding, the first.
    places = (sizes >= (1 - _EQUAL) * sizes.max(axis=1, keepdims=True)).argmax(axis=1)
    greatest = np.take_along_axis(right, places[:, None], axis=1)
    signs = np.where(greatest < 0, -1, 1).astype(right.dtype)
    return right * signs, None if left is None else left * signs


def text(vector: Array, labels: Labels) -> str:
    """Return the greatest components of a unit vector, with dots where others matter.

    >>> text(np.array([0.6, 0.0, -0.8]), ["x", "y", "z"])
    '-0.8 z + 0.6 x'
    """
    terms, length = "", 0.0
    for place in _greatest(vector, _TERMS):
        if length >= _WHOLE:
            break
        number = float(vector[place])
        length += number**2
        size = f"{abs(number):.2g}"
        name = labels[place] if size == "1" else f"{size} {labels[place]}"
        if terms:
            terms += f" {'-' if number < 0 else '+'} {name}"
        else:
            terms = f"-{name}" if number < 0 else name
    return f"{terms} + ..." if length < _WHOLE and terms else terms


def as_json(vector: Array, labels: Labels) -> dict[str, float]:
    """Return the greatest components by name."""
    return {labels[place]: float(vector[place]) for place in _greatest(vector, _LISTED)}


def _greatest(vector: Array, count: int) -> list[int]:
    """Return where the greatest components are, the greatest first, without zeros.

    What is equal to rounding keeps its order, so that the text does not depend on rounding.
    """
    sizes = np.abs(vector.astype(float))
    if len(sizes) > count:
        places = np.sort(np.argpartition(-sizes, count - 1)[:count])
    else:
        places = np.arange(len(sizes))
    greatest = sizes.max(initial=0.0)
    rounded = np.round(sizes[places] / greatest / _EQUAL) if greatest else sizes[places]
    order = np.argsort(-rounded, kind="stable")
    return [int(place) for place in places[order] if sizes[place] > _EQUAL**2 * greatest]
