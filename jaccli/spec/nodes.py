"""The tree of a spec before it is checked: plain values, each of which knows where it was written.

Boundary: knows nothing of YAML or of the spec's keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jaccli.errors import Place

Scalar = str | int | float | bool | None


class Text(NamedTuple):
    """A text the user wrote: a file, or an option's argument.

    `shift` is the number of characters before the YAML in an option's only line (`x=` of
    `--at x=3`).  `folder` is what relative paths in the text are relative to.
    """

    name: str
    folder: Path
    lines: tuple[str, ...]
    is_file: bool = True
    shift: int = 0

    def place(self, line: int, column: int, length: int) -> Place:
        """Return the place at `line`, `column` (both from 0)."""
        text = self.lines[line] if line < len(self.lines) else ""
        caret = column + (self.shift if line == 0 else 0)
        number = line + 1 if self.is_file else 0
        return Place(self.name, number, caret + 1, text, caret, max(1, length))


@dataclass(slots=True, eq=False)
class Node:
    """A scalar, a list of nodes, or a mapping of names to nodes, with its position in `text`.

    `keys` holds, for a mapping, a node for each key's own position; `named` says that they are
    names of inputs or outputs, even if a source has a key of that name.
    """

    value: Scalar | list[Node] | dict[str, Node]
    text: Text
    line: int = 0
    column: int = 0
    length: int = 1
    keys: dict[str, Node] = field(default_factory=dict)
    named: bool = False

    @property
    def place(self) -> Place:
        """Where the value begins."""
        return self.text.place(self.line, self.column, self.length)

    def get(self, *path: str) -> Node | None:
        """Return the node below `path`, or None."""
        node: Node | None = self
        for name in path:
            if node is None:
                return None
            if isinstance(node.value, dict):
                node = node.value.get(name)
            elif isinstance(node.value, list) and name.isdecimal():
                index = int(name)
                node = node.value[index] if index < len(node.value) else None
            else:
                return None
        return node

    def plain(self) -> object:
        """Return the value as plain lists, dicts and scalars."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def describe(self) -> str:
        """Return the value as an error quotes it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        shown = repr(self.value) if isinstance(self.value, str) else written(self.value)
        return shown if len(shown) <= 60 else shown[:57] + "..."

    def leaves(self) -> Iterator[Node]:
        """Yield the scalars below, in order."""
        stack = [self]
        while stack:
            node = stack.pop()
            if isinstance(node.value, dict):
                stack.extend(reversed(list(node.value.values())))
            elif isinstance(node.value, list):
                stack.extend(reversed(node.value))
            else:
                yield node


def written(value: Scalar) -> str:
    """Return a scalar as YAML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return "null" if value is None else str(value)
