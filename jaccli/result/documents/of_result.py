"""The document of a result: a table for each grid, the outputs' values, and the account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from jaccli.result.documents.document import DocumentContent, Section
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import significant
from jaccli.result.render.nonzeros import axes, counted, listed
from jaccli.result.render.panels import Grid, Panel, panels
from jaccli.result.result import Array, Block, Result, ResultOrigin
from jaccli.result.sparse import Sparse
from jaccli.result.view import View, whole

_TITLES = {"jvp": "Jacobian times tangent", "vjp": "Cotangent times Jacobian",
           "hvp": "Hessian times tangent", "evaluate": "Values"}  # fmt: skip
_VARIANTS = {"relative": "times x", "log": "times x/y", "gauss-newton": "Gauss-Newton"}


def document(view: View, layout: str) -> DocumentContent:
    """Return the document of a view, all of its numbers to `view.digits`."""
    result = view.result
    return DocumentContent(
        title(result),
        _tables(view, layout),
        about=about(result.origin),
        facts=facts(result),
        warnings=result.warnings,
    )


def title(result: Result) -> str:
    """Return what a result is, and of which spec."""
    name = _TITLES.get(result.derivative, result.derivative.capitalize())
    variants = [_VARIANTS[kind] for kind in result.variant().values()]
    part = "" if result.part == "full" else f", its {result.part}"
    said = f"{name}{part}{', ' * bool(variants)}{', '.join(variants)}"
    if result.origin is None or result.origin.name == "-e":
        return said
    return f"{said} of {result.origin.name}"


def about(origin: ResultOrigin | None) -> tuple[Section, ...]:
    """Return the tables of the model and the point, where they are known."""
    if origin is None:
        return ()
    return (
        Section("Model", ("name", "expression"), origin.model),
        Section("Point", ("input", "shape", "value"), origin.point),
    )


def facts(result: Result) -> list[tuple[str, str]]:
    """Return how a result was computed: the same each time, so without times."""
    reason = " ".join(result.reason.split())
    found = [
        ("derivative", result.derivative),
        ("mode", f"{result.mode}: {reason}" if reason else result.mode),
        ("device", result.device),
        ("dtype", result.dtype),
        ("precision", result.precision),
        ("versions", ", ".join(f"{name} {number}" for name, number in result.versions.items())),
        ("SHA-256 of the spec", result.spec_sha256),
    ]
    return [(name, text) for name, text in found if text]


def values_of(view: View) -> View | None:
    """Return the outputs' values as a view, where the result has them."""
    result = view.result
    if not result.value:
        return None
    lead = 0 if result.batch is None else 1
    blocks = tuple(
        Block(name, (), values, values.shape[lead:], ()) for name, values in result.value.items()
    )
    made = replace(result, derivative="evaluate", blocks=blocks, part="full", rows=None, cols=None,
                   value=None, batch_rows=None, scale="none", approximation="none")  # fmt: skip
    return replace(whole(made), digits=view.digits)


def _tables(view: View, layout: str) -> Iterator[Section]:
    beside = values_of(view)
    if beside is not None:
        for panel in panels(beside):
            yield from _panel(panel, view.digits)
    for panel in panels(view, layout):
        yield from _panel(panel, view.digits)


def _panel(panel: Panel, digits: int) -> Iterator[Section]:
    if isinstance(panel.values, Sparse):
        named = len(axes(panel))
        header = [*_sparse_header(panel, named), "value"]
        title = f"{panel.title()}, {counted(panel.values)}"
        yield Section(title, header, _nonzeros(panel, panel.values, digits), named)
        return
    if 0 in panel.values.shape:
        yield Section(f"{panel.title()}, empty", ("",), [[""]])
        return
    for position in range(len(panel)):
        grid = panel[position]
        header = ["", *(grid.columns if grid.columns is not None else ("value",))]
        yield Section(panel.title(grid), header, _rows(grid, digits))


def _rows(grid: Grid, digits: int) -> Iterator[list[str]]:
    values = grid.values if grid.columns is not None else grid.values[:, None]
    for name, row in zip(grid.rows, values, strict=True):
        yield [name, *numbers(row, digits)]


def numbers(values: Array, digits: int) -> list[str]:
    """Return numbers as texts, to so many significant digits; integers and truth as they are."""
    if values.dtype.kind in "iub":
        return list(map(str, values.tolist()))
    return [significant(value + 0.0, digits) for value in values.astype(np.float64).tolist()]


def _sparse_header(panel: Panel, named: int) -> list[str]:
    sides = ["batch"] * (panel.batch is not None and panel.batch.shape != ())
    sides += ["entry"] * (panel.entries is not None)
    rest: list[LabelledAxis | None] = [panel.rows, panel.columns]
    sides += [name for name, side in zip(("row", "column"), rest, strict=True) if side is not None]
    return sides[:named]


def _nonzeros(panel: Panel, values: Sparse, digits: int) -> Iterator[list[str]]:
    for columns, chunk in listed(panel, values):
        for *names, number in zip(*columns, numbers(chunk, digits), strict=True):
            yield [*names, number]
