"""A user's function of many arguments as one of those that are differentiated.

Boundary: traces; differentiates nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from jaccli.derivative.traced_function import TracedFunction, traced

Tree = Any


@dataclass
class ChosenArguments:
    """A function with all of its arguments, of which `numbers` are differentiated.

    With `has_aux` it returns a pair, and `aux` is what is beside its output once it is traced.
    """

    f: Callable[..., Tree]
    numbers: tuple[int, ...]
    single: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    has_aux: bool
    aux: Tree = field(default=None, init=False)

    @property
    def positions(self) -> list[int]:
        """The positions that the numbers mean; negative ones count from the end."""
        count = len(self.args)
        for number in self.numbers:
            if not -count <= number < count:
                message = f"argnums: {number} is out of range for {count} positional arguments"
                raise ValueError(message)
        return [number % count for number in self.numbers]

    @property
    def x(self) -> Tree:
        """The arguments that are differentiated, as arrays: one, or a tuple."""
        chosen = tuple(jax.tree.map(real, self.args[position]) for position in self.positions)
        return chosen[0] if self.single else chosen

    def main(self, x: Tree) -> Tree:
        """Return the output, without what is beside it."""
        return self._output_and_aux(x)[0]

    def _output_and_aux(self, x: Tree) -> tuple[Tree, Tree]:
        full = list(self.args)
        for position, each in zip(self.positions, (x,) if self.single else x, strict=True):
            full[position] = each
        returned = self.f(*full, **self.kwargs)
        if not self.has_aux:
            return jax.tree.map(jnp.asarray, returned), None
        if not isinstance(returned, tuple) or len(returned) != 2:
            kind = type(returned).__name__
            raise TypeError(f"has_aux: the function returns a pair (output, aux), not {kind}")
        return jax.tree.map(jnp.asarray, returned[0]), returned[1]

    def traced(self) -> TracedFunction:
        """Return the output as a function that was traced; the user's is called once."""
        x = self.x
        if not self.has_aux:
            return traced(self.main, x)
        aux_parts: list[Any] = []

        def both(x: Tree) -> tuple[Tree, list[Any]]:
            main, aux = self._output_and_aux(x)
            aux_parts[:] = jax.tree.flatten(aux)
            return main, [leaf for leaf in aux_parts[0] if isinstance(leaf, jax.Array)]

        pair = traced(both, x)
        arrays = iter(pair(x)[1])
        leaves = [next(arrays) if isinstance(leaf, jax.Array) else leaf for leaf in aux_parts[0]]
        self.aux = jax.tree.unflatten(aux_parts[1], leaves)
        return traced(lambda x: pair(x)[0], x)


def real(leaf: Any) -> jax.Array:
    """Return one array of an argument, which must be of floats."""
    array = jnp.asarray(leaf)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"only floats are differentiated, not {array.dtype}")
    return array
