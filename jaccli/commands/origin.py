"""What a result is of, in texts for a report: the model and the point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaccli.spec import PythonModel, Spec

if TYPE_CHECKING:
    from jaccli.models import LoadedModel
    from jaccli.result.result import ResultOrigin

_LISTED = 12
"""Entries of an input that are written out; of more, those at both ends."""


def origin(spec: Spec, model: LoadedModel) -> ResultOrigin:
    """Return the spec's name, its model and the point; large inputs are abbreviated."""
    from jaccli.result.notation import shape_text
    from jaccli.result.result import ResultOrigin

    rows: tuple[tuple[str, str], ...]
    if isinstance(spec.model, PythonModel):
        rows = (("Python function", spec.model.target),)
    else:
        rows = tuple((name, one.text) for name, one in spec.model.expressions.items())
    point = tuple(
        (name, shape_text(values.shape), _text(values)) for name, values in model.primals.items()
    )
    names = {"-": "standard input", "-e": "-e"}
    return ResultOrigin(names.get(spec.name, Path(spec.name).name), rows, point)


def _text(values: Any) -> str:
    """Return some entries of an array in reading order."""
    import numpy as np

    size = int(np.prod(values.shape))
    if not isinstance(values, np.ndarray):
        return f"{size:,} entries, in a file"
    if size <= _LISTED:
        return ", ".join(map(_number, values.reshape(-1).tolist()))
    half, flat = _LISTED // 2, values.reshape(-1)
    ends = [", ".join(map(_number, part.tolist())) for part in (flat[:half], flat[-half:])]
    return f"{ends[0]}, …, {ends[1]}"


def _number(value: Any) -> str:
    from jaccli.result.numerals import significant

    return significant(value, 6) if isinstance(value, float) else str(value)
