"""The operators with JAX's signatures: `jaccli.jacobian`, `jaccli.hessian`, `jaccli.gradient` ...

With `has_aux` a function returns a pair, and the second is handed through: `(derivative, aux)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, wraps
from operator import index
from typing import Any, ParamSpec, SupportsIndex, TypeVar

import jax
import jax.numpy as jnp

from jaccli.choices import DECIDED_MODES, MODES
from jaccli.derivative import autotune, cost, operators, structure_losses
from jaccli.derivative.basis import Function, Tree, size
from jaccli.derivative.chosen_arguments import ChosenArguments, real
from jaccli.derivative.refusal import NotDifferentiable, explained, working
from jaccli.derivative.repeated_calls import TracedCall, repeated
from jaccli.derivative.select_mode import alternatives, choose, family
from jaccli.derivative.structure_losses import StructureError
from jaccli.derivative.trace_info import TraceInfo, from_jaxpr
from jaccli.derivative.traced_function import TracedFunction
from jaccli.tracer_errors import add_explanation

Argnums = SupportsIndex | Sequence[SupportsIndex]


P = ParamSpec("P")
R = TypeVar("R")


def _refusing(transformation: Callable[P, R]) -> Callable[P, R]:
    """Refuse each parameter that JAX has and these have not by name; types stay as they are."""

    @wraps(transformation)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name in _ONLY_JAX:
                raise TypeError(f"{transformation.__name__} has no {name}: {_ONLY_JAX[name]}")
        return transformation(*args, **kwargs)

    return checked


_ONLY_JAX = {
    "holomorphic": "derivatives are of real functions; take JAX's own for complex ones",
    "allow_int": "derivatives are with respect to floats; convert integers (`x.astype(float)`)",
    "reduce_axes": "sum over a mapped axis with `jax.lax.psum` in the function",
    "argnames": "arguments are chosen by position, with `argnums`",
    "fun": "the function is the first argument, `f`",
}
"""Parameters of JAX's transformations, and what to write instead."""


@_refusing
def jacobian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the Jacobian of `f`, as `jax.jacobian` does.

    J[i, j] = ∂f_i / ∂x_j: for each array of the output and each array of the argument one of the
    shape `(*out, *in)`, in a tree of the output's structure with trees of the argument's in it; for
    several `argnums` a tuple of these.  With `has_aux`, `f` returns a pair, and the result is
    `(jacobian, aux)`.

    `mode` is `auto`, `fwd`, `rev`, `loop` (row by row), `structured` (`structured-fwd`,
    `structured-rev`), `sparse` or `tuned`.  Forward and reverse mode push unit vectors through `f`
    (Griewank and Walther, Evaluating Derivatives, 2nd ed. 2008, chapter 3); `structured` multiplies
    the local Jacobians without their zeros; `sparse` pushes sums of unit vectors that a coloring of
    the pattern keeps apart (Curtis, Powell and Reid 1974).

    A repeated call of the same `f` with arguments of the same shapes is not traced again while what
    `f` captures is the same; what may change in place (a list, an array of NumPy, an object) has it
    traced each time.  The result traces under `jit`, `vmap`, `grad` and itself.

    The Jacobian of tanh(W x) is (1 - tanh²(W x)) W, row by row:

    >>> import jax.numpy as jnp
    >>> W, x = jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([0.25, -0.5])
    >>> J = jacobian(lambda x: jnp.tanh(W @ x))(x)
    >>> bool(jnp.allclose(J, (1 - jnp.tanh(W @ x) ** 2)[:, None] * W))
    True
    >>> jacobian(lambda x: x**2, mode="fwd")(jnp.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]

    Raises:
        ValueError: the mode is not one of a Jacobian's; when called, an argnum is out of range.
        TypeError (when called): an argument of `argnums` is not of floats, or neither JAX nor the
            engine has a way to differentiate `f` as asked.
    """
    return _operator(f, argnums, "jacobian", mode, has_aux)


@_refusing
def hessian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the Hessian of `f`, as `jax.hessian` does.

    H[i, j, k] = ∂²f_i / ∂x_j ∂x_k: arrays of the shape `(*out, *in1, *in2)`, a scalar output
    without `out`, in trees as those of `jacobian`, one within another.

    `mode` is `auto`, `tuned`, outer-inner (`fwd-fwd`, `fwd-rev`, `rev-fwd`, `rev-rev`),
    `structured` (`structured-fwd-rev` ...), or `sparse`, which pushes sums of unit vectors that a
    symmetric coloring keeps apart (Coleman and Moré 1984).

    The Hessian of ½ xᵀA x is (A + Aᵀ) / 2:

    >>> import jax.numpy as jnp
    >>> A = jnp.array([[2.0, 1.0], [3.0, 4.0]])
    >>> hessian(lambda x: x @ A @ x / 2)(jnp.array([5.0, 6.0])).tolist()
    [[2.0, 2.0], [2.0, 4.0]]

    Raises:
        ValueError: the mode is not one of a Hessian's; when called, an argnum is out of range.
        TypeError (when called): as of `jacobian`.
    """
    return _operator(f, argnums, "hessian", mode, has_aux)


