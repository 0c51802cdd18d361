"""The functions with kinks: where each has one, and what JAX takes for its derivative there.

One entry of `KINKS` per function.  A kink is a point where the pieces of a function meet; a `Tie`
holds where an argument is at one, and the pieces, so that it can be told whether they meet with
one slope (then there is no kink).  What JAX takes is that of JAX 0.10.1, and tested
against JAX.  Points of infinite slope (`sqrt` at 0) are in `singularity_table`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaccli.diagnose.operations import Step, bare, fits

Array = Any
Pair = tuple[Array, Array]


def _same(array: Array) -> Array:
    return array


class Tie(NamedTuple):
    """Where a step is at a kink, and what meets there.

    Attributes:
        at: whether an entry is at the kink.
        pairs: the pieces; each pair differs in value or in slope where the kink is one.
        says: the tie in words, with the operands in braces: `{x1} = {x2}`.
        operands: how each of these is written, and its shape.
        joined: whether the entries are tied with each other, as those of a `max` are.
        spread: takes an array shaped as the step's result to one shaped as `at`.
        settle: takes one shaped as `at` to the order of the operand's entries.
        takes: what JAX does, where more is known than what `Kink.takes` says.
    """

    at: Array
    pairs: tuple[Pair, ...]
    text: str
    operands: dict[str, tuple[str, tuple[int, ...]]]
    among_entries: bool = False
    to_tie_shape: Callable[[Array], Array] = _same
    to_operand_shape: Callable[[Array], Array] = _same
    takes: str = ""


class Kink(NamedTuple):
    """A function's kinks: `takes` is what JAX does, in words, and may name operands in braces."""

    kind: str
    takes: str
    ties: Callable[[Step], list[Tie]]


def _tie(step: Step, at: Array, pairs: list[Pair], text: str, *operands: str, **more: Any) -> Tie:
    """Return a tie, its operands by the names of their parameters."""
    named = {
        name: (step.origin.operand(name), jnp.shape(step.arguments[name])) for name in operands
    }
    return Tie(at, tuple(pairs), text, named, **more)


def _pieces(
    *points: tuple[float, Callable[[Array], Array], Callable[[Array], Array]],
) -> Callable[[Step], list[Tie]]:
    """Describe a function of `x` by its points and the pieces that meet at each."""

    def ties(step: Step) -> list[Tie]:
        x = step.arguments["x"]
        return [
            _tie(step, x == point, [(left(x), right(x))], f"{{x}} = {point:g}", "x")
            for point, left, right in points
        ]

    return ties


def _constant(value: float) -> Callable[[Array], Array]:
    return lambda x: jnp.full_like(x, value)


def _jumps(at: Callable[[Array], Array], text: str) -> Callable[[Step], list[Tie]]:
    """Describe a function of `x` that is constant between its jumps."""

    def ties(step: Step) -> list[Tie]:
        x = step.arguments["x"]
        return [_tie(step, at(x), [(x, jax.lax.stop_gradient(x))], text, "x")]

    return ties


def _round(step: Step) -> list[Tie]:
    """Halves, of the last decimal that is kept."""
    scaled = step.arguments["x"] * 10.0 ** step.arguments.get("decimals", 0)
    pairs = [(scaled, jax.lax.stop_gradient(scaled))]
    return [_tie(step, scaled - jnp.floor(scaled) == 0.5, pairs, "{x} is halfway", "x")]


def _equal(step: Step) -> list[Tie]:
    """Describe a function whose pieces are its two operands."""
    a, b = step.arguments["x1"], step.arguments["x2"]
    return [_tie(step, jnp.equal(a, b), [(a, b)], "{x1} = {x2}", "x1", "x2")]


def _clip(step: Step) -> list[Tie]:
    """Describe `clip`: x meets either bound."""
    x = step.arguments["x"]
    bounds = [(name, step.arguments.get(name)) for name in ("min", "max")]
    return [
        _tie(step, x == bound, [(x, bound)], f"{{x}} = {{{name}}}", "x", name)
        for name, bound in bounds
        if bound is not None
    ]


def _whole_quotient(step: Step) -> list[Tie]:
    """Describe the functions of x1 / x2 that jump where it is a whole number."""
    a, b = step.arguments["x1"], step.arguments["x2"]
    ratio = jnp.divide(a, b)
    at = jnp.mod(a, b) == 0
    if step.name == "fmod":  # which is smooth around 0
        at &= jnp.not_equal(a, 0)
    pairs = [(ratio, jax.lax.stop_gradient(ratio))]
    return [_tie(step, at, pairs, "{x1} is a multiple of {x2}", "x1", "x2")]


def _heaviside(step: Step) -> list[Tie]:
    a = step.arguments["x1"]
    at = jnp.broadcast_to(jnp.equal(a, 0), jnp.shape(step.result))
    return [_tie(step, at, [(a, jax.lax.stop_gradient(a))], "{x1} = 0", "x1")]


