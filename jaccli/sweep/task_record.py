"""The record of a task: its values, its status, and a summary of its result.

In JSON, numbers that are not finite are the texts `NaN`, `Infinity` and `-Infinity`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from jaccli.errors import JaccliError
from jaccli.result import Result, Sparse, dense, measure
from jaccli.result.compare.compare import Comparison
from jaccli.result.io.json import number
from jaccli.result.matrix import matrix
from jaccli.result.notation import shape_text
from jaccli.result.view import whole
from jaccli.sweep.expand import SweepTask

Status = Literal["pending", "done", "failed"]

_CONDITION_SIDE = 256
"""Maximum of the smaller side of a matrix whose condition number is computed."""
_CONDITION_SIZE = 1 << 17


@dataclass(frozen=True)
class TaskRecord:
    """The stored data of a task; `values` are by path, `shapes` by block.

    `fingerprint` is the hash of everything that determines the result, `spec_sha256` that of the
    spec alone.  `low`, `high` and `norm` are of the finite entries, `nonfinite` counts the others;
    `condition` is the condition number of a small matrix in the 2-norm.  `verdict` is that of
    `expect:`: `passed`, `failed`, or empty.  `seconds` is the task's share of its call's time.
    `blocks` has the shapes of the output and the inputs of each block, as `Result.manifest`.
    """

    name: str
    derivative: str
    values: dict[str, Any]
    file: str
    fingerprint: str
    spec_sha256: str
    status: Status = "pending"
    mode: str = ""
    reason: str = ""
    device: str = ""
    dtype: str = ""
    shapes: dict[str, str] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    norm: float | None = None
    nonfinite: int = 0
    condition: float | None = None
    verdict: str = ""
    error: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    blocks: dict[str, Any] = field(default_factory=dict)
    batch: int | None = None

    @property
    def total_seconds(self) -> float:
        """The sum of its seconds."""
        return sum(self.seconds.values())

    def as_json(self) -> dict[str, Any]:
        """Return the record as plain data."""
        numbers = {name: number(getattr(self, name)) for name in _NUMBERS}
        return asdict(self) | numbers | {"values": _json_value(self.values)}


_NUMBERS = ("low", "high", "norm", "condition")
_NAMES = {each.name for each in fields(TaskRecord)}


def _json_value(value: Any) -> Any:
    """Return plain data with texts in place of numbers that are not finite."""
    if isinstance(value, dict):
        return {name: _json_value(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_json_value(entry) for entry in value]
    return number(value) if isinstance(value, float) else value


def from_json(data: Any) -> TaskRecord:
    """Return the record of plain data.

    Raises:
        ValueError: the data is not a record.
    """
    if not isinstance(data, dict) or not set(data) <= _NAMES:
        raise ValueError("not the record of a task")
    try:
        numbers = {n: float(data[n]) for n in _NUMBERS if data.get(n) is not None}
        return TaskRecord(**(data | numbers))
    except TypeError as error:
        raise ValueError("not the record of a task") from error


def pending(task: SweepTask, suffix: str, fingerprint: str) -> TaskRecord:
    """Return the record of a task that is still to be computed."""
    return TaskRecord(
        task.name,
        task.derivative,
        task.values,
        f"{task.name}{suffix}",
        fingerprint,
        task.spec.sha256,
    )


def failed(record: TaskRecord, error: JaccliError) -> TaskRecord:
    """Return the record of a task that failed."""
    return replace(record, status="failed", error=str(error))


def done(record: TaskRecord, result: Result, comparison: Comparison | None) -> TaskRecord:
    """Return the record of a task with a result; the task has failed if `expect:` has."""
    summary = measure(result)
    passed = comparison is None or comparison.passed
    return replace(
        record,
        status="done" if passed else "failed",
        mode=result.mode,
        reason=result.reason,
        device=result.device,
        dtype=result.dtype,
        shapes={block.key: shape_text(block.values.shape) for block in result.blocks},
        low=summary.low,
        high=summary.high,
        norm=summary.norm,
        nonfinite=summary.nans + summary.infinities,
        condition=condition(result),
        verdict="" if comparison is None else "passed" if passed else "failed",
        error="" if passed else f"expect: {comparison}",
        seconds=result.seconds,
        blocks=result.manifest()["blocks"],
        batch=result.batch,
    )


def condition(result: Result) -> float | None:
    """Return the condition number of a small matrix in the 2-norm; None for other results."""
    if result.derivative not in ("jacobian", "hessian") or result.batch is not None:
        return None
    if any(isinstance(block.values, Sparse) for block in result.blocks):
        return None
    values = dense(matrix(whole(result)).values)
    if values.ndim != 2 or not 2 <= min(values.shape) <= _CONDITION_SIDE:
        return None
    if math.prod(values.shape) > _CONDITION_SIZE or not np.isfinite(values).all():
        return None
    return float(np.linalg.cond(np.asarray(values, np.float64)))
