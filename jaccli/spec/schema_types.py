"""The kinds of values a spec may hold: each checks a node, reports problems, and has a JSON Schema.

A `SchemaType` turns a `Node` into plain data (scalars, lists, dicts).  `schema.py` puts them
together into the one declaration of the spec, from which checks, positions and `jaccli schema`
follow.

Types are NamedTuples, because every call defines them: 0.06 ms each where a frozen dataclass takes
0.49.  Boundary: knows nothing of models, files or arrays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

from jaccli.errors import LISTED, Problem, did_you_mean, expected, likely, suggest
from jaccli.spec.nodes import Node

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SIZE = r"\s*([0-9]*\.?[0-9]+)\s*((?:[kKmMgGtTpP][iI]?)?[bB]?)\s*"
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


class ProblemCollector:
    """Collects the problems of one spec."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @property
    def is_shown(self) -> bool:
        """Whether another problem would be shown: very many are counted."""
        return len(self.problems) < LISTED

    def add(self, node: Node, path: str, message: str, hint: str | Callable[[], str] = "") -> None:
        """Report a problem at a node; a hint that takes work is made where it may be shown."""
        if not isinstance(hint, str):
            hint = hint() if self.is_shown else ""
        self.problems.append(Problem(message, path=path, place=node.place, hint=hint))


class SchemaType(Protocol):
    """What a value may be."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        """Return the value as plain data; report what is wrong with it."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        ...


def join(path: str, name: str) -> str:
    """Return the path of an entry below `path`."""
    return f"{path}.{name}" if path else name


class Anything:
    """Any value: what it must be is known elsewhere."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        return node.plain()

    def schema(self) -> dict[str, Any]:
        return {}


class OneOf(NamedTuple):
    """One of some words."""

    names: tuple[str, ...]
    hint: str = ""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, str) or node.value not in self.names:
            message = f"unknown value {node.describe()}."
            if not isinstance(node.value, str):
                message = f"{node.describe()} is not a word."
            hint = self.hint or likely(str(node.value), self.names)
            report.add(node, path, message, hint)
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.names)}


class Words(NamedTuple):
    """A text; with `pattern`, one that matches it, and `what` says what it is."""

    what: str = "a text"
    pattern: str | None = None

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        good = isinstance(node.value, str) and node.value != ""
        if good and self.pattern:
            good = re.fullmatch(self.pattern, str(node.value)) is not None
        if not good:
            report.add(node, path, f"{node.describe()} is not {self.what}.")
        return node.value

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        return schema | {"pattern": f"^(?:{self.pattern})$"} if self.pattern else schema


class Code:
    """An expression: a text, or a bare number."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if number or (isinstance(node.value, str) and node.value.strip()):
            return str(node.value)
        several = isinstance(node.value, list)
        hint = "Several have names: expressions: {y: ..., z: ...}." if several else ""
        report.add(node, path, f"{node.describe()} is not an expression.", hint)
        return None

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"]}


class Flag:
    """`true` or `false`."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, bool):
            report.add(node, path, f"{node.describe()} is not true or false.")
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Size:
    """An amount of memory: `512MiB`, `2GB`, or a number of bytes; becomes bytes."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        size = None if isinstance(node.value, bool) else parse_size(str(node.value))
        if not size:
            message = f"{node.describe()} is not a size."
            report.add(node, path, message, "Write it as 512MiB, 2GiB or a number of bytes.")
        return size

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "number", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE}$"}]
        }


class Count(NamedTuple):
    """A whole number from 1 on, or `all`; `what` says of what."""

    what: str

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        text = "" if isinstance(node.value, bool) else str(node.value)
        count = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
        if count < 1 and text != "all":
            hint = "Expected 'all', or a whole number of at least 1."
            report.add(node, path, f"{node.describe()} is not a number of {self.what}.", hint)
        return count or text

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["all"]}]}


def parse_size(text: str) -> int | None:
    """Return the bytes of `512MiB` (binary) or `2GB` (decimal), or None."""
    match = re.fullmatch(_SIZE, text)
    if not match:
        return None
    unit = match[2].lower().rstrip("b")
    base = 1024 if unit.endswith("i") else 1000
    size = float(match[1]) * float(base ** _UNITS[unit.rstrip("i")])
    return int(size) if math.isfinite(size) else None


