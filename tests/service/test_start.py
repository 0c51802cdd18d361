"""JACCLI_SERVER=start: a service that a call starts, and `serve --status` and `--stop`.

Whatever a test starts has the test's own runtime folder in its environment, and is killed by that.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jaccli.service import address, environment
from jaccli.service.client import client, running, start
from jaccli.service.messages import versions
from jaccli.service.server.lifetime import Lifetime, is_at

ROOT = Path(__file__).resolve().parents[2]
CUBE = ("jacobian", "-e", "x**3", "--at", "x=2", "--format", "json")
PATIENCE = 60.0


class Home:
    """A user's runtime folder and environment, `start` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "jaccli" / "service.sock"
        self.variables = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
            "JACCLI_SERVER": "start",
        }

    def begin(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "jaccli", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env=self.variables | variables,
        )  # fmt: skip

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run the program; it is over when nobody holds its standard streams any more."""
        process = self.begin(*arguments, **variables)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def status(self) -> tuple[int, dict[str, object]]:
        code, out, err = self.run("serve", "--status", "--format", "json")
        assert not err
        return code, json.loads(out)

    def processes(self) -> list[int]:
        """Return the processes of this user that are services, without their workers."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                said = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                command = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                if f"XDG_RUNTIME_DIR={self.folder}".encode() in said and b"--on-demand" in command:
                    found.append(int(name))
        return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    for pid in made.processes():
        os.kill(pid, signal.SIGKILL)


def value(said: str) -> float:
    """Return the only entry of a Jacobian as JSON."""
    (block,) = json.loads(said)["blocks"].values()
    entry: float = block["values"]
    return entry


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_calls_at_once_run_here_and_start_one_service_that_performs_the_next(home: Home) -> None:
    both = [home.begin(*CUBE) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=PATIENCE)  # the service holds no pipe
        assert (process.returncode, value(out), "jaccli:" in err) == (0, 12.0, False)
    code, found = home.status()  # waits for a service that starts
    (pid,) = home.processes()
    assert (code, found["pid"], found["requests"], found["on_demand"]) == (0, pid, 0, True)
    assert os.getsid(pid) == pid != os.getsid(0)  # no Ctrl-C and no hang-up of a terminal
    assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    code, out, err = home.run(*CUBE)
    assert (code, value(out), "jaccli:" in err) == (0, 12.0, False)
    assert home.status()[1]["requests"] == 1

    code, out, err = home.run(*CUBE, JAX_ENABLE_X64="0", TERM="dumb")
    where = f"unix:{home.socket}"
    assert (code, value(out)) == (0, 12.0)
    assert err.splitlines()[0] == (
        f"jaccli: {where} was started with another environment (JAX_ENABLE_X64; "
        "`jaccli serve --stop` ends it); running here."
    )
    assert home.status()[1]["requests"] == 1  # it does not keep the service
    os.kill(pid, signal.SIGKILL)
    until(lambda: not home.processes())
    assert home.socket.exists()
    code, found = home.status()
    assert (code, found) == (1, {"running": False, "address": where})
    code, out, err = home.run(*CUBE)  # replaces the socket that is left
    assert (code, value(out), "jaccli:" in err) == (0, 12.0, False)

    code, out, err = home.run("serve", "--stop")
    assert (code, err) == (0, "")
    assert "has ended." in out
    until(lambda: not home.processes())
    assert not home.socket.exists()
    assert home.run("serve", "--stop")[:2] == (0, f"{where}: no service was running.\n")
    assert home.run("serve", "--status")[:2] == (1, f"{where}: no service is running.\n")


@pytest.mark.slow
def test_a_service_of_an_older_version_that_a_call_has_started_is_replaced(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "PYTHONPATH", "JACCLI_SERVER"):
        monkeypatch.setenv(name, home.variables[name])
    home.run(*CUBE)
    where = address.ServiceAddress(str(home.socket))
    assert running.settled(where, {}) is not None
    (pid,) = home.processes()

    monkeypatch.setattr(client, "versions", lambda: "jaccli/9.9 jax/1 python/3")
    assert client.run(list(CUBE), "auto", later=[]) is None  # leaves it alone
    said = f"jaccli: {where} has {versions()}, and this is jaccli/9.9 jax/1 python/3"
    assert capsys.readouterr().err == f"{said}; running here.\n"
    assert home.processes() == [pid]

    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    assert client.run(list(CUBE), "start", later=[]) is None  # may be another's: leaves it alone
    assert capsys.readouterr().err == f"{said}; running here.\n"
    monkeypatch.delenv("XLA_FLAGS")

    later: list[Callable[[], None]] = []
    assert client.run(list(CUBE), "start", later=later) is None
    assert capsys.readouterr().err == f"{said}; it is replaced; running here.\n"
    assert len(later) == 1
    until(lambda: not home.processes())