@_refusing
def gradient(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function that computes the gradient of the scalar `f`, as `jax.grad` does.

    It is shaped as the argument, `(*in)`.  The modes are those of a Jacobian, of which it is the
    one row: reverse mode takes a small multiple of the cost of `f` itself (Baur and Strassen 1983).

    The gradient of log sum exp x is softmax x:

    >>> import jax.numpy as jnp
    >>> x = jnp.log(jnp.array([1.0, 2.0, 5.0]))
    >>> g = gradient(lambda x: jnp.log(jnp.exp(x).sum()))(x)
    >>> [round(float(each), 6) for each in g]
    [0.125, 0.25, 0.625]

    Raises:
        ValueError: the mode is not one of a gradient's; when called, an argnum is out of range.
        TypeError (when called): `f` returns no scalar, or as of `jacobian`.
    """
    return _operator(f, argnums, "gradient", mode, has_aux)


@_refusing
def value_and_gradient(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., tuple[Tree, Tree]]:
    """Return a function of the scalar `f` and its gradient together, as `jax.value_and_grad` does.

    The pair is `(value, gradient)`, shaped `()` and `(*in)`; with `has_aux` it is `((value, aux),
    gradient)`.  `f` is traced once for both.

    Of |x|² they are |x|² and 2 x:

    >>> import jax.numpy as jnp
    >>> value, slope = value_and_gradient(lambda x: (x**2).sum())(jnp.array([1.0, 2.0]))
    >>> float(value), slope.tolist()
    (5.0, [2.0, 4.0])

    Raises:
        ValueError, TypeError: as of `gradient`.
    """
    return _operator(f, argnums, "gradient", mode, has_aux, with_value=True)


@_refusing
def jvp(
    f: Callable[..., Tree], primals: Sequence[Tree], tangents: Sequence[Tree], has_aux: bool = False
) -> tuple[Tree, ...]:
    """Return the output of `f` and the Jacobian times the tangents, as `jax.jvp` does.

    Both are shaped as the output, `(*out)`; tangents are shaped as the primals.  With `has_aux`:
    `(output, product, aux)`.  Forward mode: the product is computed beside the output, without the
    Jacobian (Wengert 1964).

    Of x², along v, they are x² and 2 x v:

    >>> import jax.numpy as jnp
    >>> x, v = jnp.array([1.0, 3.0]), jnp.array([10.0, 100.0])
    >>> [y.tolist() for y in jvp(lambda x: x**2, (x,), (v,))]
    [[1.0, 9.0], [20.0, 600.0]]

    Raises:
        TypeError: a primal is not of floats, or JAX has no forward mode for `f`.
        ValueError: there are not as many tangents as primals, or not of their shapes.
    """
    floats = tuple(jax.tree.map(real, x) for x in primals)
    pairs = zip(floats, tangents, strict=True)
    converted = tuple(jax.tree.map(lambda x, v: jnp.asarray(v, x.dtype), *pair) for pair in pairs)
    try:
        results: tuple[Tree, ...] = jax.jvp(f, floats, converted, has_aux=has_aux)
    except Exception as error:  # what JAX raises is of every type
        add_explanation(error)
        raise
    return results


@_refusing
def vjp(f: Callable[..., Tree], *primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """Return the output of `f`, and a function from cotangents to a tuple, as `jax.vjp` does.

    The cotangent is shaped as the output, `(*out)`; the tuple has for each primal the cotangent
    times the Jacobian, of shape `(*in)`.  With `has_aux`: `(output, function, aux)`.  Reverse mode:
    the function runs backwards through what was kept of `f` (Linnainmaa 1970).

    Of W x, the cotangent u gives Wᵀu:

    >>> import jax.numpy as jnp
    >>> W = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    >>> y, pull = vjp(lambda x: W @ x, jnp.array([1.0, 1.0]))
    >>> y.tolist(), pull(jnp.array([1.0, 10.0]))[0].tolist()
    ([3.0, 7.0], [31.0, 42.0])

    Raises:
        TypeError: a primal is not of floats.
        ValueError: JAX has no reverse mode for `f`.
    """
    floats = tuple(jax.tree.map(real, x) for x in primals)
    try:
        return jax.vjp(f, *floats, has_aux=True) if has_aux else jax.vjp(f, *floats)
    except Exception as error:  # what JAX raises is of every type
        add_explanation(error)
        raise


@_refusing
def hvp(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Tree]:
    """Return a function of the primals and, last, the tangent: the Hessian of scalar `f` times it.

    The tangent is shaped as the argument, `(*in)`, or is a tuple of such for several `argnums`; so
    is the product, which never forms the Hessian.  `mode` is `auto`, `tuned`, `fwd-rev` (the jvp of
    the gradient, Pearlmutter 1994), `rev-rev` (the vjp of the gradient) or `fwd-fwd`.

    Of sum x³, the Hessian is diag(6 x):

    >>> import jax.numpy as jnp
    >>> x, v = jnp.array([1.0, 2.0]), jnp.array([1.0, 10.0])
    >>> hvp(lambda x: (x**3).sum())(x, v).tolist()
    [6.0, 120.0]

    Raises:
        ValueError: the mode is not one of a Hessian-vector product's; when called, an argnum is out
            of range.
        TypeError (when called): `f` returns no scalar, or as of `jacobian`.
    """
    return _operator(f, argnums, "hvp", mode, has_aux)


def _operator(
    f: Callable[..., Tree],
    argnums: Argnums,
    derivative: str,
    mode: str,
    has_aux: bool,
    *,
    with_value: bool = False,
) -> Callable[..., Tree]:
    """Apply an operator on functions of one tree to the arguments that `argnums` names."""
    _check(derivative, mode)
    single = isinstance(argnums, SupportsIndex)
    numbers = tuple(map(index, [argnums] if isinstance(argnums, SupportsIndex) else argnums))

    def compute(f: Callable[..., Tree], call: TracedCall) -> Tree:
        args: tuple[Any, ...] = call.args
        more: tuple[Tree, ...] = ()
        if derivative == "hvp":
            if len(args) < 2:
                raise TypeError("hvp: the arguments are the primals and, last, the tangent")
            *primals, tangent = args
            args, more = tuple(primals), (tangent,)
        chosen = ChosenArguments(f, numbers, single, args, call.kwargs, has_aux)
        x = chosen.x
        if derivative == "hvp":
            more = (jax.tree.map(_tangent, x, tangent),)
        try:
            once = chosen.traced()
        except jax.errors.ConcretizationTypeError as error:
            if call.actual is not None:  # a program has no numbers to look at
                raise
            result = _by_values(derivative, mode, chosen.main, x, more, error, call)
            value, aux = f(*args, **call.kwargs) if has_aux else (None, None)
            if with_value and not has_aux:
                value = chosen.main(x)
        else:
            concrete_call = _concrete_call(chosen, call) if mode == "tuned" else None
            result = _differentiated(derivative, mode, once, x, more, concrete_call, call)
            value, aux = once(x) if with_value else None, chosen.aux
        if with_value:
            value = jax.tree.map(jnp.asarray, value)
            return ((value, aux) if has_aux else value), result
        return (result, aux) if has_aux else result

    return repeated(f, (derivative, mode, single, numbers, has_aux, with_value), compute)


def _concrete_call(chosen: ChosenArguments, call: TracedCall) -> tuple[Function, Tree]:
    """Return the function and its argument with arrays that can be run, for measuring."""
    args, kwargs = call.actual or (_concrete(call.args), call.kwargs)
    there = replace(chosen, args=args[: len(chosen.args)], kwargs=kwargs)
    with jax.ensure_compile_time_eval():
        return there.main, there.x


def _differentiated(
    derivative: str,
    mode: str,
    once: TracedFunction,
    x: Tree,
    more: tuple[Tree, ...],
    concrete_call: Any,
    call: TracedCall,
) -> Tree:
    """Return a derivative of a traced function at x, by the operator that `mode` stands for.

    Where JAX or the engine refuses that one, `auto`, `tuned` and `sparse` take a plain one.
    `concrete_call` is the function and x with arrays that can be run, for measuring.
    """
    registry = operators.REGISTRIES[derivative]
    if derivative in ("gradient", "hvp"):
        _check_scalar(derivative, once.out)
    info = from_jaxpr(once.jaxpr, [True] * len(once.jaxpr.in_avals), size(x), size(once.out))

    measures = cost.measures(lambda operator: partial(registry[operator], once), (x,))
    if mode == "tuned":
        operator = _tuned(derivative, info, concrete_call, more)
    elif mode in DECIDED_MODES:
        operator = choose(derivative, info, mode, *measures).operator
    else:
        operator = mode
    operators_tried = [operator]
    if mode in _WITH_FALLBACK:
        operators_tried += [name for name in alternatives(derivative, info) if name != operator]
    first: Exception | None = None
    for name in operators_tried:
        try:
            with structure_losses.recorded() as lost:
                result = registry[name](once, x, *more)
        except Exception as error:  # what JAX and the rules of libraries raise is of every type
            first = first or error
            continue
        for loss in lost:
            if loss.failure:
                call.warnings.append(loss.warning)
        if first is not None and family(operator) in ("structured", "sparse"):
            why = f"{family(operator)}: {explained(first, info)}; computed by mode {name}"
            call.warnings.append(why)
        return result
    assert first is not None
    if isinstance(first, StructureError):
        raise first
    others = [name for name in alternatives(derivative, info) if name not in operators_tried]
    works = working(others, lambda name: jax.eval_shape(partial(registry[name], once), x, *more))
    hint = f"; mode {' or '.join(works)} works" if works else ""
    raise NotDifferentiable(
        f"{derivative} by mode {mode}: {explained(first, info)}{hint}"
    ) from first


_WITH_FALLBACK = ("auto", "tuned", "sparse")
"""Modes that take a plain one where theirs is refused."""


def _tuned(derivative: str, info: TraceInfo, concrete_call: Any, more: tuple[Tree, ...]) -> str:
    """Return the operator that is measured to be the fastest, or what `auto` takes if none runs."""
    try:
        return autotune.tuned(derivative, *concrete_call, *map(_concrete, more)).operator
    except Exception:  # what JAX raises is of every type; the operator says why in its turn
        return choose(derivative, info, "auto").operator


def _by_values(
    derivative: str,
    mode: str,
    f: Function,
    x: Tree,
    more: tuple[Tree, ...],
    error: Exception,
    call: TracedCall,
) -> Tree:
    """Return the derivative of a function whose own Python decides by the numbers of x.

    It has no program of its own; JAX looks at the numbers where there are any.
    """
    if mode not in _WITH_FALLBACK:
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
    call.warnings.append(f"{why}; computed by JAX's plain mode")
    return result


def _check(derivative: str, mode: str) -> None:
    if mode not in MODES[derivative]:
        available = list(MODES[derivative])
        raise ValueError(f"{derivative} has no mode {mode!r}; expected one of {available}")


def _tangent(primal: jax.Array, value: Any) -> jax.Array:
    """Return one array of a tangent, which is shaped as its primal."""
    tangent = jnp.asarray(value, primal.dtype)
    if tangent.shape != primal.shape:
        shapes = f"{tangent.shape}, the argument {primal.shape}"
        raise ValueError(f"hvp: the tangent has the shape {shapes}")
    return tangent


def _check_scalar(derivative: str, out: Tree) -> None:
    bare = jax.tree_util.all_leaves([out])
    if not bare or out.shape:
        what = f"of shape {out.shape}" if bare else f"a {type(out).__name__}"
        other = "jacobian" if derivative == "gradient" else "hessian"
        raise TypeError(f"{derivative}: the output is {what}, and no scalar; {other} takes it")


def _concrete(args: Any) -> Any:
    """Return arguments with ones in place of traced arrays, for measuring."""
    return jax.tree.map(autotune.concrete, args)
