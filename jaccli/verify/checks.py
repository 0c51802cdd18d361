"""The checks, one entry of `CHECKS` each: its name, when it applies, and what it compares.

`applies_to(data)` tells whether a check is about this kind of derivative; otherwise it has no row.
`skip_reason(data)` says why it cannot be done here, or is empty; `sides(data)` computes.

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
from jaccli.verify.report import Comparands, counted

_FD = "finite differences"
_RESOLVED, _COARSE = 1e-3, 3e-2
"""Resolution of finite differences, relative to the largest number, in float64 and float32."""
_UNDERFLOW = 100 * float(np.finfo(np.float32).tiny)
"""Numbers below this may be 0 in float32."""


@dataclass(frozen=True)
class Check:
    """A check of a derivative against a value that it must equal.

    A check that `decides` tells which of two modes is right if only one of them is finite.
    """

    name: str
    applies_to: Callable[[CheckData], bool]
    skip_reason: Callable[[CheckData], str]
    sides: Callable[[CheckData], Comparands]
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


def _values_skip(s: CheckData) -> str:
    if not s.flat.n:
        return "no input is differentiated by"
    return "" if s.modes else "neither forward nor reverse mode is there"


def _values(s: CheckData) -> Comparands:
    """The outputs that the derivative's rules give beside it are the model's own."""
    plain = s.rounded(Flat.values)
    kept = np.stack([s.kept(mode) for mode in s.modes])  # `bm` by each
    a = s.computed if s.order == 0 else plain.values[0]
    name = s.namer("bm")
    return Comparands(
        np.broadcast_to(a, kept.shape), kept,
        lambda index: f"{name(index[1:])} by {s.modes[index[0]]}",
        ("evaluated", "beside the derivative"), _count(a.size, "output"), plain.floor,
    )  # fmt: skip


# Forward against reverse


def _modes_skip(s: CheckData) -> str:
    if s.no_forward or s.no_reverse:
        return _missing_mode(s)
    if not (s.hessian_is_small if s.order == 2 else s.jacobian_is_small):
        other = "symmetry" if s.order == 2 else "the product identity"
        return f"too large for every entry; see {other}"
    return ""


def _modes(s: CheckData) -> Comparands:
    first, second = ("fwd", "rev") if s.order < 2 else ("fwd-fwd", "rev-rev")
    one, two = s.plain(first), s.plain(second)
    axes = "bmn" if s.order < 2 else "bmnn"
    floor = np.maximum(one.floor, two.floor)
    count = _count(two.values.size)
    return Comparands(one.values, two.values, s.namer(axes), (first, second), count, floor)


# The planned mode against a plain one


def _planned_skip(s: CheckData) -> str:
    if not s.is_formed:
        return "the derivative is too large to be formed"
    return "" if _plain(s) else _missing_mode(s)


def _plain(s: CheckData) -> str:
    """Return a plain mode to compare the planned one with: another one, or empty."""
    modes = s.hessian_modes if s.order == 2 else s.modes
    more_tangents = [mode for mode in modes if mode != s.plan.operator]
    return more_tangents[0] if more_tangents else ""


def _planned(s: CheckData) -> Comparands:
    mode = _plain(s)
    words = (s.plan.operator, mode)
    if s.is_small:
        plain = s.plain(mode)
        axes = "bmnn" if s.order == 2 else "bmn"
        return Comparands(
            s.computed, plain.values, s.namer(axes), words, _count(s.computed.size), plain.floor
        )
    if s.order == 2:
        hvp = s.hvp(s.tangents, s.weights)
        a = _hessian_products(s, s.computed)
        return Comparands(a, hvp.values, s.namer("kbn"), words, _along(s), hvp.floor)
    if s.no_forward:
        vjp = s.vjp(s.cotangents)
        a = np.einsum("kbm,bmn->kbn", s.cotangents, s.computed)
        return Comparands(a, vjp.values, s.namer("kbn"), words, _along(s), vjp.floor)
    jvp = s.jvp(s.tangents)
    a = np.einsum("bmn,kbn->kbm", s.computed, s.tangents)
    return Comparands(a, jvp.values, s.namer("kbm"), words, _along(s), jvp.floor)


# The product identity


def _identity_skip(s: CheckData) -> str:
    return _missing_mode(s) if s.no_forward or s.no_reverse else ""


def _identity(s: CheckData) -> Comparands:
    """⟨u, J v⟩ = ⟨Jᵀ u, v⟩."""
    jvp, vjp = s.jvp(s.tangents), s.vjp(s.cotangents)
    floor = _inner(np.abs(s.cotangents), jvp.floor) + _inner(np.abs(s.tangents), vjp.floor)
    return Comparands(
        _inner(s.cotangents, jvp.values),
        _inner(vjp.values, s.tangents),
        s.namer("kb1"),
        ("⟨u, J v⟩", "⟨Jᵀ u, v⟩"),
        _along(s),
        floor,
    )


# Finite differences of the values


def _never(s: CheckData) -> str:
    return ""


def _slopes(s: CheckData) -> Comparands:
    """J, or what the plan makes of it, against finite differences of the outputs."""
    if s.plan.derivative == "jvp":
        found = s.difference(s.double.values, s.vector[None])
        floor = s.jvp(s.vector[None]).own[0]
        only = DifferenceEstimate(*(part[0] for part in found))
        return _against_differences(
            s, s.computed, only, s.namer("bm"), _count(s.computed.size), floor
        )
    if s.plan.derivative == "vjp":
        return _pulled_slopes(s, s.vector[None], s.computed[None])
    if s.jacobian_is_small:
        plain = s.plain(s.finite_mode)
        found = s.difference(s.double.values, s.units)  # (n, b, m), each scaled
        scales = s.units.max(axis=0)[:, None]  # (b, 1, n)
        found = DifferenceEstimate(*(np.moveaxis(part, 0, -1) / scales for part in found))
        a = s.computed if s.order == 1 else plain.values
        name = s.namer("bmn", "jacobian")
        return _against_differences(s, a, found, name, _count(a.size), plain.own)
    if s.no_forward:
        return _pulled_slopes(s, s.cotangents, s.vjp(s.cotangents).values)
    jvp = s.jvp(s.tangents)
    a = jvp.values
    if s.order == 1 and s.is_formed:
        a = np.einsum("bmn,kbn->kbm", s.computed, s.tangents)
    pick = s.sampled(s.flat.m)
    found = s.difference(lambda points: _pick_entries(s.double.values(points), pick), s.tangents)
    name = _picked_namer(s.namer("kbm"), pick, s.flat.m)
    floor = _pick_entries(np.broadcast_to(jvp.own, a.shape), pick)
    return _against_differences(s, _pick_entries(a, pick), found, name, _along(s), floor)


def _pulled_slopes(s: CheckData, cotangents: Array, vjp: Array) -> Comparands:
    """⟨Jᵀ u, v⟩ against finite differences of ⟨u, f⟩ along v: all unit v where there are few."""
    floor = s.vjp(cotangents).own
    if s.is_small and len(cotangents) == 1:
        weighted = cotangents[0]
        found = s.difference(lambda p: _inner(s.double.values(p), weighted), s.units)
        scales = s.units.max(axis=0)  # (b, n)
        found = DifferenceEstimate(*(np.moveaxis(part[..., 0], 0, -1) / scales for part in found))
        return _against_differences(s, vjp[0], found, s.namer("bn"), _count(vjp[0].size), floor[0])
    # Every direction goes with a cotangent of its own, or with the only one.
    pairs = np.broadcast_to(cotangents, s.cotangents.shape)
    found = s.paired(lambda p, u: _inner(s.double.values(p), u), pairs, s.tangents)
    floor = _inner(np.abs(s.tangents), floor)
    return _against_differences(s, _inner(vjp, s.tangents), found, s.namer("kb1"), _along(s), floor)


def _against_differences(
    s: CheckData,
    a: Array,
    found: DifferenceEstimate,
    name: Callable[[tuple[int, ...]], str],
    compared: str,
    floor: Array,
) -> Comparands:
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
    return Comparands(a, found.values, name, words, compared, floor, found, resolved)


# Finite differences of the gradient


def _curves_skip(s: CheckData) -> str:
    return _missing_mode(s) if s.no_reverse and not s.is_small else ""


def _curves(s: CheckData) -> Comparands:
    """The Hessian, or its product, against finite differences of the first derivative."""
    rows, m, n = s.flat.rows, s.flat.m, s.flat.n

    def slope(points: Array) -> Array:
        return s.double.jacobian(s.finite_mode, points).reshape(len(points), rows, m * n)

    if s.plan.derivative == "hessian" and s.is_small:
        plain = s.plain(s.hessian_modes[0])
        found = s.difference(slope, s.units)
        scales = s.units.max(axis=0)[:, None, None]  # (b, 1, 1, n)
        with np.errstate(over="ignore"):
            found = DifferenceEstimate(
                *(np.moveaxis(part, 0, -1).reshape(rows, m, n, n) / scales for part in found)
            )
        found = found._replace(sizes=np.maximum(found.sizes, s.curvatures))
        name = s.namer("bmnn")
        return _against_differences(s, s.computed, found, name, _count(s.computed.size), plain.own)
    if s.plan.derivative == "hvp" and s.is_small:
        found = s.difference(slope, s.vector[None])
        found = DifferenceEstimate(*(part.reshape(rows, m, n) for part in found))
        floor = s.hvp(s.vector[None], np.ones((1, rows, m))).own[0][:, None]
        name = s.namer("bmn", "hvp")
        return _against_differences(s, s.computed, found, name, _count(s.computed.size), floor)
    tangents = s.vector[None] if s.is_product else s.tangents
    weights = s.weights[: len(tangents)]
    hvp = s.hvp(tangents, weights)
    a = hvp.values
    if s.is_product:
        a = np.einsum("kbm,bmn->kbn", weights, s.computed)
    elif s.is_formed:
        a = _hessian_products(s, s.computed)
    pick = s.sampled(n)

    def vjp(points: Array, cotangent: Array) -> Array:
        each = np.broadcast_to(cotangent, (len(points), rows, m))
        return _pick_entries(s.double.vjp(points, each)[1], pick)

    found = s.paired(vjp, weights, tangents)
    name = _picked_namer(s.namer("kbn", "hvp"), pick, n)
    floor = _pick_entries(np.broadcast_to(hvp.own, a.shape), pick)
    return _against_differences(
        s, _pick_entries(a, pick), found, name, _along(s, len(tangents)), floor
    )


# Symmetry, and the product with the Hessian


def _symmetry_skip(s: CheckData) -> str:
    return _missing_mode(s) if s.no_reverse and not (s.is_small or s.is_formed) else ""


def _symmetry(s: CheckData) -> Comparands:
    """H = Hᵀ, by entries or as ⟨v, H w⟩ = ⟨w, H v⟩."""
    words = ("H", "its transpose")
    if s.plan.derivative == "hessian" and s.is_small:
        plain = s.plain(s.hessian_modes[0])
        floor = np.maximum(plain.floor, np.swapaxes(plain.floor, -1, -2))
        turned = np.swapaxes(s.computed, -1, -2)
        return Comparands(s.computed, turned, s.namer("bmnn"), words, _count(turned.size), floor)
    one = s.hvp(s.tangents, s.weights)
    two = s.hvp(s.more_tangents, s.weights)
    first, second = one.values, two.values
    if s.plan.derivative == "hessian" and s.is_formed:
        first, second = (
            _hessian_products(s, s.computed),
            _hessian_products(s, s.computed, s.more_tangents),
        )
    floor = _inner(np.abs(s.more_tangents), one.floor) + _inner(np.abs(s.tangents), two.floor)
    return Comparands(
        _inner(first, s.more_tangents), _inner(second, s.tangents), s.namer("kb1"),
        ("⟨w, H v⟩", "⟨v, H w⟩"), _along(s), floor,
    )  # fmt: skip


def _product_skip(s: CheckData) -> str:
    if s.no_reverse:
        return _missing_mode(s)
    formed = s.hessian_is_small if s.is_product else s.is_formed
    return "" if formed else "the Hessian is too large to be formed"


def _product(s: CheckData) -> Comparands:
    """H v by a product of the gradient, against the Hessian times v."""
    words = ("hvp", "Hessian times v")
    if s.is_product:
        plain = s.plain(s.hessian_modes[0])
        b = np.einsum("bmij,bj->bmi", plain.values, s.vector)
        floor = np.abs(s.vector).sum(axis=-1)[:, None, None] * plain.floor.max(axis=-2)
        return Comparands(s.computed, b, s.namer("bmn", "hvp"), words, _count(b.size), floor)
    hvp = s.hvp(s.tangents, s.weights)
    b = _hessian_products(s, s.computed)
    return Comparands(hvp.values, b, s.namer("kbn", "hvp"), words, _along(s), hvp.floor)


# The entries of a sparsity pattern


def _entries_skip(s: CheckData) -> str:
    return _missing_mode(s) if s.no_reverse and s.order == 2 else ""


def _entries(s: CheckData) -> Comparands:
    """The entries of the pattern times tangents, against products without a pattern."""
    found, sizes = s.entries.times(s.tangents)
    words = ("by the pattern", "without it")
    rounding = 1000 * s.flat.eps * sizes
    if s.order == 2:
        found, rounding = (
            np.einsum("kbm,kbmn->kbn", s.weights, part) for part in (found, rounding)
        )
        hvp = s.hvp(s.tangents, s.weights)
        floor = hvp.floor + np.abs(rounding)
        return Comparands(found, hvp.values, s.namer("kbn", "hvp"), words, _along(s), floor)
    if s.no_forward:
        # ⟨u, J v⟩ with J by the pattern, and ⟨Jᵀ u, v⟩.
        vjp = s.vjp(s.cotangents)
        floor = _inner(np.abs(s.tangents), vjp.floor) + _inner(np.abs(s.cotangents), rounding)
        return Comparands(
            _inner(s.cotangents, found), _inner(vjp.values, s.tangents), s.namer("kb1"), words,
            _along(s), floor,
        )  # fmt: skip
    jvp = s.jvp(s.tangents)
    floor = jvp.floor + rounding
    return Comparands(found, jvp.values, s.namer("kbm"), words, _along(s), floor)


CHECKS: tuple[Check, ...] = (
    Check("values", _any, _values_skip, _values),
    Check("forward against reverse", _derivative, _modes_skip, _modes),
    Check("mode", _matrix, _planned_skip, _planned),
    Check("sparsity pattern", _patterned, _entries_skip, _entries),
    Check("product identity", _derivative, _identity_skip, _identity),
    Check("differences of outputs", _derivative, _never, _slopes, True),
    Check("differences of gradient", _second, _curves_skip, _curves, True),
    Check("symmetry", _second, _symmetry_skip, _symmetry),
    Check("hvp against Hessian", _second, _product_skip, _product),
)
"""Every check, in the order of the report; a new one is one entry."""


def _hessian_products(s: CheckData, hessian: Array, tangents: Array | None = None) -> Array:
    """Return a Hessian `bmnn` times tangents and weights, `kbn`."""
    tangents = s.tangents if tangents is None else tangents
    return np.stack([
        np.einsum("bm,bmij,bj->bi", u, hessian, v, optimize=True)
        for u, v in zip(s.weights, tangents, strict=True)
    ])  # fmt: skip


def _pick_entries(stack: Array, pick: Array) -> Array:
    """Return some entries of each element of a stack `kbn`, counted over b and n, as `k1n`."""
    return stack.reshape(len(stack), 1, -1)[..., pick]


def _picked_namer(
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


def _missing_mode(s: CheckData) -> str:
    if s.no_forward:
        return "a rule of the model's own has no forward mode"
    return "a loop of the model has no reverse mode"


def _count(number: int, what: str = "entry") -> str:
    return counted(number, what, "all ", "the ")


def _along(s: CheckData, number: int | None = None) -> str:
    number = s.probes if number is None else number
    return counted(number, "random direction")
