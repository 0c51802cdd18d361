"""Sparse derivatives by coloring: columns (rows) that share no row (column) are taken together.

One jvp, vjp or Hessian-vector product for each color gives the compressed derivative; every entry
is read off it at one place (`coloring.py` has the colorings).  A few full rows beside short ones
are taken apart, in reverse: two-sided coloring after T. Coleman and A. Verma, SIAM J. Sci. Comput.
19 (1998), 1210–1233.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaccli.derivative.basis import ChunkKernel, Function, Tree
from jaccli.derivative.chunking import chunk_shape
from jaccli.derivative.sparse.coloring import color_columns, color_symmetric
from jaccli.derivative.sparse.pattern import Entries, Pattern, split


@dataclass(frozen=True)
class Coloring:
    """A pattern in C order and a color for each column (`fwd`), row (`rev`), or both (`hvp`).

    A color of -1 is of a column, or row, that need not be taken.  With `fwd`, rows may be taken
    `apart`: it has a color for each of those, and -1 for the others.
    """

    pattern: Pattern
    colors: NDArray[np.int32]
    count: int
    way: str
    apart: NDArray[np.int32] | None = None

    @property
    def side(self) -> str:
        """What is colored, in words."""
        return "rows" if self.way == "rev" else "columns"

    @property
    def whole(self) -> int:
        """How many products there are without a coloring."""
        return self.pattern.shape[0] if self.way == "rev" else self.pattern.shape[1]

    @property
    def rows_apart(self) -> int:
        """How many products in reverse there are besides."""
        return 0 if self.apart is None else int(self.apart.max(initial=-1)) + 1

    @property
    def products(self) -> int:
        """How many products there are."""
        return self.count + self.rows_apart

    @property
    def words(self) -> str:
        """How many products of which kind."""
        colors = f"{self.count:,} {'color' if self.count == 1 else 'colors'}"
        apart = f" and {self.rows_apart:,} for full rows" if self.rows_apart else ""
        return f"{colors} for {self.whole:,} {self.side}{apart}"

    @property
    def parts(self) -> list[tuple[str, NDArray[np.int32], int]]:
        """The kind of products, the colors, and how many, of each side that is colored."""
        first = [(self.way, self.colors, self.count)]
        return first if self.apart is None else [*first, ("rev", self.apart, self.rows_apart)]

    @property
    def places(self) -> NDArray[np.int64]:
        """Where each entry stands in the products of all parts, one after another."""
        rows, columns, colors = self.pattern.rows, self.pattern.columns, self.colors
        height, width = self.pattern.shape
        if self.way == "rev":
            return colors[rows].astype(np.int64) * width + columns
        if self.way == "fwd":
            place = colors[columns].astype(np.int64) * height + rows
            if self.apart is None:
                return place
            apart = self.apart[rows].astype(np.int64)
            return np.where(apart < 0, place, self.count * height + apart * width + columns)
        # Symmetric: of the column's product where no other entry of the row has that color, else
        # of the row's, which star coloring keeps free.
        color = colors[columns].astype(np.int64)
        _, which, shared = np.unique(
            rows * (self.count + 1) + color + 1, return_inverse=True, return_counts=True
        )
        alone = (shared[which] == 1) & (color >= 0)
        product = np.where(alone, color, colors[rows])
        return product * width + np.where(alone, rows, columns)


@dataclass(frozen=True, eq=False)
class Colored:
    """A derivative by products with sums of unit vectors, one for each color.

    `entries` and `places` have one item for each block, by output, then input: `places` are flat
    positions in the compressed derivative, the products `(colors, length)` of each part of the
    coloring, one part after another.
    """

    coloring: Coloring
    entries: Sequence[Entries]
    places: Sequence[NDArray[np.int64]]

    @property
    def words(self) -> str:
        """How the entries are computed."""
        return self.coloring.words

    def values(self, f: Function, x: Tree) -> list[Any]:
        """Return the values of each block, `(computed,)`, in the order of its `entries.where`."""
        parts = [
            _compressed(f, x, way, colors, jnp.arange(count)).reshape(-1)
            for way, colors, count in self.coloring.parts
        ]
        flat = parts[0] if len(parts) == 1 else jnp.concatenate(parts)
        return [flat[place] for place in self.places]

    def chunks(self, f: Function, x: Tree, assembled: Callable[[list[Any]], Tree]) -> ColorChunks:
        """Return the derivative as products that are taken a few at a time.

        `assembled` makes the whole of the values of each block.
        """
        return ColorChunks(self, f, x, assembled)


def _compressed(f: Function, x: Tree, way: str, colors: Any, indices: Any) -> Any:
    """Return the products of the colors `indices`: `(k, length)`."""
    return jax.vmap(_PRODUCTS[way](f, x, colors))(indices)


@dataclass(frozen=True, eq=False)
class ColorChunks:
    """The products of a coloring, to be taken in chunks."""

    colored: Colored
    f: Function
    x: Tree
    assembled: Callable[[list[Any]], Tree]

    def kernels(self, size: int) -> list[ChunkKernel]:
        """Return one kernel for each part of the coloring that has colors."""
        return [
            self._kernel(number, way, colors, count, size)
            for number, (way, colors, count) in enumerate(self.colored.coloring.parts)
            if count
        ]

    def _kernel(self, number: int, way: str, colors: Any, count: int, size: int) -> ChunkKernel:
        chunk = chunk_shape((count,), size)

        def compute(x: Tree, index: jax.Array) -> Tree:
            indices = index[0] + jnp.arange(chunk[0], dtype=index.dtype)
            return _compressed(self.f, x, way, colors, indices)

        return ChunkKernel((count,), chunk, compute, (number,))

    def empty(self) -> list[np.ndarray]:
        """Return the arrays of the compressed derivative."""
        found = []
        for way, colors, count in self.colored.coloring.parts:
            one = jax.eval_shape(
                lambda x, w=way, c=colors: _compressed(self.f, x, w, c, jnp.zeros(1, np.int32)),
                self.x,
            )
            found.append(np.empty((count, *one.shape[1:]), one.dtype))
        return found

    def assemble(self, whole: list[np.ndarray]) -> Tree:
        """Return the derivative from the compressed one."""
        flat = np.concatenate([products.reshape(-1) for products in whole])
        return self.assembled([flat[place] for place in self.colored.places])


def _pushed(f: Function, x: Tree, colors: Any) -> Callable[[Any], Any]:
    """Return the sum of the columns of a color, `(M,)`."""
    return lambda color: _flat(jax.jvp(f, (x,), (_seed(x, colors, color),))[1])


def _pulled(f: Function, x: Tree, colors: Any) -> Callable[[Any], Any]:
    """Return the sum of the rows of a color, `(N,)`."""
    out, pull = jax.vjp(f, x)
    return lambda color: _flat(pull(_seed(out, colors, color))[0])


def _gradient_pushed(f: Function, x: Tree, colors: Any) -> Callable[[Any], Any]:
    """Return the Hessian times the sum of the unit vectors of a color, `(N,)`."""
    return _pushed(_gradient(f), x, colors)


def _gradient_pulled(f: Function, x: Tree, colors: Any) -> Callable[[Any], Any]:
    """Return the same for functions that have no forward mode: H is symmetric."""
    return _pulled(_gradient(f), x, colors)


_PRODUCTS: dict[str, Callable[..., Callable[[Any], Any]]] = {
    "fwd": _pushed,
    "rev": _pulled,
    "hvp": _gradient_pushed,
    "hvp-rev": _gradient_pulled,
}


def _gradient(f: Function) -> Function:
    return jax.grad(lambda x: jnp.reshape(jax.tree.leaves(f(x))[0], ()))


def _seed(like: Tree, colors: NDArray[np.int32], color: Any) -> Tree:
    """Return the sum of the unit vectors of a color, shaped as `like`."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])[:-1]
    parts = np.split(colors, ends)
    seeds = [
        (part == color.astype(part.dtype)).astype(leaf.dtype).reshape(leaf.shape)
        for leaf, part in zip(leaves, map(jnp.asarray, parts), strict=True)
    ]
    return jax.tree.unflatten(structure, seeds)


