"""Loops whose steps do not wait for each other, as one step over all of them (`vmap`).

`fori_loop` and `lax.map` over known indices are written where numpy has arrays: each step reads a
window, computes, and writes a row.  What a step gets from the one before may be

- a counter: known for every step;
- an array that is written to (`.at[i].set`, `.at[i].add`), or added to, and otherwise not read;
- what the step before computed from counters and scanned rows alone.

Everything else is a recurrence, and stays a loop.

Boundary: reads a scan's body and builds a function of its operands; `folding.py` folds that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.facts import is_literal, live
from jaccli.derivative.positions import corner, counted, write_positions
from jaccli.derivative.primitives import bind

MOST = 2**22
"""Elements of an array that holds a value of each step, at most."""
_WRITES = ("scatter", "scatter-add", "dynamic_update_slice")
Values = Callable[[Any], Sequence[np.ndarray] | None]
"""What computes the results of a jaxpr without arguments, None where they are not known."""


class Part(NamedTuple):
    """Some results of a jaxpr, and its equations."""

    outvars: Sequence[Any]
    eqns: Sequence[Any]


@dataclass(frozen=True)
class Scan:
    """A scan: its `body` (a jaxpr without calls), operands by kind, and how it is run."""

    body: Any
    body_consts: Sequence[Any]
    consts: int
    carry: int
    length: int
    reverse: bool

    @property
    def carried(self) -> list[Any]:
        """The body's variables for what is carried."""
        return list(self.body.invars[self.consts : self.consts + self.carry])


def stepwise(scan: Scan, operands: Sequence[Any], values: Values) -> Callable[..., Any] | None:
    """Return a function that computes the scan's results at once, of the operands that are traced.

    `operands` are numpy's arrays where they are known, else None.  None if steps have to wait.
    """
    if scan.body.effects or not scan.length or _largest(scan) * scan.length > MOST:
        return None
    n, m = scan.consts, scan.carry
    known = [x is not None for x in operands]
    counters = _counters(scan, known)
    roles = _roles(scan, counters)
    if roles is None:
        return None
    counts = _counted(scan, operands, counters, values)
    if counts is None:
        return None
    order = slice(None, None, -1) if scan.reverse else slice(None)
    writers = {k: role for k, role in enumerate(roles) if isinstance(role, _Write)}
    late = [k for k, role in enumerate(roles) if role == "late"]
    if not all(_apart(scan, role, operands, counters, counts, values) for role in writers.values()):
        return None

    def run(*traced: Any) -> list[Any]:
        given = iter(traced)
        full = [next(given) if x is None else x for x in operands]
        fixed, start = full[:n], full[n : n + m]
        rows = [x[order] for x in full[n + m :]]
        sequences: list[Any] = [None] * m
        for k, sequence in zip(counters, counts, strict=True):
            sequences[k] = sequence
        for k, role in enumerate(roles):
            if role == "same" or isinstance(role, _Write):
                sequences[k] = None  # not along the steps: a constant, or not read at all

        def over(wanted: Sequence[Any]) -> list[Any]:
            """Return the body's values of all steps, along a new first axis."""

            def step(moving: Any) -> list[Any]:
                rows, carried = moving
                carried = [start[k] if x is None else x for k, x in enumerate(carried)]
                return _evaluate(scan, wanted, [*fixed, *carried, *rows])

            if not wanted:
                return []
            found: list[Any] = jax.vmap(step, axis_size=scan.length)((rows, sequences))
            return found

        for k, sequence in zip(late, over([scan.body.outvars[k] for k in late]), strict=True):
            first = jnp.asarray(start[k])[None]
            sequences[k] = jnp.concatenate([first.astype(sequence.dtype), sequence[:-1]])
        wanted = [v for role in writers.values() for v in role.operands]
        ends = [scan.body.outvars[k] for k in late]
        written = iter(over([*wanted, *ends, *scan.body.outvars[m:]]))
        results: list[Any] = [None] * m
        for k, role in writers.items():
            results[k] = role.applied(start[k], [next(written) for _ in role.operands])
        for k in late:
            results[k] = next(written)[-1]
        for k, role in enumerate(roles):
            if role == "same":
                results[k] = start[k]
        for k in counters:
            results[k] = _last(scan, operands, counters, counts, k, values)
        return [*map(jnp.asarray, results), *(y[order] for y in written)]

    return run


