"""Candidates and bench reports as text for a person, and as plain data for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from jaccli import backend, terminal
from jaccli.errors import format_bytes
from jaccli.result.render.columns import columns
from jaccli.result.summary import duration
from jaccli.tune.bench import EAGER, LOOP, BenchReport, ModeTiming, delta
from jaccli.tune.candidates import Candidate

_NONE = "-"
_EVEN = 0.05
"""Relative difference of predictions that is none."""
_DROPPABLE = ("vs eager", "temporaries", "vs loop", "spread", "compile", "difference")
"""Columns of a bench that a narrow terminal goes without, in this order."""


def candidates_as_text(candidates: Sequence[Candidate], chosen: str) -> str:
    """Return a table of the candidates with XLA's predictions."""
    fastest = _fastest(candidates)
    header = ["candidate", "operations", "traffic", "temporaries", "predicted"]
    rows = []
    for candidate in candidates:
        name = candidate.operator + ("  *" if candidate.operator == chosen else "")
        if candidate.program is None:
            rows.append([name, _short(candidate.problem)])
            continue
        cost = candidate.program.cost
        rows.append(
            [
                name,
                f"{cost.operations:,.0f}",
                format_bytes(cost.traffic),
                format_bytes(cost.temporaries),
                f"{cost.seconds / fastest:.1f}x" if fastest else _NONE,
            ]
        )
    table = columns([header, *rows], droppable=("traffic", "temporaries"))
    return "\n".join(filter(None, (table, _why_not_fastest(candidates, chosen))))


def _why_not_fastest(candidates: Sequence[Candidate], chosen: str) -> str:
    """Return why the mode that will run is not the one with the smallest figure, if so."""
    known = {c.operator: c.program.cost.seconds for c in candidates if c.program is not None}
    if chosen not in known or not known:
        return f"*  {chosen} will run: it is not among the candidates that were compiled"
    best = min(known, key=lambda name: known[name])
    if known[chosen] <= (1 + _EVEN) * known[best]:
        return f"*  {chosen} will run"
    return (
        f"*  {chosen} will run: a mode is chosen by sizes and structure, before anything is\n"
        f"   compiled; {best} has the smallest prediction, and --mode tuned measures both"
    )


