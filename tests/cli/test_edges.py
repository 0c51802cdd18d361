"""What is easily lost: results when nobody reads, exit codes under --debug, entries that meet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

JACCLI = (sys.executable, "-m", "jaccli")
PRODUCT = """\
model: {expression: x*y}
inputs: {x: [1, 2], y: 3}
wrt: x
vector: [1, 0]
mode: rev
"""


def test_a_file_is_written_when_nobody_reads_the_summary(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("jacobian", "-e", "x**2", "--at", "x=3", "--explain", "-o", "J.npy")
    done = subprocess.run(
        [*JACCLI, *arguments], stderr=writer, cwd=tmp_path, timeout=60, check=True
    )
    os.close(writer)
    assert done.returncode == 0
    assert np.load(tmp_path / "J.npy") == 6


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gradient", "-e", "x**", "--at", "x=3"), 2),
        (("gradient", "-e", "x", "--at", "x=3", "--device", "gpu:99"), 4),
        (("gradient", "-e", "sqrt(x)", "--at", "x=0", "--fail-on-nonfinite"), 3),
    ],
)
@pytest.mark.local("--debug shows a traceback")
def test_debug_shows_a_traceback_and_keeps_the_exit_code(
    jaccli: Callable[..., Any], arguments: tuple[str, ...], code: int
) -> None:
    outcome = jaccli(*arguments, "--debug", check=False)
    assert outcome.exit_code == code
    assert "Traceback (most recent call last):" in outcome.stderr
    assert "Traceback" not in jaccli(*arguments, check=False).stderr


def test_a_named_vector_takes_the_place_of_the_spec_s_only_one(jaccli: Callable[..., Any]) -> None:
    assert jaccli("jvp", "-", stdin=PRODUCT).stdout == "f[0] 3.0\nf[1] 0.0\n"
    named = jaccli("jvp", "-", "--vector", "x=[0, 1]", stdin=PRODUCT)
    assert named.stdout == "f[0] 0.0\nf[1] 3.0\n"


def test_the_spec_s_mode_is_for_the_derivatives_that_have_it(jaccli: Callable[..., Any]) -> None:
    assert "· rev: as asked ·" in jaccli("jacobian", "-", stdin=PRODUCT).stderr
    assert "· structured: 2 inputs, " in jaccli("hessian", "-", stdin=PRODUCT).stderr
    assert jaccli("evaluate", "-", stdin=PRODUCT).stdout == "f[0] 3.0\nf[1] 6.0\n"
    refused = jaccli("hessian", "-", "--mode", "rev", stdin=PRODUCT, check=False)
    assert refused.exit_code == 2
    assert refused.stderr.startswith("--mode: hessian has no mode 'rev'.")


def test_what_show_picks_may_fit_where_the_whole_does_not(jaccli: Callable[..., Any]) -> None:
    batch = ("jacobian", "-e", "x*y", "--at", "x=[[1, 2], [3, 4]]", "--at", "y=5", "--batch", "x")
    refused = jaccli(*batch, "--wrt", "x", "--format", "csv", check=False)
    assert refused.exit_code == 2
    shown = jaccli(*batch, "--wrt", "x", "--format", "csv", "--show", "batch[1]")
    assert shown.stdout == ",x[0],x[1]\nf[0],5.0,0.0\nf[1],0.0,5.0\n"


@pytest.mark.parametrize("form", ["npy", "csv"])
def test_one_result_in_a_stream(jaccli: Callable[..., Any], form: str) -> None:
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text(PRODUCT)
    outcome = jaccli("jacobian", "a.yaml", "b.yaml", "--format", form, check=False)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"jaccli: --format: {form!r} holds one result, not 2.\nUse --out-dir DIR.\n"
    )


def test_a_joined_matrix_counts_in_the_budget(jaccli: Callable[..., Any]) -> None:
    args = ("jacobian", "-e", "x*y", "--at", "x={ones: 100}", "--at", "y={ones: 100}")
    assert jaccli(*args, "--memory", "180KiB", "--format", "none").exit_code == 0
    outcome = jaccli(*args, "--memory", "180KiB", "--layout", "matrix", check=False)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("jaccli: jacobian: inputs and result take 314.1 KiB, more")


def test_numbers_of_any_byte_order(jaccli: Callable[..., Any]) -> None:
    np.save("k.npy", np.array([0, 1], dtype=">i4"))
    np.save("x.npy", np.array([3.0, 5.0], dtype=">f8"))
    outcome = jaccli("gradient", "-e", "sum(x[k] * x)", "--at", "x=@x.npy", "--at", "k=@k.npy")
    assert outcome.stdout == "x[0]  6.0\nx[1] 10.0\n"


def test_what_a_model_prints_is_no_result(jaccli: Callable[..., Any]) -> None:
    Path("m.py").write_text("print('loading')\ndef f(x):\n    print('called')\n    return x**2\n")
    spec = "model: {python: 'm.py:f'}\ninputs: {x: 3}\n"
    outcome = jaccli("gradient", "-", "--allow-python", stdin=spec)
    assert outcome.stdout == "x 6.0\n"
    assert "loading" in outcome.stderr
    assert "called" in outcome.stderr


def test_a_pipe_is_no_input_file(jaccli: Callable[..., Any]) -> None:
    os.mkfifo("x.npy")
    outcome = jaccli("evaluate", "-e", "x", "--at", "x=@x.npy", check=False)
    assert (outcome.exit_code, outcome.stderr) == (
        3,
        "--at: x.npy: this is not a file.\n  x=@x.npy\n    ^^^^^^\n",
    )


def test_more_axes_than_arrays_have(jaccli: Callable[..., Any]) -> None:
    text = f"x[{', '.join(['None'] * 70)}]"
    outcome = jaccli("evaluate", "-e", text, "--at", "x=1", check=False)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(
        "--expression: f would have 70 axes; an array has at most 64.\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_completes_the_options_of_a_command(shell: str) -> None:
    words = "jaccli jacobian --mo"
    asked = {
        "_JACCLI_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    if shell == "bash":
        asked |= {"COMP_WORDS": words, "COMP_CWORD": "2"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("jaccli"))],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "--mode" in done.stdout
