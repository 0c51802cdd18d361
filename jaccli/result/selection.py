"""`--show`: picks a part of a result, `y[0:4], x[3]`, keeping the true names of its entries.

The text is that of `jaccli.selections`.  The first mention of an output picks its entries, a
mention of an input those of the input (a second one, in a Hessian, along its second axis);
`batch[5]` picks batch rows and a KEY such as `y.x` one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np

from jaccli.errors import UsageError, expected
from jaccli.result.labels import Names
from jaccli.result.result import Block, Result, Shaped, block_key
from jaccli.result.sparse import Sparse, dense
from jaccli.result.view import ShownPart, Slot, View, whole
from jaccli.selections import Index, Selection, SelectionError, narrowed, selections

_FULL = slice(None)


@dataclass
class Picks:
    """The indices that were asked for, by what they select on."""

    batch: Index = ()
    output: tuple[str, Index] | None = None
    wrt: list[tuple[str, Index]] = field(default_factory=list)
    key: str | None = None


def check_show(text: str | None, blocks: Sequence[Shaped], batch: int | None) -> None:
    """Refuse, before computing, a `--show` that picks what is not there."""
    show(_unfilled(blocks, batch), text)


def picks_of(text: str, blocks: Sequence[Shaped], batch: int | None) -> Picks:
    """Return what a `--show` picks of whole blocks: of a block's key, its output and inputs."""
    picks = _assign(whole(_unfilled(blocks, batch)), text)
    if picks.key is not None:
        (block,) = (block for block in blocks if block_key(block) == picks.key)
        if picks.output is None and block.output is not None:
            picks.output = (block.output, ())
        picks.wrt = [*picks.wrt, *((name, ()) for name in block.wrt[len(picks.wrt) :])]
    return picks


def _unfilled(blocks: Sequence[Shaped], batch: int | None) -> Result:
    """Return a result of these blocks of which nothing is kept: of any size, at no cost."""
    lead = () if batch is None else (batch,)
    kept = np.empty(0, np.int64), np.empty(0)
    empty = tuple(
        Block(
            block.output,
            block.wrt,
            Sparse(*kept, lead + block.out_shape + sum(block.in_shapes, ())),
            block.out_shape,
            block.in_shapes,
            block.entries,
        )
        for block in blocks
    )
    return Result("", empty, batch, "", "", "", "", "", {}, {}, "")


def show(result: Result, text: str | None) -> View:
    """Return the view of the part of `result` that `text` picks: everything when it is None."""
    view = whole(result)
    if text is None:
        return view
    picks = _assign(view, text)
    if result.shown:  # of all but the batch rows, what is picked is what there is
        picks.output, picks.wrt, picks.key = None, [], None
    elif result.is_part:
        _check_whole(picks, view)
    batch = view.batch
    if result.batch_rows is not None:  # of one row its axis is left
        one = any(isinstance(item, int) for item in picks.batch)
        batch = Names("batch", (result.batch_rows[0] if one else result.batch_rows,))
        picks.batch = (0,) if one else ()
    elif batch is not None:
        batch = _narrow(batch, picks.batch, text)
    parts = tuple(
        _cut(part, picks, indices, batched=result.batch is not None, text=text)
        for part in view.parts
        if (indices := _match(part.slot, picks)) is not None
    )
    if not parts:
        keys = [part.slot.key for part in view.parts]
        raise UsageError(f"--show: {text!r} picks nothing.", hint=expected(keys))
    return View(result, parts, batch, text)


def _assign(view: View, text: str) -> Picks:
    """Read the selections of `text` and decide what each of them selects on."""
    slots = [part.slot for part in view.parts]
    outputs = {slot.output.name for slot in slots if slot.output is not None}
    inputs = {names.name for slot in slots for names in slot.wrt}
    depth = max((len(slot.wrt) for slot in slots), default=0)
    picks, batched = Picks(), False
    for name, index in _selections(text):
        if name in outputs and picks.output is None:
            picks.output = (name, index)
        elif name in inputs and len(picks.wrt) < depth:
            picks.wrt.append((name, index))
        elif name in outputs or name in inputs or (name == "batch" and batched):
            raise UsageError(
                f"--show: {name!r} is one name too many in {text!r}.",
                hint="Expected at most one output, then one name for each of a block's inputs.",
            )
        elif name == "batch" and view.batch is not None:
            picks.batch, batched = index, True
        elif any(name == slot.key for slot in slots) and index == () and picks.key is None:
            picks.key = name
        else:
            known = dict.fromkeys(
                [names.name for slot in slots for names in slot.names]
                + (["batch"] if view.batch is not None else [])
                + [slot.key for slot in slots]
            )
            raise UsageError(f"--show: nothing named {name!r} to show.", hint=expected(known))
    return picks


def _check_whole(picks: Picks, view: View) -> None:
    """Refuse to pick entries of what is there in part: its indices would be ambiguous."""
    in_part = {
        names.name
        for part in view.parts
        for names in part.slot.names
        if names != Names.of(names.name, names.shape)
    }
    for name, index in [*([] if picks.output is None else [picks.output]), *picks.wrt]:
        if index and name in in_part:
            raise UsageError(
                f"--show: {name!r} has indices, and only some of its entries are computed.",
                hint="Pick them with --rows and --cols; batch[0] and whole arrays can be shown.",
            )


def _selections(text: str) -> list[Selection]:
    try:
        return selections(text)
    except SelectionError as error:
        raise UsageError(f"--show: {error.message}", hint=error.hint) from error


def _match(slot: Slot, picks: Picks) -> tuple[Index, ...] | None:
    """Return the indices for each of the slot's names, or None when the slot is not picked."""
    wanted = [*([] if slot.output is None else [picks.output]), *picks.wrt]
    if picks.key not in (None, slot.key):
        return None
    indices: list[Index] = []
    for pick, names in zip_longest(wanted, slot.names):
        if pick is not None and pick[0] != names.name:
            return None
        indices.append(() if pick is None else pick[1])
    return tuple(indices)


def _cut(
    part: ShownPart, picks: Picks, indices: tuple[Index, ...], *, batched: bool, text: str
) -> ShownPart:
    """Return what the indices leave of a part."""
    names = [
        _narrow(names, index, text) if index else names
        for names, index in zip(part.slot.names, indices, strict=True)
    ]
    key: list[int | slice] = [*(picks.batch or (_FULL,))] if batched else []
    for index, entry in zip(indices, part.slot.names, strict=True):
        key += [*index, *[_FULL] * (len(entry.shape) - len(index))]
    output = None if part.slot.output is None else names[0]
    wrt = tuple(names if output is None else names[1:])
    values = part.values[tuple(key)]
    # One entry is shown even if it is 0.
    return ShownPart(
        Slot(part.slot.key, output, wrt), dense(values) if values.shape == () else values
    )


def _narrow(names: Names, index: Index, text: str) -> Names:
    """Return the entries of whole `names` at `index`, checking it against their shape."""
    try:
        return narrowed(names.name, names.shape, index, text)
    except SelectionError as error:
        raise UsageError(f"--show: {error.message}", hint=error.hint) from error
