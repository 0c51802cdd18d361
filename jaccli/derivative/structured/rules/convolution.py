"""The rule of convolutions with a constant kernel, or of a constant signal."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
from jax import lax

from jaccli.derivative.positions import window_positions
from jaccli.derivative.structured import scattered, scattered_rules
from jaccli.derivative.structured.factored import Labels
from jaccli.derivative.structured.index_maps import Shape
from jaccli.derivative.structured.linear_map import Linear, Term, collect
from jaccli.derivative.structured.registry import Equation, NoStructure, Operand, result, rule
from jaccli.derivative.structured.rules.contraction import contract
from jaccli.derivative.structured.rules.data_movement import cut, padded
from jaccli.derivative.structured.scattered import Scattered


@rule("conv_general_dilated")
def convolve(eqn: Equation, x: Operand, kernel: Operand) -> Linear:
    """y[n, o, p] = Σ_t Σ_c x̄[n, c, s·p + d·t] k[o, c, t]: each tap t pads, slices and contracts."""
    params = eqn.params
    plain = params["feature_group_count"] == 1 and params["batch_group_count"] == 1
    if not isinstance(x, Linear) or isinstance(kernel, Linear) or not plain:
        raise NoStructure
    numbers = params["dimension_numbers"]
    space, kernel_space = numbers.lhs_spec[2:], numbers.rhs_spec[2:]
    window = tuple(kernel.shape[d] for d in kernel_space)
    if math.prod(window) > FEW:
        return _scattered(eqn, x, kernel, math.prod(window))
    out = eqn.outvars[0].aval
    padding = [(0, 0, 0)] * len(x.shape)
    for d, (low, high), gap in zip(space, params["padding"], params["lhs_dilation"], strict=True):
        padding[d] = (low, high, gap - 1)
    wide = _widened(x.shape, padding)
    how = {key: params[key] for key in ("precision", "preferred_element_type")}
    labels = _labels(numbers)
    terms: list[Term | Scattered] = []
    for term in x.terms:
        whole = padded(term, x.shape, padding)
        for tap in itertools.product(*map(range, window)):
            piece, shape = _read(
                whole, wide, space, tap, params, [out.shape[d] for d in numbers.out_spec[2:]]
            )
            weights = kernel
            for d, t in zip(kernel_space, tap, strict=True):
                weights = lax.slice_in_dim(weights, t, t + 1, axis=d)
            terms += contract(piece, shape, labels[0], weights, labels[1], labels[2], how)
    return result(eqn, [replace(term, val=term.val.astype(out.dtype)) for term in terms])


FEW = 8
"""Taps that are taken one by one: each costs compile time."""


def _scattered(eqn: Equation, x: Linear, kernel: Operand, taps: int) -> Linear:
    """Return the convolution of entries, of many taps; dense if they are no less than that."""
    out = eqn.outvars[0].aval
    many = taps * kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
    for seed in x.seeds:
        count = sum(scattered.entries(t, x.shape) for t in x.terms if t.seed == seed)
        if not scattered.is_worth(count * many, tuple(out.shape), seed):
            raise NoStructure
    entries = collect(x.shape, x.dtype, [scattered.of_term(term, x.shape) for term in x.terms])
    found = scattered_rules.apply(eqn, [list(entries.scattered), kernel], [None, None])
    if found is None or entries.terms:
        raise NoStructure
    return result(eqn, [part for part in found[0] if part is not None])


@rule("reduce_window_sum")
def window_sum(eqn: Equation, x: Linear) -> Linear:
    """y[p] = Σ_t x[s·p + d·t]: each tap t pads and slices."""
    params, out = eqn.params, tuple(eqn.outvars[0].aval.shape)
    taps = math.prod(params["window_dimensions"])
    if taps <= FEW:
        space = tuple(range(len(x.shape)))
        ones = (1,) * len(space)
        gaps = params.get("base_dilation") or ones
        padding = [
            (low, high, gap - 1) for (low, high), gap in zip(params["padding"], gaps, strict=True)
        ]
        wide = _widened(x.shape, padding)
        how = {**params, "rhs_dilation": params.get("window_dilation") or ones}
        terms = []
        for term in x.terms:
            whole = padded(term, x.shape, padding)
            for tap in itertools.product(*map(range, params["window_dimensions"])):
                terms.append(_read(whole, wide, space, tap, how, list(out))[0])
        return result(eqn, terms)
    positions = window_positions(params, x.shape, out)
    parts: list[Scattered] = []
    for term in x.terms:
        count = scattered.entries(term, x.shape)
        if not scattered.is_worth(count * taps, out, term.seed):
            raise NoStructure
        part = scattered_rules.windowed(
            scattered.of_term(term, x.shape), positions, math.prod(x.shape)
        )
        if part is None:
            raise NoStructure
        parts.append(part)
    return result(eqn, parts)


def _widened(shape: Shape, padding: list[tuple[int, int, int]]) -> Shape:
    """Return the shape after padding."""
    return tuple(
        low + n + max(n - 1, 0) * gap + high
        for n, (low, high, gap) in zip(shape, padding, strict=True)
    )


def _labels(numbers: Any) -> tuple[Labels, Labels, Labels]:
    """Return the labels of signal, kernel and result: n, c, o, then the dims of space."""
    rank = len(numbers.lhs_spec)
    sides: list[Labels] = []
    for spec, names in (
        (numbers.lhs_spec, ("n", "c")),
        (numbers.rhs_spec, ("o", "c")),
        (numbers.out_spec, ("n", "o")),
    ):
        kind = "tap" if spec is numbers.rhs_spec else "space"
        labels: Labels = [None] * rank
        for d, name in zip(spec, (*names, *((kind, s) for s in range(rank - 2))), strict=True):
            labels[d] = name
        sides.append(labels)
    return sides[0], sides[1], sides[2]


def _read(
    term: Term, shape: Shape, space: Shape, tap: Shape, params: Any, counts: list[int]
) -> tuple[Term, Shape]:
    """Return what one tap of the kernel meets, for every place of the result."""
    starts, limits, steps = [0] * len(shape), list(shape), [1] * len(shape)
    for d, t, step, gap, count in zip(
        space, tap, params["window_strides"], params["rhs_dilation"], counts, strict=True
    ):
        starts[d], steps[d] = t * gap, step
        limits[d] = t * gap + (count - 1) * step + 1
    piece = cut(term, shape, tuple(starts), tuple(limits), tuple(steps))
    read = tuple(len(range(*np.array(s).tolist())) for s in zip(starts, limits, steps, strict=True))
    return piece, read
