"""How well `auto` chooses: every candidate's time beside the one it takes, on a corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
from candidates import STRUCTURED, one_shot, operated, operators, tuned
from cases import Case
from corpus_held_out import held_out
from corpus_made_on import made_on
from measuring import geometric_mean, measure
from verdicts import Verdicts, Wanted


@dataclass(frozen=True)
class Choices:
    """Seconds of every candidate of a case, and what was chosen of them."""

    name: str
    held_out: bool
    derivative: str
    inputs: int
    outputs: int
    times: dict[str, float]
    one_shot: str
    tuned: str

    @property
    def best(self) -> str:
        """The fastest candidate."""
        return min(self.times, key=self.times.__getitem__)

    def regret(self, operator: str) -> float:
        """Return how many times the best one's time an operator takes."""
        return self.times[operator] / self.times[self.best]


def corpus() -> Iterator[tuple[bool, Case]]:
    """Return whether a case is held out, and the case."""
    yield from ((False, case) for case in made_on())
    yield from ((True, case) for case in held_out())


def choices(case: Case, held: bool, seconds: float) -> Choices:
    """Measure every candidate of a case."""
    figures = measure(case.name, operated(case, operators(case)), case.x, seconds)
    out = jax.eval_shape(case.f, case.point)
    return Choices(
        case.name,
        held,
        case.derivative,
        sum(leaf.size for leaf in jax.tree.leaves(case.point)),
        sum(leaf.size for leaf in jax.tree.leaves(out)),
        {name: figure.run for name, figure in figures.items()},
        one_shot(case),
        tuned(case),
    )


def report(wanted: Wanted, seconds: float, verdicts: Verdicts, record: Path | None = None) -> None:
    """Print a line for every function, then the regrets; `record` gets all times as JSON."""
    print(f"{'regret of':44s} one-shot     tuned   best; µs of every candidate (s- structured)")
    found: list[Choices] = []
    for held, case in corpus():
        if not wanted(case.name):
            continue
        found.append(choices(case, held, seconds))
        print(_line(found[-1]), flush=True)
    if record is not None:
        record.write_text(json.dumps([asdict(one) for one in found], indent=1))
    for title, some in (
        ("held out", [one for one in found if one.held_out]),
        ("all", found),
    ):
        print(f"\n{title}: {len(some)} functions (bar: 60 in all, 25 held out)")
        _summary("one-shot", [one.regret(one.one_shot) for one in some], 1.2, verdicts)
        tuned_regrets = [one.regret(one.tuned) for one in some]
        _summary("tuned", tuned_regrets, 1.06, verdicts)
        if some:
            verdicts.share("  tuned, within 1.2x", _within(tuned_regrets), 0.92)


def _line(one: Choices) -> str:
    times = ", ".join(f"{_short(way)} {1e6 * t:.1f}" for way, t in one.times.items())
    tag = "held out" if one.held_out else "made on"
    name = f"{tag:8s} {one.derivative[0].upper()} {one.name[:33]:33s}"
    regrets = f"{one.regret(one.one_shot):7.2f}x {one.regret(one.tuned):8.2f}x"
    return f"{name} {regrets}   {_short(one.best)}; {one.outputs}x{one.inputs}: {times}"


def _short(operator: str) -> str:
    return operator.replace(STRUCTURED, "s-")


def _summary(name: str, regrets: list[float], bar: float, verdicts: Verdicts) -> None:
    """Print the geometric mean, the maximum and the share within 1.2x."""
    if regrets:
        note = f"worst {max(regrets):.2f}x, {_within(regrets):.0%} within 1.2x"
        verdicts.at_most(f"  {name} regret, geometric mean", geometric_mean(regrets), bar, note)


def _within(regrets: list[float]) -> float:
    return sum(regret <= 1.2 for regret in regrets) / len(regrets)
