"""What a computation hands over: arrays with the names of what they hold, and how they were made.

Plain data.  This module knows no format, no file and no terminal: what a `Result` offers of these
is imported when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from jaccli.entry_names import Names
from jaccli.errors import did_you_mean
from jaccli.result.sparse import Sparse, Values, dense

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Entries: TypeAlias = tuple[Names | None, tuple[Names, ...]]
"""The names along the axes of a block that is a part of a whole: of its output, of its inputs."""


class Shaped(Protocol):
    """The names and the shapes of one array of a result: a `Block`, or a `BlockShape` before it."""

    @property
    def output(self) -> str | None:
        """The output's name, or None for a vjp."""

    @property
    def wrt(self) -> tuple[str, ...]:
        """The names of the inputs."""

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the output, without a batch axis."""

    @property
    def in_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each input, without a batch axis."""

    @property
    def entries(self) -> Entries | None:
        """The names of its entries, where they are not those of whole arrays."""


@dataclass(frozen=True, slots=True)
class BlockShape:
    """A block that is not computed yet, for what can be refused beforehand."""

    output: str | None
    wrt: tuple[str, ...]
    out_shape: tuple[int, ...]
    in_shapes: tuple[tuple[int, ...], ...]
    entries: Entries | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One array of a result, `(*batch, *out, *in1, *in2)`, and whose entries its axes count.

    `output` is None for a vjp.  `wrt` names nothing for evaluate and jvp, two inputs for a
    Hessian and one otherwise, with one shape in `in_shapes` for each.  `values` is `Sparse` with
    sparse storage.

    A diagonal has the axes of one input, a trace of none: `in_shapes` are shorter than `wrt`.
    `entries` are the names along the axes where they are not those of whole arrays.
    """

    output: str | None
    wrt: tuple[str, ...]
    values: Values
    out_shape: tuple[int, ...]
    in_shapes: tuple[tuple[int, ...], ...]
    entries: Entries | None = None

    @property
    def key(self) -> str:
        """The block's name in files: `y.x`, `y.x.x`, `y` or `x`."""
        return block_key(self)


