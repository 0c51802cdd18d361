"""The command line's own pipeline without a command line: spec → model → plan → result.

Entries are those of a spec; arrays may stand for inputs and vectors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaccli import backend, models
from jaccli.plan import Plan, make
from jaccli.result import Result, dense
from jaccli.spec import Spec
from jaccli.spec import load as load_spec
from jaccli.spec.overrides import from_set

Array = NDArray[Any]
Blocks = dict[str, Array]


class Silent:
    """Progress that nobody looks at."""

    def begin(self, what: str) -> None: ...

    def start(self, total: int, done: int = 0) -> None:
        """Begin."""

    def advance(self, steps: int) -> None:
        """Go on."""


def source(value: Any) -> Any:
    """Return an array as an input source, anything else as it is."""
    if not isinstance(value, np.ndarray | np.generic):
        return value
    dtype = {"dtype": "int64"} if value.dtype.kind == "i" else {}
    if value.size == 0:
        return {"zeros": list(value.shape), **dtype}
    return {"value": value.tolist(), **dtype}


def spec_of(expressions: Mapping[str, str], inputs: Mapping[str, Any], **entries: Any) -> Spec:
    """Return the checked spec of these expressions, as options and `--set` would build it."""
    vector = entries.pop("vector", None)
    if isinstance(vector, Mapping) and not {"zeros", "value"} & set(vector):
        entries["vector"] = {name: source(value) for name, value in vector.items()}
    elif vector is not None:
        entries["vector"] = source(vector)
    content = {
        "model": {"expressions": dict(expressions)},
        "inputs": {name: source(value) for name, value in inputs.items()},
        **entries,
    }
    return load_spec(None, [from_set(f"{key}={json.dumps(content[key])}") for key in content])


def plan_of(
    expressions: Mapping[str, str], inputs: Mapping[str, Any], derivative: str, **entries: Any
) -> Plan:
    """Return the plan, with JAX set up as the spec needs it."""
    spec = spec_of(expressions, inputs, derivative=derivative, **entries)
    point = models.read(spec)
    backend.configure(x64=models.needs_x64(spec, point))
    return make(spec, models.load(spec, point), derivative, backend.find(spec.device, spec.devices))


def result_of(
    expressions: Mapping[str, str], inputs: Mapping[str, Any], derivative: str, **entries: Any
) -> Result:
    """Return the computed result."""
    plan = plan_of(expressions, inputs, derivative, **entries)
    # JAX must be set up before it is imported.
    from jaccli.execute import execute

    return execute(plan, Silent())


def solve(
    expressions: Mapping[str, str], inputs: Mapping[str, Any], derivative: str, **entries: Any
) -> Blocks:
    """Return the arrays of the result by key, dense ones."""
    result = result_of(expressions, inputs, derivative, **entries)
    return {block.key: dense(block.values) for block in result.blocks}


def assert_blocks(actual: Blocks, expected: Blocks, tolerance: float = 1e-12) -> None:
    """Compare blocks by name, order and shape, and entries relative to the block's largest one."""
    assert list(actual) == list(expected)
    for key, values in expected.items():
        assert actual[key].shape == np.shape(values), key
        scale = max(1.0, float(np.max(np.abs(values), initial=0)))
        np.testing.assert_allclose(actual[key], values, rtol=0, atol=tolerance * scale, err_msg=key)
