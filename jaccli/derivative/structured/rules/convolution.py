"""The rule of convolutions with a constant kernel, or of a constant signal."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
from jax import lax

from jaccli.derivative.structured.links import Shape
from jaccli.derivative.structured.product import Labels
from jaccli.derivative.structured.registry import Equation, NoStructure, Operand, result, rule
from jaccli.derivative.structured.rules.contraction import contract
from jaccli.derivative.structured.rules.shapes import cut, padded
from jaccli.derivative.structured.terms import MAX_TERMS, Linear, Term


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
    if math.prod(window) > MAX_TERMS:
        raise NoStructure
    out = eqn.outvars[0].aval
    padding = [(0, 0, 0)] * len(x.shape)
    for d, (low, high), gap in zip(space, params["padding"], params["lhs_dilation"], strict=True):
        padding[d] = (low, high, gap - 1)
    wide = tuple(
        low + n + max(n - 1, 0) * gap + high
        for n, (low, high, gap) in zip(x.shape, padding, strict=True)
    )
    how = {key: params[key] for key in ("precision", "preferred_element_type")}
    labels = _labels(numbers)
    terms: list[Term] = []
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