def _flat(tree: Tree) -> Any:
    """Return the numbers of a tree's arrays, one after another."""
    leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)]
    return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)


def color(
    derivative: str, pattern: Pattern, no_forward: bool = False, no_reverse: bool = False
) -> Coloring:
    """Return the coloring with the fewest products: of columns, rows, or a symmetric matrix."""
    if derivative == "hessian":
        colors, count = color_symmetric(pattern.rows, pattern.columns, pattern.shape[1])
        return Coloring(pattern, colors, count, "hvp-rev" if no_forward else "hvp")
    if no_forward or no_reverse:
        return _one_sided(pattern, "rev" if no_forward else "fwd")
    best = min((_one_sided(pattern, way) for way in ("fwd", "rev")), key=lambda each: each.count)
    return min((best, *_two_sided(pattern, best.count)), key=lambda found: found.products)


def _one_sided(pattern: Pattern, way: str) -> Coloring:
    if way == "fwd":
        colors, count = color_columns(pattern.rows, pattern.columns, pattern.shape)
    else:
        colors, count = color_columns(pattern.columns, pattern.rows, pattern.shape[::-1])
    return Coloring(pattern, colors, count, way)


_MANY = 8
"""A coloring of so many products at most is not improved upon."""
_FULL = 8
"""A row is full if it has so many times more entries than the mean row, at least."""


