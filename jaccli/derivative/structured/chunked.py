"""Structured derivatives in chunks: a window on the array of one seed after another.

The engine runs as always, with free far dims as long as the window: a chunk multiplies no zeros
either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from jaccli.derivative.basis import ChunkKernel, Function, Tree
from jaccli.derivative.chunking import Shape, chunk_shape
from jaccli.derivative.structured import engine
from jaccli.derivative.structured.linear_map import Window


@dataclass(frozen=True)
class WindowChunks:
    """A derivative as windows on the arrays whose shapes are the `axes`.

    `compute(x, leaf, window)` returns the structured blocks of a window; `whole` has the shapes of
    all blocks.  Windows are on the last dims of the blocks (columns), or on the first.
    """

    axes: Sequence[Shape]
    compute: Callable[[Tree, int, Window], Tree]
    whole: Tree
    columns: bool

    def kernels(self, size: int) -> list[ChunkKernel]:
        """Return one kernel for each array that is not empty."""
        return [
            self._kernel(leaf, chunk_shape(shape, size))
            for leaf, shape in enumerate(self.axes)
            if 0 not in shape
        ]

    def _kernel(self, leaf: int, chunk: Shape) -> ChunkKernel:
        def compute(x: Tree, index: Any) -> Tree:
            window = Window(chunk, [index[b] for b in range(len(chunk))])
            return engine.densified(self.compute(x, leaf, window))

        # Blocks are in the order of outputs, then inputs: columns are of every output.
        count = len(jax.tree.leaves(self.whole))
        others = count // len(self.axes)
        targets = (
            range(leaf, count, len(self.axes))
            if self.columns
            else range(leaf * others, (leaf + 1) * others)
        )
        return ChunkKernel(self.axes[leaf], chunk, compute, targets, self.columns)

    def empty(self) -> list[np.ndarray]:
        """Return arrays for the blocks."""
        return [np.empty(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(self.whole)]

    def assemble(self, whole: list[np.ndarray]) -> Tree:
        """Return the blocks as a tree."""
        return jax.tree.unflatten(jax.tree.structure(self.whole), whole)


def jacobian(f: Function, x: Tree, direction: str) -> WindowChunks:
    """Return the Jacobian as windows on the inputs (`fwd`), or on the outputs (`rev`)."""
    whole = _shapes(engine.jacobian, f, x, direction)
    if direction == "fwd":
        return WindowChunks(_shapes_of(x), partial(engine.columns, f), whole, columns=True)
    return WindowChunks(
        _shapes_of(jax.eval_shape(f, x)), partial(engine.rows, f), whole, columns=False
    )


def hessian(f: Function, x: Tree, inner: str) -> WindowChunks:
    """Return the Hessian, outer forward, as windows on the inputs of its last dims."""
    whole = _shapes(engine.hessian, f, x, "fwd", inner)
    return WindowChunks(
        _shapes_of(x), partial(engine.hessian_columns, f, inner), whole, columns=True
    )


def _shapes_of(tree: Tree) -> list[Shape]:
    return [tuple(leaf.shape) for leaf in jax.tree.leaves(tree)]


def _shapes(operator: Callable[..., Tree], f: Function, x: Tree, *ways: str) -> Tree:
    """Return the shapes of a derivative made dense, computing nothing."""
    return jax.eval_shape(lambda x: engine.densified(operator(f, x, *ways)), x)
