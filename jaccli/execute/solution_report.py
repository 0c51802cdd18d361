"""What is said of equations that have no solution, or not a regular one.

Boundary: numbers and names in, sentences out; traces nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaccli.derivative.implicit import STEPS, LinearSystem
from jaccli.errors import Problem, listed
from jaccli.models.equations import EquationSystem
from jaccli.result.labels import LabelledAxis, Names

_DENSE = 2000
"""Unknowns up to which the singular direction is found by a singular value decomposition."""
_LEAST = 0.005
"""The smallest coefficient of a direction that is shown, of 1 for its length."""
_SHOWN = 6
_KINK = "a kink, or one with a vertical tangent"
_FALLEN = 1e-8
"""How far the residuals of a root have fallen from those of the start, if they are not exact."""
_ARRIVED = 1e-3
"""The relative size of a Newton step below which the iteration has come to rest."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """Where the root finder ended: `EquationSystem.examined` in numpy, at one batch row if any."""

    system: EquationSystem
    linear: LinearSystem
    shapes: Mapping[str, tuple[int, ...]]
    found: Mapping[str, np.ndarray]
    row: int | None

    @property
    def equations(self) -> LabelledAxis:
        """The names of the equations' entries."""
        return LabelledAxis(tuple(Names.of(name, shape) for name, shape in self.shapes.items()))

    @property
    def unknowns(self) -> LabelledAxis:
        """The names of the unknowns' entries."""
        starts = self.system.starts.items()
        return LabelledAxis(tuple(Names.of(name, start.shape) for name, start in starts))

    @cached_property
    def direction(self) -> np.ndarray | None:
        """The direction `(n,)` of length 1 along which the residuals change least."""
        entries = self.found["entries"]
        if not np.isfinite(entries).all():
            return None
        return _least_direction(self.linear.matrix(entries))

    @cached_property
    def scaled(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The Jacobian J and −F, rows scaled to size 1; None where they are large or not finite."""
        value, entries = self.found["residual"], self.found["entries"]
        if value.size > _DENSE or not (np.isfinite(entries).all() and np.isfinite(value).all()):
            return None
        matrix = _dense(self.linear.matrix(entries))
        rows = np.abs(matrix).max(axis=1)
        scale = 1 / np.where(rows > 0, rows, 1)
        return scale[:, None] * matrix, -scale * value

    @cached_property
    def step(self) -> np.ndarray | None:
        """The shortest step of Newton's method there, in least squares, `(n,)`."""
        if self.scaled is None:
            return None
        return np.asarray(np.linalg.lstsq(*self.scaled, rcond=_FALLEN)[0])


def problem_of(attempt: Attempt, others: int = 0) -> Problem:
    """Return what went wrong at a point; `others` counts the points at which something did."""
    start = attempt.found["start_residual"]
    value = attempt.found["residual"]
    where = "" if attempt.row is None else f"batch row {attempt.row}: "
    rows = "row" if others == 1 else "rows"
    more = f" {others:,} more {rows} failed, too." if others else ""
    if not np.isfinite(start).all():
        return _undefined(attempt, start, where, more)
    if bool(attempt.found["is_root"]) or _has_fallen(attempt) or _is_dependent(attempt):
        return _singular(attempt, where, more)
    return _not_converged(attempt, value, where, more)


def _has_fallen(attempt: Attempt) -> bool:
    """Return whether the iteration came to rest, slowly, where the residuals are nearly zero.

    As it does where solutions meet: Newton's method takes half of the way in each step.
    """
    found, system = attempt.found, attempt.system
    fallen = np.abs(found["residual"]).max() <= _FALLEN * np.abs(found["start_residual"]).max()
    if not fallen or attempt.step is None:
        return bool(fallen)
    sizes = np.maximum(np.abs(found["u"]), system.sizes)
    return bool((np.abs(attempt.step) <= _ARRIVED * sizes).all())


def _is_dependent(attempt: Attempt) -> bool:
    """Return whether the Jacobian is singular and the equations have a solution all the same.

    To first order, of dense systems: equations that are sums of others are met by many points.
    """
    if not attempt.found["is_flat"] or attempt.scaled is None or attempt.step is None:
        return False
    matrix, side = attempt.scaled
    return bool(np.abs(matrix @ attempt.step - side).max() <= _FALLEN * np.abs(side).max())


def _undefined(attempt: Attempt, start: np.ndarray, where: str, more: str) -> Problem:
    place = int(np.flatnonzero(~np.isfinite(start))[0])
    label = attempt.equations[place]
    number = str(start[place]).replace("nan", "NaN").replace("inf", "infinite")
    begin = attempt.system.start
    message = (
        f"{where}the equation {label} is {number} at the start, "
        f"{_values(attempt.unknowns, begin)}.{more}"
    )
    hint = "Start where every equation has a finite value (model.unknowns), or check the inputs."
    return _at(attempt, label, message, hint)


def _singular(attempt: Attempt, where: str, more: str) -> Problem:
    along, lost = _along(attempt), _not_finite(attempt)
    where_at = "their solution " if bool(attempt.found["is_root"]) or _has_fallen(attempt) else ""
    at = f"{where_at}{_values(attempt.unknowns, attempt.found['u'])}"
    if lost:
        message = (
            f"{where}the equations have no finite Jacobian at {at}: {lost}, "
            f"so the solution has no derivative.{more}"
        )
        kind = "beyond the range of floats" if attempt.found["overflows"] else _KINK
    else:
        said = (
            f"the residuals do not change along {along}" if along else "their Jacobian is singular"
        )
        message = (
            f"{where}the equations are singular at {at}: {said}, "
            f"so the solution has no derivative.{more}"
        )
        kind = "a turning point, a multiple root, a kink, or equations that depend on each other"
    hint = f"Such a point is {kind}. Move an input away from it, or replace an equation."
    return attempt.system.spec.problem(_path_of_all(attempt), message, hint)


def _path_of_all(attempt: Attempt) -> str:
    """Return the entry of the equations; of the only one, or one that an option has replaced."""
    place, path = attempt.system.spec.place, ("model", "equations")
    names, above = list(attempt.shapes), place(*path)
    new = [name for name in names if (at := place(*path, name)) and above and at[0] != above[0]]
    name = next(iter(new or names)) if new or len(names) == 1 else ""
    return ".".join((*path, name) if name else path)


def _not_finite(attempt: Attempt) -> str:
    """Return `∂balance/∂c is infinite` of the first entry of the Jacobian that is not finite."""
    entries = attempt.found["entries"]
    if np.isfinite(entries).all():
        return ""
    matrix: Any = attempt.linear.matrix(entries)
    if not isinstance(matrix, np.ndarray):
        matrix = matrix.tocoo()
        k = int(np.flatnonzero(~np.isfinite(matrix.data))[0])
        row, column, value = int(matrix.row[k]), int(matrix.col[k]), float(matrix.data[k])
    else:
        row, column = (int(k) for k in np.argwhere(~np.isfinite(matrix))[0])
        value = float(matrix[row, column])
    number = "NaN" if np.isnan(value) else "infinite"
    why = ": it overflows" if attempt.found["overflows"] else ""
    return f"∂{attempt.equations[row]}/∂{attempt.unknowns[column]} is {number}{why}"


def _not_converged(attempt: Attempt, value: np.ndarray, where: str, more: str) -> Problem:
    order = np.argsort(-np.abs(np.nan_to_num(value, nan=np.inf)), kind="stable")
    largest = [int(k) for k in order[:_SHOWN]]
    labels = [attempt.equations[k] for k in largest]
    residuals = [f"{label} = {value[k]:.3g}" for label, k in zip(labels, largest, strict=True)]
    rest = value.size - len(residuals)
    shown = listed(residuals) + (f" and {rest:,} smaller ones" if rest else "")
    along = _along(attempt)
    singular = (
        f" There, the residuals hardly change along {along}."
        if along and not bool(attempt.found["is_regular"]) and bool(attempt.found["is_flat"])
        else ""
    )
    if lost := _not_finite(attempt):
        singular = f" There, {lost}."
    message = (
        f"{where}no solution was found: a trust-region method (up to {STEPS} steps) and Newton's "
        f"method end at {_values(attempt.unknowns, attempt.found['u'])} "
        f"with the residuals {shown}.{singular}{more}"
    )
    hint = (
        "Start nearer to a solution, with each unknown in its own magnitude "
        "(model.unknowns, --set model.unknowns.NAME=VALUE); or there is none at these inputs."
    )
    return _at(attempt, labels[0], message, hint)


def _at(attempt: Attempt, label: str, message: str, hint: str) -> Problem:
    """Return a problem at the equation of an entry."""
    name = label.partition("[")[0]
    return attempt.system.spec.problem(f"model.equations.{name}", message, hint)


def _values(names: LabelledAxis, values: np.ndarray) -> str:
    """Return `c = 1.0, d = 2.5`, of the first ones where there are many."""
    count = min(len(names), _SHOWN)
    labels = names.pick(range(count))
    shown = ", ".join(f"{label} = {values[k]:.6g}" for k, label in enumerate(labels))
    return shown + (f" and {len(names) - count:,} more" if len(names) > count else "")


def _along(attempt: Attempt) -> str:
    """Return the singular direction as `0.71 c - 0.71 d`."""
    direction = attempt.direction
    if direction is None:
        return ""
    order = np.argsort(-np.abs(direction), kind="stable")
    large = [int(k) for k in order if abs(direction[k]) >= _LEAST]
    shown = sorted(large[:_SHOWN])
    text, turned = "", -1 if direction[shown[0]] < 0 else 1
    for k in shown:
        number = turned * float(direction[k])
        sign = "" if not text else " - " if number < 0 else " + "
        size = f"{abs(number):.2g}"
        text += sign + ("" if size == "1" else f"{size} ") + attempt.unknowns[k]
    return text + (f" + {len(large) - _SHOWN:,} more" if len(large) > _SHOWN else "")


def _least_direction(matrix: Any) -> np.ndarray:
    """Return the right singular vector of the smallest singular value, rows scaled to size 1."""
    size = matrix.shape[0]
    if size > _DENSE:
        return _by_inverse_iteration(matrix)
    dense = _dense(matrix)
    rows = np.abs(dense).max(axis=1, keepdims=True)
    return np.asarray(np.linalg.svd(dense / np.where(rows > 0, rows, 1))[2][-1])


def _dense(matrix: Any) -> np.ndarray:
    """Return a matrix of numpy's or scipy's in numpy, float64."""
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), np.float64)


def _by_inverse_iteration(matrix: Any) -> np.ndarray:
    """Return the same of a sparse matrix, moved a little where it is exactly singular."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import splu

    moved = matrix + np.finfo(float).eps * abs(matrix).max() * identity(matrix.shape[0])
    factors: Any = splu(moved.tocsc())
    vector = np.random.default_rng(0).normal(size=matrix.shape[0])
    for _ in range(8):
        vector = factors.solve(factors.solve(vector / np.linalg.norm(vector), trans="T"))
    return np.asarray(vector / np.linalg.norm(vector))
