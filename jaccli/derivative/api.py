"""The operators with JAX's signatures: `jaccli.jacobian`, `jaccli.hessian`, `jaccli.gradient` ...

With `has_aux` a function returns a pair, and the second is handed through: `(derivative, aux)`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from operator import index
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp

from jaccli.choices import DECIDED_MODES, MODES
from jaccli.derivative import autotune, cost, operators, structure_losses
from jaccli.derivative.basis import Function, Tree, size
from jaccli.derivative.refusal import NotDifferentiable, explained, working
from jaccli.derivative.select_mode import alternatives, choose, family
from jaccli.derivative.structure_losses import StructureError, StructureWarning
from jaccli.derivative.trace_info import TraceInfo, from_jaxpr
from jaccli.derivative.traced_function import traced

Argnums = SupportsIndex | Sequence[SupportsIndex]


def jacobian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the Jacobian of `f`, as `jax.jacobian` does.

    Leaves have the shape `(*out, *in)`.  `mode` is `auto`, `fwd`, `rev`, `loop`, `structured`
    (`structured-fwd`, `structured-rev`), `sparse` or `tuned`; the result traces under `jit` and
    `vmap`.

    >>> import jax.numpy as jnp
    >>> jacobian(lambda x: x**2, mode="fwd")(jnp.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]

    Raises:
        ValueError: the mode is not one of a Jacobian's.
    """
    return _operator(f, argnums, "jacobian", mode, has_aux)


