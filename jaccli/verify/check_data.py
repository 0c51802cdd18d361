"""The derivative under test, computed as planned, and the reference values it is compared with.

Letters stand for axes, as in `flat_model.py`: k directions, b batch rows, m outputs, n inputs.
Expensive values are computed when a check first needs them.

Boundary: computes; compares nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from jaccli.context import Silent
from jaccli.derivative.operators import HESSIAN
from jaccli.errors import ComputationError
from jaccli.execute import execute
from jaccli.plan import Plan
from jaccli.result import Result, dense
from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.matrix import matrix
from jaccli.result.notation import entry
from jaccli.result.result import Array
from jaccli.result.view import whole
from jaccli.verify import finite_differences
from jaccli.verify.finite_differences import TINY, DifferenceEstimate
from jaccli.verify.flat_model import Flat, NotDifferentiableBy, flat, flattened, in_double
from jaccli.verify.pattern_check import PatternCheck

SEED = 20260
_SMALL = 20_000
"""Maximum number of entries that are all checked; above, random directions are."""
_UNITS = 500
"""Maximum number of inputs for which every unit tangent is used."""
_FORMED = 1 << 25
"""Maximum number of entries of a derivative that is formed."""
_SAMPLE = 5_000
"""Outputs (or inputs) that are differenced along each direction."""
_ORDERS = {"evaluate": 0, "hessian": 2, "hvp": 2}
_PRODUCTS = ("jvp", "vjp", "hvp")
_AXES = {"evaluate": "bm", "jvp": "bm", "vjp": "bn", "hessian": "bmnn"}


class Measured(NamedTuple):
    """Numbers with a bound of their rounding errors, `floor`.

    `own` is the bound without the difference from float64, for comparisons with float64.
    """

    values: Array
    floor: Array
    own: Array


class CheckData:
    """A derivative to verify, along `probes` random directions where it is large."""

    def __init__(self, plan: Plan, probes: int) -> None:
        self.plan = plan
        self.probes = probes
        self.flat = flat(plan)
        self._plain: dict[str, Measured] = {}
        self.order = _ORDERS.get(plan.derivative, 1)
        self.is_product = plan.derivative in _PRODUCTS
        rows, m, n = self.flat.rows, self.flat.m, self.flat.n
        # Every unit tangent takes about 150 evaluations of the model.
        self.jacobian_is_small = rows * m * n <= _SMALL and n <= _UNITS
        self.hessian_is_small = rows * m * n * n <= _SMALL

    # Size, and available modes

    @property
    def is_empty(self) -> bool:
        """Whether there are no numbers to check."""
        return not (self.flat.rows and self.flat.m and (self.flat.n or not self.order))

    @property
    def is_small(self) -> bool:
        """Whether every entry is checked."""
        return (
            self.hessian_is_small if self.plan.derivative == "hessian" else self.jacobian_is_small
        )

    @property
    def is_formed(self) -> bool:
        """Whether the derivative is computed whole, as planned."""
        plan = self.plan
        needed = plan.input_bytes + 4 * plan.dense_bytes
        entries = sum(math.prod(block.shape) for block in plan.blocks)
        return needed <= plan.budget and entries <= _FORMED

    @property
    def no_forward(self) -> bool:
        """Whether a rule of the model's own bars forward mode."""
        return self.plan.facts.no_forward

    @property
    def no_reverse(self) -> bool:
        """Whether a loop bars reverse mode."""
        return self.plan.facts.no_reverse

    @property
    def modes(self) -> tuple[str, ...]:
        """The plain modes of the Jacobian that are not barred, the cheaper first."""
        modes = ("fwd", "rev") if self.flat.n <= self.flat.m else ("rev", "fwd")
        barred = ["fwd"] * self.no_forward + ["rev"] * self.no_reverse
        return tuple(mode for mode in modes if mode not in barred)

    @property
    def hessian_modes(self) -> tuple[str, ...]:
        """The plain modes of the Hessian that are not barred."""
        barred = ["fwd"] * self.no_forward + ["rev"] * self.no_reverse
        modes = ("fwd-fwd", "rev-rev", "fwd-rev", "rev-fwd")
        return tuple(mode for mode in modes if not any(word in mode for word in barred))

    @cached_property
    def finite_mode(self) -> str:
        """The mode of the Jacobian that a Hessian is compared with: one that is finite here."""
        modes = (*self.modes, *(f"structured-{mode}" for mode in self.modes))
        if self.order < 2 or not self.jacobian_is_small:
            return modes[0]
        finite = (mode for mode in modes if np.isfinite(self.plain(mode).values).all())
        return next(finite, modes[0])

    # The planned derivative

    @cached_property
    def result(self) -> Result:
        """The derivative as planned."""
        return execute(self.plan, Silent())

    @property
    def axes(self) -> str:
        """The axes of the derivative."""
        return _AXES.get(self.plan.derivative, "bmn")

    @property
    def shape(self) -> tuple[int, ...]:
        """How many entries there are along `axes`."""
        sizes = {"b": self.flat.rows, "m": self.flat.m, "n": self.flat.n}
        return tuple(sizes[axis] for axis in self.axes)

    @cached_property
    def computed(self) -> Array:
        """The derivative as planned, along `axes`."""
        return dense(matrix(whole(self.result)).values).reshape(self.shape)

    @cached_property
    def vector(self) -> Array:
        """The plan's tangent `bn` or cotangent `bm`."""
        vectors = {name: vector[...] for name, vector in self.plan.vectors.items()}
        return flattened(self.flat, vectors, batched=self.plan.vector_batched)

    @cached_property
    def entries(self) -> PatternCheck:
        """The derivative by its pattern, if there is one."""
        return PatternCheck(self.plan, self.flat)

    # References

    @cached_property
    def double(self) -> Flat:
        """The model in float64, or as it is where it cannot be evaluated so."""
        if self.flat.eps < 1e-10:
            return self.flat
        try:
            double = in_double(self.plan)
            double.values(double.x[None])
        except (ComputationError, NotDifferentiableBy, TypeError, ValueError):
            return self.flat
        return double

    @cached_property
    def units(self) -> Array:
        """Every unit tangent `nbn`, each as long as its entry of x (1 where that is 0)."""
        n = self.flat.n
        units: Array = np.eye(n)[:, None, :] * self._scales[None]
        return units

    @cached_property
    def tangents(self) -> Array:
        """Random tangents `kbn`, in proportion to x."""
        return self._random(0, self.flat.n) * self._scales

    @cached_property
    def more_tangents(self) -> Array:
        """More random tangents `kbn`."""
        return self._random(1, self.flat.n) * self._scales

    @cached_property
    def cotangents(self) -> Array:
        """Random cotangents `kbm`."""
        return self._random(2, self.flat.m)

    @cached_property
    def weights(self) -> Array:
        """Cotangents `kbm` that leave a single output as it is."""
        return np.ones_like(self.cotangents) if self.flat.m == 1 else self.cotangents

    @cached_property
    def _scales(self) -> Array:
        x = np.abs(self.double.x.astype(np.float64))
        return np.where((x > 0) & np.isfinite(x), x, 1.0)

    def _random(self, number: int, size: int) -> Array:
        # Never near zero, so that every entry takes part.
        rng = np.random.default_rng([SEED, number])
        shape = (self.probes, self.flat.rows, size)
        signs: Array = rng.choice([-1.0, 1.0], shape)
        signs *= rng.uniform(0.5, 1.5, shape)
        return signs

    # Derivatives with their rounding

    def rounded(self, f: Callable[[Flat, Array], Array], count: int = 1) -> Measured:
        """Return f of the model at `count` times the primal, and how large its rounding may be.

        That follows from what f makes of inputs that are a few units in the last place apart, all
        on one side of the primal, so that a kink or a tie at it does not count.  In float32 also
        from f in float64: where tanh saturates, its derivative is 0 in float32, and at all points
        nearby.  It is never below a thousand units of the largest number along the last axis.
        """
        x, eps = self.flat.x, self.flat.eps
        sign = np.random.default_rng([SEED, 3]).choice([-1.0, 1.0], x.shape)

        def at(model: Flat, point: Array) -> Array:
            return f(model, np.broadcast_to(point, (count, *x.shape))).astype(np.float64)

        values = at(self.flat, x)
        spread = np.zeros_like(values)
        with np.errstate(all="ignore"):
            for side in (sign, -sign):
                near = [at(self.flat, x * (1 + steps * eps * side)) for steps in (1, 2, 3)]
                spread = np.maximum(spread, np.ptp(near, axis=0))
            floor = 30 * _largest(spread) + 1000 * eps * _largest(values)
            if self.double is not self.flat:
                apart = np.abs(at(self.double, self.double.x) - values)
                whole = 1000 * eps * _largest(values.reshape(1, -1)).item()
                return Measured(values, floor + 30 * _largest(apart) + TINY, floor + whole + TINY)
            return Measured(values, floor + TINY, floor + TINY)

    def plain(self, mode: str) -> Measured:
        """Return the Jacobian `bmn` or the Hessian `bmnn` by a plain mode."""
        if mode not in self._plain:
            product = Flat.hessian if mode in HESSIAN else Flat.jacobian
            found = self.rounded(lambda model, x: product(model, mode, x))
            units = 30 * self.flat.eps * (self.curvatures if mode in HESSIAN else self.slopes)
            values, floor, own = (part[0] for part in (found.values, found.floor, found.own))
            self._plain[mode] = Measured(values, floor + units, own)
        return self._plain[mode]

    def kept(self, mode: str) -> Array:
        """Return the outputs `bm` as the rules of forward or reverse mode give them."""
        points = np.broadcast_to(self.flat.x, (self.probes, *self.flat.x.shape))
        if mode == "fwd":
            outputs, _ = self.flat.jvp(points, self.tangents)
        else:
            outputs, _ = self.flat.vjp(points, self.cotangents)
        kept: Array = outputs[0]
        return kept

    def jvp(self, tangents: Array) -> Measured:
        """Return J v, `kbm`."""
        units = np.einsum("bmn,kbn->kbm", self.slopes, np.abs(tangents))
        return self._with(units, self.rounded(lambda f, x: f.jvp(x, tangents)[1], len(tangents)))

    def vjp(self, cotangents: Array) -> Measured:
        """Return Jᵀ u, `kbn`."""
        units = np.einsum("kbm,bmn->kbn", np.abs(cotangents), self.slopes)
        found = self.rounded(lambda f, x: f.vjp(x, cotangents)[1], len(cotangents))
        return self._with(units, found)

    def hvp(self, tangents: Array, cotangents: Array) -> Measured:
        """Return the Hessian of ⟨u, f⟩ times v, `kbn`."""
        moved = np.sum(np.abs(tangents) / self._scales, axis=-1)
        weighted = np.sum(np.abs(cotangents) * self._sizes, axis=-1)
        units = (moved * weighted)[..., None] / self._scales
        found = self.rounded(lambda f, x: f.hvp(x, tangents, cotangents), len(tangents))
        return self._with(units, found)

    def _with(self, units: Array, found: Measured) -> Measured:
        """Return numbers with what a unit in the last place of the outputs makes of them."""
        return found._replace(floor=found.floor + 30 * self.flat.eps * units)

    @cached_property
    def _sizes(self) -> Array:
        """The magnitudes of the outputs `bm`, 0 where they are not finite."""
        values = np.abs(self.flat.values(self.flat.x[None])[0].astype(np.float64))
        return np.where(np.isfinite(values), values, 0.0)

    @property
    def slopes(self) -> Array:
        """The outputs over the inputs, `bmn`: as large as derivatives are by nature."""
        with np.errstate(over="ignore"):
            slopes: Array = self._sizes[:, :, None] / self._scales[:, None, :]
        return slopes

    @property
    def curvatures(self) -> Array:
        """The outputs over pairs of inputs, `bmnn`."""
        with np.errstate(over="ignore"):
            curvatures: Array = self.slopes[..., None] / self._scales[:, None, None, :]
        return curvatures

    def difference(self, f: Callable[[Array], Array], directions: Array) -> DifferenceEstimate:
        """Return the derivative of f along directions by finite differences, `k` first."""
        x = self.double.x.astype(np.float64)
        return finite_differences.along(f, x, directions, self.double.eps)

    def paired(
        self, f: Callable[[Array, Array], Array], cotangents: Array, tangents: Array
    ) -> DifferenceEstimate:
        """Return the derivatives of every f(·, u) along its own v."""
        pairs = [
            self.difference(partial(_swapped, f, u), v[None])
            for u, v in zip(cotangents, tangents, strict=True)
        ]
        return DifferenceEstimate(*map(np.concatenate, zip(*pairs, strict=True)))

    # Names

    @cached_property
    def outputs(self) -> LabelledAxis:
        """The names of the output entries."""
        return LabelledAxis(tuple(Names.of(*item) for item in self.plan.outputs.items()))

    @cached_property
    def inputs(self) -> LabelledAxis:
        """The names of the wrt entries."""
        shapes = ((name, self.plan.model.in_shape(name)) for name in self.flat.wrt)
        return LabelledAxis(tuple(Names.of(*item) for item in shapes))

    def sampled(self, size: int) -> Array:
        """Return positions in `(b, size)` that finite differences look at: all if there are few."""
        size *= self.flat.rows
        if size <= _SAMPLE:
            return np.arange(size)
        rng = np.random.default_rng([SEED, 4])
        return np.sort(rng.choice(size, _SAMPLE, replace=False))

    def namer(self, axes: str, derivative: str = "") -> Callable[[tuple[int, ...]], str]:
        """Return a function that names an entry by its index along axes such as `bmn`."""

        def name(index: tuple[int, ...]) -> str:
            at = list(zip(axes, index, strict=True))
            outs = [self.outputs[i] for letter, i in at if letter == "m"]
            ins = [self.inputs[i] for letter, i in at if letter == "n"]
            kind = derivative or ("", "jacobian", "hessian")[len(ins) if outs else 0]
            if kind and outs and ins:
                parts = [entry(kind, outs[0], ins)]
            else:
                parts = [", ".join(outs + ins)] if outs or ins else []
            parts += [f"direction {i}" for letter, i in at if letter == "k"]
            row = next(i for letter, i in at if letter == "b")
            batch = "" if self.plan.model.batch_size is None else f" at batch row {row}"
            return ", ".join(parts) + batch

        return name


def _swapped(f: Callable[[Array, Array], Array], u: Array, points: Array) -> Array:
    return f(points, u)


def _largest(values: Array) -> Array:
    """Return the largest finite magnitude along the last axis, which is kept."""
    magnitudes = np.where(np.isfinite(values), np.abs(values), 0.0)
    largest: Array = magnitudes.max(axis=-1, keepdims=True, initial=0.0)
    return largest
