"""The engine's figures: against closed forms, against plain modes, compile time, growth.

Each part is a method of `Figures`, which measures a case once for all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import NamedTuple

from candidates import STRUCTURED, by_rule, operated, operators, plain, structured_values
from cases import Case
from engine_cases import (
    forecast_by_weight,
    forecast_by_x,
    forecast_values,
    layer_hessian,
    perceptrons,
    science,
    tutorial,
)
from measuring import Figure, exponent, geometric_mean, measure
from verdicts import Verdicts, Wanted

FORECAST_X = (16, 64, 256, 1024, 2048, 4096)
FORECAST_W = (16, 64, 256)


class Measured(NamedTuple):
    """The figures of a case: `ours` is the structured operator that the shape rule picks."""

    figures: dict[str, Figure]
    ours: str

    @property
    def run(self) -> float:
        """Seconds of the structured operator."""
        return self.figures[self.ours].run

    @property
    def best_plain(self) -> str:
        """The fastest plain mode."""
        names = [n for n in self.figures if n != "closed" and not n.startswith(STRUCTURED)]
        return min(names, key=lambda name: self.figures[name].run)

    def over(self, name: str) -> float:
        """Return how many times the seconds of `name` the structured operator takes."""
        return self.run / self.figures[name].run

    @property
    def gain(self) -> float:
        """How many times faster than the best plain mode it is."""
        return 1 / self.over(self.best_plain)

    @property
    def note(self) -> str:
        """Microseconds of all, in words."""
        return "µs: " + ", ".join(f"{name} {1e6 * f.run:.1f}" for name, f in self.figures.items())


@dataclass
class Figures:
    """Measures cases, for `seconds` each, and prints the parts."""

    wanted: Wanted
    seconds: float
    verdicts: Verdicts
    known: dict[str, Measured] = field(default_factory=dict)

    def measured(self, case: Case, names: Iterable[str] = ()) -> Measured:
        """Return the figures of JAX's plain modes, the structured operators and the closed form."""
        if case.name not in self.known:
            ours = by_rule(case)
            ways = {**plain(case), **operated(case, names or [ours])}
            if case.closed is not None:
                ways["closed"] = case.closed
            figures = measure(case.name, ways, case.x, self.seconds, compiles=2)
            self.known[case.name] = Measured(figures, ours)
        return self.known[case.name]

    def each(self, cases: Iterable[Case]) -> Iterator[tuple[str, Measured]]:
        """Measure the wanted ones."""
        for case in cases:
            if self.wanted(case.name):
                yield case.name, self.measured(case, _names(case))

    def forecast_x(self) -> None:
        """Print the forecast by x: closed form and the plain modes."""
        bars = {1024: 12.0, 2048: 30.0}
        for size in FORECAST_X:
            for name, found in self.each(forecast_by_x(size)):
                self.verdicts.at_most(
                    f"{name} / closed form", found.over("closed"), 1.15, found.note
                )
                over_plain = f"{name} over best of jacfwd, jacrev"
                if size in bars:
                    self.verdicts.at_least(over_plain, found.gain, bars[size])
                else:
                    self.verdicts.shown(over_plain, found.gain)

    def forecast_weight(self) -> None:
        """Print the forecast by W: dense against jacrev, and its non-zeros alone."""
        for name, found in self.each(forecast_by_weight(*FORECAST_W)):
            self.verdicts.at_most(f"{name} / jacrev", found.over("rev"), 1.1, found.note)
        case = forecast_values(2048)
        if self.wanted(case.name) and case.closed is not None:
            ways = {"closed": case.closed, "structured": structured_values(case)}
            figures = measure(case.name, ways, case.x, self.seconds)
            note = Measured(figures, "structured")
            self.verdicts.at_most(
                f"{case.name} / closed form", note.over("closed"), 1.15, note.note
            )

    def hessians(self) -> None:
        """Print the tutorial's Hessian and batch, in all combinations."""
        for name, found in self.each(tutorial()):
            closed = found.figures["closed"].run
            runs = {n: f.run for n, f in found.figures.items() if n.startswith(STRUCTURED)}
            for way, seconds in runs.items():
                what = f"{name} {way} / closed form"
                self.verdicts.at_most(what, seconds / closed, 1.2)
            spread = max(runs.values()) / min(runs.values())
            self.verdicts.at_most(f"{name} worst / best combination", spread, 2.0, found.note)

    def perceptrons(self) -> None:
        """Print the perceptrons against the chains written out."""
        for name, found in self.each(perceptrons()):
            self.verdicts.at_most(f"{name} / chain", found.over("closed"), 1.15, found.note)

    def science(self) -> None:
        """Print the list of science and learning against the best plain mode."""
        gains = []
        for name, found in self.each(science()):
            gains.append(found.gain)
            slow = "  below 0.9x" if found.gain < 0.9 else ""
            self.verdicts.shown(f"{name} over {found.best_plain}", found.gain, found.note + slow)
            if "closed" in found.figures:
                self.verdicts.at_most(f"{name} / closed form", found.over("closed"), 1.5)
        if gains:
            share = sum(gain >= 0.9 for gain in gains) / len(gains)
            self.verdicts.share("at 0.9x of the best plain mode or better", share, 0.95)
            self.verdicts.at_least("geometric mean", geometric_mean(gains), 1.8)

    def compile_time(self) -> None:
        """Print the compile time of all cases above, structured against the best plain mode."""
        cases = [
            *forecast_by_x(*FORECAST_X),
            *forecast_by_weight(*FORECAST_W),
            *tutorial(),
            *perceptrons(),
            *science(),
        ]
        ratios = {}
        for name, found in self.each(cases):
            best, ours = found.figures[found.best_plain], found.figures[found.ours]
            ratios[name] = ours.compile / best.compile
        if ratios:
            ranked = sorted(ratios, key=ratios.__getitem__, reverse=True)
            slowest = ", ".join(f"{name} {ratios[name]:.2f}x" for name in ranked[:4])
            self.verdicts.at_most("compile time, median", median(ratios.values()), 1.15)
            self.verdicts.at_most("compile time, worst", max(ratios.values()), 4.0, slowest)

    def growth(self) -> None:
        """Print fitted exponents of D beside the expected ones."""
        print(f"{'seconds ~ D^exponent, expected in brackets':42s}")
        for title, sizes, build, expected in _GROWTH:
            if not self.wanted(title):
                continue
            found = [self.measured(build(size)) for size in sizes]
            parts = []
            for name, power in expected.items():
                way = found[-1].ours if name == "structured" else name
                fitted = exponent(sizes, [one.figures[way].run for one in found])
                parts.append(f"{name} {fitted:.2f} ({power})")
            span = f"{title}, D = {sizes[0]} … {sizes[-1]}"
            print(f"{span:42s} {', '.join(parts)}", flush=True)


