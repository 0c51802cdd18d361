"""Cases of which the quick tests take some, and the slow ones all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def thinned(cases: Iterable[Any], every: int) -> list[Any]:
    """Return the cases as parameters; all but every so-manieth are marked `slow`."""
    found = []
    for number, case in enumerate(cases):
        values = case.values if hasattr(case, "values") and hasattr(case, "marks") else case
        values = tuple(values) if isinstance(values, tuple | list) else (values,)
        marks = list(getattr(case, "marks", ())) + [pytest.mark.slow] * (number % every > 0)
        found.append(pytest.param(*values, marks=marks, id=getattr(case, "id", None)))
    return found
