"""A `Fit` as plain data and as files: JSON, `.npz`, and the parameters as `.csv`.

Boundary: formats alone; what is computed was computed before.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any, BinaryIO

import numpy as np

from jaccli.result.labels import Names
from jaccli.storage.npy import write_arrays
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.fit import Fit, Prediction
from jaccli.uncertainty.plain_data import LISTED, account, number, shaped
from jaccli.uncertainty.text_pieces import Number, rounded

COLUMNS = ("kind", "name", "value", "standard_error", "t", "p", "low", "high")
"""The columns of the table; of the kinds `parameter`, `prediction` and `observation`."""


@np.errstate(all="ignore")
def as_json(fit: Fit, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a fit as plain data; what is not defined is "NaN"."""
    found, labels = fit.found, list(fit.labels)
    errors, (low, high) = found.standard_errors, _interval(fit)
    columns = {"value": fit.value, "standard_error": errors, "t": fit.t, "p": fit.p}
    data: dict[str, Any] = {"schema": 1, "derivative": "covariance", "sigma": _sigma(fit)}
    data["parameters"] = {
        name: {
            **{key: _of(values, shape, place) for key, values in columns.items()},
            "interval": [_of(end, shape, place) for end in (low, high)],
        }
        for name, shape, place in fit.slices()
    }
    small = len(labels) <= LISTED
    for name, make in (("covariance", found.covariance), ("correlation", found.correlation)):
        data[name] = {"order": labels, "matrix": shaped(make())} if small else None
    data |= {
        "coverage": fit.coverage,
        "k": number(fit.k),
        "residuals": fit.residuals,
        "residual_sum_of_squares": number(found.sum_of_squares),
        "residual_variance": number(found.variance),
        "dof": found.dof,
        "rank": found.rank,
        "condition": number(found.condition),
        "scaled_condition": number(found.scaled_condition),
        "offset": number(found.offset),
        "undetermined": [
            dict(zip(labels, vector.tolist(), strict=True)) for vector in found.undetermined
        ],
        "predictions": {one.name: _prediction(fit, one) for one in fit.predictions},
    }
    return data | account(fit.result, warnings)


def _sigma(fit: Fit) -> str:
    return "known" if fit.known else "estimated"


def _interval(fit: Fit) -> tuple[Array, Array]:
    return fit.interval(fit.value, fit.found.standard_errors)


def _of(values: Array, shape: tuple[int, ...], place: slice | None = None) -> Any:
    part = values if place is None else values[place]
    return shaped(part.reshape(shape))


def _prediction(fit: Fit, one: Prediction) -> dict[str, Any]:
    data: dict[str, Any] = {"value": _of(one.value, one.shape)}
    for name, error in (("", one.standard_error), ("observation", one.of_observation)):
        if error is None:
            continue
        ends = fit.interval(one.value, error)
        entry = {
            "standard_error": _of(error, one.shape),
            "interval": [_of(end, one.shape) for end in ends],
        }
        data |= {name: entry} if name else entry
    return data


@np.errstate(all="ignore")
def write_npz(fit: Fit, stream: BinaryIO) -> None:
    """Write `value.NAME`, `standard_error.NAME`, of predictions too, `covariance`, `order`."""
    arrays: dict[str, Array] = {}
    for name, shape, place in fit.slices():
        arrays[f"value.{name}"] = fit.value[place].reshape(shape)
        arrays[f"standard_error.{name}"] = fit.found.standard_errors[place].reshape(shape)
    for one in fit.predictions:
        arrays[f"value.{one.name}"] = one.value.reshape(one.shape)
        arrays[f"standard_error.{one.name}"] = one.standard_error.reshape(one.shape)
    arrays["covariance"] = fit.found.covariance()
    arrays["order"] = np.array(list(fit.labels), dtype=str)
    about = {"command": "covariance", "sigma": _sigma(fit), "coverage": fit.coverage}
    manifest = {**fit.result.manifest(), **about}
    del manifest["blocks"]
    arrays["manifest"] = np.array(json.dumps(manifest))
    write_arrays(arrays, stream)


def as_csv(fit: Fit) -> str:
    """Return a row for each parameter, then one for each predicted entry, which has no t and p."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows(fit, rounded(None)))
    return text.getvalue()


@np.errstate(all="ignore")
def rows(fit: Fit, number: Number) -> list[list[str]]:
    """Return the rows of the table, its header first."""
    cells = (fit.value, fit.found.standard_errors, fit.t, fit.p, *_interval(fit))
    lines = [list(COLUMNS)]
    for place, name in enumerate(fit.labels):
        lines.append(["parameter", name, *(number(column[place]) for column in cells)])
    for one in fit.predictions:
        kinds = (("prediction", one.standard_error), ("observation", one.of_observation))
        for kind, error in kinds:
            if error is None:
                continue
            columns = (one.value, error, *fit.interval(one.value, error))
            for place, name in enumerate(Names.of(one.name, one.shape)):
                value, deviation, low, high = (number(column[place]) for column in columns)
                lines.append([kind, name, value, deviation, "", "", low, high])
    return lines
