"""A spec's model as UM-Bridge has models: lists of vectors in, lists of vectors out.

The inputs are those of `wrt`, flattened in C order, the outputs the model's.  Each product is a
plan of its own (vjp, jvp, hvp) of one output and one or two inputs, compiled when it is first asked
for; what changes between requests are arguments of the program.

Boundary: knows nothing of HTTP or JSON.  One call at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaccli import backend, execute, plan
from jaccli.context import Silent
from jaccli.execute.compile_plan import Program
from jaccli.models import LoadedModel
from jaccli.spec import Spec

Vector = np.ndarray[Any, Any]
Key = tuple[Any, ...]
Blocks = dict[tuple[str | None, tuple[str, ...]], Vector]
"""Results by output and inputs."""

_SENS = "(sens)"
"""The input that holds the weights of an output: no input of a spec has such a name."""
_WEIGHTED = "weighted"


class Unsupported(Exception):
    """The model has no such product; the text says why."""


class VectorModel:
    """The values and products of a model at the points that are asked for.

    Args:
        spec: what the model is made of; what it says of one derivative is not used.
        model: the model at the spec's point, which gives shapes, and values that nobody overrides.
        x64: whether JAX must have 64 bits (`models.needs_x64`), in whatever thread.
    """

    def __init__(self, spec: Spec, model: LoadedModel, *, x64: bool) -> None:
        # Products have modes, chunks and storages of their own.
        self._spec = replace(
            spec, mode="auto", chunk=None, storage=None, sparsity=None, approximation="none"
        )
        self._model = replace(model, vectors={})
        self._x64 = x64
        self._device = backend.find(spec.device)
        self._programs: dict[Key, Program] = {}
        self._progress = Silent()
        values = self._program(("evaluate",), self._model, "evaluate").plan
        self.inputs = model.wrt
        self.outputs = {block.output or "": block.out_shape for block in values.blocks}
        self._integers = {b.output for b in values.blocks if b.dtype.kind != "f"}
        self.settings = {
            name: array
            for name, array in model.primals.items()
            if name not in model.wrt and array.dtype.kind == "f"
        }
        """The other inputs of floats, which a request may set."""

    @property
    def input_sizes(self) -> list[int]:
        """The lengths of the inputs' vectors."""
        return [math.prod(self._model.in_shape(name)) for name in self.inputs]

    @property
    def output_sizes(self) -> list[int]:
        """The lengths of the outputs' vectors."""
        return [math.prod(shape) for shape in self.outputs.values()]

    @property
    def is_differentiable(self) -> bool:
        """Whether every output is of floats."""
        return not self._integers

    def evaluate(self, point: Sequence[Vector], settings: Mapping[str, Vector]) -> list[Vector]:
        """Return the outputs."""
        program = self._programs["evaluate",]
        result = self._run(program, self._values(point, settings), {})
        return [result[name, ()] for name in self.outputs]

    def gradient(
        self,
        out: int,
        wrt: int,
        point: Sequence[Vector],
        sens: Vector,
        settings: Mapping[str, Vector],
    ) -> Vector:
        """Return `sensᵀ J`, of the shape of the input `wrt`; J is `d output / d input`."""
        output, name = self._names(out, wrt)
        cotangent = {output: sens.reshape(self.outputs[output])}
        return self._product("vjp", out, wrt, cotangent, point, settings)[None, (name,)]

    def apply_jacobian(
        self,
        out: int,
        wrt: int,
        point: Sequence[Vector],
        vec: Vector,
        settings: Mapping[str, Vector],
    ) -> Vector:
        """Return `J vec`, of the shape of the output `out`."""
        output, name = self._names(out, wrt)
        tangent = {name: vec.reshape(self._model.in_shape(name))}
        return self._product("jvp", out, wrt, tangent, point, settings)[output, ()]

    def apply_hessian(
        self,
        out: int,
        wrt1: int,
        wrt2: int,
        point: Sequence[Vector],
        sens: Vector,
        vec: Vector,
        settings: Mapping[str, Vector],
    ) -> Vector:
        """Return `Σ_k sens_k d²F_k/(d in1 d in2) vec`, of the shape of the input `wrt1`.

        F is the output `out`; `vec` is a change of the input `wrt2`.
        """
        output, first = self._names(out, wrt1)
        _, second = self._names(out, wrt2)
        names = tuple(dict.fromkeys((first, second)))
        zeros = {name: np.zeros(self._model.in_shape(name)) for name in names}
        model = replace(
            self._model,
            function=_weighted(self._model.function, output),
            primals={**self._model.primals, _SENS: self._typed(np.zeros(self.outputs[output]))},
            wrt=names,
            vectors=zeros,
        )
        program = self._program(("hvp", out, wrt1, wrt2), model, "hvp")
        values = self._values(point, settings)
        values[_SENS] = self._typed(sens.reshape(self.outputs[output]))
        tangents = zeros | {second: vec.reshape(self._model.in_shape(second))}
        return self._run(program, values, tangents)[_WEIGHTED, (first,)]

    def _product(
        self,
        derivative: str,
        out: int,
        wrt: int,
        vectors: dict[str, Vector],
        point: Sequence[Vector],
        settings: Mapping[str, Vector],
    ) -> Blocks:
        """Return the product of one Jacobian, of an output by an input, with a vector."""
        output, name = self._names(out, wrt)
        model = replace(
            self._model,
            function=_selected(self._model.function, output),
            wrt=(name,),
            vectors={key: np.zeros(vector.shape) for key, vector in vectors.items()},
        )
        program = self._program((derivative, out, wrt), model, derivative)
        return self._run(program, self._values(point, settings), vectors)

    def _names(self, out: int, wrt: int) -> tuple[str, str]:
        output, name = list(self.outputs)[out], self.inputs[wrt]
        if output in self._integers:
            raise Unsupported(f"the output {output!r} is of integers and has no derivative.")
        return output, name

    def _typed(self, array: Vector) -> Vector:
        return array.astype(self._spec.dtype)

    def _values(self, point: Sequence[Vector], settings: Mapping[str, Vector]) -> dict[str, Vector]:
        """Return all inputs: those of a point in their shapes, and what a request has set."""
        given = dict(zip(self.inputs, point, strict=True)) | dict(settings)
        values = {}
        for name, array in self._model.primals.items():
            value = given[name].reshape(array.shape) if name in given else np.asarray(array)
            values[name] = value.astype(array.dtype)
        return values

    def _program(self, key: Key, model: LoadedModel, derivative: str) -> Program:
        if key not in self._programs:
            with jax.enable_x64(self._x64):
                made = plan.make(self._spec, model, derivative, self._device)
                # A program that is kept on disk is known by its spec, which says nothing of the
                # products' functions; one that is `repeated` is not kept.
                self._programs[key] = execute.prepare(made, repeated=True)
        return self._programs[key]

    def _run(
        self, program: Program, values: dict[str, Vector], vectors: dict[str, Vector]
    ) -> Blocks:
        """Return the blocks of a program at a point, by output and inputs."""
        made = program.plan
        wrt = {name: values[name] for name in made.model.wrt}
        rest = {name: array for name, array in values.items() if name not in wrt}
        typed = {name: array.astype(made.vectors[name].dtype) for name, array in vectors.items()}
        with jax.enable_x64(self._x64):
            result = execute.run(program, self._progress, (wrt, rest, typed))
        return {(block.output, block.wrt): np.asarray(block.values) for block in result.blocks}


def _selected(
    function: Callable[[Mapping[str, Any]], dict[str, Any]], output: str
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda inputs: {output: function(inputs)[output]}


def _weighted(
    function: Callable[[Mapping[str, Any]], dict[str, Any]], output: str
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return the scalar `Σ_k sens_k F_k`, whose Hessian is the weighted sum of Hessians."""

    def function_of_one(inputs: Mapping[str, Any]) -> dict[str, Any]:
        inputs = dict(inputs)
        sens = inputs.pop(_SENS)
        return {_WEIGHTED: jax.numpy.sum(sens * function(inputs)[output])}

    return function_of_one
