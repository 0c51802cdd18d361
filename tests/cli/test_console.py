"""What a person sees of the progress."""

from __future__ import annotations

import io
import re

import pytest
import rich.console

from jaccli.cli import console


@pytest.mark.parametrize(
    ("steps", "seconds", "text"),
    [(0, 0.0, "0/s"), (1, 4.0, "0.25/s"), (99, 9.0, "11/s"), (3_000_000, 2.0, "1,500,000/s")],
)
def test_rates(steps: int, seconds: float, text: str) -> None:
    assert console.rate_of(steps, seconds) == text


def test_progress_shows_steps_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(console, "monotonic", lambda: now)
    shown, terminal = io.StringIO(), rich.console.Console
    monkeypatch.setattr(
        rich.console, "Console", lambda stderr: terminal(file=shown, force_terminal=True, width=100)
    )
    bar = console.Bar()
    bar.timer.cancel()
    try:
        bar.start(1000, done=400)  # by an earlier run: they are no part of the rate
        now += 2
        bar.advance(300)
        bar._appear()
        bar.bar.refresh()
    finally:
        bar.close()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert " 700/1000 150/s 0:00:0" in plain
