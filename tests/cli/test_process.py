"""The program as the shell sees it: signals, closed streams, terminals, and what it imports."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes import started

ROOT = Path(__file__).parents[2]
JACCLI = (sys.executable, "-m", "jaccli")
SQUARE = ("-e", "x**2", "--at", "x=3")


def run(*arguments: str | bytes, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*JACCLI, *arguments], capture_output="stdout" not in options, timeout=60, **options
    )


def shell(command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    text = f'"$PYTHON" -m jaccli {command}'
    environment = os.environ | {"PYTHON": sys.executable}
    return subprocess.run(
        ["sh", "-c", text], capture_output=True, timeout=60, env=environment, **options
    )


# What is imported


def test_checking_and_explaining_import_neither_jax_nor_numpy(tmp_path: Path) -> None:
    (tmp_path / "right.yaml").write_text("model: forecast\ninputs: {weight: 1, bias: 2, x: 3}\n")
    (tmp_path / "wrong.yaml").write_text("model: forecast\ninputs: {x: 3}\n")
    script = """
import contextlib, io, sys
from jaccli.cli.main import run
from tests.processes import started
for line in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run(line.split())
    found = {"jax", "jaxlib", "numpy", "scipy"} & set(sys.modules)
    print(line, code, *sorted(found))
"""
    commands = {
        "--version": 0,
        "--help": 0,
        "jacobian --help": 0,
        "validate right.yaml": 0,
        "validate wrong.yaml": 2,
        "jacobian wrong.yaml": 2,
        "run wrong.yaml": 2,
        "jacobian absent.yaml": 2,
        "hessian right.yaml --mode fwd": 2,
        "jvp right.yaml --vector a": 2,
        "schema": 0,
        "functions": 0,
        "init -": 0,
        "foo": 2,
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *commands], capture_output=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.decode().splitlines() == [f"{c} {code}" for c, code in commands.items()]


def test_completion_imports_no_jax_and_knows_the_modes() -> None:
    def completed(*words: str) -> list[str]:
        environment = os.environ | {
            "_JACCLI_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        script = (
            "import sys; sys.argv = ['jaccli']\n"
            "from jaccli.__main__ import main\n"
            "sys.modules['jax'] = None\n"
            "main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, env=environment, timeout=60
        )
        return done.stdout.decode().split()

    assert completed("jaccli", "jacobian", "--mode", "f") == ["fwd", "fwd-fwd", "fwd-rev"]
    assert completed("jaccli", "he") == ["hessian"]


def test_the_completion_script_calls_the_program() -> None:
    command = f"{sys.executable} -m jaccli --show-completion; true"  # of the shell that calls
    script = subprocess.run(
        ["bash", "-c", command], capture_output=True, timeout=60
    ).stdout.decode()
    assert "_JACCLI_COMPLETE=complete_bash" in script
    assert subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode == 0


# Streams


@pytest.mark.parametrize("arguments", [("functions",), ("jacobian", *SQUARE, "-q")])
def test_a_closed_pipe_is_the_readers_wish(arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = run(*arguments, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


STREAMS = {
    # redirections: exit code, standard output, standard error
    "schema >&-": (3, "", "jaccli: standard output is closed.\n"),
    "--version >&-": (3, "", "jaccli: standard output is closed.\n"),
    "--help >&-": (3, "", "jaccli: standard output is closed.\n"),
    "jacobian -e x**2 --at x=3 -q -o /dev/null >&-": (0, "", ""),
    "validate -e x --at x=1 >/dev/full": (
        3,
        "",
        "jaccli: standard output: no space left on device.\n",
    ),
    "jacobian -e x**2 --at x=3 2>&-": (0, "    x\nf 6.0\n", ""),
    "validate - <&-": (
        2,
        "",
        "jaccli: -: standard input is closed.\nSPEC is a YAML file, or - for standard input.\n",
    ),
    "validate - </dev/null": (
        2,
        "",
        "jaccli: <stdin>: the spec is empty.\n`jaccli init` writes one to start from.\n",
    ),
}


@pytest.mark.parametrize("command", STREAMS)
def test_streams_that_are_closed_or_full(command: str) -> None:
    done = shell(command)
    found = (done.returncode, done.stdout.decode(), done.stderr.decode())
    assert found == STREAMS[command]


def test_errors_do_not_go_to_standard_output() -> None:
    done = shell("jacobian -e x --at x=a 2>&-")
    assert (done.returncode, done.stdout) == (2, b"")


def test_arguments_that_are_no_text() -> None:
    done = run(
        "validate", "-e", b"x\xff", "--at", b"x=3\xff", env=os.environ | {"LC_ALL": "C.UTF-8"}
    )
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "--at: not YAML: the character U+DCFF is not allowed.\n  x=3\\udcff\n     ^\n"
    )


# Signals

SLOW = """\
model: {expression: sum(sin(x @ x @ x @ x))}
inputs: {x: {random: normal, shape: [400, 400], seed: 1}}
mode: fwd
chunk: 1
"""


def test_an_interrupt_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    command = [*JACCLI, "jacobian", "slow.yaml", "-o", "J.npy", "--explain"]
    pipe = subprocess.PIPE
    with started(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        while not process.stderr.readline().startswith("chunks"):
            assert process.poll() is None
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["slow.yaml"]


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_is_lost_ends_the_run_nevertheless(
    tmp_path: Path, name: str, code: int
) -> None:
    """What is raised in a callback of the garbage collector, Python forgets."""
    (tmp_path / "slow.yaml").write_text(SLOW)
    script = f"""
