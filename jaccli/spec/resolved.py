"""A resolved spec as YAML that reads back as itself."""

from __future__ import annotations

from typing import Any

import yaml

from jaccli.spec.yaml12 import resolve


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes the texts that YAML 1.2 would read as something else."""


def _text(dumper: Any, value: str) -> Any:
    style = '"' if not isinstance(resolve(value), str) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(resolved: dict[str, Any]) -> str:
    """Return plain data as YAML, leaves in flow style."""
    text: str = yaml.dump(
        resolved,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=100,
    )
    return text
