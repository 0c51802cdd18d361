"""Cases of which the quick tests take some, and the slow ones the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest


def thinned(cases: Iterable[Any], every: int) -> list[Any]:
    """Return the cases as parameters; all but the first of every `every` are marked `slow`."""
    return [_case(case, number % every > 0) for number, case in enumerate(cases)]


def thinned_pairs(first: Sequence[Any], second: Sequence[Any], every: int) -> list[Any]:
    """Return all pairs as parameters: one of `every` is quick, over both alike."""
    pairs = product(enumerate(first), enumerate(second))
    return [_case((a, b), (i + j) % every > 0) for (i, a), (j, b) in pairs]


def _case(case: Any, slow: bool) -> Any:
    values = case.values if hasattr(case, "values") and hasattr(case, "marks") else case
    values = tuple(values) if isinstance(values, tuple | list) else (values,)
    marks = [*getattr(case, "marks", ()), *([pytest.mark.slow] if slow else [])]
    return pytest.param(*values, marks=marks, id=getattr(case, "id", None))
