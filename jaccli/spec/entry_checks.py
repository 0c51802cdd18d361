"""Checks of single entries of a model: names that are free, names that are known, expressions.

Boundary: reports what is wrong; raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from jaccli.errors import SpecError, did_you_mean, expected
from jaccli.expression import Expression, check_name, check_names, parse
from jaccli.spec.nested_inputs import entry_node
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import NAME, ProblemCollector


def check_free(entry: str, root: Node, report: ProblemCollector) -> None:
    """Report names below an entry that the expression language keeps for itself."""
    node = root.get(*entry.split("."))
    for name, key in node.keys.items() if node else ():
        if NAME.match(name):  # what is not even a name has been reported
            report.problems.extend(check_name(name, path=f"{entry}.{name}", place=key.place))


def parsed_entry(
    text: str, known: Collection[str], root: Node, report: ProblemCollector, *entry: str
) -> Expression | None:
    """Return the expression at an entry, or None after reporting what is wrong."""
    node = root.get(*entry)
    assert node is not None
    try:
        parsed = parse(text, path=".".join(entry), place=node.place)
    except SpecError as error:
        report.problems.extend(error.problems)
        return None
    report.problems.extend(check_names(parsed, known, hints=report.is_shown))
    return parsed


def known_names(
    entry: str,
    names: list[str],
    known: Collection[str],
    root: Node,
    report: ProblemCollector,
    what: str = "output",
) -> list[str]:
    """Return the names, reporting those that are not known."""
    node = root.get(*entry.split("."))
    there = set(known)
    for index, name in enumerate(names):
        if name in there or node is None:
            continue
        at = node.keys.get(name) or node.get(str(index)) or entry_node(root, entry, name) or node
        hint = partial(expected, known) if len(known) < 10 else partial(did_you_mean, name, known)
        report.add(at, entry, f"no {what} named {name!r}.", hint)
    return [name for name in names if name in there]
