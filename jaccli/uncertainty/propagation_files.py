"""A `Propagation` as plain data and as files: JSON, `.npz`, and the budget as `.csv`.

Boundary: formats alone; what is computed was computed before.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from jaccli.errors import UsageError
from jaccli.result.numerals import shortest
from jaccli.storage.npy import write_arrays
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.monte_carlo import GENERATOR
from jaccli.uncertainty.plain_data import LISTED, account, number, shaped
from jaccli.uncertainty.propagation import Propagation
from jaccli.uncertainty.text_pieces import Number

COLUMNS = ("output", "input", "value", "u", "dof", "sensitivity", "contribution", "percent")
"""The columns of the budget."""


@np.errstate(all="ignore")
def as_json(found: Propagation, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a propagation as plain data; what is not defined is null."""
    data: dict[str, Any] = {"schema": 1, "derivative": "propagate"}
    data["outputs"] = {
        name: {
            "value": _entries(found, found.value, shape, place),
            "u": _entries(found, found.first.u, shape, place),
            "dof": _entries(found, found.first.dof, shape, place, undefined=found.first.dof),
            "k": _entries(found, found.k, shape, place),
            "U": _entries(found, found.expanded, shape, place),
            "coverage": found.coverage,
        }
        for name, shape, place in found.slices()
    }
    data["inputs"] = {
        one.name: {
            "value": shaped(one.value.reshape((*one.value.shape[:-1], *one.shape))),
            "u": shaped(one.std.reshape((*one.std.shape[:-1], *one.shape))),
            "dof": number(one.dof),
            "distribution": one.distribution,
        }
        for one in found.inputs.inputs
        if found.first.budget is not None or one.size <= LISTED
    }
    data["budget"] = _budget(found)
    order = list(found.rows) if found.first.correlation is not None else None
    for name, matrix in (
        ("covariance", found.first.covariance),
        ("correlation", found.first.correlation),
    ):
        undefined = matrix if name == "correlation" else None
        data[name] = (
            None if matrix is None else {"order": order, "matrix": shaped(matrix, undefined)}
        )
    if found.second is not None:
        second = found.second
        data["second_order"] = {
            name: {
                "value_shift": _entries(found, second.value_shift, shape, place),
                "u": _entries(found, second.u, shape, place, undefined=second.u),
                "valid": _entries(found, second.valid, shape, place),
                "method": second.method,
            }
            for name, shape, place in found.slices()
        }
    if found.monte_carlo is not None:
        data["monte_carlo"] = _monte_carlo(found)
    return data | account(found.result, warnings)


def _monte_carlo(found: Propagation) -> dict[str, Any]:
    draws = found.monte_carlo
    assert draws is not None
    data: dict[str, Any] = {
        "draws": draws.draws,
        "seed": draws.seed,
        "generator": GENERATOR,
        "stable": draws.stable,
        "failed": draws.failed,
        "coverage": found.coverage,
        "outputs": {},
    }
    for name, shape, place in found.slices():

        def pick(values: Array, shape: Any = shape, place: slice = place) -> Any:
            return _entries(found, values, shape, place)

        data["outputs"][name] = {
            "mean": pick(draws.mean),
            "u": pick(draws.u),
            "shortest": [pick(end) for end in draws.shortest],
            "symmetric": [pick(end) for end in draws.symmetric],
            "comparison": {
                "tolerance": pick(draws.tolerance),
                "low": pick(draws.differences[0]),
                "high": pick(draws.differences[1]),
                "validated": pick(draws.validated),
            },
        }
    return data


