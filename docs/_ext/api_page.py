"""The page of the Python API: signatures and docstrings of what `jaccli` exports."""

from __future__ import annotations

import inspect
import re
from typing import Any

import jaccli

_SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields")
_PARAMETER = re.compile(r"^    ([*\w, .]+): (.*)$")


def python_api() -> str:
    """Return the page: functions, then the classes with their methods."""
    lines = [
        "# Python API",
        "",
        "What `import jaccli` gives, from its docstrings; [the page about Python](../python.md) has",
        "examples. Importing is light: JAX is loaded with the first derivative.",
    ]
    names = [name for name in jaccli.__all__ if not name.startswith("__")]
    for name in sorted(names, key=lambda name: (name[0].isupper(), name.lower())):
        value = getattr(jaccli, name)
        lines += _class(name, value) if inspect.isclass(value) else _function(name, value, "##")
    return "\n".join([*lines, ""])


def _class(name: str, value: type) -> list[str]:
    lines = ["", f"## `{name}`", "", *_docstring(inspect.getdoc(value))]
    for key, member in sorted(vars(value).items()):
        if key.startswith("_") or isinstance(member, type):
            continue
        if isinstance(member, property):
            lines += ["", f"### `{name}.{key}`", "", *_docstring(inspect.getdoc(member))]
        elif callable(member) or isinstance(member, staticmethod | classmethod):
            lines += _function(f"{name}.{key}", getattr(value, key), "###")
    return lines


def _function(name: str, value: Any, level: str) -> list[str]:
    text = str(inspect.signature(value)).replace("'", "").replace("typing.", "")
    signature = name + re.sub(r"\bself(, /)?(, )?", "", text, count=1)
    if len(signature) > 90:
        head, _, rest = signature.partition("(")
        arguments, arrow, result = rest.rpartition(") -> ") if ") -> " in rest else (rest, "", "")
        parts = ",\n    ".join(_split(arguments))
        signature = f"{head}(\n    {parts},\n{arrow}{result}"
    title = [f"{level} `{name}`", "", "```python", signature, "```", ""]
    return ["", *title, *_docstring(inspect.getdoc(value))]


def _split(arguments: str) -> list[str]:
    """Split arguments at the commas that are outside of brackets."""
    parts, depth = [""], 0
    for letter in arguments:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _docstring(text: str | None) -> list[str]:
    """Return a docstring as Markdown: its sections are lists, its examples code."""
    lines, section, code = [], "", False
    for line in (text or "").splitlines():
        if code and line.strip() and not line.startswith("    "):
            lines += ["```", ""]
            code = False
        if line.rstrip(":") in _SECTIONS and line.endswith(":"):
            section = line.rstrip(":")
            title = {"Args": "Parameters", "Raises": "Raises", "Returns": "Returns"}
            lines += [f"**{title.get(section, section)}**", ""]
        elif match := _PARAMETER.match(line) if section else None:
            lines.append(f"- `{match[1]}`: {match[2]}")
        elif section and line.startswith("     "):
            lines.append("  " + line.strip())
        elif not section and (line.startswith("    ") or code):
            if not code:
                lines += ["```python"]
                code = True
            lines.append(line.removeprefix("    "))
        else:
            section = section if not line.strip() else ""
            lines.append(line)
    return [*lines, *(["```"] if code else [])]
