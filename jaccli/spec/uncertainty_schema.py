"""The keys `uncertainty`, `correlation`, `covariance` and `coverage`: what each may hold.

An entry of `uncertainty` says how well one input is known, in one of several forms; `FORMS` has
them.

Boundary: checks an entry by itself; what entries must have in common is in `uncertainty.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jaccli.choices import DISTRIBUTIONS
from jaccli.spec.input_sources import INPUT, SOURCES
from jaccli.spec.nested_inputs import DOTTED, is_group
from jaccli.spec.nodes import Node
from jaccli.spec.number_types import as_float, constant_schema, number_of
from jaccli.spec.schema_types import (
    Case,
    Either,
    Items,
    Key,
    Named,
    NoKey,
    OneOf,
    ProblemCollector,
    RecordType,
    Words,
    always,
    has_key,
    is_mapping,
    is_scalar,
    join,
)
from jaccli.spec.uncertainty import (
    COVERAGE,
    SAMPLES,
    CorrelatedPair,
    NamedMatrix,
    UncertaintyEntry,
)

_NAME = Words("the name of an input", r"[A-Za-z_][A-Za-z0-9_.]*")
_WHOLE_NAME = re.compile(rf"{DOTTED}\Z")
_NAMES = Items(_NAME, least=1, unique=True)


class _Magnitude:
    """A source whose numbers, where the spec has them, are finite and not negative."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        before = len(report.problems)
        source = INPUT.check(node, path, report)
        if len(report.problems) == before and source is not None and source.kind == "value":
            self.check_numbers(node.get("value") or node, source.entries["value"], path, report)
        return source

    def check_numbers(self, node: Node, value: Any, path: str, report: ProblemCollector) -> None:
        """Report the first number that is no uncertainty."""
        if isinstance(value, list) and isinstance(node.value, list):
            before = len(report.problems)
            for child, item in zip(node.value, value, strict=True):
                if len(report.problems) == before:
                    self.check_numbers(child, item, path, report)
            return
        number = as_float(value)
        if not (math.isfinite(number) and number >= 0):
            report.add(node, path, *not_an_uncertainty(node.describe(), number))

    def schema(self) -> dict[str, Any]:
        return INPUT.schema()


def not_an_uncertainty(shown: str, number: float) -> tuple[str, str]:
    """Return the message about a number that is no uncertainty, and the hint."""
    what = "negative" if number < 0 and math.isfinite(number) else "not finite"
    return f"the uncertainty {shown} is {what}.", "Expected a finite number of at least 0."


class _Within(NamedTuple):
    """A number between bounds that are excluded; an `infinite` one too, where that is allowed."""

    what: str
    hint: str
    high: float = math.inf
    infinite: bool = False

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        value = number_of(node, path, report)
        if value is None and node.value is not None:
            return None
        number = math.nan
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = as_float(value)
        if not (0 < number < self.high or (self.infinite and number == math.inf)):
            report.add(node, path, f"{node.describe()} is not {self.what}.", self.hint)
            return None
        return number

    def schema(self) -> dict[str, Any]:
        bounds: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
        if self.high < math.inf:
            bounds["exclusiveMaximum"] = self.high
        return {"anyOf": [bounds, constant_schema()]}


_DEGREES = _Within(
    "a number of degrees of freedom", "Expected a number above 0, or .inf.", infinite=True
)
_PROBABILITY = _Within(
    "a coverage probability", "Expected a number between 0 and 1, as 0.95.", high=1.0
)
_FACTOR = _Within("a coverage factor", "Expected a finite number above 0.")


