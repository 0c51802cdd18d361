"""What a worker does, called in this process: it plans, computes parts and writes them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.cluster import worker
from jaccli.cluster.worker import OtherVersions, StreamJob
from jaccli.errors import ComputationError, UsageError
from jaccli.result import Partial
from jaccli.spec import load
from jaccli.spec.overrides import from_set

Call = Callable[..., Any]

N, M = 60, 80
W = f"{{random: normal, shape: [{M}, {N}], seed: 1, std: 0.1}}"
X = f"{{random: normal, shape: [{N}], seed: 2}}"
WHOLE = "memory=1GiB"
OPTIONS = (
    "-e", "y = tanh(w @ x)", "--at", f"w={W}", "--at", f"x={X}", "--wrt", "x",
    "--memory", "75KiB", "--chunk", "9",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _forgetting() -> Iterator[None]:
    yield
    worker.forget()


def job(target: Path, *texts: str, **changes: Any) -> StreamJob:
    """Return the job of a Jacobian of 80 rows that does not fit its budget, in chunks of 9."""
    given = [
        "model={expressions: {y: tanh(w @ x)}}", f"inputs={{w: {W}, x: {X}}}", "wrt=x",
        "memory=75KiB", *["chunk=9"] * (WHOLE not in texts), *texts,
    ]  # fmt: skip
    spec = load(None, [from_set(text) for text in given])
    made = StreamJob(
        key=os.urandom(8).hex(),
        spec=spec,
        derivative=spec.derivative[0],
        target=target,
        home=target.parent,
        allow_python=False,
        finite=False,
        chunk=None,
        at_least=1,
    )
    return replace(made, **changes)


def test_parts_written_in_any_order_and_twice_are_the_bytes_of_a_local_run(
    jaccli: Call, tmp_path: Path
) -> None:
    local, target = tmp_path / "local.npy", tmp_path / "J.npy"
    summary = jaccli("jacobian", *OPTIONS, "-o", local).stderr
    packed = job(target).packed()
    outline = worker.outlined(packed)
    assert outline.count == 9
    assert sum(outline.new) == M
    with Partial(target, outline.shape, outline.dtype, outline.identity, resume=False) as partial:
        for number in (8, 3, 3, 0, 1, 2, 4, 5, 6, 7, 0):
            done = worker.compute(packed, number)
            assert done.number == number
            partial.note(pickle.loads(pickle.dumps(done)).number)
        partial.publish(force=False)
    assert target.read_bytes() == local.read_bytes()
    assert "9 chunks" in summary


def test_a_result_that_fits_is_cut_for_the_workers(tmp_path: Path) -> None:
    many = job(tmp_path / "J.npy", WHOLE, at_least=8)
    assert worker.outlined(many.packed()).count == 8
    few = job(tmp_path / "J.npy", WHOLE, at_least=1)
    assert worker.outlined(few.packed()).count == 1


def test_the_chunk_of_what_is_begun_wins(tmp_path: Path) -> None:
    begun = job(tmp_path / "J.npy", WHOLE, chunk=20, at_least=8)
    assert worker.outlined(begun.packed()).count == 4


def test_a_worker_compiles_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "J.npy"
    first = job(target)
    outline = worker.outlined(first.packed())
    packed = replace(first, chunk=outline.identity["chunk"]).packed()
    monkeypatch.setattr(worker, "_planned", lambda job: pytest.fail("planned again"))
    with Partial(target, outline.shape, outline.dtype, outline.identity, resume=False):
        worker.compute(packed, 0)
        worker.compute(packed, 1)


def test_inputs_are_read_in_the_folder_of_the_command(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(N) / N)
    here = Path.cwd()
    inputs = f"inputs={{w: {W}, x: {{file: x.npy}}}}"
    assert worker.outlined(job(tmp_path / "J.npy", inputs).packed()).count == 9
    assert Path.cwd() == here
    lost = job(tmp_path / "J.npy", inputs, home=tmp_path / "nowhere")
    with pytest.raises(ComputationError, match=r"the worker here has no folder '.*nowhere'"):
        worker.outlined(lost.packed())


def test_a_file_that_is_not_here_or_another_one_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    packed = job(target).packed()
    outline = worker.outlined(packed)
    with pytest.raises(ComputationError, match="is not on this machine"):
        worker.compute(packed, 0)
    other = {**outline.identity, "inputs": "0" * 64}
    with (
        Partial(target, outline.shape, outline.dtype, other, resume=False),
        pytest.raises(ComputationError, match="what is begun is not this: inputs was '0000"),
    ):
        worker.compute(packed, 0)


@pytest.mark.parametrize(
    ("texts", "error", "reason"),
    [
        (("wrt=[w, x]",), UsageError, "one array only, and the result has 2 blocks"),
        (("wrt=[w, x]", "layout=matrix"), UsageError, "the jacobian has 2 blocks"),
        (("derivative=evaluate",), UsageError, "computed in one piece"),
        (("storage=sparse", WHOLE), UsageError, "workers write dense results"),
        ((WHOLE, "memory=39KiB"), ComputationError, "more than the memory budget"),
    ],
)
def test_what_has_no_parts_is_refused(
    tmp_path: Path, texts: tuple[str, ...], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        worker.outlined(job(tmp_path / "J.npy", *texts).packed())


def test_a_part_that_is_not_finite_is_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    packed = job(target, "model={expressions: {y: sqrt(w @ x * 0)}}", finite=True).packed()
    outline = worker.outlined(packed)
    with (
        Partial(target, outline.shape, outline.dtype, outline.identity, resume=False),
        pytest.raises(ComputationError, match="chunk 2 has entries that are not finite"),
    ):
        worker.compute(packed, 2)


def test_a_worker_of_other_versions_says_which() -> None:
    here = worker.versions()
    assert worker.call(here, int, ("7",)) == ("here", 7)
    with pytest.raises(OtherVersions) as caught:
        worker.call({**here, "jax": "9.9", "python": "3.99"}, int, ("7",))
    sent = pickle.loads(pickle.dumps(caught.value))
    assert sent.worker == "here"
    assert str(sent) == (
        f"the worker here has jax {here['jax']}, python {here['python']}; here it is jax 9.9, "
        "python 3.99.\nInstall the same versions on all workers."
    )
    assert sent.exit_code == 3
