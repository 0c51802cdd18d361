"""Where JAX differentiates a function `auto` does, and what is refused is said in one sentence."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaccli
from jaccli import backend
from jaccli.derivative import sparse, structure_losses, structured
from jaccli.derivative.refusal import NotDifferentiable
from jaccli.derivative.structure_losses import StructureError, StructureWarning
from jaccli.derivative.structured import interpret as interpreter
from jaccli.derivative.structured.registry import RULES
from tests.thinned import thinned_pairs


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


@jax.custom_vjp
def clipped(x: Any) -> Any:
    return x**2


clipped.defvjp(lambda x: (x**2, x), lambda x, u: (jnp.clip(2 * x * u, -1, 1),))


def halved(x: Any) -> Any:
    """Halve x until it is small: a loop of unknown length."""
    return lax.while_loop(lambda y: jnp.sum(y**2) > 0.1, lambda y: y / 2, x) ** 2


X = np.array([0.5, 0.8, 1.5])
MODES = ["auto", "structured", "sparse"]


def halvings() -> float:
    y = X
    while np.sum(y**2) > 0.1:
        y = y / 2
    return float(y[0] / X[0])


@pytest.mark.parametrize("mode", MODES)
def test_a_custom_rule_is_what_is_differentiated(mode: str) -> None:
    found = jax.jit(jaccli.jacobian(lambda x: clipped(x), mode=mode))(X)
    np.testing.assert_allclose(found, np.diag(np.clip(2 * X, -1, 1)), rtol=1e-15)


WEIGHTS = np.array([1.0, -0.5, 0.25])
BACKWARD: dict[str, Callable[[Any], Any]] = {
    "adds": lambda u: u + 0.1,
    "is constant": jnp.ones_like,
    "replaces": lambda u: jnp.where(jnp.abs(u) < 0.3, 0.7, u),
    "scales by the norm": lambda u: u * jnp.minimum(1.0, 0.5 / (1e-30 + jnp.linalg.norm(u))),
    "sets one": lambda u: u.at[1].set(0.4),
    "adds in a branch": lambda u: lax.cond(u[0] > 0.5, lambda u: u + 1.0, lambda u: u, u),
    "adds in a loop": lambda u: lax.fori_loop(0, 3, lambda _, u: u / 2 + 0.1, u),
    "is of 0 not 0": jnp.cos,
    "has no NaN": jnp.nan_to_num,
}
"""Backward rules, all but the last one of which the engine must not take for linear."""


@pytest.mark.parametrize(("name", "mode"), thinned_pairs(list(BACKWARD), list(MODES), 3))
def test_a_backward_rule_may_be_anything(name: str, mode: str) -> None:
    """Row i is the rule applied to e_i ⊙ w, by JAX's own definition of it."""
    rule = BACKWARD[name]

    @jax.custom_vjp
    def ruled(x: Any) -> Any:
        return x

    ruled.defvjp(lambda x: (x, None), lambda _, u: (rule(u),))
    found = jaccli.jacobian(lambda x: ruled(x) * WEIGHTS, mode=mode)(X)
    rows = [rule(jnp.asarray(row)) for row in np.diag(WEIGHTS)]
    np.testing.assert_allclose(found, rows, rtol=1e-15)


@pytest.mark.parametrize("mode", MODES)
def test_hessians_go_forward_through_a_loop_of_unknown_length(mode: str) -> None:
    found = jax.jit(jaccli.hessian(lambda x: halved(x).sum(), mode=mode))(X)
    np.testing.assert_allclose(found, 2 * halvings() ** 2 * np.eye(3), rtol=1e-14)


def test_products_with_hessians_go_forward_through_a_loop_of_unknown_length() -> None:
    v = np.array([1.0, 2.0, -1.0])
    found = jax.jit(jaccli.hvp(lambda x: halved(x).sum()))(X, v)
    np.testing.assert_allclose(found, 2 * halvings() ** 2 * v, rtol=1e-14)


def line_of(f: Callable[..., Any], text: str) -> str:
    """Return `file:line` of the line of f that holds the text."""
    lines, first = inspect.getsourcelines(f)
    number = next(k for k, line in enumerate(lines) if text in line)
    return f"test_falling_back.py:{first + number}"


def test_a_refusal_names_the_operation_and_its_line() -> None:
    place = line_of(halved, "while_loop")
    with pytest.raises(NotDifferentiable) as refused:
        jaccli.jacobian(halved, mode="rev")(X)
    assert str(refused.value) == (
        "jacobian by mode rev: reverse mode does not go through a `while_loop` "
        f"({place}); mode fwd works"
    )


def test_what_no_mode_differentiates_is_refused_once() -> None:
    """Neither forward, by the custom rule, nor in reverse, by the loop."""
    with pytest.raises(
        NotDifferentiable, match=r"^jacobian by mode auto: (forward|reverse) mode does not"
    ):
        jax.jit(jaccli.jacobian(lambda x: clipped(halved(x))))(X)


def test_an_operation_whose_rule_fails_is_taken_densely_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setitem(RULES, "rev", broken)

    def f(x: Any) -> Any:
        return x[::-1] ** 2

    with pytest.warns(StructureWarning, match=r"failed on `rev` \(test_falling_back.py:\d+\)"):
        found = jaccli.jacobian(f)(X)
    np.testing.assert_array_equal(found, np.diag(2 * X[::-1])[:, ::-1])


