"""Changes to a spec's tree: options, `--set`, and the `base` that a spec extends.

Boundary: trees in, trees out; what the entries mean is checked later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jaccli.choices import TABLE_SUFFIXES
from jaccli.errors import Problem, UsageError
from jaccli.spec.input_sources import is_source, is_whole_source
from jaccli.spec.nodes import Node, Scalar, Text
from jaccli.spec.schema_types import NAME
from jaccli.spec.yaml12 import parse

_SUFFIXES = "|".join(suffix[1:] for suffix in (".npz", *TABLE_SUFFIXES))
_FILE_ENTRY = re.compile(rf"(?is)(.*?\.(?:{_SUFFIXES})):(.*)\Z")
"""`a.npz:key` and `t.csv:column`."""


class Override(NamedTuple):
    """A value for the entry at `path`; the latest wins.  `key` is where the path is written.

    With `replaces_source`, a source of the spec that stands where the path needs names (one
    `vector` without a name, or what is now to be a group of inputs) gives way to them.
    """

    path: tuple[str, ...]
    node: Node
    replaces_source: bool = False
    key: Node | None = None


def option_text(option: str, argument: str, shift: int = 0) -> Text:
    """Return an option's argument as a text to point into."""
    lines = tuple(argument.split("\n"))
    return Text(option, Path(), lines, is_file=False, shift=shift)


def option_node(option: str, value: Scalar, shown: str | None = None, shift: int = 0) -> Node:
    """Return an option's argument as a scalar."""
    text = option_text(option, str(value) if shown is None else shown, shift)
    return Node(value, text, length=len(text.lines[0]) - shift)


def option_list(option: str, values: Sequence[str]) -> Node:
    """Return the arguments of a repeatable option as a list."""
    return Node([option_node(option, value) for value in values], option_text(option, values[0]))


def option_mapping(option: str, entries: Sequence[tuple[str, Node]]) -> Node:
    """Return named arguments of a repeatable option as a mapping.

    Raises:
        UsageError: a name stands there twice.
    """
    node = Node({}, entries[0][1].text)
    for name, value in entries:
        set_entry(node, name, value, option)
    return node


def set_entry(node: Node, name: str, value: Node, option: str) -> None:
    """Add an entry that must be new to a mapping."""
    assert isinstance(node.value, dict)
    if name in node.value:
        raise UsageError(Problem(f"{name!r} is given twice.", place=value.place, path=option))
    node.value[name] = value
    node.keys[name] = Node(name, value.text._replace(shift=0), length=len(name))


def from_set(argument: str) -> Override:
    """Read `PATH=VALUE` of `--set`.

    Raises:
        UsageError: it has not that form, or VALUE is not YAML.
    """
    path, equals, _ = argument.partition("=")
    names = tuple(name.strip() for name in path.split("."))
    if not equals or not all(names) or not NAME.match(names[0]):
        place = option_node("--set", argument).place
        hint = "Expected PATH=VALUE, as in --set inputs.x.shape=[32]."
        raise UsageError(Problem(f"{argument!r} is not PATH=VALUE.", place=place, hint=hint))
    return Override(names, parse(option_text("--set", argument, len(path) + 1)))


def value_node(option: str, argument: str, shift: int = 0) -> Node:
    """Read a value of `--at` or `--vector`: YAML, or `@FILE`, after `shift` characters."""
    value = argument[shift:]
    if not value.startswith("@"):
        return parse(option_text(option, argument, shift))
    name, entry, key = value[1:], "", ""
    if found := _FILE_ENTRY.match(name):
        name, key = found.groups()
        entry = "key" if name.lower().endswith(".npz") else "column"
    text = option_text(option, argument, shift)
    node = Node({}, text, length=len(value))
    entries = [("file", name)] + ([(entry, key)] if entry else [])
    for entry_name, scalar in entries:
        child = Node(scalar, text, length=len(value))
        set_entry(node, entry_name, child, option)
    return node


def apply(root: Node, *overrides: Override) -> Node:
    """Return the tree with entries replaced, one after another.

    Only the nodes along the paths are copied, and each mapping once.

    Raises:
        UsageError: a path leads through a scalar, or past the end of a list.
    """
    own: dict[int, object] = {}
    for override in overrides:
        root = _put(root, override.path, override.node, override, own)
    return root


def _put(
    node: Node | None, path: tuple[str, ...], value: Node, override: Override, own: dict[int, Any]
) -> Node:
    """Return the node with one entry replaced; `own` are the mappings that nobody else has."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    written = override.key or override.node
    if node is None or node.value is None:
        node = replace(written, value={}, keys={})
    # What holds all inputs is no source, whatever they are called.
    depth = len(override.path) - len(path)
    gives_way = override.replaces_source and depth > (override.path[0] == "inputs")
    if gives_way and node.text.is_file and _is_one_source(node):
        node = Node({}, override.node.text)
    if isinstance(node.value, list):
        if not name.isdecimal() or int(name) >= len(node.value):
            raise _no_way(override, name, f"a list of {len(node.value)} entries")
        items = list(node.value)
        items[int(name)] = _put(items[int(name)], rest, value, override, own)
        return replace(node, value=items)
    if not isinstance(node.value, dict):
        raise _no_way(override, name, node.describe())
    key = node.keys.get(name) or override.key or _option_key(name, override.node.text)
    entry = _put(node.value.get(name), rest, value, override, own)
    if id(node.value) in own:
        node.value[name], node.keys[name] = entry, key
        return node
    entries = node.value | {name: entry}
    own[id(entries)] = entries  # held, so that nothing else gets its id
    return replace(node, value=entries, keys=node.keys | {name: key})


def _option_key(name: str, text: Text) -> Node:
    """Return the key that an option's argument writes: all of it."""
    return Node(name, text._replace(shift=0), length=len(text.lines[0]))


def _is_one_source(node: Node) -> bool:
    """Whether a node is a source itself, not a mapping of names, one of which may be `value`."""
    return not isinstance(node.value, dict) or is_whole_source(node)


def _no_way(override: Override, name: str, found: str) -> UsageError:
    path = ".".join(override.path)
    message = f"{path!r}: there is no entry {name!r} in {found}."
    return UsageError(Problem(message, place=(override.key or override.node).place))


_WHOLE = ("model", "correlation", "covariance")
"""Entries of which the parts belong together."""


def _beside(base: Node, child: Node) -> Node:
    """Return a mapping with the entries of another over its own, each of them whole."""
    if not isinstance(base.value, dict) or not isinstance(child.value, dict):
        return child
    return replace(child, value=base.value | child.value, keys=base.keys | child.keys)


def extend(base: Node, child: Node, *, inner: bool = False) -> Node:
    """Return `base` with the entries of `child` over it.

    Mappings are joined name by name; a model, a list, a scalar and an input that names a source
    replace what stood there.  The inputs are joined whatever they are called: `inner` is false for
    the spec's own entries.
    """
    if not isinstance(base.value, dict) or not isinstance(child.value, dict):
        return child
    entries = dict(base.value)
    for name, node in child.value.items():
        source = is_source(node) and (inner or name != "inputs")
        replaces = name in _WHOLE or name not in entries or source
        if name == "uncertainty" and not inner and not replaces:
            entries[name] = _beside(entries[name], node)
            continue
        entries[name] = node if replaces else extend(entries[name], node, inner=True)
    return replace(child, value=entries, keys=base.keys | child.keys)
