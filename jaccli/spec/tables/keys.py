"""The keys by which a `file` source says how its table is written, and their checks.

Boundary: knows nothing of files' contents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaccli.choices import TABLE_SUFFIXES
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import Items, Key, OneOf, ProblemCollector

BLANKS = "blanks"
NONE = "none"
FIRST = "first"
ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "latin-1",
    "cp1252",
    "shift_jis",
    "gb18030",
)
_SEPARATOR_WORDS = {"tab": "\t", "\\t": "\t", " ": BLANKS}
_SEPARATOR = r"""[^\w\s.+\-"'\\\x00]|[\t ]|tab|blanks|\\t"""
_COMMENT = r"""[^\s0-9.+\-,;"'][^\r\n]*"""


class Column:
    """A column: its name, or its place, counted from 0."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        value = node.value
        is_place = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not is_place and not (isinstance(value, str) and value):
            hint = "Expected its name, or its place counted from 0."
            report.add(node, path, f"{node.describe()} is not a column.", hint)
        return value

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}],
        }


class Separator:
    """What stands between cells: one character, `tab` or `blanks`; becomes a character, or that."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        value = node.value
        if not isinstance(value, str) or not re.fullmatch(_SEPARATOR, value):
            hint = "Expected one character in quotes, as ';', or one of 'tab', 'blanks'."
            report.add(node, path, f"{node.describe()} is not a separator.", hint)
            return None
        return _SEPARATOR_WORDS.get(value, value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{_SEPARATOR})$"}


class Comment:
    """What a line that is skipped begins with; `none` skips none."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if not isinstance(node.value, str) or not re.fullmatch(_COMMENT, node.value):
            hint = "Expected what such lines begin with, in quotes, as '#', or none."
            report.add(node, path, f"{node.describe()} begins no comment.", hint)
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{_COMMENT})$"}


class MissingCell:
    """The text of a cell without a number, which may be empty, or a number that stands for it."""

    def check(self, node: Node, path: str, report: ProblemCollector) -> Any:
        if isinstance(node.value, bool) or not isinstance(node.value, str | int | float):
            hint = 'Expected texts or numbers: missing: [NA, "", -999].'
            report.add(node, path, f"{node.describe()} is not the text of a cell.", hint)
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"]}


COLUMNS: dict[str, Key] = {
    "column": Key(Column(), "a column of a table: its name, or its place from 0"),
    "columns": Key(Items(Column(), least=1), "columns of a table, side by side"),
}
WRITTEN: dict[str, Key] = {
    "separator": Key(Separator(), "what separates cells: ',' ';' 'tab' 'blanks' ... (found)"),
    "decimal": Key(OneOf((".", ","), "Expected '.' or ',', in quotes."), "decimal sign (found)"),
    "comment": Key(Comment(), "what lines begin with that are skipped ('#'), or none"),
    "header": Key(OneOf((NONE, FIRST)), "whether the first line names the columns (found)"),
    "missing": Key(Items(MissingCell(), single=True), "cells that become NaN (none)"),
    "encoding": Key(OneOf(ENCODINGS), "the text's encoding ('utf-8')"),
}
KEYS = COLUMNS | WRITTEN


class TableOptions(NamedTuple):
    """What a source says of its table; None is to be found."""

    separator: str | None
    decimal: str | None
    comment: str
    header: str | None
    missing: frozenset[str]
    """Texts of cells that become NaN."""
    sentinels: tuple[float, ...]
    """Numbers that become NaN."""
    encoding: str | None

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> TableOptions:
        """Return the options that the checked entries of a source give."""
        words = entries.get("missing") or []
        numbers = [float(word) for word in words if not isinstance(word, str)]
        comment = entries.get("comment") or "#"
        return cls(
            entries.get("separator"),
            entries.get("decimal"),
            "" if comment == NONE else comment,
            entries.get("header"),
            frozenset(word.strip() for word in words if isinstance(word, str)),
            tuple(numbers),
            entries.get("encoding"),
        )


def check(entries: Mapping[str, Any], node: Node, path: str, report: ProblemCollector) -> None:
    """Report keys of a table that do not go together, or not with the file."""
    name = str(entries["file"])
    is_table = name.lower().endswith(TABLE_SUFFIXES)
    for key in KEYS if not is_table else ():
        if entries[key] is not None:
            report.add(node.get(key) or node, path, f"{key!r} goes with tables alone.", _TABLES)
    if entries["column"] is not None and entries["columns"] is not None:
        report.add(node, path, "'column' and 'columns' do not go together.")
    separator, comment = entries["separator"], entries["comment"] or "#"
    if separator is not None and comment.startswith(separator):
        message = f"lines that begin with {comment!r} are skipped, so it separates no cells."
        report.add(node.get("separator") or node, path, message, "Write comment: none beside it.")


_TABLES = f"Tables are {', '.join(TABLE_SUFFIXES[:-1])} and {TABLE_SUFFIXES[-1]} files."


def remedy(entries: Mapping[str, Any], **more: Any) -> str:
    """Return the source with other entries, as a spec and `--at` take it: `{file: t.csv, ...}`."""
    entries = {key: value for key, value in entries.items() if value is not None}
    if "column" in more or "columns" in more:
        entries = {key: value for key, value in entries.items() if key not in COLUMNS}
    texts = (f"{key}: {_yaml(value, key)}" for key, value in (entries | more).items())
    return f"{{{', '.join(texts)}}}"


def shown(key: str, value: str) -> str:
    """Return an option of a table as a spec writes it: `separator: ";"`."""
    return f"{key}: {_yaml(value, key)}"


def _yaml(value: Any, key: str) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(item, key) for item in value)}]"
    if not isinstance(value, str):
        return str(value)
    if key == "separator" and value == "\t":
        return "tab"
    plain = re.fullmatch(r"[^\W\d][\w./ ()-]*", value) and value == value.strip()
    if plain and not re.fullmatch(r"(?i)null|true|false", value):
        return value
    import json  # for messages alone

    return json.dumps(value, ensure_ascii=False)