def _copysign(step: Step) -> list[Tie]:
    """Describe `copysign`: a kink where x1 is 0, a jump where x2 is."""
    a, b = step.arguments["x1"], step.arguments["x2"]
    shape = jnp.shape(step.result)
    ties = []
    for name, value in (("x1", a), ("x2", b)):
        at = jnp.broadcast_to(jnp.equal(value, 0), shape)
        pairs = [(value, jax.lax.stop_gradient(value))]
        ties.append(_tie(step, at, pairs, f"{{{name}}} = 0", name))
    return ties


def _hypot(step: Step) -> list[Tie]:
    a, b = step.arguments["x1"], step.arguments["x2"]
    at = jnp.equal(a, 0) & jnp.equal(b, 0)
    moves = [(jnp.abs(a) + jnp.abs(b), jnp.zeros_like(a + b))]
    return [_tie(step, at, moves, "{x1} = 0 and {x2} = 0", "x1", "x2")]


_OUTCOMES = {"<": False, "<=": True, ">": False, ">=": True, "==": True, "!=": False}
"""What comparisons say of equal values."""


def _where(step: Step) -> list[Tie]:
    """Describe `where`: its branches meet where its condition compares equal values."""
    taken = "The condition is {holds} there: JAX takes the derivative of {picked}."
    return _switches(step, step.arguments["x"], step.arguments["y"], taken)


def _product(step: Step) -> list[Tie]:
    """Describe `(x > 0) * y`, which is y where the condition holds and 0 elsewhere."""
    a, b = step.arguments["x1"], step.arguments["x2"]
    other = b if jnp.issubdtype(jnp.result_type(a), jnp.bool_) else a
    taken = "The condition is {holds} there, and JAX takes the derivative on that side."
    return _switches(step, other, jnp.zeros_like(other), taken)


def _switches(step: Step, x: Array, y: Array, branch: str) -> list[Tie]:
    """Return the ties of what is x where a condition holds, and y elsewhere."""
    shape = jnp.shape(step.result)
    ties = []
    for compared in step.comparisons:
        equal = jnp.equal(compared.left, compared.right)
        if not fits(equal.shape, shape):
            continue
        holds = _OUTCOMES[compared.symbol]
        # A condition of several comparisons is not decided by one of them.
        picked = step.origin.operand("x" if holds else "y") if len(step.comparisons) == 1 else ""
        left = (compared.left_text, jnp.shape(compared.left))
        right = (compared.right_text, jnp.shape(compared.right))
        ties.append(
            Tie(
                jnp.broadcast_to(equal, shape),
                ((compared.left, compared.right), (x, y)),
                "{x1} = {x2}",
                {"x1": left, "x2": right},
                takes=branch.format(holds=holds, picked=bare(picked)) if picked else "",
            )
        )
    return ties


def _pinv(step: Step) -> list[Tie]:
    """Describe `pinv`, which jumps where the rank changes: at matrices of less than full rank."""
    a: Array = step.arguments["a"]
    if jnp.ndim(a) < 2 or 0 in jnp.shape(a):
        return []
    values = jax.lax.stop_gradient(jnp.linalg.svdvals(a))
    eps = float(jnp.finfo(values.dtype).eps)  # type: ignore[no-untyped-call]
    at = values[..., -1] <= 10 * max(jnp.shape(a)[-2:]) * eps * values[..., 0]
    total = jnp.sum(a, axis=(-2, -1))
    return [
        Tie(
            at,
            ((total, jax.lax.stop_gradient(total)),),
            "{a} has less than full rank",
            {"a": (step.origin.operand("a"), ())},
            to_tie_shape=lambda array: jnp.sum(jnp.abs(array), axis=(-2, -1)),
        )
    ]


def _axis(step: Step) -> tuple[Any, Callable[[Array], Array]]:
    """Return a reduction's axis, and what gives its result the axes that it has lost."""
    axis = step.arguments.get("axis")
    if step.arguments.get("keepdims") or axis is None:
        return axis, _same
    return axis, lambda array: jnp.expand_dims(array, axis)


def _extreme(*finds: Callable[..., Array]) -> Callable[[Step], list[Tie]]:
    """Describe reductions to the largest or smallest entries: there may be several of these."""
    return lambda step: [_group(step, step.arguments["x"], find) for find in finds]


def _group(step: Step, x: Array, find: Callable[..., Array]) -> Tie:
    axis, to_tie_shape = _axis(step)
    extreme = find(x, axis=axis, keepdims=True)
    at = x == extreme
    at &= jnp.sum(at, axis=axis, keepdims=True) > 1
    return _tie(step, at, [(x, extreme)], "{x}", "x", among_entries=True, to_tie_shape=to_tie_shape)


