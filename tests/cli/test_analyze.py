"""`jaccli analyze` from the command line: what it prints and what it refuses, in full."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT

ROSENBROCK = ("-e", "(1 - x)**2 + 100*(y - x**2)**2", "--at", "x=1", "--at", "y=1")
POLAR = str(ROOT / "configs" / "polar.yaml")
Run = Callable[..., Any]


def test_a_minimum_as_a_table(jaccli: Run) -> None:
    table = ("--format", "table", "--digits", "4")
    lines = jaccli("analyze", *ROSENBROCK, *table).stdout.splitlines()
    assert lines[:10] == [
        "hessian         f: 2 x 2, float64, -e",
        "method          LAPACK",
        "point           minimum",
        "gradient norm   0 (at most 1.49e-08)",
        "definiteness    positive definite",
        "inertia         2 positive, 0 negative, 0 zero (zero: up to 4.45e-13)",
        "condition       2508",
        "trace           1002",
        "Frobenius norm  1002",
        "eigenvalue  residual  direction",
    ]
    cells = [line.split(maxsplit=2) for line in lines[10:]]
    assert [(value, direction) for value, _, direction in cells] == [
        ("0.3994", "0.89 y + 0.45 x"),
        ("1002", "0.89 x - 0.45 y"),
    ]


def test_a_jacobian_that_loses_a_dimension_names_it(jaccli: Run) -> None:
    options = ("-e", "[x[0] + x[3], 2 * x[1], 0 * x[2], 3 * x[2]]", "--at", "x=[1, 2, 3, 4.]")
    lines = jaccli("analyze", *options, "--format", "table").stdout.splitlines()
    assert lines[2:6] == [
        "rank            3 of 4 (zero: up to 2.66e-15)",
        "null space      1 dimension",
        "  0.71 x[0] - 0.71 x[3]",
        "condition       inf",
    ]
    assert lines[-4].split() == ["3", "0", "x[2]", "f[3]"]


def test_plain_prints_every_value_in_full(jaccli: Run) -> None:
    done = jaccli("analyze", "-e", "x**3 / 3", "--at", "x={linspace: [0.1, 2, 30]}")
    values = [line.split()[0] for line in done.stdout.splitlines()[-30:]]
    expected = np.sort(np.linspace(0.1, 2, 30) ** 2)[::-1]
    np.testing.assert_allclose([float(value) for value in values], expected)
    assert done.stderr == ""


def test_json_and_the_file_hold_the_same(jaccli: Run) -> None:
    printed = jaccli("analyze", *ROSENBROCK, "--format", "json", "-o", "report.json").stdout
    report = json.loads(printed)
    assert json.loads(Path("report.json").read_text()) == report
    assert {name: report[name] for name in ("of", "shape", "kind", "inertia")} == {
        "of": "hessian",
        "shape": [2, 2],
        "kind": "minimum",
        "inertia": {"positive": 2, "negative": 0, "zero": 0},
    }
    smallest = report["eigenvalues"][0]
    assert smallest["value"] == pytest.approx(501 - np.sqrt(501**2 - 400))
    assert smallest["converged"] is True
    assert smallest["residual"] < 1e-12
    assert list(smallest["direction"]) == ["y", "x"]


def test_what_is_not_finite_is_spelled_as_in_results(jaccli: Run) -> None:
    report = json.loads(
        jaccli("analyze", "-e", "0 * x", "--at", "x=[1, 2.]", "--format", "json").stdout
    )
    assert (report["rank"], report["nullity"], report["condition"]) == (0, 2, "Infinity")


def test_the_derivative_in_question(jaccli: Run) -> None:
    """The Hessian of one scalar output, else the Jacobian; the spec's word counts, `--of` more."""
    scalar = "model: {expression: x @ x}\ninputs: {x: [1, 2.]}\n"

    def of(text: str, *options: str) -> str:
        return str(
            json.loads(jaccli("analyze", "-", *options, "--format", "json", stdin=text).stdout)[
                "of"
            ]
        )

    assert of(scalar) == "hessian"
    assert of(scalar + "derivative: gradient\n") == "hessian"
    assert of(scalar + "derivative: jacobian\n") == "jacobian"
    assert of(scalar + "derivative: jacobian\n", "--of", "hessian") == "hessian"
    assert of(scalar.replace("x @ x", "x * x")) == "jacobian"
    assert of(scalar, "--mode", "fwd-rev") == "hessian"


