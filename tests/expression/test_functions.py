"""Every function of the table: its value, its derivative, its type, its signature."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special as sp

from jaccli.expression import CONSTANTS, FUNCTIONS, evaluate, functions, parse
from jaccli.expression.signature import parameters
from tests.thinned import thinned

from .cases import CASES, INPUTS, Case, Kind

ALL = [pytest.param(case, id=case.text) for cases in CASES.values() for case in cases]
STEP = 1e-6
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""Compiling is most of the time that these tests take."""


def model(text: str, dtype: str = "float64") -> Callable[..., jax.Array]:
    """Return the expression as a function of a dictionary of inputs."""
    expression = parse(text)
    return lambda values: evaluate(expression, values, dtype=dtype)


def used(text: str) -> dict[str, np.ndarray]:
    """Return the inputs that an expression uses."""
    return {name: INPUTS[name] for name in parse(text).names if name not in CONSTANTS}


def test_every_function_has_a_case() -> None:
    assert sorted(CASES) == sorted(FUNCTIONS)


def test_the_table_is_large_enough_and_sorted_by_category() -> None:
    listed = functions()
    assert len(listed) == len(FUNCTIONS) >= 100
    assert [(f.category, f.name) for f in listed] == sorted((f.category, f.name) for f in listed)
    assert all(f.summary and "\n" not in f.summary for f in listed)


@pytest.mark.parametrize("case", thinned(ALL, 6))
def test_value_and_derivative(case: Case) -> None:
    primal = used(case.text)
    expected = np.asarray(case.oracle(SimpleNamespace(**INPUTS)))
    if case.kind is Kind.DISCRETE:
        value = jax.jit(model(case.text))(primal)
        assert value.dtype == bool or jnp.issubdtype(value.dtype, jnp.integer)
        np.testing.assert_array_equal(value, expected)
        return
    rng = np.random.default_rng(1)
    tangent = {name: rng.normal(size=np.shape(value)) for name, value in primal.items()}
    push = jax.jit(lambda at: jax.jvp(model(case.text), (at,), (tangent,)), compiler_options=QUICK)
    value, derivative = push(primal)
    assert value.dtype == derivative.dtype == np.float64
    np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-12)
    if case.kind is Kind.CONSTANT:
        np.testing.assert_array_equal(derivative, np.zeros(expected.shape))
        return
    after, _ = push({name: primal[name] + STEP * tangent[name] for name in primal})
    before, _ = push({name: primal[name] - STEP * tangent[name] for name in primal})
    difference = (np.asarray(after) - np.asarray(before)) / (2 * STEP)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
    np.testing.assert_allclose(derivative, difference, rtol=1e-6, atol=1e-8 * scale)
    assert np.any(np.asarray(derivative) != 0)


@pytest.mark.parametrize("case", ALL)
def test_float32_stays_float32_in_64_bit_mode(case: Case) -> None:
    primal = {name: value.astype(np.float32) for name, value in used(case.text).items()}
    result = jax.eval_shape(model(case.text, "float32"), primal)
    if case.kind is Kind.DISCRETE:
        assert not jnp.issubdtype(result.dtype, jnp.floating)
    else:
        assert result.dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("case", [each for each in ALL if each.values[0].kind is Kind.SMOOTH])
def test_reverse_mode_agrees_with_forward_mode(case: Case) -> None:
    primal = used(case.text)
    rng = np.random.default_rng(2)
    tangent = {name: rng.normal(size=np.shape(value)) for name, value in primal.items()}
    cotangent = rng.normal(size=np.shape(case.oracle(SimpleNamespace(**INPUTS))))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def products(primal: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        function = model(case.text)
        _, forward = jax.jvp(function, (primal,), (tangent,))
        (reverse,) = jax.vjp(function, primal)[1](jnp.asarray(cotangent))
        return jnp.sum(cotangent * forward), sum(jnp.sum(reverse[n] * tangent[n]) for n in tangent)

    forward, reverse = products(primal)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-12)


DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sin(x)": np.cos,
    "cos(x)": lambda x: -np.sin(x),
    "tan(x)": lambda x: 1 / np.cos(x) ** 2,
    "arcsin(u)": lambda u: 1 / np.sqrt(1 - u**2),
    "arccos(u)": lambda u: -1 / np.sqrt(1 - u**2),
    "arctan(x)": lambda x: 1 / (1 + x**2),
    "sinh(x)": np.cosh,
    "cosh(x)": np.sinh,
    "tanh(x)": lambda x: 1 / np.cosh(x) ** 2,
    "arcsinh(x)": lambda x: 1 / np.sqrt(1 + x**2),
    "arccosh(g)": lambda g: 1 / np.sqrt(g**2 - 1),
    "arctanh(u)": lambda u: 1 / (1 - u**2),
    "sinc(x)": lambda x: (np.cos(np.pi * x) - np.sinc(x)) / x,
    "exp2(x)": lambda x: math.log(2) * 2**x,
    "expm1(x)": np.exp,
    "log(v)": lambda v: 1 / v,
    "log2(v)": lambda v: 1 / (v * math.log(2)),
    "log10(v)": lambda v: 1 / (v * math.log(10)),
    "log1p(v)": lambda v: 1 / (1 + v),
    "sqrt(v)": lambda v: 0.5 / np.sqrt(v),
    "cbrt(x)": lambda x: 1 / (3 * np.cbrt(x) ** 2),
    "abs(x)": np.sign,
    "erf(x)": lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
    "erfinv(u)": lambda u: np.sqrt(np.pi) / 2 * np.exp(sp.erfinv(u) ** 2),
    "gammafn(v)": lambda v: sp.gamma(v) * sp.digamma(v),
    "gammaln(v)": sp.digamma,
    "digamma(v)": lambda v: sp.polygamma(1, v),
    "i0(x)": sp.i1,
    "ndtr(x)": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    "logit(u)": lambda u: 1 / (u * (1 - u)),
    "entr(u)": lambda u: -np.log(u) - 1,
    "sigmoid(x)": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    "softplus(x)": sp.expit,
    "x**3": lambda x: 3 * x**2,
    "x**-2": lambda x: -2 * x**-3,
    "2**x": lambda x: math.log(2) * 2**x,
    "v**0.5": lambda v: 0.5 / np.sqrt(v),
    "v**v": lambda v: v**v * (1 + np.log(v)),
    "x % 0.4": np.ones_like,
    "x // 0.4": np.zeros_like,
}


@pytest.mark.parametrize("text", DERIVATIVES)
def test_derivative_is_the_textbook_one(text: str) -> None:
    ((name, value),) = used(text).items()
    _, derivative = jax.jit(
        lambda x: jax.jvp(lambda x: model(text)({name: x}), (x,), (jnp.ones_like(x),))
    )(value)
    np.testing.assert_allclose(derivative, DERIVATIVES[text](value), rtol=1e-11)


@pytest.mark.parametrize("text", ["x**2", "x**2.0", "power(x, 2)", "square(x)"])
def test_derivatives_of_a_square_at_zero_are_0_2_0(text: str) -> None:
    first = jax.grad(lambda x: model(text)({"x": x}))
    second = jax.grad(first)
    third = jax.grad(second)
    assert [float(each(0.0)) for each in (first, second, third)] == [0.0, 2.0, 0.0]


def test_product_derivative_is_right_at_a_zero() -> None:
    gradient = jax.grad(lambda x: model("prod(x)")({"x": x}))(jnp.array([3.0, 0.0, 5.0]))
    np.testing.assert_array_equal(gradient, [0.0, 15.0, 0.0])


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.target[:6] != "jaccli"])
def test_defaults_shown_are_those_of_the_function(name: str) -> None:
    shown = inspect.signature(eval(f"lambda {_inside(FUNCTIONS[name].signature)}: 0"))
    real = inspect.signature(FUNCTIONS[name].resolve()).parameters
    for parameter in shown.parameters.values():
        if parameter.default is not parameter.empty:
            default = real[parameter.name].default
            # JAX writes None where numpy writes False.
            assert parameter.default == (default if default is not None else parameter.default)


def _inside(signature: str) -> str:
    """Return what stands between the brackets."""
    return signature[signature.index("(") + 1 : -1]


def test_signatures_declare_required_parameters_first() -> None:
    for function in FUNCTIONS.values():
        declared = parameters(function)
        assert declared
        assert function.signature.startswith(f"{function.name}(")
        assert len({one.name for one in declared}) == len(declared)
