"""`jaccli check`: right derivatives pass, wrong ones are named, noise is told from both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Outcome, call

Jaccli = Callable[..., Outcome]
CONFIGS = [
    path
    for path in sorted((ROOT / "configs").glob("*.yaml"))
    if "\nsweep:" not in path.read_text(encoding="utf-8")
]
QUICK = ("polar", "forecast", "rosenbrock")
POLAR = str(ROOT / "configs" / "polar.yaml")
WRONG = """
import jax
import jax.numpy as jnp

@jax.custom_jvp
def cube(x):
    return x**3

@cube.defjvp
def cube_rule(primals, tangents):
    return cube(primals[0]), 2 * primals[0] * tangents[0]

@jax.custom_vjp
def square(x):
    return x**2

square.defvjp(lambda x: (x**2, x), lambda x, u: (3 * x * u,))

@jax.custom_jvp
def shifted(x):
    return x**3

@shifted.defjvp
def shifted_rule(primals, tangents):
    return shifted(primals[0]) + 1, 3 * primals[0] ** 2 * tangents[0]

def by_jvp(x):
    return {"y": cube(x), "z": jnp.sin(x)}

def by_vjp(x):
    return {"y": square(x), "z": jnp.sin(x)}

def by_value(x):
    return shifted(x).sum()

def energy(x):
    return cube(x).sum()

def coarse(x):
    return jax.lax.dot(jnp.arange(3, dtype=jnp.float32), x.astype(jnp.float32)) ** 2

def strict(x):
    return jax.lax.mul(jnp.sin(x), jnp.ones(3, jnp.float32))

def looped(x):
    step = lambda c: (c[0] + 1, jnp.sin(c[1]) * x)
    return jax.lax.while_loop(lambda c: c[0] < 3, step, (0, x))[1]
