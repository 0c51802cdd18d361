"""Calls with contexts of their own, side by side in one process."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import pytest

from jaccli import context, memory
from jaccli.commands import COMMANDS
from jaccli.commands.derivative import Computed, JacobianRequest
from jaccli.context import Context, Silent, using
from jaccli.errors import BudgetError
from jaccli.execute.interruptible import interruptible
from jaccli.python_api import model
from jaccli.result import dense
from jaccli.service.server.translate import Document, DocumentFiles
from jaccli.storage import files

SPEC = b"model: {expression: a * x**2}\ninputs: {a: {file: a.npy}, x: 3.0}\nwrt: x\n"


def lent(number: float, **rest: Any) -> Context:
    """Return a context in which the file `a.npy` holds a number."""
    stream = io.BytesIO()
    np.save(stream, np.float64(number))
    return Context(files=DocumentFiles(Document(SPEC, {"a.npy": stream.getvalue()})), **rest)


def derivative(here: Context) -> float:
    """Return d(a x²)/dx at 3, by the command."""
    request = JacobianRequest(specs=("-",), format="none", quiet=True)
    (outcome,) = COMMANDS["jacobian"].perform(request, here)
    assert isinstance(outcome, Computed)
    (block,) = outcome.result.blocks
    return float(np.asarray(dense(block.values)))


def test_two_threads_have_each_its_own_files_and_limits() -> None:
    """Both are in the middle of their work at the same time, again and again."""
    meet = threading.Barrier(2)
    found: dict[int, list[Any]] = {1: [], 2: []}

    def work(number: int) -> None:
        for _ in range(5):
            meet.wait(60)
            found[number].append(derivative(lent(number, most_memory=number << 30)))
            with using(lent(number, most_memory=number << 30)):
                meet.wait(60)
                found[number].append((memory.budget(None), files.is_local()))

    threads = [threading.Thread(target=work, args=(number,)) for number in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in found:
        assert found[number] == [6.0 * number, (number << 30, False)] * 5
    assert files.is_local()


def test_two_threads_may_compute_in_different_precision() -> None:
    """JAX's 64-bit switch is each thread's own: 1/3 squared has other digits in float32."""
    meet = threading.Barrier(2)
    found: dict[str, set[float]] = {"float32": set(), "float64": set()}

    def work(dtype: str) -> None:
        third = model("x**3", at={"x": 1 / 3}, dtype=dtype)
        for _ in range(5):
            meet.wait(60)
            (block,) = third.gradient().blocks
            assert str(block.values.dtype) == dtype
            found[dtype].add(float(dense(block.values)))

    threads = [threading.Thread(target=work, args=(dtype,)) for dtype in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    x = np.float32(1 / 3)
    assert found == {"float32": {float(3 * (x * x))}, "float64": {3 * (1 / 3) ** 2}}


def test_a_limit_of_one_is_none_of_the_other() -> None:
    with pytest.raises(BudgetError, match="more than the memory budget of 20 B"):
        derivative(lent(1.0, most_memory=20))
    assert derivative(lent(1.0)) == 6.0


def test_between_two_outcomes_the_context_is_the_callers() -> None:
    """A command that is not yet through leaves the thread's own context as it was."""
    mine, theirs = Context(most_memory=1 << 40), lent(2.0)
    request = JacobianRequest(specs=("-", "-"), format="none", quiet=True)
    with using(mine):
        outcomes = COMMANDS["jacobian"].perform(request, theirs)
        next(outcomes)
        assert context.current() is mine
        next(outcomes)
        assert next(outcomes, None) is None
        assert context.current() is mine


def test_a_thread_that_computes_works_for_the_same_call() -> None:
    with using(lent(1.0)):
        assert interruptible(context.current) is context.current()
    assert interruptible(files.is_local)


def test_progress_begins_with_tracing() -> None:
    begun: list[str] = []

    class Listening(Silent):
        def begin(self, what: str) -> None:
            begun.append(what)

    derivative(lent(1, reporter=Listening()))
    assert begun == ["tracing the model", "compiling the jacobian", "computing the jacobian"]