def hessian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the Hessian of `f`, as `jax.hessian` does.

    Leaves have the shape `(*out, *in1, *in2)`.  `mode` is `auto`, `tuned`, outer-inner
    (`fwd-fwd`, `fwd-rev`, `rev-fwd`, `rev-rev`), `structured` (`structured-fwd-rev` ...), or
    `sparse`.

    >>> import jax.numpy as jnp
    >>> hessian(lambda x: (x**3).sum())(jnp.array([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]

    Raises:
        ValueError: the mode is not one of a Hessian's.
    """
    return _operator(f, argnums, "hessian", mode, has_aux)


def gradient(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the gradient of the scalar `f`, as `jax.grad` does.

    Leaves have the shape `(*in)`.  The modes are those of a Jacobian.

    >>> import jax.numpy as jnp
    >>> gradient(lambda x: (x**3).sum())(jnp.array([1.0, 2.0])).tolist()
    [3.0, 12.0]

    Raises:
        ValueError: the mode is not one of a gradient's.
        TypeError (when called): `f` returns no scalar.
    """
    return _operator(f, argnums, "gradient", mode, has_aux)


def value_and_gradient(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., tuple[Tree, Tree]]:
    """Return a function of the scalar `f` and its gradient together, as `jax.value_and_grad` does.

    With `has_aux` it returns `((value, aux), gradient)`.

    >>> import jax.numpy as jnp
    >>> value, slope = value_and_gradient(lambda x: (x**3).sum())(jnp.array([1.0, 2.0]))
    >>> float(value), slope.tolist()
    (9.0, [3.0, 12.0])

    Raises:
        ValueError, TypeError: as of `gradient`.
    """
    slope = gradient(_first(f) if has_aux else f, argnums, mode=mode)

    def both(*args: Any, **kwargs: Any) -> tuple[Tree, Tree]:
        return jax.tree.map(jnp.asarray, f(*args, **kwargs)), slope(*args, **kwargs)

    return both


def jvp(
    f: Callable[..., Tree], primals: Sequence[Tree], tangents: Sequence[Tree], has_aux: bool = False
) -> tuple[Tree, ...]:
    """Return the output of `f` and the Jacobian times the tangents, as `jax.jvp` does.

    Tangents are shaped as the primals, and so is what they give as the output `(*out)`.  With
    `has_aux`: `(output, product, aux)`.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([1.0, 2.0])
    >>> [y.tolist() for y in jvp(lambda x: x**2, (x,), (jnp.ones(2),))]
    [[1.0, 4.0], [2.0, 4.0]]

    Raises:
        TypeError: a primal is not of floats, or JAX has no forward mode for `f`.
    """
    real = tuple(jax.tree.map(_real, x) for x in primals)
    pairs = zip(real, tangents, strict=True)
    alike = tuple(jax.tree.map(lambda x, v: jnp.asarray(v, x.dtype), *pair) for pair in pairs)
    found: tuple[Tree, ...] = jax.jvp(f, real, alike, has_aux=has_aux)
    return found


def vjp(f: Callable[..., Tree], *primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """Return the output of `f`, and a function from cotangents to a tuple, as `jax.vjp` does.

    The cotangent is shaped as the output; the tuple has for each primal the cotangent times the
    Jacobian, of shape `(*in)`.  With `has_aux`: `(output, function, aux)`.

    >>> import jax.numpy as jnp
    >>> y, pull = vjp(lambda x: x**2, jnp.array([1.0, 2.0]))
    >>> pull(jnp.array([1.0, 10.0]))[0].tolist()
    [2.0, 40.0]

    Raises:
        TypeError: a primal is not of floats.
        ValueError: JAX has no reverse mode for `f`.
    """
    real = tuple(jax.tree.map(_real, x) for x in primals)
    return jax.vjp(f, *real, has_aux=True) if has_aux else jax.vjp(f, *real)


def hvp(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
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
    scalar = _first(f) if has_aux else f

    def product(*args: Any, **kwargs: Any) -> Tree:
        *primals, tangent = args
        inner, x = _select(scalar, argnums, tuple(primals), kwargs)
        tangent = jax.tree.map(lambda leaf, v: jnp.asarray(v, leaf.dtype), x, tangent)
        alike = _select(scalar, argnums, _concrete(primals), kwargs) if mode == "tuned" else None
        found = _differentiated("hvp", mode, inner, x, (tangent,), alike)
        return (found, f(*primals, **kwargs)[1]) if has_aux else found

    return product


def _operator(
    f: Callable[..., Tree], argnums: Argnums, derivative: str, mode: str, has_aux: bool
) -> Callable[..., Tree]:
    """Apply an operator on functions of one tree to the arguments that `argnums` names."""
    _check(derivative, mode)
    main = _first(f) if has_aux else f

    def apply(*args: Any, **kwargs: Any) -> Tree:
        inner, x = _select(main, argnums, args, kwargs)
        alike = _select(main, argnums, _concrete(args), kwargs) if mode == "tuned" else None
        found = _differentiated(derivative, mode, inner, x, (), alike)
        return (found, f(*args, **kwargs)[1]) if has_aux else found

    return apply


def _first(f: Callable[..., Tree]) -> Callable[..., Tree]:
    """Return the function of the first of the two that `f` returns."""

    def main(*args: Any, **kwargs: Any) -> Tree:
        pair = f(*args, **kwargs)
        if not isinstance(pair, tuple) or len(pair) != 2:
            kind = type(pair).__name__
            raise TypeError(f"has_aux: the function returns a pair (output, aux), not {kind}")
        return pair[0]

    return main


def _differentiated(
    derivative: str, mode: str, f: Function, x: Tree, more: tuple[Tree, ...], alike: Any
) -> Tree:
    """Return a derivative of `f` at x, by the operator that `mode` stands for.

    Where JAX or the engine refuses that one, `auto`, `tuned` and `sparse` take a plain one.
    `alike` is f and x with arrays that can be run, for measuring.
    """
    registry = operators.REGISTRIES[derivative]
    try:
        once = traced(f, x)
    except jax.errors.ConcretizationTypeError as error:
        return _by_values(derivative, mode, f, x, more, error)
    if derivative == "gradient":
        _check_scalar(once.out)
    about = from_jaxpr(once.jaxpr, [True] * len(once.jaxpr.in_avals), size(x), size(once.out))

    measures = cost.measures(lambda operator: partial(registry[operator], once), (x,))
    if mode == "tuned":
        operator = _tuned(derivative, about, alike, more)
    elif mode in DECIDED_MODES:
        operator = choose(derivative, about, mode, *measures).operator
    else:
        operator = mode
    tried = [operator]
    if mode in _FALLING_BACK:
        tried += [name for name in alternatives(derivative, about) if name != operator]
    first: Exception | None = None
    for name in tried:
        try:
            with structure_losses.recorded() as lost:
                result = registry[name](once, x, *more)
        except Exception as error:  # what JAX and the rules of libraries raise is of every type
            first = first or error
            continue
        for loss in lost:
            if loss.failure:
                warnings.warn(loss.warning, StructureWarning, stacklevel=4)
        if first is not None and family(operator) in ("structured", "sparse"):
            why = f"{family(operator)}: {explained(first, about)}; computed by mode {name}"
            warnings.warn(why, StructureWarning, stacklevel=4)
        return result
    assert first is not None
    if isinstance(first, StructureError):
        raise first
    others = [name for name in alternatives(derivative, about) if name not in tried]
    works = working(others, lambda name: jax.eval_shape(partial(registry[name], once), x, *more))
    hint = f"; mode {' or '.join(works)} works" if works else ""
    raise NotDifferentiable(
        f"{derivative} by mode {mode}: {explained(first, about)}{hint}"
    ) from first


_FALLING_BACK = ("auto", "tuned", "sparse")
"""Modes that take a plain one where theirs is refused."""


def _tuned(derivative: str, about: TraceInfo, alike: Any, more: tuple[Tree, ...]) -> str:
    """Return the operator that is measured to be the fastest, or what `auto` takes if none runs."""
    try:
        return autotune.tuned(derivative, *alike, *map(_concrete, more)).operator
    except Exception:  # what JAX raises is of every type; the operator says why in its turn
        return choose(derivative, about, "auto").operator


def _by_values(
    derivative: str, mode: str, f: Function, x: Tree, more: tuple[Tree, ...], error: Exception
) -> Tree:
    """Return the derivative of a function whose own Python decides by the numbers of x.

    It has no program of its own; JAX looks at the numbers where there are any.
    """
    if mode not in _FALLING_BACK:
        raise error
    forward = size(x) <= size(f(x))
    plain: dict[str, Callable[[], Tree]] = {
        "gradient": lambda: jax.grad(f)(x),
        "jacobian": lambda: (jax.jacfwd if forward else jax.jacrev)(f)(x),
        "hessian": lambda: jax.hessian(f)(x),
        "hvp": lambda: jax.jvp(jax.grad(f), (x,), more)[1],
    }
    result = plain[derivative]()
    why = "the function looks at numbers of its inputs (`jnp.where` and `lax.cond` do not)"
    warnings.warn(f"{why}; computed by JAX's plain mode", StructureWarning, stacklevel=5)
    return result


def _check(derivative: str, mode: str) -> None:
    if mode not in MODES[derivative]:
        available = list(MODES[derivative])
        raise ValueError(f"{derivative} has no mode {mode!r}; expected one of {available}")


def _check_scalar(out: Tree) -> None:
    bare = jax.tree_util.all_leaves([out])
    if not bare or out.shape:
        what = f"of shape {out.shape}" if bare else f"a {type(out).__name__}"
        raise TypeError(f"gradient: the output is {what}, and no scalar; jacobian takes it")


def _select(
    f: Callable[..., Tree], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[[Tree], Tree], Tree]:
    """Return `f` as a function of the chosen arguments alone, and those arguments as arrays."""
    single = isinstance(argnums, SupportsIndex)
    numbers = [argnums] if isinstance(argnums, SupportsIndex) else argnums
    positions = [_position(index(number), len(args)) for number in numbers]

    def inner(chosen: Tree) -> Tree:
        full = list(args)
        for position, x in zip(positions, (chosen,) if single else chosen, strict=True):
            full[position] = x
        return jax.tree.map(jnp.asarray, f(*full, **kwargs))

    chosen = tuple(jax.tree.map(_real, args[position]) for position in positions)
    return inner, chosen[0] if single else chosen


def _concrete(args: Any) -> Any:
    """Return arguments with ones in place of traced arrays, for measuring."""
    return jax.tree.map(autotune.concrete, args)


def _position(number: int, count: int) -> int:
    """Return which of `count` arguments an argnum means; negative ones count from the end."""
    if not -count <= number < count:
        raise ValueError(f"argnums: {number} is out of range for {count} positional arguments")
    return number % count


def _real(leaf: Any) -> jax.Array:
    """Return one array of an argument, which must be of floats."""
    array = jnp.asarray(leaf)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"only floats are differentiated, not {array.dtype}")
    return array
