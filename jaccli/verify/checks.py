"""The checks: one entry of `CHECKS` each, its name, when it applies, and the two sides it compares.

`concerns(subject)` tells whether a check is about such a derivative at all: otherwise it has no
row.  `bars(subject)` says why it does not apply here, or nothing; `sides(subject)` computes.

Sources: product identity and finite differences along directions, Griewank and Walther,
Evaluating Derivatives (2008), chapters 3 and 15; the check of an adjoint against its tangent is
known as the dot-product test (Claerbout, Earth Soundings Analysis, 1992, chapter 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaccli.result.result import Array
from jaccli.verify.check_data import CheckData
from jaccli.verify.finite_differences import DifferenceEstimate
from jaccli.verify.flat_model import Flat
from jaccli.verify.report import Sides, counted

_FD = "finite differences"
_RESOLVED, _COARSE = 1e-3, 3e-2
"""Shares of the largest number that finite differences tell, in float64 and in float32."""
_UNDERFLOW = 100 * float(np.finfo(np.float32).tiny)
"""What float32 may take for 0."""


@dataclass(frozen=True)
class Check:
    """A check of a derivative against something that it must equal.

    One that `decides` says which of two modes is right where just one of them is finite.
    """

    name: str
    concerns: Callable[[CheckData], bool]
    bars: Callable[[CheckData], str]
    sides: Callable[[CheckData], Sides]
    decides: bool = False


# Which derivatives


def _any(s: CheckData) -> bool:
    return True


def _derivative(s: CheckData) -> bool:
    return s.order > 0


def _matrix(s: CheckData) -> bool:
    return s.order > 0 and not s.is_product


def _patterned(s: CheckData) -> bool:
    return s.entries.are_there


def _second(s: CheckData) -> bool:
    return s.order == 2


# Rules that keep the values


def _values_bars(s: CheckData) -> str:
    if not s.flat.n:
        return "no input is differentiated by"
    return "" if s.ways else "neither forward nor reverse mode is there"


def _values(s: CheckData) -> Sides:
    """The outputs that the derivative's rules give beside it are the model's own."""
    plain = s.rounded(Flat.values)
    kept = np.stack([s.kept(way) for way in s.ways])  # `bm` by each
    a = s.computed if s.order == 0 else plain.values[0]
    name = s.namer("bm")
    return Sides(
        np.broadcast_to(a, kept.shape), kept,
        lambda index: f"{name(index[1:])} by {s.ways[index[0]]}",
        ("evaluated", "beside the derivative"), _count(a.size, "output"), plain.floor,
    )  # fmt: skip


# Forward against reverse


def _modes_bars(s: CheckData) -> str:
    if s.no_forward or s.no_reverse:
        return _barred(s)
    if not (s.hessian_is_small if s.order == 2 else s.jacobian_is_small):
        other = "symmetry" if s.order == 2 else "the product identity"
        return f"too large for every entry; see {other}"
    return ""


def _modes(s: CheckData) -> Sides:
    first, second = ("fwd", "rev") if s.order < 2 else ("fwd-fwd", "rev-rev")
    one, two = s.plain(first), s.plain(second)
    axes = "bmn" if s.order < 2 else "bmnn"
    floor = np.maximum(one.floor, two.floor)
    count = _count(two.values.size)
    return Sides(one.values, two.values, s.namer(axes), (first, second), count, floor)


# The planned mode against a plain one


def _planned_bars(s: CheckData) -> str:
    if not s.is_formed:
        return "the derivative is too large to be formed"
    return "" if _plain(s) else _barred(s)


def _plain(s: CheckData) -> str:
    """Return the plain mode that the planned one is held against: not itself."""
    ways = s.hessian_ways if s.order == 2 else s.ways
    others = [way for way in ways if way != s.plan.operator]
    return others[0] if others else ""


def _planned(s: CheckData) -> Sides:
    way = _plain(s)
    words = (s.plan.operator, way)
    if s.is_small:
        plain = s.plain(way)
        axes = "bmnn" if s.order == 2 else "bmn"
        return Sides(
            s.computed, plain.values, s.namer(axes), words, _count(s.computed.size), plain.floor
        )
    if s.order == 2:
        curved = s.curved(s.tangents, s.weights)
        a = _curved_by(s, s.computed)
        return Sides(a, curved.values, s.namer("kbn"), words, _along(s), curved.floor)
    if s.no_forward:
        pulled = s.pulled(s.cotangents)
        a = np.einsum("kbm,bmn->kbn", s.cotangents, s.computed)
        return Sides(a, pulled.values, s.namer("kbn"), words, _along(s), pulled.floor)
    pushed = s.pushed(s.tangents)
    a = np.einsum("bmn,kbn->kbm", s.computed, s.tangents)
    return Sides(a, pushed.values, s.namer("kbm"), words, _along(s), pushed.floor)


# The product identity


def _identity_bars(s: CheckData) -> str:
    return _barred(s) if s.no_forward or s.no_reverse else ""


def _identity(s: CheckData) -> Sides:
    """⟨u, J v⟩ = ⟨Jᵀ u, v⟩."""
    pushed, pulled = s.pushed(s.tangents), s.pulled(s.cotangents)
    floor = _inner(np.abs(s.cotangents), pushed.floor) + _inner(np.abs(s.tangents), pulled.floor)
    return Sides(
        _inner(s.cotangents, pushed.values),
        _inner(pulled.values, s.tangents),
        s.namer("kb1"),
        ("⟨u, J v⟩", "⟨Jᵀ u, v⟩"),
        _along(s),
        floor,
    )


# Finite differences of the values


def _never(s: CheckData) -> str:
    return ""


def _slopes(s: CheckData) -> Sides:
    """J, or what the plan makes of it, against finite differences of the outputs."""
    if s.plan.derivative == "jvp":
        found = s.difference(s.double.values, s.vector[None])
        floor = s.pushed(s.vector[None]).own[0]
        only = DifferenceEstimate(*(part[0] for part in found))
        return _held(s, s.computed, only, s.namer("bm"), _count(s.computed.size), floor)
    if s.plan.derivative == "vjp":
        return _pulled_slopes(s, s.vector[None], s.computed[None])
    if s.jacobian_is_small:
        plain = s.plain(s.finite_way)
        found = s.difference(s.double.values, s.units)  # (n, b, m), each scaled
        scales = s.units.max(axis=0)[:, None]  # (b, 1, n)
        found = DifferenceEstimate(*(np.moveaxis(part, 0, -1) / scales for part in found))
        a = s.computed if s.order == 1 else plain.values
        name = s.namer("bmn", "jacobian")
        return _held(s, a, found, name, _count(a.size), plain.own)
    if s.no_forward:
        return _pulled_slopes(s, s.cotangents, s.pulled(s.cotangents).values)
    pushed = s.pushed(s.tangents)
    a = pushed.values
    if s.order == 1 and s.is_formed:
        a = np.einsum("bmn,kbn->kbm", s.computed, s.tangents)
    pick = s.sampled(s.flat.m)
    found = s.difference(lambda points: _picked(s.double.values(points), pick), s.tangents)
    name = _naming(s.namer("kbm"), pick, s.flat.m)
    floor = _picked(np.broadcast_to(pushed.own, a.shape), pick)
    return _held(s, _picked(a, pick), found, name, _along(s), floor)


def _pulled_slopes(s: CheckData, cotangents: Array, pulled: Array) -> Sides:
    """⟨Jᵀ u, v⟩ against finite differences of ⟨u, f⟩ along v: all unit v where there are few."""
    floor = s.pulled(cotangents).own
    if s.is_small and len(cotangents) == 1:
        weighted = cotangents[0]
        found = s.difference(lambda p: _inner(s.double.values(p), weighted), s.units)
        scales = s.units.max(axis=0)  # (b, n)
        found = DifferenceEstimate(*(np.moveaxis(part[..., 0], 0, -1) / scales for part in found))
        return _held(s, pulled[0], found, s.namer("bn"), _count(pulled[0].size), floor[0])
    # Every direction goes with a cotangent of its own, or with the only one.
    pairs = np.broadcast_to(cotangents, s.cotangents.shape)
    found = s.paired(lambda p, u: _inner(s.double.values(p), u), pairs, s.tangents)
    floor = _inner(np.abs(s.tangents), floor)
    return _held(s, _inner(pulled, s.tangents), found, s.namer("kb1"), _along(s), floor)


def _held(
    s: CheckData,
    a: Array,
    found: DifferenceEstimate,
    name: Callable[[tuple[int, ...]], str],
    compared: str,
    floor: Array,
) -> Sides:
    """Return a derivative against finite differences.

    What the derivative under test has lost to rounding is measured by itself, and excuses little
    of what differs from finite differences that have lost less.
    """
    size = np.where(np.isfinite(found.values), np.abs(found.values), 0.0)
    axis = None if s.flat.eps > 1e-10 else -1
    limit = _RESOLVED * size.max(axis=axis, keepdims=True, initial=0.0)
    floor = np.minimum(np.where(np.isfinite(floor), floor, 0.0), limit)
    if s.flat.eps > 1e-10:
        floor = floor + _UNDERFLOW  # finite differences are taken in float64
    resolved = _RESOLVED if s.double.eps < 1e-10 else _COARSE
    words = ("computed", _FD)
    return Sides(a, found.values, name, words, compared, floor, found, resolved)


# Finite differences of the gradient


def _curves_bars(s: CheckData) -> str:
    return _barred(s) if s.no_reverse and not s.is_small else ""


def _curves(s: CheckData) -> Sides:
    """The Hessian, or its product, against finite differences of the first derivative."""
    rows, m, n = s.flat.rows, s.flat.m, s.flat.n

    def slope(points: Array) -> Array:
        return s.double.jacobian(s.finite_way, points).reshape(len(points), rows, m * n)

    if s.plan.derivative == "hessian" and s.is_small:
        plain = s.plain(s.hessian_ways[0])
        found = s.difference(slope, s.units)
        scales = s.units.max(axis=0)[:, None, None]  # (b, 1, 1, n)
        with np.errstate(over="ignore"):
            found = DifferenceEstimate(
                *(np.moveaxis(part, 0, -1).reshape(rows, m, n, n) / scales for part in found)
            )
        found = found._replace(sizes=np.maximum(found.sizes, s.curvatures))
        name = s.namer("bmnn")
        return _held(s, s.computed, found, name, _count(s.computed.size), plain.own)
    if s.plan.derivative == "hvp" and s.is_small:
        found = s.difference(slope, s.vector[None])
        found = DifferenceEstimate(*(part.reshape(rows, m, n) for part in found))
        floor = s.curved(s.vector[None], np.ones((1, rows, m))).own[0][:, None]
        name = s.namer("bmn", "hvp")
        return _held(s, s.computed, found, name, _count(s.computed.size), floor)
    tangents = s.vector[None] if s.is_product else s.tangents
    weights = s.weights[: len(tangents)]
    curved = s.curved(tangents, weights)
    a = curved.values
    if s.is_product:
        a = np.einsum("kbm,bmn->kbn", weights, s.computed)
    elif s.is_formed:
        a = _curved_by(s, s.computed)
    pick = s.sampled(n)

    def pulled(points: Array, cotangent: Array) -> Array:
        each = np.broadcast_to(cotangent, (len(points), rows, m))
        return _picked(s.double.pulled(points, each)[1], pick)

    found = s.paired(pulled, weights, tangents)
    name = _naming(s.namer("kbn", "hvp"), pick, n)
    floor = _picked(np.broadcast_to(curved.own, a.shape), pick)
    return _held(s, _picked(a, pick), found, name, _along(s, len(tangents)), floor)


# Symmetry, and the product with the Hessian


def _symmetry_bars(s: CheckData) -> str:
    return _barred(s) if s.no_reverse and not (s.is_small or s.is_formed) else ""


def _symmetry(s: CheckData) -> Sides:
    """H = Hᵀ, by entries or as ⟨v, H w⟩ = ⟨w, H v⟩."""
    words = ("H", "its transpose")
    if s.plan.derivative == "hessian" and s.is_small:
        plain = s.plain(s.hessian_ways[0])
        floor = np.maximum(plain.floor, np.swapaxes(plain.floor, -1, -2))
        turned = np.swapaxes(s.computed, -1, -2)
        return Sides(s.computed, turned, s.namer("bmnn"), words, _count(turned.size), floor)
    one = s.curved(s.tangents, s.weights)
    two = s.curved(s.others, s.weights)
    first, second = one.values, two.values
    if s.plan.derivative == "hessian" and s.is_formed:
        first, second = _curved_by(s, s.computed), _curved_by(s, s.computed, s.others)
    floor = _inner(np.abs(s.others), one.floor) + _inner(np.abs(s.tangents), two.floor)
    return Sides(
        _inner(first, s.others), _inner(second, s.tangents), s.namer("kb1"),
        ("⟨w, H v⟩", "⟨v, H w⟩"), _along(s), floor,
    )  # fmt: skip


def _product_bars(s: CheckData) -> str:
    if s.no_reverse:
        return _barred(s)
    formed = s.hessian_is_small if s.is_product else s.is_formed
    return "" if formed else "the Hessian is too large to be formed"


def _product(s: CheckData) -> Sides:
    """H v by a product of the gradient, against the Hessian times v."""
    words = ("hvp", "Hessian times v")
    if s.is_product:
        plain = s.plain(s.hessian_ways[0])
        b = np.einsum("bmij,bj->bmi", plain.values, s.vector)
        floor = np.abs(s.vector).sum(axis=-1)[:, None, None] * plain.floor.max(axis=-2)
        return Sides(s.computed, b, s.namer("bmn", "hvp"), words, _count(b.size), floor)
    curved = s.curved(s.tangents, s.weights)
    b = _curved_by(s, s.computed)
    return Sides(curved.values, b, s.namer("kbn", "hvp"), words, _along(s), curved.floor)


# The entries of a sparsity pattern


def _entries_bars(s: CheckData) -> str:
    return _barred(s) if s.no_reverse and s.order == 2 else ""


def _entries(s: CheckData) -> Sides:
    """The entries of the pattern times tangents, against products without a pattern."""
    found, sizes = s.entries.times(s.tangents)
    words = ("by the pattern", "without it")
    rounding = 1000 * s.flat.eps * sizes
    if s.order == 2:
        found, rounding = (
            np.einsum("kbm,kbmn->kbn", s.weights, part) for part in (found, rounding)
        )
        curved = s.curved(s.tangents, s.weights)
        floor = curved.floor + np.abs(rounding)
        return Sides(found, curved.values, s.namer("kbn", "hvp"), words, _along(s), floor)
    if s.no_forward:
        # ⟨u, J v⟩ with J by the pattern, and ⟨Jᵀ u, v⟩.
        pulled = s.pulled(s.cotangents)
        floor = _inner(np.abs(s.tangents), pulled.floor) + _inner(np.abs(s.cotangents), rounding)
        return Sides(
            _inner(s.cotangents, found), _inner(pulled.values, s.tangents), s.namer("kb1"), words,
            _along(s), floor,
        )  # fmt: skip
    pushed = s.pushed(s.tangents)
    floor = pushed.floor + rounding
    return Sides(found, pushed.values, s.namer("kbm"), words, _along(s), floor)


CHECKS: tuple[Check, ...] = (
    Check("values", _any, _values_bars, _values),
    Check("forward against reverse", _derivative, _modes_bars, _modes),
    Check("mode", _matrix, _planned_bars, _planned),
    Check("sparsity pattern", _patterned, _entries_bars, _entries),
    Check("product identity", _derivative, _identity_bars, _identity),
    Check("differences of outputs", _derivative, _never, _slopes, True),
    Check("differences of gradient", _second, _curves_bars, _curves, True),
    Check("symmetry", _second, _symmetry_bars, _symmetry),
    Check("hvp against Hessian", _second, _product_bars, _product),
)
"""Every check, in the order of the report; a new one is one entry."""


def _curved_by(s: CheckData, hessian: Array, tangents: Array | None = None) -> Array:
    """Return a Hessian `bmnn` times tangents and weights, `kbn`."""
    tangents = s.tangents if tangents is None else tangents
    return np.stack([
        np.einsum("bm,bmij,bj->bi", u, hessian, v, optimize=True)
        for u, v in zip(s.weights, tangents, strict=True)
    ])  # fmt: skip


def _picked(stack: Array, pick: Array) -> Array:
    """Return some entries of each element of a stack `kbn`, counted over b and n, as `k1n`."""
    return stack.reshape(len(stack), 1, -1)[..., pick]


def _naming(
    name: Callable[[tuple[int, ...]], str], pick: Array, width: int
) -> Callable[[tuple[int, ...]], str]:
    """Return what names a picked entry by its index."""

    def named(index: tuple[int, ...]) -> str:
        row, place = divmod(int(pick[index[2]]), width)
        return name((index[0], row, place))

    return named


def _inner(a: Array, b: Array) -> Array:
    """Return inner products over the last axis, which is kept with one entry."""
    with np.errstate(all="ignore"):
        product: Array = np.sum(a * b, axis=-1, keepdims=True)
        return product


def _barred(s: CheckData) -> str:
    if s.no_forward:
        return "a rule of the model's own has no forward mode"
    return "a loop of the model has no reverse mode"


def _count(number: int, what: str = "entry") -> str:
    return counted(number, what, "all ", "the ")


def _along(s: CheckData, number: int | None = None) -> str:
    number = s.probes if number is None else number
    return counted(number, "random direction")
