"""Those eigenvalues of a large matrix that decide on stability, by Arnoldi's method (ARPACK).

Of a sparse matrix, the rightmost ones by shift-invert: `A − σI` is factorized, and Arnoldi's method
finds the eigenvalues nearest to σ with their left and right eigenvectors.  The first shift is just
to the right of all of the spectrum (`spectral_region`); others follow along the imaginary
direction, until the discs that were searched cover all that could lie further right, or there
were `SHIFTS` of them.  The greatest moduli, and the rightmost eigenvalues of a matrix of which
there are products alone, need no factorization.

Boundary: scipy's matrices and `LinearOperator` in, `Eigenvalues` out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import eye_array, issparse
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs, splu

from jaccli.analyze.eigenvalues import CONTINUOUS, Eigenvalues
from jaccli.analyze.iterative import Effort, tolerance
from jaccli.analyze.spectral_region import Disc, Rectangle, covered, modulus_bound, rectangle
from jaccli.analyze.spectrum import Array
from jaccli.errors import BudgetError, ComputationError, format_bytes

SHIFTS = 10
"""Maximum number of factorizations."""
_SPARE = 6
"""Eigenvalues that are computed beside those that are wanted: they widen the searched disc."""
_SAME = 1e-6
"""Relative distance up to which eigenvalues of two shifts, or of A and Aᵀ, are the same."""
_ACCURACY = 1e-9
"""Residuals, relative to the eigenvalue, where there is no inverse; error bounds include them."""
_INSIDE = 1 - 1e-6


class _Pairs(NamedTuple):
    """Eigenvalues with unit right eigenvectors as rows, and condition numbers."""

    values: Array
    right: Array
    conditions: Array

    @staticmethod
    def none(size: int) -> _Pairs:
        return _Pairs(np.empty(0, complex), np.empty((0, size), complex), np.empty(0))


def eigenvalues(matrix: Any, effort: Effort, system: str) -> Eigenvalues:
    """Return the rightmost eigenvalues (discrete: the greatest) of an `(n, n)` matrix.

    Raises:
        BudgetError: the factors, or the basis, exceed the memory budget.
        ComputationError: the method finds no eigenvalue.
    """
    if _is_sparse(matrix):
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    size, norm = matrix.shape[0], _norm(matrix)
    frontier = math.inf
    if _is_sparse(matrix) and matrix.nnz == 0:
        count = min(effort.top, size)
        found = _Pairs(np.zeros(count, complex), np.eye(count, size, dtype=complex), np.ones(count))
        frontier, method = 0.0, "no entries"
    elif _is_sparse(matrix) and system == CONTINUOUS:
        found, frontier, shifts = _rightmost(matrix.tocsr().astype(float), effort)
        method = f"shift-invert Arnoldi, {shifts} shift{'s' * (shifts != 1)}"
    else:
        which = "LR" if system == CONTINUOUS else "LM"
        found, whole = _by_products(matrix, effort, which)
        method = "Arnoldi"
        if not whole and _is_sparse(matrix):
            ends = _real_ends(matrix.tocsr().astype(float), effort)
            found, method = _union(found, ends, 0j), "shift-invert Arnoldi"
        if system != CONTINUOUS and whole and len(found.values):
            # The others are smaller: Arnoldi's method finds the greatest first.
            frontier = float(np.abs(found.values).min())
        if system != CONTINUOUS and _is_sparse(matrix):
            frontier = min(frontier, modulus_bound(matrix))
    if not len(found.values):
        raise ComputationError(
            "analyze: Arnoldi's method has found no eigenvalue.",
            hint="Raise --products."
            if _is_sparse(matrix) else "Use --mode sparse, which searches with shift-invert.",
        )  # fmt: skip
    return _judged(matrix, found, frontier, norm, method, system)


def _judged(
    matrix: Any, found: _Pairs, frontier: float, norm: float, method: str, system: str
) -> Eigenvalues:
    """Return what was found with residuals and error bounds, in order."""
    values, size = found.values, matrix.shape[0]
    first = values.real if system == CONTINUOUS else np.abs(values)
    order = np.lexsort((-values.imag, -np.abs(values.imag), -first))
    values, right, conditions = values[order], found.right[order], found.conditions[order]
    residuals = np.array(
        [
            float(np.linalg.norm(_times(matrix, vector) - value * vector))
            for value, vector in zip(values, right, strict=True)
        ]
    )
    eps = float(np.finfo(matrix.dtype).eps)
    # The residual bounds the backward error, beside the rounding of the entries.
    bounds = np.where(norm > 0, conditions * (residuals + eps * norm), 0.0)
    departure = _departure(matrix, norm) if _is_sparse(matrix) else None
    return Eigenvalues(
        values=values + 0.0,
        residuals=residuals,
        conditions=conditions,
        bounds=bounds,
        converged=residuals <= tolerance(np.dtype(float)) * norm,
        right=right,
        total=size,
        method=method,
        frontier=frontier,
        norm=norm,
        departure=departure,
        departure_is_bound=True,
    )


# Shift-invert


def _rightmost(matrix: Any, effort: Effort) -> tuple[_Pairs, float, int]:
    """Return the rightmost eigenvalues, the frontier, and how many shifts it took."""
    box = rectangle(matrix)
    size = matrix.shape[0]
    found, discs = _Pairs.none(size), list[Disc]()
    # Beside the boundary: an eigenvalue may be on it.
    beside = max(1e-2 * box.height, 1e-4 * abs(box.right), 1e-10 * _norm(matrix))
    shift, step = complex(box.right + beside), 0.0
    for _ in range(SHIFTS):
        pairs, disc, guess = _near(matrix, shift, effort)
        found = _union(found, pairs, shift)
        if disc is not None:
            discs.append(disc)
        if not len(found.values):
            if guess is None or shift == guess:
                break
            shift = guess
            continue
        left = min(float(found.values.real.max()), 0.0)
        height = covered(discs, left, box.right)
        if height >= box.height:
            break
        middle = (left + box.right) / 2
        radius = disc.radius if disc is not None else 0.0
        step = Disc(complex(middle), radius).half_height(left, box.right)
        if not step and len(discs) > 1:
            break  # too narrow to cover the strip
        # A little less than the gap that a disc of this size can close.
        shift = complex(middle + 1e-3 * beside, max(height, 0.0) + 0.9 * step)
    return found, _frontier(found, discs, box), max(len(discs), 1)


def _real_ends(matrix: Any, effort: Effort) -> _Pairs:
    """Return eigenvalues near both ends of the real axis: the greatest moduli, if they are real."""
    found = _Pairs.none(matrix.shape[0])
    bound = 1.01 * modulus_bound(matrix)
    for end in (complex(bound), complex(-bound)):
        pairs, _, guess = _near(matrix, end, effort)
        if guess is not None:
            pairs, _, _ = _near(matrix, guess, effort)
        found = _union(found, pairs, guess or end)
    return found


def _frontier(found: _Pairs, discs: list[Disc], box: Rectangle) -> float:
    """Return the least of the real parts found, or 0, to whose right all has been searched."""
    real_parts = found.values.real - _SAME * np.abs(found.values)
    values = [0.0, *map(float, real_parts)]
    for left in sorted(values):
        if left <= box.right and covered(discs, left, box.right) >= box.height:
            return left
    return box.right


def _near(
    matrix: Any, shift: complex, effort: Effort
) -> tuple[_Pairs, Disc | None, complex | None]:
    """Return the eigenvalues nearest to a shift, and the disc that holds no others.

    Where none has converged, because all are far away, return a shift that is nearer to them.
    """
    size = matrix.shape[0]
    count = min(effort.top + _SPARE, size - 2)
    kind = complex if shift.imag else float
    number = shift if shift.imag else shift.real
    shifted = (matrix.astype(kind) - number * eye_array(size, dtype=kind)).tocsc()
    try:
        factors = splu(shifted)
    except RuntimeError:  # exactly singular: the shift is an eigenvalue
        nudge = 1e-8 * max(abs(number), _norm(matrix) * 1e-8)
        factors = splu((shifted - nudge * eye_array(size, dtype=kind)).tocsc())
        shift, number = shift + nudge, number + nudge
    except MemoryError as error:
        raise BudgetError("analyze: the factors of the sparse matrix exceed the memory.") from error
    taken = (factors.L.nnz + factors.U.nnz) * (np.dtype(kind).itemsize + 4)
    if taken > effort.memory:
        raise BudgetError(
            f"analyze: the factors of the sparse matrix take {format_bytes(taken)}, and "
            f"{format_bytes(max(effort.memory, 0))} are left of the memory budget.",
            hint="Raise --memory.",
        )

    solve_by: Any = factors.solve  # what it takes depends on how it was made

    def solver(how: str) -> Callable[[Array], Array]:
        def solve(vector: Array) -> Array:
            effort.advance(1)
            return np.asarray(solve_by(np.asarray(vector, kind).reshape(-1), how))

        return solve

    inverse, transposed = (
        LinearOperator((size, size), matvec=solver(how), dtype=np.dtype(kind)) for how in "NT"
    )
    inverted, right, whole = _arnoldi(inverse, count, "LM", effort)
    if not len(inverted):
        rough, _, _ = _arnoldi(inverse, 2, "LM", effort, accuracy=1e-2)
        if not len(rough):
            return _Pairs.none(size), None, None
        nearest = shift + 1 / complex(rough[np.argmax(np.abs(rough))])
        beside = 1e-3 * abs(nearest - shift)
        return _Pairs.none(size), None, complex(nearest.real + beside, abs(nearest.imag))
    inverted_left, left, _ = _arnoldi(transposed, count, "LM", effort)
    with np.errstate(divide="ignore"):
        values, left_values = shift + 1 / inverted, shift + 1 / inverted_left
    distances = np.abs(values - shift)
    conditions = _conditions(values, right, left_values, left.conj(), distances)
    disc = Disc(shift, _INSIDE * float(distances.max())) if whole else None
    return _Pairs(values, right, conditions), disc, None


def _union(found: _Pairs, pairs: _Pairs, shift: complex) -> _Pairs:
    """Return what was found together with what is near another shift, and its mirror image.

    An eigenvalue that both have is taken once for each time that one of them has it.
    """
    mirrored = [pairs]
    if shift.imag:
        mirrored.append(_Pairs(pairs.values.conj(), pairs.right.conj(), pairs.conditions))
    for new in mirrored:
        taken: set[int] = set()
        added = []
        for index, value in enumerate(new.values):
            near = np.abs(found.values - value)
            limit = _SAME * max(abs(value), abs(value - shift))
            same = [int(j) for j in np.argsort(near) if near[j] <= limit and int(j) not in taken]
            if same:
                taken.add(same[0])
            else:
                added.append(index)
        found = _Pairs(*(np.concatenate([a, b[added]]) for a, b in zip(found, new, strict=True)))
    return found


# Products alone


def _by_products(matrix: Any, effort: Effort, which: str) -> tuple[_Pairs, bool]:
    """Return eigenvalues at an end of the spectrum, and whether all that were sought were found."""
    size = matrix.shape[0]
    count = min(effort.top + _SPARE, size - 2)

    def operator(apply: Callable[[Array], Array]) -> LinearOperator:
        def product(vector: Array) -> Array:
            effort.advance(1)
            result = np.asarray(apply(vector.reshape(-1)), float)
            if not np.isfinite(result).all():
                message = "analyze: a product with the matrix has a NaN or an infinity."
                raise ComputationError(message)
            return result

        return LinearOperator((size, size), matvec=product, dtype=np.dtype(float))

    transposed = matrix.T.tocsr().dot if _is_sparse(matrix) else matrix.rmatvec
    forward = matrix.dot if _is_sparse(matrix) else matrix.matvec
    values, right, whole = _arnoldi(operator(forward), count, which, effort, _ACCURACY)
    if not len(values):
        return _Pairs.none(size), False
    left_values, left, _ = _arnoldi(operator(transposed), count, which, effort, _ACCURACY)
    conditions = _conditions(values, right, left_values, left.conj(), np.abs(values))
    return _Pairs(values, right, conditions), whole


def _arnoldi(
    operator: LinearOperator, count: int, which: Any, effort: Effort, accuracy: float = 0
) -> tuple[Array, Array, bool]:
    """Return eigenvalues, unit eigenvectors as rows, and whether all have converged."""
    size = operator.shape[0]
    basis = min(max(2 * count + 1, 24), size)
    needed = 3 * basis * size * operator.dtype.itemsize
    if needed > effort.memory:
        raise BudgetError(
            f"analyze: {basis} vectors of {size} entries for Arnoldi's method take "
            f"{format_bytes(needed)}, and {format_bytes(max(effort.memory, 0))} are left of the "
            "memory budget.",
            hint="Raise --memory, or ask for less with --top.",
        )
    values: Any
    vectors: Any
    start = np.random.default_rng(effort.seed).standard_normal(size).astype(operator.dtype)
    restarts = max(effort.limit // basis, 1)
    try:
        values, vectors = eigs(
            operator, count, which=which, v0=start, ncv=basis, maxiter=restarts, tol=accuracy
        )
        whole = True
    except ArpackNoConvergence as error:
        values, vectors, whole = error.eigenvalues, error.eigenvectors, False
    except ArpackError:
        return np.empty(0, complex), np.empty((0, size), complex), False
    rows = np.ascontiguousarray(vectors.T)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return values, rows, whole


def _conditions(
    values: Array, right: Array, left_values: Array, left: Array, scale: Array
) -> Array:
    """Return `1/‖Qᴴx‖`, with an orthonormal basis Q of the left eigenvectors of the same value.

    Infinite where none was found.
    """
    conditions = np.full(len(values), math.inf)
    for index, (value, vector) in enumerate(zip(values, right, strict=True)):
        same = np.abs(left_values - value) <= _SAME * max(float(scale[index]), abs(value))
        if same.any():
            basis, _ = np.linalg.qr(left[same].T)
            overlap = float(np.linalg.norm(basis.conj().T @ vector))
            conditions[index] = max(1 / overlap, 1.0) if overlap else math.inf
    return conditions


def _times(matrix: Any, vector: Array) -> Array:
    if _is_sparse(matrix):
        return np.asarray(matrix @ vector)
    return np.asarray(matrix.matvec(vector.real)) + 1j * np.asarray(matrix.matvec(vector.imag))


def _is_sparse(matrix: Any) -> bool:
    return bool(issparse(matrix))


def _norm(matrix: Any) -> float:
    """Return a bound of the 2-norm of a sparse matrix, `√(‖A‖₁‖A‖∞)`; else an estimate of it."""
    if _is_sparse(matrix):
        size = abs(matrix)
        return math.sqrt(float(size.sum(axis=0).max()) * float(size.sum(axis=1).max()))
    vector = np.random.default_rng(0).standard_normal(matrix.shape[1])
    norm = 0.0
    for _ in range(8):
        image = np.asarray(matrix.rmatvec(matrix.matvec(vector / np.linalg.norm(vector))), float)
        norm = float(np.linalg.norm(image)) ** 0.5
        if not norm or not math.isfinite(norm):
            break
        vector = image
    return norm


def _departure(matrix: Any, norm: float) -> float:
    """Return a lower bound of Henrici's departure from normality, `‖AᵀA − AAᵀ‖/(√6‖A‖)`.

    L. Elsner and M. Paardekooper, Linear Algebra Appl. 92 (1987) 107-124.
    """
    frobenius = float(np.linalg.norm(matrix.data))
    if not frobenius:
        return 0.0
    scaled = matrix.tocsr().astype(float) / frobenius
    commutator = scaled.T @ scaled - scaled @ scaled.T
    departure = float(np.linalg.norm(commutator.data)) / math.sqrt(6) * frobenius
    return departure if departure > 1e-14 * norm else 0.0