def _names(case: Case) -> list[str]:
    """Return the structured operators to measure: all for the tutorial's, else the rule's."""
    if case.name.startswith("Hessian"):
        return [name for name in operators(case) if name.startswith(STRUCTURED)]
    return [by_rule(case)]


def _only(build: Callable[..., Iterator[Case]], size: int) -> Case:
    return next(build(size))


def _half_hessian(size: int) -> Case:
    return layer_hessian(f"layer Hessian {size}>{size // 2}", size // 2, size)


_GROWTH: tuple[tuple[str, tuple[int, ...], Callable[[int], Case], dict[str, int]], ...] = (
    (
        "forecast x",
        (512, 1024, 2048, 4096),
        partial(_only, forecast_by_x),
        {"closed": 2, "structured": 2, "fwd": 3, "rev": 3},
    ),
    (
        "forecast W",
        (64, 96, 128, 192),
        partial(_only, forecast_by_weight),
        {"closed": 3, "structured": 3, "fwd": 4, "rev": 3},
    ),
    (
        "layer Hessian D>D/2",
        (48, 64, 96, 128),
        _half_hessian,
        {"closed": 3, "structured": 3, "fwd-fwd": 3, "fwd-rev": 4, "rev-fwd": 4, "rev-rev": 4},
    ),
)
"""Title, sizes, case of a size, and the exponent of each way.

A plain mode takes D unit vectors through a product of D² numbers.  By W there are D² columns
but only D rows; rows are outer products, D² numbers each.  A Hessian has D · D · D/2 entries;
forward over forward pushes D unit vectors through the layer once, the others D²/2 or D · D/2.
"""