def _budget(found: Propagation) -> dict[str, Any] | None:
    """Return the budget by output and input, arrays `(*batch, *out, *in)`."""
    shares = found.first.budget
    if shares is None:
        return None
    lead = () if found.batch is None else (found.batch,)
    data: dict[str, Any] = {}
    for name, shape, rows in found.slices():
        data[name] = {}
        for one, columns in found.inputs.slices():

            def pick(
                values: Array,
                rows: slice = rows,
                columns: slice = columns,
                whole: Any = (*lead, *shape, *one.shape),
            ) -> Array:
                return values[..., rows, columns].reshape(whole)

            percent = pick(shares.percent)
            data[name][one.name] = {
                "sensitivity": shaped(pick(shares.sensitivity)),
                "contribution": shaped(pick(shares.contribution)),
                "percent": shaped(percent, percent),
            }
    return data


def _entries(
    found: Propagation,
    values: Array,
    shape: tuple[int, ...],
    place: slice,
    undefined: Array | None = None,
) -> Any:
    """Return one output's part of `(*batch, M)` values, `(*batch, *out)`; NaN of `undefined` is
    null.
    """
    lead = () if found.batch is None else (found.batch,)
    part = values[..., place].reshape((*lead, *shape))
    return shaped(part, None if undefined is None else part)


def write_npz(found: Propagation, stream: BinaryIO) -> None:
    """Write `value.OUTPUT`, `u.OUTPUT`, `covariance` with its `order`, and a `manifest`."""
    lead = () if found.batch is None else (found.batch,)
    arrays: dict[str, Array] = {}
    for name, shape, place in found.slices():
        for key, values in (("value", found.value), ("u", found.first.u)):
            arrays[f"{key}.{name}"] = values[..., place].reshape((*lead, *shape))
    covariance = found.first.covariance
    if covariance is not None:
        arrays["covariance"] = covariance
        arrays["order"] = np.array(list(found.rows), dtype=str)
    manifest = {**found.result.manifest(), "command": "propagate", "coverage": found.coverage}
    del manifest["blocks"]
    arrays["manifest"] = np.array(json.dumps(manifest))
    write_arrays(arrays, stream)


def as_csv(found: Propagation) -> str:
    """Return the budget as comma-separated values: a row for each input entry of each output.

    Raises:
        UsageError: there is no budget.
    """
    if found.first.budget is None:
        raise UsageError("csv: it holds the budget, and there is none.", hint="Add --budget.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    batch = () if found.batch is None else ("batch",)
    writer.writerow([*batch, *COLUMNS])
    writer.writerows(rows(found))
    return text.getvalue()


@np.errstate(all="ignore")
def summary(found: Propagation, number: Number) -> list[list[str]]:
    """Return a row for each output entry of each batch row, below a header."""
    batch = [] if found.batch is None else ["row"]
    lines = [[*batch, "output", "value", "u", "dof", "k", "U"]]
    for row in range(found.batch or 1):
        lead = () if found.batch is None else (row,)
        for place, name in enumerate(found.rows):
            at = (*lead, place)
            dof = found.first.dof[at]
            lines.append([
                *map(str, lead), name, number(found.value[at]), number(found.first.u[at]),
                "" if math.isnan(dof) else number(dof), number(found.k[at]),
                number(found.expanded[at]),
            ])  # fmt: skip
    return lines


def rows(found: Propagation) -> Iterator[list[str]]:
    """Yield the rows of the budget as text, numbers in shortest form."""
    shares = found.first.budget
    assert shares is not None
    inputs, count = found.inputs, len(found.rows)
    names, columns = list(found.rows), list(found.columns)
    dof = shortest(inputs.dof)
    for row in range(found.batch or 1):
        lead = [] if found.batch is None else [str(row)]
        values = [one.value if one.value.ndim == 1 else one.value[row] for one in inputs.inputs]
        std = inputs.std if inputs.std.ndim == 1 else inputs.std[row]
        points, deviations = shortest(np.concatenate(values)), shortest(std)
        for place in range(count):
            at = place if found.batch is None else (row, place)
            parts = [
                shortest(array[at])
                for array in (shares.sensitivity, shares.contribution, shares.percent)
            ]
            for column, name in enumerate(columns):
                own = [part[column] for part in parts]
                yield [*lead, names[place], name, points[column], deviations[column],
                       dof[column], *own]  # fmt: skip
