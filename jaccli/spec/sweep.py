"""A spec's `sweep:`: the values of each entry, and the settings that they combine to.

Numbers of `range`, `linspace` and `logspace` are computed exactly from the decimals as they are
written and rounded once, so that `{range: [0, 1, 0.1]}` has ten values, one of them 0.3.

Boundary: trees in, overrides out; what a value means is checked where it is set.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from jaccli.errors import SpecError, listed
from jaccli.spec.nodes import Node
from jaccli.spec.number_types import number_of
from jaccli.spec.overrides import Override, apply
from jaccli.spec.schema import SPEC
from jaccli.spec.schema_types import ProblemCollector

MOST = 10_000
"""Settings at most: each becomes a file."""

_DEEPEST = 64
"""Names in a path at most."""
_FIXED = ("base", "output", "sweep")
"""Entries that hold for the whole sweep."""

Setting = tuple[Override, ...]
"""One value for each entry that is swept."""


class SweepAxis(NamedTuple):
    """An entry that is swept: `at(i)` is the i-th of its `size` values."""

    path: str
    key: Node
    size: int
    at: Callable[[int], Node]

    def override(self, index: int) -> Override:
        """Return the change that sets the entry to its value at `index`."""
        return Override(tuple(self.path.split(".")), self.at(index), key=self.key)


def without(root: Node) -> Node:
    """Return a spec's tree without its sweep."""
    assert isinstance(root.value, dict)
    return replace(
        root,
        value={name: node for name, node in root.value.items() if name != "sweep"},
        keys={name: node for name, node in root.keys.items() if name != "sweep"},
    )


def apply_first(root: Node, report: ProblemCollector) -> Node:
    """Return a spec's tree with the first value of each swept entry set: the one that is checked.

    An entry may stand in the sweep alone.  Problems of the sweep are reported.
    """
    return apply(root, *next(iter(settings(root, report)), ()))


def settings(root: Node, report: ProblemCollector) -> Iterable[Setting]:
    """Return the settings of a tree's sweep, the last entry fastest; none after a problem."""
    node = root.get("sweep")
    assert node is not None
    before = len(report.problems)
    SPEC.keys["sweep"].kind.check(node, "sweep", report)
    if len(report.problems) > before:
        return ()
    in_step = node.get("zip")
    axes = _axes(in_step or node, report)
    counts = [axis.size for axis in axes]
    if len(report.problems) > before:
        return ()
    if not axes:
        report.add(node, "sweep", "there is nothing to sweep.", "Expected PATH: [values].")
        return ()
    if in_step is not None and len(set(counts)) > 1:
        found = listed(f"{axis.path} has {axis.size}" for axis in axes)
        report.add(in_step, "sweep.zip", f"values in step are equally many; {found}.")
        return ()
    total = counts[0] if in_step is not None else math.prod(counts)
    if total > MOST:
        message = f"{total:,} tasks, more than the limit of {MOST:,}."
        report.add(node, "sweep", message, "Sweep fewer values, or split it into several specs.")
        return ()
    places: Iterable[tuple[int, ...]] = itertools.product(*map(range, counts))
    if in_step is not None:
        places = ((index,) * len(axes) for index in range(total))
    return (
        tuple(axis.override(index) for axis, index in zip(axes, place, strict=True))
        for place in places
    )


def _axes(node: Node, report: ProblemCollector) -> list[SweepAxis]:
    """Return what is swept, after reporting paths and values that cannot be."""
    assert isinstance(node.value, dict)
    axes: list[SweepAxis] = []
    above: dict[str, str] = {}
    for path, values in node.value.items():
        key = node.keys[path]
        _check_path(path, above, key, report)
        count, at = _values(values, f"sweep.{path}", report)
        axes.append(SweepAxis(path, key, count, at))
    return axes


def _check_path(path: str, above: dict[str, str], key: Node, report: ProblemCollector) -> None:
    """Report a path that is none, that is fixed, or within another.

    `above` has the paths before this one, and all that are above them; it is added.
    """
    parts = path.split(".")
    if not all(parts) or len(parts) > _DEEPEST:
        report.add(key, "sweep", f"{key.describe()} is not the path of an entry.")
        return
    if parts[0] in _FIXED:
        hint = "Any other entry of the spec can be swept."
        report.add(key, "sweep", f"{parts[0]!r} holds for the whole sweep.", hint)
    chain = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    inside = [(path, outer) for outer in chain[:-1] if above.get(outer) == outer]
    if path in above:
        inside.append((above[path], path))
    for inner, outer in inside:
        report.add(key, "sweep", f"{inner!r} is a part of {outer!r}, which is swept too.")
    for name in chain:
        above.setdefault(name, path)
    above[path] = path


def _values(node: Node, path: str, report: ProblemCollector) -> tuple[int, Callable[[int], Node]]:
    """Return how many values there are, and what gives each."""
    if isinstance(node.value, list):
        listed = node.value
        return len(listed), lambda index: listed[index]
    assert isinstance(node.value, dict)
    (name, ends), *_ = node.value.items()
    assert isinstance(ends.value, list)
    numbers: list[Any] = [number_of(child, path, report) for child in ends.value]
    try:
        count, number = _RULES[name](*numbers)
    except SpecError as error:
        (problem,) = error.problems
        report.add(ends, f"{path}.{name}", problem.message, problem.hint)
        return 0, lambda index: ends
    return count, lambda index: replace(ends, value=number(index), keys={})


Rule = tuple[int, Callable[[int], int | float]]


def _range(start: float, stop: float, step: float) -> Rule:
    """Return start, start + step, … as far as they are before `stop`."""
    if step == 0:
        raise SpecError("the step is 0.", hint="range: [start, stop, step].")
    first, last, by = map(_exact, (start, stop, step))
    count = max(0, math.ceil((last - first) / by))
    if not count:
        raise SpecError(
            f"no values from {start} to {stop} in steps of {step}.", hint="stop is excluded."
        )
    whole = all(isinstance(number, int) for number in (start, stop, step))
    return count, lambda index: int(first + index * by) if whole else float(first + index * by)


def _linspace(first: float, last: float, count: float) -> Rule:
    """Return `count` numbers from `first` to `last`, both included."""
    low, high, n = _exact(first), _exact(last), _count(count)
    return n, lambda index: float(low + (high - low) * index / max(1, n - 1))


def _logspace(first: float, last: float, count: float) -> Rule:
    """Return `count` numbers from 10^first to 10^last, both included, their logs evenly spaced."""
    low, high, n = _exact(first), _exact(last), _count(count)
    if max(low, high) > 308 or min(low, high) < -307:
        raise SpecError("exponents of 10 are from -307 to 308.", hint="logspace: [first, last, n].")

    def number(index: int) -> float:
        exponent = low + (high - low) * index / max(1, n - 1)
        whole = exponent.denominator == 1
        return float(f"1e{exponent.numerator}") if whole else 10.0 ** float(exponent)

    return n, number


_RULES: dict[str, Callable[[Any, Any, Any], Rule]] = {
    "range": _range,
    "linspace": _linspace,
    "logspace": _logspace,
}


def _exact(number: float) -> Fraction:
    """Return a number as it is written in decimals."""
    return Fraction(str(number))


def _count(count: float) -> int:
    if not isinstance(count, int) or count < 1:
        raise SpecError(f"{count} is not a count.", hint="Expected [first, last, count].")
    return count
