"""`run --jobs N`: the processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from jaccli.sweep.process_pool import Processes
from tests.processes import started

Jaccli = Callable[..., Any]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"


def gone(processes: list[int]) -> bool:
    """Wait for processes to end."""
    for _ in range(100):
        if not any(map(is_alive, processes)):
            return True
        time.sleep(0.1)
    return False


def test_a_process_that_dies_takes_no_other_with_it() -> None:
    executor = Processes(2)
    try:
        first = executor.submit(os.getpid).result()
        assert executor.submit(os.getpid).result() == first  # the last one to be busy
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
        killed = executor.submit(os.kill, first, signal.SIGKILL)
        message = "the process that computed it was killed, perhaps because memory ran out"
        with pytest.raises(BrokenExecutor, match=message):
            killed.result()
        with pytest.raises(BrokenExecutor, match="ended with exit code 7"):
            executor.submit(os._exit, 7).result()
        calls = [executor.submit(os.getpid) for _ in range(5)]
        assert first not in {call.result() for call in calls}
    finally:
        executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(os.getpid)


def test_shutting_down_ends_what_is_being_computed() -> None:
    executor = Processes(1)
    process = executor.submit(os.getpid).result()
    sleeping, waiting = executor.submit(time.sleep, 1000), executor.submit(os.getpid)
    executor.shutdown(cancel_futures=True)
    assert gone([process])
    assert isinstance(sleeping.exception(), BrokenExecutor)
    assert waiting.cancelled()


SWEEP = """\
model: {expressions: {y: tanh(w @ x)}}
inputs:
  w: {random: normal, shape: [3, 4], seed: 1, std: 0.5}
  x: {random: normal, shape: [4], seed: 2}
wrt: x
derivative: [jacobian, hessian]
sweep: {inputs.x.seed: {range: [0, 10, 1]}, inputs.w.shape: [[3, 4], [5, 4]]}
"""


def test_two_processes_write_the_same_bytes_as_one(jaccli: Jaccli) -> None:
    Path("s.yaml").write_text(SWEEP)
    options = ("s.yaml", "--suffix", ".csv", "--layout", "matrix", "--select", "y")
    failing = ("--set", "derivative=[jacobian, evaluate, vjp]", "--format", "none")
    one = jaccli("run", *options, *failing, "--out-dir", "one", check=False)
    two = jaccli("run", *options, *failing, "--out-dir", "two", "--jobs", "2", check=False)
    assert (one.exit_code, two.exit_code) == (1, 1)
    assert "20 more" not in two.stderr
    assert one.stderr.split("\n60 tasks")[0] == two.stderr.split("\n60 tasks")[0]
    assert sorted(os.listdir("one")) == sorted(os.listdir("two"))
    results = sorted(Path("one").glob("*=*"))
    assert len(results) == 40
    for path in results:
        assert (Path("two") / path.name).read_bytes() == path.read_bytes()
    again = jaccli("run", *options, *failing, "--out-dir", "two", "--jobs", "2", check=False)
    assert "60 tasks: 40 kept, 20 failed" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_from_outside_ends_all_processes_and_loses_nothing(
    sent: signal.Signals, jaccli: Jaccli
) -> None:
    Path("m.py").write_text(
        "import os, time, jax, numpy\n"
        "def wait(x):\n"
        "    open(f'{os.getpid()}.pid', 'w').close()\n"
        "    time.sleep(0 if x < 2 or os.path.exists('hurry') else 1000)\n"
        "    return numpy.asarray(x) ** 2\n"
        "def f(x):\n"
        "    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)\n"
        "    return jax.pure_callback(wait, shape, x)\n"
    )
    Path("s.yaml").write_text(
        "model: {python: 'm.py:f'}\ninputs: {x: 1.0}\nderivative: evaluate\n"
        "sweep: {dtype: [float32, float64], inputs.x: [1, 2]}\n"
    )
    options = ("s.yaml", "--allow-python", "--jobs", "2", "--suffix", ".npy", "--format", "none")
    # A process group of its own, which a terminal's Ctrl-C reaches as a whole.
    with started(
        [sys.executable, "-m", "jaccli", "run", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while len(list(Path().glob("*.pid"))) < 2 and process.poll() is None:
            time.sleep(0.05)
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)
        else:
            process.send_signal(sent)
        code = process.wait(timeout=20)
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(sent, -sent)
    assert gone([int(path.stem) for path in Path().glob("*.pid")])
    if sent != signal.SIGKILL:
        assert not list(Path("s.results").glob(".*"))
    Path("hurry").touch()
    outcome = jaccli("run", *options[:-4], "--suffix", ".npy", "--resume")
    assert outcome.stderr.startswith("4 tasks: ")
    assert len(list(Path("s.results").iterdir())) == 2 + 4


REFUSED = {
    ("--jobs", "0"): "jaccli: --jobs: 0 is out of range.\nExpected 1 or more.\n",
    ("--jobs", "-2"): "jaccli: --jobs: -2 is out of range.\nExpected 1 or more.\n",
    ("--jobs", "two"): "jaccli run: invalid value for '--jobs': 'two' is not a valid int.\n"
    "Try 'jaccli run --help'.\n",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_is_no_count_of_processes_is_refused(jaccli: Jaccli, options: tuple[str, ...]) -> None:
    Path("s.yaml").write_text(SWEEP)
    outcome = jaccli("run", "s.yaml", *options, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, REFUSED[options])
    assert os.listdir() == ["s.yaml"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_one_result_is_not_spread(jaccli: Jaccli, jobs: str) -> None:
    outcome = jaccli("run", "-e", "x**2", "--at", "x=3", "--jobs", jobs, check=False)
    expected = "jaccli: --jobs goes with a sweep, and the spec has none.\n"
    assert (outcome.exit_code, outcome.stderr) == (2, expected)
