"""Predicted seconds of one call, and what `auto` takes for it.

Pairs were measured: the quicker one takes less than half of the other's time (docs/benchmarks).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest
from jax import lax

from jaccli.derivative.compile_cost import OneCall, run_seconds
from jaccli.derivative.select_mode import Choice, choose
from jaccli.derivative.trace_info import facts

OPERATORS = {
    "jacobian": ("fwd", "rev", "structured-fwd", "structured-rev"),
    "hessian": ("fwd-fwd", "fwd-rev", "structured-fwd-fwd", "structured-fwd-rev"),
}


def prey(s: Any) -> Any:
    return jnp.stack([s[0] * (1.1 - 0.4 * s[1]), s[1] * (0.1 * s[0] - 0.4)])


def step(s: Any) -> Any:
    return s + 0.05 * prey(s + 0.025 * prey(s))


def written_out(steps: int) -> Callable[[Any], Any]:
    def march(s: Any) -> Any:
        for _ in range(steps):
            s = step(s)
        return s

    return march


def seconds(f: Any, x: Any, derivative: str = "jacobian") -> dict[str, float]:
    call = OneCall(facts(f, x))
    return {operator: call.total(operator) for operator in OPERATORS[derivative]}


def auto(f: Any, x: Any, derivative: str = "jacobian") -> Choice:
    about = facts(f, x)
    return choose(derivative, about, once=OneCall(about))


@pytest.mark.parametrize("derivative", OPERATORS)
def test_more_steps_take_longer(derivative: str) -> None:
    predicted = [seconds(written_out(k), jnp.ones(2), derivative) for k in (1, 2, 5, 20, 60)]
    for operator in OPERATORS[derivative]:
        times = [one[operator] for one in predicted]
        assert times == sorted(times)
        assert times[-1] > 2 * times[0]


def test_a_loop_of_jax_is_compiled_once() -> None:
    def scanned(steps: int) -> Callable[[Any], Any]:
        return lambda s: lax.fori_loop(0, steps, lambda _, s: step(s), s)

    few, many = (seconds(scanned(steps), jnp.ones(2)) for steps in (10, 1000))
    out = seconds(written_out(40), jnp.ones(2))
    for operator, time in many.items():
        assert few[operator] < time < few[operator] + 0.1  # it runs 990 more steps
        assert time < out[operator]


def test_what_does_not_depend_on_the_inputs_costs_nothing() -> None:
    def beside(x: Any) -> Any:
        y = jnp.ones(3)
        for _ in range(50):
            y = jnp.sin(y) + y**2
        return x * y

    assert seconds(beside, jnp.ones(3)) == seconds(lambda x: x * jnp.ones(3), jnp.ones(3))


def test_a_long_chain_of_slices_is_slower_in_reverse() -> None:
    times = seconds(written_out(40), jnp.ones(2))
    assert 2 * times["fwd"] < times["rev"]
    second = seconds(written_out(8), jnp.ones(2), "hessian")
    assert 2 * second["fwd-fwd"] < second["fwd-rev"]


def test_a_long_loop_goes_forward_though_it_has_one_output() -> None:
    choice = auto(lambda s: written_out(40)(s)[0], jnp.ones(2))
    assert choice.operator == "fwd"
    words = r"2 inputs, 1 output: forward, (\d+) s for one call \((\d+) s by rev\)"
    match = re.fullmatch(words, choice.reason)
    assert match is not None
    assert 1.25 * float(match[1]) < float(match[2])


def test_a_large_gradient_goes_in_reverse() -> None:
    data = jnp.ones((32, 200))

    def loss(params: Any) -> Any:
        return (jnp.tanh(jnp.tanh(data @ params["a"]) @ params["b"]) ** 2).mean()

    params = {"a": jnp.ones((200, 300)), "b": jnp.ones((300, 10))}
    assert auto(loss, params).operator.removeprefix("structured-") == "rev"


def test_small_functions_are_chosen_for_as_ever() -> None:
    def polar(p: Any) -> Any:
        return jnp.stack([p[0] * jnp.cos(p[1]), p[0] * jnp.sin(p[1])])

    for derivative in OPERATORS:
        assert auto(polar, jnp.ones(2), derivative) == choose(derivative, facts(polar, jnp.ones(2)))


def test_a_barred_direction_is_not_considered() -> None:
    def unknown(s: Any) -> Any:
        return lax.while_loop(lambda s: s.sum() < 9, step, written_out(30)(s))

    assert auto(lambda s: unknown(s).sum(), jnp.ones(2)).operator.endswith("fwd")


def test_runs_count_passes() -> None:
    assert run_seconds("fwd", 100, 5, 1e-3) == pytest.approx(0.2)  # a pass is two runs
    assert run_seconds("rev", 100, 5, 1e-3) == pytest.approx(0.015)
    assert run_seconds("structured-fwd", 50, 5, 1e-3) == pytest.approx(0.01)
