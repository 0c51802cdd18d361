"""The registry of what standard output gets."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from jaccli.choices import FORMATS, SUFFIXES
from jaccli.errors import UsageError
from jaccli.result import RENDERERS, default_format, render
from jaccli.result.io.registry import format_of

from .samples import POLAR, jacobian


class Pipe(io.TextIOWrapper):
    def __init__(self, *, terminal: bool = False) -> None:
        self.raw_bytes = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.raw_bytes, encoding="utf-8")

    def isatty(self) -> bool:
        return self.terminal


def test_every_format_of_the_interface_is_there() -> None:
    assert tuple(RENDERERS) == FORMATS
    for suffix in SUFFIXES:
        assert all(hasattr(format_of(suffix), name) for name in ("check", "write", "read"))


def test_npy_goes_to_a_pipe_after_the_text_before_it() -> None:
    out, result = Pipe(), jacobian((2,), (3,))
    out.write("#")
    render(result, "npy", out)
    assert out.raw_bytes.getvalue()[:1] == b"#"
    assert np.array_equal(
        np.load(io.BytesIO(out.raw_bytes.getvalue()[1:])), result.blocks[0].values
    )


def test_npy_refuses_a_terminal() -> None:
    with pytest.raises(UsageError) as error:
        render(jacobian((2,), (3,)), "npy", Pipe(terminal=True))
    assert str(error.value) == (
        "--format: 'npy' is binary, and standard output is a terminal.\n"
        "Send it to a file or a pipe, or choose 'table' or 'plain'."
    )


def test_npy_refuses_several_blocks() -> None:
    with pytest.raises(UsageError) as error:
        render(POLAR, "npy", Pipe())
    assert str(error.value) == (
        "npy: one array only, and the result has 4 blocks: 'r.x', 'r.y', 'theta.x', 'theta.y'.\n"
        "Use .npz for all of them, or --layout matrix to join them into one array."
    )
    out = Pipe()
    render(POLAR, "npy", out, layout="matrix")
    assert np.load(io.BytesIO(out.raw_bytes.getvalue())).shape == (2, 2)


def test_csv_refuses_three_axes() -> None:
    with pytest.raises(UsageError) as error:
        render(jacobian((2,), (3,), batch=4), "csv", Pipe())
    assert str(error.value) == (
        "csv: two axes at most, and the matrix layout of the result has the shape (4, 2, 3).\n"
        "Use --layout long, .npz or .json, or print one part of it with --show."
    )


def test_none_prints_nothing() -> None:
    out = Pipe()
    render(POLAR, "none", out)
    out.flush()
    assert out.raw_bytes.getvalue() == b""


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError) as error:
        render(POLAR, "jsn", Pipe())
    assert str(error.value) == "--format: no format 'jsn'.\nDid you mean 'json'?"


def test_terminals_get_tables_by_default_and_pipes_plain_text() -> None:
    assert default_format(Pipe(terminal=True)) == "table"
    assert default_format(Pipe()) == "plain"


def test_importing_the_package_loads_neither_jax_nor_rich_nor_scipy() -> None:
    code = (
        "import sys, jaccli.result\n"
        "print([name for name in ('jax', 'rich', 'scipy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
