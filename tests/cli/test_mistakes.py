"""Mistakes of new users, each answered with what to type: `mistakes.txt` has them in full."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FILES = {
    "ok.yaml": "model: {expression: x**2}\ninputs: {x: 3.0}\n",
    "t.csv": "x,y\n1,2\n3,4\n",
}


def mistakes() -> Iterator[Any]:
    """Yield each command, its standard input, and what is answered."""
    text = (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8")
    for block in text.split("\n\n$ jaccli ")[1:]:
        command, *lines = block.split("\n")
        stdin = [line[2:] for line in lines if line.startswith("< ")]
        answer = [line for line in lines if not line.startswith("< ") and line]
        name = command if not stdin else f"{command} {' '.join(stdin)}"
        text_in = "\n".join(stdin) + "\n" if stdin else None
        near = "Did you mean 'ok.yaml'?" in answer
        marks = [pytest.mark.local("a service does not look for files of like names")] * near
        yield pytest.param(command, text_in, answer, id=name, marks=marks)


@pytest.mark.parametrize(("command", "stdin", "answer"), list(mistakes()))
def test_a_mistake_is_answered_with_what_to_type(
    command: str,
    stdin: str | None,
    answer: list[str],
    jaccli: Callable[..., Any],
    tmp_path: Path,
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    done = jaccli(*shlex.split(command), stdin=stdin, check=False)
    assert done.stderr.splitlines() == answer
    assert done.exit_code == 2
    assert not done.stdout
