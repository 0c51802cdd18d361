"""A model defined by equations, checked as far as names go.

Boundary: knows no shapes: whether there are as many equations as unknowns is seen when they are
traced.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from jaccli.expression import Expression
from jaccli.spec.entry_checks import check_free, known_names, parsed_entry
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import ProblemCollector
from jaccli.spec.spec import EquationsModel

_ENTRIES = ("equations", "unknowns", "expressions")


def equations_model(
    model: Mapping[str, Any], inputs: Mapping[str, Any], root: Node, report: ProblemCollector
) -> EquationsModel | None:
    """Return the model, its equations and expressions parsed and their names checked."""
    before = len(report.problems)
    for entry in _ENTRIES:
        check_free(f"model.{entry}", root, report)
    equations, unknowns = model["equations"], model["unknowns"]
    expressions = model["expressions"] or {}
    for entry, given in (("equations", equations), ("unknowns", unknowns)):
        if not given:
            at = root.get("model", entry) or root
            report.add(at, f"model.{entry}", f"no {entry}.")
    if not (equations and unknowns):
        return None  # names that are missing for it would be blamed
    _check_distinct(inputs, unknowns, expressions, root, report)
    _check_labels(equations, expressions, root, report)
    known = {*inputs, *unknowns}
    parsed = _parsed("expressions", expressions, known, root, report, in_order=True)
    zero = _parsed("equations", equations, known | {*expressions}, root, report, in_order=False)
    names = [*unknowns, *expressions]
    outputs = model["outputs"] or list(expressions or unknowns)
    outputs = known_names("model.outputs", outputs, names, root, report)
    if len(report.problems) > before:
        return None
    made = EquationsModel(zero, dict(unknowns), parsed, tuple(outputs))
    _check_use(made, root, report)
    return made


def _check_distinct(
    inputs: Mapping[str, Any],
    unknowns: Mapping[str, Any],
    expressions: Mapping[str, Any],
    root: Node,
    report: ProblemCollector,
) -> None:
    """Report names that stand for two things."""
    taken = [("unknowns", unknowns, inputs, "an input")]
    taken += [("expressions", expressions, inputs, "an input")]
    taken += [("expressions", expressions, unknowns, "an unknown")]
    given = root.get("inputs")
    for entry, names, others, what in taken:
        node = root.get("model", entry)
        for name in names:
            if name not in others or node is None:
                continue
            at, path = node.keys[name], f"model.{entry}.{name}"
            value = given.keys.get(name) if given is not None and entry == "unknowns" else None
            if value is not None and not value.text.is_file:  # of an option, as --at
                message = f"{name!r} is an unknown, which the equations determine."
                hint = f"Its start is model.unknowns.{name}: --set model.unknowns.{name}=VALUE."
                report.add(value, f"inputs.{name}", message, hint)
            else:
                report.add(at, path, f"{name!r} is {what} already.", "Rename one of them.")


def _check_labels(
    equations: Mapping[str, Any],
    expressions: Mapping[str, Any],
    root: Node,
    report: ProblemCollector,
) -> None:
    """Report expressions with an equation's name: its residuals have that name."""
    node = root.get("model", "expressions")
    for name in expressions:
        if name in equations and node is not None:
            path, message = f"model.expressions.{name}", f"{name!r} is an equation already."
            report.add(node.keys[name], path, message, "Rename one of them.")


def _parsed(
    entry: str,
    texts: Mapping[str, str],
    known: set[str],
    root: Node,
    report: ProblemCollector,
    *,
    in_order: bool,
) -> dict[str, Expression]:
    """Return the expressions below an entry; with `in_order`, later ones may use earlier ones."""
    found: dict[str, Expression] = {}
    known = set(known)
    for name, text in texts.items():
        parsed = parsed_entry(text, known, root, report, "model", entry, name)
        if in_order:
            known.add(name)
        elif parsed is not None and isinstance(parsed.tree, ast.Compare):
            message = "an equation is what is zero at the solution, not a comparison"
            hint = "Write the difference of both sides: `a - b` for a = b."
            report.problems.append(parsed.problem(parsed.tree, message, hint))
        if parsed is not None:
            found[name] = parsed
    return found


def _check_use(model: EquationsModel, root: Node, report: ProblemCollector) -> None:
    """Report unknowns that no equation has, and equations that have no unknown."""
    defined: dict[str, set[str]] = {name: {name} for name in model.unknowns}
    for name, expression in model.expressions.items():
        defined[name] = set().union(*(defined.get(use, set()) for use in expression.names))
    of_equation = {
        name: set().union(*(defined.get(use, set()) for use in equation.names))
        for name, equation in model.equations.items()
    }
    used = set().union(*of_equation.values())
    for entry, names, message in (
        ("unknowns", [n for n in model.unknowns if n not in used], "no equation has the unknown"),
        ("equations", [n for n, has in of_equation.items() if not has], "no unknown is in"),
    ):
        node = root.get("model", entry)
        for name in names:
            at = node.keys[name] if node is not None and name in node.keys else root
            report.add(at, f"model.{entry}.{name}", f"{message} {name!r}.")