@pytest.mark.parametrize("mode", ["auto", "sparse"])
def test_an_engine_that_fails_as_a_whole_gives_way_to_a_plain_mode(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(eqn: Any, operands: Any) -> Any:
        raise ValueError("not batched")

    monkeypatch.delitem(RULES, "rev")
    monkeypatch.setattr(interpreter, "fallback", refuse)
    monkeypatch.setattr(sparse.detect, "jacobian_pattern", refuse)
    monkeypatch.setitem(sparse.detect.PATTERNS, "jacobian", refuse)

    def f(x: Any) -> Any:
        return x[::-1] ** 2

    place = line_of(f, "return")
    with pytest.warns(StructureWarning) as caught:
        found = jaccli.jacobian(f, mode=mode)(X)
    np.testing.assert_array_equal(found, np.diag(2 * X[::-1])[:, ::-1])
    assert f"rev ({place}): not batched" in str(caught[0].message) or mode == "sparse"
    assert "computed by mode fwd" in str(caught[0].message)


def test_mode_structured_reports_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(eqn: Any, operands: Any) -> Any:
        raise ValueError("not batched")

    monkeypatch.delitem(RULES, "rev")
    monkeypatch.setattr(interpreter, "fallback", refuse)
    with pytest.raises(StructureError, match=r"^rev \(test_falling_back.py:\d+\): not batched$"):
        jaccli.jacobian(lambda x: x[::-1], mode="structured")(X)


def test_what_cannot_be_batched_is_taken_one_column_after_another() -> None:
    def double(x: Any) -> Any:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)

        @jax.custom_jvp
        def f(x: Any) -> Any:
            return jax.pure_callback(lambda v: 2 * np.asarray(v), shape, x)

        f.defjvp(lambda p, t: (f(*p), jax.pure_callback(lambda v: 2 * np.asarray(v), shape, t[0])))
        return f(x)

    found = jax.jit(jaccli.jacobian(double, mode="structured"))(X)
    np.testing.assert_array_equal(found, 2 * np.eye(3))


def test_losses_of_structure_are_recorded_with_their_lines() -> None:
    def f(x: Any) -> Any:
        return lax.sort(x)

    with structure_losses.recorded() as lost:
        jax.eval_shape(lambda x: structured.forward(f, x), X)
    assert lost[0].line == line_of(f, "return")


@pytest.mark.parametrize(
    ("f", "operator"),
    [
        (lambda x: jax.scipy.linalg.schur(x.reshape(2, 2))[0], jaccli.jacobian),
        (lambda x: lax.map(lambda a: jax.scipy.special.gammainc(a, 2.0), x), jaccli.hessian),
    ],
    ids=["first", "second, in a loop"],
)
def test_a_refusal_by_jax_names_the_line(f: Any, operator: Any) -> None:
    with pytest.raises(NotDifferentiable, match=r"not implemented \(test_falling_back.py:\d+\)"):
        operator(f)(jnp.arange(1.0, 5.0))


def test_what_is_not_differentiated_is_not_blamed() -> None:
    groups = jnp.array([0, 0, 1, 1])

    def f(x: Any) -> Any:
        fine = jax.ops.segment_prod(lax.stop_gradient(x), groups, 2)
        return jax.ops.segment_prod(jnp.sin(x), groups, 2) * fine

    with pytest.raises(NotDifferentiable) as refusal:
        jaccli.jacobian(f, mode="tuned")(jnp.arange(1.0, 5.0))
    line = inspect.getsourcelines(f)[1] + 2
    assert f"(test_falling_back.py:{line})" in str(refusal.value)


def test_python_that_looks_at_numbers_is_differentiated_where_there_are_any() -> None:
    def f(x: Any) -> Any:
        return x**2 if x[0] > 0 else x

    x = jnp.arange(1.0, 4.0)
    with pytest.warns(StructureWarning, match="looks at numbers of its inputs"):
        np.testing.assert_array_equal(jaccli.jacobian(f)(x), np.diag(2 * x))
    with pytest.warns(StructureWarning):
        found = jaccli.hvp(lambda x: jnp.sum(f(x)))(x, x)
    np.testing.assert_array_equal(found, 2 * x)
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(jaccli.jacobian(f))(x)


@pytest.mark.parametrize("mode", ["auto", "sparse", "tuned", "fwd", "rev"])
def test_a_custom_rule_may_use_values_of_the_function_around_it(mode: str) -> None:
    """They are values of a trace, which a program that is traced once does not have."""
    weight = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)))

    def f(x: Any) -> Any:
        gram = weight @ weight.T

        @jax.custom_jvp
        def g(x: Any) -> Any:
            return gram @ x

        @g.defjvp
        def rule(primals: Any, tangents: Any) -> Any:
            return g(*primals), 2 * (gram @ tangents[0])

        return g(x) ** 2

    x, gram = jnp.arange(1.0, 5.0), np.asarray(weight @ weight.T)
    y = gram @ np.asarray(x)
    np.testing.assert_allclose(jax.jit(jaccli.jacobian(f, mode=mode))(x), 4 * y[:, None] * gram)
    if mode not in ("fwd", "rev"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StructureWarning)
            found = jax.jit(jaccli.hessian(lambda x: f(x).sum(), mode=mode))(x)
        np.testing.assert_allclose(found, 8 * gram @ gram, rtol=1e-6)
