"""YAML text to a tree of `Node`s, as YAML 1.2 reads it.

PyYAML's parser gives the events; the tree is composed here, because PyYAML's own composer loses
positions, recurses without limit, lets duplicate keys win silently, expands aliases without
bound, and resolves scalars by YAML 1.1 (`1e-3` a string, `no` false).

Boundary: knows nothing of the spec's keys.  Builds no Python objects but scalars, lists and dicts.
"""

from __future__ import annotations

import math
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from jaccli.errors import Place, Problem, SpecError, format_bytes
from jaccli.spec.nodes import Node, Scalar, Text
from jaccli.storage.local_files import LONGEST_TEXT

MAX_BYTES = LONGEST_TEXT
MAX_DEPTH = 100
MAX_NODES = 2_000_000
"""Nodes after aliases are expanded."""

_MAX_DIGITS = 1_000
_ARRAYS_IN_FILES = "Keep large arrays in .npy files: {file: x.npy}."
_ILLEGAL = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile("\r\n|[\n\r]")
_NO_LINE_ENDS = dict.fromkeys((0x85, 0x2028, 0x2029), " ")
"""What the parser takes for the end of a line, as YAML 1.1 has it, and YAML 1.2 does not."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_COLLECTION_TAGS = {"tag:yaml.org,2002:seq", "tag:yaml.org,2002:map", "!"}


def parse(text: Text, problems: list[Problem] | None = None) -> Node:
    """Compose the one document of `text`.

    Duplicate keys are added to `problems`, so that they are reported together with what is found
    later; without it they are errors.

    Raises:
        SpecError: it is not YAML, holds several documents, tags or cyclic aliases, or is too deep
            or too large.
    """
    content = "\n".join(text.lines)[text.shift :]
    if len(content) > MAX_BYTES:
        raise too_large(text.name)
    _check_characters(text, content)
    content = content.translate(_NO_LINE_ENDS)
    composer = _Composer(text)
    try:
        composer.take_all(content)
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in (error.problem or "") and error.problem_mark:
            # The parser gives up at 1,000 levels, before it has told of the first: it reads ahead.
            # What stands before that place is too deep for the composer.
            with suppress(yaml.YAMLError):
                _Composer(text).take_all(content[: error.problem_mark.index])
        raise SpecError(_syntax_problem(text, error)) from error
    if problems is not None:
        problems.extend(composer.problems)
    elif composer.problems:
        raise SpecError(*composer.problems)
    return composer.root or Node(None, text)


def lines(content: str) -> tuple[str, ...]:
    """Return the lines of a text."""
    return tuple(_LINE_END.split(content))


def too_large(name: str) -> SpecError:
    """Return the error for a text of more than `MAX_BYTES`."""
    message = f"{name}: more than {format_bytes(MAX_BYTES)} of text."
    return SpecError(message, hint=_ARRAYS_IN_FILES)


def _check_characters(text: Text, content: str) -> None:
    """Refuse characters that YAML does not have."""
    found = _ILLEGAL.search(content)
    if found:
        before = content[: found.start()]
        line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
        message = f"not YAML: the character U+{ord(found[0]):04X} is not allowed."
        raise SpecError(Problem(message, place=text.place(line, column, 1)))


def _syntax_problem(text: Text, error: yaml.MarkedYAMLError) -> Problem:
    """Return what the parser found wrong, and what it was reading."""
    marks = (error.problem_mark, error.context_mark)
    line, column = next(((mark.line, mark.column) for mark in marks if mark), (0, 0))
    begin = error.context_mark.line if error.context_mark else line
    reason = error.problem or error.context or "it cannot be parsed"
    hint = ""
    if "cannot start any token" in reason:
        character = text.place(line, column, 1).text[text.place(line, column, 1).caret]
        reason = f"{character!r} cannot begin a value"
        hint = "Indent with spaces." if character == "\t" else "Quote texts that begin so."
    elif "mapping values are not allowed" in reason:
        hint = "Write {NAME: VALUE}, or NAME: VALUE on a line of its own below, indented."
    elif "',' or" in reason and begin == line:
        hint = "Quote an expression that holds brackets or commas, or give it a line of its own."
    elif error.context and begin != line:
        hint = f"{error.context.capitalize()} that begins on line {begin + 1}."
    while line and text.place(line, column, 1).text.lstrip()[:1] in ("", "#"):
        line -= 1  # the text ends where something is missing: point there
        column = len(text.lines[line]) - (text.shift if line == 0 else 0)
    return Problem(f"not YAML: {reason}.", place=text.place(line, column, 1), hint=hint)


def resolve(value: str) -> Scalar:
    """Return the scalar that a plain text stands for in YAML 1.2's core schema."""
    if _NULL.match(value):
        return None
    if _BOOL.match(value):
        return value[0] in "tT"
    if _INT.match(value):
        return int(value, {"0o": 8, "0x": 16}.get(value[:2], 10))
    if _FLOAT.match(value):
        special = value[-4:].lower() in (".inf", ".nan")
        return float(value.replace(".", "") if special else value)
    return value


def _overflows(value: Scalar, written: str) -> bool:
    """Whether a number, other than `.inf`, is too large for float64."""
    if isinstance(value, int):
        return abs(value) > sys.float_info.max
    return isinstance(value, float) and math.isinf(value) and written[-1] not in "fF"


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    node: Node
    anchor: str | None
    size: int = 1
    key: Node | None = None


