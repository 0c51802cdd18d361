"""Results to test with: made by hand, or drawn at random by hypothesis."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaccli.result import Block, Result, Sparse, dense

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Spec = tuple[str | None, tuple[str, ...], Shape, tuple[Shape, ...]]


def result_of(derivative: str, *blocks: Block, batch: int | None = None, **changes: Any) -> Result:
    """Return a result of these blocks, everything else of no interest."""
    account: dict[str, Any] = {
        "mode": "fwd",
        "reason": "fewer inputs than outputs",
        "device": "cpu:0",
        "dtype": "float64",
        "precision": "highest",
        "seconds": {"compile": 0.071, "run": 0.0001},
        "versions": {"jaccli": "0.1.0", "jax": "0.10.1"},
        "spec_sha256": "ab" * 32,
    }
    return Result(derivative, blocks, batch, **(account | changes))


def block(output: str | None, wrt: tuple[str, ...], values: Any, *shapes: Shape) -> Block:
    """Return a block; `shapes` are those of the output and of each input."""
    return Block(output, wrt, np.asarray(values), shapes[0], shapes[1:])


def counted(derivative: str, *specs: Spec, batch: int | None = None, step: float = 1) -> Result:
    """Return a result whose entries count up through all blocks: no two are alike."""
    blocks, start = [], 0
    for output, wrt, out_shape, in_shapes in specs:
        lead = () if batch is None else (batch,)
        shape = (*lead, *out_shape, *(size for one in in_shapes for size in one))
        values = step * np.arange(start, start + prod(shape), dtype=np.float64).reshape(shape)
        blocks.append(Block(output, wrt, values, out_shape, in_shapes))
        start += prod(shape)
    return result_of(derivative, *blocks, batch=batch)


def jacobian(out_shape: Shape, in_shape: Shape, *, batch: int | None = None) -> Result:
    """Return the counted Jacobian of `y` with respect to `x`."""
    return counted("jacobian", ("y", ("x",), out_shape, (in_shape,)), batch=batch)


POLAR = result_of(
    "jacobian",
    block("r", ("x",), 0.6, (), ()),
    block("r", ("y",), 0.8, (), ()),
    block("theta", ("x",), -0.16, (), ()),
    block("theta", ("y",), 0.12, (), ()),
    value={"r": np.array(5.0), "theta": np.array(0.9272952180016122)},
)
"""Polar coordinates at x = 3, y = 4."""

shapes = st.sampled_from([(), (1,), (2,), (3,), (5,), (0,), (2, 3), (3, 1), (2, 1, 2)])
batches = st.sampled_from([None, None, 1, 3, 0])
dtypes = st.sampled_from([np.float64, np.float32])


@st.composite
def results(
    draw: st.DrawFn,
    derivatives: tuple[str, ...] = (
        "evaluate", "gradient", "jacobian", "hessian", "jvp", "vjp", "hvp",
    ),
) -> Result:  # fmt: skip
    """Draw a result: any shapes, several blocks, NaN and infinities, a batch or none."""
    derivative = draw(st.sampled_from(derivatives))
    scalar = derivative in ("gradient", "hvp")
    outputs = {
        name: () if scalar else draw(shapes)
        for name in draw(st.sampled_from([["f"]] if scalar else [["f"], ["r", "theta"]]))
    }
    inputs = {
        name: draw(shapes) for name in draw(st.sampled_from([["x"], ["w", "b"], ["x", "y", "z"]]))
    }
    batch, dtype = draw(batches), draw(dtypes)
    order = {"evaluate": 0, "jvp": 0, "hessian": 2}.get(derivative, 1)
    names: list[tuple[str, ...]] = [()]
    for _ in range(order):
        names = [(*before, name) for before in names for name in inputs]
    blocks = []
    for output in [None] if derivative == "vjp" else list(outputs):
        for wrt in names:
            out_shape = () if output is None else outputs[output]
            in_shapes = tuple(inputs[name] for name in wrt)
            lead = () if batch is None else (batch,)
            shape = (*lead, *out_shape, *(size for one in in_shapes for size in one))
            values = draw(hnp.arrays(dtype, shape))
            blocks.append(Block(output, wrt, values, out_shape, in_shapes))
    return result_of(derivative, *blocks, batch=batch, dtype=np.dtype(dtype).name)


def same(a: Array | Sparse, b: Array | Sparse) -> bool:
    """Whether two arrays have the same shape, the same type and the same numbers, NaN included."""
    a, b = dense(a), dense(b)
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
