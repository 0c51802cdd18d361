"""A result larger than the memory budget, computed and written part by part."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from jaccli import files
from jaccli.cli import console
from jaccli.cli.options import Values
from jaccli.cli.tasks import Task
from jaccli.errors import ComputationError

if TYPE_CHECKING:
    from jaccli.execute.stream import Piece, Stream
    from jaccli.plan import Plan
    from jaccli.result import Partial


def may_be_streamed(task: Task, form: str) -> bool:
    """Return whether a task's result may go to its file in parts: nothing else is done with it."""
    npy = task.target is not None and task.target.suffix.lower() == ".npy"
    return npy and form == "none" and task.spec.expect is None


def is_streamed(plan: Plan) -> bool:
    """Return whether a result that may be streamed is: it does not fit the budget.

    Raises:
        BudgetError: it does not fit, and has no parts that could be written one after another.
    """
    from jaccli.plan import check_result

    if plan.input_bytes + plan.result_bytes <= plan.budget:
        return False
    if len(plan.blocks) > 1 or plan.storage != "dense" or not plan.far:
        check_result(plan)
    return True


def planned_stream(plan: Plan) -> Plan:
    """Return the plan as it would be streamed, with its chunk."""
    from jaccli.execute.stream import prepare_stream

    return prepare_stream(plan).plan


def stream(task: Task, plan: Plan, values: Values) -> None:
    """Compute a plan in parts and write each to the target's file; go on with what is begun."""
    from jaccli.execute.stream import prepare_stream
    from jaccli.plan import as_text
    from jaccli.result import Partial

    assert task.target is not None
    files.require_local(f"{task.target}: a result larger than the memory budget")
    made = prepare_stream(plan)
    if values["explain"] or values["verbose"]:
        console.err(as_text(made.plan))
    block = made.plan.blocks[0]
    resume = bool(values["resume"])
    with Partial(task.target, block.shape, block.dtype, _identity(made), resume=resume) as partial:
        account = _Account(made, partial, fail=bool(values["fail_on_nonfinite"]))
        before = len(partial.done)
        start = time.perf_counter()
        try:
            with console.progress(quiet=bool(values["quiet"])) as progress:
                made.run(frozenset(partial.done), account.write, progress)
        except KeyboardInterrupt:
            kept = f"{len(partial.done)} of {made.count} parts are kept"
            console.err(f"{task.target}: {kept}; go on with --resume.")
            raise
        took = time.perf_counter() - start
        partial.publish(force=task.spec.output.force)
    if not values["quiet"]:
        console.err(account.summary(took, before))


def _identity(made: Stream) -> dict[str, Any]:
    """Return what must be the same for parts to be of one result."""
    import numpy as np

    from jaccli import backend

    plan = made.plan
    digest = hashlib.sha256()
    for name, array in sorted({**plan.model.primals, **plan.vectors}.items()):
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return {
        "spec": plan.spec.sha256,
        "inputs": digest.hexdigest(),
        "derivative": plan.derivative,
        "mode": plan.operator,
        "precision": plan.spec.precision,
        "device": plan.device.name,
        "chunk": plan.chunk,
        "parts": made.count,
        "versions": backend.versions(),
    }


class _Account:
    """Writes the parts, and keeps account of their numbers."""

    def __init__(self, made: Stream, partial: Partial, *, fail: bool) -> None:
        from jaccli.result import Measuring

        self._made, self._partial, self._fail = made, partial, fail
        self._measuring = Measuring()

    def write(self, piece: Piece) -> None:
        """Write a part; refuse one that is not finite where that is asked for."""
        from jaccli.result.numerals import floats

        if piece.values.size:
            for chunk in floats(piece.fresh):
                self._measuring.add(chunk)
            if self._fail and (self._measuring.nans or self._measuring.infinities):
                raise ComputationError(
                    f"{self._partial.target}: part {piece.number} has entries that are not finite."
                )
        width = self._made.width
        if piece.columns:
            self._partial.write_columns(piece.number, piece.start, width, piece.values)
            return
        size = piece.values.size // max(len(piece.values), 1)
        self._partial.write_rows(piece.number, piece.start * size, piece.values)

    def summary(self, took: float, before: int) -> str:
        """Return one line about the whole."""
        from jaccli.errors import format_bytes
        from jaccli.result import timings

        plan, count = self._made.plan, self._made.count
        block = plan.blocks[0]
        written = plan.result_bytes * (count - before) / max(count, 1)
        rate = format_bytes(int(written / took)) if took > 0 else "-"
        seconds = {"compile": self._made.seconds, "run": took}
        earlier = f", {before} of them by an earlier run" if before else ""
        shape = f"({', '.join(map(str, block.shape))})"
        return " · ".join(
            (
                f"{plan.derivative} {block.key} {shape}",
                f"{plan.mode}: {plan.reason}",
                f"{plan.device.name} {plan.spec.dtype}",
                ", ".join((*timings(seconds, self._made.cache), f"{rate}/s")),
                f"{count} parts{earlier}",
                str(self._measuring.measures) if not before else "",
            )
        ).removesuffix(" · ")