def candidates_as_json(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return the candidates by operator; sizes in bytes, times in seconds."""
    data: dict[str, Any] = {}
    for candidate in candidates:
        if candidate.program is None:
            data[candidate.operator] = {"problem": candidate.problem}
            continue
        cost = candidate.program.cost
        data[candidate.operator] = {
            "operations": cost.operations,
            "transcendentals": cost.transcendentals,
            "traffic": cost.traffic,
            "temporaries": cost.temporaries,
            "bytes": cost.held,
            "predicted_seconds": cost.seconds,
            "chunk": candidate.program.plan.chunk,
        }
    return data


def _short(problem: str) -> str:
    """Return the first sentence of a problem, without the mode before it."""
    first = problem.split(". ")[0].split(" (")[0]
    return first.partition(": ")[2] if " by mode " in first.partition(": ")[0] else first


def _fastest(candidates: Sequence[Candidate]) -> float:
    return min((c.program.cost.seconds for c in candidates if c.program is not None), default=0.0)


def report_as_text(report: BenchReport) -> str:
    """Return the table of a bench, with its headline."""
    plan = report.plan
    blocks = ", ".join(f"{block.key} {block.shape}" for block in plan.blocks[:3])
    header = [
        "mode", "compile", "median", "spread",
        "vs eager", "vs loop", "vs plain", "temporaries", "difference",
    ]  # fmt: skip
    lines = [
        f"bench    {plan.derivative} {blocks} of {plan.spec.name}",
        f"device   {plan.device.name}, {plan.spec.dtype}, precision {plan.spec.precision}",
        columns([header, *(_cells(report, row) for row in report.rows)], droppable=_DROPPABLE),
    ]
    lines += [
        f"{row.mode}: estimated from {row.done} of {row.total} rows"
        for row in report.rows
        if row.estimated and row.seconds
    ]
    lines.append(_headline(report))
    return "\n".join(lines)


def _cells(report: BenchReport, row: ModeTiming) -> list[str]:
    if not row.seconds:
        return [row.mode, _short(row.problem)]
    baselines = (report.find(EAGER), report.find(LOOP), report.best_plain)
    return [
        row.mode,
        duration(row.compile) if row.mode != EAGER else _NONE,
        ("~" if row.estimated else "") + duration(row.median),
        f"±{100 * row.spread:.0f}%" if len(row.seconds) > 1 else _NONE,
        *(_ratio(other.median / row.median) if other else _NONE for other in baselines),
        format_bytes(row.temporaries) if row.temporaries is not None else _NONE,
        f"{row.difference:.1e}" if row.difference is not None else _NONE,
    ]


def _ratio(value: float) -> str:
    """Return how many times faster a mode is: `1.17x`, `2,830x`, `1/2,770x`."""
    if value >= 100:
        return f"{value:,.0f}x"
    return f"{value:.3g}x" if value >= 0.01 else f"1/{1 / value:,.0f}x"


def _headline(report: BenchReport) -> str:
    """Return the performance delta in percent, (slower − faster) / slower, winner named."""
    winner = report.winner
    if winner is None:
        return "performance delta: no mode could be run"
    parts = [
        f"{_percent(delta(row.median, winner.median))} less time than {row.mode}{what}"
        f"{_doubt(row, winner)}"
        for row, what in _baselines(report, winner)
    ]
    text = f"performance delta: {winner.mode} takes {' and '.join(parts) or 'the least time'}"
    room = terminal.room()
    return text if room is None else fill(text, room, subsequent_indent="  ")


def _doubt(row: ModeTiming, winner: ModeTiming) -> str:
    """Return a remark where the difference is no larger than the runs' own spread."""
    level = delta(row.median, winner.median) <= 100 * (row.spread + winner.spread)
    return " (within the spread of the runs)" if level else ""


def _percent(value: float) -> str:
    """Return a percentage with as many digits as keep it below 100."""
    digits = next((d for d in range(1, 9) if round(value, d) < 100), 9)
    return f"{value:.{digits}f} %"


def _baselines(report: BenchReport, winner: ModeTiming) -> list[tuple[ModeTiming, str]]:
    """Return the modes to compare the winner with: the best plain (or other) mode, the loop."""
    plain, loop = report.best_plain, report.find(EAGER) or report.find(LOOP)
    if plain is not None and plain.mode != winner.mode:
        first = [(plain, ", the best plain mode")]
    else:
        others = [row for row in report.rows if row.seconds and row.mode != winner.mode]
        others = [row for row in others if row.mode not in (EAGER, LOOP)]
        first = [(min(others, key=lambda row: row.median), "")] if others else []
    words = {EAGER: ", the eager loop", LOOP: ", the compiled loop"}
    return first + ([(loop, words[loop.mode])] if loop and loop.mode != winner.mode else [])


def report_as_json(report: BenchReport) -> dict[str, Any]:
    """Return a report as plain data; times in seconds, sizes in bytes."""
    plan, winner = report.plan, report.winner
    return {
        "schema": 1,
        "spec": plan.spec.name,
        "derivative": plan.derivative,
        "device": plan.device.name,
        "dtype": plan.spec.dtype,
        "precision": plan.spec.precision,
        "batch": plan.model.batch_size,
        "blocks": {block.key: list(block.shape) for block in plan.blocks},
        "modes": {row.mode: _row_as_json(report, row) for row in report.rows},
        "winner": winner.mode if winner else None,
        "performance_delta_percent": {
            row.mode: delta(row.median, winner.median) for row, _ in _baselines(report, winner)
        }
        if winner
        else {},
        "tolerance": report.tolerance,
        "versions": backend.versions(),
    }


def _row_as_json(report: BenchReport, row: ModeTiming) -> dict[str, Any]:
    if not row.seconds:
        return {"problem": row.problem}
    baselines = {"eager": report.find(EAGER), "loop": report.find(LOOP), "plain": report.best_plain}
    return {
        "compile": row.compile,
        "median": row.median,
        "spread": row.spread,
        "runs": len(row.seconds),
        "estimated_from_rows": [row.done, row.total] if row.estimated else None,
        "speedup": {name: other.median / row.median for name, other in baselines.items() if other},
        "temporaries": row.temporaries,
        "difference": "Infinity" if row.difference == math.inf else row.difference,
        "agrees": None if row.difference is None else row.difference <= report.tolerance,
    }
