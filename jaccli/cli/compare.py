"""The command `compare`: whether two result files hold the same numbers.  Never JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaccli import startup
from jaccli.cli import console
from jaccli.cli.options import budget_of
from jaccli.errors import UsageError, VerdictError, expected

if TYPE_CHECKING:
    from jaccli.result.compare.compare import Comparison, Verdict

_FORMATS = ("table", "plain", "json", "none")
_HEADER = ["array", "shape", "difference", "entries off", "verdict"]


def compare_command(_: str) -> Callable[..., int]:
    """Return `compare`."""

    def compare(
        a: Annotated[str, typer.Argument(metavar="A", help=".npy, .npz, .csv, .mtx or .json.")],
        b: Annotated[str, typer.Argument(metavar="B", help="The file to compare it with.")],
        rtol: Annotated[
            float | None,
            typer.Option("--rtol", metavar="R", help="Relative (1e-6; 1e-4 if either is float32)."),
        ] = None,
        atol: Annotated[
            float, typer.Option("--atol", metavar="A", help="Absolute tolerance (0).")
        ] = 0.0,
        norm: Annotated[
            str, typer.Option("--norm", metavar="NORM", help="entry (default), max or fro.")
        ] = "entry",
        memory: Annotated[
            str | None,
            typer.Option("--memory", metavar="SIZE", help="Both files (half of the machine's)."),
        ] = None,
        form: Annotated[
            str | None,
            typer.Option("--format", metavar="FORMAT", help=f"{', '.join(_FORMATS)}."),
        ] = None,
        debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
    ) -> int:
        form = form or console.default_form()
        if form not in _FORMATS:
            raise UsageError(f"--format: unknown value {form!r}.", hint=expected(_FORMATS))
        startup.import_numpy()
        from jaccli.result import read_all
        from jaccli.result.compare.compare import compare as compared
        from jaccli.result.compare.compare import norm_named

        wanted = norm_named(norm)  # before files are read, which may take a while
        first, second = read_all(a, b, limit=budget_of(memory))
        comparison = compared(first, second, rtol=rtol, atol=atol, norm=wanted)
        if form == "json":
            console.out(console.json_line(_as_json(comparison, a, b, norm)))
        elif form != "none":
            console.out(_as_table(comparison) if form == "table" else str(comparison))
        return 0 if comparison.passed else VerdictError.exit_code

    return compare


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


def _as_json(comparison: Comparison, a: str, b: str, norm: str) -> dict[str, Any]:
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


def _verdict_as_json(one: Verdict) -> dict[str, Any]:
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
