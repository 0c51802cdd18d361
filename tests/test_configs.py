"""Every spec in `configs/`, run through the command line, against a closed form derived by hand.

The oracles are numpy and scipy, never JAX; they read the specs' inputs with a small reader of their
own, so that the program's reader is tested too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import yaml
from numpy.typing import NDArray
from scipy.stats import norm

CONFIGS = Path(__file__).parent.parent / "configs"
SPECS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))

Array = NDArray[Any]
Blocks = dict[str, Any]
Oracle = Callable[[dict[str, Any]], Blocks]

ORACLES: dict[str, Oracle] = {}


def oracle(*names: str) -> Callable[[Oracle], Oracle]:
    """Register a function of the inputs (and `vector`) that returns the blocks of these specs."""

    def register(function: Oracle) -> Oracle:
        ORACLES.update(dict.fromkeys(names, function))
        return function

    return register


# A small reader of specs


def read_spec(name: str) -> dict[str, Any]:
    text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    spec: dict[str, Any] = yaml.safe_load(text)
    if "base" in spec:
        return read_spec(Path(spec.pop("base")).stem) | spec
    return spec


def read_inputs(spec: dict[str, Any]) -> dict[str, Any]:
    sources = spec["inputs"] | ({"vector": spec["vector"]} if "vector" in spec else {})
    return {name: read_source(source) for name, source in sources.items()}


def read_source(source: Any) -> Any:
    match source:
        case {"random": "normal", "shape": shape, "seed": seed}:
            draws = np.random.default_rng(seed).standard_normal(shape)
            return source.get("mean", 0) + source.get("std", 1) * draws
        case {"random": "uniform", "shape": shape, "seed": seed}:
            rng = np.random.default_rng(seed)
            return rng.uniform(source["low"], source["high"], shape)
        case {"file": file, "column": column}:
            return np.genfromtxt(CONFIGS / file, delimiter=",", names=True)[column]
        case {"zeros": shape}:
            return np.zeros(shape)
        case {"value": value, "dtype": dtype}:
            return np.asarray(value, dtype)
        case str():  # a constant expression of quotients
            return float(eval(source, {"__builtins__": {}}))
        case {"value": value}:
            return np.asarray(value, float)
        case dict():
            raise NotImplementedError(source)
    return np.asarray(source, float)


REPORTED = ("end_gauge", "impedance", "shunt_sweep", "thermometer")
"""Specs of uncertainty, which tests/uncertainty holds against published results."""

# The closed forms


@oracle("forecast", "forecast_batch")
def forecast_jacobian(i: dict[str, Any]) -> Blocks:
    y = np.tanh(i["x"] @ i["weight"].T + i["bias"])
    return {"y.x": (1 - y**2)[..., None] * i["weight"]}


@oracle("forecast_params")
def forecast_jacobian_of_parameters(i: dict[str, Any]) -> Blocks:
    slope = 1 - np.tanh(i["weight"] @ i["x"] + i["bias"]) ** 2
    diagonal = np.diag(slope)
    return {
        "y.weight": diagonal[:, :, None] * i["x"],  # (out, row, column)
        "y.bias": diagonal,
        "y.x": slope[:, None] * i["weight"],
    }


@oracle("forecast_hessian", "forecast_batch_hessian")
def forecast_hessian(i: dict[str, Any]) -> Blocks:
    y = np.tanh(i["x"] @ i["weight"].T + i["bias"])
    outer = i["weight"][:, :, None] * i["weight"][:, None, :]  # (out, in, in)
    return {"y.x.x": (-2 * y * (1 - y**2))[..., None, None] * outer}


@oracle("chemostat")
def chemostat(i: dict[str, Any]) -> Blocks:
    """The steady state is s = Ks D/(mumax - D), x = Y (s_in - s)."""
    D, mumax, Ks, Y = i["D"], i["mumax"], i["Ks"], i["Y"]
    s, left = Ks * D / (mumax - D), mumax - D
    slopes = {"D": Ks * mumax / left**2, "mumax": -s / left, "Ks": D / left, "Y": 0, "s_in": 0}
    x = {name: -Y * slope for name, slope in slopes.items()}
    x |= {"Y": i["s_in"] - s, "s_in": Y}
    output = {name: D * slope for name, slope in x.items()}
    output["D"] += Y * (i["s_in"] - s)
    named = {"s": slopes, "x": x, "output": output}
    return {f"{out}.{name}": np.asarray(each[name]) for out, each in named.items() for name in each}


@oracle("bratu_steady")
def bratu_steady(i: dict[str, Any]) -> Blocks:
    """Newton's method on the tridiagonal system, and du/dlam = -J^-1 exp(u)."""
    n, u = 127, np.zeros(127)
    laplacian = np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n)
    laplacian *= (n + 1) ** 2
    for _ in range(8):
        jacobian = laplacian + np.diag(i["lam"] * np.exp(u))
        u = u - np.linalg.solve(jacobian, laplacian @ u + i["lam"] * np.exp(u))
    return {"peak.lam": -np.linalg.solve(jacobian, np.exp(u))[63]}