def _two_sided(pattern: Pattern, count: int) -> Iterator[Coloring]:
    """Yield colorings of columns with the fullest rows taken apart, where that may save products.

    As many columns must be taken as the longest remaining row has entries: rows are taken apart
    while that is more than they are.
    """
    lengths = np.bincount(pattern.rows, minlength=pattern.shape[0])
    if count <= _MANY or not lengths.size:
        return
    full = np.sort(lengths[lengths > _FULL * lengths.mean()])[::-1]
    tried = 0
    for number in _doubling(full.size):
        left = full[number] if number < full.size else lengths[lengths < full[-1]].max(initial=0)
        if number + left >= count or tried == _TRIES:
            continue
        tried += 1
        chosen = lengths > (full[number] if number < full.size else left)
        keep = ~chosen[pattern.rows]
        rest = Pattern(pattern.rows[keep], pattern.columns[keep], pattern.shape)
        apart = Pattern(pattern.rows[~keep], pattern.columns[~keep], pattern.shape)
        colors = _one_sided(apart, "rev").colors
        colors = np.where(chosen, colors, -1).astype(np.int32)
        _, numbers = np.unique(colors[chosen], return_inverse=True)
        colors[chosen] = numbers
        one = _one_sided(rest, "fwd")
        yield Coloring(pattern, one.colors, one.count, "fwd", colors)


_TRIES = 4
"""Numbers of full rows that are tried, at most."""


def _doubling(most: int) -> Iterator[int]:
    """Yield most, then 1, 2, 4 and so on below it."""
    if most:
        yield most
    number = 1
    while number < most:
        yield number
        number *= 2


def colored(coloring: Coloring, outs: Sequence[Any], ins: Sequence[Any]) -> Colored:
    """Return what computes a derivative with the coloring of its joined matrix.

    `outs` and `ins` are the shapes of the matrix' rows and columns (a Hessian: the inputs both
    times), in order.
    """
    pattern = coloring.pattern
    place = coloring.places
    blocks = split(pattern, outs, ins)
    return Colored(coloring, [entries for entries, _ in blocks], [place[of] for _, of in blocks])
