"""What all tests share: the command line in this process.

With `--through-service` the commands that compute go through the client and a session, in this
process too; with `--through-service=URL` through a service that runs there.
"""

from __future__ import annotations

import gc
import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import hypothesis
import pytest

from jaccli.__main__ import perform
from tests.thinned import thin

# Compiling takes a while on a busy machine, and says nothing about the property.
hypothesis.settings.register_profile("jaccli", deadline=None, derandomize=True)
hypothesis.settings.load_profile("jaccli")

# Before JAX is imported, which many tests do by themselves.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).parent.parent


THROUGH = "JACCLI_TEST_THROUGH_SERVICE"
"""The environment's variable that says what `--through-service` says: this module is imported by
two names."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--through-service", nargs="?", const="session", default="", metavar="URL",
        help="run commands through the client and a session, or the service at a URL",
    )  # fmt: skip
    parser.addoption(
        "--thin", action="store_true", help="leave most cases of long files to the slow tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ[THROUGH] = config.getoption("--through-service")
    # Tracing makes many objects that stay: a third of the time would go into looking at them.
    gc.set_threshold(200_000, 50, 50)
    # What a shell starts in the background ignores SIGINT, what nohup starts SIGHUP, and so does
    # all that they start.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    for number, handler in usual.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--thin"):
        thin(items, Path(__file__).parent)
    if config.getoption("--through-service"):
        for item in items:
            for marker in item.iter_markers("local"):
                item.add_marker(pytest.mark.skip(reason=f"not in a service: {marker.args[0]}"))


@pytest.fixture(autouse=True)
def cache_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A cache folder of the test's own, for processes that it starts too; nothing is remembered."""
    home = tmp_path_factory.mktemp("user") / "cache"
    for name in ("JACCLI_NO_CACHE", "JACCLI_SERVER", "JACCLI_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    tuning = sys.modules.get("jaccli.derivative.autotune")
    if tuning is not None:  # with JAX, which many tests do without
        tuning._MEMORY.clear()
    yield home
    shutil.rmtree(home.parent, ignore_errors=True)


FAST_TO_COMPILE = {
    ROOT / "tests" / name
    for name in (
        "certify", "derivative", "execute", "expression", "plan", "sparsity", "structured", "tune",
        "verify",
    )
}  # fmt: skip
"""Folders whose tests compile hundreds of functions and run each a few times."""


@pytest.fixture(autouse=True)
def _fast_to_compile(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave out XLA's optimizations there, but for slow tests, which see what users see."""
    slow = request.node.get_closest_marker("slow") is not None
    if slow or FAST_TO_COMPILE.isdisjoint(request.path.parents):
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@dataclass(frozen=True)
class Outcome:
    """What a call of the program left behind."""

    exit_code: int
    stdout: str
    stderr: str
    stdout_bytes: bytes


def written(stream: io.TextIOWrapper) -> bytes:
    """Return what went through a stream over a `BytesIO`."""
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


_RUNNING_HERE = re.compile(r"(?m)^jaccli: .*; running here\.\n")
"""What a client says of a call that its service does not perform, and a local run does not say."""


def call(
    *args: str | os.PathLike[str],
    stdin: str | bytes | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Outcome:
    """Run the command line in this process; with `check`, it must succeed."""
    data = stdin.encode() if isinstance(stdin, str) else stdin or b""
    streams = [io.TextIOWrapper(io.BytesIO(part), "utf-8") for part in (data, b"", b"")]
    before, here = (sys.stdin, sys.stdout, sys.stderr), Path.cwd()
    sys.stdin, sys.stdout, sys.stderr = streams
    os.chdir(cwd or here)
    try:
        code = _perform([os.fspath(arg) for arg in args])
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        os.chdir(here)
    out, err = (written(stream) for stream in streams[1:])
    said = _RUNNING_HERE.sub("", err.decode())
    outcome = Outcome(code, out.decode(errors="replace"), said, out)
    assert not check or code == 0, outcome.stderr
    return outcome


def _perform(arguments: list[str]) -> int:
    """Perform a command line here, or as `--through-service` says; Python never in a service."""
    url = os.environ.get(THROUGH)
    here = any(argument.startswith(("--server", "--allow-python")) for argument in arguments)
    if not url or here:
        return perform(arguments)
    if url != "session":
        with mock.patch.dict(os.environ, {"JACCLI_SERVER": url}):
            return perform(arguments)
    from tests.service.sessions import through_session

    return through_session(arguments)


@pytest.fixture
def jaccli(tmp_path: Path) -> Iterator[Callable[..., Outcome]]:
    """The command line in this process, in a folder of its own."""
    here = Path.cwd()
    os.chdir(tmp_path)
    yield call
    os.chdir(here)