"""


def check(*args: str, code: int = 0) -> dict[str, Any]:
    """Return the report; `checks` by name."""
    outcome = call("check", *args, "--format", "json", check=False)
    assert outcome.exit_code == code, outcome.stderr + outcome.stdout
    report: dict[str, Any] = json.loads(outcome.stdout)
    report["checks"] = {row["check"]: row for row in report["checks"]}
    assert report["passed"] == (code == 0)
    return report


def verdicts(report: dict[str, Any], verdict: str) -> list[str]:
    return [name for name, row in report["checks"].items() if row["verdict"] == verdict]


@pytest.fixture
def python_model(jaccli: Jaccli) -> Callable[..., dict[str, Any]]:
    Path("wrong.py").write_text(WRONG)

    def checked(function: str, *options: str, code: int = 1) -> dict[str, Any]:
        spec = f'model: {{python: "wrong.py:{function}"}}\ninputs: {{x: [0.5, 1.5, -2.0]}}\n'
        Path("spec.yaml").write_text(spec)
        return check("spec.yaml", "--allow-python", *options, code=code)

    return checked


# Right derivatives


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem in QUICK else pytest.mark.slow, id=path.stem)
        for path in CONFIGS
    ],
)
def test_no_false_alarm(path: Path, dtype: str) -> None:
    outcome = call("check", path, "--dtype", dtype, "--allow-python", "--format", "json")
    for line in outcome.stdout.splitlines():
        found = {row["verdict"] for row in json.loads(line)["checks"]}
        assert found <= {"ok", "not applicable"}


@pytest.mark.slow
@pytest.mark.parametrize("derivative", ["jacobian", "hessian"])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_no_false_alarm_of_other_derivatives(path: Path, derivative: str) -> None:
    call("check", path, "--of", derivative, "--allow-python", "--format", "none")


def test_a_jacobian_passes_every_check_that_applies() -> None:
    report = check(POLAR)
    assert verdicts(report, "ok") == [
        "finite",
        "values",
        "forward against reverse",
        "mode",
        "product identity",
        "differences of outputs",
    ]
    assert list(report["checks"]) == verdicts(report, "ok")  # Hessians' checks have no row
    row = report["checks"]["differences of outputs"]
    assert row["compared"] == "all 4 entries"
    assert row["difference"] <= row["allowed"] + 10 * row["estimated_error"]


@pytest.mark.parametrize(
    ("derivative", "vectors", "applies"),
    [
        ("evaluate", (), ["finite", "values"]),
        ("jvp", ("--vector", "x=1", "--vector", "a=[2, -1]"), ["differences of outputs"]),
        ("vjp", ("--vector", "[1, 2, -1]"), ["differences of outputs"]),
        ("jacobian", (), ["differences of outputs", "mode"]),
        ("hessian", (), ["differences of gradient", "symmetry", "hvp against Hessian"]),
    ],
)
def test_batches_and_several_inputs(
    derivative: str, vectors: tuple[str, ...], applies: list[str]
) -> None:
    model = ("-e", "x * a[0] * sin(a[1] * t)", "--at", "x=[0.5, 2]", "--batch", "x")
    point = ("--at", "a=[1.5, 0.3]", "--at", "t={value: [1, 2, 5], dtype: int64}")
    report = check(*model, *point, "--of", derivative, *vectors)
    assert set(applies) <= set(verdicts(report, "ok"))


def test_a_product_with_the_hessian() -> None:
    model = ("-e", "sum(sin(x) * x)", "--at", "x=[0.3, 1.5, 2]", "--vector", "[1, 2, 3]")
    report = check(*model, "--of", "hvp")
    assert {"differences of gradient", "symmetry", "hvp against Hessian"} <= set(
        verdicts(report, "ok")
    )


def test_large_derivatives_are_checked_along_directions() -> None:
    expression = "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"
    point = "x={random: uniform, shape: [20000], seed: 7, low: -2, high: 2}"
    report = check(
        "-e", expression, "--at", point, "--of", "hessian", "--probes", "2", "--memory", "1GiB"
    )
    assert report["probes"] == 2
    assert report["checks"]["symmetry"]["compared"] == "2 random directions"
    reason = "the derivative is too large to be formed"
    assert report["checks"]["mode"]["detail"] == reason
    assert {"differences of outputs", "differences of gradient"} <= set(verdicts(report, "ok"))


def test_a_loop_goes_forward_alone(python_model: Any) -> None:
    report = python_model("looped", code=0)
    reason = "a loop of the model has no reverse mode"
    assert report["checks"]["forward against reverse"]["detail"] == reason
    assert report["checks"]["differences of outputs"]["verdict"] == "ok"


@pytest.mark.parametrize("function", ["coarse", "strict"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_that_are_of_float32_inside(python_model: Any, function: str, dtype: str) -> None:
    if (function, dtype) == ("strict", "float64"):
        return  # it has no float64 at all
    python_model(function, "--dtype", dtype, code=0)


# Wrong derivatives


def test_a_wrong_forward_rule_is_found_and_named(python_model: Any) -> None:
    report = python_model("by_jvp")
    assert verdicts(report, "FAIL") == ["differences of outputs"]
    worst = report["checks"]["differences of outputs"]["worst"]
    assert [row["entry"] for row in worst] == [
        "d y[2] / d x[2]",
        "d y[1] / d x[1]",
        "d y[0] / d x[0]",
    ]
    assert worst[0]["computed"] == -4.0
    assert worst[0]["finite differences"] == pytest.approx(12)
    assert report["notes"] == ["the derivative of cube at wrong.py:5 is a custom_jvp of its own"]


def test_a_wrong_reverse_rule_is_found_and_named(python_model: Any) -> None:
    report = python_model("by_vjp")
    assert verdicts(report, "FAIL") == ["differences of outputs"]
    assert report["notes"] == ["the derivative of square at wrong.py:13 is a custom_vjp of its own"]


def test_a_rule_that_changes_the_value_is_found(python_model: Any) -> None:
    report = python_model("by_value")
    assert verdicts(report, "FAIL") == ["values"]
    assert report["checks"]["values"]["worst"][0]["entry"] == "f by rev"


def test_the_hessian_of_a_wrong_gradient_is_found(python_model: Any) -> None:
    """The Hessian is that of the gradient: only the values tell that both are wrong."""
    report = python_model("energy", "--of", "hessian")
    assert verdicts(report, "FAIL") == ["differences of outputs"]


def test_nan_is_a_verdict() -> None:
    report = check("-e", "sum(where(x > 0, sqrt(x), 0*x))", "--at", "x=[0, 1]", code=1)
    row = report["checks"]["finite"]
    assert row["verdict"] == "FAIL"
    assert row["detail"] == "d f / d x[0] is NaN (1 of 2 entries is not finite)"


def test_a_kink_differs() -> None:
    report = check("-e", "relu(x)", "--at", "x=0", code=1)
    assert verdicts(report, "FAIL") == ["differences of outputs"]


def test_noise_is_neither_right_nor_wrong() -> None:
    report = check("-e", "1e13 + x**2", "--at", "x=1", code=1)
    assert verdicts(report, "undecided") == ["differences of outputs"]
    assert verdicts(report, "FAIL") == []


def test_what_underflows_is_no_mistake() -> None:
    """x**2 is 0 in float64 there, 2 x is not."""
    assert check("-e", "x**2", "--at", "x=1e-160")["passed"]


# A derivative that the user supplies


def test_a_supplied_derivative(jaccli: Jaccli) -> None:
    model = ("-e", "r = k1*x - k2*x**2", "--at", "k1=2", "--at", "k2=0.5", "--at", "x=[1, 2, 3, 4]")
    wrt = ("--wrt", "k1", "--wrt", "k2")
    call("jacobian", *model, *wrt, "-o", "J.npz", "-q")
    assert check(*model, *wrt, "--against", "J.npz")["checks"]["against J.npz"]["worst"] == []
    arrays = dict(np.load("J.npz"))
    arrays["r.k2"][3] = -15.0
    np.savez("wrong.npz", **arrays)
    np.save("wrong.npy", np.stack([arrays["r.k1"], arrays["r.k2"]], axis=1))
    for name in ("wrong.npz", "wrong.npy"):
        report = check(*model, *wrt, "--against", name, code=1)
        row = report["checks"][f"against {name}"]
        assert row["worst"] == [{"entry": "d r[3] / d k2", "yours": -15.0, "computed": -16.0}]
    assert check(*model, *wrt, "--against", "wrong.npz", "--rtol", "0.1")["passed"]


def test_supplied_shapes_and_keys(jaccli: Jaccli) -> None:
    np.save("square.npy", np.ones((3, 3)))
    np.savez("part.npz", **{"r.x": 0.6})
    row = check(POLAR, "--against", "square.npy", code=1)["checks"]["against square.npy"]
    assert row["detail"] == "matrix: the shapes are (2, 2) and (3, 3)"
    row = check(POLAR, "--against", "part.npz", code=1)["checks"]["against part.npz"]
    missing = ("r.y", "theta.x", "theta.y")
    assert row["detail"] == "; ".join(f"{key} is not in the file" for key in missing)


def test_what_a_spec_expects_is_checked(jaccli: Jaccli) -> None:
    np.save("golden.npy", np.array([12.0, 9.5]))
    spec = "model:\n  expression: x[0]**2 * x[1]\ninputs: {x: [3, 2]}\nderivative: gradient\n"
    Path("spec.yaml").write_text(f"{spec}expect: {{file: golden.npy, rtol: 1e-3}}\n")
    row = check("spec.yaml", code=1)["checks"]["expect golden.npy"]
    assert row["worst"] == [{"entry": "d f / d x[1]", "yours": 9.5, "computed": 9.0}]
    assert "expect golden.npy" not in check("spec.yaml", "--of", "hessian")["checks"]


ROSENBROCK = "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"
LARGE = ("-e", ROSENBROCK, "--at", "x={random: normal, shape: [3000], seed: 1}", "--of", "hessian")


def test_a_large_sparse_derivative_is_held_against_a_file(jaccli: Jaccli) -> None:
    """With entries named, and nothing dense formed: that would take 72 MB."""
    options = ("--storage", "sparse", "--memory", "30MiB")
    entries = "\n".join(f"{i} {i} 1" for i in range(1, 3001))
    head = "%%MatrixMarket matrix coordinate real general\n3000 3000 3000\n"
    Path("H.mtx").write_text(head + entries)
    report = check(*LARGE, *options, "--against", "H.mtx", code=1)
    assert verdicts(report, "FAIL") == ["against H.mtx"]
    worst = report["checks"]["against H.mtx"]["worst"]
    assert len(worst) == 5
    assert worst[0]["yours"] == 1
    assert worst[0]["entry"].startswith("d2 f / d x[")
    assert report["checks"]["finite"]["compared"] == "8,998 stored entries"


def test_a_file_for_a_derivative_over_the_budget(jaccli: Jaccli) -> None:
    np.save("H.npy", np.eye(3))
    outcome = call("check", *LARGE, "--memory", "30MiB", "--against", "H.npy", check=False)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr == (
        "jaccli: hessian: inputs and result take 68.7 MiB, more than the memory budget of 30.0 MiB "
        "(the largest block, f.x.x, has the shape (3000, 3000)).\n"
        "Raise --memory, or choose fewer entries with --wrt and --select, "
        "or keep the non-zeros alone with --mode sparse.\n"
    )


def test_nan_in_a_file_is_infinitely_off(jaccli: Jaccli) -> None:
    np.save("J.npy", [[0.6, 0.8], [np.nan, 0.12]])
    row = check(POLAR, "--against", "J.npy", code=1)["checks"]["against J.npy"]
    assert row["difference"] == "Infinity"
    assert row["worst"] == [{"entry": "d theta / d x", "yours": "NaN", "computed": -0.16}]


# The report, and wrong usage


def test_a_report_is_written(jaccli: Jaccli) -> None:
    outcome = call("check", POLAR, "-o", "report.json")
    assert outcome.stdout == ""
    assert json.loads(Path("report.json").read_text())["passed"]
    again = call("check", POLAR, "-o", "report.json", check=False)
    assert again.exit_code == 2


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--probes", "0"), 2, "--probes: 0 is out of range.\nExpected 1 or more."),
        (
            ("--probes", "1000000000"),
            3,
            "1,000,000,000 random directions take 149.0 GiB, more than the memory budget of "
            "1.0 GiB.\nRaise --memory, or take fewer with --probes.",
        ),
        (("--rtol", "-1"), 2, "--rtol: -1.0 is out of range.\nExpected 0 or more."),
        (("-o", "r.txt"), 2, "-o: r.txt: check writes JSON.\nExpected a name that ends in .json."),
        (("--against", "no.npy"), 3, "no.npy: no such file."),
        (
            ("--format", "npy"),
            2,
            "--format: 'npy' is not a format of this command.\n"
            "Expected one of 'table', 'plain', 'json', 'none'.",
        ),
        (
            ("--set", "derivative=[jacobian, hessian]", "--against", "no.npy"),
            2,
            "--against: one file for 2 derivatives.\nChoose one with --of.",
        ),
    ],
)
def test_wrong_usage(jaccli: Jaccli, options: tuple[str, ...], code: int, message: str) -> None:
    outcome = call("check", POLAR, "--memory", "1GiB", *options, check=False)
    assert (outcome.exit_code, outcome.stderr) == (code, f"jaccli: {message}\n")
