"""Cases of which the quick tests take some, and the slow ones the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

LONG = {
    "cli/test_process.py", "cli/test_surroundings.py", "derivative/test_modes.py",
    "expression/test_digits.py", "service/test_limits.py", "structured/test_rules.py",
    "tune/test_bench.py", "tune/test_tuned.py",
}  # fmt: skip
"""Files of which scripts/test takes every third quick case, and scripts/test-slow the others."""
_EVERY = 3


def thin(items: Iterable[pytest.Item], root: Path) -> None:
    """Mark what `LONG` leaves out as `slow`."""
    seen: Counter[str] = Counter()
    for item in items:
        name = item.path.relative_to(root).as_posix()
        if name in LONG and item.get_closest_marker("slow") is None:
            if seen[name] % _EVERY:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1


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