def _norm(step: Step) -> list[Tie]:
    """Describe the norms of vectors that are made of absolute values."""
    x: Array = step.arguments["x"]
    order, axis = step.arguments.get("ord"), step.arguments.get("axis")
    if jnp.ndim(x) != 1 and not isinstance(axis, int):
        return []
    if order in (math.inf, -math.inf):
        return [_group(step, jnp.abs(x), jnp.max if order > 0 else jnp.min)]
    if order != 1:
        return []
    return [_tie(step, x == 0, [(x, -x)], "{x} = 0", "x", to_tie_shape=_axis(step)[1])]


def _ranked(
    step: Step,
    axis: Any,
    which: Callable[[int], list[int]] | None,
    to_tie_shape: Callable[[Array], Array],
) -> list[Tie]:
    """Return the ties of neighbors in the order of size; `which` of them by their number."""
    x = step.arguments["x"]
    if axis is None:
        x, axis = jnp.ravel(x), 0
    if jnp.ndim(x) == 0 or not isinstance(axis, int):
        return []
    last = jnp.moveaxis(x, axis, -1)
    ranked = jnp.sort(last, axis=-1)
    low, high = ranked[..., :-1], ranked[..., 1:]
    at = low == high
    if which is not None:
        selected = [k for k in which(last.shape[-1]) if 0 <= k < last.shape[-1] - 1]
        at &= jnp.zeros(last.shape[-1] - 1, bool).at[jnp.array(selected, int)].set(True)

    def to_operand_shape(tied: Array) -> Array:
        edge = [(0, 0)] * (tied.ndim - 1)
        both = jnp.pad(tied, [*edge, (0, 1)]) | jnp.pad(tied, [*edge, (1, 0)])
        order = jnp.argsort(jax.lax.stop_gradient(last), axis=-1)
        settled = jnp.take_along_axis(both, jnp.argsort(order, axis=-1), axis=-1)
        return jnp.moveaxis(settled, -1, axis).reshape(jnp.shape(step.arguments["x"]))

    pairs = [(low, high)]
    return [
        _tie(
            step,
            at,
            pairs,
            "{x}",
            "x",
            among_entries=True,
            to_tie_shape=to_tie_shape,
            to_operand_shape=to_operand_shape,
        )
    ]


def _sort(step: Step) -> list[Tie]:
    """Describe `sort`: equal neighbors matter where they are put to different use."""
    axis = step.arguments.get("axis", -1)

    def to_tie_shape(array: Array) -> Array:
        ranked = jnp.moveaxis(array, axis, -1)
        return ranked[..., 1:] - ranked[..., :-1]

    return _ranked(step, axis, None, to_tie_shape)


def _quantile(portion: Callable[[Step], Any]) -> Callable[[Step], list[Tie]]:
    """Describe an order statistic, or the mean of two: ties with the entries beside them."""

    def ties(step: Step) -> list[Tie]:
        q = portion(step)
        if not isinstance(q, int | float):
            return []

        def which(count: int) -> list[int]:
            position = q * (count - 1)
            low, high = math.floor(position), math.ceil(position)
            within = [] if position - low in (0, 0.5) else [low]
            return [low - 1, *within, high]

        axis, keeps = step.arguments.get("axis"), step.arguments.get("keepdims")

        def to_tie_shape(array: Array) -> Array:
            if axis is None:
                return jnp.ravel(array)
            return jnp.moveaxis(array, axis, -1) if keeps else array[..., None]

        return _ranked(step, axis, which, to_tie_shape)

    return ties


_negative: Callable[[Array], Array] = jnp.negative
_zero = _constant(0)
_SELU = 1.0507009873554804934193349852946
_ALPHA = 1.6732632423543772848170429916717
_HALF = "JAX takes the mean of both derivatives there."
_FLAT = "JAX takes the derivative 0 everywhere."
_SHARED = "JAX shares the derivative equally among the tied entries."
_RANKED = "JAX ranks equal entries in the order of their positions."


def _slope(step: Step, name: str, default: float) -> Callable[[Array], Array]:
    factor = step.arguments.get(name, default)
    return lambda x: factor * x


def _elu(alpha: float | None, scaled: bool = False) -> Callable[[Step], list[Tie]]:
    """Describe `elu` and its kin: x above 0, an exponential below."""

    def ties(step: Step) -> list[Tie]:
        scale = step.arguments.get("alpha", 1.0) if alpha is None else alpha
        inner = scale if scaled else 1.0
        return _pieces((0, lambda x: scale * jnp.expm1(x / inner), _same))(step)

    return ties