class Shape:
    """A list of sizes, or one size; becomes a list."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        nodes = node.value if isinstance(node.value, list) else [node]
        sizes = [size.value for size in nodes]
        for size in nodes:
            value = size.value
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                message = f"{size.describe()} is not a size."
                report.add(size, path, message, "A shape is a list of whole numbers: [16, 16].")
                return None
        if len(sizes) > 32:
            report.add(node, path, f"{len(sizes)} dimensions; arrays have at most 32.")
            return None
        return sizes

    def schema(self) -> dict[str, Any]:
        size = {"type": "integer", "minimum": 0}
        return {"anyOf": [size, {"type": "array", "items": size, "maxItems": 32}]}


class Items(NamedTuple):
    """A list; with `single`, also one item alone, which becomes a list of one."""

    item: SchemaType
    least: int = 0
    most: int | None = None
    single: bool = False
    unique: bool = False

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, list):
            if self.single:
                return [self.item.check(node, path, report)]
            report.add(node, path, f"{node.describe()} is not a list.")
            return None
        if not self.least <= len(node.value) <= (self.most or len(node.value)):
            count = f"{self.least}" if self.most == self.least else f"at least {self.least}"
            report.add(node, path, f"{len(node.value)} entries in place of {count}.")
            return None
        values = [self.item.check(child, path, report) for child in node.value]
        if self.unique:
            seen: set[str] = set()
            for child, value in zip(node.value, values, strict=True):
                if (known := repr(value)) in seen:
                    report.add(child, path, f"{child.describe()} stands here a second time.")
                seen.add(known)
        return values

    def schema(self) -> dict[str, Any]:
        schema = {"type": "array", "items": self.item.schema(), "minItems": self.least}
        if self.most:
            schema["maxItems"] = self.most
        if self.unique:
            schema["uniqueItems"] = True
        return {"anyOf": [self.item.schema(), schema]} if self.single else schema


class Named(NamedTuple):
    """A mapping of names that the user chooses to values of one kind."""

    item: SchemaType
    what: str = "a name"
    pattern: re.Pattern[str] = NAME

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, dict):
            message = f"{node.describe()} is not a mapping of names to values."
            report.add(node, path, message, names_advice(node))
            return None
        for name, key in node.keys.items():
            if not self.pattern.match(name) or (self.pattern is NAME and len(name) > 200):
                hint = "Letters, digits and underscores, not beginning with a digit."
                report.add(key, path, f"{key.describe()} is not {self.what}.", hint)
        return {
            name: self.item.check(child, join(path, name), report)
            for name, child in node.value.items()
        }

    def schema(self) -> dict[str, Any]:
        pattern = self.pattern.pattern.replace(r"\Z", "$")
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{pattern}"},
            "additionalProperties": self.item.schema(),
        }


def names_advice(node: Node) -> str:
    """Return what stands in place of something that is no mapping of names to values."""
    if isinstance(node.value, list):
        return "Expected {NAME: VALUE, ...}, or lines NAME: VALUE without dashes."
    return f"Expected {{NAME: {node.value}}}." if node.value is not None else ""


class Key(NamedTuple):
    """One key of a `RecordType`.

    `decides` says on what its value does: on the `program` that is compiled, and so on the result;
    on the `result` alone, as numbers do; or on `nothing` of it.
    """

    kind: SchemaType
    doc: str
    required: bool = False
    default: Any = None
    decides: Literal["program", "result", "nothing"] = "program"


class RecordType(NamedTuple):
    """A mapping with keys that are known beforehand; the absent ones get their defaults."""

    keys: Mapping[str, Key]
    what: str = "a mapping"
    foreign: Callable[[str], str] | None = None
    """What the hint says besides of an unknown key."""
    elsewhere: Mapping[str, str] = {}
    """Keys that have their place elsewhere, and what is said of it."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, dict):
            report.add(node, path, f"{node.describe()} is not {self.what}.", self._form(node))
            return None
        for name, key in node.keys.items():
            if name not in self.keys:
                report.add(key, path, f"unknown key {name!r}.", partial(self._hint, name))
        for name, declared in self.keys.items():
            if declared.required and name not in node.value:
                report.add(node, path, f"the key {name!r} is missing.")
        return {
            name: declared.kind.check(node.value[name], join(path, name), report)
            if name in node.value
            else declared.default
            for name, declared in self.keys.items()
        }

    def _form(self, node: Node) -> str:
        """Return what stands in place of something that is no mapping."""
        first, hint = next(iter(self.keys)), expected(self.keys)
        if first in ("path", "file") and isinstance(node.value, str):
            return f"Write {{{first}: {node.value}}}."
        return hint

    def _hint(self, name: str) -> str:
        if name in self.elsewhere:
            return self.elsewhere[name]
        more = self.foreign(name) if self.foreign and not suggest(name, self.keys) else ""
        return did_you_mean(name, self.keys) + (f" {more}" if more else "")

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                name: key.kind.schema()
                | {"description": key.doc}
                | ({} if key.default is None else {"default": key.default})
                for name, key in self.keys.items()
            },
            "additionalProperties": False,
        }
        required = [name for name, key in self.keys.items() if key.required]
        return schema | {"required": required} if required else schema