@dataclass(frozen=True, eq=False)
class _Write:
    """A carried array that each step writes or adds to, by `eqn`, whose other operands it gives."""

    eqn: Any

    @property
    def operands(self) -> list[Any]:
        return list(self.eqn.invars[1:])

    def applied(self, array: Any, given: list[Any]) -> Any:
        """Return the array after the writes of all steps."""
        name = self.eqn.primitive.name
        if name in ("add", "add_any"):
            return array + jnp.sum(given[0], 0)
        if name == "dynamic_update_slice":
            update, *starts = given
            rank = len(starts)
            numbers = lax.ScatterDimensionNumbers(
                update_window_dims=tuple(range(1, rank + 1)),
                inserted_window_dims=(),
                scatter_dims_to_operand_dims=tuple(range(rank)),
            )
            index = jnp.stack([jnp.asarray(start, np.int32) for start in starts], -1)
            return lax.scatter(
                array, index, update, numbers, mode=lax.GatherScatterMode.CLIP,
                unique_indices=True,
            )  # fmt: skip
        index, update = given
        params = self.eqn.params
        numbers = params["dimension_numbers"]
        lifted = lax.ScatterDimensionNumbers(
            update_window_dims=tuple(d + 1 for d in numbers.update_window_dims),
            inserted_window_dims=numbers.inserted_window_dims,
            scatter_dims_to_operand_dims=numbers.scatter_dims_to_operand_dims,
        )
        scatter = lax.scatter if name == "scatter" else lax.scatter_add
        return scatter(array, index, update, lifted, mode=params["mode"])


def _largest(scan: Scan) -> int:
    """Return how many elements the largest value of a step has, carried arrays left out."""
    carried = {*scan.carried, *scan.body.outvars[: scan.carry]}
    sizes = [
        math.prod(v.aval.shape) for eqn in scan.body.eqns for v in eqn.outvars if v not in carried
    ]
    return max(sizes, default=1)


def _reaches(scan: Scan, sources: set[Any]) -> Callable[[Any], bool]:
    """Return what says of the body's values whether they depend on any of the sources."""
    found = set(sources)
    for eqn in scan.body.eqns:
        if any(not is_literal(v) and v in found for v in eqn.invars):
            found.update(eqn.outvars)
    return lambda v: not is_literal(v) and v in found


def _counters(scan: Scan, known: Sequence[bool]) -> list[int]:
    """Return which carried values are known for every step."""
    n, m = scan.consts, scan.carry
    chosen = [k for k in range(m) if known[n + k]]
    while True:
        unknown = {v for v, flag in zip(scan.body.invars, known, strict=True) if not flag}
        unknown |= {v for k, v in enumerate(scan.carried) if k not in chosen}
        reaches = _reaches(scan, unknown)
        left = [k for k in chosen if not reaches(scan.body.outvars[k])]
        if left == chosen:
            return chosen
        chosen = left


def _roles(scan: Scan, counters: Sequence[int]) -> list[Any] | None:
    """Return what each carried value is; None if one is a recurrence."""
    carried, made = scan.carried, {v: eqn for eqn in scan.body.eqns for v in eqn.outvars}
    others = [v for k, v in enumerate(carried) if k not in counters]
    waits = _reaches(scan, set(others))
    roles: list[Any] = []
    for k, (v, out) in enumerate(zip(carried, scan.body.outvars, strict=False)):
        if k in counters:
            roles.append("counter")
        elif out is v:
            roles.append("same")
        elif not waits(out):
            roles.append("late")
        else:
            write = _write(scan, v, out, made.get(out), waits)
            if write is None:
                return None
            roles.append(write)
    # What is passed on unchanged, or came from the step before, may be read by the others.
    held = {v for v, role in zip(carried, roles, strict=True) if isinstance(role, _Write)}
    reads = _reaches(scan, held)
    writes = {id(role.eqn) for role in roles if isinstance(role, _Write)}
    for eqn in scan.body.eqns:
        if id(eqn) not in writes and any(not is_literal(v) and reads(v) for v in eqn.invars):
            return None
    if any(reads(v) for v in scan.body.outvars[scan.carry :]):
        return None
    return roles


def _write(scan: Scan, v: Any, out: Any, eqn: Any, waits: Callable[[Any], bool]) -> _Write | None:
    """Return the write of one step, if that is all that happens to a carried value."""
    if eqn is None:
        return None
    name = eqn.primitive.name
    if name in ("add", "add_any") and eqn.invars[1] is v and eqn.invars[0] is not v:
        eqn = eqn.replace(invars=[v, eqn.invars[0]])
    if name not in (*_WRITES, "add", "add_any") or eqn.invars[0] is not v:
        return None
    if name.startswith("scatter") and eqn.params["dimension_numbers"].operand_batching_dims:
        return None
    shapes = [tuple(a.aval.shape) for a in (v, eqn.invars[1])]
    if name in ("add", "add_any") and shapes[0] != shapes[1]:
        return None
    uses = sum(a is v for other in scan.body.eqns for a in other.invars)
    return _Write(eqn) if uses == 1 else None


