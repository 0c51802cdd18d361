"""The command `compare`: whether two result files hold the same numbers.  Never JAX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaccli import startup
from jaccli.commands.options import REPORTS, CallRequest, budget_of
from jaccli.commands.outcome import Data, Outcome, Report
from jaccli.commands.request import argument, check_choice, option
from jaccli.context import Context
from jaccli.errors import VerdictError

if TYPE_CHECKING:
    from jaccli.result.compare.compare import Comparison, Verdict

_HEADER = ["array", "shape", "difference", "entries off", "verdict"]


class CompareRequest(CallRequest):
    """Two files, and how far they may differ."""

    # fmt: off
    a: str = argument("A", ".npy, .npz, .csv, .mtx or .json.")
    b: str = argument("B", "The file to compare it with.")
    rtol: float | None = option("--rtol", metavar="R", least=0,
        help="Relative (1e-6; 1e-4 if either is float32).")
    atol: float = option("--atol", metavar="A", help="Absolute tolerance (0).", default=0.0,
        least=0)
    norm: str = option("--norm", metavar="NORM", help="entry (default), max or fro.",
        choices=("entry", "max", "fro"), default="entry")
    memory: str | None = option("--memory", metavar="SIZE",
        help="Both files (half of the machine's).")
    format: str | None = option("--format", metavar="FORMAT", help=f"{', '.join(REPORTS)}.",
        choices=REPORTS)
    # fmt: on


def run(request: CompareRequest, context: Context) -> Iterator[Outcome]:
    """Compare two files.

    Raises:
        UsageError, SourceError: an option, or a file that cannot be read or compared.
    """
    check_choice(request, "format")
    startup.import_numpy()
    from jaccli.result import read_all
    from jaccli.result.compare.compare import compare, norm_named

    wanted = norm_named(request.norm)  # before files are read, which may take a while
    first, second = read_all(request.a, request.b, limit=budget_of(request.memory))
    found = compare(first, second, rtol=request.rtol, atol=request.atol, norm=wanted)
    form = request.format or ("table" if context.is_terminal else "plain")
    yield Report(
        form=form,
        text=lambda: _as_table(found) if form == "table" else str(found),
        data=lambda: _as_json(found, request.a, request.b, request.norm),
        exit_code=0 if found.passed else VerdictError.exit_code,
    )


def _as_table(comparison: Comparison) -> str:
    """Return a row for each array, and the entries that differ the most."""
    from jaccli.result.notation import shape_text
    from jaccli.result.numerals import significant
    from jaccli.result.render.columns import columns

    rows = [_HEADER]
    for one in comparison.verdicts:
        verdict = "equal" if one.passed else "different"
        if one.shapes[0] != one.shapes[1]:
            rows.append([one.key, " and ".join(map(shape_text, one.shapes)), "-", "-", verdict])
            continue
        count = f"{one.failed} of {one.size}"
        difference = significant(one.difference, 3)
        rows.append([one.key, shape_text(one.shapes[0]), difference, count, verdict])
    rows += [[key, "only in the first", "-", "-", "different"] for key in comparison.only_a]
    rows += [[key, "only in the second", "-", "-", "different"] for key in comparison.only_b]
    worst = [f"  {entry}" for entry in comparison.off]
    return "\n".join((columns(rows), *worst, *comparison.notes))


def _as_json(comparison: Comparison, a: str, b: str, norm: str) -> Data:
    """Return a comparison as plain data."""
    from jaccli.result.io.json import number

    return {
        "schema": 1,
        "a": a,
        "b": b,
        "norm": norm,
        "passed": comparison.passed,
        "arrays": {one.key: _verdict_as_json(one) for one in comparison.verdicts},
        "only_a": list(comparison.only_a),
        "only_b": list(comparison.only_b),
        "worst": [
            {"entry": entry.name, "a": number(entry.a), "b": number(entry.b)}
            for entry in comparison.worst
        ],
        "notes": list(comparison.notes),
    }


def _verdict_as_json(one: Verdict) -> Data:
    from jaccli.result.io.json import number

    return {
        "passed": one.passed,
        "shapes": [list(shape) for shape in one.shapes],
        "dtypes": list(one.dtypes),
        "rtol": one.rtol,
        "atol": one.atol,
        "difference": number(one.difference),
        "allowed": number(one.allowed),
        "entries_off": one.failed,
        "entries": one.size,
    }