def test_a_batch_has_a_row_each(jaccli: Run) -> None:
    model = ("-e", "a * x**2 - y**2 + x", "--wrt", "x", "--wrt", "y")
    at = ("--at", "a=[1, -1, 0.]", "--at", "x=[-0.5, 0.5, 0]", "--at", "y=0.0")
    options = (*model, *at, "--batch", "a", "--batch", "x")
    lines = jaccli("analyze", *options, "--format", "table").stdout.splitlines()
    assert lines[:3] == [
        "hessian    f: 3 of 2 x 2, float64, -e",
        "method     LAPACK",
        "tolerance  values up to 4.44e-16 of the row's greatest are zero",
    ]
    assert [" ".join(line.split()) for line in lines[3:]] == [
        "row smallest greatest inertia +/-/0 condition trace residual gradient norm point",
        "0 -2 2 1/1/0 1 0 0 0 saddle",
        "1 -2 -2 0/2/0 1 -4 0 0 maximum",
        "2 -2 0 0/1/1 inf -2 0 1 not stationary",
    ]
    found = json.loads(jaccli("analyze", *options, "--format", "json", "--top", "1").stdout)
    assert [row["kind"] for row in found["rows"]] == ["saddle", "maximum", "not stationary"]
    assert found["rows"][0]["values"] == [-2, 2]


def test_a_large_hessian_is_not_formed(jaccli: Run) -> None:
    """The function `2 x₀² − x₁²/2 + Σx²/2` of 3000 inputs has the eigenvalues 5, 0 and 1."""
    options = ("-e", "sum(x**2) / 2 + 2 * x[0]**2 - x[1]**2 / 2", "--at", "x={zeros: [3000]}")
    done = jaccli("analyze", *options, "--top", "1", "--memory", "4MiB", "--format", "json")
    report = json.loads(done.stdout)
    assert report["method"] == "lanczos"
    assert [pair["value"] for pair in report["eigenvalues"]] == pytest.approx([0, 5], abs=1e-5)
    assert (report["inertia"], report["condition"]) == (None, None)
    assert report["trace"]["value"] == pytest.approx(3003, abs=1e-3)


def test_what_has_not_converged_is_not_a_number(jaccli: Run) -> None:
    options = ("-e", "sum((x[1:] - x[:-1])**2)", "--at", "x={zeros: [3000]}", "--products", "60")
    lines = jaccli("analyze", *options, "--top", "1").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[-2:]] == ["not converged"] * 2
    assert "definiteness    not known: an end of the spectrum has not converged" in lines
    found = json.loads(jaccli("analyze", *options, "--top", "1", "--format", "json").stdout)
    assert [(p["value"], p["converged"]) for p in found["eigenvalues"]] == [(None, False)] * 2


@pytest.mark.parametrize("suffix", [".npz", ".mtx", ".csv", ".npy"])
def test_a_result_file_says_what_the_spec_says(jaccli: Run, suffix: str) -> None:
    jaccli("jacobian", POLAR, "--layout", "matrix", "-o", f"J{suffix}")
    found = json.loads(jaccli("analyze", f"J{suffix}", "--format", "json").stdout)
    direct = json.loads(jaccli("analyze", POLAR, "--format", "json").stdout)
    for key in ("of", "shape", "rank", "condition", "determinant"):
        assert found[key] == pytest.approx(direct[key])
    values = [[p["value"] for p in report["singular_values"]] for report in (found, direct)]
    assert values[0] == pytest.approx(values[1])


