"""Derivatives in relative terms: `x dy/dx`, and elasticities `x/y dy/dx`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from jaccli.result.labels import Names
from jaccli.result.result import Array, Block, Result
from jaccli.result.sparse import Sparse

_NAMED = 3
"""Outputs that are 0 that a warning names."""


def scaled(
    result: Result, scale: str, point: Mapping[str, Array], value: Mapping[str, Array]
) -> Result:
    """Return a gradient or Jacobian with each entry times its input, and over its output.

    Args:
        result: the derivative; blocks are `(*batch, *out, *in)`.
        scale: `relative` for `x dy/dx` (the unit of y), `log` for `x/y dy/dx` (dimensionless).
        point: the inputs, with the batch axis first where they have one: `(*batch, *in)`.
        value: the outputs, `(*batch, *out)`.

    Where an output is 0, `log` gives infinities and NaN, and a warning names it.
    """
    blocks = tuple(_scaled(result, block, scale, point, value) for block in result.blocks)
    said = () if scale == "relative" else _zeros(result, value)
    return replace(result, blocks=blocks, scale=scale, warnings=(*result.warnings, *said))


def _scaled(
    result: Result,
    block: Block,
    scale: str,
    point: Mapping[str, Array],
    value: Mapping[str, Array],
) -> Block:
    (name,), lead = block.wrt, 0 if result.batch is None else 1
    x = np.asarray(point[name])
    x = x.reshape(x.shape[: x.ndim - len(block.in_shapes[0])] + (1,) * len(block.out_shape)
                  + block.in_shapes[0])  # fmt: skip
    y: Array = np.ones(())
    if scale == "log":
        assert block.output is not None
        y = np.asarray(value[block.output])
        y = y.reshape(y.shape[: lead + len(block.out_shape)] + (1,) * len(block.in_shapes[0]))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if isinstance(block.values, Sparse):
            shape = block.values.shape
            index = np.unravel_index(block.values.where, shape) if shape else ()
            at = (np.broadcast_to(x, shape)[index], np.broadcast_to(y, shape)[index])
            values = at[0] * block.values.values / at[1]
            kept = replace(block.values, values=values.astype(block.values.dtype, copy=False))
            return replace(block, values=kept)
        dense = x * block.values / y
        return replace(block, values=dense.astype(block.values.dtype, copy=False))


def _zeros(result: Result, value: Mapping[str, Array]) -> tuple[str, ...]:
    """Return the warning that names outputs of 0, if there are any."""
    outputs = dict.fromkeys(block.output for block in result.blocks if block.output is not None)
    found: list[str] = []
    count = 0
    for name in outputs:
        array = np.asarray(value[name])
        names = Names.of(name, array.shape[0 if result.batch is None else 1 :])
        zeros = np.argwhere(array == 0)
        count += len(zeros)
        for index in zeros[: _NAMED - len(found)]:
            row = "" if result.batch is None else f" in batch row {index[0]}"
            at = tuple(index[0 if result.batch is None else 1 :])
            flat = int(np.ravel_multi_index(at, names.shape)) if at else 0
            found.append(f"{names[flat]}{row}")
    if not count:
        return ()
    more = f" and {count - len(found)} more" if count > len(found) else ""
    verb, has = ("is", "has") if count == 1 else ("are", "have")
    return (f"{', '.join(found)}{more} {verb} 0, and {has} no elasticity.",)