@oracle("hvp_sinsum")
def hvp_sinsum(i: dict[str, Any]) -> Blocks:
    return {"f.x": -np.sin(i["x"]) * i["vector"]}


@oracle("polar")
def polar(i: dict[str, Any]) -> Blocks:
    x, y = i["x"], i["y"]
    r = np.hypot(x, y)
    return {"r.x": x / r, "r.y": y / r, "theta.x": -y / r**2, "theta.y": x / r**2}


@oracle("rosenbrock")
def rosenbrock(i: dict[str, Any]) -> Blocks:
    x, y = i["x"], i["y"]
    return {
        "f.x.x": 2 - 400 * (y - 3 * x**2),
        "f.x.y": -400 * x,
        "f.y.x": -400 * x,
        "f.y.y": 200,
    }


@oracle("rosenbrock_chained")
def rosenbrock_chained(i: dict[str, Any]) -> Blocks:
    return {"f.x.x": scipy.optimize.rosen_hess(i["x"])}


@oracle("planar_arm", "planar_arm_sweep")
def planar_arm(i: dict[str, Any]) -> Blocks:
    angles = np.cumsum(i["q"])
    # Joint k moves every link from the k-th on.
    moved = np.triu(np.ones((3, 3)))
    return {
        "x.q": moved @ (-i["l"] * np.sin(angles)),
        "y.q": moved @ (i["l"] * np.cos(angles)),
        "phi.q": np.ones(3),
    }


@oracle("puma560")
def puma560(i: dict[str, Any]) -> Blocks:
    """The geometric Jacobian: a revolute joint moves the end by its axis × the lever arm."""
    links = [  # offset d, length a, twist
        (0, 0, np.pi / 2),
        (0, 0.4318, 0),
        (0.15005, 0.0203, -np.pi / 2),
        (0.4318, 0, np.pi / 2),
        (0, 0, -np.pi / 2),
        (0, 0, 0),
    ]
    frames = [np.eye(4)]
    for q, (d, a, twist) in zip(i["q"], links, strict=True):
        c, s, ct, st = np.cos(q), np.sin(q), np.cos(twist), np.sin(twist)
        link = [[c, -s * ct, s * st, a * c], [s, c * ct, -c * st, a * s], [0, st, ct, d]]
        frames.append(frames[-1] @ [*link, [0, 0, 0, 1]])
    end = frames[-1][:3, 3]
    columns = [np.cross(frame[:3, 2], end - frame[:3, 3]) for frame in frames[:-1]]
    return {"position.q": np.stack(columns, axis=1)}


@oracle("heat")
def heat(i: dict[str, Any]) -> Blocks:
    """The five-point Laplacian as a sum of Kronecker products."""
    rows, columns = i["u"].shape

    def second(n: int) -> Array:
        return np.eye(n, k=1) + np.eye(n, k=-1) - 2 * np.eye(n)

    laplacian = np.kron(second(rows), np.eye(columns)) + np.kron(np.eye(rows), second(columns))
    return {"flow.u": i["kappa"] * laplacian.reshape(rows, columns, rows, columns)}


@oracle("brusselator")
def brusselator(i: dict[str, Any]) -> Blocks:
    u, v, shape = i["u"].ravel(), i["v"].ravel(), i["u"].shape

    def ring(n: int) -> Array:
        return np.roll(np.eye(n), 1, 0) + np.roll(np.eye(n), -1, 0) - 2 * np.eye(n)

    rows, columns = shape
    spread = np.kron(ring(rows), np.eye(columns)) + np.kron(np.eye(rows), ring(columns))
    matrices = {
        "du.u": np.diag(2 * u * v - i["a"] - 1) + i["alpha"] * spread,
        "du.v": np.diag(u**2),
        "dv.u": np.diag(i["a"] - 2 * u * v),
        "dv.v": np.diag(-(u**2)) + i["alpha"] * spread,
    }
    return {key: matrix.reshape(*shape, *shape) for key, matrix in matrices.items()}


