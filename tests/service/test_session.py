"""A command line through the client and a session does what it does here."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaccli import memory
from jaccli.context import Context, using
from jaccli.errors import format_bytes
from jaccli.service.messages import ERR, FILE, OUT, Call
from jaccli.service.server import session
from jaccli.tune.program_cache import ProgramCache
from tests.conftest import Outcome, call
from tests.service.sessions import through_session

STREAM = (False, "utf-8", "strict")

FORECAST = """\
model: forecast
inputs:
  weight: {random: normal, shape: [4, 3], seed: 1}
  bias:   {file: data/bias.npy}
  x:      {file: data/table.csv, column: x}
dtype: float32
"""
FILES = {
    "forecast.yaml": FORECAST,
    "above.yaml": "base: sub/below.yaml\nwrt: y\n",
    "sub/below.yaml": "model: {expression: x * y**2}\ninputs: {x: 2.0, y: {file: y.npy}}\n",
    "circle.yaml": "base: ./circle.yaml\n",
    "wrong.yaml": "model: {expression: x * z}\ninputs: {x: 2.0}\n",
    "missing.yaml": "model: {expression: x}\ninputs: {x: {file: nowhere.npy}}\n",
    "pattern.yaml": "model: {expression: x**2}\ninputs: {x: {linspace: [1, 4, 4]}}\n"
    "sparsity: {file: data/p.mtx}\n",
    "golden.yaml": "model: {expression: x**2}\ninputs: {x: 3.0}\nexpect: {file: data/six.npy}\n",
    "not.yaml": "model: {expression: x**2}\ninputs: {x: 3.0}\nexpect: {file: data/bias.npy}\n",
    "data/table.csv": "t,x\n0,1.5\n1,-2\n2,0.25\n",
    "data/p.mtx": "%%MatrixMarket matrix coordinate pattern general\n4 4 4\n1 1\n2 2\n3 3\n4 4\n",
}
ARRAYS = {
    "data/bias.npy": np.asarray([0.5, -1.0, 2.0, 0.0]),
    "sub/y.npy": np.asarray([1.0, -3.0]),
    "data/six.npy": np.asarray(6.0),
    "data/matrix.npy": np.asarray([[2.0, 1.0], [1.0, 3.0]]),
}

SQUARE = ("-e", "x**2", "--at", "x=3", "-q")
COMMANDS: dict[str, tuple[str, ...]] = {
    "a spec": ("jacobian", "forecast.yaml"),
    "a file": ("jacobian", "forecast.yaml", "-o", "J.npy"),
    "an archive": ("hessian", "forecast.yaml", "-o", "H.npz"),
    "json in a folder": ("jacobian", "forecast.yaml", "-o", "sub/J.json", "--format", "csv"),
    "bytes": ("jacobian", "forecast.yaml", "--format", "npy", "-q"),
    "base": ("gradient", "above.yaml"),
    "several specs": (
        "jacobian", "forecast.yaml", "above.yaml", "--out-dir", "new/results", "--suffix", ".csv",
    ),
    "a replaced file": ("jacobian", *SQUARE, "-o", "data/six.npy", "--force"),
    "a value in a file": ("jacobian", "-e", "x@x", "--at", "x=@data/bias.npy"),
    "a pattern": ("jacobian", "pattern.yaml", "--mode", "sparse", "-o", "J.mtx"),
    "run": ("run", "golden.yaml"),
    "run that fails": ("run", "not.yaml"),
    "plan": ("plan", "forecast.yaml"),
    "check": ("check", "golden.yaml", "--against", "data/six.npy", "--format", "none"),
    "analyze": ("analyze", "data/matrix.npy"),
    "sparsity": ("sparsity", "pattern.yaml", "-o", "p.mtx", "--format", "plain"),
    "standard input": ("jacobian", "-", "--at", "x=3"),
    "a table": ("jacobian", "forecast.yaml", "--format", "table"),
    # refused
    "no such spec": ("jacobian", "nowhere.yaml"),
    "no such file": ("jacobian", "missing.yaml"),
    "a spec that is wrong": ("jacobian", "wrong.yaml"),
    "a circle": ("jacobian", "circle.yaml"),
    "a file that is there": ("jacobian", *SQUARE, "-o", "data/six.npy"),
    "a folder": ("jacobian", *SQUARE, "-o", "data.npy/x.npy"),
    "no folder": ("jacobian", *SQUARE, "-o", "nowhere/x.npy"),
    "a suffix": ("jacobian", *SQUARE, "-o", "x.txt"),
    "a folder that is a file": ("jacobian", "forecast.yaml", "--out-dir", "forecast.yaml"),
    "a device": ("jacobian", *SQUARE, "-o", "/dev/full"),
    "an option": ("jacobian", *SQUARE, "--no-such"),
    "a value": ("jacobian", *SQUARE, "--chunk", "much"),
    "not finite": ("jacobian", "-e", "log(x)", "--at", "x=0", "--fail-on-nonfinite"),
    "no device": ("jacobian", *SQUARE, "--device", "tpu"),
}  # fmt: skip


def lay_out(folder: Path) -> Path:
    """Write the files of the commands into a folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, array in ARRAYS.items():
        np.save(folder / name, array)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder by name."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def without_times(text: str) -> str:
    """Return text with its measured times, and what the cache had, left out."""
    text = re.sub(r'"seconds": \{[^}]*\}, "cache": "\w+"', '"seconds": {}', text)
    return re.sub(r"compile [\d.]+ \w+(?: \(cached\))?, run [\d.]+ \w+", "compile, run", text)


