"""A cluster of processes: workers that are killed, join, leave; runs begun here, ended there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

psutil = pytest.importorskip("psutil")
pytest.importorskip("distributed")

Call = Callable[..., Any]

ROWS = 300
COMMAND = (
    "jacobian", "-e", "y = tanh(w @ x)", "--wrt", "x", "--chunk", "1", "--memory", "800KiB",
    "--at", f"w={{random: normal, shape: [{ROWS}, 200], seed: 1, std: 0.1}}",
    "--at", "x={random: normal, shape: [200], seed: 2}",
)  # fmt: skip


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command in a group of its own, as a shell does."""
    command = [sys.executable, "-m", "jaccli", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_parts(folder: Path, count: int) -> None:
    """Wait until so many parts are noted."""
    journal, end = folder / ".J.npy.journal", time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") <= count:
        assert time.monotonic() < end
        time.sleep(0.002)  # the whole takes some tenths of a second


def workers_of(process: subprocess.Popen[str]) -> list[Any]:
    """Return the workers that a command has started."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_a_killed_worker_costs_no_byte(jaccli: Call, tmp_path: Path) -> None:
    jaccli(*COMMAND, "-o", "local.npy")
    process = start(tmp_path, *COMMAND, "-o", "J.npy", "--cluster", "local:2")
    wait_for_parts(tmp_path, 10)
    first, second = workers_of(process)
    first.kill()
    stderr = process.communicate(timeout=120)[1]
    assert process.returncode == 0, stderr
    assert f"{ROWS} chunks" in stderr
    assert len(stderr.splitlines()) == 1, stderr
    assert (tmp_path / "J.npy").read_bytes() == (tmp_path / "local.npy").read_bytes()
    assert not second.is_running()
    assert not list(tmp_path.glob(".J.npy.*"))


@pytest.mark.slow
def test_begun_on_a_cluster_and_ended_here_and_the_other_way_round(
    jaccli: Call, tmp_path: Path
) -> None:
    jaccli(*COMMAND, "-o", "local.npy")
    ways = ((), ("--cluster", "local:2"))
    for before, after in (ways, reversed(ways)):
        process = start(tmp_path, *COMMAND, "-o", "J.npy", *before)
        wait_for_parts(tmp_path, 3)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C of a terminal: to all of them
        stderr = process.communicate(timeout=60)[1]
        assert process.returncode == 130, stderr

        kept, interrupted = stderr.splitlines()
        assert kept.endswith(f"of {ROWS} chunks are kept; go on with --resume.")
        assert interrupted == "jaccli: interrupted."
        process = start(tmp_path, *COMMAND, "-o", "J.npy", "--resume", *after)
        stderr = process.communicate(timeout=120)[1]
        assert process.returncode == 0, stderr
        assert "by an earlier run" in stderr
        assert (tmp_path / "J.npy").read_bytes() == (tmp_path / "local.npy").read_bytes()
        (tmp_path / "J.npy").unlink()


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of a cluster, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_workers_join_and_leave_and_those_of_other_versions_get_nothing(
    jaccli: Call, tmp_path: Path
) -> None:
    jaccli(*COMMAND, "-o", "local.npy")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text(
        "import importlib.metadata as metadata\n"
        "version = metadata.version\n"
        "metadata.version = lambda name: '0.9' if name == 'jax' else version(name)\n"
    )
    address = f"tcp://127.0.0.1:{18000 + os.getpid() % 2000}"
    scheduler = ("distributed.cli.dask_scheduler", "--no-dashboard", "--host", address)
    worker = ("distributed.cli.dask_worker", address, "--nthreads", "2", "--no-dashboard",
              "--no-nanny", "--local-directory", str(tmp_path / "scratch"))  # fmt: skip
    with running(*scheduler):
        process = start(tmp_path, *COMMAND, "-o", "J.npy", "--cluster", address)
        assert process.stderr is not None
        assert process.stderr.readline() == f"{address}: no workers yet; waiting for the first.\n"
        with running(*worker) as first:
            wait_for_parts(tmp_path, 10)
            path = f"{tmp_path / 'other'}:{os.environ.get('PYTHONPATH', '')}"
            with running(*worker, PYTHONPATH=path), running(*worker):
                time.sleep(3)
                first.kill()
                stderr = process.communicate(timeout=120)[1]
    assert process.returncode == 0, stderr
    assert (tmp_path / "J.npy").read_bytes() == (tmp_path / "local.npy").read_bytes()


@pytest.mark.slow
def test_a_sweep_on_workers_has_the_results_of_one_here(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "model: {expression: 'sum(tanh(w @ x))'}\n"
        "inputs:\n"
        "  w: {random: normal, shape: [6, 5], seed: 1}\n"
        "  x: {random: normal, shape: [5], seed: 3}\n"
        "wrt: x\n"
        "sweep:\n"
        "  inputs.x.seed: {range: [0, 200, 1]}\n"
        "  dtype: [float32, float64]\n"
    )
    jaccli("run", "s.yaml", "--out-dir", "here", "--format", "none")
    process = start(tmp_path, "run", "s.yaml", "--out-dir", "there", "--cluster", "local:2")
    stderr = process.communicate(timeout=120)[1]
    assert process.returncode == 0, stderr
    assert "400 tasks: 400 done" in stderr
    names = sorted(path.name for path in (tmp_path / "here").glob("*.npz"))
    assert len(names) == 400
    for name in names:
        here, there = np.load(tmp_path / "here" / name), np.load(tmp_path / "there" / name)
        for key in set(here) - {"manifest"}:
            np.testing.assert_array_equal(here[key], there[key])
