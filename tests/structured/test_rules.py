"""Each rule: dims of size 1 and 0, broadcasting, non-square cases, against other derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaccli.derivative.structured import fallback as fallback_module
from jaccli.derivative.structured import interpret as interpreter
from jaccli.derivative.structured.registry import RULES
from tests.structured.agreement import (
    assert_close,
    assert_hessian_is_right,
    assert_structured_is_right,
    points,
    quickly,
)
from tests.thinned import thinned

Function = Callable[..., Any]
Shape = tuple[int, ...]


def row(n: int) -> Any:
    return jnp.arange(1.0, n + 1) / 2


def along_last(x: Any) -> Any:
    return row(x.shape[-1])


def mixed(x: Any) -> Any:
    """Make a dense Jacobian of the last dim: sin(x) M."""
    n = x.shape[-1]
    return jnp.sin(x) @ (jnp.arange(n * n * 1.0).reshape(n, n) / (n * n) - 0.3)


def spread(x: Any) -> Any:
    """Make a broadcast: the same for both indices of a new first dim."""
    return jnp.broadcast_to(x, (2, *x.shape))


def conv(x: Any, kernel: Any, strides: Shape, padding: Any, **more: Any) -> Any:
    return lax.conv_general_dilated(x, kernel, strides, padding, **more)


def loop(step: Function, h: Any, xs: Any, **more: Any) -> Any:
    """Return the last carry of three steps."""
    return lax.scan(lambda h, a: (step(h, a), None), h, xs, length=3, **more)[0]


VECTORS: list[Shape] = [(5,), (1,), (0,)]
MATRICES: list[Shape] = [(3, 4), (1, 4), (3, 1), (0, 4)]
SIGNALS: list[Shape] = [(2, 3, 7), (1, 3, 7), (2, 3, 5), (0, 3, 7)]
SQUARE: list[Shape] = [(3, 3), (1, 1), (0, 0)]
K, K1 = points(4, 3, 3, seed="kernel"), points(1, 3, 1, seed="kernel")

# The primitive, what uses it, and the shapes to take.
CASES: dict[str, tuple[str, Function, list[Shape]]] = {
    "mul by a row": ("mul", lambda x: x * along_last(x), [*VECTORS, *MATRICES]),
    "mul by a column": ("mul", lambda x: jnp.sin(x) * row(x.shape[0])[:, None], MATRICES),
    "mul of a scalar": ("mul", lambda x: x.sum() * row(3), [*MATRICES, ()]),
    "mul of dense": ("mul", lambda x: mixed(x) * along_last(x), MATRICES),
    "div": ("div", lambda x: mixed(x) / along_last(x), MATRICES),
    "mul by the slope of x": ("mul", lambda x: 1 / (x**2 + along_last(x)), VECTORS),
    "add": ("add", lambda x: lax.add(x, jnp.sin(x)), [*VECTORS, *MATRICES]),
    "add of diagonal and dense": ("add", lambda x: x + mixed(x), MATRICES),
    "sub": ("sub", lambda x: mixed(x) - x, MATRICES),
    "neg": ("neg", lambda x: -jnp.sin(x), [*VECTORS, *MATRICES]),
    "convert": (
        "convert_element_type",
        lambda x: x.astype(np.float32).astype(np.float64),
        MATRICES,
    ),
    "copy": ("copy", lambda x: jnp.array(jnp.sin(x), copy=True), MATRICES),
    "select by position": (
        "select_n",
        lambda x: jnp.where(row(x.shape[-1]) > 1, x, x**2),
        MATRICES,
    ),
    "select by value": ("select_n", lambda x: jnp.where(x > 0, mixed(x), 2 * x), MATRICES),
    "select by a scalar": ("select_n", lambda x: lax.select(x.sum() > 0, x, x**2), MATRICES),
    "broadcast rows": (
        "broadcast_in_dim",
        lambda x: jnp.broadcast_to(x, (2, *x.shape)) ** 2,
        MATRICES,
    ),
    "broadcast columns": ("broadcast_in_dim", lambda x: x[:, None] * row(3), VECTORS),
    "reshape to flat": ("reshape", lambda x: jnp.sin(x).reshape(-1) ** 2, MATRICES),
    "reshape across": (
        "reshape",
        lambda x: (x**2).reshape(x.shape[1], -1) * row(2),
        [(2, 3), (2, 1)],
    ),
    "reshape of dense": (
        "reshape",
        lambda x: mixed(x).reshape(2, -1).sum(0),
        [(3, 4), (1, 4), (0, 4)],
    ),
    "reshape after a transposition": (
        "reshape",
        lambda x: lax.reshape(mixed(x) + x, (x.size, 1), (1, 0)) ** 2,
        MATRICES,
    ),
    "squeeze": ("squeeze", lambda x: lax.squeeze(x, (0,)) ** 2, [(1, 4), (1, 1), (1, 0)]),
    "expand": ("reshape", lambda x: jnp.expand_dims(x, 1) * row(2)[None, :, None], MATRICES),
    "transpose": ("transpose", lambda x: x.T * row(x.shape[0]), MATRICES),
    "transpose of dense": ("transpose", lambda x: mixed(x).T * row(x.shape[0]), MATRICES),
    "rev": ("rev", lambda x: x[::-1] * jnp.cos(x), [*VECTORS, *MATRICES]),
    "slice": ("slice", lambda x: x[1:] * x[:-1] * 2, [(5,), (1,), (0,), (3, 4), (3, 1)]),
    "slice with steps": ("slice", lambda x: lax.slice(x, (1,), (5,), (2,)) ** 2, [(5,), (6,)]),
    "split": (
        "split",
        lambda x: jnp.prod(jnp.stack(jnp.split(x, 2)), 0),
        [(6,), (4, 3), (2, 1), (0, 3)],
    ),
    "stack": ("stack", lambda x: jnp.stack([x, mixed(x), 2 * x], 1) ** 2, [(3, 4), (1, 4), (0, 4)]),
    "stack alike": ("stack", lambda x: jnp.stack([x[1:], x[:-1]]) * 2, [(5,), (2,), (1,), (0,)]),
    "unstack": (
        "unstack",
        lambda x: jnp.prod(jnp.stack(list(x)), 0),
        [(3, 4), (1, 4), (3, 1), (3, 0)],
    ),
    "tile": ("tile", lambda x: jnp.tile(x, (2, 3)) ** 2, MATRICES),
    "pad": ("pad", lambda x: lax.pad(x, 0.0, [(1, 2, 0)]) ** 2, VECTORS),
    "pad inside": ("pad", lambda x: lax.pad(mixed(x), 0.0, [(0, 1, 0), (1, 0, 2)]), MATRICES),
    "pad by cutting": (
        "pad",
        lambda x: lax.pad(x, 0.0, [(-1, 2, 0)]) ** 2,
        [(5,), (2,), (1,), (0,)],
    ),
    "pad of constant dims": (
        "pad",
        lambda x: lax.pad(jnp.broadcast_to(x, (2, *x.shape)), 0.0, [(1, 0, 0), (0, 1, 0)]),
        VECTORS,
    ),
    "concatenate alike": (
        "concatenate",
        lambda x: jnp.concatenate([x[1:], x[:1]]) * x,
        [(5,), (1,), (0,), (3, 4)],
    ),
    "concatenate unlike": (
        "concatenate",
        lambda x: jnp.concatenate([x, mixed(x), jnp.ones_like(x)], -1) ** 2,
        MATRICES,
    ),
    "reduce_sum": ("reduce_sum", lambda x: (x**2).sum(-1), [*VECTORS, *MATRICES]),
    "reduce_sum of all": ("reduce_sum", lambda x: jnp.sin(x.reshape(-1)).sum(), MATRICES),
    "reduce_sum of constant dims": (
        "reduce_sum",
        lambda x: jnp.broadcast_to(x, (3, *x.shape)).sum(0) ** 2,
        MATRICES,
    ),
    "reduce_sum of a shift": ("reduce_sum", lambda x: (x[1:] ** 2).sum(), [(5,), (1,), (0,)]),
    "reduce_sum of windows": (
        "reduce_sum",
        lambda x: (jnp.stack([x[:-2], x[1:-1], x[2:]], 1) ** 2).sum(1),
        [(6,), (3,), (2,), (1,), (0,)],
    ),
    "reduce_sum of many windows": (
        "reduce_sum",
        lambda x: (jnp.stack([x[k : k + 3] for k in range(10)], 1) ** 2).sum(1),
        [(12,), (0,)],
    ),
    "dot on the right": ("dot_general", lambda x: x @ jnp.ones((x.shape[-1], 2)), MATRICES),
    "dot on the left": ("dot_general", lambda x: jnp.ones((2, x.shape[0])) @ x, MATRICES),
    "dot of dense": ("dot_general", lambda x: mixed(mixed(x)), MATRICES),
    "dot with a batch": (
        "dot_general",
        lambda x: jnp.einsum("bi,bij->bj", x, jnp.ones((*x.shape, 2)) * row(2)),
        MATRICES,
    ),
    "dot of a trace": (
        "dot_general",
        lambda x: jnp.einsum("ij,ij->", x, jnp.cos(jnp.ones(x.shape))),
        MATRICES,
    ),
    "dot with itself": ("dot_general", lambda x: x @ x.T, MATRICES),
    "diagonal": ("dot_general", lambda x: jnp.einsum("ii,ij->i", x, jnp.ones((len(x), 2))), SQUARE),
    "flat parameters": ("dot_general", lambda x: x[:6].reshape(2, 3) @ x[6:9], [(9,), (12,)]),
    "cumsum": ("cumsum", lambda x: jnp.cumsum(x**2), VECTORS),
    "cumsum of rows": ("cumsum", lambda x: lax.cumsum(x**2, 0, reverse=True), MATRICES),
    "cumsum of dense": ("cumsum", lambda x: jnp.cumsum(mixed(x), -1), MATRICES),
    "cumsum of a shift": ("cumsum", lambda x: jnp.cumsum(x[1:] ** 2), [(5,), (2,), (1,), (0,)]),
    "gather": ("gather", lambda x: x[np.array([2, 0, 0, -1])] ** 2, [(5,), (3, 2), (3, 1), (3, 0)]),
    "gather of columns": ("gather", lambda x: x[:, np.array([[0], [1]])], [(3, 4), (1, 2), (0, 4)]),
    "gather past the end": (
        "gather",
        lambda x: jnp.take(x, np.array([1, 9]), mode="fill", fill_value=0.0) ** 2,
        [(5,), (2,), (1,)],
    ),
    "scatter": (
        "scatter",
        lambda x: (jnp.sin(x) * along_last(x)).at[::2].set(2 * x[::2]),
        [*VECTORS, *MATRICES],
    ),
    "reduce_window_sum": (
        "reduce_window_sum",
        lambda x: lax.reduce_window(
            x * along_last(x), 0.0, lax.add, (1, 3), (1, 2), ((0, 0), (1, 2)), (1, 2)
        ),
        MATRICES,
    ),
    "reduce_window_sum of many": (
        "reduce_window_sum",
        lambda x: lax.reduce_window(jnp.sin(x) * along_last(x), 0.0, lax.add, (12,), (1,), "SAME"),
        [(70,), (1,), (0,)],
    ),
    "scatter-add": (
        "scatter-add",
        lambda x: (x**2).at[np.array([0, 2, 0])].add(x[:3]),
        [(5,), (3,), (3, 2), (3, 1), (3, 0)],
    ),
    "scatter-add of many": (
        "scatter-add",
        lambda x: (
            jnp.zeros((2, *x.shape[1:]))
            .at[np.arange(30) % 2]
            .add(jnp.sin(x)[np.arange(30) % x.shape[0]])
        ),
        [(5,), (1,), (3, 2), (3, 1), (3, 0)],
    ),
    "scatter-add to zeros": (
        "scatter-add",
        lambda x: jnp.zeros((4, 2)).at[np.array([3, 1]), 0].add(jnp.sin(x)),
        [(2,), (1,)],
    ),
    "dynamic_slice": (
        "dynamic_slice",
        lambda x: lax.dynamic_slice_in_dim(x**2, 1, 2),
        [(5,), (2, 3), (2, 1), (2, 0)],
    ),
    "dynamic_update_slice": (
        "dynamic_update_slice",
        lambda x: lax.dynamic_update_slice(x**2, x[:2], (1,)),
        [(5,), (3,), (2,), (1,), (0,)],
    ),
    "convolution": ("conv_general_dilated", lambda x: conv(x, K, (1,), "SAME"), SIGNALS),
    "convolution with steps": (
        "conv_general_dilated",
        lambda x: conv(jnp.sin(x), K, (2,), [(2, 0)], rhs_dilation=(2,)),
        SIGNALS,
    ),
    "convolution transposed": (
        "conv_general_dilated",
        lambda x: conv(x, K, (1,), [(0, 0)], lhs_dilation=(2,)),
        SIGNALS,
    ),
    "convolution by one": ("conv_general_dilated", lambda x: conv(x, K1, (1,), "VALID"), SIGNALS),
    "scan": ("scan", lambda x: loop(lambda h, _: jnp.sin(h) * x, x, None), [*VECTORS, *MATRICES]),
    "scan of rows": ("scan", lambda x: loop(lambda h, _: mixed(h), x, None), MATRICES),
    "scan over constants": (
        "scan",
        lambda x: loop(lambda h, a: jnp.cos(h) * a, x, row(3), reverse=True),
        [*VECTORS, *MATRICES],
    ),
    "scan over a constant dim": (
        "scan",
        lambda x: loop(lambda h, a: h * a + x, x**2, jnp.broadcast_to(x, (3, *x.shape))),
        MATRICES,
    ),
    "scan with a counter": (
        "scan",
        lambda x: lax.scan(lambda c, _: ((c[0] + 1, c[1] * c[0] * x), None), (1, x), None, 3)[0][1],
        MATRICES,
    ),
    "scan that starts at 0": (
        "scan",
        lambda x: loop(lambda h, a: jnp.sin(h + x) * a, jnp.zeros(x.shape), row(3)),
        [*VECTORS, *MATRICES],
    ),
    # What is the same along a dim, which values keep with size 1.
    "add of a broadcast": ("add", lambda x: jnp.sin(spread(x)) + spread(x)[:, :1], MATRICES),
    "sub of a broadcast": ("sub", lambda x: mixed(spread(x)) - spread(x)[:, :1], MATRICES),
    "neg of a broadcast": ("neg", lambda x: -spread(x), MATRICES),
    "convert a broadcast": (
        "convert_element_type",
        lambda x: spread(x).astype(np.float32).astype(np.float64),
        MATRICES,
    ),
    "copy of a broadcast": ("copy", lambda x: jnp.array(spread(x), copy=True), MATRICES),
    "squeeze of a broadcast": (
        "squeeze",
        lambda x: lax.squeeze(jnp.broadcast_to(x, (3, 1, *x.shape)), (1,)) ** 2,
        MATRICES,
    ),
    "rev of a broadcast": ("rev", lambda x: spread(x)[::-1, ::-1], MATRICES),
    "slice of a broadcast": ("slice", lambda x: spread(x)[1:, 1:] * 3, MATRICES),
    "split of a broadcast": (
        "split",
        lambda x: jnp.prod(jnp.stack(jnp.split(spread(x), 2)), 0),
        MATRICES,
    ),
    "stack of a broadcast": ("stack", lambda x: jnp.stack([spread(x), mixed(spread(x))]), MATRICES),
    "unstack of a broadcast": (
        "unstack",
        lambda x: jnp.prod(jnp.stack(list(spread(x))), 0),
        MATRICES,
    ),
    "tile of a broadcast": ("tile", lambda x: jnp.tile(spread(x), (2, 1, 3)), MATRICES),
    "cumsum of a broadcast": ("cumsum", lambda x: jnp.cumsum(spread(x), 0) ** 2, MATRICES),
    "dynamic_slice of a broadcast": (
        "dynamic_slice",
        lambda x: lax.dynamic_slice_in_dim(spread(x), 1, 1) ** 2,
        MATRICES,
    ),
    "dynamic_update_slice of a broadcast": (
        "dynamic_update_slice",
        lambda x: lax.dynamic_update_slice(spread(x), x[None] ** 2, (1, 0, 0)),
        MATRICES,
    ),
    "convolution of a broadcast": (
        "conv_general_dilated",
        lambda x: conv(jnp.broadcast_to(x[:, :1], x.shape), K, (1,), "SAME"),
        SIGNALS,
    ),
}

UNSETTLED: dict[str, Function] = {
    "results": lambda x: lax.scan(lambda h, _: (h * x, jnp.sin(h).T), x, None, length=3),
    "reversed results": lambda x: lax.scan(lambda h, a: (h * a, h), x, row(3), reverse=True)[1],
    "results of one step": lambda x: lax.scan(lambda h, _: (h * x, h), x, None, length=1),
    "no step": lambda x: lax.scan(lambda h, _: (h * x, h), x, None, length=0),
    "over x": lambda x: lax.scan(lambda h, a: (h * a, h), x[0], x),
    "dense": lambda x: loop(lambda h, _: jnp.tanh(h + h.sum()), x, None),
    "growing band": lambda x: loop(lambda h, _: h * jnp.roll(h, 1, -1), x, None),
    "a band that settles": lambda x: loop(lambda h, _: x + jnp.roll(x, 1, -1) * 2, x, None),
}
"""Scans with links that do not settle in one direction at least."""


@pytest.mark.parametrize("name", thinned(UNSETTLED, 2))
def test_scan_is_right_whether_its_links_settle_or_not(name: str) -> None:
    f = UNSETTLED[name]
    assert_structured_is_right(
        f, *(points(*shape, seed=name) for shape in [(3, 4), (1, 4), (3, 1)]), numeric=False
    )


def test_scan_keeps_rows_apart_in_both_directions() -> None:
    from jaccli.derivative import structured

    def f(x: Any) -> Any:
        return loop(lambda h, _: mixed(h), x, None)

    x = jnp.asarray(points(3, 4))
    assert structured.forward(f, x).stored == structured.reverse(f, x).stored == 3 * 4 * 4


WHILE: dict[str, Function] = {
    "diagonal": lambda x: jnp.sin(x),
    "rows that do not mix": mixed,
    "dense": lambda x: jnp.tanh(x + x.sum()),
    "growing band": lambda x: x * jnp.roll(x, 1, -1),
}


@pytest.mark.parametrize("name", WHILE)
def test_a_loop_of_unknown_length_equals_its_steps(name: str) -> None:
    """Four steps, which the loop counts."""
    from jaccli.derivative import structured

    def f(x: Any) -> Any:
        start = (0, x * along_last(x))
        return lax.while_loop(lambda s: s[0] < 4, lambda s: (s[0] + 1, WHILE[name](s[1])), start)[1]

    def steps(x: Any) -> Any:
        y = x * along_last(x)
        for _ in range(4):
            y = WHILE[name](y)
        return y

    for shape in [(3, 4), (1, 4), (3, 1)]:
        x = points(*shape, seed=name)
        found = quickly(lambda x: structured.densified(structured.forward(f, x)), x)
        assert_close(found, quickly(jax.jacrev(steps), x))
    if name == "diagonal":
        assert structured.forward(f, jnp.asarray(points(3, 4))).stored == 12


def test_hessian_through_a_scan() -> None:
    assert_hessian_is_right(CASES["scan of rows"][1], points(3, 4))
    assert_hessian_is_right(lambda x: UNSETTLED["results"](x)[1].sum(0), points(2, 3))


@pytest.mark.parametrize("name", thinned(CASES, 9))
def test_rule_equals_plain_modes_and_differences(name: str) -> None:
    _, f, shapes = CASES[name]
    # float32 has no finite differences of use.
    assert_structured_is_right(
        f, *(points(*shape, seed=name) for shape in shapes), numeric=not name.startswith("convert")
    )


@pytest.mark.parametrize("name", CASES)
def test_case_needs_no_fallback_and_uses_its_rule(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    primitive, f, shapes = CASES[name]
    used: set[str] = set()
    real = RULES[primitive]

    def spy(eqn: Any, *operands: Any) -> Any:
        used.add(eqn.primitive.name)
        return real(eqn, *operands)

    def refuse(eqn: Any, operands: Any) -> Any:
        raise AssertionError(f"{eqn.primitive.name} fell back")

    from jaccli.derivative import structured

    monkeypatch.setitem(RULES, primitive, spy)
    monkeypatch.setattr(interpreter, "fallback", refuse)
    x = points(*shapes[0], seed=name)
    jax.eval_shape(lambda x: structured.forward(f, x), x)
    jax.eval_shape(lambda x: structured.reverse(f, x), x)
    assert primitive in used


ELSEWHERE = {
    "add_any": "add",
    "real": "convert",
    "imag": "convert",
    "conj": "convert",
    "reduce_precision": "convert",
    "name": "copy",
    "optimization_barrier": "copy",
    "sharding_constraint": "copy",
    "while": "loop of unknown length: it has no reverse mode, and tests of its own",
}
"""Rules registered under several names, and the case that tests the function."""


def test_every_rule_has_a_case() -> None:
    assert set(RULES) - {case[0] for case in CASES.values()} == set(ELSEWHERE)


NO_SIZE_1 = {
    "slice with steps": "it begins at 1 and ends at 5",
    "reduce_sum of many windows": "windows of a signal shorter than they are of unlike lengths",
    "flat parameters": "nine of them",
}
NO_SIZE_0 = {
    "reshape across": "-1 stands for no number where the others are 0",
    "slice with steps": "it begins at 1 and ends at 5",
    "flat parameters": "nine of them",
    "gather past the end": "nothing can be taken from nothing",
    "scatter-add to zeros": "two rows are indexed",
}
"""Cases that no shape with such a dim fits, and why."""


def test_every_case_has_dims_of_size_1_and_0() -> None:
    dims = {name: {n for shape in case[2] for n in shape} for name, case in CASES.items()}
    assert {name for name in CASES if 1 not in dims[name]} == set(NO_SIZE_1)
    assert {name for name in CASES if 0 not in dims[name]} == set(NO_SIZE_0)


def test_every_rule_has_a_case_that_is_not_square_and_one_with_a_broadcast() -> None:
    oblong: set[str] = set()
    broadcast: set[str] = set()
    for primitive, f, shapes in CASES.values():
        if any(len({n for n in shape if n > 1}) > 1 for shape in shapes):
            oblong.add(primitive)
        if "broadcast_in_dim" in str(jax.make_jaxpr(f)(np.zeros(shapes[0]))):
            broadcast.add(primitive)
    primitives = {case[0] for case in CASES.values()}
    assert oblong == broadcast == primitives


def test_links_survive_a_chain_of_shape_changes() -> None:
    from jaccli.derivative import structured

    x = jnp.asarray(points(4, 6))
    f = lambda x: jnp.sin(x).reshape(24).reshape(4, 2, 3).transpose(1, 0, 2)[:, ::-1] ** 2  # noqa: E731
    assert structured.forward(f, x).stored == structured.reverse(f, x).stored == 24


def test_fallback_takes_whatever_has_no_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fallback_module.fallback is not None
    for name in list(RULES):
        monkeypatch.delitem(RULES, name)
    assert_structured_is_right(lambda x: jnp.tanh(x[1:] @ jnp.ones((3, 2))), points(3, 3))
