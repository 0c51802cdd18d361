"""Which requests are answered by a compiled program alone, and that it gives their numbers."""

from __future__ import annotations

import io
from typing import Any

import jax
import numpy as np
import pytest

from jaccli.service.server import inline_program
from jaccli.service.server.operations import OPERATIONS
from jaccli.service.server.translate import Document, RequestJob, call

RECIPROCAL = Document(b"model: {expression: 1/x}\ninputs: {x: [1.0, 2.0]}\n")


def npy(*numbers: float) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(numbers, np.float64))
    return stream.getvalue()


def compiled(**values: Any) -> inline_program.Inline | None:
    about, body = OPERATIONS["jacobian"], npy(4, 5)
    job = RequestJob("npy", "jacobian", tuple(about.arguments(values)), input="x")
    made = call(job.operation, job.arguments, RECIPROCAL, job.form, (job.input, body))
    return inline_program.program(made, job, values, len(body) - 2 * 8, 1 << 20)


@pytest.mark.parametrize("values", [{}, {"fail_on_nonfinite": False}, {"layout": "matrix"}])
def test_a_program_gives_the_numbers_of_any_point(values: dict[str, Any]) -> None:
    found = compiled(**values)
    assert found is not None
    with jax.enable_x64(True):  # as in the process that answers
        numbers = np.frombuffer(found.compute(npy(0.5, 8))).reshape(2, 2)
    np.testing.assert_array_equal(numbers, [[-4, 0], [0, -1 / 64]])


def test_a_result_that_must_be_finite_is_looked_at_by_a_worker() -> None:
    assert compiled(fail_on_nonfinite=True) is None