@dataclass(frozen=True, slots=True)
class ResultOrigin:
    """What a result is of, in texts for a report: the spec's name, its model, the point.

    `model` has a row for each expression, name and text; `point` for each input its name, shape and
    values, the middle of many left out.
    """

    name: str
    model: tuple[tuple[str, str], ...]
    point: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The blocks of one derivative and the account of how they came about.

    `batch` is the size of the one batch axis, the first of every block, or None.  `value` holds
    the outputs at the primal, `(*batch, *out)` each.  `seconds` has `compile` and `run`; `cache` is
    `hit` if an earlier process has compiled the program, `miss` if this one has, and `off` if it
    is not kept.  `warnings` say where the numbers are not what they seem.
    A Hessian of the `approximation` `gauss-newton` is `JᵀJ` of the residuals.
    `part` is `diagonal` or `trace` where it is one of these; `rows` and `cols` are the texts that
    picked entries of outputs and inputs; with `shown` the result is what `--show` prints, at the
    `batch_rows` alone.
    `origin` says of which model and point it is, where that is known.
    With the `scale` `relative` entries are `x dy/dx`, with `log` `x/y dy/dx`.

    `result["y.x"]` is a block; `matrix`, `labels` and `to_scipy` are the matrix layout of all.
    """

    derivative: str
    blocks: tuple[Block, ...]
    batch: int | None
    mode: str
    reason: str
    device: str
    dtype: str
    precision: str
    seconds: dict[str, float]
    versions: dict[str, str]
    spec_sha256: str
    value: dict[str, Array] | None = None
    warnings: tuple[str, ...] = ()
    cache: str = "off"
    scale: str = "none"
    approximation: str = "none"
    part: str = "full"
    rows: str | None = None
    cols: str | None = None
    shown: bool = False
    batch_rows: range | None = None
    origin: ResultOrigin | None = None

    @property
    def is_part(self) -> bool:
        """Whether entries are not those of whole arrays."""
        return any(block.entries is not None for block in self.blocks)

    @property
    def storage(self) -> str:
        """`sparse` if a block is kept as its non-zeros, otherwise `dense`."""
        kept = any(isinstance(block.values, Sparse) for block in self.blocks)
        return "sparse" if kept else "dense"

    def __getitem__(self, key: str) -> Values:
        """Return the array of a block by its key, `(*batch, *out, *in)`: as it is kept.

        Raises:
            KeyError: there is no such block.
        """
        for block in self.blocks:
            if block.key == key:
                return block.values
        raise KeyError(f"no block {key!r}. {did_you_mean(str(key), self.keys())}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> list[str]:
        """Return the keys of the blocks, in their order."""
        return [block.key for block in self.blocks]

    def matrix(self) -> Array:
        """Return the blocks as one dense array, as `--layout matrix` joins them.

        That is `(*batch, M, N)` for a Jacobian, `(*batch, N, N)` for the Hessian of one scalar,
        and one axis for a gradient, a product or values; `labels` says what its entries are.
        """
        from jaccli.result.matrix import matrix
        from jaccli.result.view import whole

        return dense(matrix(whole(self)).values)

    def labels(self) -> dict[str, list[str]]:
        """Return the labels of the matrix by side: `rows`, `columns`, `outputs`."""
        from jaccli.result.matrix import by_side, sides
        from jaccli.result.view import Slot

        axes = sides(self.derivative, self.part, [Slot.of(block) for block in self.blocks])
        named = by_side(axes, batched=self.batch is not None)
        return {side: list(axis) for side, axis in named.items()}

    def to_scipy(self) -> csr_array:
        """Return the blocks as one sparse matrix of scipy's; what has one axis is a column.

        Raises:
            ValueError: the matrix layout has more than two axes, as with a batch.
        """
        from jaccli.result.matrix import matrix
        from jaccli.result.view import whole

        values = matrix(whole(self)).values
        if values.ndim > 2:
            message = f"a sparse matrix has two axes; this result has the shape {values.shape}"
            raise ValueError(f"{message}: take its rows apart with matrix()")
        kept = values if isinstance(values, Sparse) else Sparse.from_dense(values)
        return kept.reshape((*values.shape[:1], prod(values.shape[1:]))).scipy()

    def save(
        self, path: str | os.PathLike[str], force: bool = False, *, layout: str | None = None
    ) -> None:
        """Write the result to a file; its suffix decides the format, as with `-o`.

        `layout` is `blocks` or `matrix`; by default blocks, and of a sparse `.npz` the matrix.

        Raises:
            UsageError: the file is there and `force` is not given, its suffix is unknown, or the
                result does not fit into its format.
        """
        from jaccli.result.io.registry import suffix_of, write

        joined = self.storage == "sparse" and suffix_of(Path(path)) == ".npz"
        write(self, path, layout=layout or ("matrix" if joined else "blocks"), force=force)

    def __str__(self) -> str:
        """Return the table that the command line prints, abbreviated to the terminal's width."""
        from io import StringIO

        from jaccli.result.render.table import table
        from jaccli.result.view import whole

        out = StringIO()
        table(whole(self), out, styled=False)
        return out.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        """Return the tables that a notebook shows."""
        from jaccli.result.render.html import html
        from jaccli.result.view import whole

        return html(whole(self))

    def variant(self) -> dict[str, str]:
        """Return the scale and the approximation, where there is one."""
        kinds = {"scale": self.scale, "approximation": self.approximation}
        return {name: kind for name, kind in kinds.items() if kind != "none"}

    def parts(self) -> dict[str, Any]:
        """Return what of the whole derivative there is: `part`, and `picked`: `rows`, `cols`."""
        said = {"rows": self.rows, "cols": self.cols}
        picked = {name: text for name, text in said.items() if text is not None}
        return {
            **({} if self.part == "full" else {"part": self.part}),
            **({"picked": picked} if picked else {}),
        }

    def manifest(self) -> dict[str, Any]:
        """Return everything but the numbers, ready for JSON."""
        return {
            "schema": 1,
            "command": self.derivative,
            "mode": self.mode,
            "reason": self.reason,
            "device": self.device,
            "dtype": self.dtype,
            "precision": self.precision,
            "batch": self.batch,
            "seconds": self.seconds,
            "cache": self.cache,
            "versions": self.versions,
            "spec_sha256": self.spec_sha256,
            **self.variant(),
            **self.parts(),
            **({"labels": self.labels()} if self.is_part else {}),
            "blocks": {
                block.key: {"out_shape": block.out_shape, "in_shapes": block.in_shapes}
                for block in self.blocks
            },
        }


def block_key(block: Shaped) -> str:
    """Return the name of a block in files: `y.x`, `y.x.x`, `y` or `x`."""
    return ".".join((*(() if block.output is None else (block.output,)), *block.wrt))
