"""The Python door: `jaccli.jacobian`, `jaccli.hessian`, `jaccli.gradient` and the others."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaccli
from jaccli import backend
from jaccli.choices import DECIDED_MODES, MODES
from jaccli.derivative import api, operators

_rng = np.random.default_rng(11)
W, X, V = _rng.normal(size=(3, 5)), _rng.normal(size=5), _rng.normal(size=5)
A = _rng.normal(size=(4, 4))

JACOBIAN_MODES, HESSIAN_MODES, HVP_MODES = (
    list(MODES[derivative]) for derivative in ("jacobian", "hessian", "hvp")
)


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def forecast(w: Any, x: Any) -> Any:
    return jnp.tanh(w @ x)


def slope() -> Any:
    return 1 - np.tanh(W @ X) ** 2


def forecast_jacobian() -> Any:
    return slope()[:, None] * W


def forecast_hessian() -> Any:
    return (-2 * np.tanh(W @ X) * slope())[:, None, None] * W[:, :, None] * W[:, None, :]


def close(actual: Any, expected: Any) -> None:
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)


# Closed forms


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_jacobian_of_the_forecast(mode: str) -> None:
    close(jaccli.jacobian(forecast, 1, mode=mode)(W, X), forecast_jacobian())


@pytest.mark.parametrize("mode", HESSIAN_MODES)
def test_hessian_of_the_forecast(mode: str) -> None:
    close(jaccli.hessian(forecast, 1, mode=mode)(W, X), forecast_hessian())


@pytest.mark.parametrize("mode", HVP_MODES)
def test_hvp_of_a_quadratic_form_is_its_symmetric_part_times_the_tangent(mode: str) -> None:
    def form(x: Any) -> Any:
        return x @ A @ x

    close(jaccli.hvp(form, mode=mode)(X[:4], V[:4]), (A + A.T) @ V[:4])


def test_the_modes_of_the_door_are_those_of_the_registries() -> None:
    for derivative, modes in (
        ("jacobian", operators.JACOBIAN),
        ("hessian", operators.HESSIAN),
        ("hvp", operators.HVP),
    ):
        available = set(MODES[derivative])
        assert available - set(DECIDED_MODES) == set(modes)


# Arguments


@pytest.mark.parametrize("argnums", [1, -1, np.int64(1)])
def test_argnums_name_one_argument(argnums: Any) -> None:
    close(jaccli.jacobian(forecast, argnums)(W, X), forecast_jacobian())


@pytest.mark.parametrize("argnums", [(1, 0), (-1, 0), [1, 0]])
def test_several_argnums_give_a_tuple_in_their_order(argnums: Any) -> None:
    by_x, by_w = jaccli.jacobian(forecast, argnums)(W, X)
    close(by_x, forecast_jacobian())
    close(by_w, np.einsum("i,ij,k->ijk", slope(), np.eye(3), X))


def test_hessian_by_several_argnums_is_a_tuple_of_tuples() -> None:
    ((ss, sx), (xs, xx)) = jaccli.hessian(lambda s, x: s**2 * jnp.sum(x**2), (0, 1))(3.0, X)
    close(ss, 2 * X @ X)
    close(sx, 2 * 3 * 2 * X)
    close(xs, 2 * 3 * 2 * X)
    close(xx, 2 * 9 * np.eye(5))


def test_hvp_by_several_argnums_takes_and_gives_a_tuple() -> None:
    product = jaccli.hvp(lambda s, x: s**2 * jnp.sum(x**2), (0, 1))
    by_s, by_x = product(3.0, X, (0.5, V))
    close(by_s, 2 * X @ X * 0.5 + 12 * X @ V)
    close(by_x, 12 * X * 0.5 + 18 * V)


def test_trees_go_in_and_come_out() -> None:
    def f(tree: Any) -> Any:
        return {"sum": tree["a"] + tree["b"][0], "product": [tree["a"] * tree["b"][0]]}

    found = jaccli.jacobian(f)({"a": X[:2], "b": (V[:2],)})
    close(found["sum"]["a"], np.eye(2))
    close(found["sum"]["b"][0], np.eye(2))
    close(found["product"][0]["a"], np.diag(V[:2]))
    close(found["product"][0]["b"][0], np.diag(X[:2]))


def test_plain_numbers_lists_and_keywords_are_arguments() -> None:
    close(jaccli.jacobian(lambda x: x**2)(3.0), 6.0)
    close(jaccli.hessian(lambda x: x**3)(2.0), 12.0)
    close(jaccli.hvp(lambda x: x**3)(2.0, 0.5), 6.0)
    close(jaccli.jacobian(lambda x, *, k: k * x**2)(3.0, k=2.0), 12.0)
    assert [float(part) for part in jaccli.jacobian(lambda x: x[0] * x[1])([2.0, 3.0])] == [3, 2]


def test_a_constant_has_the_derivative_zero() -> None:
    close(jaccli.jacobian(lambda x: 3.0)(X), np.zeros(5))


def test_nothing_has_an_empty_derivative() -> None:
    for mode in JACOBIAN_MODES:
        assert jaccli.jacobian(lambda x: 2 * x, mode=mode)(np.zeros(0)).shape == (0, 0)


def test_float32_arguments_give_float32() -> None:
    small = X.astype(np.float32)
    for mode in JACOBIAN_MODES:
        assert jaccli.jacobian(jnp.sin, mode=mode)(small).dtype == np.float32


# Transformations


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_jacobian_traces_under_jit_and_vmap(mode: str) -> None:
    jacobian = jaccli.jacobian(forecast, 1, mode=mode)
    rows = np.stack([X, V])
    found = jax.jit(jax.vmap(jacobian, in_axes=(None, 0)))(W, rows)
    expected = [(1 - np.tanh(W @ x) ** 2)[:, None] * W for x in rows]
    close(found, np.stack(expected))


def test_operators_nest() -> None:
    third = jaccli.jacobian(jaccli.hessian(lambda x: jnp.sum(x**3)))(X[:2])
    expected = np.zeros((2, 2, 2))
    expected[0, 0, 0] = expected[1, 1, 1] = 6
    close(third, expected)
    close(jax.jit(jaccli.hvp(lambda x: jnp.sum(x**3)))(X, V), 6 * X * V)


# Errors


@pytest.mark.parametrize(
    ("operator", "mode", "message"),
    [
        (
            jaccli.jacobian,
            "fwd-rev",
            "jacobian has no mode 'fwd-rev'; "
            "expected one of ['auto', 'fwd', 'rev', 'loop', "
            "'structured', 'structured-fwd', 'structured-rev', 'sparse', 'tuned']",
        ),
        (
            jaccli.hessian,
            "fwd",
            "hessian has no mode 'fwd'; "
            "expected one of ['auto', 'fwd-fwd', 'fwd-rev', 'rev-fwd', 'rev-rev', 'structured', "
            "'structured-fwd-fwd', 'structured-fwd-rev', 'structured-rev-fwd', "
            "'structured-rev-rev', 'sparse', 'tuned']",
        ),
        (
            jaccli.hvp,
            "rev-fwd",
            "hvp has no mode 'rev-fwd'; expected one of ['auto', 'fwd-rev', 'rev-rev', "
            "'fwd-fwd', 'tuned']",
        ),
    ],
)
def test_a_wrong_mode_is_refused_before_the_call(
    operator: Callable[..., Any], mode: str, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        operator(jnp.sin, mode=mode)
    assert str(caught.value) == message


@pytest.mark.parametrize("argnums", [2, -3, (0, 2)])
def test_argnums_out_of_range_are_refused(argnums: Any) -> None:
    with pytest.raises(ValueError, match="is out of range for 2 positional arguments"):
        jaccli.jacobian(forecast, argnums)(W, X)


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_integers_are_refused(mode: str) -> None:
    with pytest.raises(TypeError, match="only floats are differentiated, not int64"):
        jaccli.jacobian(lambda x: x * 2.0, mode=mode)(np.arange(3))


# The door itself


def test_importing_jaccli_loads_neither_jax_nor_numpy() -> None:
    code = (
        "import sys, jaccli; jaccli.__version__; "
        "print([name for name in ('jax', 'numpy', 'yaml', 'typer') if name in sys.modules]); "
        "jaccli.jacobian; print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]


REGISTERED = [name for name in jaccli.__all__ if hasattr(api, name)]


def test_the_examples_of_the_docstrings() -> None:
    results = doctest.testmod(api)
    assert (results.failed, results.attempted > 5) == (0, True)
    for name in REGISTERED:  # each has one, whatever wraps it
        examples = doctest.DocTestFinder().find(getattr(jaccli, name), globs=vars(api))
        assert examples[0].examples, name


def cubes(x: Any, y: Any) -> Any:
    """Return sum x³ y, and something beside it."""
    return (x**3 * y).sum(), {"rows": x.shape[0], "sum": x.sum()}


CX, CY = np.array([1.0, -2.0, 0.5]), np.array([3.0, 0.25, -1.0])
SLOPES = 3 * CX**2 * CY, CX**3


def test_gradients_are_those_derived_by_hand() -> None:
    main = lambda x, y: cubes(x, y)[0]  # noqa: E731
    np.testing.assert_allclose(jaccli.gradient(main)(CX, CY), SLOPES[0], rtol=1e-15)
    by_both = jaccli.gradient(main, (0, -1))(CX, CY)
    for found, right in zip(by_both, SLOPES, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-15)
    value, slope = jaccli.value_and_gradient(main, 1)(CX, CY)
    np.testing.assert_allclose(value, np.sum(CX**3 * CY), rtol=1e-15)
    np.testing.assert_allclose(slope, SLOPES[1], rtol=1e-15)


@pytest.mark.parametrize("mode", ["auto", "rev", "structured"])
def test_what_is_beside_the_output_is_handed_through(mode: str) -> None:
    beside = {"rows": 3, "sum": pytest.approx(-0.5)}
    slope, aux = jaccli.gradient(cubes, has_aux=True, mode=mode)(CX, CY)
    np.testing.assert_allclose(slope, SLOPES[0], rtol=1e-15)
    assert aux == beside
    (value, aux), slope = jaccli.value_and_gradient(cubes, 0, True, mode=mode)(CX, CY)
    np.testing.assert_allclose(value, np.sum(CX**3 * CY), rtol=1e-15)
    assert aux == beside
    matrix, aux = jaccli.hessian(cubes, has_aux=True)(CX, CY)
    np.testing.assert_allclose(matrix, np.diag(6 * CX * CY), rtol=1e-15)
    assert aux == beside
    product, aux = jaccli.hvp(cubes, has_aux=True)(CX, CY, CY)
    np.testing.assert_allclose(product, 6 * CX * CY**2, rtol=1e-15)
    assert aux == beside
    row, aux = jaccli.jacobian(cubes, has_aux=True, mode=mode)(CX, CY)
    np.testing.assert_allclose(row, SLOPES[0], rtol=1e-15)
    assert aux == beside


def test_products_take_and_return_trees() -> None:
    f = lambda p, s: {"y": p["a"] ** 2 * s, "z": p["b"].sum()}  # noqa: E731
    p, t = {"a": CX, "b": CY}, {"a": CY, "b": CX}
    out, along = jaccli.jvp(f, (p, 2.0), (t, 1.0))
    np.testing.assert_allclose(out["y"], 2 * CX**2, rtol=1e-15)
    np.testing.assert_allclose(along["y"], 4 * CX * CY + CX**2, rtol=1e-15)
    np.testing.assert_allclose(along["z"], CX.sum(), rtol=1e-15)
    out, pull = jaccli.vjp(f, p, 2.0)
    by_p, by_s = pull({"y": jnp.asarray(CY), "z": jnp.asarray(2.0)})
    np.testing.assert_allclose(by_p["a"], 4 * CX * CY, rtol=1e-15)
    np.testing.assert_allclose(by_p["b"], [2, 2, 2], rtol=1e-15)
    np.testing.assert_allclose(by_s, np.sum(CX**2 * CY), rtol=1e-15)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no scalar": (
        lambda: jaccli.gradient(lambda x: x)(CX),
        r"^gradient: the output is of shape \(3,\), and no scalar; jacobian takes it$",
    ),
    "a tree": (
        lambda: jaccli.gradient(lambda x: {"y": x[0]})(CX),
        r"^gradient: the output is a dict, and no scalar; jacobian takes it$",
    ),
    "no pair": (
        lambda: jaccli.hessian(lambda x: x.sum(), has_aux=True)(CX),
        r"^has_aux: the function returns a pair \(output, aux\), not ",
    ),
    "JAX's own": (
        lambda: jaccli.jacobian(lambda x: x, holomorphic=True),  # type: ignore[call-arg]
        "^jacobian has no holomorphic: derivatives are of real functions; take JAX's own for "
        "complex ones$",
    ),
    "integers allowed": (
        lambda: jaccli.value_and_gradient(lambda x: x, allow_int=True),  # type: ignore[call-arg]
        r"^value_and_gradient has no allow_int: derivatives are with respect to floats; "
        r"convert integers \(`x.astype\(float\)`\)$",
    ),
    "reduced axes": (
        lambda: jaccli.vjp(lambda x: x, 1.0, reduce_axes=()),  # type: ignore[call-arg]
        "^vjp has no reduce_axes: sum over a mapped axis with `jax.lax.psum` in the function$",
    ),
    "names": (
        lambda: jaccli.hessian(lambda x: x, argnames="x"),  # type: ignore[call-arg]
        "^hessian has no argnames: arguments are chosen by position, with `argnums`$",
    ),
    "JAX's name of the function": (
        lambda: jaccli.gradient(fun=lambda x: x),  # type: ignore[call-arg]
        "^gradient has no fun: the function is the first argument, `f`$",
    ),
    "a misspelling": (
        lambda: jaccli.hvp(lambda x: x, argnum=1),  # type: ignore[call-arg]
        r"hvp\(\) got an unexpected keyword argument 'argnum'$",
    ),
    "no scalar of an hvp": (
        lambda: jaccli.hvp(lambda x: x)(CX, CX),
        r"^hvp: the output is of shape \(3,\), and no scalar; hessian takes it$",
    ),
    "no tangent": (
        lambda: jaccli.hvp(lambda x: x)(CX),
        "^hvp: the arguments are the primals and, last, the tangent$",
    ),
    "integers": (lambda: jaccli.vjp(lambda x: x, np.arange(3)), "^only floats are differentiated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_as_asked_is_a_type_error(name: str) -> None:
    act, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        act()


def test_a_tangent_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^hvp: the tangent has the shape \(2,\), the argument "):
        jaccli.hvp(lambda x: (x**2).sum())(CX, CX[:2])


def test_the_door_lists_what_there_is() -> None:
    assert dir(jaccli) == sorted(jaccli.__all__)
    assert all(callable(getattr(jaccli, name)) for name in jaccli.__all__ if name[0] != "_")
    with pytest.raises(AttributeError, match="no attribute 'jacobain'"):
        jaccli.jacobain  # type: ignore[attr-defined]  # noqa: B018


USERS = """
import jax
import jaccli

def f(x: jax.Array, y: jax.Array) -> jax.Array:
    return (x * y).sum()

slope = jaccli.gradient(f, argnums=(0, 1), mode="rev")(jax.numpy.ones(3), jax.numpy.ones(3))
value, row = jaccli.value_and_gradient(f)(jax.numpy.ones(3), jax.numpy.ones(3))
model: jaccli.Model = jaccli.model("x**2", at={"x": jax.numpy.ones(3)}, dtype="float32")
result: jaccli.Result = model.jacobian(wrt="x", at={"x": 2.0}, mode="fwd")
text: str = str(model.check(of="jacobian")) + str(model.plan().data()["mode"])
passed: bool = jaccli.load("spec.yaml", set={"inputs.x": [1.0, 2.0]}).check().passed
wrong = jaccli.hessian(f, argnum=1)
also_wrong = model.gradient(mod="fwd")
"""


@pytest.mark.slow
def test_a_users_types_are_checked(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(USERS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "users.py"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith("Found 2 errors in 1 file"), done.stdout
    assert 'Unexpected keyword argument "argnum" for "hessian"' in done.stdout
    assert 'Unexpected keyword argument "mod" for "gradient"' in done.stdout
