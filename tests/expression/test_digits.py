"""Derivatives are right to the last digits: as mpmath, closed forms and exact integers say."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaccli.derivative.structured import engine
from jaccli.expression import FUNCTIONS, evaluate, parse

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "oracles"))
from digits import BARS, MODES, Digits, examined
from digits_cases import CASES, Case

from tests.thinned import thinned

ELEMENTWISE = {"trigonometric", "elementwise", "activation", "special"}
"""The categories whose functions are element-wise, but for these."""
OTHERS = {"softmax", "log_softmax", "select", "piecewise", "ldexp"}
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""Compiling is most of the time that these tests take."""
SLOW = {"betafn", "zetafn", "gammainc", "gammaincc"}
"""Functions that take a second or more to compile."""
OWN = [
    name
    for name in CASES
    if ".library." in FUNCTIONS[name].target
    and name not in SLOW
    and FUNCTIONS[name].target.endswith(name)
]
EVERY = [
    pytest.param(name, case, id=f"{name}-{number}")
    for name, cases in CASES.items()
    for number, case in enumerate(cases)
]


def test_every_element_wise_function_has_a_case() -> None:
    found = {f.name for f in FUNCTIONS.values() if f.category in ELEMENTWISE}
    assert set(CASES) == found - OTHERS


def check(found: Digits, dtype: str) -> None:
    for error, bar, where in zip(found.errors, BARS[dtype], found.where, strict=True):
        assert error <= bar, f"{found.name} in {dtype} at {where}"


@pytest.mark.parametrize("number", thinned(range(len(OWN)), 8), ids=lambda n: OWN[n])
def test_functions_with_rules_of_their_own_keep_their_digits(number: int) -> None:
    """In one mode each, at some of the points."""
    name = OWN[number]
    mode = MODES[number % len(MODES)]
    check(examined(name, CASES[name][0], "float64", [mode], 9, QUICK), "float64")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", BARS)
@pytest.mark.parametrize(("name", "case"), EVERY)
def test_every_function_keeps_its_digits_in_every_mode(name: str, case: Case, dtype: str) -> None:
    check(examined(name, case, dtype), dtype)


# Values of single points, and where they come from.

WAYS: dict[str, Callable[..., Any]] = {"fwd": jax.jacfwd, "rev": jax.jacrev}


def model(text: str, dtype: str = "float64") -> Callable[..., Any]:
    """Return an expression as a function of its names in their order."""
    expression = parse(text)
    return lambda *x: evaluate(expression, dict(zip(expression.names, x, strict=True)), dtype=dtype)


def compiled(*programs: Any) -> Any:
    """Return the function of the arguments that gives the results of several, as one program."""
    return jax.jit(lambda *x: [program(*x) for program in programs], compiler_options=QUICK)


def gradients(text: str, *x: Any, dtype: str = "float64") -> list[Any]:
    """Return the derivative by the first input in both modes."""
    at = [jnp.asarray(each, dtype) for each in x]
    return compiled(*(way(model(text, dtype)) for way in WAYS.values()))(*at)  # type: ignore[no-any-return]


def hessians(text: str, *x: Any, argnums: Any = 0) -> list[Any]:
    """Return the second derivative by an input in the four modes."""
    f = model(text)
    at = [jnp.asarray(each, "float64") if not isinstance(each, np.ndarray) else each for each in x]
    pairs = itertools.product(WAYS.values(), repeat=2)
    return compiled(*(outer(inner(f, argnums), argnums) for outer, inner in pairs))(*at)  # type: ignore[no-any-return]


