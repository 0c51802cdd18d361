"""The command `propagate` end to end: forms of an entry, formats, files, what goes with it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from math import hypot, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

Jaccli = Callable[..., Any]
RESISTANCE = """\
model: {expressions: {R: V/I, P: V*I}}
inputs: {V: 5.0, I: 0.02}
derivative: propagate
uncertainty: {V: 0.01, I: {relative: 0.001}}
"""
"""R = 250 with relative uncertainties of 0.002 and 0.001; so has P = 0.1."""
RELATIVE = sqrt(0.002**2 + 0.001**2)


def u_of(jaccli: Jaccli, entry: str, at: str = "2.0") -> dict[str, Any]:
    """Return what JSON says of 3 x for an uncertainty of x."""
    done = jaccli("propagate", "-e", "f = 3*x", "--at", f"x={at}", "--std", f"x={entry}",
                  "--format", "json", "-q")  # fmt: skip
    shown: dict[str, Any] = json.loads(done.stdout)["outputs"]["f"]
    return shown


@pytest.mark.parametrize(
    ("entry", "std"),
    [
        ("0.1", 0.1),
        ("{std: 1/10}", 0.1),
        ("{relative: 0.1}", 0.2),
        ("{half_width: 0.3}", 0.3 / sqrt(3)),
        ("{half_width: 0.3, distribution: triangular}", 0.3 / sqrt(6)),
        ("{half_width: 0.3, distribution: arcsine}", 0.3 / sqrt(2)),
        ("{expanded: 0.3, k: 3}", 0.1),
        ("{expanded: 0.3, coverage: 0.95}", 0.3 / stats.norm.ppf(0.975)),
        ("{expanded: 0.3, coverage: 0.95, dof: 9}", 0.3 / stats.t(9).ppf(0.975)),
        ("{covariance: [[0.04]]}", 0.2),
        ("{samples: [1.9, 2.0, 2.1]}", 0.1 / sqrt(3)),
    ],
)
def test_forms_of_an_entry(jaccli: Jaccli, entry: str, std: float) -> None:
    found = u_of(jaccli, entry)
    assert found["u"] == pytest.approx(3 * std, rel=1e-12)
    assert found["value"] == pytest.approx(6)


@pytest.mark.parametrize(
    ("entry", "dof"),
    [
        ("{std: 1, dof: 4}", 4),
        ("{expanded: 1, k: 2, dof: 7}", 7),
        ("{half_width: 1, dof: 50}", 50),
        ("{samples: [1, 2, 4]}", 2),
    ],
)
def test_degrees_of_freedom_of_an_entry(jaccli: Jaccli, entry: str, dof: float) -> None:
    assert u_of(jaccli, entry)["dof"] == pytest.approx(dof, rel=1e-12)


def test_the_mean_of_samples_is_the_value_for_every_command(jaccli: Jaccli) -> None:
    spec = "model: {expression: x**2}\nuncertainty: {x: {samples: [1.0, 2.0, 6.0]}}\n"
    found = json.loads(jaccli("jacobian", "-", "--format", "json", stdin=spec).stdout)
    assert found["blocks"]["f.x"]["values"] == 6.0
    declared = spec + "inputs: {x: 2.9}\n"
    found = json.loads(jaccli("jacobian", "-", "--format", "json", stdin=declared).stdout)
    assert found["blocks"]["f.x"]["values"] == 6.0
    resolved = jaccli("validate", "-", stdin=declared).stdout
    assert "x: 2.9" in resolved
    assert "samples: [1.0, 2.0, 6.0]" in resolved
    assert jaccli("validate", "-", stdin=resolved).stdout == resolved


def test_another_point_than_the_mean_of_samples(jaccli: Jaccli) -> None:
    spec = "model: {expression: x**2}\nuncertainty: {x: {samples: [1.0, 2.0, 6.0]}}\n"
    done = jaccli("evaluate", "-", "--at", "x=5", "--format", "json", stdin=spec)
    assert json.loads(done.stdout)["blocks"]["f"]["values"] == 25.0
    done = jaccli("propagate", "-", "--at", "x=5", "--format", "json", stdin=spec)
    found = json.loads(done.stdout)["outputs"]["f"]
    # u(x) = s/sqrt(3) with s**2 = 7; u(f) = 2 x u(x)
    assert (found["value"], found["u"]) == (25.0, pytest.approx(10 * (7 / 3) ** 0.5, rel=1e-14))


def test_samples_of_one_spec_are_no_inputs_of_the_next(jaccli: Jaccli) -> None:
    spec = "model: {expression: x**2}\nuncertainty: {x: {samples: [1.0, 2.0, 6.0]}}\n"
    jaccli("propagate", "-", stdin=spec)
    done = jaccli("jacobian", "-e", "x**2", check=False)
    assert done.exit_code == 2
    assert "inputs" in done.stderr


def test_equal_samples_have_no_uncertainty(jaccli: Jaccli) -> None:
    found = u_of(jaccli, "{samples: [0.1, 0.1, 0.1]}")
    assert (found["u"], found["value"]) == (0, 3 * 0.1)


def test_an_array_has_uncertainties_of_its_entries(jaccli: Jaccli) -> None:
    done = jaccli("propagate", "-e", "y = x*x[::-1]", "--at", "x=[1.0, 2.0]", "--std",
                  "x=[0.1, 0.3]", "--format", "json", "-q")  # fmt: skip
    found = json.loads(done.stdout)
    u = sqrt((2 * 0.1) ** 2 + 0.3**2)
    np.testing.assert_allclose(found["outputs"]["y"]["u"], [u, u])
    assert found["covariance"]["order"] == ["y[0]", "y[1]"]
    np.testing.assert_allclose(found["correlation"]["matrix"], np.ones((2, 2)))
    np.testing.assert_allclose(found["budget"]["y"]["x"]["sensitivity"], [[2, 1], [2, 1]])


def test_a_covariance_takes_the_place_of_uncertainties(jaccli: Jaccli) -> None:
    spec = (
        "model: {expression: 'x[0] + x[1] + y'}\ninputs: {x: [1.0, 2.0], y: 3.0}\n"
        "covariance: {inputs: [y, x], matrix: [[1, 0.5, 0], [0.5, 4, -1], [0, -1, 9]]}\n"
    )
    found = json.loads(jaccli("propagate", "-", "--format", "json", "-q", stdin=spec).stdout)
    assert found["outputs"]["f"]["u"] == pytest.approx(sqrt(1 + 4 + 9 + 2 * 0.5 - 2), rel=1e-14)
    assert found["outputs"]["f"]["dof"] is None
    assert found["inputs"]["y"]["u"] == 1.0


def test_options_replace_what_the_spec_says(jaccli: Jaccli) -> None:
    done = jaccli("propagate", "-", "--std", "V=0.02", "--coverage", "0.99", "--select", "R",
                  "-q", "--format", "json", stdin=RESISTANCE)  # fmt: skip
    found = json.loads(done.stdout)
    assert list(found["outputs"]) == ["R"]
    shown = found["outputs"]["R"]
    assert shown["u"] == pytest.approx(250 * sqrt(0.004**2 + 0.001**2), rel=1e-12)
    assert shown["k"] == pytest.approx(stats.norm.ppf(0.995), rel=1e-12)


def test_the_specs_wrt_does_not_make_inputs_exact(jaccli: Jaccli) -> None:
    found = jaccli("propagate", "-", "--format", "json", "-q", stdin=f"{RESISTANCE}wrt: V\n")
    u = json.loads(found.stdout)["outputs"]["R"]["u"]
    assert u == pytest.approx(250 * RELATIVE, rel=1e-12)


def test_run_propagates_where_the_spec_says_so(jaccli: Jaccli, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RESISTANCE)
    by_run = jaccli("run", "r.yaml", "--format", "plain")
    assert by_run.stdout == jaccli("propagate", "r.yaml", "--format", "plain").stdout
    both = RESISTANCE.replace("propagate", "[jacobian, propagate]")
    (tmp_path / "both.yaml").write_text(both)
    jaccli("run", "both.yaml", "--out-dir", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "both.jacobian.npz",
        "both.propagate.npz",
    ]


@pytest.mark.parametrize("command", ["plan", "check", "jacobian", "analyze"])
def test_other_commands_take_the_jacobian_of_such_a_spec(jaccli: Jaccli, command: str) -> None:
    done = jaccli(command, "-", "--format", "json", stdin=RESISTANCE)
    assert "jacobian" in done.stdout


def test_files_hold_what_is_shown(jaccli: Jaccli, tmp_path: Path) -> None:
    for name in ("u.json", "u.npz", "u.csv"):
        assert jaccli("propagate", "-", "-o", name, stdin=RESISTANCE).stdout == ""
    data = json.loads((tmp_path / "u.json").read_text())
    assert (data["schema"], data["derivative"]) == (1, "propagate")
    with np.load(tmp_path / "u.npz") as arrays:
        assert set(arrays) == {"value.R", "value.P", "u.R", "u.P", "covariance", "order",
                               "manifest"}  # fmt: skip
        assert arrays["u.R"] == pytest.approx(250 * RELATIVE, rel=1e-12)
        assert arrays["order"].tolist() == ["R", "P"]
        covariance = (0.002**2 - 0.001**2) * 250 * 0.1
        assert arrays["covariance"][0, 1] == pytest.approx(covariance, rel=1e-12)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "u.csv").read_text())))
    assert [(row["output"], row["input"]) for row in rows] == [
        ("R", "V"), ("R", "I"), ("P", "V"), ("P", "I"),
    ]  # fmt: skip
    assert float(rows[0]["percent"]) == pytest.approx(80)
    assert float(rows[1]["contribution"]) == pytest.approx(-0.25)
    shown = jaccli("propagate", "-", "--format", "csv", stdin=RESISTANCE).stdout
    assert shown == (tmp_path / "u.csv").read_text()


def test_the_table_is_for_people(jaccli: Jaccli) -> None:
    done = jaccli("propagate", "-", "--format", "table", "--digits", "4", stdin=RESISTANCE)
    assert done.stdout == TABLE
    assert done.stderr.startswith("propagate: 2 outputs of 2 uncertain inputs, Jacobian by ")


TABLE = """\
output  value          u  dof     k   U (95 %)  u/|value|
R         250      0.559  inf  1.96      1.096    0.00224
P         0.1  0.0002236  inf  1.96  0.0004383    0.00224

