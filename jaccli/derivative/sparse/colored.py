"""Sparse derivatives by coloring: columns (rows) that share no row (column) are taken together.

One jvp, vjp or Hessian-vector product for each color gives the compressed derivative; every entry
is read off it at one place.  Detection and coloring are asdex's: A. Dalle, G. Montoison, "Sparser,
better, faster, stronger" (arXiv:2501.17737); symmetric (star) coloring after Coleman and Moré.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaccli.derivative.basis import Function, Piece, Tree
from jaccli.derivative.sparse.entries import Entries, Pattern, split
from jaccli.derivative.sparse.linked import Parametric
from jaccli.derivative.tiles import tile


@dataclass(frozen=True)
class Coloring:
    """A pattern in C order and a color for each column (`fwd`), row (`rev`), or both (`hvp`).

    A color of -1 is of a column, or row, that need not be taken.
    """

    pattern: Pattern
    colors: NDArray[np.int32]
    count: int
    way: str

    @property
    def side(self) -> str:
        """What is colored, in words."""
        return "rows" if self.way == "rev" else "columns"

    @property
    def whole(self) -> int:
        """How many products there are without a coloring."""
        return self.pattern.shape[0] if self.way == "rev" else self.pattern.shape[1]

    @property
    def read(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The color, and the index in its product, that each entry is read at."""
        rows, columns, colors = self.pattern.rows, self.pattern.columns, self.colors
        if self.way == "fwd":
            return colors[columns], rows
        if self.way == "rev":
            return colors[rows], columns
        # Symmetric: of the column's product where no other entry of the row has that color, else
        # of the row's, which star coloring keeps free.
        color = colors[columns].astype(np.int64)
        place = rows * (self.count + 1) + color + 1
        _, which, shared = np.unique(place, return_inverse=True, return_counts=True)
        alone = (shared[which] == 1) & (color >= 0)
        return np.where(alone, color, colors[rows]), np.where(alone, rows, columns)


@dataclass(frozen=True, eq=False)
class Colored:
    """A derivative by products with sums of unit vectors, one for each color.

    `entries` and `places` have one item for each block, by output, then input: `places` are flat
    positions in the compressed derivative `(colors, length)`.
    """

    coloring: Coloring
    entries: Sequence[Entries]
    places: Sequence[NDArray[np.int64]]

    @property
    def words(self) -> str:
        """How the entries are computed."""
        count = self.coloring.count
        colors = f"{count:,} {'color' if count == 1 else 'colors'}"
        return f"{colors} for {self.coloring.whole:,} {self.coloring.side}"

    def values(self, f: Function, x: Tree) -> list[Any]:
        """Return the values of each block, `(computed,)`, in the order of its `entries.where`."""
        flat = self._compressed(f, x, jnp.arange(self.coloring.count)).reshape(-1)
        return [flat[place] for place in self.places]

    def chunks(self, f: Function, x: Tree) -> Chunks:
        """Return the derivative as products that are taken a few at a time."""
        return Chunks(self, f, x)

    def _compressed(self, f: Function, x: Tree, indices: Any) -> Any:
        """Return the products of the colors `indices`: `(k, length)`."""
        return jax.vmap(_PRODUCTS[self.coloring.way](f, x, self.coloring.colors))(indices)


@dataclass(frozen=True, eq=False)
class Chunks:
    """The products of a coloring, to be taken in chunks."""

    colored: Colored
    f: Function
    x: Tree

    def pieces(self, chunk: int) -> list[Piece]:
        """Return the one piece of all colors."""
        count = self.colored.coloring.count
        box = tile((count,), chunk)

        def compute(x: Tree, corner: jax.Array) -> Tree:
            indices = corner[0] + jnp.arange(box[0], dtype=corner.dtype)
            return self.colored._compressed(self.f, x, indices)

        return [Piece((count,), box, compute, (0,))] if count else []

    def empty(self) -> list[np.ndarray]:
        """Return the array of the compressed derivative."""
        count = self.colored.coloring.count
        one = jax.eval_shape(
            lambda x: self.colored._compressed(self.f, x, jnp.zeros(1, np.int32)), self.x
        )
        return [np.empty((count, *one.shape[1:]), one.dtype)]

    def values(self, whole: list[np.ndarray]) -> list[np.ndarray]:
        """Return the values of each block."""
        return [whole[0].reshape(-1)[place] for place in self.colored.places]


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


def unit_products(way: str, f: Function, x: Tree, positions: Any) -> Any:
    """Return the columns (`fwd`) or rows (`rev`) of a Jacobian at a few flat positions."""
    like = x if way == "fwd" else jax.eval_shape(f, x)
    numbers = np.arange(sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(like)))
    return jax.vmap(_PRODUCTS[way](f, x, numbers))(positions)


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


def detected(derivative: str, f: Parametric, x: Tree, rest: Tree) -> Pattern:
    """Return the pattern that asdex finds in the jaxpr, valid at every point, in C order.

    A Hessian's function has one scalar output.

    Raises:
        ImportError: asdex is not installed.
    """
    import asdex

    find = asdex.hessian_sparsity if derivative == "hessian" else asdex.jacobian_sparsity
    leaves, tree = jax.tree.flatten((x, rest))

    def flat(*arrays: Any) -> Tree:
        out = f(*jax.tree.unflatten(tree, arrays))
        return jax.tree.leaves(out)[0] if derivative == "hessian" else out

    zeros = [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]  # their shapes alone are read
    found = find(flat, *zeros, argnums=tuple(range(len(jax.tree.leaves(x)))))
    return Pattern(found.rows.astype(np.int64), found.cols.astype(np.int64), found.shape)


def color(
    derivative: str, pattern: Pattern, no_forward: bool = False, no_reverse: bool = False
) -> Coloring:
    """Return the coloring with the fewest products: of columns, of rows, or of a symmetric matrix.

    Raises:
        ImportError: asdex is not installed.
    """
    import asdex

    rows, columns = pattern.rows.astype(np.int32), pattern.columns.astype(np.int32)
    known = asdex.SparsityPattern.from_coo(rows, columns, pattern.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asdex.DenseColoringWarning)  # the plan says so
        if derivative == "hessian":
            found = asdex.hessian_coloring_from_sparsity(known)
            way = "hvp-rev" if no_forward else "hvp"
        else:
            mode: Any = "rev" if no_forward else "fwd" if no_reverse else None
            found = asdex.jacobian_coloring_from_sparsity(known, mode=mode)
            way = found.mode
    return Coloring(pattern, found.colors.astype(np.int32), int(found.num_colors), way)


def colored(coloring: Coloring, outs: Sequence[Any], ins: Sequence[Any]) -> Colored:
    """Return what computes a derivative with the coloring of its joined matrix.

    `outs` and `ins` are the shapes of the matrix' rows and columns (a Hessian: the inputs both
    times), in order.
    """
    pattern = coloring.pattern
    length = pattern.shape[0] if coloring.way == "fwd" else pattern.shape[1]
    product, index = coloring.read
    place = product.astype(np.int64) * length + index
    blocks = split(pattern, outs, ins)
    return Colored(coloring, [entries for entries, _ in blocks], [place[of] for _, of in blocks])