def through(*arguments: str, stdin: str = "", cwd: Path) -> Outcome:
    """Run a command through a session, in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.conftest._perform", through_session)
        return call(*arguments, stdin=stdin, cwd=cwd, check=False)


def here(*arguments: str, stdin: str = "", cwd: Path) -> Outcome:
    """Run a command in this process, in a folder."""
    return call(*arguments, stdin=stdin, cwd=cwd, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_output_files_and_exit_code_are_those_of_a_local_run(name: str, tmp_path: Path) -> None:
    folders = [lay_out(tmp_path / kind / "work") for kind in ("local", "served")]
    stdin = "model: {expression: x**3}\n"
    local, served = (
        way(*COMMANDS[name], stdin=stdin, cwd=folder)
        for way, folder in zip((here, through), folders, strict=True)
    )
    assert served.exit_code == local.exit_code
    assert without_times(served.stdout) == without_times(local.stdout)
    if not name.endswith(("json in a folder", "plan")):
        assert served.stdout_bytes == local.stdout_bytes
    said = without_times(served.stderr).replace(str(folders[1]), str(folders[0]))
    assert said == without_times(local.stderr)
    files = [contents(folder) for folder in folders]
    assert list(files[1]) == list(files[0])
    for file in files[0]:
        if file.endswith((".npz", ".json")):  # their manifests hold times
            continue
        assert files[1][file] == files[0][file], file


def test_archives_hold_the_same_arrays(tmp_path: Path) -> None:
    paths = []
    for way in (here, through):
        folder = lay_out(tmp_path / way.__name__)
        assert way("hessian", "forecast.yaml", "-o", "H.npz", cwd=folder).exit_code == 0
        paths.append(folder / "H.npz")
    with np.load(paths[0]) as local, np.load(paths[1]) as served:
        assert list(local) == list(served)
        for key in set(local) - {"manifest"}:
            assert local[key].tobytes() == served[key].tobytes()


def test_calls_of_different_precision_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Flipping JAX's 64-bit switch between calls leaves programs that are kept as they were."""
    command = ("jacobian", "-e", "sin(x) / 3", "--at", "x={linspace: [0, 1, 5]}", "-q")
    wanted = {dtype: here(*command, "--dtype", dtype, cwd=tmp_path).stdout for dtype in DTYPES}
    assert len(set(wanted.values())) == 2
    shared = Context(programs=ProgramCache(16, 1 << 26))
    for dtype in (*DTYPES, *DTYPES, *reversed(DTYPES)):
        with using(shared):
            assert through(*command, "--dtype", dtype, cwd=tmp_path).stdout == wanted[dtype]


DTYPES = ("float32", "float64")


def test_a_session_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    lay_out(tmp_path)
    here("jacobian", *SQUARE, cwd=tmp_path)  # what an import changes has changed
    before = dict(os.environ), (sys.stdin, sys.stdout, sys.stderr), Path.cwd()
    x64 = jax.config.jax_enable_x64
    for name in ("a file", "no such file", "an option", "standard input"):
        through(*COMMANDS[name], cwd=tmp_path)
    after = dict(os.environ), (sys.stdin, sys.stdout, sys.stderr), Path.cwd()
    assert after == before
    here("jacobian", *SQUARE, cwd=tmp_path)
    assert jax.config.jax_enable_x64 == x64


# What a session never does


def performed(*arguments: str, answers: dict[Any, Any] | None = None, **environment: str) -> Any:
    """Perform a call in a folder that is not there, and return the reply."""
    call = Call(list(arguments), "/nowhere", environment, STREAM, STREAM, answers or {})
    return session.perform(Call.decode(call.encode()))


