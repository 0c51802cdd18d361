"""One service for all tests that ask over HTTP: small limits, two workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.service.servers import Server, serving

LIMITS = {
    "workers": "2",
    "queue": "3",
    "time": "20",
    "memory": "64MiB",
    "body": "1MiB",
    "result": "4MiB",
    "models": "8",
    "header-time": "1.5",
    "body-time": "1.5",
    "send-time": "1.5",
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    arguments = [f"--{name}={value}" for name, value in LIMITS.items()]
    with serving(["--port=0", *arguments], tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """The shared service with its workers ready; those that a test has stopped go on after it."""
    pids = shared.workers()
    yield shared
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert shared.process.poll() is None
    shared.workers()