GRADIENTS: list[tuple[str, tuple[Any, ...], float]] = [
    ("tanh(x)", (19.0,), float(mp.sech(19) ** 2)),
    ("expm1(x)", (-40.0,), math.exp(-40)),
    ("digamma(x)", (-10.5,), float(mp.psi(1, mp.mpf(-10.5)))),
    ("digamma(x)", (-16.5,), float(mp.psi(1, mp.mpf(-16.5)))),
    ("digamma(x)", (-8.5,), float(mp.psi(1, mp.mpf(-8.5)))),
    ("digamma(x)", (-7.75,), float(mp.psi(1, mp.mpf(-7.75)))),
    ("gammainc(1.0, x)", (0.0,), 1.0),  # 1 − exp(−x)
    ("gammaincc(1.0, x)", (0.0,), -1.0),
    ("gammainc(2.0, x)", (0.0,), 0.0),  # 1 − (1 + x) exp(−x)
    ("gammainc(0.5, x)", (0.0,), math.inf),
    ("i0(x)", (0.0,), 0.0),  # even
    ("i1(x)", (0.0,), 0.5),
    ("ndtri(x)", (0.0,), math.inf),
    ("ndtri(x)", (1.0,), math.inf),
    ("rel_entr(x, y)", (0.0, 0.5), -math.inf),  # the limit of log(p / q) + 1
    ("kl_div(x, y)", (0.0, 0.5), -math.inf),
    ("entr(x)", (0.0,), math.inf),
    ("sum(x**arange(4))", (0.0,), 1.0),  # 1 + x + x² + x³
    ("sum(power(x, arange(4)))", (0.0,), 1.0),
    ("logaddexp(x, y)", (-math.inf, -math.inf), 0.5),
    ("logaddexp(x, y)", (3.0, 3.0), 0.5),
    ("hypot(x, y)", (0.0, 2.0), 0.0),
]
"""Expressions of x, points, and the derivatives by x."""


@pytest.mark.parametrize(("text", "at", "right"), GRADIENTS)
def test_first_derivatives(text: str, at: tuple[Any, ...], right: float) -> None:
    for found in gradients(text, *at):
        np.testing.assert_allclose(found, right, rtol=1e-13)


HESSIANS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("i0(x)", (0.0,), 0.5),  # 1 + x² / 4 + …
    ("i1(x)", (0.0,), 0.0),
    ("gammainc(1.0, x)", (0.0,), -1.0),
    ("gammainc(2.0, x)", (0.0,), 1.0),
    ("gammainc(3.0, x)", (0.0,), 0.0),
    ("sinc(x)", (0.0,), -(math.pi**2) / 3),
    ("hypot(x, y)", (0.0, 2.0), 0.5),  # y² / h³
    ("hypot(x, y)", (3.0, 4.0), 16 / 125),
    ("hypot(x, y)", (1.0, 1.0), 2**-1.5),
    ("arctanh(x)", (1e-9,), 2e-9),
    ("sum(x**arange(4))", (0.0,), 2.0),
    ("tanh(-100000000.0*x) * (-100000000.0*x)**2", (1.0,), -2e16),
]
"""Expressions of x, points, and the second derivatives by x."""


@pytest.mark.parametrize(("text", "at", "right"), thinned(HESSIANS, 5))
def test_second_derivatives_in_every_mode(text: str, at: tuple[Any, ...], right: float) -> None:
    for found in hessians(text, *at):
        np.testing.assert_allclose(found, right, rtol=1e-13, atol=1e-300)


def test_second_derivatives_of_whole_powers_at_0() -> None:
    """Of x and x², only x² has one."""
    for found in hessians("sum(x**k)", np.array([0.0, 2.0]), np.array([1, 2])):
        np.testing.assert_array_equal(found, [[0, 0], [0, 2]])


@pytest.mark.slow
def test_second_derivatives_of_betaln_at_a_tie() -> None:
    """betaln(a, b) − betaln(a + 1, b) = log(a + b) − log(a)."""
    for found in hessians("betaln(a, b) - betaln(a + 1, b)", 1.0, 1.0, argnums=(0, 1)):
        np.testing.assert_allclose(found, [[0.75, -0.25], [-0.25, -0.25]], rtol=1e-14)


def test_the_derivative_of_sinc_near_0_in_float32() -> None:
    for found in gradients("sinc(x)", 1e-6, dtype="float32"):
        np.testing.assert_allclose(found, -(math.pi**2) * 1e-6 / 3, rtol=1e-6)


def test_sinc_of_whole_numbers_is_0() -> None:
    whole = jnp.array([-7.0, 3.0, 1000.0], "float32")
    np.testing.assert_array_equal(model("sinc(x)", "float32")(whole), 0)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "silu", "gelu", "mish"])
