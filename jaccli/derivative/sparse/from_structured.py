"""Sparse derivatives from the structured engine: its links are the pattern, its values the entries.

Neither detection nor coloring: one trace says where everything stands, and what is computed is
what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from jaccli.derivative import jaxprs
from jaccli.derivative.basis import Function, Tree, size
from jaccli.derivative.sparse.pattern import Entries
from jaccli.derivative.structured import engine
from jaccli.derivative.structured.structured_jacobian import (
    Kept,
    StructuredJacobian,
    is_structured,
    located,
)

Parametric = Callable[[Tree, Tree], Tree]
"""A function of what it is differentiated by, and of the rest."""

FEW = 64
"""Numbers for each row and column that are few."""

_WAYS = {"jacobian": (("fwd",), ("rev",)), "hessian": (("fwd", "fwd"), ("fwd", "rev"))}
_OPERATORS: dict[str, Callable[..., Tree]] = {
    "jacobian": engine.jacobian,
    "hessian": engine.hessian,
}


class TooManyEntries(Exception):
    """More entries than the caller can hold."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count:,} entries")
        self.count = count


@dataclass(frozen=True, eq=False)
class Linked:
    """A derivative whose entries the engine computes by themselves.

    `entries` and `kept` have one item for each block, by output, then input.  `constants` are the
    values of blocks that do not depend on x, None for the others; there are none but by `folded`.
    """

    derivative: str
    ways: tuple[str, ...]
    entries: Sequence[Entries]
    kept: Sequence[Sequence[Kept]]
    constants: Sequence[Any] = ()

    @property
    def words(self) -> str:
        """How the entries are computed."""
        whole = all(entries.nnz == entries.size for entries in self.entries)
        return "no zeros known" if whole else "by links, no coloring"

    def values(self, f: Function, x: Tree) -> list[Any]:
        """Return the values of each block, `(computed,)`, in the order of its `entries.where`."""
        found = _blocks(_OPERATORS[self.derivative](f, x, *self.ways, keep=True))
        values = [block.picked(kept) for block, kept in zip(found, self.kept, strict=True)]
        if not self.constants:
            return values
        pairs = zip(values, self.constants, strict=True)
        return [new if known is None else known for new, known in pairs]

    def folded(self, f: Function, x: Tree) -> Linked:
        """Return the same with the blocks that do not depend on x, as linear ones, known."""
        jaxpr = jax.make_jaxpr(partial(self.values, f))(x)
        moving = jaxprs.reached(jaxpr.jaxpr, {*jaxpr.jaxpr.invars})
        live = [jaxprs.depends(v, moving) for v in jaxpr.jaxpr.outvars]
        if all(live):
            return self

        def settled() -> list[Any]:
            any_x = [jnp.zeros(v.aval.shape, v.aval.dtype) for v in jaxpr.jaxpr.invars]
            blocks = jaxpr_as_fun(jaxpr)(*any_x)
            return [block for block, flag in zip(blocks, live, strict=True) if not flag]

        numbers = iter(jax.jit(settled)())
        constants = [None if flag else np.asarray(next(numbers)) for flag in live]
        return replace(self, constants=constants)


@dataclass(frozen=True, eq=False)
class TracedDerivative:
    """A structured derivative of which the shapes are known.

    `count` numbers are computed; the matrix has so many rows (a Hessian's count outputs and
    inputs) and columns.
    """

    derivative: str
    ways: tuple[str, ...]
    tree: Tree
    count: int
    rows: int
    columns: int

    @property
    def few(self) -> bool:
        """Whether so little is computed that neither direction nor coloring need be compared."""
        few = self.count <= FEW * (self.rows + self.columns)
        return few and 4 * self.count <= self.rows * self.columns

    def linked(self, most: float = math.inf) -> Linked:
        """Return where the numbers stand: the first that takes memory by their count.

        Raises:
            TooManyEntries: there are more than `most`.
        """
        if self.count > most:
            raise TooManyEntries(self.count)
        entries, kept = [], []
        for block in _blocks(self.tree):
            found = [located(part.places, block.shape) for part in block.blocks]
            where = [positions for positions, _ in found] or [np.zeros(0, np.int64)]
            entries.append(Entries(np.concatenate(where), block.shape))
            kept.append([chosen for _, chosen in found])
        return Linked(self.derivative, self.ways, entries, kept)


def trace(derivative: str, f: Parametric, x: Tree, rest: Tree) -> TracedDerivative:
    """Return the derivative of `f(x, rest)` by x, in the direction that computes fewer numbers.

    Shapes alone are read.

    Raises:
        TypeError, ValueError, NotImplementedError: JAX has no way to differentiate `f`.
    """
    rows, columns = size(jax.eval_shape(f, x, rest)), size(x)
    # The direction that the rule would take goes first: it is nearly always the better one.
    weight = 4 if derivative == "hessian" else 1
    ways = _WAYS[derivative] if weight * columns <= rows else _WAYS[derivative][::-1]
    found: list[TracedDerivative] = []
    failed: list[Exception] = []
    for way in ways:
        try:
            found.append(_traced(derivative, way, f, x, rest))
        except (TypeError, ValueError, NotImplementedError) as error:
            failed.append(error)
            continue
        if found[-1].few:
            break
    if not found:
        raise failed[0]
    return min(found, key=lambda each: each.count)


def _traced(
    derivative: str, ways: tuple[str, ...], f: Parametric, x: Tree, rest: Tree
) -> TracedDerivative:
    def operator(x: Tree, rest: Tree) -> Tree:
        return _OPERATORS[derivative](lambda x: f(x, rest), x, *ways, keep=True)

    tree = jax.eval_shape(operator, x, rest)
    parts = [part for block in _blocks(tree) for part in block.blocks]
    count = sum(math.prod(part.places.axes) for part in parts)
    columns = size(x)
    rows = sum(math.prod(block.shape) for block in _blocks(tree)) // max(columns, 1)
    return TracedDerivative(derivative, ways, tree, count, rows, columns)


def _blocks(tree: Tree) -> list[StructuredJacobian]:
    found: list[StructuredJacobian] = jax.tree.leaves(tree, is_leaf=is_structured)
    return found
