"""What a task is called: `x=0.5,lam=2`, from the values that are set, as a file may be named.

A name depends on the task's own values and on which entries are swept, so it stays when values are
added to a sweep.
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
"""Characters of a name; file systems take 255 bytes, and suffixes and folders come on top."""
_HASHED = 8
"""Hexadecimal digits that tell shortened names apart."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,-]+")


def labels(paths: Iterable[str]) -> dict[str, str]:
    """Return what each swept entry is called: `x` for `inputs.x` unless that means another too."""
    paths = list(paths)
    short = {path: path.removeprefix("inputs.") for path in paths}
    taken = Counter(short.values())
    return {path: name if taken[name] == 1 else path for path, name in short.items()}


def text(node: Node) -> str:
    """Return a value on one line: a scalar as YAML writes it, a list of scalars as `3_2`."""
    if isinstance(node.value, list) and not any(
        isinstance(entry.value, dict | list) for entry in node.value
    ):
        return "_".join(written(entry.value) for entry in node.value)  # type: ignore[arg-type]
    if isinstance(node.value, dict | list):
        return json.dumps(node.plain(), ensure_ascii=False, separators=(",", ":"))
    return written(node.value)


def title(setting: Setting) -> str:
    """Return the values of a setting in full: `x=1_2,lam=2`."""
    called = labels(".".join(override.path) for override in setting)
    values = (text(override.node) for override in setting)
    return ",".join(f"{name}={value}" for name, value in zip(called.values(), values, strict=True))


def stems(titles: Sequence[str]) -> list[str]:
    """Return a file name without suffix for each title, all different, whatever case counts.

    What cannot stand in a file name becomes `_`; names that lose something so, or by being
    shortened, end in a hash of the whole title.
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
