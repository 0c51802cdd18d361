"""Fit the coefficients of `jaccli/derivative/compile_cost.py` to a record of `bench_oneshot.py`.

    python scripts/bench/bench_oneshot.py measure --set fit --record fit.json
    python scripts/bench/fit_oneshot.py fit.json

Least squares with coefficients of at least 0, each weighed by the geometric mean of measured and
predicted seconds, so that errors are relative and a prediction of 0 is as wrong as one of infinity.
Candidates that were stopped are left out.  It prints the table, in milliseconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from bench_oneshot import CANDIDATES, cases
from scipy.optimize import nnls

from jaccli.derivative.compile_cost import features
from jaccli.derivative.trace_info import facts

_ROUNDS = 10
_LEAST = 1e-3
"""Seconds below which a prediction does not weigh more."""


def main(record: dict[str, Any]) -> None:
    """Print the coefficients of every operator, and how far its predictions are off."""
    vectors = {}
    for case in cases("fit"):
        if case.name in record:
            about = facts(case.f, case.x)
            found = features(about.jaxpr.jaxpr, about.varied)
            vectors[case.name] = case.derivative, np.array(found.vector)
    for derivative, operators in CANDIDATES.items():
        for operator in operators:
            rows, seconds = [], []
            for name, (of, vector) in vectors.items():
                figures = record[name].get(operator, {})
                if of == derivative and "compile" in figures:
                    rows.append(vector)
                    seconds.append(figures["trace"] + figures["lower"] + figures["compile"])
            found, error = fitted(np.array(rows), np.array(seconds))
            numbers = ", ".join(f"{float(f'{1e3 * c:.2g}'):g}" for c in found)
            print(f"    # {len(rows)} functions, factor of {np.exp(error):.2f}")
            print(f'    "{operator}": ({numbers}),')


def fitted(rows: Any, seconds: Any) -> tuple[Any, float]:
    """Return coefficients, and the root mean square of the logarithms of the errors."""
    weights = 1 / seconds
    for _ in range(_ROUNDS):
        found, _ = nnls(rows * weights[:, None], seconds * weights)
        weights = 1 / np.sqrt(seconds * np.maximum(rows @ found, _LEAST))
    return found, float(np.sqrt(np.mean(np.log(rows @ found / seconds) ** 2)))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