class Case(NamedTuple):
    """One of the kinds that an `Either` chooses from: `when` looks at the node's form alone."""

    when: Callable[[Node], bool]
    kind: SchemaType


class Either(NamedTuple):
    """One of several kinds, told apart by the node's form; the last case takes the rest."""

    cases: tuple[Case, ...]
    name: str | None = None
    """With a name, the schema is a reference to `$defs`."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        for case in self.cases[:-1]:
            if case.when(node):
                return case.kind.check(node, path, report)
        return self.cases[-1].kind.check(node, path, report)

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.name}"} if self.name else self.definition()

    def definition(self) -> dict[str, Any]:
        """Return the schema itself, for `$defs`."""
        return {"anyOf": [case.kind.schema() for case in self.cases]}


class NoKey(NamedTuple):
    """A mapping without any of the keys that would say what it is."""

    what: str
    names: tuple[str, ...]
    otherwise: str = ""
    """What the hint says besides of a key that is like none of the names."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        first, key = next(iter(node.keys.items()), ("", node))
        message = f"the mapping names no {self.what}."
        if not isinstance(node.value, dict):
            message = f"{node.describe()} is not a {self.what}."
            first = ""
        more = self.otherwise if first and not suggest(first, self.names) else ""
        hint = did_you_mean(first, self.names) + more
        if isinstance(node.value, list) and len(node.value) == 1:
            hint = f"Write {{{self.names[0]}: {node.value[0].value}}}."
        report.add(key, path, message, hint)
        return None

    def schema(self) -> dict[str, Any]:
        return {"not": {}}


class Clash(NamedTuple):
    """A mapping with keys of several kinds: none of them is a whole one."""

    what: str
    groups: tuple[tuple[str, ...], ...]

    def among(self, node: Node) -> list[str]:
        """Return the first key of each kind that is there."""
        given = node.keys if isinstance(node.value, dict) else {}
        return [name for group in self.groups for name in [n for n in group if n in given][:1]]

    def is_one(self, node: Node) -> bool:
        """Whether there are keys of more than one kind."""
        return len(self.among(node)) > 1

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        """Report it where an option gives one of the keys, else at the first one."""
        names = self.among(node)
        at = next((node.keys[name] for name in names if not node.keys[name].text.is_file), None)
        message = f"{' and '.join(map(repr, names))} are different kinds of {self.what}."
        report.add(at or node.keys[names[0]], path, message, "Keep one of them.")
        return None

    def schema(self) -> dict[str, Any]:
        return {"not": {}}


def has_key(*names: str) -> Callable[[Node], bool]:
    """Return a test for a mapping that holds one of the keys."""
    wanted = frozenset(names)
    return lambda node: isinstance(node.value, dict) and not wanted.isdisjoint(node.value)


def is_mapping(node: Node) -> bool:
    """Whether the node is a mapping."""
    return isinstance(node.value, dict)


def is_scalar(node: Node) -> bool:
    """Whether the node is neither a list nor a mapping."""
    return not isinstance(node.value, dict | list)


def always(_: Node) -> bool:
    """Accept every node: the last case of an `Either`."""
    return True


def schemas(kinds: Iterable[Either]) -> dict[str, Any]:
    """Return the `$defs` of the named kinds."""
    return {kind.name: kind.definition() for kind in kinds if kind.name}
