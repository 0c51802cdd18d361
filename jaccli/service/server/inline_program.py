"""A request's derivative as one compiled program of one input, for the process that answers.

Boundary: compiles in the thread that calls; what it returns may run in another.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaccli import backend, models
from jaccli.commands.derivative import OneDerivativeRequest
from jaccli.derivative import cost
from jaccli.execute import functions
from jaccli.execute.compile_plan import settings
from jaccli.models import Values
from jaccli.plan import Plan, make
from jaccli.service.server.translate import RequestJob, request
from jaccli.spec import Override, load
from jaccli.spec.overrides import option_node


class Inline(NamedTuple):
    """`compute` makes the result's array, as it lies in memory, of the whole body of a request."""

    compute: Callable[[bytes], memoryview]
    result_bytes: int
    nbytes: int


def warm() -> None:
    """Make JAX start its backend, with 64 bits in every thread: one compiles, another computes."""
    jax.config.update("jax_enable_x64", True)
    jax.block_until_ready(jax.jit(lambda x: x + 1)(np.zeros(2)))


def program(job: RequestJob, body: bytes, start: int, largest: int) -> Inline | None:
    """Compile the derivative that a job asks for as a function of its input.

    The input's array begins at the byte `start` of a body.  None if the result is not one dense
    array computed in one piece, or has to be looked at, or the program needs more than `largest`
    bytes.  The context's files are the request's.
    """
    asked = request(job)
    assert isinstance(asked, OneDerivativeRequest)
    if asked.fail_on_nonfinite:
        return None
    name = job.input
    derivative = Override(("derivative",), option_node("--of", job.operation))
    spec = load("-", [*asked.overrides(), derivative])
    point = models.read(spec)
    array = _as_given(body, start, point.primals[name])
    if array is None or point.cols or spec.sparsity is not None or spec.mode == "tuned":
        return None
    with jax.enable_x64(models.needs_x64(spec, point)):
        devices = backend.find(spec.device, spec.devices)
        plan = make(spec, models.load(spec, point), job.operation, devices)
        if len(plan.blocks) > 1 or plan.device.count > 1 or plan.storage != "dense":
            return None
        if plan.prepared is not None or plan.chunk is not None:
            return None
        if plan.model.equations is not None:  # a result that is not finite is looked at
            return None
        return _compiled(plan, name, array, start, largest)


def _compiled(
    plan: Plan, name: str, array: np.ndarray[Any, Any], start: int, largest: int
) -> Inline | None:
    (block,) = plan.blocks
    whole = functions.whole(plan)
    given = [*functions.arguments(plan)]
    part = 0 if name in given[0] else 1
    del given[part][name]

    leaves, structure = jax.tree.flatten(given)

    def flat(x: Any, *leaves: Any) -> Any:
        """One array of arrays: taking dicts apart would take longer than the call."""
        parts = jax.tree.unflatten(structure, leaves)
        parts[part] = {**parts[part], name: x}
        (leaf,) = jax.tree.leaves(whole(*parts))
        return leaf

    with settings(plan):
        others = jax.device_put(leaves, plan.device.handle)
        compiled = jax.jit(flat).lower(array, *others).compile()
        leaf = compiled(array, *others)
    needs = cost.of(compiled).held
    if needs > min(largest, plan.budget) or leaf.dtype != block.dtype:
        return None
    shape, dtype, count = array.shape, array.dtype, array.size

    def compute(body: bytes) -> memoryview:
        x = np.frombuffer(body, dtype, count, start).reshape(shape)
        return memoryview(compiled(x, *others))

    return Inline(compute, leaf.nbytes, needs)


def _as_given(body: bytes, start: int, primal: Values) -> np.ndarray[Any, Any] | None:
    """Return the array of a body if the program takes its very bytes, in their order."""
    array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    same = array.dtype == primal.dtype and array.shape == primal.shape
    return array if same and array.tobytes() == body[start:] and array.flags.c_contiguous else None