@oracle("bundle_adjustment")
def bundle_adjustment(i: dict[str, Any]) -> Blocks:
    """By complex steps through rotation matrices: Squire and Trapp, SIAM Review 40 (1998)."""

    def seen(camera: Array, point: Array) -> Array:
        angle = np.sqrt(np.sum(camera[:3] ** 2))
        a, b, c = camera[:3] / angle
        cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
        rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        x, y, z = rotation @ point + camera[3:6]
        image = np.array([-x / z, -y / z])
        square = image @ image
        scale = camera[6] * (1 + camera[7] * square + camera[8] * square**2)
        return scale * image + camera[9:11]

    cameras, points = i["cameras"], i["points"]
    which, where = i["camera_index"], i["point_index"]
    by_camera = np.zeros((len(which), 2, *cameras.shape))
    by_point = np.zeros((len(which), 2, *points.shape))
    for row, (k, p) in enumerate(zip(which, where, strict=True)):
        for step in range(11):
            moved = cameras[k] + 1e-30j * (np.arange(11) == step)
            by_camera[row, :, k, step] = seen(moved, points[p]).imag / 1e-30
        for step in range(3):
            moved = points[p] + 1e-30j * (np.arange(3) == step)
            by_point[row, :, p, step] = seen(cameras[k], moved).imag / 1e-30
    return {"f.cameras": by_camera, "f.points": by_point}


def lorenz96_matrix(x: Array) -> Array:
    n = len(x)
    matrix = -np.eye(n)
    for row in range(n):
        before, after = x[row - 1], x[(row + 1) % n]
        matrix[row, row - 2] -= before
        matrix[row, row - 1] += after - x[row - 2]
        matrix[row, (row + 1) % n] += before
    return matrix


@oracle("lorenz96")
def lorenz96(i: dict[str, Any]) -> Blocks:
    return {"dxdt.x": lorenz96_matrix(i["x"])}


@oracle("lorenz96_tangent")
def lorenz96_tangent(i: dict[str, Any]) -> Blocks:
    return {"dxdt": lorenz96_matrix(i["x"]) @ i["vector"]}


@oracle("lorenz96_adjoint")
def lorenz96_adjoint(i: dict[str, Any]) -> Blocks:
    return {"x": lorenz96_matrix(i["x"]).T @ i["vector"]}


@oracle("softmax_cross_entropy")
def softmax_cross_entropy(i: dict[str, Any]) -> Blocks:
    p = np.exp(i["z"]) / np.sum(np.exp(i["z"]))
    return {"f.z.z": np.diag(p) - np.outer(p, p)}


@oracle("misra1a")
def misra1a(i: dict[str, Any]) -> Blocks:
    x, b1, b2 = i["x"], i["b1"], i["b2"]
    return {"y.b1": -np.expm1(-b2 * x), "y.b2": b1 * x * np.exp(-b2 * x)}


@oracle("rat43")
def rat43(i: dict[str, Any]) -> Blocks:
    x, b1, b2, b3, b4 = (i[name] for name in ("x", "b1", "b2", "b3", "b4"))
    grown = np.exp(b2 - b3 * x)
    y = b1 * (1 + grown) ** (-1 / b4)
    by_b2 = -y / b4 * grown / (1 + grown)
    return {"y.b1": y / b1, "y.b2": by_b2, "y.b3": -x * by_b2, "y.b4": y * np.log1p(grown) / b4**2}


@oracle("michaelis_menten")
def michaelis_menten(i: dict[str, Any]) -> Blocks:
    s, vmax, k = i["s"], i["vmax"], i["k"]
    return {"v.vmax": s / (k + s), "v.k": -vmax * s / (k + s) ** 2}


