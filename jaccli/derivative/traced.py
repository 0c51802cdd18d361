"""A function that is traced once: what needs it afterwards runs its equations, not the user's code.

Boundary: traces and folds; differentiates nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaccli.derivative.facts import is_literal, live
from jaccli.derivative.folding import folded
from jaccli.derivative.primitives import bind

Tree = Any


@dataclass(frozen=True, eq=False)
class Traced:
    """A function of trees as the `jaxpr` that JAX made of it, at one set of shapes.

    Called, it runs what is left of the jaxpr when all that depends on no argument is computed.
    `inside` is the structure of its arguments (a tuple), `out` has the shapes of its result.
    `original` is called for arguments of other shapes or dtypes.
    """

    original: Callable[..., Tree]
    jaxpr: ClosedJaxpr
    inside: Any
    out: Tree

    def __call__(self, *args: Tree) -> Tree:
        """Return the result."""
        leaves, structure = jax.tree.flatten(args)
        if structure != self.inside or not all(map(_is_like, leaves, self.jaxpr.in_avals)):
            return self.original(*args)
        return jax.tree.unflatten(jax.tree.structure(self.out), evaluate(self.folded, leaves))

    @cached_property
    def folded(self) -> ClosedJaxpr:
        """What is left of the jaxpr; all of it, if that cannot be said."""
        try:
            return folded(self.jaxpr)
        except MemoryError:
            raise
        except Exception:  # the function itself has been traced: it is not to be refused for this
            return self.jaxpr


def traced(f: Callable[..., Tree], *args: Tree) -> Traced:
    """Return `f` traced at the shapes of its arguments."""
    jaxpr, out = jax.make_jaxpr(f, return_shape=True)(*args)
    return Traced(f, jaxpr, jax.tree.structure(args), out)


def _is_like(leaf: Any, aval: Any) -> bool:
    return bool(np.shape(leaf) == aval.shape and jax.dtypes.result_type(leaf) == aval.dtype)


def evaluate(closed: ClosedJaxpr, args: list[Any]) -> list[Any]:
    """Return the results of a jaxpr; what is traced keeps the lines that it comes from."""
    env: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    env.update(zip(closed.jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if is_literal(atom) else env[atom]

    for eqn, _ in live(closed.jaxpr, [True] * len(closed.jaxpr.outvars)):
        env.update(zip(eqn.outvars, bind(eqn, list(map(read, eqn.invars))), strict=True))
    return list(map(read, closed.jaxpr.outvars))