def _evaluate(scan: Scan, wanted: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Return values of the body, computing no more than they need."""
    env: dict[Any, Any] = dict(zip(scan.body.constvars, scan.body_consts, strict=True))
    env.update(zip(scan.body.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if is_literal(atom) else env[atom]

    for eqn, _ in live(Part(wanted, scan.body.eqns), [True] * len(wanted)):
        env.update(zip(eqn.outvars, bind(eqn, list(map(read, eqn.invars))), strict=True))
    return [jnp.asarray(read(v)) for v in wanted]


def _counted(
    scan: Scan, operands: Sequence[Any], counters: Sequence[int], values: Values
) -> list[np.ndarray] | None:
    """Return what each counter is at the beginning of every step."""
    n, m = scan.consts, scan.carry
    state = [operands[n + k] for k in counters]
    rows: list[list[Any]] = [[] for _ in counters]
    simple = [_increment(scan, k) for k in counters]
    if all(by is not None for by in simple):
        return [
            (np.asarray(x) + np.arange(scan.length) * by).astype(np.asarray(x).dtype)
            for x, by in zip(state, simple, strict=True)
        ]
    if scan.length > 4096:
        return None
    steps = range(scan.length)[::-1] if scan.reverse else range(scan.length)
    for step in steps:
        for row, x in zip(rows, state, strict=True):
            row.append(x)
        args = list(operands)
        for k, x in zip(counters, state, strict=True):
            args[n + k] = x
        args[n + m :] = [None if x is None else x[step] for x in args[n + m :]]
        found = values((scan, [scan.body.outvars[k] for k in counters], args))
        if found is None:
            return None
        state = list(found)
    return [np.stack(row) for row in rows]


def _increment(scan: Scan, k: int) -> Any:
    """Return by how much a counter grows in each step, None if it is no simple one."""
    v, out = scan.carried[k], scan.body.outvars[k]
    for eqn in scan.body.eqns:
        if out in eqn.outvars and eqn.primitive.name == "add":
            a, b = eqn.invars
            if a is v and is_literal(b) and not v.aval.shape:
                return int(b.val) if np.dtype(v.aval.dtype).kind in "iu" else None
    return None


def _last(
    scan: Scan,
    operands: Sequence[Any],
    counters: Sequence[int],
    counts: Sequence[np.ndarray],
    k: int,
    values: Values,
) -> Any:
    """Return a counter after the last step."""
    n, m = scan.consts, scan.carry
    args = list(operands)
    for j, sequence in zip(counters, counts, strict=True):
        args[n + j] = sequence[-1]
    end = 0 if scan.reverse else scan.length - 1
    args[n + m :] = [None if x is None else x[end] for x in args[n + m :]]
    found = values((scan, [scan.body.outvars[k]], args))
    if found is None:
        raise ValueError("a counter is not known")
    return found[0]


def _apart(
    scan: Scan,
    role: _Write,
    operands: Sequence[Any],
    counters: Sequence[int],
    counts: Sequence[np.ndarray],
    values: Values,
) -> bool:
    """Return whether no two steps write the same place, of what is set and not added."""
    name = role.eqn.primitive.name
    if name not in ("scatter", "dynamic_update_slice"):
        return True
    indices = role.operands[1:] if name == "dynamic_update_slice" else role.operands[:1]
    if scan.length > 4096:
        return False
    seen: list[np.ndarray] = []
    n, m = scan.consts, scan.carry
    for step in range(scan.length):
        args = list(operands)
        for j, sequence in zip(counters, counts, strict=True):
            args[n + j] = sequence[step]
        row = scan.length - 1 - step if scan.reverse else step
        args[n + m :] = [None if x is None else x[row] for x in args[n + m :]]
        found = values((scan, indices, args))
        if found is None:
            return False
        shape = tuple(role.eqn.invars[0].aval.shape)
        if name == "scatter":
            to = write_positions(role.eqn, found[0], tuple(role.eqn.invars[2].aval.shape))
            if to is None:
                return False
            seen.append(to[to >= 0].reshape(-1))
        else:
            window = tuple(role.eqn.invars[1].aval.shape)
            first = corner(shape, window, found)
            box = tuple(slice(i, i + w) for i, w in zip(first, window, strict=True))
            seen.append(counted(shape)[box].reshape(-1))
    flat = np.concatenate(seen)
    return np.unique(flat).size == flat.size
