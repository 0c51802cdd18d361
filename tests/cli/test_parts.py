"""`--rows`, `--cols`, `--part` and `--show` as typed: labels, files, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import jaccli
from jaccli.errors import UsageError
from tests.conftest import call

LINEAR = ("-e", "y = w @ x**2", "--at", "w=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]", "--at",
          "x=[1.0, 2.0, 3.0]", "--wrt", "x")  # fmt: skip
"""Its Jacobian is [[2, 8, 18], [8, 20, 36]]."""
CUBES = ("-e", "sum(x**3)*z", "--at", "x=[1.0, 2.0, 3.0]", "--at", "z=2.0")


def test_labels_in_text_are_those_of_the_whole() -> None:
    done = call("jacobian", *LINEAR, "--rows", "y[1], y[0]", "--cols", "x[::2]", "-q")
    assert done.stdout == "     x[0] x[2]\ny[1]  8.0 36.0\ny[0]  2.0 18.0\n"
    done = call("hessian", *CUBES, "--part", "diagonal", "--cols", "x[1:]", "-q", "--format",
                "table")  # fmt: skip
    assert done.stdout == "diagonal of ∂²f/∂x²  (2,)\nx[1]  24\nx[2]  36\n"
    done = call("hessian", *CUBES, "--part", "trace", "-q", "--wrt", "x")
    assert done.stdout == "f 72.0\n"


def test_labels_in_files_are_those_of_the_whole(tmp_path: Path) -> None:
    part = ("--rows", "y[1]", "--cols", "x[2], x[0]", "-q")
    for name, more in {
        "b.npz": (),
        "m.npz": ("--layout", "matrix"),
        "s.npz": ("--layout", "matrix", "--mode", "sparse"),
        "m.csv": (),
        "m.mtx": (),
        "b.json": (),
    }.items():
        call("jacobian", *LINEAR, *part, *more, "-o", name, cwd=tmp_path)
        call("compare", name, "b.npz" if name[0] == "b" else "m.npz", cwd=tmp_path)
    assert (tmp_path / "m.csv").read_text() == ",x[2],x[0]\ny[1],36.0,8.0\n"
    assert "% row 1: y[1]\n% column 1: x[2]\n% column 2: x[0]\n" in (tmp_path / "m.mtx").read_text()
    labels = {"rows": ["y[1]"], "columns": ["x[2]", "x[0]"]}
    for name in ("b.npz", "s.npz"):
        manifest = json.loads(str(np.load(tmp_path / name)["manifest"]))
        assert manifest["labels"] == labels
        assert manifest["picked"] == {"rows": "y[1]", "cols": "x[2], x[0]"}
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["blocks"] == {
        "y.x": {"shape": [2], "labels": [["y[1]"], ["x[2]", "x[0]"]], "values": [36.0, 8.0]}
    }
    assert document["value"] == {"y": 78.0}
    assert "x[2]" in call("analyze", "b.npz", cwd=tmp_path).stdout


def test_a_diagonal_in_files_says_so(tmp_path: Path) -> None:
    call("hessian", *CUBES, "--part", "diagonal", "-o", "d.npz", cwd=tmp_path)
    found = np.load(tmp_path / "d.npz")
    np.testing.assert_array_equal(found["f.x.x"], [12, 24, 36])
    assert found["f.z.z"] == 0
    assert json.loads(str(found["manifest"]))["part"] == "diagonal"
    done = call("analyze", "d.npz", cwd=tmp_path, check=False)
    assert done.exit_code == 2
    assert done.stderr == (
        "jaccli: d.npz: it holds the diagonal of a hessian, which has no spectrum.\n"
        "Write the whole derivative: leave out --part.\n"
    )


@pytest.mark.parametrize(
    ("command", "show", "printed", "planned"),
    [
        (
            "jacobian",
            "y[1], x[2]",
            "     x[2]\ny[1] 36.0\n",
            "rows y[1] and columns x[2] of the Jac",
        ),
        ("jacobian", "y[0]", "     x[0] x[1] x[2]\ny[0]  2.0  8.0 18.0\n", "rows y[0] of the Jac"),
        ("jacobian", "y.x, x[0]", "     x[0]\ny[0]  2.0\ny[1]  8.0\n", "columns x[0] of the Jac"),
        ("hessian", "x[2], z", "        z\nx[2] 27.0\n", "Jacobian of the gradient by x[2]"),
        ("hessian", "x[1:], x[1]", "     x[1]\nx[1] 24.0\nx[2]  0.0\n", "columns x[1]"),
        ("hessian", "f.z.x", "  x[0] x[1] x[2]\nz  3.0 12.0 27.0\n", "gradient by z, columns x"),
    ],
)
def test_show_computes_what_it_prints(command: str, show: str, printed: str, planned: str) -> None:
    model = LINEAR if command == "jacobian" else CUBES
    done = call(command, *model, "--show", show, "--explain")
    assert done.stdout == printed
    assert planned in done.stderr
    whole = call(command, *model, "--show", show, "--fail-on-nonfinite", "--explain")
    assert whole.stdout == printed
    assert planned not in whole.stderr


def test_show_computes_its_batch_rows_alone() -> None:
    model = ("-e", "1/x", "--at", "x=[[1.0, 2.0], [0.0, 4.0]]", "--batch", "x=1")
    done = call("jacobian", *model, "--show", "batch[1], f[0]")
    assert [float(word) for word in done.stdout.split()[3:]] == [-0.25, 0]
    assert "warning" not in done.stderr
    done = call("jacobian", *model, "--show", "batch[:1], f[1], x[1]")
    assert "d f[1] / d x[1] at batch row 0 is -inf" in done.stderr


def test_a_warning_names_the_entry_of_the_whole() -> None:
    done = call("jacobian", "-e", "sqrt(x)*c", "--at", "x=[1.0, 2.0, 0.0]", "--at", "c=1.0",
                "--rows", "f[1:]", "--cols", "x[1:]")  # fmt: skip
    assert "warning: d f[2] / d x[2] is inf (1 of 4 entries is not finite)." in done.stderr
    assert "sqrt(x) has no finite derivative at x[2] = 0." in done.stderr


def test_values_and_scales_are_of_the_same_entries() -> None:
    part = ("--rows", "y[1]", "--cols", "x[2]", "-q")
    done = call("jacobian", *LINEAR, *part, "--with-value", "--scale", "log")
    value, _, table = done.stdout.partition("\n\n")
    assert value == "y[1] 78.0"
    assert table.split() == ["x[2]", "y[1]", str(36 * 3 / 78)]


def test_sweeps_are_in_part(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "model: {expressions: {y: 'x**2 * a'}}\ninputs: {x: [1.0, 2.0, 3.0], a: 1.0}\nwrt: [x]\n"
        "rows: y[1:]\ncols: x[2]\nsweep: {inputs.x: [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]], "
        "inputs.a: [1.0, 10.0]}\n"
    )
    call("run", "s.yaml", "--out-dir", "out", cwd=tmp_path)
    found = [np.load(path)["y.x"].tolist() for path in sorted((tmp_path / "out").glob("*.npz"))]
    assert found == [[0, 6], [0, 60], [0, 14], [0, 140]]


def test_python_has_parts() -> None:
    model = jaccli.model("x**2 * sum(x)", at={"x": [1.0, 2.0]})
    result = model.jacobian(rows="f[1]", cols="x[0]")
    assert result["f.x"] == 4.0
    assert result.labels() == {"rows": ["f[1]"], "columns": ["x[0]"]}
    np.testing.assert_array_equal(model.jacobian(part="diagonal")["f.x"], [7.0, 16.0])
    assert model.jacobian(part="trace")["f.x"] == 23.0
    with pytest.raises(UsageError, match=r"^rows: evaluate takes no rows\.$"):
        model.evaluate(rows="f[0]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jacobian", *LINEAR, "--rows", "y[2]"),
         "--rows: index 2 is out of range for 'y' in 'y[2]'.\n  y[2]\n  ^^^^\n"
         "'y' has the shape (2,).\n"),
        (("jacobian", *LINEAR, "--rows", "z[0]"),
         "--rows: no output named 'z'.\n  z[0]\n  ^^^^\nExpected 'y'.\n"),
        (("jacobian", *LINEAR, "--cols", "w[0]"),
         "--cols: no input in wrt named 'w'.\n  w[0]\n  ^^^^\nExpected 'x'.\n"),
        (("jacobian", *LINEAR, "--rows", "y[0"),
         "--rows: cannot read 'y[0'.\n  y[0\n  ^^^\n"
         "Expected names with indices, such as 'y[0]' or 'y[0:4], x[3]'.\n"),
        (("jacobian", *LINEAR, "--cols", "x[0], x[-3]"),
         "--cols: x[0] is picked twice in 'x[0], x[-3]'.\n  x[0], x[-3]\n  ^^^^^^^^^^^\n"
         "Name each entry once.\n"),
        (("jacobian", *LINEAR, "--rows", "y[0,0]"),
         "--rows: too many indices for 'y' in 'y[0,0]'.\n  y[0,0]\n  ^^^^^^\n"
         "'y' has the shape (2,).\n"),
        (("jacobian", *LINEAR, "--part", "trace"),
         "--part: the block y.x is not square: it has the shape (2, 3), of an output (2,) by an "
         "input (3,).\n  trace\n  ^^^^^\nChoose others with --select, --wrt, --rows and --cols.\n"),
        (("hessian", *CUBES, "--part", "trace", "--mode", "rev-fwd"),
         "--mode: mode 'rev-fwd' has no trace of its own.\n  rev-fwd\n  ^^^^^^^\n"
         "Expected one of 'auto', 'sparse', 'fwd-fwd', 'fwd-rev', 'rev-rev'.\n"),
        (("evaluate", *LINEAR, "--set", "rows=y"),
         "--set: evaluate is not computed in parts.\n  rows=y\n       ^\n"
         "It goes with jacobian, gradient, hessian.\n"),
        (("check", *LINEAR, "--set", "cols=x"),
         "--set: this command takes the whole derivative.\n  cols=x\n       ^\n"
         "It goes with jacobian, gradient, hessian, run and plan; here, leave it out.\n"),
        (("jacobian", *LINEAR, "--rows", "y[0]", "--show", "y[0]"),
         "jaccli: --show: 'y' has indices, and only some of its entries are computed.\n"
         "Pick them with --rows and --cols; batch[0] and whole arrays can be shown.\n"),
        (("hessian", *CUBES, "--part", "trace", "--cluster", "local:1", "-o", "t.npy"),
         "jaccli: --cluster: a trace is computed in one piece.\n"
         "Leave out --cluster; a sweep of such tasks can have one.\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = call(*arguments, cwd=tmp_path, check=False)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", message)


def test_show_prints_the_zeros_of_the_whole_beside_a_singularity() -> None:
    done = call("jacobian", "-e", "1/x", "--at", "x=[1.0, 0.0]", "--show", "f[0]")
    assert done.stdout == "     x[0] x[1]\nf[0] -1.0  0.0\n"
