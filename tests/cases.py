"""Cases as data: a model, a point, and its value, Jacobian and Hessian derived by hand in numpy.

Every mode of every derivative runs through them.  Inputs are random and nowhere square, except
where the mathematics wants a square matrix.  Oracles are functions of the inputs, so that a batch
can ask for them row by row; blocks that are left out are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Blocks = dict[str, Any]
Inputs = dict[str, Any]

_rng = np.random.default_rng(20260)


@dataclass(frozen=True)
class Case:
    """A model with its closed forms; `wrt` None means every floating-point input."""

    name: str
    expressions: dict[str, str]
    inputs: Inputs
    value: Callable[[Inputs], Blocks]
    jacobian: Callable[[Inputs], Blocks]
    hessian: Callable[[Inputs], Blocks]
    source: str
    wrt: tuple[str, ...] = field(default=())

    @property
    def is_scalar(self) -> bool:
        """Whether every output is a scalar, so that gradient and hvp are defined."""
        return all(np.shape(value) == () for value in self.value(self.inputs).values())

    def expected(self, order: int, inputs: Inputs | None = None) -> Blocks:
        """Return value, Jacobian or Hessian (order 0, 1, 2), zero blocks filled in."""
        inputs = inputs or self.inputs
        if order == 0:
            return self.value(inputs)
        given = (self.jacobian if order == 1 else self.hessian)(inputs)
        blocks: Blocks = {}
        for output, value in self.value(inputs).items():
            for names in _products(self.wrt, order):
                shape = np.shape(value) + tuple(n for k in names for n in np.shape(inputs[k]))
                key = ".".join((output, *names))
                blocks[key] = np.asarray(given.pop(key, np.zeros(shape)))
        assert not given, f"unknown blocks {list(given)}"
        return blocks


def _products(names: tuple[str, ...], order: int) -> list[tuple[str, ...]]:
    if order == 1:
        return [(name,) for name in names]
    return [(a, b) for a in names for b in names]


def _normal(*shape: int) -> Array:
    return np.asarray(_rng.normal(size=shape))


# The forecast: y = tanh(w x + b), y' = 1 - y², y'' = -2 y (1 - y²).


def _forecast(i: Inputs) -> tuple[Array, Array, Array]:
    y = np.tanh(i["w"] @ i["x"] + i["b"])
    return y, 1 - y**2, -2 * y * (1 - y**2)


def _forecast_jacobian(i: Inputs) -> Blocks:
    _, slope, _ = _forecast(i)
    d = np.eye(len(slope))
    return {
        "y.w": np.einsum("i,ij,k->ijk", slope, d, i["x"]),
        "y.b": np.diag(slope),
        "y.x": slope[:, None] * i["w"],
    }


def _forecast_hessian(i: Inputs) -> Blocks:
    _, s, c = _forecast(i)
    w, x, d, e = i["w"], i["x"], np.eye(len(s)), np.eye(len(i["x"]))
    w_x = np.einsum("i,ij,k,il->ijkl", c, d, x, w) + np.einsum("i,ij,kl->ijkl", s, d, e)
    return {
        "y.w.w": np.einsum("i,ij,k,il,m->ijklm", c, d, x, d, x),
        "y.w.b": np.einsum("i,ij,k,il->ijkl", c, d, x, d),
        "y.w.x": w_x,
        "y.b.w": np.einsum("i,ij,il,m->ijlm", c, d, d, x),
        "y.b.b": np.einsum("i,ij,il->ijl", c, d, d),
        "y.b.x": np.einsum("i,ij,il->ijl", c, d, w),
        "y.x.w": np.moveaxis(w_x, -1, 1),
        "y.x.b": np.einsum("i,ij,il->ijl", c, w, d),
        "y.x.x": np.einsum("i,ij,il->ijl", c, w, w),
    }


def _only(suffixes: str, blocks: Blocks) -> Blocks:
    wanted = suffixes.split()
    return {key: value for key, value in blocks.items() if key.partition(".")[2] in wanted}


# Polar coordinates: derivatives of r and theta by x and y.


def _polar(i: Inputs) -> Blocks:
    return {"r": np.hypot(i["x"], i["y"]), "theta": np.arctan2(i["y"], i["x"])}


def _polar_jacobian(i: Inputs) -> Blocks:
    x, y = i["x"], i["y"]
    r = np.hypot(x, y)
    return {"r.x": x / r, "r.y": y / r, "theta.x": -y / r**2, "theta.y": x / r**2}


def _polar_hessian(i: Inputs) -> Blocks:
    x, y = i["x"], i["y"]
    r = np.hypot(x, y)
    mixed, turned = -x * y / r**3, (y**2 - x**2) / r**4
    return {
        "r.x.x": y**2 / r**3,
        "r.x.y": mixed,
        "r.y.x": mixed,
        "r.y.y": x**2 / r**3,
        "theta.x.x": 2 * x * y / r**4,
        "theta.x.y": turned,
        "theta.y.x": turned,
        "theta.y.y": -2 * x * y / r**4,
    }


# The product of two matrices is bilinear: only the mixed second derivatives are not zero.


def _product_jacobian(i: Inputs) -> Blocks:
    a, b = i["a"], i["b"]
    left, right = np.eye(a.shape[0]), np.eye(b.shape[1])
    return {
        "y.a": np.einsum("ik,lj->ijkl", left, b),
        "y.b": np.einsum("ik,jl->ijkl", a, right),
    }


def _product_hessian(i: Inputs) -> Blocks:
    a, b = i["a"], i["b"]
    left, middle, right = np.eye(a.shape[0]), np.eye(a.shape[1]), np.eye(b.shape[1])
    mixed = np.einsum("ik,lm,jn->ijklmn", left, middle, right)
    return {"y.a.b": mixed, "y.b.a": np.einsum("ijklmn->ijmnkl", mixed)}


def _log_sum_exp(i: Inputs) -> tuple[float, Array]:
    z = np.exp(i["x"])
    return float(np.log(z.sum())), z / z.sum()


def _softmax_hessian(i: Inputs) -> Blocks:
    _, p = _log_sum_exp(i)
    return {"f.x.x": np.diag(p) - np.outer(p, p)}


def _gathered_jacobian(i: Inputs) -> Blocks:
    picked = np.eye(len(i["x"]))[i["at"]]  # (out, in)
    powers = i["k"] * i["x"][i["at"]] ** (i["k"] - 1)
    return {"y.x": powers[:, None] * picked}


def _gathered_hessian(i: Inputs) -> Blocks:
    picked = np.eye(len(i["x"]))[i["at"]]
    k = i["k"]
    curves = k * (k - 1) * i["x"][i["at"]] ** (k - 2)
    return {"y.x.x": np.einsum("i,ij,il->ijl", curves, picked, picked)}


def _unrelated_jacobian(i: Inputs) -> Blocks:
    return {"p.x": np.diag(np.cos(i["x"])), "q.z": 2 * i["z"]}


def _unrelated_hessian(i: Inputs) -> Blocks:
    size = len(i["x"])
    third = np.zeros((size,) * 3)
    third[(np.arange(size),) * 3] = -np.sin(i["x"])
    return {"p.x.x": third, "q.z.z": 2 * np.eye(len(i["z"]))}


def _columns_hessian(i: Inputs) -> Blocks:
    rows, columns = i["a"].shape
    d, e = np.eye(columns), np.eye(rows)
    return {"y.a.a": np.einsum("jl,km,kl,ln->jklmn", d, e, 6 * i["a"], d)}


def _rosenbrock_hessian(i: Inputs) -> Blocks:
    x, y = i["x"], i["y"]
    mixed = -400 * x
    return {"f.x.x": 1200 * x**2 - 400 * y + 2, "f.x.y": mixed, "f.y.x": mixed, "f.y.y": 200}


def _log_det_hessian(i: Inputs) -> Blocks:
    inverse = np.linalg.inv(i["a"])
    return {"f.a.a": -np.einsum("jk,li->ijkl", inverse, inverse)}


_FORECAST: Inputs = {"w": _normal(2, 3), "b": _normal(2), "x": _normal(3)}
_EMPTY = np.zeros(0)

CASES = [
    Case(
        "forecast",
        {"y": "tanh(w @ x + b)"},
        {"w": _normal(3, 5), "b": _normal(3), "x": _normal(5)},
        lambda i: {"y": _forecast(i)[0]},
        lambda i: _only("x", _forecast_jacobian(i)),
        lambda i: _only("x.x", _forecast_hessian(i)),
        "a dense layer with tanh: Rumelhart, Hinton and Williams, Nature 323 (1986) 533-536",
        wrt=("x",),
    ),
    Case(
        "forecast parameters",
        {"y": "tanh(w @ x + b)"},
        _FORECAST,
        lambda i: {"y": _forecast(i)[0]},
        _forecast_jacobian,
        _forecast_hessian,
        "the same layer, by a matrix and two vectors at once",
        wrt=("w", "b", "x"),
    ),
    Case(
        "polar",
        {"r": "sqrt(x**2 + y**2)", "theta": "arctan2(y, x)"},
        {"x": 3.0, "y": 4.0},
        _polar,
        _polar_jacobian,
        _polar_hessian,
        "polar coordinates at (3, 4), where r = 5",
        wrt=("x", "y"),
    ),
    Case(
        "quadratic form",
        {"f": "x @ a @ x"},
        {"a": _normal(4, 4), "x": _normal(4)},
        lambda i: {"f": i["x"] @ i["a"] @ i["x"]},
        lambda i: {"f.x": (i["a"] + i["a"].T) @ i["x"]},
        lambda i: {"f.x.x": i["a"] + i["a"].T},
        "Petersen and Pedersen, The Matrix Cookbook (2012), equations 81 and 98; a not symmetric",
        wrt=("x",),
    ),
    Case(
        "matrix product",
        {"y": "a @ b"},
        {"a": _normal(2, 3), "b": _normal(3, 4)},
        lambda i: {"y": i["a"] @ i["b"]},
        _product_jacobian,
        _product_hessian,
        "y[i,j] = sum over k of a[i,k] b[k,j]: matrices in, a matrix out",
        wrt=("a", "b"),
    ),
    Case(
        "log determinant",
        {"f": "logdet(a)"},
        {"a": _normal(3, 3) + 3 * np.eye(3)},
        lambda i: {"f": np.linalg.slogdet(i["a"])[1]},
        lambda i: {"f.a": np.linalg.inv(i["a"]).T},
        _log_det_hessian,
        "Petersen and Pedersen, The Matrix Cookbook (2012), equations 57 and 60",
        wrt=("a",),
    ),
    Case(
        "log-sum-exp",
        {"f": "logsumexp(x)"},
        {"x": _normal(5)},
        lambda i: {"f": _log_sum_exp(i)[0]},
        lambda i: {"f.x": _log_sum_exp(i)[1]},
        _softmax_hessian,
        "Boyd and Vandenberghe, Convex Optimization (2004), section 3.1.5",
        wrt=("x",),
    ),
    Case(
        "integer side inputs",
        {"y": "x[at]**k"},
        {"x": np.abs(_normal(3)) + 0.5, "at": np.array([2, 0, 2, 1]), "k": np.array([2, 3, 1, 4])},
        lambda i: {"y": i["x"][i["at"]] ** i["k"]},
        _gathered_jacobian,
        _gathered_hessian,
        "the power rule on entries picked by an integer array, one of them twice",
        wrt=("x",),
    ),
    Case(
        "unrelated outputs",
        {"p": "sin(x)", "q": "sum(z**2)"},
        {"x": _normal(2), "z": _normal(3), "unused": _normal(2, 2)},
        lambda i: {"p": np.sin(i["x"]), "q": np.sum(i["z"] ** 2)},
        _unrelated_jacobian,
        _unrelated_hessian,
        "an output that does not depend on an input has a block of zeros",
        wrt=("x", "z", "unused"),
    ),
    Case(
        "two scalar outputs",
        {"f": "sum(x**2)", "g": "x @ x * s"},
        {"x": _normal(3), "s": 1.5},
        lambda i: {"f": i["x"] @ i["x"], "g": i["x"] @ i["x"] * i["s"]},
        lambda i: {"f.x": 2 * i["x"], "g.x": 2 * i["s"] * i["x"], "g.s": i["x"] @ i["x"]},
        lambda i: {
            "f.x.x": 2 * np.eye(3),
            "g.x.x": 2 * i["s"] * np.eye(3),
            "g.x.s": 2 * i["x"],
            "g.s.x": 2 * i["x"],
        },
        "several gradients at once, a vector and a scalar in",
        wrt=("x", "s"),
    ),
    Case(
        "sums of columns",
        {"y": "sum(a**3, axis=0)"},
        {"a": _normal(2, 4)},
        lambda i: {"y": np.sum(i["a"] ** 3, axis=0)},
        lambda i: {"y.a": np.einsum("jl,kl->jkl", np.eye(4), 3 * i["a"] ** 2)},
        _columns_hessian,
        "a matrix in, a vector out",
        wrt=("a",),
    ),
    Case(
        "Rosenbrock",
        {"f": "(1 - x)**2 + 100*(y - x**2)**2"},
        {"x": -1.2, "y": 1.0},
        lambda i: {"f": (1 - i["x"]) ** 2 + 100 * (i["y"] - i["x"] ** 2) ** 2},
        lambda i: {
            "f.x": -2 * (1 - i["x"]) - 400 * i["x"] * (i["y"] - i["x"] ** 2),
            "f.y": 200 * (i["y"] - i["x"] ** 2),
        },
        _rosenbrock_hessian,
        "Rosenbrock, The Computer Journal 3 (1960) 175-184, at its usual start",
        wrt=("x", "y"),
    ),
    Case(
        "from a scalar to a matrix",
        {"y": "t**2 * a"},
        {"t": 1.7, "a": _normal(2, 3)},
        lambda i: {"y": i["t"] ** 2 * i["a"]},
        lambda i: {"y.t": 2 * i["t"] * i["a"]},
        lambda i: {"y.t.t": 2 * i["a"]},
        "one input, six outputs",
        wrt=("t",),
    ),
    Case(
        "a branch",
        {"y": "where(x > 0, x**2, -x)"},
        {"x": np.array([-0.7, 1.3, 0.4, -2.0])},
        lambda i: {"y": np.where(i["x"] > 0, i["x"] ** 2, -i["x"])},
        lambda i: {"y.x": np.diag(np.where(i["x"] > 0, 2 * i["x"], -1))},
        lambda i: {
            "y.x.x": np.einsum("i,ij,ik->ijk", np.where(i["x"] > 0, 2.0, 0.0), np.eye(4), np.eye(4))
        },
        "each entry follows the branch it is on",
        wrt=("x",),
    ),
    Case(
        "empty inputs",
        {"y": "w @ x + b"},
        {"w": np.zeros((3, 0)), "x": _EMPTY, "b": _normal(3)},
        lambda i: {"y": i["b"]},
        lambda i: {"y.b": np.eye(3)},
        lambda i: {},
        "a sum over nothing is zero; so is what it depends on",
        wrt=("w", "x", "b"),
    ),
    Case(
        "only empty inputs",
        {"f": "sum(x)"},
        {"x": _EMPTY},
        lambda i: {"f": 0.0},
        lambda i: {},
        lambda i: {},
        "no inputs at all, one output",
        wrt=("x",),
    ),
    Case(
        "empty output",
        {"y": "outer(x[:0], x)"},
        {"x": _normal(3)},
        lambda i: {"y": np.zeros((0, 3))},
        lambda i: {},
        lambda i: {},
        "an output of the shape (0, 3)",
        wrt=("x",),
    ),
]
"""Every case, by hand."""

SCALAR_CASES = [case for case in CASES if case.is_scalar]