def test_blocks_in_a_file_are_joined_and_named(jaccli: Run) -> None:
    jaccli("hessian", *ROSENBROCK, "-o", "H.npz")
    found = json.loads(jaccli("analyze", "H.npz", "--format", "json").stdout)
    assert (found["of"], found["kind"], found["definiteness"]) == (
        "hessian", None, "positive definite",
    )  # fmt: skip
    assert list(found["eigenvalues"][1]["direction"]) == ["x", "y"]


def test_a_symmetric_matrix_without_a_manifest_is_taken_for_a_hessian(jaccli: Run) -> None:
    np.save("A.npy", np.array([[0, 2.0], [2, 0]]))

    def of(*options: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            jaccli("analyze", "A.npy", *options, "--format", "json").stdout
        )
        return found

    assert [pair["value"] for pair in of()["eigenvalues"]] == [-2, 2]
    assert [p["value"] for p in of("--of", "jacobian")["singular_values"]] == [2, 2]


def test_a_batch_in_a_file(jaccli: Run) -> None:
    np.save("B.npy", np.random.default_rng(0).standard_normal((4, 2, 3)))
    rows = json.loads(jaccli("analyze", "B.npy", "--format", "json").stdout)["rows"]
    values = [np.linalg.svd(matrix, compute_uv=False) for matrix in np.load("B.npy")]
    np.testing.assert_allclose([row["values"] for row in rows], values)


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (
        ("-e", "x * 2", "--at", "x=[0, 1.]", "--of", "hessian"),
        2,
        "--expression: the Hessian of one scalar output has a spectrum; 'f' has the shape (2,).\n"
        "  x * 2\n  ^\nReduce it (sum, an index), or ask for --of jacobian.\n",
    ),
    (
        ("-e", "r = x @ x", "-e", "u = 2 * x", "--at", "x=[0, 1.]", "--of", "hessian"),
        2,
        "--expression: the Hessian of one scalar output has a spectrum; 'r' has the shape (), "
        "'u' has the shape (2,).\n  r = x @ x\n      ^\n"
        "Choose one with --select r, or ask for --of jacobian.\n",
    ),
    (
        ("-e", "sum(sqrt(x))", "--at", "x=[0, 1.]"),
        3,
        "jaccli: analyze: d f / d x[0] is inf (1 of 2 entries is not finite).\n",
    ),
    (
        ("-e", "sqrt(x)", "--at", "x=[1, 0.]"),
        3,
        "jaccli: analyze: d f[1] / d x[1] is inf (1 of 4 entries is not finite).\n",
    ),
    (
        ("-e", "sum(x**2)", "--at", "x={zeros: [0]}"),
        2,
        "jaccli: -e: the matrix is 0 x 0: it has no entries, and no spectrum.\n",
    ),
    (
        ("-e", "x", "--at", "x=1.0", "--top", "0"),
        2,
        "jaccli: --top: 0 is out of range.\nExpected 1 or more.\n",
    ),
    (
        ("-e", "2 * x", "--at", "x=[1, 2.]", "--top", "3"),
        2,
        "jaccli: --top: 3 is more than there are: 2 singular values.\n",
    ),
    (
        ("-e", "x", "--at", "x=1.0", "--of", "gradient"),
        2,
        "jaccli: --of: 'gradient' has no spectrum.\nExpected one of 'jacobian', 'hessian'.\n",
    ),
    (
        ("-e", "x", "--at", "x=1.0", "--gtol", "-1"),
        2,
        "jaccli: --gtol: -1.0 is out of range.\nExpected 0 or more.\n",
    ),
    (
        ("-e", "x", "--at", "x=1.0", "-o", "x.npz"),
        2,
        "jaccli: -o: x.npz: analyze writes JSON.\nExpected a name that ends in .json.\n",
    ),
    (
        ("-e", "x", "--at", "x=1.0", "-o", "there.json"),
        2,
        "jaccli: there.json: exists already.\nChoose another name, or replace it with --force.\n",
    ),
    (
        ("-e", "x", "--at", "x=1.0", "--format", "csv"),
        2,
        "jaccli: --format: 'csv' is not a format of this command.\n"
        "Expected one of 'table', 'plain', 'json', 'none'.\n",
    ),
    (
        ("wide.npy", "--of", "hessian"),
        2,
        "jaccli: wide.npy: a Hessian is square; this matrix is 2 x 3.\n"
        "Its singular values: --of jacobian.\n",
    ),
    (
        ("lower.npy", "--of", "hessian"),
        2,
        "jaccli: lower.npy: a Hessian is symmetric; this matrix differs from its transpose by "
        "1.0e+00 of its greatest entry.\nIts singular values: --of jacobian.\n",
    ),
    (
        ("nan.npy",),
        3,
        "jaccli: nan.npy: row[0], column[1] is NaN (2 of 4 entries are not finite).\n",
    ),
    (
        ("vector.npy",),
        2,
        "jaccli: vector.npy: an array of the shape (3,) is not a matrix.\n"
        "Expected two axes, or three with a batch in front.\n",
    ),
    (
        ("empty.npy",),
        2,
        "jaccli: empty.npy: the matrix is 0 x 3: it has no entries, and no spectrum.\n",
    ),
    (
        ("wide.npy", "--top", "3"),
        2,
        "jaccli: --top: 3 is more than there are: 2 singular values.\n",
    ),
    (("text.csv",), 3, "jaccli: text.csv: line 1: 'hello' is not a number.\n"),
    (
        ("huge.mtx", "--memory", "1GiB"),
        3,
        "jaccli: huge.mtx: the rows and columns of a sparse matrix of the shape "
        "(1000000000, 1000000000) take 29.8 GiB, more than the memory budget of 1.0 GiB.\n"
        "Raise --memory.\n",
    ),
    (("absent.npy",), 3, "jaccli: absent.npy: no such file.\n"),
    (
        ("wide.npy", "-e", "x"),
        2,
        "jaccli: --expression: it concerns a model, and wide.npy is a result file.\n",
    ),
    (("wide.npy", POLAR), 2, "jaccli: result files and specs do not go together.\n"),
    (
        ("wide.npy", "--memory", "lots"),
        2,
        "jaccli: --memory: 'lots' is not a size.\nExpected a number with a unit, as 512MiB.\n",
    ),
]