class _Triple:
    """`[NAME, NAME, COEFFICIENT]`; becomes a `CorrelatedPair`."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, list) or len(node.value) != 3:
            hint = "Expected [NAME, NAME, COEFFICIENT], as [V, I, -0.36]."
            report.add(node, path, f"{node.describe()} is not a correlation of two inputs.", hint)
            return None
        before = len(report.problems)
        first, second = (_NAME.check(child, path, report) for child in node.value[:2])
        at = node.value[2]
        value = number_of(at, path, report)
        if len(report.problems) > before:
            return None
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not -1 <= as_float(value) <= 1:
            hint = "Expected a number from -1 to 1."
            report.add(at, path, f"{at.describe()} is not a correlation coefficient.", hint)
            return None
        if first == second:
            report.add(node.value[1], path, f"{first!r} stands here with itself.")
            return None
        return CorrelatedPair(first, second, as_float(value), node)

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": -1, "maximum": 1}
        coefficient = {"anyOf": [number, constant_schema()]}
        items = [_NAME.schema(), _NAME.schema(), coefficient]
        return {"type": "array", "prefixItems": items, "minItems": 3, "maxItems": 3}


_DOF = Key(_DEGREES, "degrees of freedom (infinite)")
FORMS: dict[str, dict[str, Key]] = {
    "std": {
        "std": Key(_Magnitude(), "standard uncertainty", required=True),
        "dof": _DOF,
    },
    "relative": {
        "relative": Key(_Magnitude(), "standard uncertainty over the input's value", required=True),
        "dof": _DOF,
    },
    "half_width": {
        "half_width": Key(_Magnitude(), "half of the width of an interval", required=True),
        "distribution": Key(
            OneOf(DISTRIBUTIONS), "of the input within it", default=DISTRIBUTIONS[0]
        ),
        "dof": _DOF,
    },
    "expanded": {
        "expanded": Key(_Magnitude(), "expanded uncertainty", required=True),
        "k": Key(_FACTOR, "its coverage factor"),
        "coverage": Key(_PROBABILITY, "its coverage probability, where no k is given"),
        "dof": _DOF,
    },
    "covariance": {"covariance": Key(INPUT, "matrix of the flattened input", required=True)},
    "samples": {
        "samples": Key(INPUT, "observations along the first axis: type A", required=True)
    },
}  # fmt: skip
"""The forms of an entry of `uncertainty` by the key that tells them."""


class _Form(NamedTuple):
    """An entry in the form that the key `name` tells; becomes an `UncertaintyEntry`."""

    name: str

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        values = RecordType(FORMS[self.name]).check(node, path, report)
        if self.name == "expanded" and values is not None:
            given = [key for key in ("k", "coverage") if node.get(key) is not None]
            if len(given) != 1:
                message = "an expanded uncertainty has either 'k' or 'coverage'."
                hint = "Expected {expanded: U, k: 2}, or {expanded: U, coverage: 0.95, dof: 9}."
                report.add(node, path, message, hint)
        return UncertaintyEntry(path.partition(".")[2], self.name, values or {}, path, node)

    def schema(self) -> dict[str, Any]:
        return RecordType(FORMS[self.name]).schema()


class _Bare:
    """A source alone: the standard uncertainty."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        source = _Magnitude().check(node, path, report)
        name = path.partition(".")[2]
        return UncertaintyEntry(name, "std", {"std": source, "dof": None}, path, node)

    def schema(self) -> dict[str, Any]:
        return INPUT.schema()


def _is_form(name: str) -> Any:
    """Return a test for a mapping of a form; `std` is a key of random sources too."""
    has = has_key(name)
    return lambda node: has(node) and not has_key("random")(node)


_ENTRY = Either(
    (
        *(Case(_is_form(name), _Form(name)) for name in FORMS),
        Case(
            lambda node: is_mapping(node) and not has_key(*SOURCES)(node),
            NoKey("uncertainty", tuple(FORMS)),
        ),
        Case(always, _Bare()),
    ),
    name="uncertainty",
)


class _Entries:
    """Name → entry."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if isinstance(node.value, dict) and not node.value:
            return {}
        found = Named(_ENTRY_OR_GROUP, pattern=_WHOLE_NAME).check(node, path, report)
        return found if found is None else dict(_flat(found))

    def schema(self) -> dict[str, Any]:
        return Named(_ENTRY, pattern=_WHOLE_NAME).schema()


class _Group:
    """The uncertainties of a group of inputs, by their names in it."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        return Named(_ENTRY_OR_GROUP, pattern=_WHOLE_NAME).check(node, path, report)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


_ENTRY_OR_GROUP = Either((Case(is_group, _Group()), Case(always, _ENTRY)))


def _flat(entries: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for name, entry in entries.items():
        if isinstance(entry, dict):
            yield from _flat(entry, join(group, name))
        else:
            yield join(group, name), entry


class _Matrix:
    """`{inputs, matrix}`; becomes a `NamedMatrix`."""

    record = RecordType(
        {
            "inputs": Key(_NAMES, "whose entries rows and columns are", required=True),
            "matrix": Key(INPUT, "the matrix", required=True),
        }
    )

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        before = len(report.problems)
        values = self.record.check(node, path, report)
        if len(report.problems) > before:
            return None
        return NamedMatrix(tuple(values["inputs"]), values["matrix"], path, node)

    def schema(self) -> dict[str, Any]:
        return self.record.schema()


UNCERTAINTY_DEFINITION = _ENTRY
UNCERTAINTY_KEYS: dict[str, Key] = {
    "uncertainty": Key(
        _Entries(), "input -> standard uncertainty, or how it follows (propagate)", decides="result"
    ),
    "correlation": Key(
        Either(
            (
                Case(is_scalar, OneOf((SAMPLES,), "Expected 'samples', a list of [NAME, NAME, r], "
                                      "or {inputs: [...], matrix: ...}.")),
                Case(is_mapping, _Matrix()),
                Case(always, Items(_Triple())),
            )
        ),
        "correlation of the inputs: [[NAME, NAME, r], ...], {inputs, matrix} or samples",
        decides="result",
    ),
    "covariance": Key(
        Either((Case(is_mapping, _Matrix()), Case(always, NoKey("covariance", ("inputs",))))),
        "covariance of the inputs: {inputs, matrix}, in place of uncertainty and correlation",
        decides="result",
    ),
    "coverage": Key(_PROBABILITY, f"coverage probability ({COVERAGE})", decides="nothing"),
}  # fmt: skip
