"""What the keys of blocks stand for: `y.params.w1` is the output `y` by the input `params.w1`.

Outputs have no dots in their names, inputs may have (`params.w1`), and no input's name begins as
another one and a dot.  Boundary: names alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class BlockNames(NamedTuple):
    """The names in a key: no output for a vjp, no inputs for evaluate and jvp."""

    output: str | None
    wrt: tuple[str, ...]


def split_keys(keys: Iterable[str], derivative: str) -> dict[str, BlockNames] | None:
    """Return what the keys of a derivative's blocks stand for, None where they are not such.

    >>> split_keys(["f.p.a.p.a", "f.p.a.b", "f.b.p.a", "f.b.b"], "hessian")["f.p.a.b"]
    BlockNames(output='f', wrt=('p.a', 'b'))
    """
    keys = list(keys)
    if derivative == "vjp":
        return {key: BlockNames(None, (key,)) for key in keys}
    parts = {key: key.partition(".") for key in keys}
    wants_wrt = derivative not in ("evaluate", "jvp")
    if any(bool(rest) != wants_wrt for _, _, rest in parts.values()):
        return None
    if derivative != "hessian":
        return {
            key: BlockNames(output, (rest,) if rest else ())
            for key, (output, _, rest) in parts.items()
        }
    inputs = {half for _, _, rest in parts.values() if (half := _twice(rest))}
    found: dict[str, BlockNames] = {}
    for key, (output, _, rest) in parts.items():
        pair = _pair(rest, inputs)
        if pair is None:
            return None
        found[key] = BlockNames(output, pair)
    return found


def _twice(text: str) -> str:
    """Return `a.b` of `a.b.a.b`, nothing of what is no name twice."""
    middle = len(text) // 2
    return text[:middle] if text[:middle] == text[middle + 1 :] and len(text) % 2 else ""


def _pair(text: str, inputs: set[str]) -> tuple[str, str] | None:
    """Return the two names that a text joins: both known, or the only way to split it."""
    names = text.split(".")
    ways = [(".".join(names[:n]), ".".join(names[n:])) for n in range(1, len(names))]
    known = [way for way in ways if way[0] in inputs and way[1] in inputs]
    ways = known or ways
    return ways[0] if len(ways) == 1 else None