KINKS: dict[str, Kink] = {
    "abs": Kink(
        "kink", "JAX takes the derivative 1 there, the one on the right.",
        _pieces((0, _negative, _same)),
    ),
    "sign": Kink("jump", _FLAT, _jumps(lambda x: x == 0, "{x} = 0")),
    "floor": Kink("jump", _FLAT, _jumps(lambda x: x == jnp.floor(x), "{x} is whole")),
    "ceil": Kink("jump", _FLAT, _jumps(lambda x: x == jnp.floor(x), "{x} is whole")),
    "trunc": Kink(
        "jump", _FLAT, _jumps(lambda x: (x == jnp.floor(x)) & (x != 0), "{x} is whole")
    ),
    "rint": Kink("jump", _FLAT, _round),
    "round": Kink("jump", _FLAT, _round),
    "floor_divide": Kink("jump", _FLAT, _whole_quotient),
    "mod": Kink("jump", "JAX takes the derivative between the jumps.", _whole_quotient),
    "fmod": Kink("jump", "JAX takes the derivative between the jumps.", _whole_quotient),
    "heaviside": Kink("jump", "JAX takes the derivative 0 with respect to {x1}.", _heaviside),
    "copysign": Kink(
        "kink", "JAX takes the derivative 1 at {x1} = 0, and 0 by {x2}.", _copysign
    ),
    "maximum": Kink("kink", _HALF, _equal),
    "minimum": Kink("kink", _HALF, _equal),
    "fmax": Kink("kink", "JAX takes the derivative of {x2} there.", _equal),
    "fmin": Kink("kink", "JAX takes the derivative of {x2} there.", _equal),
    "clip": Kink("kink", _HALF, _clip),
    "hypot": Kink("kink", "JAX takes the derivative 0.5 with respect to each.", _hypot),
    "where": Kink(
        "switch", "JAX takes the derivative of the branch that the condition picks.", _where
    ),
    "multiply": Kink(
        "switch", "JAX takes the derivative of the side that the condition picks.", _product
    ),
    "relu": Kink("kink", "JAX takes the derivative 0 there.", _pieces((0, _zero, _same))),
    "relu6": Kink(
        "kink", "JAX takes the derivative 0 there.",
        _pieces((0, _zero, _same), (6, _same, _constant(6))),
    ),
    "leaky_relu": Kink(
        "kink", "JAX takes the derivative 1 there.",
        lambda step: _pieces((0, _slope(step, "negative_slope", 0.01), _same))(step),
    ),
    "elu": Kink("kink", "JAX takes the derivative on the left, alpha.", _elu(None)),
    "celu": Kink("kink", "JAX takes the derivative on the left, 1.", _elu(None, True)),
    "selu": Kink("kink", "JAX takes the derivative on the left, 1.758.", _elu(_ALPHA)),
    "soft_sign": Kink(
        "kink", "JAX takes the derivatives on the right.",
        _pieces((0, lambda x: x / (1 - x), lambda x: x / (1 + x))),
    ),
    "hard_tanh": Kink(
        "kink", "JAX takes the derivative 1 there.",
        _pieces((-1, _constant(-1), _same), (1, _same, _constant(1))),
    ),
    "hard_sigmoid": Kink(
        "kink", "JAX takes the derivative 0 there.",
        _pieces((-3, _zero, lambda x: (x + 3) / 6), (3, lambda x: (x + 3) / 6, _constant(1))),
    ),
    "hard_silu": Kink(
        "kink", "JAX takes the derivative of x * hard_sigmoid(x), that of its flat side.",
        _pieces((-3, _zero, lambda x: x * (x + 3) / 6), (3, lambda x: x * (x + 3) / 6, _same)),
    ),
    "i0e": Kink(
        "kink", "JAX takes the derivative 0 there.", _pieces((0, jnp.exp, lambda x: jnp.exp(-x)))
    ),
    "pinv": Kink(
        "jump", "JAX takes the derivative among matrices of the same rank: nearby, pinv is huge.",
        _pinv,
    ),
    "max": Kink("kink", _SHARED, _extreme(jnp.max)),
    "min": Kink("kink", _SHARED, _extreme(jnp.min)),
    "nanmax": Kink("kink", _SHARED, _extreme(jnp.nanmax)),
    "nanmin": Kink("kink", _SHARED, _extreme(jnp.nanmin)),
    "ptp": Kink("kink", _SHARED, _extreme(jnp.max, jnp.min)),
    "norm": Kink("kink", "JAX takes the derivative of the absolute values.", _norm),
    "sort": Kink("kink", _RANKED, _sort),
    "median": Kink("kink", _RANKED, _quantile(lambda step: 0.5)),
    "quantile": Kink("kink", _RANKED, _quantile(lambda step: step.arguments["q"])),
    "percentile": Kink(
        "kink", _RANKED,
        _quantile(lambda step: step.arguments["q"] / 100),
    ),
}  # fmt: skip
"""The kinks of every function that has some, by its name in the expression language."""
