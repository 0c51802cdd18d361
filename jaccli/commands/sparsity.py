"""The command `sparsity`: where a derivative may be non-zero, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

from jaccli import terminal
from jaccli.choices import MODES
from jaccli.commands.options import OF, OUT_DIR, TargetRequest, suffixes, written
from jaccli.commands.outcome import Data, Outcome, is_utf8, json_line, put
from jaccli.commands.tasks import Task, check_suffix, check_targets, plans, tasks
from jaccli.context import Context
from jaccli.errors import SpecError, UsageError, expected, format_bytes
from jaccli.spec import Override
from jaccli.spec.overrides import option_node

if TYPE_CHECKING:
    from jaccli.derivative.sparse import Coloring, Pattern
    from jaccli.plan import Plan

_WIDTH, _HEIGHT = 64, 24
"""Characters and lines of the picture, at most."""


class SparsityRequest(TargetRequest):
    """The pattern of each spec's derivative; the mode is sparse, whatever the spec says."""

    of: str | None = OF
    out_dir: str | None = OUT_DIR
    suffix: str | None = suffixes(".mtx")
    output: str | None = written(".mtx")
    default_suffix = ".mtx"

    def overrides(self) -> list[Override]:
        """Return what the options change, and the mode: the spec's own may not go with `of`."""
        return [*super().overrides(), Override(("mode",), option_node("--mode", "auto"))]


@dataclass(frozen=True, kw_only=True)
class Sparsity(Outcome):
    """A pattern and its coloring."""

    plan: Plan
    pattern: Pattern
    coloring: Coloring

    def write(self) -> None:
        """Write the pattern as MatrixMarket."""
        from jaccli.result.io.pattern_files import write_pattern

        if self.target is not None:
            pattern, force = self.pattern, self.force
            write_pattern(self.target, pattern.rows, pattern.columns, pattern.shape, force=force)

    def print(self, out: TextIO) -> None:
        """Print the figures, for people with a picture."""
        if self.form == "json":
            data = as_json(self.plan, self.pattern, self.coloring)
            put(json_line(data, out.encoding or "utf-8"), out)
        elif self.form != "none":
            lines = as_lines(self.plan, self.pattern, self.coloring)
            put("\n".join((*lines, *_picture(self.pattern, ascii=not is_utf8(out)))), out)


def run(request: SparsityRequest, context: Context) -> Iterator[Outcome]:
    """Find the pattern of each spec's derivative.

    Raises:
        JaccliError: in the spec or the device, with the place in the user's text.
    """
    kinds = [name for name, modes in MODES.items() if "sparse" in modes]
    if request.of is not None and request.of not in kinds:
        raise UsageError(f"--of: {request.of!r} is no matrix.", hint=expected(kinds))
    asked = [_sparse(task, kinds) for task in tasks(request, context, request.of)]
    check_suffix(asked, ".mtx", "a pattern is written as MatrixMarket")
    check_targets(asked, request, context)
    for task, plan, _ in plans(asked, request, context):
        from jaccli.plan.sparse_plan import coloring, in_spec_order

        yield Sparsity(
            form=task.form,
            target=task.target,
            force=task.spec.output.force,
            plan=plan,
            pattern=in_spec_order(plan),
            coloring=coloring(plan),
        )


def _sparse(task: Task, kinds: list[str]) -> Task:
    """Return a task by mode sparse, in one piece."""
    spec = task.spec
    if task.derivative not in kinds:
        message = f"{task.derivative} is no matrix, and has no pattern."
        raise SpecError(spec.problem("derivative", message, f"Choose with --of {kinds[-1]}."))
    return replace(task, spec=replace(spec, mode="sparse", storage="sparse", chunk=None))


def as_json(plan: Plan, pattern: Pattern, coloring: Coloring) -> Data:
    """Return the figures as plain data."""
    least, most = _in_a_row(pattern)
    return {
        "schema": 1,
        "derivative": plan.derivative,
        "blocks": [block.key for block in plan.blocks],
        "shape": list(pattern.shape),
        "nnz": pattern.nnz,
        "density": pattern.density,
        "row_nnz": [least, most],
        "colors": coloring.count,
        "colored": coloring.side,
        "method": plan.reason,
        "bytes": {"dense": plan.dense_bytes, "sparse": plan.result_bytes},
    }


def as_lines(plan: Plan, pattern: Pattern, coloring: Coloring) -> list[str]:
    """Return the figures, for people."""
    rows, columns = pattern.shape
    least, most = _in_a_row(pattern)
    each = f"{most:,} in each row" if least == most else f"{least:,} to {most:,} in a row"
    dense, sparse = format_bytes(plan.dense_bytes), format_bytes(plan.result_bytes)
    lines = {
        "pattern": f"{plan.derivative} of {plan.spec.name}",
        "blocks": ", ".join(block.key for block in plan.blocks),
        "size": f"{rows:,} x {columns:,}",
        "nnz": f"{pattern.nnz:,}, {each}, density {100 * pattern.density:.3g} %",
        "colors": _colors(coloring),
        "method": plan.reason,
        "saves": f"{sparse} in place of {dense}",
    }
    return [f"{name:8} {value}" for name, value in lines.items()]


def _colors(coloring: Coloring) -> str:
    """Return what a coloring saves."""
    count, whole, side = coloring.count, coloring.whole, coloring.side
    what = f"{count:,} for {whole:,} {side if whole != 1 else side.removesuffix('s')}"
    if count in (0, whole):
        return what
    times = whole / count
    return f"{what}, {f'{times:,.0f}' if times >= 100 else f'{times:.3g}'} times fewer products"


def _in_a_row(pattern: Pattern) -> tuple[int, int]:
    """Return the least and the greatest number of entries in a row."""
    import numpy as np

    filled, counts = np.unique(pattern.rows, return_counts=True)
    least = counts.min(initial=pattern.nnz) if filled.size == pattern.shape[0] else 0
    return int(least), int(counts.max(initial=0))


def _picture(pattern: Pattern, *, ascii: bool) -> list[str]:
    from jaccli.result.render.spy import picture

    width = min(_WIDTH, terminal.columns())
    rows, columns, shape = pattern.rows, pattern.columns, pattern.shape
    return picture(rows, columns, shape, width=width, height=_HEIGHT, ascii=ascii)