@oracle("black_scholes")
def black_scholes(i: dict[str, Any]) -> Blocks:
    """The Greeks as textbooks give them; `T` is the time to maturity, so `call.T` is −theta."""
    S, K, r, sigma, T = (i[name] for name in ("S", "K", "r", "sigma", "T"))
    root = np.sqrt(T)
    d1 = (np.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * root)
    d2 = d1 - sigma * root
    d1_T = (r + sigma**2 / 2) / (sigma * root) - d1 / (2 * T)
    d2_T = d1_T - sigma / (2 * root)
    n1, n2, N1, N2 = norm.pdf(d1), norm.pdf(d2), norm.cdf(d1), norm.cdf(d2)
    owed = K * np.exp(-r * T)
    vega, rho = S * n1 * root, T * owed * N2
    second = {
        ("S", "S"): n1 / (S * sigma * root),
        ("S", "sigma"): -n1 * d2 / sigma,
        ("S", "r"): n1 * root / sigma,
        ("S", "T"): n1 * d1_T,
        ("sigma", "sigma"): vega * d1 * d2 / sigma,
        ("sigma", "r"): -vega * d1 * root / sigma,
        ("sigma", "T"): vega * (1 / (2 * T) - d1 * d1_T),
        ("r", "r"): -T * rho + T * owed * n2 * root / sigma,
        ("r", "T"): owed * N2 - r * rho + T * owed * n2 * d2_T,
        ("T", "T"): -S * n1 * sigma / (2 * root) * (1 / (2 * T) + d1 * d1_T)
        + r * owed * (n2 * d2_T - r * N2),
    }
    return {
        "call.S": N1,
        "call.sigma": vega,
        "call.r": rho,
        "call.T": S * n1 * sigma / (2 * root) + r * owed * N2,
        **{f"call.{a}.{b}": value for (a, b), value in second.items()},
        **{f"call.{b}.{a}": value for (a, b), value in second.items()},
    }


@oracle("challenger")
def challenger(i: dict[str, Any]) -> Blocks:
    t = i["temperature"]
    p = 1 / (1 + np.exp(-(i["a"] + i["b"] * t)))
    weight = p * (1 - p)
    mixed = np.sum(weight * t)
    return {
        "loss.a.a": np.sum(weight),
        "loss.a.b": mixed,
        "loss.b.a": mixed,
        "loss.b.b": np.sum(weight * t**2),
    }


@oracle("rabbits_sheep")
def rabbits_sheep(i: dict[str, Any]) -> Blocks:
    x, y = i["x"], i["y"]
    return {
        "rabbits.x": 3 - 2 * x - 2 * y,
        "rabbits.y": -2 * x,
        "sheep.x": -y,
        "sheep.y": 2 - x - 2 * y,
    }


@oracle("sir")
def sir(i: dict[str, Any]) -> Blocks:
    s, infected, beta, gamma, mu = (i[name] for name in ("s", "i", "beta", "gamma", "mu"))
    return {
        "s_rate.s": -beta * infected - mu,
        "s_rate.i": -beta * s,
        "s_rate.r": 0,
        "i_rate.s": beta * infected,
        "i_rate.i": 0,  # β s = γ + μ at the endemic equilibrium
        "i_rate.r": 0,
        "r_rate.s": 0,
        "r_rate.i": gamma,
        "r_rate.r": -mu,
    }


@oracle("van_der_waals")
def van_der_waals(i: dict[str, Any]) -> Blocks:
    v, t = i["v"], i["t"]
    return {
        "p.v": -24 * t / (3 * v - 1) ** 2 + 6 / v**3,
        "p.t": 8 / (3 * v - 1),
        "p.v.v": 144 * t / (3 * v - 1) ** 3 - 18 / v**4,
        "p.v.t": -24 / (3 * v - 1) ** 2,
        "p.t.v": -24 / (3 * v - 1) ** 2,
        "p.t.t": 0,
    }


@oracle("mlp_xor")
def mlp_xor(i: dict[str, Any]) -> Blocks:
    """Back-propagation, written out."""
    hidden = np.tanh(i["examples"] @ i["w1"] + i["b1"])
    error = (hidden @ i["w2"] + i["b2"] - i["target"]) / len(i["target"])
    back = error[:, None] * i["w2"] * (1 - hidden**2)  # (example, hidden)
    return {
        "loss.w1": i["examples"].T @ back,
        "loss.b1": back.sum(axis=0),
        "loss.w2": hidden.T @ error,
        "loss.b2": error.sum(),
    }