budget of R
  input  value      u  sensitivity  contribution  percent
  V          5   0.01           50           0.5   80.0 %
  I       0.02  2e-05    -1.25e+04         -0.25   20.0 %

budget of P
  input  value      u  sensitivity  contribution  percent
  V          5   0.01         0.02        0.0002   80.0 %
  I       0.02  2e-05            5        0.0001   20.0 %

correlation
       R    P
  R    1  0.6
  P  0.6    1
"""


def test_large_arrays_are_propagated_by_a_sparse_jacobian_without_a_budget(
    jaccli: Jaccli, tmp_path: Path
) -> None:
    size = 3000
    done = jaccli("propagate", "-e", "y = x[1:]*x[:-1]", "--at", f"x={{linspace: [1, 2, {size}]}}",
                  "--std", "x=0.01", "--format", "json")  # fmt: skip
    found = json.loads(done.stdout)
    x = np.linspace(1, 2, size)
    np.testing.assert_allclose(found["outputs"]["y"]["u"], 0.01 * np.hypot(x[1:], x[:-1]))
    assert found["mode"] == "sparse"
    assert found["budget"] is None
    assert found["covariance"] is None
    assert "the covariance of 2,999 outputs is left out; -o FILE.npz has it." in done.stderr
    jaccli("propagate", "-e", "y = x[1:]*x[:-1]", "--at", f"x={{linspace: [1, 2, {size}]}}",
           "--std", "x=0.01", "-o", "u.npz")  # fmt: skip
    with np.load(tmp_path / "u.npz") as arrays:
        covariance = arrays["covariance"]
    np.testing.assert_allclose(np.diagonal(covariance, 1), 1e-4 * x[:-2] * x[2:], rtol=1e-12)
    assert np.count_nonzero(covariance) == 3 * (size - 1) - 2


def test_a_flat_point_is_pointed_out(jaccli: Jaccli) -> None:
    done = jaccli("propagate", "-e", "x**2", "--at", "x=0", "--std", "x=0.1")
    assert (
        "warning: to first order, u of f is 0: no uncertain input has a slope there; "
        "--order 2 and --monte-carlo see more." in done.stderr
    )


def test_inputs_may_be_called_as_keys_are(jaccli: Jaccli) -> None:
    spec = (
        "model: {expression: samples*coverage*relative}\n"
        "inputs: {samples: 1.0, coverage: 2.0, relative: 3.0}\n"
        "uncertainty: {samples: 0.1, coverage: {relative: 0.2}, relative: {std: 0.9}}\n"
        "correlation: [[samples, relative, 0]]\n"
    )
    found = json.loads(jaccli("propagate", "-", "--format", "json", "-q", stdin=spec).stdout)
    u = 6 * sqrt(0.1**2 + 0.2**2 + 0.3**2)
    assert found["outputs"]["f"]["u"] == pytest.approx(u, rel=1e-12)


def test_the_dtype_of_the_model_is_kept_and_propagation_is_in_float64(jaccli: Jaccli) -> None:
    done = jaccli("propagate", "-", "--dtype", "float32", "--format", "json", stdin=RESISTANCE)
    found = json.loads(done.stdout)
    assert found["dtype"] == "float32"
    assert found["outputs"]["R"]["u"] == pytest.approx(250 * RELATIVE, rel=1e-6)


CONFIG = Path(__file__).parent.parent.parent / "configs" / "shunt_sweep.yaml"


def test_a_sweep_prints_one_table(jaccli: Jaccli) -> None:
    done = jaccli("run", CONFIG, "--format", "csv", "-q")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    voltage = np.array([float(row["inputs.V"]) for row in rows])
    np.testing.assert_array_equal(voltage, [0.01, 0.03, 0.1, 0.3])
    u = np.hypot(0.5e-3 / sqrt(3) / 0.01, 2e-3 * voltage / 0.01)
    np.testing.assert_allclose([float(row["u"]) for row in rows], u, rtol=1e-12)
    tasks = json.loads(jaccli("run", CONFIG, "--format", "json", "-q").stdout)["tasks"]
    np.testing.assert_allclose([task["outputs"]["I"]["u"] for task in tasks], u, rtol=1e-12)
    assert [task["values"] for task in tasks] == [{"inputs.V": v} for v in voltage]


def test_a_sweep_of_propagate_writes_no_folder(jaccli: Jaccli) -> None:
    done = jaccli("run", CONFIG, "--out-dir", "out", check=False)
    said = (
        "jaccli: --out-dir: a sweep of propagate is one table.\n"
        "--table FILE writes it; --format is for standard output.\n"
    )
    assert (done.exit_code, done.stderr) == (2, said)
    done = jaccli("run", CONFIG, "--set", "derivative=[jacobian, propagate]", check=False)
    assert done.exit_code == 2
    assert "a sweep of propagate is of nothing besides." in done.stderr


def test_models_in_python_propagate(tmp_path: Path) -> None:
    import jaccli

    (tmp_path / "r.yaml").write_text(RESISTANCE)
    model = jaccli.load(tmp_path / "r.yaml")
    report = model.propagate(uncertainty={"V": 0.01}, coverage=0.99, budget=False)
    data = report.data()
    assert data["outputs"]["R"]["u"] == pytest.approx(0.5, rel=1e-12)
    assert data["outputs"]["R"]["coverage"] == 0.99
    assert data["budget"] is None
    assert str(report).startswith("output")


def test_an_entry_replaces_that_of_the_base_as_a_whole(jaccli: Jaccli, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{RESISTANCE}correlation: [[V, I, 0.5]]\n")
    child = "base: base.yaml\nuncertainty: {I: {half_width: 1}}\ncorrelation: [[V, I, 0.1]]\n"
    (tmp_path / "child.yaml").write_text(child)
    resolved = jaccli("validate", "child.yaml").stdout
    assert "V: 0.01" in resolved
    assert "I: {half_width: 1, distribution: uniform}" in resolved
    assert "- [V, I, 0.1]" in resolved


@pytest.mark.slow
def test_a_million_inputs_take_no_more_than_their_jacobian(jaccli: Jaccli, tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text(
        "model: {expressions: {y: 'x[1:]*x[:-1]'}}\n"
        "inputs: {x: {random: normal, shape: [1000000], seed: 1}}\n"
        "uncertainty: {x: {random: uniform, shape: [1000000], seed: 2, low: 0, high: 1}}\n"
        "memory: 1GiB\n"
    )
    jaccli("propagate", "large.yaml", "-o", "u.npz")
    x = np.random.default_rng(1).normal(size=1_000_000)
    std = np.random.default_rng(2).uniform(size=1_000_000)
    with np.load(tmp_path / "u.npz") as arrays:
        right = np.hypot(x[1:] * std[:-1], x[:-1] * std[1:])
        np.testing.assert_allclose(arrays["u.y"], right, rtol=1e-12)


HONOURED_ELSEWHERE = ("--layout matrix", "--show R", "--resume", "--cluster local:1",
                      "--scale log", "--with-value")  # fmt: skip


@pytest.mark.parametrize("options", HONOURED_ELSEWHERE)
@pytest.mark.parametrize("sweep", ["", "sweep: {inputs.V: [4.0, 5.0]}\n"], ids=["one", "sweep"])
def test_run_refuses_what_a_report_of_uncertainty_does_not_honour(
    jaccli: Jaccli, tmp_path: Path, options: str, sweep: str
) -> None:
    (tmp_path / "r.yaml").write_text(f"{RESISTANCE}{sweep}")
    refused = jaccli("run", "r.yaml", *options.split(), check=False)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert options.split()[0] in refused.stderr


def test_beside_a_derivative_options_of_results_are_that_ones(
    jaccli: Jaccli, tmp_path: Path
) -> None:
    (tmp_path / "r.yaml").write_text(RESISTANCE.replace("propagate", "[gradient, propagate]"))
    found = jaccli("run", "r.yaml", "--scale", "log", "-q").stdout
    assert "V 1.0" in found.replace("  ", " ")  # R is V over I
    assert "U (95 %)" in found
    refused = jaccli("run", "r.yaml", "--cluster", "local:1", check=False)
    assert (refused.exit_code, refused.stdout) == (2, "")


NESTED = "def f(params, z):\n    return params['b']['c'] * z + params['w'] ** 2\n"


@pytest.mark.parametrize(
    "entries",
    [
        "uncertainty: {params: {b: {c: 0.1}, w: {relative: 0.1}}}",
        "uncertainty: {params.b.c: 0.1, params.w: {relative: 0.1}}",
    ],
)
def test_nested_inputs_are_uncertain_by_their_names(
    jaccli: Jaccli, tmp_path: Path, entries: str
) -> None:
    (tmp_path / "nested.py").write_text(NESTED)
    inputs = "inputs: {params: {w: 3.0, b: {c: 2.0}}, z: 5.0}"
    (tmp_path / "s.yaml").write_text(f"model: {{python: 'nested.py:f'}}\n{inputs}\n{entries}\n")
    common = ("propagate", str(tmp_path / "s.yaml"), "--allow-python", "--format", "json", "-q")
    found = json.loads(jaccli(*common).stdout)
    assert found["outputs"]["f"]["u"] == pytest.approx(hypot(5 * 0.1, 6 * 0.3), rel=1e-14)
    assert list(found["budget"]["f"]) == ["params.w", "params.b.c"]
    again = json.loads(jaccli(*common, "--std", "params.b.c=0.2").stdout)
    assert again["outputs"]["f"]["u"] == pytest.approx(hypot(5 * 0.2, 6 * 0.3), rel=1e-14)


def test_a_value_that_is_not_finite(jaccli: Jaccli) -> None:
    base = ("propagate", "-e", "y = log(x)", "--at", "x=-2.0", "--std", "x=0.1")
    warned = jaccli(*base, "--monte-carlo", "auto", "--format", "json")
    assert "warning: y is NaN" in warned.stderr
    assert "monte_carlo" not in json.loads(warned.stdout)
    refused = jaccli(*base, "--fail-on-nonfinite", check=False)
    assert refused.exit_code == 3
    assert refused.stderr == "jaccli: propagate: y is NaN (1 of 1 entries is not finite).\n"


def test_a_task_that_fails_leaves_the_others(jaccli: Jaccli, tmp_path: Path) -> None:
    spec = """
