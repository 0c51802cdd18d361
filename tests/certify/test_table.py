"""Every function of the language over balls: its values, held against mpmath and the program's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint")

import mpmath

from jaccli.certify.balls import balls, set_precision
from jaccli.certify.evaluate import evaluate as over_balls
from jaccli.certify.table import CERTIFIED, UNCERTIFIED
from jaccli.expression import FUNCTIONS, parse
from tests.pipeline import solve
from tests.thinned import thinned

INPUTS: dict[str, Any] = {
    "x": np.array([0.3, 0.7, 0.45, 0.9]),
    "y": np.array([1.4, 0.2, 2.5, 0.8]),
    "z": np.array([1.3, -2.6, 3.7, -0.4]),
    "a": np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.7], [0.5, -0.7, 5.0]]),
    "b": np.array([[1.2, -0.3], [0.4, 2.0], [-1.1, 0.6]]),
    "k": np.array([2, 0, 1]),
}
ARGUMENTS = {
    "arccosh": "1 + x", "acosh": "1 + x", "round": "z, 1", "nan_to_num": "z", "sign": "z",
    "abs": "z", "absolute": "z", "copysign": "x, z", "heaviside": "z, 0.5",
    "clip": "z, -1, max=2.0",
    "where": "z > 0, x, y", "isclose": "x, x + 1e-9", "quantile": "z, 0.3", "percentile": "z, 30",
    "average": "x, weights=y", "polygamma": "2, z", "zetafn": "1 + y, x", "gammainc": "y, x",
    "cov": "b", "corrcoef": "b", "diff": "z, 2", "einsum": "'ij,jk->ik', a, b", "kron": "a, b",
    "cross": "x[:3], y[:3]", "trace": "a", "matmul": "a, b", "tensordot": "a, b, 1",
    "norm": "b", "det": "a", "slogdet": "a", "logdet": "a", "inv": "a", "pinv": "b",
    "solve": "a, b", "solve_triangular": "a, b, lower=True", "cholesky": "a", "qr": "b",
    "svdvals": "b", "eigvalsh": "a", "matrix_power": "a, 3", "expm": "a / 3", "triu": "a",
    "tril": "a, -1", "toeplitz": "x", "block_diag": "a, b", "reshape": "x, (2, 2)",
    "swapaxes": "b, 0, 1", "moveaxis": "b, 0, 1", "squeeze": "x[None, :]",
    "expand_dims": "x, 0", "broadcast_to": "x, (2, 4)", "concatenate": "[x, y]",
    "stack": "[x, y]", "hstack": "[x, y]", "vstack": "[x, y]", "column_stack": "[x, y]",
    "append": "x, y", "split": "x, 2", "tile": "x, 2", "repeat": "x, 2", "roll": "x, 1",
    "fliplr": "b", "flipud": "b", "rot90": "b", "diagonal": "a", "pad": "x, 1", "take": "x, k",
    "meshgrid": "x, y", "interp": "x, [0.0, 0.5, 1.0], [1.0, 3.0, 2.0]", "polyval": "x, y",
    "zeros": "3", "ones": "2, 2", "full": "(2,), 3.5", "full_like": "x, 2.5", "eye": "3",
    "identity": "2", "tri": "3", "arange": "0.5, 3, 0.75", "linspace": "0, 1, 5",
    "logspace": "0, 2, 3", "vander": "x", "array": "[1, x[0]]", "any": "z > 0",
    "all": "z > 0", "logical_and": "x > 0.4, y > 1", "logical_or": "x > 0.4, y > 1",
    "logical_xor": "x > 0.4, y > 1", "logical_not": "x > 0.4", "count_nonzero": "z > 0",
    "gammafn": "z", "gammaln": "z", "digamma": "z", "cbrt": "z", "floor": "z", "ceil": "z",
    "trunc": "z", "rint": "z", "signbit": "z", "relu": "z", "relu6": "3 * z", "elu": "z, 2.0",
    "celu": "z, 2.0", "selu": "z", "leaky_relu": "z", "hard_tanh": "z", "hard_sigmoid": "z",
    "hard_silu": "z", "floor_divide": "z, y", "mod": "z, y", "remainder": "z, y",
    "fmod": "z, y", "arctan2": "z, y", "atan2": "z, y", "power": "y, z",
    "normal_pdf": "z, 0.5, 2.0", "ldexp": "x, 3", "multigammaln": "x + 2, 3",
    "betainc": "y, x, x", "cummax": "z", "cummin": "a, 1", "top_k": "a, 2",
    "select": "[z < -1, z < 1], [-z, z**2], 3", "piecewise": "z, [z < 0, z > 1], [-z, z**2, 5.0]",
    "gradient": "b, 0.5, axis=0", "segment_sum": "b, [1, 0, 1], num_segments=3",
    "take_along_axis": "a, [[2], [0], [1]], axis=1", "searchsorted": "[0.0, 0.5, 1.0], z",
    "normal_logpdf": "z, 0.5, 2.0", "size": "x", "shape": "b", "ndim": "b",
}  # fmt: skip
SEVERAL = {"slogdet": 2, "qr": 2, "split": 2, "meshgrid": 2, "shape": 2, "top_k": 2}
TWO = "(x1, x2)", "(x, y)", "(a, b)", "(p, q)", "(a, x)", "(x, q)", "(a, v"


def call(name: str) -> str:
    """Return a call of a function with arguments that it is defined for."""
    if name in ARGUMENTS:
        return f"{name}({ARGUMENTS[name]})"
    two = any(part in FUNCTIONS[name].signature for part in TWO)
    return f"{name}(x, y)" if two else f"{name}(x)"


def test_every_function_has_a_certificate_or_says_why_not() -> None:
    assert set(CERTIFIED) | set(UNCERTIFIED) == set(FUNCTIONS)
    assert not set(CERTIFIED) & set(UNCERTIFIED)


@pytest.mark.parametrize(
    "category", thinned(sorted({row.category for row in FUNCTIONS.values()}), 3)
)
def test_values_agree_with_the_program(category: str) -> None:
    names = [name for name in CERTIFIED if FUNCTIONS[name].category == category]
    calls = {
        f"f_{name}{part}": f"1.0 * {call(name)}" + (f"[{part}]" if name in SEVERAL else "")
        for name in names
        for part in range(SEVERAL.get(name, 1))
    }
    expected = solve(calls, INPUTS, "evaluate")
    set_precision()
    found = over_balls(
        {name: parse(text) for name, text in calls.items()},
        {name: balls(values) for name, values in INPUTS.items()},
        "float64",
    )
    for name in calls:
        values = np.array([float(each.mid()) for each in found[name].reshape(-1)])
        assert found[name].shape == expected[name].shape, name
        np.testing.assert_allclose(
            values.reshape(found[name].shape), expected[name], rtol=2e-9, atol=1e-13, err_msg=name
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What numpy fills in is a number as the others are: closed forms.
        ("tril([[1, 2], [x, 4]])", [[1.0, 0.0], [1.5, 4.0]]),
        ("vander([x, 2])", [[1.5, 1.0], [2.0, 1.0]]),
        ("pad([x], 1)", [0.0, 1.5, 0.0]),
        ("gradient([x, 2, 4], [0.0, 1.0, 3.0])", [0.5, 2 / 3, 1.0]),
        ("select([x < 1, x < 2], [0, x], 1)", 1.5),
        ("piecewise(x, [x < 1], [0, x])", 1.5),
        ("cummax([[x, 2], [1, 3]])", [1.5, 2.0, 2.0, 3.0]),
        ("top_k([x, 2, x], 2)[1]", [1.0, 0.0]),
        ("searchsorted([1.0, 1.5, 2.0], [1.5, 0.0], side='right')", [2.0, 0.0]),
    ],
)
def test_every_entry_is_a_ball(text: str, expected: Any) -> None:
    set_precision()
    (found,) = over_balls({"f": parse(text)}, {"x": balls(np.array(1.5))}, "float64").values()
    values = [float(each.mid()) for each in found.reshape(-1)]
    np.testing.assert_allclose(np.reshape(values, found.shape), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("gammaln(2.3)", lambda: mpmath.loggamma(mpmath.mpf(2.3))),
        ("digamma(-0.5)", lambda: mpmath.digamma(-0.5)),
        ("polygamma(2, -0.5)", lambda: mpmath.polygamma(2, -0.5)),
        ("gammainc(1.5, 2.5)", lambda: mpmath.gammainc(1.5, 0, 2.5, regularized=True)),
        ("gammaincc(1.5, 2.5)", lambda: mpmath.gammainc(1.5, 2.5, regularized=True)),
        ("zetafn(2.5, 1.5)", lambda: mpmath.zeta(2.5, 1.5)),
        ("i1(2.5)", lambda: mpmath.besseli(1, 2.5)),
        ("erfinv(0.25)", lambda: mpmath.erfinv(0.25)),
        ("ndtri(0.125)", lambda: mpmath.sqrt(2) * mpmath.erfinv(-0.75)),
        ("log_ndtr(-30.0)", lambda: mpmath.log(mpmath.ncdf(-30))),
        ("betaln(0.5, 1.5)", lambda: mpmath.log(mpmath.beta(0.5, 1.5))),
        ("sinc(0.25)", lambda: mpmath.sincpi(0.25)),
        ("arctan2(1.0, -2.0)", lambda: mpmath.atan2(1, -2)),
    ],
)
def test_values_are_right_to_a_hundred_digits(text: str, true: Any) -> None:
    set_precision()
    (found,) = over_balls({"f": parse(text)}, {}, "float64").values()
    with mpmath.workdps(120):
        expected, value = true(), mpmath.mpf(found.reshape(-1)[0].mid().str(130, radius=False))
        assert abs(value - expected) <= abs(expected) * mpmath.mpf(10) ** -100
