"""The thin client as a process: what it imports, and what it says of services that fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from jaccli.service import messages
from jaccli.service.client import client
from jaccli.service.messages import Call, Reply
from jaccli.service.server import session
from tests.processes import started
from tests.service.sessions import through_session

SQUARE = ("jacobian", "-e", "x**2", "--at", "x=3")
Handler = Callable[[dict[str, str], bytes], bytes]


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer of HTTP."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


def performed(headers: dict[str, str], body: bytes) -> bytes:
    """Answer as a service does."""
    return http(200, session.perform(Call.decode(body)).encode())


class Service:
    """A service of one thread at a socket; `handler` answers, `requests` are what has come."""

    def __init__(self, listening: socket.socket) -> None:
        self.handler: Handler = performed
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.listening = listening
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(1 << 16)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        assert first == f"POST {messages.PATH} HTTP/1.0"
        headers = dict(line.lower().split(": ", 1) for line in lines)
        while len(body) < int(headers["content-length"]):
            body += connection.recv(1 << 16)
        self.requests.append((headers, body))
        with suppress(OSError):  # the client has gone
            connection.sendall(self.handler(headers, body))

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service at `s` in the test's folder."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    listening.listen()
    made = Service(listening)
    yield made
    made.close()


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the service at `s` in a folder."""
    variables = os.environ | {"JACCLI_SERVER": f"unix:{cwd}/s"} | environment
    return subprocess.run(
        [sys.executable, "-m", "jaccli", *arguments],
        capture_output=True, text=True, timeout=60, cwd=cwd, env=variables, check=False,
    )  # fmt: skip


def called(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str
) -> tuple[int | None, str]:
    """Run the client in this process; return its exit code and standard error."""
    code = client.run(list(arguments), f"unix:{tmp_path}/s")
    return code, capfd.readouterr().err


def test_the_client_imports_nothing_heavy(service: Service, tmp_path: Path) -> None:
    """Nor what is light but many: the whole call costs less than importing numpy."""
    (tmp_path / "spec.yaml").write_text("model: {expression: x**2}\ninputs: {x: {file: x.npy}}\n")
    np.save(tmp_path / "x.npy", 3.0)
    script = (
        "import sys, jaccli.startup as s\n"
        "s.leave = lambda code: print(code, *sorted(sys.modules), file=sys.stderr)\n"
        "from jaccli.__main__ import main\n"
        "main()"
    )
    arguments = ["jacobian", "spec.yaml", "-o", "J.npy", "-q"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"sys_path = {sys.path!r}\nimport sys\nsys.path = sys_path\n"
         + script, *arguments],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
        env=os.environ | {"JACCLI_SERVER": f"unix:{tmp_path}/s"},
    )  # fmt: skip
    code, *modules = done.stderr.split()
    assert code == "0", done.stderr
    assert np.load(tmp_path / "J.npy") == 6
    heavy = {"jax", "numpy", "typer", "click", "rich", "yaml", "typing", "dataclasses", "pathlib",
             "json", "http", "http.client", "asyncio", "ssl", "email", "jaccli.errors"}  # fmt: skip
    assert not heavy & set(modules)
    assert len(service.requests) == 2  # the spec goes with the first, the array with the second


def test_a_call_over_tcp_with_a_token() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    service = Service(listening)
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    try:
        done = run(*SQUARE, "--server", f"http://{host}", cwd=Path.cwd(), JACCLI_TOKEN="a secret ")
    finally:
        service.close()
    assert (done.returncode, done.stdout) == (0, "    x\nf 6.0\n")
    ((headers, body),) = service.requests
    assert headers["host"] == host
    assert headers["authorization"] == "bearer a secret"
    assert headers[messages.VERSIONS.lower()] == messages.versions().lower()
    assert headers["content-type"] == messages.MEDIA_TYPE
    assert Call.decode(body).arguments == list(SQUARE)


# Where it runs

WHERE = {
    # arguments, JACCLI_SERVER: what is left, URL
    (("a", "--server", "U", "b"), ""): (["a", "b"], "U"),
    (("a", "--server=U"), "V"): (["a"], "U"),
    (("--server=", "a"), "V"): (["a"], ""),
    (("a", "--server", "U", "--server", "W"), "V"): (["a"], "W"),
    (("a", "--", "--server", "U"), "V"): (["a", "--", "--server", "U"], "V"),
    (("a", "--server"), ""): (["a", "--server"], ""),
    (("a",), ""): (["a"], ""),
}


