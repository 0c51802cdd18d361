"""The kinds of numbers a spec may hold: one, or a nested list of them, also constant expressions.

Boundary: knows nothing of models, files or arrays; numpy is not imported.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from jaccli.errors import SpecError
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import ProblemCollector


class Number(NamedTuple):
    """A finite number within bounds; unless it is `whole`, also as a constant expression."""

    low: float = -math.inf
    whole: bool = False
    finite: bool = True

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        value = node.value if self.whole else number_of(node, path, report)
        if value is None and node.value is not None:
            return None
        what = "whole number" if self.whole else "finite number" if self.finite else "number"
        if self.low > -math.inf:
            what += f" of at least {self.low:g}"
        allowed = int if self.whole else (int, float)
        good = isinstance(value, allowed) and not isinstance(value, bool)
        if good:
            number = as_float(value)
            good = not number < self.low and (math.isfinite(number) or not self.finite)
        if not good:
            report.add(node, path, f"{node.describe()} is not a {what}.")
        return value

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        if self.low > -math.inf:
            schema["minimum"] = self.low
        return schema if self.whole else {"anyOf": [schema, constant_schema()]}


def number_of(node: Node, path: str, report: ProblemCollector) -> Any:
    """Return a node's value, a constant expression as its number; None after a problem of one."""
    if not isinstance(node.value, str):
        return node.value
    from jaccli.expression import constants

    if not constants.is_constant(node.value):
        return node.value
    try:
        return constants.constant(node.value, path=path, place=node.place)
    except SpecError as error:
        cut = "never closed" in str(error)  # YAML's lists end at commas
        hint = "Quote an expression with a comma: ['arctan2(1, 2)', 3]."
        report.problems.extend(
            problem._replace(hint=hint) if cut else problem for problem in error.problems
        )
        return None


def constant_schema() -> dict[str, Any]:
    """Return the JSON Schema of a constant expression."""
    from jaccli.expression import constants

    return {"type": "string", "pattern": constants.PATTERN}


_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_FILE = re.compile(r"\S+\.(?:csv|tsv|txt|npy|npz|json|mtx)")


def advice(value: Any) -> str:
    """Return what to write in place of a text that is not a number; it may be nothing."""
    if value is None:
        return "Expected a number, a list, or a source, as {file: x.npy}."
    text = str(value).strip()
    if _FILE.fullmatch(text):
        return f"Write {{file: {text}}}, on the command line @{text}."
    if re.search(r"\s[A-Za-z_][\w.]*\s*=", text):
        return "Give each input an --at of its own."
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if not all(map(_is_number, parts)):
        return ""
    if len(parts) == 1 and "_" in text:
        return f"Write {text.replace('_', '')}."
    if len(parts) == 1:
        return f"Write {parts[0]}, without {'quotes' if parts[0] == text else 'the comma'}."
    one = _THOUSANDS.fullmatch(text)
    listed = f"a list as [{', '.join(parts)}]"
    if one:
        return f"Write the number without commas: {text.replace(',', '')}."
    if re.fullmatch(r"[^\s;]+,\d+", text) and len(parts) == 2:
        return f"Write the number with a point: {'.'.join(parts)}, {listed}."
    return f"Write {listed}."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_float(value: Any) -> float:
    """Return a number as a float, infinite where an integer is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Numbers:
    """A number, or a nested list of numbers in which all rows are equally long.

    A number may be written as a constant expression.
    """

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        constants: dict[int, Any] = {}
        if self._shape(node, path, report, constants) is None:
            return None
        return _plain(node, constants) if constants else node.plain()

    def _shape(
        self, node: Node, path: str, report: ProblemCollector, constants: dict[int, Any]
    ) -> tuple[int, ...] | None:
        if not isinstance(node.value, list):
            if isinstance(node.value, int | float) and not isinstance(node.value, bool):
                return ()
            found = number_of(node, path, report)
            if isinstance(found, int | float) and not isinstance(found, bool):
                constants[id(node)] = found
                return ()
            if found is not None or node.value is None:
                report.add(node, path, f"{node.describe()} is not a number.", advice(node.value))
            return None
        first: tuple[int, ...] | None = None
        for index, child in enumerate(node.value):
            shape = self._shape(child, path, report, constants)
            if shape is None:
                return None
            if index and shape != first:
                message = (
                    f"a ragged list: entry {index} has the shape {shape}, those before {first}."
                )
                report.add(child, path, message, "All rows of an array are equally long.")
                return None
            first = shape
        return (len(node.value), *(first or ()))

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [
                {"type": "number"},
                constant_schema(),
                {"type": "array", "items": {"$ref": "#/$defs/numbers"}},
            ]
        }


def _plain(node: Node, constants: dict[int, Any]) -> Any:
    """Return a list of numbers as plain data, with the numbers of constant expressions."""
    if isinstance(node.value, list):
        return [_plain(child, constants) for child in node.value]
    return constants.get(id(node), node.value)
