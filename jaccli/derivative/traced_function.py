"""A function that is traced once; later calls run its equations, not the user's code.

Boundary: traces and folds; differentiates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CellType
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaccli.derivative import jaxprs
from jaccli.derivative.folding import folded
from jaccli.derivative.primitives import bind

Tree = Any


@dataclass(frozen=True, eq=False, repr=False)  # JAX asks for the repr of what it traces
class TracedFunction:
    """A function of trees as the `jaxpr` that JAX made of it, at one set of shapes.

    Called, it runs what is left of the jaxpr when all that depends on no argument is computed.
    `inside` is the structure of its arguments (a tuple), `out` has the shapes of its result.
    `original` is called for arguments of other shapes or dtypes, and where a custom rule holds
    values of the trace, which end with it.
    """

    original: Callable[..., Tree]
    jaxpr: ClosedJaxpr
    inside: Any
    out: Tree

    def __call__(self, *args: Tree) -> Tree:
        """Return the result."""
        leaves, structure = jax.tree.flatten(args)
        alike = structure == self.inside and all(map(_is_like, leaves, self.jaxpr.in_avals))
        if not alike or self.leaks:
            return self.original(*args)
        return jax.tree.unflatten(jax.tree.structure(self.out), evaluate(self.folded, leaves))

    @cached_property
    def leaks(self) -> bool:
        """Whether a custom rule in the jaxpr closes over values of the trace."""
        return any(map(_holds_tracers, _rules(self.jaxpr.jaxpr)))

    @cached_property
    def folded(self) -> ClosedJaxpr:
        """The jaxpr without what depends on no argument; the whole jaxpr if folding fails."""
        try:
            return folded(self.jaxpr)
        except MemoryError:
            raise
        except Exception:  # the function itself has been traced: it is not to be refused for this
            return self.jaxpr


def traced(f: Callable[..., Tree], *args: Tree) -> TracedFunction:
    """Return `f` traced at the shapes of its arguments."""
    jaxpr, out = jax.make_jaxpr(f, return_shape=True)(*args)
    return TracedFunction(f, jaxpr, jax.tree.structure(args), out)


_RULES = {
    "custom_jvp_call": ("jvp", "jvp_jaxpr_fun"),
    "custom_vjp_call": ("fwd_jaxpr_thunk", "bwd"),
}
"""The parameters that hold the user's rules."""


def _rules(jaxpr: Any) -> Iterator[Any]:
    """Yield the users' rules in a jaxpr, at any depth."""
    for eqn in jaxprs.equations(jaxpr):
        for name in _RULES.get(eqn.primitive.name, ()):
            yield eqn.params.get(name)


def _holds_tracers(rule: Any) -> bool:
    """Return whether a function holds a tracer, in what it closes over or is wrapped around."""
    remaining, seen = [rule], set[int]()
    while remaining and len(seen) < _MAX_OBJECTS:
        each = remaining.pop()
        if isinstance(each, jax.core.Tracer):
            return True
        if id(each) in seen or isinstance(each, type):
            continue
        seen.add(id(each))
        if isinstance(each, tuple | list):
            remaining += each
        elif isinstance(each, dict):
            remaining += each.values()
        else:
            cells = getattr(each, "__closure__", None) or ()
            remaining += [cell.cell_contents for cell in cells if cell != CellType()]
            remaining += [getattr(each, name, None) for name in _WRAPPED]
    return False


_WRAPPED = ("f", "fun", "func", "jvp", "fwd", "bwd", "args", "keywords", "__self__", "__wrapped__")
"""Where callables keep what they call."""
_MAX_OBJECTS = 10_000


def _is_like(leaf: Any, aval: Any) -> bool:
    return bool(np.shape(leaf) == aval.shape and jax.dtypes.result_type(leaf) == aval.dtype)


def evaluate(closed: ClosedJaxpr, args: list[Any]) -> list[Any]:
    """Return the results of a jaxpr; what is traced keeps the lines that it comes from."""
    return jaxprs.evaluate(closed.jaxpr, closed.consts, args, bind)
