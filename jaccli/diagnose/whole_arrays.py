"""Why an operation on whole arrays is not finite: what is masked, which values coincide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

Array = np.ndarray

LARGEST = 10_000
"""Entries of an operand that is looked at."""
_CLOSE = 1e-13


def _matrices(a: Array) -> Iterator[tuple[str, Array]]:
    """Yield the matrices of a stack with how each is called."""
    for index in np.ndindex(a.shape[:-2]):
        named = f" of matrix [{','.join(map(str, index))}]" if index else ""
        yield named, a[index]


def _equal_values(word: str, find: Callable[[Array], Array]) -> Callable[[Array], str]:
    """Describe the values of matrices that coincide."""

    def reason(a: Array) -> str:
        for named, matrix in _matrices(a):
            values = find(matrix)
            size = float(np.abs(values).max(initial=0.0))
            for i, (one, two) in enumerate(pairwise(values)):
                if abs(one - two) <= _CLOSE * size:
                    return f"its {word} {i} and {i + 1}{named} are both {one:.6g}"
            if word == "singular values" and len(values) and values[-1] <= _CLOSE * size:
                return f"its singular value {len(values) - 1}{named} is 0"
        return ""

    return reason


def _symmetric(a: Array) -> Array:
    return np.linalg.eigvalsh((a + np.swapaxes(a, -1, -2)) / 2)


def _pivot(a: Array) -> str:
    """Describe the first pivot of elimination that is 0."""
    from scipy.linalg import lu

    for named, matrix in _matrices(a):
        pivots = np.diagonal(lu(matrix)[2])
        zero = np.flatnonzero(np.abs(pivots) <= _CLOSE * float(np.abs(matrix).max(initial=0.0)))
        if zero.size:
            return f"its pivot {zero[0]}{named} is 0: the matrix is singular"
    return ""


def _masked(x: Array) -> str:
    """Describe the rows in which everything is masked."""
    rows = np.flatnonzero(np.isneginf(np.atleast_1d(x)).all(axis=-1))
    if not rows.size:
        return "all entries are -inf" if np.isneginf(x).all(axis=0).any() else ""
    if x.ndim == 1:
        return "all entries are -inf"
    return f"all entries of row {rows[0]} are -inf"


REASONS: dict[str, tuple[str, Callable[[Array], str]]] = {
    "eigh": ("a", _equal_values("eigenvalues", _symmetric)),
    "svd": ("a", _equal_values("singular values", lambda a: np.linalg.svd(a, compute_uv=False))),
    "pinv": ("a", _equal_values("singular values", lambda a: np.linalg.svd(a, compute_uv=False))),
    **dict.fromkeys(("inv", "solve", "logdet", "slogdet"), ("a", _pivot)),
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp"), ("x", _masked)),
}
"""What is looked at of an operation, and what says why it is not finite, empty if that is not."""

MASKING = ("softmax", "log_softmax", "logsumexp")
"""Operations that explain what is not finite although their operand is not."""


def reason(name: str, operand: Array | None) -> str:
    """Return why an operation is not finite, if that can be told from its operand."""
    if operand is None or not operand.size:
        return ""
    if name not in MASKING and not np.isfinite(operand).all():
        return ""
    return REASONS[name][1](np.asarray(operand, np.float64))
