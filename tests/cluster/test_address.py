"""What `--cluster` takes, and what it goes with, before anything is connected to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaccli.cluster.address import SchedulerAddress, parse
from jaccli.errors import UsageError

Call = Callable[..., Any]
CUBE = ("gradient", "-e", "sum(x**3)", "--at", "x=[1, 2]")
SWEEP = """
model: {expression: "sum(x**3)"}
inputs: {x: [1, 2]}
sweep: {dtype: [float32, float64]}
"""


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("tcp://head:8786", 0),
        ("tls://10.0.0.7:8786", 0),
        ("tcp://[::1]:8786", 0),
        ("local:1", 1),
        ("local:64", 64),
    ],
)
def test_an_address_is_a_scheduler_or_a_number_of_workers(text: str, workers: int) -> None:
    assert parse(text) == SchedulerAddress(text, workers)
    assert parse(text).is_local == bool(workers)


@pytest.mark.parametrize(
    "text", ["", "head:8786", "tcp://head", "tcp://head:0", "tcp://head:99999", "http://head:80",
             "local", "local:0", "local:257", "local:-1", "tcp://a b:1", "tcp://head:8786/x"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value) == (
        f"--cluster: {text!r} is not the address of a scheduler.\n"
        "Expected tcp://HOST:PORT, tls://HOST:PORT, or local:N for N workers here (1 to 256)."
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-o", "g.npz"), "workers write the gradient into an .npy file"),
        ((), "workers write the gradient into an .npy file"),
        (("-o", "g.npy", "--format", "plain"), "and nothing else is done with it"),
        (("-o", "g.npy", "--devices", "2"), "a worker has one device"),
    ],
)
def test_what_workers_cannot_write_is_refused(
    jaccli: Call, options: tuple[str, ...], reason: str
) -> None:
    outcome = jaccli(*CUBE, *options, "--cluster", "local:2", check=False)
    assert outcome.exit_code == 2
    assert reason in outcome.stderr


def test_without_the_extra_it_says_what_to_install(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = jaccli(*CUBE, "-o", "g.npy", "--cluster", "tcp://127.0.0.1:1", check=False)
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        "jaccli: --cluster: dask.distributed is not installed.\n"
        "Install it: pip install 'jaccli[cluster]'.\n"
    )


def test_jobs_and_cluster_do_not_go_together(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SWEEP)
    outcome = jaccli("run", "s.yaml", "--jobs", "2", "--cluster", "local:2", check=False)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("jaccli: --jobs and --cluster do not go together.\n")


def test_a_wrong_address_is_refused_before_a_sweep_begins(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SWEEP)
    outcome = jaccli("run", "s.yaml", "--cluster", "head", check=False)
    assert outcome.exit_code == 2
    assert "'head' is not the address of a scheduler" in outcome.stderr
    assert not (tmp_path / "s.results").exists()