@pytest.mark.parametrize("given", WHERE)
def test_the_option_wins_over_the_environment(
    given: tuple[tuple[str, ...], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, variable = given
    monkeypatch.setenv("JACCLI_SERVER", variable)
    assert client.wanted(list(arguments)) == WHERE[given]


@pytest.mark.parametrize(
    "arguments",
    [[], ["validate", "a.yaml"], ["schema"], ["compare", "a", "b"], ["init"], ["serve"], ["-h"],
     ["cache", "show"], ["jacobian", "--help"], ["run", "a.yaml", "-h"], ["nonsense"]],
)  # fmt: skip
def test_what_needs_no_service_runs_here(arguments: list[str]) -> None:
    assert client.run(arguments, "unix:/nowhere/s") is None


def test_the_service_runs_every_command_that_computes() -> None:
    from jaccli.choices import SERVED
    from jaccli.cli.app import COMMANDS

    here = {"compare", "validate", "functions", "devices", "init", "schema", "serve", "cache",
            "examples"}  # fmt: skip
    assert set(SERVED) == set(COMMANDS) - here


# What fails

HINT = "Start one with `jaccli serve`, or unset JACCLI_SERVER."
ANSWERS: dict[str, tuple[bytes, str]] = {
    "token": (
        http(401),
        "the service refuses the token.\nIts token belongs in JACCLI_TOKEN.",
    ),
    "ending": (http(503), "the service is not available.\nTry again later."),
    "broken": (
        http(500, b'{"error": {"message": "a\\u001b[31m\\nb"}}'),
        "the service answers 500: a?[31m.",
    ),
    "other": (http(404, b"[1]"), "the service answers 404."),
    "cut": (http(200, b"12345")[:-1], "the answer was cut short."),
    "nothing": (b"", "the connection was closed."),
    "else": (b"SSH-2.0-OpenSSH_9\r\n\r\n", "this is not an answer of HTTP."),
    "no reply": (http(200, b"12345"), "the answer is not of this version of jaccli."),
    "mismatch of another program": (http(409), "the service answers 409."),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_service_that_fails_is_an_error(
    name: str, service: Service, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer, said = ANSWERS[name]
    service.handler = lambda headers, body: answer
    assert called(capfd, tmp_path, *SQUARE) == (3, f"jaccli: unix:{tmp_path}/s: {said}\n")


LIMITS: dict[str, tuple[bytes, str]] = {
    "large": (
        http(413, b'{"error": {"message": "65 MiB; 64 MiB are allowed."}}'),
        "unix:SOCKET: the call is too large for the service: 65 MiB; 64 MiB are allowed",
    ),
    "slow": (
        http(422, b'{"error": {"message": "this takes longer than the 60 s allowed."}}'),
        "unix:SOCKET: the service gave up: this takes longer than the 60 s allowed",
    ),
    "not in a service": (
        http(200, Reply(0, [], [], "a \x1b[31m sweep: not in the service.\nB").encode()),
        "a ?[31m sweep: not in the service",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_a_service_cannot_do_runs_here(
    name: str, service: Service, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer, said = LIMITS[name]
    service.handler = lambda headers, body: answer
    said = said.replace("SOCKET", f"{tmp_path}/s")
    assert called(capfd, tmp_path, *SQUARE) == (None, f"jaccli: {said}; running here.\n")


def test_a_service_that_is_not_there_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = f"jaccli: unix:{tmp_path}/s: no service"
    missing = f"{where}: no such file or directory.\n{HINT}\n"
    assert called(capfd, tmp_path, *SQUARE) == (3, missing)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    refused = f"{where}: connection refused.\n{HINT}\n"
    assert called(capfd, tmp_path, *SQUARE) == (3, refused)


def test_a_url_that_is_none_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert client.run(list(SQUARE), "here") == 2
    assert capfd.readouterr().err.startswith("jaccli: --server: 'here' is no address")


@pytest.mark.parametrize("name", ["JACCLI_TOKEN", "JACCLI_TIMEOUT"])
def test_variables_that_are_wrong(
    name: str, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(name, "a\nb")
    code, said = called(capfd, tmp_path, *SQUARE)
    assert code == 2
    assert said.startswith(f"jaccli: {name}: ")
    assert not service.requests


def test_a_service_that_does_not_answer(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("JACCLI_TIMEOUT", "0.05")
    service.handler = lambda headers, body: time.sleep(0.3) or b""
    said = f"jaccli: unix:{tmp_path}/s: no answer within 0.05 seconds.\n"
    assert called(capfd, tmp_path, *SQUARE) == (3, said)


def test_a_folder_that_is_removed_leaves_the_call_to_this_process(
    service: Service, tmp_path: Path
) -> None:
    script = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
    script += "from jaccli.__main__ import main; main()"
    done = subprocess.run(
        # -P: Python 3.13.0 fails in imports where it looks for the folder.
        [sys.executable, "-P", "-c", script, "gradient", *SQUARE[1:]],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
        env=os.environ | {"JACCLI_SERVER": f"unix:{tmp_path}/s", "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "x 6.0\n")
    assert done.stderr.startswith("jaccli: there is no current folder; running here.\n")
    assert not service.requests


def test_a_busy_service_is_asked_again(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    answers = iter([http(429, Retry_After="2"), http(429, Retry_After="1e9"), http(429)])
    service.handler = lambda headers, body: next(answers, None) or performed(headers, body)
    assert called(capfd, tmp_path, *SQUARE, "-q") == (0, "")
    assert waited == [2, 1, 1]
    service.handler = lambda headers, body: http(
        429, b'{"error": {"message": "128 wait."}}', Retry_After="99"
    )
    said = f"jaccli: unix:{tmp_path}/s: the service is busy: 128 wait.\nTry again later.\n"
    waited.clear()
    assert called(capfd, tmp_path, *SQUARE) == (3, said)
    assert waited == [10] * 5  # and not once more, for nothing


def test_another_version_is_not_used(
    service: Service, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs = "jaccli/9.9 jax/9.9 python/9.9"
    service.handler = lambda headers, body: http(409, **{messages.VERSIONS: theirs})
    url = f"unix:{tmp_path}/s"
    assert client.run(list(SQUARE), url) is None
    said = f"jaccli: {url} has {theirs}, and this is {messages.versions()}; running here.\n"
    assert capfd.readouterr().err == said
    assert client.run([*SQUARE, "-q"], url) is None
    assert capfd.readouterr().err == ""


def test_auto_runs_here_where_no_service_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert client.run(list(SQUARE), "auto") is None
    folder = tmp_path / "jaccli"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "service.sock"))
    assert client.run(list(SQUARE), "auto") is None
    assert capfd.readouterr().err == ""
    folder.chmod(0o755)
    assert client.run(list(SQUARE), "auto") is None
    said = capfd.readouterr().err
    assert said.startswith(
        f"jaccli: {folder}: the folder of the service's socket is open to others"
    )
    assert said.endswith("; running here.\n")


def test_auto_uses_the_service_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "jaccli").mkdir(mode=0o700)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "jaccli" / "service.sock"))
    listening.listen()
    service = Service(listening)
    try:
        assert client.run([*SQUARE, "-q"], "auto") == 0
        assert len(service.requests) == 1
        service.handler = lambda headers, body: http(503)
        assert client.run(list(SQUARE), "auto") is None
    finally:
        service.close()
    said = f"jaccli: unix:{tmp_path}/jaccli/service.sock: the service is not available"
    assert capfd.readouterr().err == f"{said}; running here.\n"


def test_ctrl_c_ends_a_call(service: Service, tmp_path: Path) -> None:
    come, go = threading.Event(), threading.Event()

    def waiting(headers: dict[str, str], body: bytes) -> bytes:
        come.set()
        go.wait(60)
        return b""

    service.handler = waiting
    command = [sys.executable, "-m", "jaccli", *SQUARE, "--server", f"unix:{tmp_path}/s"]
    pipe = subprocess.PIPE
    try:
        with started(command, stdout=pipe, stderr=pipe, text=True) as process:
            assert come.wait(60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        go.set()
    assert (process.returncode, out, err) == (130, "", "jaccli: interrupted.\n")


# What comes back


STREAMS = {
    ">&-": (3, "jaccli: standard output is closed.\n"),
    ">/dev/full": (3, "jaccli: standard output: no space left on device.\n"),
    "| true": (0, ""),
}


@pytest.mark.parametrize("redirection", STREAMS)
def test_streams_that_are_closed_or_full(
    redirection: str, service: Service, tmp_path: Path
) -> None:
    events = [("out", b"x" * 200_000)]
    service.handler = lambda headers, body: http(200, Reply(0, events, []).encode())
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c",
         f'"$1" -m jaccli jacobian --server "$2" {redirection}',
         "bash", sys.executable, f"unix:{tmp_path}/s"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == STREAMS[redirection]


def test_an_option_that_needs_a_value_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    assert through_session([*SQUARE, "--server"]) == 2
    assert "--server" in capfd.readouterr().err
