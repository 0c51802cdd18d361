"""A derivative of a function is traced once for each kind of call, by the rules of `jax.jit`."""

from __future__ import annotations

import functools
import gc
import threading
import warnings
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaccli
from jaccli import backend
from jaccli.derivative import repeated_calls

X = np.array([1.0, -2.0, 0.5])


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def counted(f: Callable[..., Any]) -> Any:
    """Return a function whose `calls` has an entry for each of its calls."""
    calls: list[int] = []
    note = calls.append  # a list that it captured might change, and it would be traced each time

    def function(*args: Any, **kwargs: Any) -> Any:
        note(1)
        return f(*args, **kwargs)

    function.calls = calls  # type: ignore[attr-defined]
    return function


def close(actual: Any, expected: Any) -> None:
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)


CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Callable[[Any], Any]]] = {
    # the derivative of sum(x³), the arguments after x, and what it is at x
    "jacobian": (jaccli.jacobian, (), lambda x: 3 * x**2),
    "forward": (functools.partial(jaccli.jacobian, mode="fwd"), (), lambda x: 3 * x**2),
    "row by row": (functools.partial(jaccli.jacobian, mode="loop"), (), lambda x: 3 * x**2),
    "tuned": (functools.partial(jaccli.jacobian, mode="tuned"), (), lambda x: 3 * x**2),
    "sparse": (functools.partial(jaccli.hessian, mode="sparse"), (), lambda x: np.diag(6 * x)),
    "hessian": (jaccli.hessian, (), lambda x: np.diag(6 * x)),
    "gradient": (jaccli.gradient, (), lambda x: 3 * x**2),
    "hvp": (jaccli.hvp, (np.ones(3),), lambda x: 6 * x),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_repeated_call_is_not_traced_again(name: str) -> None:
    operator, more, expected = CALLS[name]
    f = counted(lambda x: (x**3).sum())
    derivative = operator(f)
    close(derivative(jnp.asarray(X), *more), expected(X))
    once = len(f.calls)
    for x in (jnp.asarray(2 * X), jnp.asarray(-X), -X):
        close(derivative(x, *more), expected(np.asarray(x)))
    close(operator(f)(3 * X, *more), expected(3 * X))
    assert len(f.calls) == once
    if name != "tuned":  # which tries each mode
        assert once == 1


def test_value_and_gradient_traces_once() -> None:
    f = counted(lambda x: ((x**3).sum(), {"rows": x.shape[0], "sum": x.sum(), "none": None}))
    derivative = jaccli.value_and_gradient(f, has_aux=True)
    for x in (X, 2 * X):
        (value, aux), slope = derivative(x)
        close(value, (x**3).sum())
        close(slope, 3 * x**2)
        assert aux == {"rows": 3, "sum": pytest.approx(-0.5 * x[0]), "none": None}
    assert len(f.calls) == 1
    (_, aux), _ = derivative(X[:2])
    assert (aux["rows"], len(f.calls)) == (2, 2)
    assert derivative(X)[0][1]["rows"] == 3


def test_another_shape_dtype_or_weak_type_is_traced_once_more() -> None:
    f = counted(lambda x: x**2)
    derivative = jaccli.jacobian(f)
    for count, x in enumerate(
        (2.0, np.float64(2.0), np.float32(2.0), np.ones(2), np.ones((1, 2))), 1
    ):
        for _ in range(3):
            derivative(x)
        assert len(f.calls) == count
    assert derivative(np.float32(2)).dtype == np.float32
    assert len(f.calls) == 5


def test_integers_and_texts_are_parts_of_a_program() -> None:
    f = counted(lambda x, k, how="sum": getattr(x**k, how)())
    derivative = jaccli.gradient(f)
    for k, how in ((2, "sum"), (3, "sum"), (2, "mean")):
        for x in (X, -X):
            close(derivative(x, k, how=how), k * x ** (k - 1) / (3 if how == "mean" else 1))
    assert len(f.calls) == 3


def test_arrays_of_integers_are_known_by_their_numbers() -> None:
    f = counted(lambda x, i: x[i] ** 2)
    derivative = jaccli.jacobian(f)
    index = np.array([2, 0])
    for _ in range(2):
        close(derivative(X, index), [[0, 0, 1], [2, 0, 0]])
        close(derivative(X, jnp.asarray(index)), [[0, 0, 1], [2, 0, 0]])
    assert len(f.calls) == 2
    index[:] = 1  # its owner may change it
    close(derivative(X, index), [[0, -4, 0], [0, -4, 0]])
    close(derivative(np.append(X, 1.0), index), [[0, -4, 0, 0], [0, -4, 0, 0]])


def test_arrays_changed_in_place_are_read_at_each_call() -> None:
    scale, x = np.array(2.0), X.copy()
    derivative = jaccli.gradient(lambda x, scale: scale * (x**2).sum())
    close(derivative(x, scale), 4 * X)
    scale[...], x[:] = 3.0, 1.0
    close(derivative(x, scale), [6, 6, 6])


def test_what_needs_numbers_is_answered_call_by_call() -> None:
    f = counted(lambda x, k: (x**2).sum() if k > 1 else (x**3).sum())
    derivative = jaccli.gradient(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k, expected in ((np.array(2.0), 2 * X), (0.5, 3 * X**2), (np.float64(3), 2 * X)):
            close(derivative(X, k), expected)
    absolute = jaccli.gradient(lambda x: x if x > 0 else -x)
    for x, slope in ((2.0, 1.0), (-2.0, -1.0), (3.0, 1.0)):
        with pytest.warns(UserWarning, match="the function looks at numbers") as caught:
            close(absolute(x), slope)
        assert [each.filename for each in caught] == [__file__]


def test_an_error_is_not_remembered() -> None:
    def f(x: Any) -> Any:
        if x.shape != (3,):
            raise ZeroDivisionError("another shape")
        return (x**2).sum()

    function = counted(f)
    derivative = jaccli.gradient(function)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="another shape"):
            derivative(X[:2])
    before = len(function.calls)
    for _ in range(3):
        close(derivative(X), 2 * X)
    assert len(function.calls) == before + 1


def test_what_a_function_captures_is_seen_to_change() -> None:
    """A list, an array, an attribute, a global, a default: else a stale number would be silent."""
    factor, weights = [2.0], np.ones(2)
    derivative = jaccli.gradient(lambda x: factor[0] * x**2)
    close(derivative(3.0), 12)
    factor[0] = 5.0
    close(derivative(3.0), 30)
    product = jaccli.gradient(lambda x: (weights * x).sum())
    close(product(X[:2]), [1, 1])
    weights[:] = 5
    close(product(X[:2]), [5, 5])
    model = SimpleNamespace(w=1.0)
    slope = jaccli.gradient(lambda x: model.w * x)
    close(slope(1.0), 1)
    model.w = 3.0
    close(slope(1.0), 3)
    number = 2.0

    def inner(x: Any) -> Any:
        return number * x

    outer = jaccli.gradient(lambda x: inner(x) ** 2)
    close(outer(1.0), 8)
    number = 3.0
    close(outer(1.0), 18)


def test_an_object_that_is_an_argument_may_change() -> None:
    config = SimpleNamespace(k=2.0)
    derivative = jaccli.gradient(lambda x, c: c.k * x)
    close(derivative(1.0, config), 2)
    config.k = 9.0
    close(derivative(1.0, config), 9)


def test_a_tracer_that_was_captured_is_not_kept() -> None:
    held: list[Any] = [1.0]
    derivative = jaccli.gradient(lambda x: x * held[0])

    def within(a: Any) -> Any:
        held[0] = a
        return derivative(2.0)

    close(jax.jit(within)(3.0), 3)
    held[0] = 7.0
    close(derivative(2.0), 7)


def test_nothing_keeps_a_function_alive() -> None:
    gc.collect()
    before = len(repeated_calls._PROGRAMS)
    matrix = jnp.asarray(np.arange(6.0).reshape(2, 3))

    def f(x: Any) -> Any:
        return matrix @ x

    derivative = jaccli.jacobian(f)
    close(derivative(jnp.asarray(X)), matrix)
    assert len(repeated_calls._PROGRAMS) == before + 1
    gone = weakref.ref(f)
    del derivative, f
    gc.collect()
    assert gone() is None
    assert len(repeated_calls._PROGRAMS) == before


def test_calls_within_transformations() -> None:
    derivative = jaccli.gradient(lambda x: (x**3).sum())
    close(derivative(X), 3 * X**2)
    rows = np.stack([X, 2 * X])
    close(jax.jit(derivative)(X), 3 * X**2)
    close(jax.vmap(derivative)(rows), 3 * rows**2)
    close(jax.jacfwd(derivative)(X), np.diag(6 * X))
    close(jax.grad(lambda x: derivative(x).sum())(X), 6 * X)
    close(jaccli.jacobian(lambda x: derivative(x).sum())(X), 6 * X)
    close(derivative(X), 3 * X**2)


@pytest.mark.parametrize("outer", [jax.grad, lambda f: jax.jit(jax.grad(f)), jaccli.gradient])
def test_a_function_may_close_over_what_is_traced(outer: Any) -> None:
    found = outer(lambda a: jaccli.jacobian(lambda x: a**2 * x**3)(2.0))
    for a in (5.0, 7.0):
        close(found(a), 2 * a * 3 * 4)
    close(jax.vmap(lambda a: jaccli.jacobian(lambda x: a * x**2)(3.0))(X), 6 * X)


def test_a_function_may_take_a_derivative_at_a_constant() -> None:
    inner = jaccli.gradient(lambda x: x**3, mode="tuned")

    def f(x: Any) -> Any:
        return x * inner(2.0) + inner(x)

    for _ in range(2):
        close(jaccli.gradient(f)(5.0), 12 + 30)
        close(inner(2.0), 12)


class Slots:
    __slots__ = ()

    def __call__(self, x: Any) -> Any:
        return (x**2).sum()


class Equal:
    """Callable, equal to anything, and without a hash."""

    def __init__(self, power: int) -> None:
        self.power = power

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, x: Any) -> Any:
        return (x**self.power).sum()

    def method(self, x: Any) -> Any:
        return (x**self.power).sum()