def test_it_ends_after_idle_time_and_not_while_a_request_runs() -> None:
    def seconds(lifetime: Lifetime, there: bool = True) -> float:
        async def ended() -> float:
            begin = time.monotonic()
            async with asyncio.timeout(0.4):
                await lifetime.end(lambda: there)
            return time.monotonic() - begin

        try:
            return asyncio.run(ended())
        except TimeoutError:
            return float("inf")

    assert 0.1 <= seconds(Lifetime(0.1)) < 0.4
    busy = Lifetime(0.1)
    with busy.serving():
        assert seconds(busy) == float("inf")
    with busy.serving() as use:
        use.is_refused = True
    assert busy.requests == 1
    assert 0.1 <= seconds(busy) < 0.4
    assert seconds(Lifetime(60.0, on_demand=True), there=False) < 0.2
    assert seconds(Lifetime(60.0), there=False) == float("inf")  # one that is set up stays


def test_it_notices_that_its_socket_is_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.touch()
    inode = path.stat().st_ino
    assert is_at(str(path), inode)
    (tmp_path / "other").touch()
    (tmp_path / "other").rename(path)
    assert not is_at(str(path), inode)
    path.unlink()
    assert not is_at(str(path), inode)


@pytest.mark.slow
def test_a_service_ends_as_a_process_when_idle(home: Home) -> None:
    process = home.begin("serve", "--on-demand", "--idle-end", "0.5", "--workers", "1")
    assert process.wait(PATIENCE) == 0
    out, err = process.communicate()
    assert (out, err) == ("", f"jaccli: serving at unix:{home.socket} with 1 worker.\n")
    assert not home.socket.exists()


@pytest.fixture
def here(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home as this process's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.folder))
    return home


def test_without_the_extra_a_call_runs_here_and_says_so(
    here: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "NEEDED", ("no_such_package",))
    later: list[Callable[[], None]] = []
    assert client.run(list(CUBE), "start", later=later) is None
    assert capsys.readouterr().err == (
        "jaccli: no service can be started without the extra 'service' "
        "(pip install 'jaccli[service]'); running here.\n"
    )
    assert client.run([*CUBE, "--quiet"], "start", later=later) is None
    assert (capsys.readouterr().err, later) == ("", [])


def test_in_a_folder_that_is_open_to_others_none_is_started(
    here: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    here.socket.parent.mkdir()
    here.socket.parent.chmod(0o755)
    later: list[Callable[[], None]] = []
    assert client.run(list(CUBE), "start", later=later) is None
    why = (
        f"{here.socket.parent}: the folder of the service's socket "
        "is open to others (chmod 700 makes it yours alone)"
    )
    assert capsys.readouterr().err == f"jaccli: {why}; running here.\n"
    assert later == []
    code, out, err = here.run("serve", "--status")
    assert (code, out, err.strip()) == (3, "", f"jaccli: {why}.")


def test_commands_that_need_no_service_start_none(here: Home) -> None:
    for arguments in (["validate", "x.yaml"], ["jacobian", "--help"], ["serve", "--status"]):
        later: list[Callable[[], None]] = []
        assert client.run(arguments, "start", later=later) is None
        assert later == []


def test_what_is_no_service_of_jaccli_is_not_stopped(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    other = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True)\n"
        "c, _ = s.accept(); c.recv(9999)\n"
        'c.sendall(b\'HTTP/1.1 200 OK\\r\\n\\r\\n{"status": "ok"}\'); c.close(); s.accept()\n'
    )
    process = subprocess.Popen([sys.executable, "-c", other, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        code, out, err = home.run("serve", "--stop", "--socket", str(path))
        assert (code, out) == (3, "")
        assert err == f"jaccli: unix:{path}: what listens there is not a service of jaccli.\n"
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--status", "--stop"), "--status and --stop do not go together."),
        (("--status", "--time", "3"), "--status: --time is for a service that is to start."),
        (("--stop", "--on-demand"), "--stop: --on-demand is for a service that is to start."),
        (("--format", "json"), "--format: it goes with --status or --stop."),
        (("--idle-end", "0"), "--idle-end: 0.0 is too small or too large."),
        (("--stop", "--port", "8377"), "--stop: http://127.0.0.1:8377: TCP does not tell which"),
        (("--on-demand", "--port", "0"), "--on-demand: it is for a Unix socket, which no one else"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: tuple[str, ...], said: str, home: Home
) -> None:
    code, out, err = home.run("serve", *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"jaccli: {said}")


def test_an_environment_is_described_by_what_a_computation_depends_on() -> None:
    plain = {"HOME": "/home/a", "PYTHONPATH": f"{environment.ROOT}:/extra", "COLUMNS": "80"}
    here = environment.described(plain)
    assert environment.differing(here, here) == []
    alike = {"HOME": "/home/a", "PYTHONPATH": "/extra", "COLUMNS": "9", "JACCLI_TOKEN": "t" * 16}
    assert environment.described(alike) == here
    other = {"HOME": "/home/b", "XLA_FLAGS": "--x", "JAX_PLATFORMS": "cpu", "PYTHONPATH": "/e"}
    names = ["HOME", "JAX_PLATFORMS", "PYTHONPATH", "XLA_FLAGS"]
    assert environment.differing(here, environment.described(other)) == names
    assert "/home/a" not in here


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    lock = address.lock(path)
    assert lock is not None
    assert address.lock(path) is None
    assert running.is_locked(path)
    os.close(lock)
    assert not running.is_locked(path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        assert running.settled(address.ServiceAddress(path), {}) is None  # nobody listens
