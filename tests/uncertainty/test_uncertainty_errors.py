"""What is wrong with an uncertainty is said in full, at its place, with exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.carets import marked

Jaccli = Callable[..., Any]
MODEL = "model: {expression: V*I + sum(q)}\ninputs: {V: 2.0, I: 3.0, q: [1.0, 2.0], n: 1.0}\n"
NUMBER = "Expected a finite number of at least 0."
TOGETHER = "Arrays are correlated entry by entry; else give {inputs: [...], matrix: ...}."

WRONG: dict[str, tuple[str, str]] = {
    # the lines after the model, « » around what is marked, and what is said
    "negative": ("uncertainty: {V: «-0.1»}",
                 f"uncertainty.V: the uncertainty -0.1 is negative.\n{NUMBER}"),
    "nan": ("uncertainty: {q: [1, «.nan»]}",
            f"uncertainty.q: the uncertainty .nan is not finite.\n{NUMBER}"),
    "infinite": ("uncertainty: {V: {relative: «.inf»}}",
                 f"uncertainty.V.relative: the uncertainty .inf is not finite.\n{NUMBER}"),
    "no such input": ("uncertainty: {«U»: 1}", "uncertainty.U: no input named 'U'.\n"
                      "Expected one of 'V', 'I', 'q', 'n'."),
    "no such form": ("uncertainty: {V: {«relativ»: 1}}",
                     "uncertainty.V: the mapping names no uncertainty.\n"
                     "Did you mean 'relative'?"),
    "distribution": ("uncertainty: {V: {half_width: 1, distribution: «normal»}}",
                     "uncertainty.V.distribution: unknown value 'normal'.\n"
                     "Expected one of 'uniform', 'triangular', 'arcsine'."),
    "dof": ("uncertainty: {V: {std: 1, dof: «-3»}}",
            "uncertainty.V.dof: -3 is not a number of degrees of freedom.\n"
            "Expected a number above 0, or .inf."),
    "k": ("uncertainty: {V: {expanded: 1, k: «0»}}",
          "uncertainty.V.k: 0 is not a coverage factor.\nExpected a finite number above 0."),
    "expanded": ("uncertainty: {V: «{»expanded: 1}}",
                 "uncertainty.V: an expanded uncertainty has either 'k' or 'coverage'.\n"
                 "Expected {expanded: U, k: 2}, or {expanded: U, coverage: 0.95, dof: 9}."),
    "coverage": ("coverage: «1»\nuncertainty: {V: 1}",
                 "coverage: 1 is not a coverage probability.\n"
                 "Expected a number between 0 and 1, as 0.95."),
    "coefficient": ("uncertainty: {V: 1, I: 1}\ncorrelation: [[V, I, «1.5»]]",
                    "correlation: 1.5 is not a correlation coefficient.\n"
                    "Expected a number from -1 to 1."),
    "no triple": ("uncertainty: {V: 1, I: 1}\ncorrelation: [«[»V, I]]",
                  "correlation: a list is not a correlation of two inputs.\n"
                  "Expected [NAME, NAME, COEFFICIENT], as [V, I, -0.36]."),
    "itself": ("uncertainty: {V: 1, I: 1}\ncorrelation: [[V, «V», 1]]",
               "correlation: 'V' stands here with itself."),
    "twice": ("uncertainty: {V: 1, I: 1}\ncorrelation: [[V, I, 0.1], «[»I, V, 0.2]]",
              "correlation: the correlation of 'I' and 'V' is there twice."),
    "unknown": ("uncertainty: {V: 1, I: 1}\ncorrelation: [[V, «J», 0.1]]",
                "correlation: no input named 'J'.\nExpected one of 'V', 'I', 'q', 'n'."),
    "exact": ("uncertainty: {V: 1}\ncorrelation: [[V, «I», 0.1]]",
              "correlation: the input 'I' is exact: it has no entry under 'uncertainty'.\n"
              "Give it one, or leave 'I' out here."),
    "exact in a matrix": ("uncertainty: {V: 1}\n"
                          "correlation: {inputs: [V, «n»], matrix: {eye: 2}}",
                          "correlation.inputs: the input 'n' is exact: it has no entry under "
                          "'uncertainty'.\nGive it one, or leave 'n' out here."),
    "no samples": ("uncertainty: {V: 1}\ncorrelation: «samples»",
                   "correlation: no input has samples.\nuncertainty: {x: {samples: ...}}"),
    "both": ("uncertainty: {«V»: 1}\ncovariance: {inputs: [V, I], matrix: {eye: 2}}",
             "uncertainty.V: 'V' has an entry here, and its variance under 'covariance'.\n"
             "Leave one of them out."),
    "shape": ("uncertainty: {q: «[»1, 2, 3]}",
              "uncertainty.q: an uncertainty of shape (3,) for the input 'q'; expected (2,), "
              "or a number."),
    "shapes of a pair": ("uncertainty: {V: 1, q: 1}\ncorrelation: [«[»V, q, 0.1]]",
                         f"correlation: 'V' has the shape (), 'q' (2,).\n{TOGETHER}"),
    "matrix shape": ("covariance: {inputs: [V, q], matrix: «{»eye: 2}}",
                     "covariance.matrix: a matrix of shape (2, 2) for 'V', 'q'; expected (3, 3)."),
    "not symmetric": ("covariance: {inputs: [V, I], matrix: «[»[1, 0.5], [0.4, 1]]}",
                      "covariance.matrix: it is not symmetric: [0,1] is 0.5, [1,0] is 0.4."),
    "indefinite": ("covariance: {inputs: [V, I], matrix: «[»[1, 3], [3, 4]]}",
                   "covariance.matrix: it is not positive semidefinite: its smallest eigenvalue "
                   "is -0.854102."),
    "variance": ("covariance: {inputs: [V, I], matrix: «[»[-1, 0], [0, 1]]}",
                 "covariance.matrix: a variance is negative: -1."),
    "own matrix": ("uncertainty: {q: {covariance: «[»[1, 2], [2, 1]]}}",
                   "uncertainty.q.covariance: it is not positive semidefinite: its smallest "
                   "eigenvalue is -1."),
    "correlation matrix": ("uncertainty: {V: 1, I: 1}\n"
                           "correlation: {inputs: [V, I], matrix: «[»[1, 2], [2, 1]]}",
                           "correlation.matrix: the entry 2 lies outside [-1, 1]."),
    "indefinite pairs": ("uncertainty: {V: 1, I: 1, n: 1}\n"
                         "correlation: «[»[V, I, 0.9], [I, n, 0.9], [V, n, -0.9]]",
                         "correlation: the correlation matrix of V, I, n: it is not positive "
                         "semidefinite: its smallest eigenvalue is -0.8."),
    "one sample": ("uncertainty: {n: {samples: «[»1]}}",
                   "uncertainty.n.samples: 1 sample; an uncertainty takes at least 2."),
    "a sample": ("uncertainty: {n: {samples: «[»1, .nan, 3]}}",
                 "uncertainty.n.samples: a sample is not finite: nan.\nLeave it out."),
    "two correlations": ("uncertainty: {q: {covariance: {eye: 2}}, V: 1}\n"
                         "correlation: «{»inputs: [V, q], matrix: {eye: 3}}",
                         "correlation: an input is correlated here, and has a covariance matrix "
                         "of its own.\nSay it once: covariance: {inputs: [...], matrix: ...}."),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_at_its_place(jaccli: Jaccli, case: tuple[str, str]) -> None:
    lines, said = case
    text, expected = marked(MODEL + lines + "\n", said)
    done = jaccli("propagate", "-", "-q", stdin=text, check=False)
    assert (done.exit_code, done.stderr, done.stdout) == (2, expected, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "jaccli: uncertainty: no input has an uncertainty.\n"
         "Give one under `uncertainty`, or with --std NAME=VALUE.\n"),
        (("--std", "x"), "--std: 'x' is not NAME=VALUE.\n  x\n  ^\n"
         "Expected NAME=VALUE, as in --std x=0.1 or --std 'x={relative: 1e-3}'.\n"),
        (("--std", "x=-1"), "--std: the uncertainty -1 is negative.\n  x=-1\n    ^^\n"
         f"{NUMBER}\n"),
        (("--std", "x=1", "--coverage", "95"), "--coverage: 95.0 is not a coverage probability.\n"
         "  95.0\n  ^^^^\nExpected a number between 0 and 1, as 0.95.\n"),
        (("--std", "x=1", "--seed", "1"), "jaccli: --seed goes with --monte-carlo.\n"),
        (("--std", "x=1", "--monte-carlo", "1"), "jaccli: --monte-carlo: '1' is not a number of "
         "draws.\nExpected a whole number of at least 2, or 'auto'.\n"),
        (("--std", "x=1", "--order", "3"), "jaccli: --order: 3 is out of range.\n"
         "Expected 1 to 2.\n"),
        (("--std", "x=1", "--budget", "--no-budget"),
         "jaccli: --budget and --no-budget do not go together.\n"),
        (("--std", "x=1", "-o", "u.npy"), "jaccli: -o: u.npy: propagate writes reports.\n"
         "Expected a name that ends in .json, .npz, .csv, .md, .tex, .html, .png, .svg, .pdf.\n"),
    ],
    ids=str,
)  # fmt: skip
def test_options_that_say_nothing_are_refused(
    jaccli: Jaccli, options: tuple[str, ...], said: str
) -> None:
    done = jaccli("propagate", "-e", "x**2", "--at", "x=1", *options, check=False)
    assert (done.exit_code, done.stderr) == (2, said)


def test_uncertain_inputs_are_floats(jaccli: Jaccli, tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.arange(3))
    done = jaccli("propagate", "-e", "sum(k)*z", "--at", "k=@k.npy", "--at", "z=1",
                  "--std", "k=1", check=False)  # fmt: skip
    assert done.exit_code == 2
    assert done.stderr == (
        "--std: the input 'k' is of int64; derivatives are taken with respect to floats.\n"
        "  k=1\n    ^\nGive the input `dtype: float64`, or leave 'k' exact.\n"
    )


def test_what_does_not_fit_the_budget_is_refused_before_it_is_computed(jaccli: Jaccli) -> None:
    done = jaccli("propagate", "-e", "tanh(cumsum(x))", "--at", "x={ones: 1000}", "--std", "x=1",
                  "--memory", "10MiB", "--mode", "fwd", check=False)  # fmt: skip
    assert done.exit_code == 3
    assert "more than the memory budget of 10.0 MiB" in done.stderr
