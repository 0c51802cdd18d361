"""Inputs that hold inputs: `{params: {w1: ..., b1: ...}}`, called `params.w1` and `params.b1`.

A spec's inputs are one flat mapping, each by its whole name; only the user's function gets them
nested.  A mapping that holds a key of a source is a source, any other one a group of inputs.

Boundary: names and trees; what a source means is checked in `input_sources.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from jaccli.spec.input_sources import INPUT, SOURCES, Source, is_source
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import NAME, Named, ProblemCollector, Words, join, names_advice

DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
"""The name of an input, or of a group of them."""
INPUT_NAME = Words("a name", DOTTED)
_HINT = "Letters, digits and underscores, not beginning with a digit."
_LONGEST = 200


class Inputs(NamedTuple):
    """A mapping of names to sources, or to groups of them; becomes flat: `params.w1` to a source.

    With `dotted`, a key may itself be a whole name, `params.w1`.
    """

    dotted: bool = False

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, dict):
            message = f"{node.describe()} is not a mapping of names to values."
            report.add(node, path, message, names_advice(node))
            return None
        found: dict[str, Any] = {}
        given: dict[str, Node] = {}
        self._collect(node, path, "", found, given, report)
        return found

    def _collect(
        self,
        node: Node,
        path: str,
        group: str,
        found: dict[str, Any],
        given: dict[str, Node],
        report: ProblemCollector,
    ) -> None:
        assert isinstance(node.value, dict)
        for key, child in node.value.items():
            written = node.keys[key]
            if not all(map(_is_name, key.split(".") if self.dotted else [key])):
                report.add(written, path, f"{written.describe()} is not a name.", _HINT)
            name, below = join(group, key), join(path, key)
            if is_group(child):
                self._collect(child, below, name, found, given, report)
            elif name not in given:
                found[name], given[name] = INPUT.check(child, below, report), child
            elif given[name].text.is_file and not child.text.is_file:  # an option wins
                found[name] = INPUT.check(child, below, report)
            elif given[name].text.is_file == child.text.is_file:
                report.add(written, path, f"{name!r} is given twice.")

    def schema(self) -> dict[str, Any]:
        names = Named(INPUT).schema()
        if self.dotted:
            names["propertyNames"] = {"pattern": f"^{DOTTED}$"}
        return names | {"additionalProperties": {"$ref": "#/$defs/input"}}


def definition() -> dict[str, Any]:
    """Return the JSON Schema of one input of a Python model: a source, or a group of inputs."""
    group = Inputs().schema() | {"minProperties": 1}
    no_source = {"not": {"anyOf": [{"required": [name]} for name in SOURCES]}}
    return {"anyOf": [INPUT.schema(), group | no_source]}


def is_group(node: Node) -> bool:
    """Whether a node is known to hold inputs."""
    return node.named and isinstance(node.value, dict)


UNCERTAIN = frozenset(("std", "relative", "half_width", "expanded", "covariance", "samples"))
"""Keys that tell the form of an uncertainty: a mapping that has one is no group."""


def with_groups(root: Node) -> Node:
    """Return a spec's tree in which groups of inputs are known as such.

    Python models alone have them: elsewhere a mapping that names no source is a wrong source.
    """
    if root.get("model", "python") is None or not isinstance(root.value, dict):
        return root
    entries = {name: root.get(name) for name in ("inputs", "vector", "uncertainty")}
    known = {name: _grouped(node) for name, node in entries.items() if node is not None}
    return replace(root, value=root.value | known)


def _grouped(node: Node) -> Node:
    """Return a mapping whose entries are marked if they are groups."""
    if not isinstance(node.value, dict):
        return node
    entries = {
        name: replace(_grouped(child), named=True) if _may_be_group(child) else child
        for name, child in node.value.items()
    }
    return replace(node, value=entries)


def _may_be_group(node: Node) -> bool:
    if not isinstance(node.value, dict) or not node.value or is_source(node):
        return False
    return UNCERTAIN.isdisjoint(node.value)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the names of a flat mapping stand for: `{"a.b": 1}` as `{"a": {"b": 1}}`.

    >>> nested({"params.w": 1, "params.b": 2, "x": 3})
    {'params': {'w': 1, 'b': 2}, 'x': 3}
    """
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, last = name.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = value
    return tree


def value_at(tree: Mapping[str, Any], name: str) -> Any:
    """Return what a nested mapping holds for a name, `params.w1`."""
    value: Any = tree
    for part in name.split("."):
        value = value[part]
    return value


def heads(names: Iterable[str]) -> dict[str, None]:
    """Return the first parts of names, each once: what a function takes as keywords."""
    return dict.fromkeys(name.partition(".")[0] for name in names)


def groups(inputs: Iterable[str]) -> dict[str, list[str]]:
    """Return all groups, each with the whole names of the inputs in it at any depth."""
    found: dict[str, list[str]] = {}
    for name in inputs:
        end = name.find(".")
        while end > 0:
            found.setdefault(name[:end], []).append(name)
            end = name.find(".", end + 1)
    return found


def expanded(
    entry: str, names: Mapping[str, Any], inputs: Mapping[str, Source], root: Node,
    report: ProblemCollector,
) -> dict[str, Any]:  # fmt: skip
    """Return names and what they carry, with the inputs of a group in place of the group.

    An input that is named twice so is reported.
    """
    known = groups(inputs)
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, value in names.items():
        for each in known.get(name, [name]):
            if each in found:
                outer, inner = sorted((origin[each], name), key=len)
                message = f"{inner!r} is a part of {outer!r}, which is named too."
                report.add(entry_node(root, entry, name) or root, entry, message)
                break
            found[each], origin[each] = value, name
    return found


def entry_node(root: Node, entry: str, name: str) -> Node | None:
    """Return the node that names an input below an entry, by itself or by its group."""
    node = root.get(*entry.split("."))
    if node is None:
        return None
    whole = [name[:end] for end in range(len(name), 0, -1) if name[end : end + 1] in ("", ".")]
    if isinstance(node.value, dict):
        below, _, last = name.rpartition(".")
        nested_in = node.get(*below.split(".")) if below else None
        if nested_in is not None and last in nested_in.keys:
            return nested_in.keys[last]
        return next((node.keys[each] for each in whole if each in node.keys), node)
    items = node.value if isinstance(node.value, list) else [node]
    return next((item for each in whole for item in items if item.value == each), node)


def _is_name(name: str) -> bool:
    return bool(NAME.match(name)) and len(name) <= _LONGEST
