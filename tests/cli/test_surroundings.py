"""Processes in odd surroundings: variables, encodings, caches, and limits of the shell."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.thinned import thinned

JACCLI = (sys.executable, "-m", "jaccli")
SQUARE = ("gradient", "-e", "x**2", "--at", "x=3", "-q")
MIB = 1 << 20

LIMITED = """
import json, os, resource, sys
for kind, most in json.loads(sys.argv[1]):
    resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""

Done = subprocess.CompletedProcess[bytes]


def run(*arguments: str | bytes, limits: dict[int, int] | None = None, **variables: str) -> Done:
    """Run a command with variables of the environment, and limits as `ulimit` sets them."""
    environment = {**os.environ, **variables}
    limited = [sys.executable, "-c", LIMITED, json.dumps(list((limits or {}).items()))]
    command = [*(limited if limits else []), *JACCLI, *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, env=environment)


def in_one_sentence(done: Done) -> bool:
    """Whether a failed process has said why, with a hint at most."""
    return (
        done.returncode == 3
        and done.stderr.startswith(b"jaccli: ")
        and (done.stderr.count(b"\n") <= 2 and b"defect" not in done.stderr)
    )


# Variables

SIZES = ["9" * 5000, "²", "-5", "", "0", "999999999", "1e3", " 80", "80"]


@pytest.mark.parametrize("size", thinned(SIZES, 3))
def test_help_and_tables_whatever_the_columns(size: str) -> None:
    for command in (("--help",), (*SQUARE, "--format", "table")):
        done = run(*command, COLUMNS=size, LINES=size, TERMINAL_WIDTH=size)
        assert (done.returncode, done.stderr) == (0, b"")
        assert max(map(len, done.stdout.decode().splitlines())) <= 80


def test_an_encoding_that_encodes_nothing_is_as_if_it_were_not_set() -> None:
    assert run(*SQUARE, PYTHONIOENCODING="undefined").stdout == b"x 6.0\n"
    done = run("gradient", "-e", "x", "--at", "y=1", PYTHONIOENCODING="undefined")
    assert done.returncode == 2
    assert b"no input or expression named 'x'" in done.stderr


LOCALES = [
    {"LANG": "C"},
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
]


