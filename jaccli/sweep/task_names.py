"""Names of tasks, `x=0.5,lam=2`, made of their values and fit for file names.

A name depends on the values of the task and on which entries are swept, so it does not change when
values are added to the sweep.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from jaccli.spec.nodes import Node, written
from jaccli.spec.sweep import Setting
from jaccli.storage.digest import text_digest

_LONGEST = 80
"""Maximum length of a name; file systems allow 255 bytes, suffix included."""
_HASHED = 8
"""Hexadecimal digits of the hash that ends a shortened name."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,-]+")


def labels(paths: Iterable[str]) -> dict[str, str]:
    """Return the short name of each swept path: `x` for `inputs.x` if that is unique."""
    paths = list(paths)
    short = {path: path.removeprefix("inputs.") for path in paths}
    taken = Counter(short.values())
    return {path: name if taken[name] == 1 else path for path, name in short.items()}


def text(node: Node) -> str:
    """Return a value as one line of text: a scalar as in YAML, a list of scalars as `3_2`."""
    if isinstance(node.value, list) and not any(
        isinstance(entry.value, dict | list) for entry in node.value
    ):
        return "_".join(written(entry.value) for entry in node.value)  # type: ignore[arg-type]
    if isinstance(node.value, dict | list):
        return json.dumps(node.plain(), ensure_ascii=False, separators=(",", ":"))
    return written(node.value)


def title(setting: Setting) -> str:
    """Return the values of a setting in full: `x=1_2,lam=2`."""
    short_names = labels(".".join(override.path) for override in setting)
    values = (text(override.node) for override in setting)
    return ",".join(
        f"{name}={value}" for name, value in zip(short_names.values(), values, strict=True)
    )


def stems(titles: Sequence[str]) -> list[str]:
    """Return a unique file name without suffix for each title; case does not distinguish names.

    Characters that file names cannot have become `_`.  Names that were changed or shortened end in
    a hash of the title.
    """
    plain = [_UNSAFE.sub("_", title).replace("=_", "=") for title in titles]
    counts: dict[str, int] = {}
    for name in plain:
        counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    return [
        name
        if name == title and len(name) <= _LONGEST and counts[name.casefold()] == 1
        else _hashed(name, title)
        for name, title in zip(plain, titles, strict=True)
    ]


def _hashed(name: str, title: str) -> str:
    return f"{name[: _LONGEST - _HASHED - 1].rstrip('_')}-{text_digest(title)[:_HASHED]}"