import gc, os, signal, sys
from jaccli.__main__ import main
def interrupt(*_):
    if "jaccli.execute.compile_plan" in sys.modules:
        gc.callbacks.remove(interrupt)
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000): pass  # here it is raised
gc.callbacks.append(interrupt)
main()
"""
    process = subprocess.run(
        [sys.executable, "-c", script, "jacobian", "slow.yaml", "-o", "J.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Exception ignored" not in process.stderr
    assert process.returncode == code
    assert [path.name for path in tmp_path.iterdir()] == ["slow.yaml"]


# Terminals


def on_terminal(
    *arguments: str, columns: int = 80, code: int = 0, **environment: str
) -> tuple[str, str]:
    """Return what a terminal of that width is shown: standard output, then standard error.

    Not by pexpect, which forks, and JAX has threads by now.
    """
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    settings = {"TERM": "xterm-256color"} | environment
    with started(
        [*JACCLI, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.PIPE,
        env={n: v for n, v in os.environ.items() if n not in ("NO_COLOR", "COLUMNS")} | settings,
    ) as process:
        os.close(terminal)
        shown = b"".join(iter(lambda: _chunk(master), b""))
        os.close(master)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    return shown.decode().replace("\r\n", "\n"), said.decode()


def _chunk(master: int) -> bytes:
    """Read from a terminal; its end is an error."""
    try:
        return os.read(master, 4096)
    except OSError:
        return b""


ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
FORECAST = str(ROOT / "configs" / "forecast.yaml")


def test_a_table_fits_the_terminal() -> None:
    shown, said = on_terminal("jacobian", FORECAST, "-q", columns=60)
    lines = ESCAPES.sub("", shown).splitlines()
    assert said == ""
    assert lines[0] == "∂y/∂x  (16, 16)"
    assert max(map(len, lines)) <= 60
    assert "…" in lines[1]
    assert [line.split()[0] for line in lines[2:4]] == ["y[0]", "y[1]"]
    assert lines[-1].startswith("y[15]")


COLOUR = re.compile("\x1b\\[[0-9;]*(3|4|9|10)[0-9][;m]")


@pytest.mark.parametrize(
    ("environment", "refused"), [({"NO_COLOR": "1"}, COLOUR), ({"TERM": "dumb"}, ESCAPES)], ids=str
)
def test_colour_is_not_forced_on_anybody(
    environment: dict[str, str], refused: re.Pattern[str]
) -> None:
    shown, _ = on_terminal("jacobian", *SQUARE, "-q", **environment)
    assert not refused.search(shown)
    assert ESCAPES.sub("", shown) == "∂f/∂x  ()\n   x\nf  6\n"


def test_npy_is_not_printed_on_a_terminal() -> None:
    assert on_terminal("jacobian", *SQUARE, "--format", "npy", code=2) == (
        "",
        "jaccli: --format: 'npy' is binary and standard output is a terminal.\n"
        "Use -o FILE, or redirect standard output.\n",
    )