def test_third_derivatives(name: str) -> None:
    """Against differences of the second ones."""
    f = FUNCTIONS[name].resolve()
    second = jax.grad(jax.grad(f))
    x = jnp.array([-2.3, 0.0, 0.4, 3.1])
    found, before, after = jax.jit(
        lambda x: [
            jax.vmap(jax.grad(second))(x),
            jax.vmap(second)(x - 1e-5),
            jax.vmap(second)(x + 1e-5),
        ],
        compiler_options=QUICK,
    )(x)
    np.testing.assert_allclose(found, (after - before) / 2e-5, rtol=1e-6, atol=1e-9)


# Determinants, whose second derivatives are minors: exact integers of integer matrices.


def exact_det(a: list[list[int]]) -> int:
    """Return a determinant by expansion."""
    if not a:
        return 1
    rest = [row[1:] for row in a]
    signed = ((-1) ** i * row[0] for i, row in enumerate(a))
    return sum(c * exact_det(rest[:i] + rest[i + 1 :]) for i, c in enumerate(signed) if c)


def second_minors(a: list[list[int]]) -> np.ndarray:
    """Return the second derivatives of a determinant."""
    n = len(a)
    found = np.zeros((n,) * 4)
    for i, j, k, m in itertools.product(range(n), repeat=4):
        if i != k and j != m:
            left = [[a[r][c] for c in range(n) if c not in (j, m)] for r in range(n)]
            minor = exact_det([row for r, row in enumerate(left) if r not in (i, k)])
            found[i, j, k, m] = minor * (-1) ** (i + j + k + m) * (1 if (i < k) == (j < m) else -1)
    return found


SINGULAR = {
    "rank 3 of 4": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 17]],
    "rank 2 of 4": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]],
    "rank 1 of 4": [[k * m for k in (1, 2, 3, 4)] for m in (1, -1, 2, 0)],
    "rank 4 of 4": [[2, 0, 1, 3], [1, -1, 0, 2], [0, 4, 1, 1], [3, 1, 2, 0]],
    "rank 0 of 4": [[0] * 4] * 4,
    "identity": [[int(i == j) for j in range(5)] for i in range(5)],
}


@pytest.mark.parametrize("name", SINGULAR)
def test_second_derivatives_of_det_are_minors(name: str) -> None:
    matrix = SINGULAR[name]
    right = second_minors(matrix)
    scale = max(1.0, float(np.abs(right).max()))
    for found in hessians("det(a)", np.array(matrix, float)):
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-12 * scale)


def test_the_derivative_of_det_has_the_cofactors() -> None:
    matrix = np.array(SINGULAR["rank 3 of 4"], float)
    right = [[-4, 8, -4, 0], [8, -16, 8, 0], [-4, 8, -4, 0], [0, 0, 0, 0]]
    for found in gradients("det(a)", matrix):
        np.testing.assert_allclose(found, right, atol=1e-12)


# What rules of their own must not cost.


@pytest.mark.parametrize("text", ["tanh(x)", "silu(x) + logaddexp(x, 2*x)", "x**k", "hypot(x, k)"])
def test_structure_is_kept(text: str) -> None:
    """A Jacobian of an element-wise expression is stored as its diagonal."""
    x, k = jnp.linspace(0.5, 1.5, 9), jnp.arange(1.0, 10.0)
    expression = parse(text)

    def f(x: Any) -> Any:
        values = {"x": x, "k": k}
        return evaluate(
            expression, {name: values[name] for name in expression.names}, dtype="float64"
        )

    for way in (engine.forward, engine.reverse):
        result = way(f, x)
        assert result.stored == x.size, way
        np.testing.assert_allclose(result.dense(), jax.jacfwd(f)(x), rtol=1e-14)


def test_slopes_that_are_not_asked_for_are_not_computed() -> None:
    """The derivative of gammainc by a is expensive."""
    text = str(jax.make_jaxpr(jax.grad(lambda x: FUNCTIONS["gammainc"].resolve()(2.5, x)))(1.0))
    assert "igamma_grad_a" not in text
