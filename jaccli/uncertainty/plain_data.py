"""Numbers as JSON has them: what is not finite is a word, what is not defined may be null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaccli import backend
from jaccli.result import Result
from jaccli.uncertainty.covariance_matrices import Array

LISTED = 1000
"""Entries of which JSON has what grows with their square, or what nobody asked for."""


def account(result: Result, warnings: Sequence[str]) -> dict[str, Any]:
    """Return how the derivative was computed that a report is about."""
    return {
        "mode": result.mode,
        "reason": result.reason,
        "device": result.device,
        "dtype": result.dtype,
        "seconds": result.seconds,
        "versions": backend.versions(),
        "warnings": list(warnings),
    }


def shaped(values: Array, undefined: Array | None = None) -> Any:
    """Return numbers as nested lists; with `undefined`, NaN is null."""
    if values.dtype.kind == "b":
        return values.tolist()
    if np.isfinite(values).all():
        return values.tolist()
    return _spelled(values.tolist(), undefined is not None)


def _spelled(value: Any, null: bool) -> Any:
    if isinstance(value, list):
        return [_spelled(item, null) for item in value]
    return None if null and math.isnan(value) else number(value)


def number(value: float) -> Any:
    """Return a number, or the word for one that is not finite."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
