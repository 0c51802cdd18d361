"""Loops in Python are found in a trace, with their line and their number of steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaccli.derivative import unrolled_loops
from jaccli.derivative.unrolled_loops import UnrolledLoop

FILE = Path(__file__).name


def found(f: Any, *shape: int) -> UnrolledLoop | None:
    return unrolled_loops.find(jax.make_jaxpr(f)(jnp.ones(shape)).jaxpr)


def step(x: Any) -> Any:
    y = jnp.sin(x) + x**2
    return jnp.cos(y) * y - x


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


def test_the_loop_is_named_not_the_function_that_it_calls() -> None:
    def march(x: Any) -> Any:
        for _ in range(401):
            x = step(x)
        return x

    loop = found(lambda x: jnp.exp(march(x)))
    assert loop is not None
    assert loop.place == f"{FILE}:{line_of('for _ in range(401):')}"
    assert loop.steps == 401  # six operations each, and the exponential
    assert loop.equations == 6 * 401 + 1


def test_a_function_called_twice_in_each_step_counts_once() -> None:
    def march(x: Any) -> Any:
        for _ in range(202):
            y = step(x)
            x = x + step(y)
        return x

    loop = found(march)
    assert loop is not None
    assert (loop.place, loop.steps) == (f"{FILE}:{line_of('for _ in range(202):')}", 202)


def test_a_sum_over_a_generator_is_a_loop() -> None:
    def total(x: Any) -> Any:
        return sum(step(x[k]) for k in range(303))

    loop = found(total, 303)
    assert loop is not None
    assert loop.place == f"{FILE}:{line_of('return sum(step(x[k]) for k in range(303))')}"
    assert loop.steps == 303


def test_short_loops_and_loops_of_jax_are_not_reported() -> None:
    def short(x: Any) -> Any:
        for _ in range(40):
            x = step(x)
        return x

    assert found(short) is None
    assert found(lambda x: lax.fori_loop(0, 10_000, lambda _, x: step(x), x)) is None


def test_the_note_says_how_to_write_it() -> None:
    assert UnrolledLoop("model.py:17", 40, 2922).note == (
        "model.py:17: this loop in Python is written out into 40 copies of its step, 2,922 "
        "operations that take long to compile. With the step as a function, "
        "`jax.lax.fori_loop(0, 40, lambda k, x: step(x), x)` is compiled once; so is "
        "`jax.lax.scan`, where each step has its own data or results."
    )