def said(reply: Any, kind: str) -> str:
    """Return what a reply prints on a stream."""
    return b"".join(event[1] for event in reply.events if event[0] == kind).decode()


ELSEWHERE = {
    ("jacobian", *SQUARE, "--resume"): "--resume",
    ("jacobian", *SQUARE, "--cluster", "local:2"): "--cluster",
    ("run", *SQUARE, "--set", "sweep={inputs.x: [1, 2]}"): "a sweep",
    ("jacobian", "-e", "w@x", "--at", "w={ones: [200, 100]}", "--at", "x={ones: 100}", "--wrt",
     "x", "--memory", "250KiB", "-o", "J.npy"): "a result larger than the memory budget",
}  # fmt: skip


@pytest.mark.parametrize("arguments", ELSEWHERE)
def test_what_no_service_does_is_left_to_the_client(arguments: tuple[str, ...]) -> None:
    answers = {("check_writable", "J.npy", False): ("value", None)}
    answers |= {("has_partial", "J.npy"): ("value", False)}
    reply = performed(*arguments, answers=answers)
    assert reply.elsewhere == f"{ELSEWHERE[arguments]}: not in the service."
    assert (reply.events, reply.questions) == ([], [])


def test_what_is_over_the_budget_is_left_to_the_client() -> None:
    """A service may have less memory to give than the client has."""
    reply = performed("jacobian", *SQUARE, "--memory", "1B")
    assert "more than the memory budget" in reply.elsewhere
    assert (reply.events, reply.questions) == ([], [])


def test_a_command_line_has_the_budget_that_it_has_at_home() -> None:
    words = ["jacobian", "-e", "x**2", "--at", "x=[1, 2]", "--explain"]
    call = Call(words, "/", {}, STREAM, STREAM, {})
    reply = session.perform(Call.decode(call.encode()), Context(most_memory=20))
    assert f"budget {format_bytes(memory.total() // 2)}\n" in said(reply, ERR)
    with using(Context(most_memory=20)):
        assert memory.budget(None) == 20


def test_python_is_refused() -> None:
    reply = performed("jacobian", *SQUARE, "--allow-python")
    local = "Run it without --server, and with JACCLI_SERVER unset.\n"
    assert said(reply, ERR) == f"jaccli: --allow-python: not in the service.\n{local}"
    assert (reply.code, said(reply, OUT), reply.questions) == (2, "", [])


@pytest.mark.parametrize("command", ["serve", "init", "compare", "cache", "--help", ""])
def test_commands_that_are_not_of_the_service_are_refused(command: str) -> None:
    reply = performed(command, "a", "b")
    assert reply.code == 2
    assert said(reply, ERR) == f"jaccli: {command!r}: not in the service.\n"


def test_a_model_in_python_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'done')!r}, 'w')\n")
    spec = f"model: {{python: '{tmp_path}/evil.py:f'}}\ninputs: {{x: 1}}\n".encode()
    reply = performed("jacobian", "s.yaml", answers={("read", "s.yaml"): ("value", spec)})
    assert reply.code == 2
    assert "runs only with --allow-python" in said(reply, ERR)
    assert not (tmp_path / "done").exists()


def test_no_file_that_a_call_names_is_opened(tmp_path: Path) -> None:
    """All that exist are named, so that opening one would succeed."""
    folder = lay_out(tmp_path / "work")
    with watched(folder) as seen:
        replies = [
            performed(*(str(folder / word) if "." in word else word for word in words))
            for name, words in COMMANDS.items()
            if name not in ("an option", "a value", "no device") and "-e" not in words
        ]
        spec = (folder / "forecast.yaml").read_bytes()
        seen.clear()
        name = str(folder / "forecast.yaml")
        replies.append(performed("jacobian", name, answers={("read", name): ("value", spec)}))
        performed("jacobian", *SQUARE, "-o", str(folder / "data/six.npy"))
    assert seen == []
    assert [question[0] for question in replies[-1].questions] == ["content", "content"]


class watched:  # noqa: N801
    """Notes the audit events that name something in a folder."""

    hooked = False
    folder = ""
    seen: list[tuple[str, Any]]

    def __init__(self, folder: Path) -> None:
        watched.folder, watched.seen = str(folder), []

    def __enter__(self) -> list[tuple[str, Any]]:
        if not watched.hooked:  # there is no way to take one away
            sys.addaudithook(watched.note)
            watched.hooked = True
        return watched.seen

    def __exit__(self, *_: object) -> None:
        watched.folder = ""

    @staticmethod
    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if watched.folder and any(watched.folder in str(part) for part in arguments):
            watched.seen.append((event, arguments))