@dataclass(slots=True)
class _Composer:
    """Builds the tree event by event, with a stack of its own in place of recursion."""

    text: Text
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int] | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    root: Node | None = None
    documents: int = 0

    def take_all(self, content: str) -> None:
        """Add all events of the parser."""
        for event in yaml.parse(content, Loader=_LOADER):
            self.take(event)

    def take(self, event: Any) -> None:
        """Add one event of the parser."""
        mark = event.start_mark
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents == 2:
                self.fail(mark, "a second document begins here.", "A spec is one YAML document.")
        elif isinstance(event, yaml.AliasEvent):
            self.add(*self.alias(event))
        elif isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event)
            self.remember(event.anchor, node, 1)
            self.add(node, 1)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            if len(self.stack) >= MAX_DEPTH:
                self.fail(mark, f"nested deeper than {MAX_DEPTH} levels.")
            if event.tag is not None and event.tag not in _COLLECTION_TAGS:
                self.refuse_tag(event)
            value: list[Node] | dict[str, Node] = (
                [] if isinstance(event, yaml.SequenceStartEvent) else {}
            )
            if event.anchor:
                self.anchors[event.anchor] = None  # not complete: an alias to it is a cycle
            node = Node(value, self.text, mark.line, mark.column, 1)
            self.stack.append(_Open(node, event.anchor))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = self.stack.pop()
            self.remember(done.anchor, done.node, done.size)
            self.add(done.node, done.size)

    def add(self, node: Node, size: int) -> None:
        """Put a finished node into the collection that is open."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += size
        if top.size > MAX_NODES:
            raise SpecError(
                Problem(
                    f"more than {MAX_NODES:,} values, aliases expanded.",
                    place=top.node.place,
                    hint=_ARRAYS_IN_FILES,
                )
            )
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        elif isinstance(top.node.value, dict):
            self.add_entry(top, top.node.value, node)

    def add_entry(self, top: _Open, entries: dict[str, Node], node: Node) -> None:
        """Take a mapping's key or, after it, its value."""
        if top.key is None:
            if not isinstance(node.value, str):
                raise SpecError(Problem("a key must be a name.", place=node.place))
            top.key = node
            return
        key, top.key = top.key, None
        name = str(key.value)
        if name in entries:
            self.problems.append(
                Problem(
                    f"the key {name!r} stands here a second time.",
                    place=key.place,
                    hint=f"First on line {top.node.keys[name].line + 1}.",
                )
            )
            return
        entries[name] = node
        top.node.keys[name] = key

    def is_key(self) -> bool:
        """Whether the next node is a mapping's key."""
        return (
            bool(self.stack)
            and isinstance(self.stack[-1].node.value, dict)
            and self.stack[-1].key is None
        )

    def scalar(self, event: Any) -> Node:
        """Resolve a scalar by YAML 1.2's core schema; keys stay text."""
        mark, end = event.start_mark, event.end_mark
        length = end.column - mark.column if end.line == mark.line else len(event.value)
        node = Node(event.value, self.text, mark.line, mark.column, length)
        if event.tag is not None and event.tag not in _TAGS and event.tag != "!":
            self.refuse_tag(event)
        if event.style in ("|", ">"):
            self.show_block(node)
        plain = event.implicit[0] or (event.tag in _TAGS and not event.tag.endswith(":str"))
        if plain and not self.is_key():
            if _INT.match(event.value) and len(event.value) > _MAX_DIGITS:
                self.fail(mark, f"an integer of {len(event.value)} digits.")
            node.value = resolve(event.value)
            if _overflows(node.value, event.value):
                shown = event.value if len(event.value) <= 60 else event.value[:57] + "..."
                message = f"{shown} does not fit float64."
                self.problems.append(Problem(message, place=node.place))
        return node

    def show_block(self, node: Node) -> None:
        """Point at the first line of a block scalar rather than at its `|`."""
        for line in range(node.line + 1, len(self.text.lines)):
            text = self.text.lines[line]
            if text.strip():
                node.line, node.column = line, len(text) - len(text.lstrip())
                return

    def alias(self, event: Any) -> tuple[Node, int]:
        """Return what an alias stands for, and its size."""
        if event.anchor not in self.anchors:
            self.fail(event.start_mark, f"no anchor '&{event.anchor}' before this alias.")
        found = self.anchors[event.anchor]
        if found is None:
            self.fail(event.start_mark, f"the alias '*{event.anchor}' holds itself.")
        return found

    def remember(self, anchor: str | None, node: Node, size: int) -> None:
        """Keep a finished node for aliases to come."""
        if anchor:
            self.anchors[anchor] = (node, size)

    def refuse_tag(self, event: Any) -> NoReturn:
        """Raise at a tag."""
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self.fail(event.start_mark, f"the tag {tag!r} is not allowed.", "A spec has no tags.")

    def fail(self, mark: Any, message: str, hint: str = "") -> NoReturn:
        """Raise at a mark of the parser."""
        place: Place = self.text.place(mark.line, mark.column, 1)
        raise SpecError(Problem(message, place=place, hint=hint))
