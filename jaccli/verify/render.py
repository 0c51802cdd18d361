"""A report as text for a person, and as plain data for JSON."""

from __future__ import annotations

from dataclasses import asdict
from math import inf, isnan
from typing import Any

from jaccli import backend
from jaccli.result.io.json import number
from jaccli.result.notation import shape_text
from jaccli.result.render.columns import columns
from jaccli.verify.report import (
    FAIL,
    SKIPPED,
    UNDECIDED,
    Certificate,
    CheckReport,
    CheckResult,
    counted,
)

_NONE = "-"
_HEADER = ["check", "compared", "difference", "allowed", "estimated error", "verdict"]


def as_text(report: CheckReport) -> str:
    """Return the table of verdicts, the entries that are worst, and the notes."""
    plan = report.plan
    blocks = ", ".join(f"{block.key} {shape_text(block.shape)}" for block in plan.blocks[:3])
    more = f" and {len(plan.blocks) - 3} more" if len(plan.blocks) > 3 else ""
    lines = [
        f"check    {plan.derivative} {blocks}{more} of {plan.spec.name}",
        f"device   {plan.device.name}, {plan.spec.dtype}, precision {plan.spec.precision}, "
        f"mode {plan.operator}",
        columns(
            [_HEADER, *map(_cells, sorted(report.rows, key=_strain, reverse=True))],
            droppable=("estimated error", "compared"),
        ),
    ]
    for row in report.rows:
        if row.verdict != SKIPPED and (row.detail or row.worst):
            lines.append(f"{row.name}: {row.detail or 'the worst entries'}")
            lines += [f"  {worst}" for worst in row.worst]
    lines += [f"note: {note}" for note in report.notes]
    lines.append(_headline(report))
    return "\n".join(lines)


def _cells(row: CheckResult) -> list[str]:
    if row.verdict == SKIPPED:
        return [row.name, f"{SKIPPED}: {row.detail}"]
    return [
        row.name,
        row.compared or _NONE,
        *map(_number, (row.difference, row.allowed, row.estimated)),
        row.verdict,
    ]


def _strain(row: CheckResult) -> float:
    """Return the ratio of difference to allowance; rows that are skipped come last."""
    if row.verdict == SKIPPED:
        return -2.0
    if row.difference is None or row.allowed is None:
        return inf if row.verdict == FAIL else -1.0
    if not row.allowed:
        return inf if row.difference else 0.0
    return inf if isnan(row.difference) else row.difference / row.allowed


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1e}"


def _headline(report: CheckReport) -> str:
    def named(verdict: str) -> list[str]:
        return [row.name for row in report.rows if row.verdict == verdict]

    failed, unclear = named(FAIL), named(UNDECIDED)
    if failed:
        kinks = any(row.detail.startswith("kink") for row in report.rows)
        return f"verdict  FAIL: {', '.join(failed)}{' (kink)' if kinks else ''}"
    if unclear:
        return f"verdict  undecided: {', '.join(unclear)}"
    done = len(report.rows) - len(named(SKIPPED))
    return f"verdict  ok: {counted(done, 'check')}"


def as_json(report: CheckReport) -> dict[str, Any]:
    """Return a report as plain data; what is not finite is a string."""
    plan = report.plan
    return {
        "schema": 1,
        "spec": plan.spec.name,
        "derivative": plan.derivative,
        "mode": plan.operator,
        "device": plan.device.name,
        "dtype": plan.spec.dtype,
        "precision": plan.spec.precision,
        "batch": plan.model.batch_size,
        "blocks": {block.key: list(block.shape) for block in plan.blocks},
        "probes": report.probes,
        "seed": report.seed,
        "passed": report.passed,
        "checks": [_row_as_json(row) for row in report.rows],
        "notes": list(report.notes),
        "versions": backend.versions(),
    }


def _row_as_json(row: CheckResult) -> dict[str, Any]:
    return {
        "check": row.name,
        "verdict": row.verdict,
        "compared": row.compared,
        "difference": number(row.difference),
        "allowed": number(row.allowed),
        "estimated_error": number(row.estimated),
        "worst": [
            {"entry": one.entry, one.words[0]: number(one.a), one.words[1]: number(one.b)}
            for one in row.worst
        ],
        "detail": row.detail,
        **(
            {}
            if row.certificate is None
            else {"certificate": _certificate_as_json(row.certificate)}
        ),
    }


def _certificate_as_json(certificate: Certificate) -> dict[str, Any]:
    return {
        key: number(value) if isinstance(value, float) else value
        for key, value in asdict(certificate).items()
    }
