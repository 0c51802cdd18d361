"""Figures and documents from the command line: propagate, covariance, sweeps, mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib")

Jaccli = Callable[..., Any]
PRODUCT = ("propagate", "-e", "y = a*b", "--at", "a=2.0", "--at", "b=3.0", "--std", "a=0.2",
           "--std", "b=0.1", "-q")  # fmt: skip
"""Shares of the variance: (3 x 0.2)² = 0.36 and (2 x 0.1)² = 0.04, that is 90 % and 10 %."""
MEAN = ("covariance", "-e", "r = x - a", "--at", "x=[1.0, 2.0, 3.0]", "--at", "a=2.0", "--wrt", "a",
        "-q")  # fmt: skip
"""The mean of 1, 2, 3: s² = 1, so that its standard error is 1/sqrt(3)."""
SWEEP = """
model: {expressions: {y: a*x**2}}
inputs: {x: 1.0, a: 1.0}
wrt: [x]
derivative: DERIVATIVE
uncertainty: {x: 0.5}
sweep:
  inputs.x: [1.0, 2.0, 3.0]
  inputs.a: [1.0, 10.0]
"""


def texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(one.itertext()) for one in root.iter() if one.tag.endswith("}text")]


def table(text: str, title: str) -> list[list[str]]:
    """Return the rows of the Markdown table under a title."""
    lines = text[text.index(f"## {title}\n") :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.split("|")[1:-1]])
    return rows


def curves(path: Path) -> list[np.ndarray[Any, Any]]:
    """Return the points of each curve as they are drawn, `(n, 2)`, y upward."""
    root = ElementTree.parse(path).getroot()
    found = []
    for group in root.iter():
        if not group.get("id", "").startswith("line2d_"):
            continue
        for one in group:
            if one.tag.endswith("}path") and "clip-path" in one.attrib:
                numbers = one.get("d", "").replace("M", " ").replace("L", " ").split()
                points = np.array(numbers, float).reshape(-1, 2) * [1, -1]
                if len(points) > 2:
                    found.append(points)
    return found


def test_the_budget_is_drawn_in_descending_order_with_percent(jaccli: Jaccli) -> None:
    jaccli(*PRODUCT, "-o", "b.svg")
    said = texts(Path("b.svg"))
    assert "90.0 %" in said
    assert said.index("a") < said.index("b")
    assert "y: u = 0.632" in said  # sqrt(0.4)
    jaccli(*PRODUCT, "-o", "b.png")
    assert Path("b.png").read_bytes().startswith(b"\x89PNG")


def test_the_documents_of_propagate_hold_its_tables(jaccli: Jaccli) -> None:
    jaccli(*PRODUCT, "-o", "b.md")
    text = Path("b.md").read_text()
    outputs = dict(zip(*(table(text, "Outputs")[i] for i in (0, 2)), strict=True))
    assert (outputs["value"], outputs["u"]) == ("6", "0.632456")
    assert [row[-1] for row in table(text, "Budget of y")] == ["percent", "---:", "90", "10"]
    jaccli(*PRODUCT, "-o", "b.tex")
    assert "a & $2$ & $0.2$ & $\\infty$ & $3$ & $0.6$ & $90$ \\\\" in Path("b.tex").read_text()
    jaccli(*PRODUCT, "-o", "b.html")
    page = Path("b.html").read_text()
    assert "a*b" in page
    assert "90.0 %" in page
    assert "<td>0.632456</td>" in page


def test_second_order_and_draws_are_in_the_document(jaccli: Jaccli) -> None:
    jaccli("propagate", "-e", "y = x**2", "--at", "x=0.0", "--std", "x=1.0", "--order", "2",
           "--monte-carlo", "1000", "-q", "-o", "b.md")  # fmt: skip
    text = Path("b.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| y | 1 | 1.41421 |"))
    assert row  # E x² = 1, Var x² = 2
    assert "## Monte Carlo, 1,000 draws, seed 0: 95 % intervals" in text


def test_estimates_are_drawn_with_their_intervals(jaccli: Jaccli) -> None:
    jaccli(*MEAN, "-o", "c.svg")
    said = texts(Path("c.svg"))
    assert "estimates, 95 % intervals" in said
    assert "2 ± 2.5" in said  # t(2) 4.3027 / sqrt(3) = 2.484
    jaccli(*MEAN, "-o", "c.md")
    assert table(Path("c.md").read_text(), "Parameters")[2][:4] == [
        "parameter",
        "a",
        "2",
        "0.57735",
    ]


def test_correlation_is_drawn_where_there_are_several_parameters(jaccli: Jaccli) -> None:
    jaccli("covariance", "-e", "r = y - a - b*x", "--at", "x=[0.0, 1.0, 2.0]", "--at",
           "y=[1.0, 3.0, 5.5]", "--at", "a=0.916666666667", "--at", "b=2.25", "--wrt", "a", "--wrt",
           "b", "-q", "-o", "c.svg")  # fmt: skip
    said = texts(Path("c.svg"))
    assert "correlation coefficient" in said
    assert "-0.775" in said  # -sqrt(3/5) of x = 0, 1, 2


def test_a_sweep_of_a_derivative_is_curves_of_its_entries(jaccli: Jaccli) -> None:
    Path("s.yaml").write_text(SWEEP.replace("DERIVATIVE", "gradient"))
    jaccli("run", "s.yaml", "--table", "s.svg", "--no-folder", "--format", "none", "-q")
    said = texts(Path("s.svg"))
    legend = [text.strip() for text in said]
    assert "d y / d x, a=1.0" in legend
    assert "d y / d x, a=10.0" in legend
    assert "x" in legend
    low, high = curves(Path("s.svg"))
    steps = [np.diff(points[:, 1]) for points in (low, high)]  # dy/dx = 2 a x: 2 and 20
    assert np.allclose(steps[1], 10 * steps[0], rtol=1e-4)
    assert np.allclose(steps[0], steps[0][0], rtol=1e-4)


def test_a_sweep_of_propagate_is_curves_of_u(jaccli: Jaccli) -> None:
    Path("s.yaml").write_text(SWEEP.replace("DERIVATIVE", "propagate"))
    jaccli("run", "s.yaml", "--table", "s.svg", "--format", "none", "-q")
    said = texts(Path("s.svg"))
    assert {"u", "x"} <= set(said)
    low, high = curves(Path("s.svg"))  # u = 2 a x 0.5
    assert np.allclose(np.diff(high[:, 1]), 10 * np.diff(low[:, 1]), rtol=1e-4)


def test_many_entries_are_drawn_as_norms(jaccli: Jaccli) -> None:
    Path("s.yaml").write_text(
        "model: {expressions: {y: a*x}}\ninputs: {x: {ones: [30]}, a: 1.0}\nwrt: [x]\n"
        "derivative: jacobian\nsweep: {inputs.a: [1.0, 2.0, 3.0]}\n"
    )
    jaccli("run", "s.yaml", "--table", "s.svg", "--no-folder", "--format", "none", "-q")
    said = texts(Path("s.svg"))
    assert "Euclidean norm" in said
    assert "jacobian of s: ‖∂y/∂x‖" in said


WRONG = {
    ("jacobian", "-e", "y = x**2", "--at", "x=1", "-o", "a.jpg"): "unknown suffix '.jpg'",
    ("jacobian", "-e", "y = x**2", "--at", "x=1", "-o", "a.svg", "--layout", "long"):
        "svg: this format has no long layout.",
    ("jacobian", "-e", "y = x**2", "--at", "x=1", "-o", "a.svg", "--with-value"):
        "--with-value: svg holds the derivative alone.",
    (*PRODUCT, "-o", "b.mat"): "propagate writes reports.",
    (*PRODUCT, "-o", "b.png", "--no-budget"): "--no-budget: a .png holds the budget.",
    ("run", "s.yaml", "--table", "s.html"): "this is not the name of a table.",
    ("run", "s.yaml", "--table", "s.svg", "--suffix", ".png"):
        "--suffix: .png cannot be read back for the --table.",
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_drawn_is_refused(options: tuple[str, ...], jaccli: Jaccli) -> None:
    Path("s.yaml").write_text(SWEEP.replace("DERIVATIVE", "gradient"))
    done = jaccli(*options, check=False)
    assert done.exit_code == 2
    assert WRONG[options] in done.stderr
    assert [path.name for path in Path.cwd().iterdir()] == ["s.yaml"]


@pytest.mark.local("a service has what it has installed")
@pytest.mark.parametrize("name", ["a.png", "a.html"])
def test_a_missing_extra_is_named_before_anything_is_computed(
    name: str, jaccli: Jaccli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    jacobian = ("jacobian", "-e", "y = x**2", "--at", "x=1.0")
    for command in (jacobian, PRODUCT, MEAN):
        done = jaccli(*command, "-o", name, check=False)
        assert done.exit_code == 2
        assert "Install the extra: pip install 'jaccli[figures]'." in done.stderr


def test_mat_says_which_variables_are_which(jaccli: Jaccli) -> None:
    done = jaccli("jacobian", "-e", "y = x**2", "--at", "x=1.0", "-o", "a.mat")
    assert "variables: y.x is y_x; `names` has all." in done.stderr
    assert jaccli("compare", "a.mat", "a.mat").exit_code == 0
