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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative import jaxprs
from jaccli.derivative.constants import evaluate, is_known, known, known_literal
from jaccli.derivative.positions import corner, counted, write_positions
from jaccli.derivative.primitives import bind

MOST = 2**22
"""Elements of an array that holds a value of each step, at most."""
FOLLOWED = 4096
"""Steps whose counters are computed one after another, at most."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan of a `body` (a jaxpr without calls) over operands: constants, carried, rows.

    `operands` are numpy's arrays where they are known while tracing, else None.
    """

    body: Any
    body_consts: Sequence[Any]
    consts: int
    carry: int
    length: int
    reverse: bool
    operands: Sequence[np.ndarray | None]

    @property
    def carried(self) -> list[Any]:
        """The body's variables for what is carried into a step."""
        return list(self.body.invars[self.consts : self.consts + self.carry])

    @property
    def passed(self) -> list[Any]:
        """The body's variables for what is carried out of it."""
        return list(self.body.outvars[: self.carry])

    @property
    def largest(self) -> int:
        """How many elements the largest value of a step has, carried arrays left out."""
        carried = {*self.carried, *jaxprs.chosen(self.passed, [True] * self.carry)}
        made = (v for eqn in self.body.eqns for v in eqn.outvars if v not in carried)
        return max((math.prod(v.aval.shape) for v in made), default=1)

    def reaches(self, sources: set[Any]) -> Callable[[Any], bool]:
        """Return what says of the body's values whether they depend on any of the sources."""
        found = jaxprs.reached(self.body, sources)
        return lambda v: jaxprs.depends(v, found)

    @cached_property
    def counters(self) -> list[int]:
        """Which carried values are known for every step."""
        flags = [x is not None for x in self.operands]
        chosen = [k for k in range(self.carry) if flags[self.consts + k]]
        while True:
            unknown = {v for v, flag in zip(self.body.invars, flags, strict=True) if not flag}
            unknown |= {v for k, v in enumerate(self.carried) if k not in chosen}
            reaches = self.reaches(unknown)
            left = [k for k in chosen if not reaches(self.passed[k])]
            if left == chosen:
                return chosen
            chosen = left

    def known_values(self, wanted: Sequence[Any], args: Sequence[Any]) -> list[Any] | None:
        """Return values of the body that follow from known arguments, None if they do not."""

        def rule(eqn: Any, operands: list[Any]) -> Sequence[Any]:
            return evaluate(eqn, operands) or [None] * len(eqn.outvars)

        consts = list(map(known, self.body_consts))
        results = jaxprs.evaluate(self._only(wanted), consts, args, rule, literal=known_literal)
        return results if all(map(is_known, results)) else None

    def values(self, wanted: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """Return values of the body, computing no more than they need."""
        values = jaxprs.evaluate(self._only(wanted), self.body_consts, args, bind)
        return [jnp.asarray(x) for x in values]

    def _only(self, wanted: Sequence[Any]) -> jaxprs.Subprogram:
        """Return the body with other results."""
        body = self.body
        return jaxprs.Subprogram(body.constvars, body.invars, body.eqns, wanted)

    def followed(self) -> tuple[list[np.ndarray], list[Any]] | None:
        """Return what each counter is in every step, in order, and after the last one."""
        state: Sequence[Any] = [self.operands[self.consts + k] for k in self.counters]
        by = [self._increment(k) for k in self.counters]
        if not any(step is None for step in by):
            sequences = [
                (np.asarray(x) + np.arange(self.length + 1) * (step or 0)).astype(
                    np.asarray(x).dtype
                )
                for x, step in zip(state, by, strict=True)
            ]
            return [s[:-1] for s in sequences], [s[-1] for s in sequences]
        if self.length > FOLLOWED:
            return None
        rows: list[list[Any]] = [[x] for x in state]
        wanted = [self.passed[k] for k in self.counters]
        for args in self._arguments(lambda step: [row[step] for row in rows]):
            found = self.known_values(wanted, args)
            if found is None:
                return None
            for row, x in zip(rows, found, strict=True):
                row.append(x)
        return [np.stack(row[:-1]) for row in rows], [row[-1] for row in rows]

    def _increment(self, k: int) -> int | None:
        """Return by how much a counter grows in each step, None if it is no simple one."""
        v, out = self.carried[k], self.passed[k]
        for eqn in self.body.eqns:
            if out in eqn.outvars and eqn.primitive.name == "add" and eqn.invars[0] is v:
                by = eqn.invars[1]
                if (
                    jaxprs.is_literal(by)
                    and not v.aval.shape
                    and np.dtype(v.aval.dtype).kind in "iu"
                ):
                    return int(by.val)
        return None

    def _arguments(self, counts: Callable[[int], Sequence[Any]]) -> Iterator[list[Any]]:
        """Yield the body's arguments in every step, None where they are not known."""
        n, m = self.consts, self.carry
        for step in range(self.length):
            row = self.length - 1 - step if self.reverse else step
            args: list[Any] = list(self.operands)
            args[n : n + m] = [None] * m
            for k, x in zip(self.counters, counts(step), strict=True):
                args[n + k] = x
            args[n + m :] = [None if x is None else x[row] for x in args[n + m :]]
            yield args

    def are_apart(self, write: Write, counts: Sequence[np.ndarray]) -> bool:
        """Return whether no two steps write the same place, of what is set and not added."""
        name = write.eqn.primitive.name
        if name not in ("scatter", "dynamic_update_slice"):
            return True
        if self.length > FOLLOWED:
            return False
        seen: list[np.ndarray] = []
        for args in self._arguments(lambda step: [sequence[step] for sequence in counts]):
            indices = self.known_values(write.indices, args)
            places = None if indices is None else write.places(indices)
            if places is None:
                return False
            seen.append(places)
        flat = np.concatenate(seen)
        return bool(np.unique(flat).size == flat.size)


@dataclass(frozen=True, eq=False)
class Write:
    """A carried array that each step writes or adds to, by `eqn`, whose other operands it gives."""

    eqn: Any

    @property
    def operands(self) -> list[Any]:
        """All but the array that is written to."""
        return list(self.eqn.invars[1:])

    @property
    def indices(self) -> list[Any]:
        """Those that say where it is written."""
        name = self.eqn.primitive.name
        return self.operands[1:] if name == "dynamic_update_slice" else self.operands[:1]

    def places(self, indices: Sequence[np.ndarray]) -> np.ndarray | None:
        """Return the flat positions that a step writes, None if they cannot be said."""
        shape = tuple(self.eqn.invars[0].aval.shape)
        if self.eqn.primitive.name == "scatter":
            to = write_positions(self.eqn, indices[0], tuple(self.eqn.invars[2].aval.shape))
            return None if to is None else to[to >= 0].reshape(-1)
        window = tuple(self.eqn.invars[1].aval.shape)
        first = corner(shape, window, indices)
        return counted(shape)[
            tuple(slice(i, i + w) for i, w in zip(first, window, strict=True))
        ].reshape(-1)

    def applied(self, array: Any, given: list[Any]) -> Any:
        """Return the array after the writes of all steps, whose operands are given by step."""
        name = self.eqn.primitive.name
        if name in ("add", "add_any"):
            return array + jnp.sum(given[0], 0, dtype=array.dtype)
        if name == "dynamic_update_slice":
            update, *starts = given
            rank = len(starts)
            numbers = lax.ScatterDimensionNumbers(
                update_window_dims=tuple(range(1, rank + 1)),
                inserted_window_dims=(),
                scatter_dims_to_operand_dims=tuple(range(rank)),
            )
            index = jnp.stack([jnp.asarray(start, np.int32) for start in starts], -1)
            mode = lax.GatherScatterMode.CLIP
            return lax.scatter(array, index, update, numbers, mode=mode, unique_indices=True)
        index, update = given
        numbers = self.eqn.params["dimension_numbers"]
        lifted = lax.ScatterDimensionNumbers(
            update_window_dims=tuple(d + 1 for d in numbers.update_window_dims),
            inserted_window_dims=numbers.inserted_window_dims,
            scatter_dims_to_operand_dims=numbers.scatter_dims_to_operand_dims,
        )
        mode = self.eqn.params["mode"]
        if name == "scatter":
            return lax.scatter(array, index, update, lifted, mode=mode, unique_indices=True)
        return lax.scatter_add(array, index, update, lifted, mode=mode)


def at_once(scan: Scan) -> Callable[..., list[Any]] | None:
    """Return a function of the unknown operands that computes the scan's results at once.

    None if steps have to wait for each other, or all at once would hold too much.
    """
    if scan.body.effects or not scan.length or scan.largest * scan.length > MOST:
        return None
    if any(map(_draws_otherwise, scan.body.eqns)):
        return None
    roles = _roles(scan)
    followed = None if roles is None else scan.followed()
    if roles is None or followed is None:
        return None
    counts, ends = followed
    writes = {k: role for k, role in enumerate(roles) if isinstance(role, Write)}
    if not all(scan.are_apart(write, counts) for write in writes.values()):
        return None
    late = [k for k, role in enumerate(roles) if role == "late"]
    order = slice(None, None, -1) if scan.reverse else slice(None)
    n, m = scan.consts, scan.carry

    def run(*traced: Any) -> list[Any]:
        given = iter(traced)
        full = [next(given) if x is None else x for x in scan.operands]
        fixed, start = full[:n], full[n : n + m]
        rows = [x[order] for x in full[n + m :]]
        sequences: list[Any] = [None] * m  # of what is the same in every step, none
        for k, sequence in zip(scan.counters, counts, strict=True):
            sequences[k] = sequence

        def over(wanted: Sequence[Any]) -> list[Any]:
            """Return the body's values of all steps, along a new first axis."""

            def step(moving: Any) -> list[Any]:
                rows, moved = moving
                carried = [x if y is None else y for x, y in zip(start, moved, strict=True)]
                return scan.values(wanted, [*fixed, *carried, *rows])

            found = jax.vmap(step, axis_size=scan.length)((rows, sequences)) if wanted else []
            return list(found)

        for k, sequence in zip(late, over([scan.passed[k] for k in late]), strict=True):
            first = jnp.asarray(start[k], sequence.dtype)[None]
            sequences[k] = jnp.concatenate([first, sequence[:-1]])
        wanted = [v for write in writes.values() for v in write.operands]
        wanted += [scan.passed[k] for k in late]
        found = iter(over([*wanted, *scan.body.outvars[m:]]))
        results = list(start)
        for k, write in writes.items():
            results[k] = write.applied(start[k], [next(found) for _ in write.operands])
        for k in late:
            results[k] = next(found)[-1]
        for k, end in zip(scan.counters, ends, strict=True):
            results[k] = end
        return [*map(jnp.asarray, results), *(y[order] for y in found)]

    return run


def _draws_otherwise(eqn: Any) -> bool:
    """Return whether an operation draws other numbers under `vmap`: of generators but threefry."""
    if eqn.primitive.name in ("rng_bit_generator", "rng_uniform", "custom_vmap_call"):
        return True
    keys = [
        v.aval.dtype
        for v in (*eqn.invars, *eqn.outvars)
        if jnp.issubdtype(v.aval.dtype, jax.dtypes.prng_key)
    ]
    return any("fry" not in str(dtype) for dtype in keys) or any(
        _draws_otherwise(each) for inner in jaxprs.inner_jaxprs(eqn.params) for each in inner.eqns
    )


def _roles(scan: Scan) -> list[Any] | None:
    """Return what each carried value is; None if one is a recurrence."""
    made = {v: eqn for eqn in scan.body.eqns for v in eqn.outvars}
    others = {v for k, v in enumerate(scan.carried) if k not in scan.counters}
    waits = scan.reaches(others)
    roles: list[Any] = []
    for k, (v, out) in enumerate(zip(scan.carried, scan.passed, strict=True)):
        if k in scan.counters:
            roles.append("counter")
        elif out is v:
            roles.append("same")
        elif not waits(out):
            roles.append("late")
        else:
            write = _write(scan, v, made.get(out))
            if write is None:
                return None
            roles.append(write)
    # What is written to must not be read: neither by other equations, nor as a row of results.
    reads = scan.reaches(
        {v for v, r in zip(scan.carried, roles, strict=True) if isinstance(r, Write)}
    )
    written = {role.eqn.outvars[0] for role in roles if isinstance(role, Write)}
    for eqn in scan.body.eqns:
        if eqn.outvars[0] not in written and any(map(reads, eqn.invars)):
            return None
    return None if any(map(reads, scan.body.outvars[scan.carry :])) else roles


def _write(scan: Scan, v: Any, eqn: Any) -> Write | None:
    """Return the write of one step, if that is all that happens to a carried value."""
    if eqn is None or sum(a is v for each in scan.body.eqns for a in each.invars) != 1:
        return None
    name = eqn.primitive.name
    if name in ("add", "add_any"):
        if eqn.invars[1] is v:
            eqn = eqn.replace(invars=[v, eqn.invars[0]])
        if eqn.invars[0] is not v or eqn.invars[1].aval.shape != v.aval.shape:
            return None
    elif name in ("scatter", "scatter-add"):
        if eqn.invars[0] is not v or eqn.params["dimension_numbers"].operand_batching_dims:
            return None
    elif name != "dynamic_update_slice" or eqn.invars[0] is not v:
        return None
    return Write(eqn)
