"""Vectors as sums of names: `0.71 x[0] - 0.71 x[3]`.

Boundary: numbers and names in, text or plain data out.
"""

from __future__ import annotations

import numpy as np

from jaccli.analyze.problem import Labels
from jaccli.analyze.spectrum import Array

_MAX_TERMS = 4
"""Maximum number of components of a text."""
_ENOUGH = 0.99
"""Share of the squared length from which on the other components are not mentioned."""
_EQUAL = 1e-4
"""Relative difference up to which two components count as equal."""
_MAX_JSON = 8
"""Maximum number of components in JSON."""


def orient(right: Array, left: Array | None) -> tuple[Array, Array | None]:
    """Return unit vectors with the greatest component of each of `right` positive.

    Signs of eigenvectors are arbitrary; a pair of singular vectors has one arbitrary sign.
    """
    if not right.size:
        return right, left
    sizes = np.abs(right)
    # Among components that are equal to rounding, the first.
    indices = (sizes >= (1 - _EQUAL) * sizes.max(axis=1, keepdims=True)).argmax(axis=1)
    greatest = np.take_along_axis(right, indices[:, None], axis=1)
    signs = np.where(greatest < 0, -1, 1).astype(right.dtype)
    return right * signs, None if left is None else left * signs


def text(vector: Array, labels: Labels) -> str:
    """Return the greatest components of a unit vector, with dots if the others matter.

    >>> text(np.array([0.6, 0.0, -0.8]), ["x", "y", "z"])
    '-0.8 z + 0.6 x'
    """
    terms, length = "", 0.0
    for index in _greatest(vector, _MAX_TERMS):
        if length >= _ENOUGH:
            break
        number = float(vector[index])
        length += number**2
        size = f"{abs(number):.2g}"
        name = labels[index] if size == "1" else f"{size} {labels[index]}"
        if terms:
            terms += f" {'-' if number < 0 else '+'} {name}"
        else:
            terms = f"-{name}" if number < 0 else name
    return f"{terms} + ..." if length < _ENOUGH and terms else terms


def as_json(vector: Array, labels: Labels) -> dict[str, float]:
    """Return the greatest components by name."""
    return {labels[index]: float(vector[index]) for index in _greatest(vector, _MAX_JSON)}


def _greatest(vector: Array, count: int) -> list[int]:
    """Return the indices of the greatest components, the greatest first, without zeros.

    Components that are equal to rounding keep their order, so that texts do not depend on it.
    """
    sizes = np.abs(vector.astype(float))
    if len(sizes) > count:
        indices = np.sort(np.argpartition(-sizes, count - 1)[:count])
    else:
        indices = np.arange(len(sizes))
    greatest = sizes.max(initial=0.0)
    rounded = np.round(sizes[indices] / greatest / _EQUAL) if greatest else sizes[indices]
    order = np.argsort(-rounded, kind="stable")
    return [int(index) for index in indices[order] if sizes[index] > _EQUAL**2 * greatest]


def complex_text(vector: Array, labels: Labels) -> str:
    """Return the greatest components of a complex unit vector, the greatest of them real.

    >>> complex_text(np.array([1.0, 1.0j]) / np.sqrt(2), ["x", "y"])
    '0.71 x + 0.71i y'
    """
    turned = turn(vector)
    if not np.abs(turned.imag).max(initial=0) > _EQUAL:
        return text(orient(turned.real[None], None)[0][0], labels)
    terms, length = "", 0.0
    for index in _greatest(np.abs(turned), _MAX_TERMS):
        if length >= _ENOUGH:
            break
        value = complex(turned[index])
        length += abs(value) ** 2
        sign, factor = _factor(value)
        term = f"{factor} {labels[index]}"
        terms = f"{terms} {sign} {term}" if terms else term if sign == "+" else f"-{term}"
    return f"{terms} + ..." if length < _ENOUGH and terms else terms


def complex_json(vector: Array, labels: Labels) -> dict[str, dict[str, float]]:
    """Return the greatest components by name, the greatest of them real."""
    turned = turn(vector)
    return {
        labels[index]: {"re": float(turned[index].real), "im": float(turned[index].imag)}
        for index in _greatest(np.abs(turned), _MAX_JSON)
    }


def turn(vector: Array) -> Array:
    """Return a complex vector times the phase that makes its greatest component positive."""
    sizes = np.abs(vector)
    # Among components that are equal to rounding, the first.
    index = int((sizes >= (1 - _EQUAL) * sizes.max(initial=0)).argmax())
    return np.asarray(vector * (vector[index].conj() / sizes[index])) if sizes[index] else vector


def _factor(value: complex) -> tuple[str, str]:
    """Return the sign and the text of a complex factor, without a part that is 0 to rounding."""
    real, imag = (part if abs(part) > _EQUAL * abs(value) else 0.0
                  for part in (value.real, value.imag))  # fmt: skip
    if not imag:
        return "-" if real < 0 else "+", f"{abs(real):.2g}"
    if not real:
        return "-" if imag < 0 else "+", f"{abs(imag):.2g}i"
    return "+", f"({real:.2g} {'-' if imag < 0 else '+'} {abs(imag):.2g}i)"