def test_callables_of_every_kind() -> None:
    for f in (Slots(), Equal(2), Equal(2).method, functools.partial(lambda k, x: (x**k).sum(), 2)):
        derivative = jaccli.gradient(f)
        for x in (X, 2 * X):
            close(derivative(x), 2 * x)
    two, three = Equal(2), Equal(3)
    close(jaccli.gradient(two)(X), 2 * X)
    close(jaccli.gradient(three)(X), 3 * X**2)


def test_arguments_of_every_kind() -> None:
    def f(x: Any, *rest: Any, **named: Any) -> Any:
        return (x**2).sum()

    derivative = jaccli.gradient(f)
    key = jax.random.key(0)
    others = (None, {"a": [1, "b"]}, key, jnp.tanh, {1, 2}, object(), np.array(["a"]), b"", 1j,
              np.ma.masked_array([1, 2], [True, False]), jnp.ones(2, jnp.bfloat16), True,
              np.array([1, None]), 10**30)  # fmt: skip
    for other in others:
        for _ in range(2):
            close(derivative(X, other, named=other), 2 * X)


def test_random_keys_are_arguments() -> None:
    f = counted(lambda x, key: (x * jax.random.normal(key, (3,))).sum())
    derivative = jaccli.gradient(f)
    for seed in range(3):
        key = jax.random.key(seed)
        close(derivative(X, key), jax.random.normal(key, (3,)))
    assert len(f.calls) == 1


