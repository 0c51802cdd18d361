"""Properties of a function by a trace: sizes, and the directions that JAX does not support.

Boundary: traces the function once; computes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun

from jaccli.derivative import constants, jaxprs
from jaccli.derivative.basis import Function, Tree, size

_OPAQUE = {"custom_jvp_call", "custom_vjp_call", "custom_linear_solve"}
"""Calls that bring their own derivative: what they call is not differentiated."""
_MIXING = {
    "dot_general", "conv_general_dilated", "sort", "fft", "cumsum", "cumprod", "cummax", "cummin",
    "cumlogsumexp", "triangular_solve", "cholesky", "lu", "eigh", "eig", "svd", "geqrf",
    "householder_product", "custom_linear_solve",
}  # fmt: skip
"""Operations whose results depend on many numbers each."""
_DOUBTFUL = {"custom_linear_solve", "pure_callback", "io_callback"}
"""Operations that may have a derivative in one direction alone."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class TraceInfo:
    """n `inputs` and m `outputs` (numbers, of one point), and unsupported directions.

    `mixes` says that an operation makes whole axes depend on each other, so that a derivative has
    hardly any zeros.  `jaxpr` is the function as JAX traced it, differentiated by those of its
    arguments that are `varied`; `equations` is how many it has.
    """

    inputs: int
    outputs: int
    no_forward: bool = False
    no_reverse: bool = False
    mixes: bool = False
    jaxpr: Any = None
    varied: tuple[bool, ...] = ()

    @property
    def equations(self) -> int:
        """How many equations the function has, those within others too."""
        return 0 if self.jaxpr is None else jaxprs.count(self.jaxpr.jaxpr)

    def entries(self, derivative: str) -> int:
        """Return how many entries the Jacobian or Hessian has, zeros included."""
        return self.inputs * self.outputs * (self.inputs if derivative == "hessian" else 1)

    @property
    def text(self) -> str:
        """The function's structure with shapes and dtypes, but without its arrays' numbers."""
        return _ADDRESS.sub("", str(self.jaxpr))


def facts(f: Function, x: Tree) -> TraceInfo:
    """Return the facts of `f` at the shapes of `x`.

    A loop whose length is known only while it runs has no reverse mode in JAX, and a function with
    a reverse rule of its own (`custom_vjp`) has no forward mode.
    """
    jaxpr, out = jax.make_jaxpr(f, return_shape=True)(x)
    return from_jaxpr(jaxpr, [True] * len(jaxpr.jaxpr.invars), size(x), size(out))


def from_jaxpr(jaxpr: Any, varied: Sequence[bool], inputs: int, outputs: int) -> TraceInfo:
    """Return the facts of a closed jaxpr that is differentiated by its `varied` arguments."""
    primitives = {eqn.primitive.name for eqn in _differentiated(jaxpr.jaxpr, varied)}
    no_forward, no_reverse = "custom_vjp_call" in primitives, "while" in primitives
    if no_forward or no_reverse or not _DOUBTFUL.isdisjoint(primitives):
        # Rules and libraries may open a way, or close one: JAX has the last word.
        no_forward, no_reverse = _unsupported(jaxpr, varied)
    return TraceInfo(
        inputs=inputs,
        outputs=outputs,
        no_forward=no_forward,
        no_reverse=no_reverse,
        mixes=not _MIXING.isdisjoint(primitives),
        jaxpr=jaxpr,
        varied=tuple(varied),
    )


def _unsupported(jaxpr: Any, varied: Sequence[bool]) -> tuple[bool, bool]:
    """Return whether JAX refuses to differentiate forward, and in reverse: both are traced."""
    avals = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in jaxpr.in_avals]
    moving = [
        k for k, flag in enumerate(varied) if flag and constants.is_inexact(jaxpr.in_avals[k].dtype)
    ]
    by_moving = partial(of_moving, jaxpr_as_fun(jaxpr), moving)

    def forward(*args: Any) -> Any:
        primals = [args[k] for k in moving]
        return jax.jvp(partial(by_moving, args), primals, primals)[1]

    def reverse(*args: Any) -> Any:
        out, pull = jax.vjp(partial(by_moving, args), *(args[k] for k in moving))
        return pull(out)

    return _fails_to_trace(forward, avals), _fails_to_trace(reverse, avals)


def of_moving(
    call: Callable[..., Sequence[Any]], moving: Sequence[int], args: Sequence[Any], *given: Any
) -> list[Any]:
    """Return the results that are floats, of arguments of which those `moving` are `given`."""
    full = list(args)
    for k, x in zip(moving, given, strict=True):
        full[k] = x
    return [y for y in call(*full) if constants.is_inexact(y.dtype)]


def _fails_to_trace(f: Any, avals: Sequence[Any]) -> bool:
    """Return whether a derivative cannot be traced, whatever JAX or a library says of it."""
    try:
        jaxpr = jax.make_jaxpr(f)(*avals)
    except Exception:
        return True
    return jaxprs.contains(jaxpr.jaxpr, UNFINISHED)


def _differentiated(jaxpr: Any, varied: Sequence[bool]) -> Iterator[Any]:
    """Yield the equations that depend on the varied arguments, those of inner jaxprs too."""
    for eqn in jaxprs.dependent(jaxpr, jaxprs.chosen(jaxpr.invars, varied)):
        yield eqn
        if eqn.primitive.name not in _OPAQUE:
            for inner in jaxprs.inner_jaxprs(eqn.params):
                yield from _differentiated(inner, [True] * len(inner.invars))


UNFINISHED = "custom_lin"
"""What JAX leaves of a custom reverse rule that is differentiated forward: it cannot be run."""
