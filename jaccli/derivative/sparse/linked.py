"""Sparse derivatives from the structured engine: its links are the pattern, its values the entries.

Neither detection nor coloring: one trace says where everything stands, and what is computed is
what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaccli.derivative.basis import Function, Tree, size
from jaccli.derivative.sparse.entries import Entries
from jaccli.derivative.structured import engine
from jaccli.derivative.structured.result import Kept, StructuredJacobian, is_structured, located

Parametric = Callable[[Tree, Tree], Tree]
"""A function of what it is differentiated by, and of the rest."""

FEW = 64
"""Numbers for each row and column that are few."""

_WAYS = {"jacobian": (("fwd",), ("rev",)), "hessian": (("fwd", "fwd"), ("fwd", "rev"))}
_OPERATORS: dict[str, Callable[..., Tree]] = {
    "jacobian": engine.jacobian,
    "hessian": engine.hessian,
}


@dataclass(frozen=True, eq=False)
class Linked:
    """A derivative whose entries the engine computes by themselves.

    `entries` and `kept` have one item for each block, by output, then input.
    """

    derivative: str
    ways: tuple[str, ...]
    entries: Sequence[Entries]
    kept: Sequence[Sequence[Kept]]

    @property
    def words(self) -> str:
        """How the entries are computed."""
        return "every entry linked, no coloring"

    def values(self, f: Function, x: Tree) -> list[Any]:
        """Return the values of each block, `(computed,)`, in the order of its `entries.where`."""
        found = _blocks(_OPERATORS[self.derivative](f, x, *self.ways, keep=True))
        return [block.picked(kept) for block, kept in zip(found, self.kept, strict=True)]


@dataclass(frozen=True, eq=False)
class Traced:
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

    def linked(self) -> Linked:
        """Return where the numbers stand: the first that takes memory by their count."""
        entries, kept = [], []
        for block in _blocks(self.tree):
            found = [located(part.places, block.shape) for part in block.blocks]
            where = [positions for positions, _ in found] or [np.zeros(0, np.int64)]
            entries.append(Entries(np.concatenate(where), block.shape))
            kept.append([chosen for _, chosen in found])
        return Linked(self.derivative, self.ways, entries, kept)


def trace(derivative: str, f: Parametric, x: Tree, rest: Tree) -> Traced:
    """Return the derivative of `f(x, rest)` by x, in the direction that computes fewer numbers.

    Shapes alone are read.

    Raises:
        TypeError, ValueError, NotImplementedError: JAX has no way to differentiate `f`.
    """
    rows, columns = size(jax.eval_shape(f, x, rest)), size(x)
    # The direction that the rule would take goes first: it is nearly always the better one.
    weight = 4 if derivative == "hessian" else 1
    ways = _WAYS[derivative] if weight * columns <= rows else _WAYS[derivative][::-1]
    found: list[Traced] = []
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


def _traced(derivative: str, ways: tuple[str, ...], f: Parametric, x: Tree, rest: Tree) -> Traced:
    def operator(x: Tree, rest: Tree) -> Tree:
        return _OPERATORS[derivative](lambda x: f(x, rest), x, *ways, keep=True)

    tree = jax.eval_shape(operator, x, rest)
    parts = [part for block in _blocks(tree) for part in block.blocks]
    count = sum(math.prod(part.places.axes) for part in parts)
    columns = size(x)
    rows = sum(math.prod(block.shape) for block in _blocks(tree)) // max(columns, 1)
    return Traced(derivative, ways, tree, count, rows, columns)


def _blocks(tree: Tree) -> list[StructuredJacobian]:
    found: list[StructuredJacobian] = jax.tree.leaves(tree, is_leaf=is_structured)
    return found