model: {expression: sqrt(x)}
inputs: {x: 1.0}
uncertainty: {x: 0.1}
derivative: propagate
sweep: {inputs.x: [1.0, -1.0, 4.0]}
"""
    target = tmp_path / "u.csv"
    done = jaccli(
        "run", "-", "--table", str(target), "--format", "none", "--fail-on-nonfinite",
        stdin=spec, check=False,
    )  # fmt: skip
    assert done.exit_code == 1
    assert "failed: x=-1.0: propagate: f is NaN" in done.stderr
    header, *rows = target.read_text().splitlines()
    assert header == "inputs.x,output,value,u,dof,k,U"
    assert [row.split(",")[:4] for row in rows] == [
        ["1.0", "f", "1.0", "0.05"], ["4.0", "f", "2.0", "0.025"],
    ]  # fmt: skip


@pytest.mark.parametrize("derivative", ["propagate", "covariance"])
def test_a_report_is_not_compared_with_a_file(jaccli: Jaccli, derivative: str) -> None:
    spec = "model: {expression: x**2}\ninputs: {x: 3.0}\nuncertainty: {x: 0.1}\n"
    spec += f"derivative: {derivative}\nexpect: {{file: golden.npz}}\n"
    done = jaccli("run", "-", stdin=spec, check=False)
    assert done.exit_code == 2
    assert f"expect: a report of {derivative} is not compared with a file." in done.stderr
    assert not done.stdout