@pytest.mark.parametrize("variables", thinned(LOCALES, 2))
def test_names_that_are_not_ascii(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "é.yaml").write_text("model: {expression: x**2}\ninputs: {x: 3}\n")
    (tmp_path / "ü.csv").write_text(",größe\nzeile,1\n", encoding="utf-8")
    (tmp_path / "ö.csv").write_text(",größe\nzeile,2\n", encoding="utf-8")
    done = run("gradient", str(tmp_path / "é.yaml"), **variables)
    assert (done.returncode, done.stdout) == (0, b"x 6.0\n")
    done = run("compare", *(str(tmp_path / name) for name in ("ü.csv", "ö.csv")), **variables)
    if done.returncode == 3:
        assert done.stderr == (
            b"jaccli: standard output: the encoding 'ascii' has no '\\xf6'.\n"
            b"Set PYTHONIOENCODING=utf-8.\n"
        )
    else:
        assert (done.returncode, done.stderr) == (1, b"")
        assert "zeile, größe: 1.0 and 2.0" in done.stdout.decode()
    done = run("compare", str(tmp_path / "ü.csv"), str(tmp_path / "none-é.csv"), **variables)
    assert in_one_sentence(done)


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.npy"
    with open(name, "wb") as file:
        np.save(file, np.ones(2))
    assert run("compare", name, name).returncode == 0
    done = run("compare", name, name, "--format", "json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\udcff.npy" in done.stdout


def test_names_that_tell_a_terminal_what_to_do_are_only_shown(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    for name, value in (("a", 1), ("b", 2)):
        np.savez(tmp_path / f"{name}.npz", **{"\x1b[31mred\x9b0m": np.full(2, value)})
    outcome = jaccli("compare", "a.npz", "b.npz", check=False)
    assert outcome.stdout.startswith("?[31mred?0m: 2 of 2 entries differ\n")
    outcome = jaccli("compare", "a.npz", "b.npz", "--format", "json", check=False)
    assert '"\\u001b[31mred\\u009b0m"' in outcome.stdout
    outcome = jaccli("compare", "\x1b[2J.npz", "b.npz", check=False)
    assert outcome.stderr == "jaccli: ?[2J.npz: no such file.\n"


# The cache


@pytest.mark.parametrize("kind", ["a file", "below a file", "read-only", "full", "none"])
def test_whatever_is_wrong_with_the_cache(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "cache"
    variables = {"XDG_CACHE_HOME": str(folder)}
    mounted = {"read-only": "ro", "full": "size=4k"}.get(kind)
    if kind == "none":
        variables = {"XDG_CACHE_HOME": "", "HOME": ""}
    elif mounted is None:
        folder.touch()
        variables["XDG_CACHE_HOME"] += "/x" if kind == "below a file" else ""
    else:
        folder.mkdir()
        _mount(folder, mounted)
    try:
        for command in (SQUARE, ("cache", "show"), ("cache", "clear")):
            done = run(*command, **variables)
            assert (done.returncode, done.stderr) == (0, b""), command
    finally:
        if mounted is not None:
            subprocess.run(["umount", str(folder)], check=True)


def _mount(folder: Path, options: str) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")


def test_without_proc() -> None:
    script = 'mount -t tmpfs none /proc && exec "$@"'
    apart = ["unshare", "-m", "sh", "-c", script, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"]).returncode:
        pytest.skip("file systems cannot be mounted here")
    done = subprocess.run([*apart, *JACCLI, *SQUARE], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x 6.0\n", b"")


# Limits


@pytest.mark.parametrize("addresses", thinned([1600, 100, 200, 400, 800, 1200], 3))
def test_too_few_addresses_are_said_before_a_library_aborts(addresses: int) -> None:
    done = run(*SQUARE, limits={resource.RLIMIT_AS: addresses * MIB})
    assert in_one_sentence(done), done.stderr
    assert b"out of memory: addresses are limited to" in done.stderr
    done = run("validate", "-e", "x", "--at", "x=1", limits={resource.RLIMIT_AS: addresses * MIB})
    assert done.returncode == 0


def test_the_memory_budget_is_within_the_addresses() -> None:
    most = 4096 * MIB
    done = run("plan", *SQUARE[1:-1], limits={resource.RLIMIT_AS: most})
    assert done.returncode == 0, done.stderr
    assert b"budget 1.0 GiB" in done.stdout or os.cpu_count() != 2


@pytest.mark.parametrize("count", thinned([12, 6, 8, 10, 13, 14, 15], 4))
def test_too_few_open_files_for_processes(tmp_path: Path, count: int) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("model: {expression: x**2}\ninputs: {x: 1}\nsweep: {inputs.x: [1, 2, 3]}\n")
    arguments = ("run", str(spec), "--jobs", "2", "--out-dir", str(tmp_path / "r"))
    done = run(*arguments, limits={resource.RLIMIT_NOFILE: count})
    if done.returncode:  # what is open already differs
        assert in_one_sentence(done), done.stderr
        assert b"too many open files" in done.stderr.lower()


def test_too_small_files(tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    at = ("--at", "x={ones: [100, 100]}", "--batch", "x", "--memory", "500KiB")
    done = run("jacobian", "-e", "y = x**2", *at, "-o", str(target),
               limits={resource.RLIMIT_FSIZE: 50_000}, JACCLI_NO_CACHE="1")  # fmt: skip
    assert in_one_sentence(done), done.stderr
    assert b"file too large" in done.stderr
    assert not list(tmp_path.iterdir())
    done = run("evaluate", "-e", "x", "--at", "x={ones: 10000}", "-o", str(tmp_path / "x.npz"),
               limits={resource.RLIMIT_FSIZE: 50_000})  # fmt: skip
    assert in_one_sentence(done), done.stderr
    assert not list(tmp_path.iterdir())


def test_of_three_writers_one_has_the_target(tmp_path: Path) -> None:
    at = ("--at", "x={random: normal, shape: [600, 60], seed: 1}", "--batch", "x")
    command = [*JACCLI, "jacobian", "-e", "y = sin(x) * x", *at, "--memory", "1MiB", "-q",
               "-o", str(tmp_path / "J.npy")]  # fmt: skip
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    outcomes = [(process.communicate(timeout=100)[1], process.returncode) for process in started]
    codes = sorted(code for _, code in outcomes)
    assert codes[0] == 0
    for said, code in outcomes:
        assert code == 0 or b": another process is writing it." in said or b"exists" in said
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["J.npy"]
    assert np.load(tmp_path / "J.npy").shape == (600, 60, 60)


# What all files of a call take


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_what_files_say_they_need_is_added_up_before_one_is_read(
    jaccli: Callable[..., Any], tmp_path: Path, suffix: str
) -> None:
    save = np.savez_compressed if suffix == ".npz" else np.save
    for name, size in (("a", 1 << 20), ("b", 1 << 21)):
        save(tmp_path / f"{name}{suffix}", np.zeros(size // 8))  # type: ignore[operator]
    damaged = bytearray((tmp_path / f"a{suffix}").read_bytes())
    damaged[300:310] = b"x" * 10  # among the numbers: whoever reads them says so
    (tmp_path / f"a{suffix}").write_bytes(damaged)
    files = (f"a{suffix}", f"b{suffix}", "--memory", "2MiB")
    outcome = jaccli("compare", *files, check=False)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith(f"jaccli: b{suffix}: the array")
    assert " 2.0 MiB, more than the limit " in outcome.stderr


def test_two_files_share_the_memory(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez_compressed(tmp_path / f"{name}.npz", y=np.zeros(1 << 17))
    needed = "b.npz: the array{} 1.0 MiB, more than the limit {}.\n"
    remedy = "Raise --memory: what a call reads must fit into it.\n"
    assert jaccli("compare", "a.npz", "b.npz", "--memory", "2.1MiB").exit_code == 0
    outcome = jaccli("compare", "a.npz", "b.npz", "--memory", "1.5MiB", check=False)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr == f"jaccli: {needed.format('s need', '511.9 KiB')}{remedy}"
    at = ("--at", "x=@a.npz", "--memory", "1.5MiB")
    outcome = jaccli("evaluate", "-e", "sum(x*y)", *at, "--at", "y=@b.npz", check=False)
    assert outcome.exit_code == 3
    assert needed.format(" needs", "512.0 KiB").rstrip() in outcome.stderr
    outcome = jaccli("check", "-e", "sum(x)", *at, "--against", "b.npz", check=False)
    assert outcome.exit_code == 3
    assert "a.npz: the array needs 1.0 MiB, more than the limit 512.0 KiB." in outcome.stderr
    assert remedy in outcome.stderr
