"""The page of the Python API: signatures and docstrings of what `jaccli` exports."""

from __future__ import annotations

import inspect
import re
from typing import Any

import jaccli

_SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields")
_PARAMETER = re.compile(r"^ {4,}([*\w, .()]+): (.*)$")


def python_api() -> str:
    """Return the page: functions, then the classes with their methods."""
    lines = [
        "# Python API",
        "",
        "What `import jaccli` gives, from its docstrings; [the page about Python](../python.md)",
        "has examples. Importing is light: JAX is loaded with the first derivative.",
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
    signature = f"{name}({', '.join(_parameters(value))}){_result(value)}"
    if len(signature) > 90:
        inner = "".join(f"    {each},\n" for each in _parameters(value))
        signature = f"{name}(\n{inner}){_result(value)}"
    title = [f"{level} `{name}`", "", "```python", signature, "```", ""]
    return ["", *title, *_docstring(inspect.getdoc(value))]


def _parameters(value: Any) -> list[str]:
    """Return a function's parameters as they are written, without `self`."""
    parts, stars = [], {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    is_open = True
    for each in inspect.signature(value).parameters.values():
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and is_open:
            parts.append("*")
            is_open = False
        is_open &= each.kind is not each.VAR_POSITIONAL
        text = stars.get(each.kind, "") + each.name
        if each.annotation is not each.empty:
            text += f": {each.annotation}"
        if each.default is not each.empty:
            text += f" = {each.default!r}"
        parts.append(text)
    return parts


def _result(value: Any) -> str:
    result = inspect.signature(value).return_annotation
    return "" if result is inspect.Signature.empty else f" -> {result}"


def _docstring(text: str | None) -> list[str]:
    """Return a docstring as Markdown: its sections are lists, its doctests code."""
    lines, section, example = [], "", False
    for line in (text or "").splitlines():
        if not example and line.lstrip().startswith(">>>"):
            lines.append("```pycon")
            example = True
        if example:
            if line.strip():
                lines.append(line.strip())
                continue
            lines.append("```")
            example = False
        if line.endswith(":") and line[:-1] in _SECTIONS:
            section = line[:-1]
            lines += [f"**{'Parameters' if section == 'Args' else section}**", ""]
        elif match := _PARAMETER.match(line) if section else None:
            lines.append(f"- `{match[1]}`: {match[2]}")
        elif section and line.startswith("    "):
            lines.append("  " + line.strip())
        else:
            section = section if not line.strip() else ""
            lines.append(line)
    return [*lines, *(["```"] if example else [])]
