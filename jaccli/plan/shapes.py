"""What a model's outputs and a derivative's blocks look like, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaccli.derivative.trace_info import TraceInfo, from_jaxpr
from jaccli.derivative.traced_function import traced
from jaccli.entry_names import Names
from jaccli.errors import ComputationError, SpecError
from jaccli.models import LoadedModel
from jaccli.spec import PythonModel, Spec
from jaccli.tracer_errors import LEAKED

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BlockPlan:
    """One array of the result: `output` is None for a vjp; `wrt` has 0, 1 or 2 names.

    `entries` names those of the output and the inputs, where it is not of whole arrays.  A diagonal
    has the axes of one input, a trace of none.

    `dtype` is the output's, whatever the modes make of inputs of several dtypes.
    """

    output: str | None
    wrt: tuple[str, ...]
    out_shape: Shape
    in_shapes: tuple[Shape, ...]
    batch: int | None
    dtype: np.dtype[Any]
    entries: tuple[Names | None, tuple[Names, ...]] | None = None

    @property
    def shape(self) -> Shape:
        """The whole shape, `(*batch, *out, *in1, *in2)`."""
        lead = () if self.batch is None else (self.batch,)
        return (*lead, *self.out_shape, *(n for shape in self.in_shapes for n in shape))

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def key(self) -> str:
        """The block's name in files: `y.x`."""
        return ".".join((self.output, *self.wrt) if self.output is not None else self.wrt)


@dataclass(frozen=True)
class Trace:
    """A model that was traced: as a function to be run, its outputs in their order, and facts."""

    function: Callable[[Mapping[str, Any]], dict[str, Any]]
    outputs: dict[str, Shape]
    dtypes: dict[str, np.dtype[Any]]
    facts: TraceInfo


def trace(spec: Spec, model: LoadedModel) -> Trace:
    """Return what there is to know of a model at its shapes; compute nothing."""
    wrt, rest = avals(model)
    every = {**wrt, **rest}
    order: list[str] = []

    def function(inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = model.function(inputs)
        order[:] = outputs
        return outputs

    import jax

    with settings_of(spec):
        once = traced(function, every)
    if any(isinstance(const, jax.core.Tracer) for const in once.jaxpr.consts):
        name = spec.model.target if isinstance(spec.model, PythonModel) else spec.name
        raise ComputationError(f"{name}: the function {LEAKED}.")
    shapes = {name: once.out[name] for name in order}  # JAX sorts the names
    for name, value in shapes.items():
        if value.dtype.kind not in "fiub":
            message = f"the output {name!r} is of {value.dtype}; real numbers are differentiated."
            raise SpecError(spec.problem("model", message))
    found = {name: tuple(value.shape) for name, value in shapes.items()}
    n_in = sum(math.prod(model.in_shape(name)) for name in model.wrt)
    varied = [name in model.wrt for name in sorted(every)]
    about = from_jaxpr(once.jaxpr, varied, n_in, sum(map(math.prod, found.values())))

    def ordered(inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = once(dict(inputs))
        return {name: outputs[name] for name in order}

    return Trace(ordered, found, {name: value.dtype for name, value in shapes.items()}, about)


def settings_of(spec: Spec) -> Any:
    """Return the context of JAX's precision for a spec; what is traced there keeps it."""
    import jax

    return jax.default_matmul_precision(None if spec.precision == "default" else spec.precision)


def avals(model: LoadedModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return shapes and dtypes of one point as JAX has them: of the wrt inputs, and of the rest."""
    import jax

    every = {
        # JAX has no 64 bits unless they are enabled.
        name: jax.ShapeDtypeStruct(model.in_shape(name), jax.dtypes.canonicalize_dtype(array.dtype))
        for name, array in model.primals.items()
    }
    wrt = {name: every[name] for name in model.wrt}
    return wrt, {name: aval for name, aval in every.items() if name not in wrt}


def blocks_of(
    model: LoadedModel,
    derivative: str,
    outputs: Mapping[str, Shape],
    dtypes: Mapping[str, np.dtype[Any]],
) -> tuple[BlockPlan, ...]:
    """Return the blocks in the order of outputs and wrt."""
    ins = {name: model.in_shape(name) for name in model.wrt}
    batch = model.batch_size

    def block(output: str | None, *wrt: str) -> BlockPlan:
        out_shape = () if output is None else outputs[output]
        dtype = model.primals[wrt[0]].dtype if output is None else dtypes[output]
        return BlockPlan(output, wrt, out_shape, tuple(ins[n] for n in wrt), batch, dtype)

    if derivative in ("evaluate", "jvp"):
        return tuple(block(output) for output in outputs)
    if derivative == "vjp":
        return tuple(block(None, name) for name in ins)
    if derivative == "hessian":
        return tuple(block(output, a, b) for output in outputs for a in ins for b in ins)
    return tuple(block(output, name) for output in outputs for name in ins)