def test_other_settings_are_traced_anew() -> None:
    f = counted(lambda x: (x**2).sum())
    derivative = jaccli.gradient(f)
    close(derivative(X), 2 * X)
    with jax.enable_x64(False):
        assert derivative(X).dtype == np.float32
    assert derivative(X).dtype == np.float64
    with jax.disable_jit():
        close(derivative(X), 2 * X)


def test_threads_share_programs() -> None:
    derivative = jaccli.jacobian(lambda x: x**2)
    found: dict[int, Any] = {}

    def work(n: int) -> None:
        for size in range(1, 5):
            found[n, size] = derivative(n * jnp.ones(size))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        for size in range(1, 5):
            close(found[n, size], 2.0 * n * np.eye(size))


def test_errors_of_tracing_have_a_note_with_the_line() -> None:
    def f(x: Any) -> Any:
        return np.sin(x)

    said = (
        f"test_repeated_calls.py:{f.__code__.co_firstlineno + 1}: `return np.sin(x)` hands a "
        "traced array to numpy, which needs its numbers; write `jnp.sin`"
    )
    calls: list[Callable[[], Any]] = [
        lambda: jaccli.jacobian(f)(1.0),
        lambda: jaccli.jacobian(jaccli.gradient(f))(1.0),
        lambda: jax.jit(jaccli.hvp(f))(1.0, 1.0),
        lambda: jaccli.vjp(f, 1.0),
        lambda: jaccli.jvp(f, (1.0,), (1.0,)),
    ]
    for call in calls:
        with pytest.raises(jax.errors.TracerArrayConversionError) as caught:
            call()
        assert caught.value.__notes__.count(said) == 1