@oracle("bratu")
def bratu(i: dict[str, Any]) -> Blocks:
    u = i["u"]
    neighbours = np.eye(len(u), k=1) + np.eye(len(u), k=-1)
    diagonal = np.diag(-2 * (len(u) + 1) ** 2 + i["lam"] * np.exp(u))
    return {"residual.u": diagonal + (len(u) + 1) ** 2 * neighbours}


@oracle("logdet")
def logdet(i: dict[str, Any]) -> Blocks:
    inverse = np.linalg.inv(i["a"])
    return {"f.a": inverse.T, "f.a.a": -np.einsum("jk,li->ijkl", inverse, inverse)}


# The tests


def derivatives_of(spec: dict[str, Any]) -> list[str]:
    asked = spec.get("derivative", "jacobian")
    return asked if isinstance(asked, list) else [asked]


def run_config(jaccli: Any, folder: Path, name: str, derivative: str, *options: str) -> Blocks:
    """Run `jaccli DERIVATIVE configs/NAME.yaml` and return the blocks it writes."""
    target = folder / f"{name}-{derivative}.npz"
    model = read_spec(name)["model"]
    permission = ["--allow-python"] if isinstance(model, dict) and "python" in model else []
    config = str(CONFIGS / f"{name}.yaml")
    form = ("--layout", "blocks", "--storage", "dense")
    jaccli(derivative, config, *form, "-o", str(target), *permission, *options)
    with np.load(target) as file:
        return {key: file[key] for key in file.files if key != "manifest"}


def assert_close(blocks: Blocks, expected: Blocks, tolerance: float) -> None:
    """Compare block by block, with a tolerance relative to the largest entry of each."""
    assert set(blocks) == set(expected)
    largest = max(np.max(np.abs(value)) for value in expected.values())
    for key, value in expected.items():
        assert blocks[key].shape == np.shape(value), key
        # The second term is for blocks that are zero but for cancellation.
        atol = tolerance * (np.max(np.abs(value)) + 1e-3 * largest)
        np.testing.assert_allclose(blocks[key], value, rtol=0, atol=atol, err_msg=key)


def test_every_config_has_an_oracle_and_every_oracle_a_config() -> None:
    assert sorted([*ORACLES, *REPORTED]) == SPECS


@pytest.mark.parametrize("name", SPECS)
def test_config_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    spec = read_spec(name)
    assert len(spec["description"]) > 20
    assert len(spec["source"]) > 20


