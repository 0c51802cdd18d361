"""The text that picks entries of named arrays, `y[0:4], x[3]`, and what it picks of a shape.

    selections = selection, { ",", selection }
    selection  = NAME | KEY | NAME "[" indices "]"

Indices are numpy's integers and slices.  Boundary: text and shapes; knows no result and no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from jaccli.entry_names import JoinedNames, Names

_SELECTION = re.compile(r"\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*(?:\[([^\[\]]*)\])?\s*(,|\Z)")
_INDEX = re.compile(r"[+-]?\d{1,18}\Z")
_SLICE = re.compile(r"([+-]?\d{1,18})?\s*:\s*([+-]?\d{1,18})?\s*(?::\s*([+-]?\d{1,18})?)?\Z")
_FULL = slice(None)

Index = tuple[int | slice, ...]


class Selection(NamedTuple):
    """A name and the indices behind it, `()` where there are none."""

    name: str
    indices: Index


class SelectionError(ValueError):
    """What is wrong with a text that picks entries; `hint` says what is accepted."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def selections(text: str) -> list[Selection]:
    """Return the selections of a text, in their order.

    Raises:
        SelectionError: it cannot be read.

    >>> selections("y[0], x[1:3]")
    [Selection(name='y', indices=(0,)), Selection(name='x', indices=(slice(1, 3, None),))]
    """
    found, position = [], 0
    while True:
        match = _SELECTION.match(text, position)
        if match is None:
            raise SelectionError(
                f"cannot read {text[position:].strip() or text!r}.",
                "Expected names with indices, such as 'y[0]' or 'y[0:4], x[3]'.",
            )
        found.append(Selection(match[1], _index(match[2], text)))
        if match[3] == "":
            return found
        position = match.end()


def _index(text: str | None, whole_text: str) -> Index:
    """Read what stands between the brackets."""
    if text is None:
        return ()
    index: list[int | slice] = []
    for item in (item.strip() for item in text.split(",")):
        match = _SLICE.match(item)
        if _INDEX.match(item):
            index.append(int(item))
        elif match and not (match[3] and int(match[3]) == 0):
            index.append(slice(*(int(bound) if bound else None for bound in match.groups())))
        else:
            raise SelectionError(
                f"{item!r} is not an index in {whole_text!r}.",
                "Expected integers and slices, such as '0', '-1', '0:4' or '::2'.",
            )
    return tuple(index)


def text_of(name: str, index: Index) -> str:
    """Return the text of one selection.

    >>> text_of("w", (0, slice(1, None)))
    'w[0,1:]'
    """
    if not index:
        return name
    return f"{name}[{','.join(map(_spelled, index))}]"


def _spelled(item: int | slice) -> str:
    if isinstance(item, int):
        return str(item)
    start, stop, step = ("" if n is None else str(n) for n in (item.start, item.stop, item.step))
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


def narrowed(name: str, shape: tuple[int, ...], index: Index, text: str) -> Names:
    """Return the names of the entries at `index` of a whole array of this shape.

    Raises:
        SelectionError: the index does not fit the shape; `text` is what it stands in.
    """
    hint = f"{name!r} has the shape {shape}."
    if len(index) > len(shape):
        raise SelectionError(f"too many indices for {name!r} in {text!r}.", hint)
    kept: list[range | int] = []
    for axis, size in enumerate(shape):
        item = index[axis] if axis < len(index) else _FULL
        if isinstance(item, int) and not -size <= item < size:
            raise SelectionError(f"index {item} is out of range for {name!r} in {text!r}.", hint)
        kept.append(range(size)[item])
    return Names(name, tuple(kept))


def picked(name: str, shape: tuple[int, ...], indices: Sequence[Index], text: str) -> Names:
    """Return the names of what several indices pick of a whole array: of one, numpy's shape.

    The entries of several are joined to one axis, in their order.

    Raises:
        SelectionError: an index does not fit, picks nothing, or an entry is picked twice.
    """
    parts = [narrowed(name, shape, index, text) for index in indices]
    for part in parts:
        if not len(part) and 0 not in shape:
            hint = f"{name!r} has the shape {shape}."
            raise SelectionError(f"{text!r} picks nothing of {name!r}.", hint)
    if len(parts) == 1:
        return parts[0]
    joined = JoinedNames(name, (), tuple(parts))
    seen: set[int] = set()
    for position, place in enumerate(positions(joined, shape)):
        if place in seen:
            hint = "Name each entry once."
            raise SelectionError(f"{joined[position]} is picked twice in {text!r}.", hint)
        seen.add(place)
    return joined


def positions(names: Names, shape: tuple[int, ...]) -> list[int]:
    """Return the positions of entries in reading order of the whole array of this shape."""
    if isinstance(names, JoinedNames):
        return [place for part in names.parts for place in positions(part, shape)]
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    axes = [
        [stride * i for i in ((index,) if isinstance(index, int) else index or ())]
        for index, stride in zip(names.indices, strides, strict=True)
    ]
    return [sum(places) for places in product(*axes)]
