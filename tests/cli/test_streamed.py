"""Results larger than the budget: streamed, bounded, resumed after `kill -9` at any moment."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.result import Partial
from tests.processes import started

Call = Callable[..., Any]

N, M = 300, 400
AT = (
    "--at", f"w={{random: normal, shape: [{M}, {N}], seed: 1, std: 0.1}}",
    "--at", f"x={{random: normal, shape: [{N}], seed: 2}}",
    "--wrt", "x",
)  # fmt: skip
LARGE = ("jacobian", "-e", "y = tanh(w @ x)", *AT, "--memory", "1.8MiB")
ROWS = (
    "gradient", "-e", "sum(sin(x)**2)", "--at", "x={random: normal, shape: [500, 40], seed: 3}",
    "--batch", "x", "--memory", "240KiB",
)  # fmt: skip


def weights() -> tuple[Any, Any]:
    w = 0.1 * np.random.default_rng(1).standard_normal((M, N))
    return w, np.random.default_rng(2).standard_normal(N)


def forecast() -> Any:
    w, x = weights()
    return (1 - np.tanh(w @ x) ** 2)[:, None] * w


@pytest.mark.parametrize("mode", ["auto", "rev", "fwd", "structured-fwd", "structured-rev"])
def test_a_jacobian_that_does_not_fit_is_written_in_parts(
    jaccli: Call, tmp_path: Path, mode: str
) -> None:
    memory = ("--memory", "1.8MiB" if mode == "structured-rev" else "2.9MiB")
    outcome = jaccli(*LARGE[:-2], "--mode", mode, *memory, "-o", tmp_path / "J.npy", check=False)
    assert outcome.exit_code == 0, outcome.stderr
    np.testing.assert_allclose(np.load(tmp_path / "J.npy"), forecast(), rtol=0, atol=1e-14)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["J.npy"]


def test_the_summary_counts_every_entry_once(jaccli: Call, tmp_path: Path) -> None:
    outcome = jaccli(*LARGE, "--chunk", "90", "-o", tmp_path / "J.npy")
    assert "5 chunks" in outcome.stderr
    assert f"norm {np.linalg.norm(forecast()):.4g}" in outcome.stderr


def test_the_summary_says_that_the_program_was_found(jaccli: Call, tmp_path: Path) -> None:
    command = (*LARGE, "--chunk", "90", "-o")
    first, again = (jaccli(*command, tmp_path / f"{name}.npy") for name in "ab")
    assert "(cached)" not in first.stderr
    assert "(cached), run" in again.stderr
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_the_plan_says_in_which_chunks(jaccli: Call, tmp_path: Path) -> None:
    plan = jaccli("plan", *LARGE[1:], "-o", tmp_path / "J.npy", "--format", "json").stdout
    found = json.loads(plan)
    assert found["mode"] == "structured"
    assert found["reason"] == "the result is written row by row"
    assert found["chunks"] > 1
    outcome = jaccli(*LARGE, "-o", tmp_path / "J.npy")
    assert f"{found['chunks']} chunks" in outcome.stderr


def test_batch_rows_are_written_in_parts(jaccli: Call, tmp_path: Path) -> None:
    outcome = jaccli(*ROWS, "-o", tmp_path / "J.npy")
    assert " chunks" in outcome.stderr
    x = np.random.default_rng(3).standard_normal((500, 40))
    np.testing.assert_allclose(np.load(tmp_path / "J.npy"), np.sin(2 * x), rtol=0, atol=1e-14)


def test_what_has_no_parts_is_refused_as_before(jaccli: Call, tmp_path: Path) -> None:
    args = ("evaluate", "-e", "x * 2", "--at", "x={zeros: 100000}", "--memory", "1MiB")
    outcome = jaccli(*args, "-o", tmp_path / "y.npy", check=False)
    assert outcome.exit_code == 3
    assert "more than the memory budget of 1.0 MiB" in outcome.stderr
    assert not list(tmp_path.glob("*.npy"))


@pytest.mark.local("pipes, which a service does not open")
def test_a_pipe_is_not_replaced_by_a_file(jaccli: Call, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "J.npy")
    outcome = jaccli(*LARGE, "-o", tmp_path / "J.npy", "--force", check=False)
    assert outcome.exit_code == 3
    assert "more than the memory budget" in outcome.stderr
    assert (tmp_path / "J.npy").is_fifo()


def test_where_a_folder_has_the_name_of_parts_nothing_is_left(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / ".J.npy.partial").mkdir()
    outcome = jaccli(*LARGE, "-o", tmp_path / "J.npy", check=False)
    assert outcome.exit_code == 3
    assert "J.npy: cannot be written: is a directory" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_resume_without_anything_to_resume_begins(jaccli: Call, tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    jaccli(*LARGE, "-o", target, "--resume")
    before = target.stat().st_mtime_ns
    outcome = jaccli(*LARGE, "-o", target, "--resume")
    assert outcome.stderr == f"{target}: complete.\n"
    assert target.stat().st_mtime_ns == before


def killed(arguments: list[str], seconds: float) -> bool:
    """Run the command and kill it after a while; return whether it was still running."""
    command = [sys.executable, "-m", "jaccli", *arguments]
    with started(command, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False


def test_killed_at_random_moments_it_resumes_to_the_same_bytes(
    jaccli: Call, tmp_path: Path
) -> None:
    whole, target = tmp_path / "whole.npy", tmp_path / "J.npy"
    command = [*LARGE, "--chunk", "1"]
    start = time.perf_counter()
    jaccli(*command, "-o", whole)
    took = time.perf_counter() - start
    draw = random.Random(5)
    for _ in range(2):
        # From the first moments of the process to well within its parts.
        resumed = [*command, "-o", str(target), "--resume"]
        if not killed(resumed, draw.uniform(0.5, 1.2 + took)) or target.exists():
            break  # it has ended, or was killed when all was done
        refused = jaccli(*command, "-o", target, check=False)
        if (tmp_path / ".J.npy.journal").exists():
            assert refused.exit_code == 2
            assert "an earlier run has begun this file." in refused.stderr
        else:
            assert refused.exit_code == 0  # nothing was begun: this was the whole
            break
    jaccli(*command, "-o", target, "--resume")
    assert target.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "J.npy", "whole.npy",
    ]  # fmt: skip


def test_ctrl_c_keeps_the_parts_and_another_spec_is_not_mixed_in(
    jaccli: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "J.npy"
    command = [*LARGE, "--chunk", "1", "-o", str(target)]
    with monkeypatch.context() as patch:
        note = Partial.note

        def interrupted(partial: Partial, number: int) -> None:
            if number == 3:
                raise KeyboardInterrupt
            note(partial, number)

        patch.setattr(Partial, "note", interrupted)
        stopped = jaccli(*command, check=False)
    assert stopped.exit_code == 130
    assert f"{target}: 3 of {M} chunks are kept; go on with --resume.\n" in stopped.stderr
    other = [argument.replace("seed: 2", "seed: 4") for argument in command]
    refused = jaccli(*other, "--resume", check=False)
    assert refused.exit_code == 2
    assert "what an earlier run has begun is not this: spec was" in refused.stderr
    resumed = jaccli(*command, "--resume")
    assert "3 of them by an earlier run" in resumed.stderr
    np.testing.assert_allclose(np.load(target), forecast(), rtol=0, atol=1e-14)
    jaccli(*other, "--force")
    assert not (tmp_path / ".J.npy.journal").exists()


def test_a_symbolic_link_stays_one(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "K.npy", tmp_path / "J.npy"
    real.write_bytes(b"before")
    link.symlink_to(real)
    refused = jaccli(*LARGE, "-o", link, check=False)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"jaccli: {link}: exists already.\n")
    assert real.read_bytes() == b"before"
    jaccli(*LARGE, "-o", link, "--force")
    assert link.is_symlink()
    np.testing.assert_allclose(np.load(real), forecast(), rtol=0, atol=1e-14)
    assert [path.name for path in real.parent.iterdir()] == ["K.npy"]
