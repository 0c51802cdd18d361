"""The page of a spec's keys, from its JSON Schema."""

from __future__ import annotations

from typing import Any

from jaccli.spec.schema import json_schema


def spec_keys() -> str:
    """Return the page: a table of the keys, and one of each mapping that has keys of its own."""
    schema = json_schema()
    lines = [
        "# Keys of a spec",
        "",
        "Generated from the JSON Schema that `jaccli schema` prints; what they mean, with",
        "examples, is in [the spec](../spec.md).",
        "",
        *_table(schema, "key"),
    ]
    for name, entry in schema["properties"].items():
        for record in _records(entry):
            lines += [
                "",
                f"## `{name}`: {', '.join(f'`{key}`' for key in record['properties'])}",
                "",
            ]
            lines += _table(record, f"key of `{name}`")
    lines += ["", "## Sources of an input", ""]
    lines += [
        "In place of an input's value, and of any other array in a spec. A number may be a",
        "constant expression, as `pi/2`.",
        "",
        "| source | keys |",
        "|---|---|",
    ]
    for record in _sources(schema):
        keys = record["properties"]
        required = record.get("required", [])
        first = ", ".join(f"`{key}`" for key in required)
        lines.append(
            f"| {first} | {', '.join(f'`{key}`' for key in keys if key not in required)} |"
        )
    return "\n".join([*lines, ""])


def _table(record: dict[str, Any], title: str) -> list[str]:
    required = record.get("required", [])
    lines = [f"| {title} | values | |", "|---|---|---|"]
    for name, entry in record["properties"].items():
        notes = entry.get("description", "")
        if name in required:
            notes += "; required" if notes else "required"
        if entry.get("default") not in (None, {}, []):
            notes += f" (default `{entry['default']}`)"
        lines.append(f"| `{name}` | {_values(entry)} | {_cell(notes)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def _values(entry: dict[str, Any]) -> str:
    """Return the kinds of values of an entry, each once."""
    kinds = list(dict.fromkeys(kind for kind in _kinds(entry) if kind))
    return ", ".join(kinds) or "any"


def _kinds(entry: dict[str, Any]) -> list[str]:
    if "enum" in entry or "const" in entry:
        return [f"`{value}`" for value in entry.get("enum", [entry.get("const")])]
    if "anyOf" in entry:
        return [kind for each in entry["anyOf"] for kind in _kinds(each)]
    if "$ref" in entry:
        return ["a source" if "source" in entry["$ref"] else entry["$ref"].split("/")[-1]]
    if "items" in entry and entry.get("type") == "array":
        inner = _values(entry["items"]) if isinstance(entry["items"], dict) else "any"
        return ["list" if len(inner) > 80 else f"list of {inner}"]
    kind = entry.get("type", "")
    names = {
        "string": "text", "number": "number", "integer": "whole number", "object": "mapping",
        "boolean": "`true`, `false`", "array": "list",
    }  # fmt: skip
    kinds = kind if isinstance(kind, list) else [kind]
    return [names.get(each, "") for each in kinds]


def _records(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the mappings among the values of an entry that have keys of their own."""
    if "anyOf" in entry:
        return [record for each in entry["anyOf"] for record in _records(each)]
    return [entry] if "properties" in entry else []


def _sources(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return _records(schema["$defs"]["source"])