@pytest.mark.parametrize(("options", "code", "message"), REFUSED, ids=lambda part: str(part)[:40])
def test_what_is_refused(jaccli: Run, options: tuple[str, ...], code: int, message: str) -> None:
    np.save("wide.npy", np.ones((2, 3)))
    np.save("lower.npy", np.tril(np.ones((3, 3))))
    np.save("nan.npy", np.array([[1, np.nan], [np.inf, 2]]))
    np.save("vector.npy", np.ones(3))
    np.save("empty.npy", np.ones((0, 3)))
    Path("text.csv").write_text("hello\n")
    head = "%%MatrixMarket matrix coordinate real general"
    Path("huge.mtx").write_text(f"{head}\n1000000000 1000000000 1\n1 1 5\n")
    Path("there.json").write_text("{}")
    done = jaccli("analyze", *options, check=False)
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", message)
    assert Path("there.json").read_text() == "{}"


def test_a_product_has_no_spectrum(jaccli: Run) -> None:
    jaccli("jvp", "-e", "x**2", "--at", "x=1.0", "--vector", "1", "-o", "v.npz")
    done = jaccli("analyze", "v.npz", check=False)
    assert (done.exit_code, done.stderr) == (
        2, "jaccli: v.npz: a jvp has no spectrum.\nExpected a Jacobian or a Hessian.\n",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["forecast", "misra1a", "rat43", "lorenz96", "mlp_xor"])
def test_configs_have_spectra(jaccli: Run, name: str) -> None:
    spec = str(ROOT / "configs" / f"{name}.yaml")
    report = json.loads(jaccli("analyze", spec, "--format", "json").stdout)
    pairs = report.get("singular_values") or report["eigenvalues"]
    squares = sum(pair["value"] ** 2 for pair in pairs)
    assert report["frobenius_norm"]["value"] == pytest.approx(squares**0.5, rel=1e-5)
