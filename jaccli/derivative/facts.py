"""What is known of a function before it is differentiated: sizes, and which ways are barred.

Boundary: traces the function once; computes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from jaccli.derivative.basis import Function, Tree, size

_OPAQUE = {"custom_jvp_call", "custom_vjp_call", "custom_linear_solve"}
"""Calls that bring their own derivative: what they call is not differentiated."""
_MIXING = {
    "dot_general", "conv_general_dilated", "sort", "fft", "cumsum", "cumprod", "cummax", "cummin",
    "cumlogsumexp", "triangular_solve", "cholesky", "lu", "eigh", "eig", "svd", "geqrf",
    "householder_product", "custom_linear_solve",
}  # fmt: skip
"""Operations whose results depend on many numbers each."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Facts:
    """n `inputs` and m `outputs` (numbers, of one point), and what bars a way.

    `mixes` says that an operation makes whole axes depend on each other, so that a derivative has
    hardly any zeros.  `jaxpr` is the function as JAX traced it.
    """

    inputs: int
    outputs: int
    no_forward: bool = False
    no_reverse: bool = False
    mixes: bool = False
    jaxpr: Any = None

    def entries(self, derivative: str) -> int:
        """Return how many entries the Jacobian or Hessian has, zeros included."""
        return self.inputs * self.outputs * (self.inputs if derivative == "hessian" else 1)

    @property
    def text(self) -> str:
        """The function's structure with shapes and dtypes, but without its arrays' numbers."""
        return _ADDRESS.sub("", str(self.jaxpr))


def facts(f: Function, x: Tree) -> Facts:
    """Return the facts of `f` at the shapes of `x`.

    A loop whose length is known only while it runs has no reverse mode in JAX, and a function with
    a reverse rule of its own (`custom_vjp`) has no forward mode.
    """
    jaxpr, out = jax.make_jaxpr(f, return_shape=True)(x)
    return from_jaxpr(jaxpr, [True] * len(jaxpr.jaxpr.invars), size(x), size(out))


def from_jaxpr(jaxpr: Any, varied: Sequence[bool], inputs: int, outputs: int) -> Facts:
    """Return the facts of a closed jaxpr that is differentiated by its `varied` arguments."""
    found = set(_differentiated(jaxpr.jaxpr, varied))
    return Facts(
        inputs=inputs,
        outputs=outputs,
        no_forward="custom_vjp_call" in found,
        no_reverse="while" in found,
        mixes=not _MIXING.isdisjoint(found),
        jaxpr=jaxpr,
    )


def _differentiated(jaxpr: Any, varied: Sequence[bool]) -> Iterator[str]:
    """Yield the primitives that depend on the varied arguments, those of inner jaxprs too."""
    live = {v for v, flag in zip(jaxpr.invars, varied, strict=True) if flag}
    for eqn in jaxpr.eqns:
        if not any(not is_literal(v) and v in live for v in eqn.invars):
            continue
        live.update(eqn.outvars)
        yield eqn.primitive.name
        if eqn.primitive.name not in _OPAQUE:
            for inner in inner_jaxprs(eqn.params):
                yield from _differentiated(inner, [True] * len(inner.invars))


def dependent(jaxpr: Any) -> list[bool]:
    """Return for each result of a jaxpr whether it depends on the arguments."""
    live = set(jaxpr.invars)
    for eqn in jaxpr.eqns:
        if any(not is_literal(v) and v in live for v in eqn.invars):
            live.update(eqn.outvars)
    return [not is_literal(v) and v in live for v in jaxpr.outvars]


def is_literal(atom: Any) -> bool:
    """Return whether an operand is written in the jaxpr: such have a `val`, variables have none."""
    return hasattr(atom, "val")


def inner_jaxprs(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the jaxprs among an equation's parameters: what calls and loops run."""
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield inner
