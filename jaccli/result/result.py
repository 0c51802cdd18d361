"""What a computation hands over: arrays with the names of what they hold, and how they were made.

Plain data.  This module knows no format, no file and no terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from jaccli.result.sparse import Sparse, Values

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


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


@dataclass(frozen=True, slots=True)
class BlockShape:
    """A block that is not computed yet, for what can be refused beforehand."""

    output: str | None
    wrt: tuple[str, ...]
    out_shape: tuple[int, ...]
    in_shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One array of a result, `(*batch, *out, *in1, *in2)`, and whose entries its axes count.

    `output` is None for a vjp.  `wrt` names nothing for evaluate and jvp, two inputs for a
    Hessian and one otherwise, with one shape in `in_shapes` for each.  `values` is `Sparse` with
    sparse storage.
    """

    output: str | None
    wrt: tuple[str, ...]
    values: Values
    out_shape: tuple[int, ...]
    in_shapes: tuple[tuple[int, ...], ...]

    @property
    def key(self) -> str:
        """The block's name in files: `y.x`, `y.x.x`, `y` or `x`."""
        return block_key(self)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The blocks of one derivative and the account of how they came about.

    `batch` is the size of the one batch axis, the first of every block, or None.  `value` holds
    the outputs at the primal, `(*batch, *out)` each.  `seconds` has `compile` and `run`; `cache` is
    `hit` if an earlier process has compiled the program, `miss` if this one has, and `off` if it
    is not kept.  `warnings` say where the numbers are not what they seem.
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

    @property
    def storage(self) -> str:
        """`sparse` if a block is kept as its non-zeros, otherwise `dense`."""
        kept = any(isinstance(block.values, Sparse) for block in self.blocks)
        return "sparse" if kept else "dense"

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
            "blocks": {
                block.key: {"out_shape": block.out_shape, "in_shapes": block.in_shapes}
                for block in self.blocks
            },
        }


def block_key(block: Shaped) -> str:
    """Return the name of a block in files: `y.x`, `y.x.x`, `y` or `x`."""
    return ".".join((*(() if block.output is None else (block.output,)), *block.wrt))
