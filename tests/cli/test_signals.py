"""A signal ends every command at once, whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.soak import shoot
from tests.processes import started

pytestmark = pytest.mark.local("signals, which a process gets for itself")

HELD = """\
import sys, time, _thread
from jaccli import signals
from jaccli.storage import atomic

signals.take()
try:
    with atomic.publishing("target"):
        print("ready", flush=True)
        {body}
finally:
    time.sleep(60)
"""
IN_A_FINALIZER = """class Held:
            def __del__(self):
                time.sleep(3)
        def hold():
            Held()
            time.sleep(60)
        hold()"""


@pytest.mark.parametrize("number", shoot.ENDING, ids=lambda number: number.name)
def test_who_does_not_end_is_ended_and_its_files_are_removed(
    number: signal.Signals, tmp_path: Path
) -> None:
    with started(
        [sys.executable, "-c", HELD.format(body="time.sleep(60)")],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"ready\n"
        start = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == 128 + number
    assert time.monotonic() - start < 10
    assert err == (b"jaccli: interrupted.\n" if number == signal.SIGINT else b"")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_python_forgets_comes_again(tmp_path: Path) -> None:
    """What is raised in a finalizer is not: Python says so and goes on."""
    text = HELD.replace("time.sleep(60)\n", "pass\n").format(body=IN_A_FINALIZER)
    with started(
        [sys.executable, "-c", text],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert (process.returncode, err) == (143, b"")
    assert list(tmp_path.iterdir()) == []


def test_shots_at_random_moments() -> None:
    assert [shot for shot in shoot.shots(8, longest=1.5) if shot.wrong] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_shots(seed: int) -> None:
    assert [shot for shot in shoot.shots(30, seed=1000 + seed) if shot.wrong] == []
