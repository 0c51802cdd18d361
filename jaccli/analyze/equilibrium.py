"""The kind of an equilibrium, from the eigenvalues of the Jacobian there and their error bounds.

`x' = f(x)` is stable where all real parts are negative, `x ← f(x)` where all moduli are below 1.
An eigenvalue that is on the border within its error bound decides nothing, and is said.

Boundary: numbers in, words out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaccli.analyze.eigenvalues import CONTINUOUS, Eigenvalues
from jaccli.analyze.spectrum import Array
from jaccli.result.numerals import significant

CENTRE = "centre of the linearisation"
UNDECIDED = "undecided"
_SHARP = 1e-6
"""Error bounds of up to so much of an eigenvalue let a pair on the border be called a centre."""


class Equilibrium(NamedTuple):
    """What the linearisation says of an equilibrium.

    `kind` is the kind in the field's words, `text` with what belongs to it.  `stable` is None where
    eigenvalues on the border decide; `verified` is false where eigenvalues that were not computed
    could contradict it.  The dimensions count eigenvalues; those that are not known are None.
    `node` is `ordinary`, `degenerate` or `star`.
    """

    kind: str
    text: str
    stable: bool | None
    verified: bool
    hyperbolic: bool | None
    stable_dimension: int | None
    unstable_dimension: int | None
    center_dimension: int
    node: str | None


def equilibrium(found: Eigenvalues, system: str) -> Equilibrium:
    """Return the kind of an equilibrium whose Jacobian has these eigenvalues."""
    margin = found.margin(system)
    with np.errstate(invalid="ignore"):
        signs = np.where(margin > found.bounds, 1, np.where(margin < -found.bounds, -1, 0))
    unstable, stable = int(np.sum(signs > 0)), int(np.sum(signs < 0))
    center = len(signs) - unstable - stable
    border = 0.0 if system == CONTINUOUS else 1.0
    # Of those that were not computed, none is unstable; none is on the border either.
    none_beyond, all_inside = found.frontier <= border, found.frontier < border
    is_stable = False if unstable else None if center else True
    verified = bool(unstable) or (none_beyond if center else all_inside)
    rest = found.total - len(signs)
    unknown = rest and not all_inside and not center
    hyperbolic = None if unknown else center == 0
    kind, node = _kind(found, signs, none_beyond)
    text = _text(found, signs, kind, node, system)
    if rest:
        text += f"; {_coverage(found, border)}"
    return Equilibrium(
        kind=kind,
        text=text,
        stable=is_stable,
        verified=verified,
        hyperbolic=hyperbolic,
        stable_dimension=stable + rest if all_inside else None,
        unstable_dimension=unstable if none_beyond else None,
        center_dimension=center,
        node=node,
    )


def _kind(found: Eigenvalues, signs: Array, none_beyond: bool) -> tuple[str, str | None]:
    """Return the kind, and what kind of node it is."""
    rest = found.total > len(found.values)
    rotating = np.abs(found.values.imag) > found.bounds
    if not signs.all():
        sharp = found.bounds <= _SHARP * np.abs(found.values)
        is_centre = found.complete and not signs.any() and bool((rotating & sharp).all())
        return (CENTRE if is_centre else UNDECIDED), None
    both = bool((signs > 0).any() and (signs < 0).any())
    if rest and bool((signs > 0).all()) and not none_beyond:
        return UNDECIDED, None
    if both or ((signs > 0).any() and rest):
        return ("saddle-focus" if rotating.any() else "saddle"), None
    side = "unstable" if signs[0] > 0 else "stable"
    if rotating.any():
        return f"{side} spiral", None
    node = "ordinary"
    if any(cluster.defective for cluster in found.clusters):
        node = "degenerate"
    elif any(c.geometric == c.algebraic == found.total > 1 for c in found.clusters):
        node = "star"
    return f"{side} node", node


_NODES = {"ordinary": "node", "degenerate": "improper (degenerate) node", "star": "star node"}


def _text(found: Eigenvalues, signs: Array, kind: str, node: str | None, system: str) -> str:
    if kind == UNDECIDED:
        return _undecided(found, signs, system)
    if kind == CENTRE:
        bound = significant(float(found.bounds.max()), 2)
        return f"{kind} (on the {_border(system)} within {bound}): higher orders decide"
    if node is not None:
        return f"{kind.split()[0]} {_NODES[node]}"
    return f"{kind} ({'focus' if kind.endswith('spiral') else 'unstable'})"


def _undecided(found: Eigenvalues, signs: Array, system: str) -> str:
    """Return which eigenvalue leaves it undecided, and what the others say."""
    if signs.all():
        return "unstable, which kind is undecided"
    index = int(np.flatnonzero(signs == 0)[0])
    value, bound = complex(found.values[index]), float(found.bounds[index])
    rotating = abs(value.imag) > bound
    what = f"eigenvalue {number(value, 6)}" if not rotating else f"pair {pair(value, 6)}"
    where = f"is on the {_border(system)} within its error bound {significant(bound, 2)}"
    text = f"undecided: the {what} {where}"
    few = int(np.sum(signs == 0)) <= 1 + rotating
    if few and bound <= _SHARP * max(abs(value), found.norm):
        text += f" ({_bifurcation(value, rotating, system)})"
    unstable, stable = int(np.sum(signs > 0)), int(np.sum(signs < 0))
    if unstable:
        text += f"; unstable, by {unstable} other{'s' * (unstable != 1)}"
    elif stable:
        text += f"; {stable} other{'s are' if stable != 1 else ' is'} stable"
    return text


def _bifurcation(value: complex, rotating: bool, system: str) -> str:
    """Return of which bifurcations an eigenvalue on the border is the sign."""
    if rotating:
        return "Hopf" if system == CONTINUOUS else "Neimark-Sacker"
    if system != CONTINUOUS and value.real < 0:
        return "period doubling"
    return "fold, transcritical or pitchfork"


def _coverage(found: Eigenvalues, border: float) -> str:
    """Return what is known of the eigenvalues that were not computed."""
    some = f"{len(found.values)} of {found.total} eigenvalues were computed"
    if found.frontier <= border:
        return f"{some}, and no others lie beyond {significant(found.frontier, 3)}"
    return f"not verified: {some}, and others may lie beyond {significant(border, 1)}"


def _border(system: str) -> str:
    return "imaginary axis" if system == CONTINUOUS else "unit circle"


def number(value: complex, digits: int | None) -> str:
    """Return a complex number as text, `-0.5 + 0.866i`; in full if `digits` is None."""
    real, imag = (
        repr(float(part)) if digits is None else significant(float(part), digits)
        for part in (value.real, abs(value.imag))
    )
    if not value.imag:
        return real
    return f"{real} {'-' if value.imag < 0 else '+'} {imag}i"


def pair(value: complex, digits: int) -> str:
    """Return a conjugate pair as text, `0 +- 2i`."""
    return f"{significant(value.real, digits)} +- {significant(abs(value.imag), digits)}i"