# Questions


def test_questions_are_asked_together() -> None:
    assert performed("jacobian", "a.yaml", "b.yaml", "--out-dir", "d").questions == [
        ("read", "a.yaml"),
        ("read", "b.yaml"),
    ]
    spec = b"model: {expression: x * y}\ninputs: {x: {file: x.npy}, y: {file: /y.csv}}\n"
    answers = {("read", f"{name}.yaml"): ("value", spec) for name in "ab"}
    asked = performed("jacobian", "a.yaml", "b.yaml", "--out-dir", "d", answers=answers)
    assert asked.questions == [("make_folder", "d")]
    answers[("make_folder", "d")] = ("value", None)
    asked = performed("jacobian", "a.yaml", "b.yaml", "--out-dir", "d", answers=answers)
    targets = ["d/a.npz", "d/b.npz"]
    assert asked.questions == [
        *(("check_writable", target, False) for target in targets),
        *(("has_partial", target) for target in targets),
    ]
    answers |= dict.fromkeys(asked.questions[:2], ("value", None))
    answers |= dict.fromkeys(asked.questions[2:], ("value", False))
    asked = performed("jacobian", "a.yaml", "b.yaml", "--out-dir", "d", answers=answers)
    assert asked.questions == [("content", "x.npy"), ("content", "/y.csv")]


def test_a_run_that_asks_prints_and_writes_nothing() -> None:
    reply = performed("jacobian", "a.yaml", "--explain")
    assert (reply.code, reply.events) == (0, [])


@pytest.mark.parametrize(
    "answer", [("value", 3), ("value", "text"), ("else",), (), ("system", "2", "x"), ("refused",)]
)
def test_an_answer_of_the_wrong_kind_is_none(answer: tuple[Any, ...]) -> None:
    reply = performed("jacobian", "a.yaml", answers={("read", "a.yaml"): answer})
    assert reply.questions == [("read", "a.yaml")]


def test_events_keep_their_order() -> None:
    answers: dict[Any, Any] = {}
    words = ("jacobian", *SQUARE[:-1], "-o", "a.npy", "--format", "csv")
    answers |= {("check_writable", "a.npy", False): ("value", None)}
    answers |= {("has_partial", "a.npy"): ("value", False)}
    kinds = [event[:3] if event[0] == FILE else event[0] for event in
             performed(*words, answers=answers).events]  # fmt: skip
    assert kinds == [(FILE, "a.npy", False), ERR, OUT]


# The terminal


def test_a_terminal_gets_its_tables_and_colors() -> None:
    def out(terminal: bool, **environment: str) -> str:
        stdout = (terminal, "utf-8", "strict")
        words = ["jacobian", "-e", "x**2", "--at", "x={linspace: [0, 1, 9]}"]
        reply = session.perform(Call(words, "/", environment, stdout, STREAM, {}))
        return said(reply, OUT)

    wide = out(True, COLUMNS="200", TERM="xterm-256color")
    assert "\x1b[" in wide
    narrow = out(True, COLUMNS="40", TERM="dumb")
    assert "\x1b[" not in narrow
    assert out(False, COLUMNS="40") == out(False, COLUMNS="200")


def test_text_is_in_the_clients_encoding() -> None:
    words = ["jacobian", "-e", "é = x**2", "--at", "x=3", "-q"]
    reply = session.perform(Call(words, "/", {}, (False, "latin-1", "strict"), STREAM, {}))
    assert reply.code == 2
    stream = (False, "ascii", "backslashreplace")
    reply = session.perform(Call(words, "/", {}, stream, stream, {}))
    assert said(reply, ERR).isascii()


@pytest.mark.parametrize("encoding", ["klingon", "hex", "utf-8\0"])
def test_an_encoding_that_is_not_here_leaves_the_call_to_the_client(encoding: str) -> None:
    before = sys.stdout, sys.stderr
    stream = (False, encoding, "strict")
    reply = session.perform(Call(["jacobian", *SQUARE], "/", {}, stream, STREAM, {}))
    said = f"the service cannot write in the encodings {encoding!r} and 'utf-8'"
    assert (reply.elsewhere, reply.events) == (said, [])
    assert (sys.stdout, sys.stderr) == before


def test_a_traceback_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("here/secret.py")

    monkeypatch.setattr("jaccli.commands.derivative.tasks", broken)
    reply = performed("jacobian", *SQUARE, "--debug")
    assert reply.code == 3
    defect = "This is a defect; it may show without --server.\n"
    assert said(reply, ERR) == f"jaccli: unexpected ZeroDivisionError.\n{defect}"
