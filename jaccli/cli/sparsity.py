"""The command `sparsity`: where a derivative may be non-zero, and what that saves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jaccli import terminal
from jaccli.choices import MODES
from jaccli.cli import console
from jaccli.cli.options import OF, Values, shared, with_options
from jaccli.cli.tasks import Task, check_targets, plans, tasks
from jaccli.errors import SpecError, UsageError, expected, format_bytes

if TYPE_CHECKING:
    from jaccli.derivative.sparse import Coloring, Pattern
    from jaccli.plan import Plan

_WITHOUT = ("resume", "mode", "storage", "chunk", "layout", "vector", "show", "digits", "explain",
            "fail_on_nonfinite")  # fmt: skip
"""Options of other commands: the mode is sparse, the layout matrix, and nothing is computed."""
_FORMATS = ("table", "plain", "json", "none")
_WIDTH, _HEIGHT = 64, 24
"""Characters and lines of the picture, at most."""


def sparsity_command(_: str) -> Callable[..., int | None]:
    """Return `sparsity`."""
    return with_options(sparsity, (OF, *shared(_WITHOUT, _FORMATS)))


def sparsity(values: Values) -> int:
    """Print the pattern of each spec's derivative, or write it as MatrixMarket."""
    of = values["of"]
    kinds = [name for name, modes in MODES.items() if "sparse" in modes]
    if of is not None and of not in kinds:
        raise UsageError(f"--of: {of!r} is no matrix.", hint=expected(kinds))
    values |= {"mode": "auto"}  # the spec's own may not go with `of`
    if values["out_dir"] is not None:
        values["suffix"] = values["suffix"] or ".mtx"
    asked = [_sparse(task, kinds) for task in tasks(values, of, _FORMATS)]
    for task in asked:
        if task.target is not None and task.target.suffix.lower() != ".mtx":
            hint = "Expected a name that ends in .mtx."
            raise UsageError(f"-o: {task.target}: a pattern is written as MatrixMarket.", hint=hint)
    check_targets(asked, values)
    for task, plan in plans(asked, values):
        from jaccli.plan.sparse_plan import coloring, in_spec_order
        from jaccli.result.io.pattern_files import write_pattern

        pattern, colors = in_spec_order(plan), coloring(plan)
        if task.target is not None:
            force = task.spec.output.force
            write_pattern(task.target, pattern.rows, pattern.columns, pattern.shape, force=force)
        if task.form == "json":
            console.out(console.json_line(as_json(plan, pattern, colors)))
        elif task.form != "none":
            console.out("\n".join(as_lines(plan, pattern, colors)))
    return 0


def _sparse(task: Task, kinds: list[str]) -> Task:
    """Return a task by mode sparse, in one piece."""
    spec = task.spec
    if task.derivative not in kinds:
        message = f"{task.derivative} is no matrix, and has no pattern."
        raise SpecError(spec.problem("derivative", message, f"Choose with --of {kinds[-1]}."))
    return replace(task, spec=replace(spec, mode="sparse", storage="sparse", chunk=None))


def as_json(plan: Plan, pattern: Pattern, coloring: Coloring) -> dict[str, Any]:
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
    """Return the figures and the picture, for a person."""
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
    text = [f"{name:8} {value}" for name, value in lines.items()]
    return [*text, *_picture(pattern)]


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


def _picture(pattern: Pattern) -> list[str]:
    from jaccli.result.render.spy import picture

    width = min(_WIDTH, terminal.columns())
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return picture(
        pattern.rows,
        pattern.columns,
        pattern.shape,
        width=width,
        height=_HEIGHT,
        ascii=not encoding.startswith("utf"),
    )