SLOW = ("bratu_steady", "chemostat")
"""Configs that solve equations, which compile for seconds."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else [])
        for n in SPECS
        if "sweep" not in read_spec(n) and n not in REPORTED
    ],
)
def test_config_agrees_with_closed_form(name: str, jaccli: Any, tmp_path: Path) -> None:
    spec = read_spec(name)
    dtype = spec.get("dtype", "float64")
    blocks: Blocks = {}
    for derivative in derivatives_of(spec):
        blocks |= run_config(jaccli, tmp_path, name, derivative)
    assert {block.dtype.name for block in blocks.values()} == {dtype}
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    assert_close(blocks, ORACLES[name](read_inputs(spec)), tolerance)


@pytest.mark.parametrize(
    "name", [n for n in SPECS if "sweep" in read_spec(n) and n not in REPORTED]
)
def test_sweep_agrees_with_closed_form_in_every_task(
    name: str, jaccli: Any, tmp_path: Path
) -> None:
    spec, config, folder = read_spec(name), str(CONFIGS / f"{name}.yaml"), tmp_path / "out"
    jaccli("run", config, "--out-dir", str(folder), "--layout", "blocks")
    tasks = json.loads((folder / "manifest.json").read_text())["tasks"]
    assert len(tasks) > 5
    for task in tasks:
        for path, value in task["values"].items():
            _, entry, index = path.split(".")  # the swept entries are numbers in lists
            spec["inputs"][entry][int(index)] = value
        with np.load(folder / task["file"]) as file:
            blocks = {key: file[key] for key in file.files if key != "manifest"}
        assert_close(blocks, ORACLES[name](read_inputs(spec)), 1e-12)


@pytest.mark.parametrize(
    "name", [name for name in SPECS if read_spec(name).get("dtype") == "float32"]
)
def test_float32_config_is_exact_in_float64(name: str, jaccli: Any, tmp_path: Path) -> None:
    spec = read_spec(name)
    (derivative,) = derivatives_of(spec)
    blocks = run_config(jaccli, tmp_path, name, derivative, "--dtype", "float64")
    assert_close(blocks, ORACLES[name](read_inputs(spec)), 1e-12)


# Published values


def test_polar_at_3_4_is_the_pythagorean_triangle(jaccli: Any, tmp_path: Path) -> None:
    blocks = run_config(jaccli, tmp_path, "polar", "jacobian")
    assert blocks["r.x"] == pytest.approx(0.6, rel=1e-15)
    assert blocks["theta.y"] == pytest.approx(0.12, rel=1e-15)


def test_rosenbrock_condition_at_minimum_is_2508(jaccli: Any, tmp_path: Path) -> None:
    blocks = run_config(jaccli, tmp_path, "rosenbrock", "hessian", "--at", "x=1", "--at", "y=1")
    hessian = [[blocks[f"f.{a}.{b}"] for b in "xy"] for a in "xy"]
    assert np.linalg.cond(hessian) == pytest.approx(2508, abs=0.1)


def test_puma560_jacobian_is_corkes(jaccli: Any, tmp_path: Path) -> None:
    """Robotics, Vision and Control, chapter 8: the upper half of `p560.jacob0(qn)`."""
    published = [
        [0.1501, 0.0144, 0.3197, 0, 0, 0],
        [0.5963, 0, 0, 0, 0, 0],
        [0, 0.5963, 0.2910, 0, 0, 0],
    ]
    blocks = run_config(jaccli, tmp_path, "puma560", "jacobian")
    np.testing.assert_allclose(blocks["position.q"], published, atol=6e-5)


def test_black_scholes_price_is_hulls(jaccli: Any, tmp_path: Path) -> None:
    blocks = run_config(jaccli, tmp_path, "black_scholes", "evaluate")
    assert blocks["call"] == pytest.approx(4.76, abs=0.005)


def test_challenger_standard_errors_are_the_published_ones(jaccli: Any, tmp_path: Path) -> None:
    """As R's `glm` prints them: 7.3786 and 0.1082, at estimates of the same accuracy."""
    blocks = run_config(jaccli, tmp_path, "challenger", "hessian")
    hessian = [[blocks[f"loss.{a}.{b}"] for b in "ab"] for a in "ab"]
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))
    np.testing.assert_allclose(errors, [7.3786, 0.1082], rtol=5e-3)


def test_puromycin_standard_errors_are_the_published_ones(jaccli: Any, tmp_path: Path) -> None:
    """As R's `nls` prints them: residual 10.93 on 10 degrees of freedom, 6.947 and 0.008281."""
    blocks = run_config(jaccli, tmp_path, "michaelis_menten", "jacobian")
    jacobian = np.stack([blocks["v.vmax"], blocks["v.k"]], axis=-1)
    covariance = np.linalg.inv(2 * jacobian.T @ jacobian)  # each concentration twice
    np.testing.assert_allclose(10.93 * np.sqrt(np.diag(covariance)), [6.947, 0.008281], rtol=1e-3)


def test_rabbits_and_sheep_equilibria_are_strogatzs(jaccli: Any, tmp_path: Path) -> None:
    blocks = run_config(jaccli, tmp_path, "rabbits_sheep", "jacobian")
    jacobians = np.array([[blocks[f"{f}.{x}"] for x in "xy"] for f in ("rabbits", "sheep")])
    eigenvalues = np.sort(np.linalg.eigvals(np.moveaxis(jacobians, -1, 0)))
    expected = [[2, 3], [-2, -1], [-3, -1], [-1 - np.sqrt(2), -1 + np.sqrt(2)]]
    np.testing.assert_allclose(eigenvalues, expected, atol=1e-12)


def test_tangent_and_adjoint_are_transposes(jaccli: Any, tmp_path: Path) -> None:
    tangent = read_inputs(read_spec("lorenz96_tangent"))["vector"]
    cotangent = read_inputs(read_spec("lorenz96_adjoint"))["vector"]
    pushed = run_config(jaccli, tmp_path, "lorenz96_tangent", "jvp")["dxdt"]
    pulled = run_config(jaccli, tmp_path, "lorenz96_adjoint", "vjp")["x"]
    assert cotangent @ pushed == pytest.approx(pulled @ tangent, rel=1e-12)
