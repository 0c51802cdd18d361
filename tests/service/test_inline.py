"""Which requests are answered by a compiled program alone, and that it gives their numbers."""

from __future__ import annotations

import io

import jax
import numpy as np
import pytest

from jaccli.context import Context, using
from jaccli.service.server import inline_program
from jaccli.service.server.translate import Document, DocumentFiles, RequestJob

RECIPROCAL = Document(b"model: {expression: 1/x}\ninputs: {x: [1.0, 2.0]}\n")


def npy(*numbers: float) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(numbers, np.float64))
    return stream.getvalue()


def compiled(**query: str) -> inline_program.Inline | None:
    body = npy(4, 5)
    job = RequestJob("npy", "jacobian", tuple(query.items()), input="x")
    with using(Context(files=DocumentFiles(RECIPROCAL, body))):
        return inline_program.program(job, body, len(body) - 2 * 8, 1 << 20)


@pytest.mark.parametrize("values", [{}, {"fail_on_nonfinite": "false"}, {"layout": "matrix"}])
def test_a_program_gives_the_numbers_of_any_point(values: dict[str, str]) -> None:
    found = compiled(**values)
    assert found is not None
    with jax.enable_x64(True):  # as in the process that answers
        numbers = np.frombuffer(found.compute(npy(0.5, 8))).reshape(2, 2)
    np.testing.assert_array_equal(numbers, [[-4, 0], [0, -1 / 64]])


def test_a_result_that_must_be_finite_is_looked_at_by_a_worker() -> None:
    assert compiled(fail_on_nonfinite="true") is None
