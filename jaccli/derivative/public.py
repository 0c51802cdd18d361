"""The operators with JAX's signatures: `jaccli.jacobian`, `jaccli.hessian`, `jaccli.hvp`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaccli.derivative import operators
from jaccli.derivative.basis import Tree, size
from jaccli.derivative.choose import choose
from jaccli.vocabulary import MODES, UNAVAILABLE_MODES

Argnums = int | Sequence[int]


def jacobian(
    f: Callable[..., Tree], argnums: Argnums = 0, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the Jacobian of `f`, as `jax.jacobian` does.

    Leaves have the shape `(*out, *in)`.  `mode` is `auto`, `fwd`, `rev` or `loop`; the result
    traces under `jit` and `vmap`.

    >>> import jax.numpy as jnp
    >>> jacobian(lambda x: x**2, mode="fwd")(jnp.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]

    Raises:
        ValueError: the mode is not one of a Jacobian's.
    """
    return _operator(f, argnums, "jacobian", operators.jacobian, mode)


def hessian(
    f: Callable[..., Tree], argnums: Argnums = 0, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the Hessian of `f`, as `jax.hessian` does.

    Leaves have the shape `(*out, *in1, *in2)`.  `mode` is `auto` or outer-inner: `fwd-fwd`,
    `fwd-rev`, `rev-fwd`, `rev-rev`.

    >>> import jax.numpy as jnp
    >>> hessian(lambda x: (x**3).sum())(jnp.array([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]

    Raises:
        ValueError: the mode is not one of a Hessian's.
    """
    return _operator(f, argnums, "hessian", operators.hessian, mode)


def hvp(f: Callable[..., Tree], argnums: Argnums = 0, *, mode: str = "auto") -> Callable[..., Tree]:
    """Return a function of the primals and, last, the tangent: the Hessian of scalar `f` times it.

    The tangent is shaped as the argument, or is a tuple of such for several `argnums`.

    >>> import jax.numpy as jnp
    >>> x, v = jnp.array([1.0, 2.0]), jnp.array([1.0, 1.0])
    >>> hvp(lambda x: (x**3).sum())(x, v).tolist()
    [6.0, 12.0]

    Raises:
        ValueError: the mode is not one of a Hessian-vector product's.
    """
    _check("hvp", mode)

    def product(*args: Any) -> Tree:
        *primals, tangent = args
        inner, x = _select(f, argnums, tuple(primals))
        return operators.HVP[_resolve("hvp", mode, inner, x)](inner, x, tangent)

    return product


def _operator(
    f: Callable[..., Tree],
    argnums: Argnums,
    derivative: str,
    operator: Callable[[Callable[[Tree], Tree], Tree, str], Tree],
    mode: str,
) -> Callable[..., Tree]:
    """Apply an operator on functions of one tree to the arguments that `argnums` names."""
    _check(derivative, mode)

    def apply(*args: Any) -> Tree:
        inner, x = _select(f, argnums, args)
        return operator(inner, x, _resolve(derivative, mode, inner, x))

    return apply


def _check(derivative: str, mode: str) -> None:
    available = [name for name in MODES[derivative] if name not in UNAVAILABLE_MODES]
    if mode not in available:
        raise ValueError(f"{derivative} has no mode {mode!r}; expected one of {available}")


def _resolve(derivative: str, mode: str, f: Callable[[Tree], Tree], x: Tree) -> str:
    """Return the mode itself, or what `auto` stands for here."""
    if mode != "auto":
        return mode
    return choose(derivative, size(x), size(jax.eval_shape(f, x))).mode


def _select(
    f: Callable[..., Tree], argnums: Argnums, args: tuple[Any, ...]
) -> tuple[Callable[[Tree], Tree], Tree]:
    """Return `f` as a function of the chosen arguments alone, and those arguments."""
    if isinstance(argnums, int):
        chosen = range(len(args))[argnums]
        return lambda x: f(*args[:chosen], x, *args[chosen + 1 :]), args[chosen]
    positions = [range(len(args))[number] for number in argnums]

    def inner(xs: tuple[Any, ...]) -> Tree:
        full = list(args)
        for position, x in zip(positions, xs, strict=True):
            full[position] = x
        return f(*full)

    return inner, tuple(args[position] for position in positions)
