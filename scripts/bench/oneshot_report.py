"""The table of one-shot choices: seconds of each candidate, and of what `auto` takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import jax
from measuring import geometric_mean
from verdicts import Verdicts

from jaccli.derivative import cost
from jaccli.derivative.compile_cost import OneCall
from jaccli.derivative.operators import REGISTRIES
from jaccli.derivative.select_mode import choose
from jaccli.derivative.trace_info import facts

_HEAD = """\
One call: scripts/bench/bench_oneshot.py on a 2-core machine that others used too, jax {}.
Functions of corpus_oneshot_judged.py (float64), then of corpus_held_out.py (float32); the model is
fitted to others, those of corpus_oneshot_fit.py and corpus_made_on.py.
Seconds to trace, lower, compile and run once with empty caches, each candidate once (they vary by
15 %). s-: structured; >: stopped, and counted with these seconds; inf: there is no such mode,
or not enough memory. Ratio: seconds of what auto takes for one call, its choice included, over
those of the best candidate; before: the same of what it takes where programs are kept.
"""
Figures = Mapping[str, Mapping[str, float]]


class Row(NamedTuple):
    """What was chosen for a case: seconds of the choice, and ratios to the best candidate."""

    name: str
    derivative: str
    figures: Figures
    chosen: str
    choosing: float
    before: str
    choosing_before: float

    @property
    def best(self) -> float:
        """The seconds of the best candidate."""
        return min(map(total, self.figures.values()))

    @property
    def ratio(self) -> float:
        """Seconds by `auto`, its choice included, over the best; of a stopped one, at least."""
        return (total(self.figures[self.chosen]) + self.choosing) / self.best

    @property
    def ratio_before(self) -> float:
        """The same by the rule for repeated calls."""
        return (total(self.figures[self.before]) + self.choosing_before) / self.best


def total(figures: Mapping[str, float]) -> float:
    """Return the seconds of a candidate; those after which it was stopped, if it was."""
    return sum(figures.values()) if "error" not in figures else float("inf")


def chosen(case: Any, figures: Figures) -> Row:
    """Choose for a case, as a single call does and as a repeated one does."""
    about = facts(case.f, case.x)

    def at(operator: str) -> Any:
        return partial(REGISTRIES[case.derivative][operator], case.f)

    measures = cost.measures(at, (case.x,))
    start = time.perf_counter()
    once = OneCall(about)
    choice = choose(case.derivative, about, "auto", *measures, once=once)
    middle = time.perf_counter()
    before = choose(case.derivative, about, "auto", *measures)
    end = time.perf_counter()
    return Row(
        case.name,
        case.derivative,
        figures,
        choice.operator,
        middle - start,
        before.operator,
        end - middle,
    )


def report(cases: Any, record: Mapping[str, Figures]) -> None:
    """Print a line for every case, then the summary."""
    print(_HEAD.format(jax.__version__))
    print(f"{'J Jacobian or gradient, H Hessian':44s} ratio before  chosen; seconds by candidate")
    rows = []
    for case in cases:
        figures = record.get(case.name, {})
        if figures:
            rows.append(chosen(case, figures))
            print(_line(rows[-1]), flush=True)
    verdicts = Verdicts()
    print(f"\n{len(rows)} functions; a stopped candidate counts with the seconds it was given")
    ratios = [row.ratio for row in rows]
    within = sum(ratio <= 1.25 for ratio in ratios) / len(ratios)
    note = f"worst {max(ratios):.2f}x, {within:.0%} within 1.25x"
    verdicts.at_most("auto / best, geometric mean", geometric_mean(ratios), 1.25, note)
    verdicts.at_most("auto / best, worst", max(ratios), 2.0)
    shares = [row.choosing / (row.choosing + total(row.figures[row.chosen])) for row in rows]
    print(f"the choice itself: {median(shares):.1%} of the call in the median, at most ", end="")
    print(f"{max(shares):.1%} (bar: 5% in the median)")
    ratios = [row.ratio_before for row in rows]
    print(
        f"before (rule for repeated calls): geometric mean {geometric_mean(ratios):.2f}x, ", end=""
    )
    print(f"worst {max(ratios):.2f}x, {sum(r <= 1.25 for r in ratios) / len(ratios):.0%} within")


def _line(row: Row) -> str:
    times = ", ".join(
        f"{_short(name)} {'>' if 'limit' in one else ''}{total(one):.2f}"
        for name, one in row.figures.items()
    )
    name = f"{row.derivative[0].upper()} {row.name[:40]:42s}"
    return f"{name} {row.ratio:5.2f}x {row.ratio_before:5.2f}x  {_short(row.chosen)}; {times}"


def _short(operator: str) -> str:
    return operator.replace("structured-", "s-")
