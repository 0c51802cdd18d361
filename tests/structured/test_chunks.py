"""Derivatives in chunks: every operator that can be split, every chunk size, equal to the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli.derivative.chunking import cut, index_of
from jaccli.derivative.operators import CHUNKED, REGISTRIES
from tests.structured.agreement import assert_close, points, quickly
from tests.structured.test_random import composed, programs
from tests.structured.test_rules import conv
from tests.thinned import thinned

Tree = Any
Function = Callable[[Tree], Tree]


def layers(t: Tree) -> Tree:
    """Several wrt of several ranks, several outputs, one that depends on a part alone."""
    hidden = jnp.tanh(t["w"] @ t["x"]) * t["s"]
    return {"y": hidden, "z": (t["x"] ** 3).sum() * t["s"], "m": t["w"] * t["x"]}


def stencils(x: Any) -> Any:
    """Bands, a permutation, picked and summed entries."""
    return {
        "shift": x[1:] * x[:-1],
        "ring": jnp.roll(x, 1) * (jnp.roll(x, -1) - x),
        "sum": jnp.cumsum(x**2),
        "picked": x[np.array([2, 0, 0])] ** 2,
    }


def matrices(x: Any) -> Any:
    """Transposed, reshaped and multiplied with itself."""
    return [x.T @ x, jnp.sin(x).reshape(-1)[::-1], (x * x[:1]).sum(0)]


def signals(x: Any) -> Any:
    return conv(x, points(2, 1, 3, seed="kernel"), (1,), "SAME") ** 2


CASES: dict[str, tuple[Function, Tree]] = {
    "several wrt and outputs": (
        layers,
        {"w": points(2, 3, seed="w"), "x": points(3, seed="x"), "s": np.float64(1.5)},
    ),
    "stencils": (stencils, points(5)),
    "matrices": (matrices, points(2, 3)),
    "a convolution": (signals, points(1, 1, 4)),
    "scalars": (lambda t: {"r": t[0] * jnp.sin(t[1]), "q": t[1] ** 2}, (np.float64(2), 0.5)),
    "dims of size 1": (
        lambda t: {"y": t["a"] * t["b"], "z": (t["b"] @ t["a"]).sum(0)},
        {"a": points(1, 3), "b": points(2, 1)},
    ),
    "dims of size 0": (
        lambda t: {"e": 2 * t["a"], "y": t["b"] ** 3 + t["a"].sum(), "o": t["b"][:0]},
        {"a": np.zeros((0, 2)), "b": points(2)},
    ),
    "nothing": (lambda x: x**2, np.zeros(0)),
    "a constant": (lambda x: jnp.ones((2, 2)) + 0 * x[0], points(3)),
}


def in_every_chunk(
    derivative: str, operator: str, f: Function, x: Tree, every: bool = True
) -> list[Tree]:
    """Return the derivative by every chunk size from 1 to one beyond all, or by some of them.

    All are computed by one program, which has a loop over the chunks of each size.
    """
    derivatives = CHUNKED[derivative][operator](f, x)
    steps = sum(int(np.prod(kernel.axis)) for kernel in derivatives.kernels(1))
    sizes = range(1, steps + 2) if every else sorted({1, 2, steps + 1})
    kinds = {
        (number, kernel.chunk): (kernel, cut([kernel.axis], size))
        for size in sizes
        for number, kernel in enumerate(derivatives.kernels(size))
        if 0 not in kernel.axis
    }

    def compute(x: Tree) -> Tree:
        def at(kernel: Any, chunks: Any) -> Tree:
            places = [index_of(kernel.axis, chunk.offset) for chunk in chunks]
            flat = jnp.asarray(places, np.int32).reshape(len(places), len(kernel.axis))
            return jax.lax.map(lambda index: kernel.compute(x, index), flat)

        return {str(kind): at(*what) for kind, what in kinds.items()}

    computed = quickly(compute, x)

    def assembled(size: int) -> Tree:
        whole = derivatives.empty()
        for array in whole:
            array.fill(np.nan)  # what no chunk writes would show
        for number, kernel in enumerate(derivatives.kernels(size)):
            for chunk in cut([kernel.axis], size):
                found = computed[str((number, kernel.chunk))]
                values = jax.tree.map(lambda leaf, k=chunk.number: np.asarray(leaf[k]), found)
                kernel.write(whole, chunk, values)
        return derivatives.assemble(whole)

    return [assembled(size) for size in sizes]


REFERENCE = {"jacobian": "rev", "hessian": "fwd-fwd"}


BUILT = [(derivative, operator) for derivative in REFERENCE for operator in CHUNKED[derivative]]
LARGE = {"several wrt and outputs", "stencils", "matrices", "a convolution"}
"""Cases that take long: the quick tests leave the plain modes of them to tests/execute."""
QUICK = [
    (derivative, operator, name)
    for derivative, operator in BUILT
    for name in CASES
    if operator.startswith("structured") or name not in LARGE
]


def every_chunk_gives_the_whole(derivative: str, operator: str, name: str, every: bool) -> None:
    f, x = CASES[name]
    x = jax.tree.map(np.asarray, x)
    whole = quickly(lambda x: REGISTRIES[derivative][REFERENCE[derivative]](f, x), x)
    for found in in_every_chunk(derivative, operator, f, x, every):
        assert jax.tree.structure(found) == jax.tree.structure(whole)
        assert_close(found, whole, 1e-12)


@pytest.mark.parametrize(("derivative", "operator", "name"), thinned(QUICK, 6))
def test_every_chunk_gives_the_whole(derivative: str, operator: str, name: str) -> None:
    every = operator in ("structured-fwd", "structured-rev")
    every_chunk_gives_the_whole(derivative, operator, name, every)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("derivative", "operator"), BUILT)
def test_really_every_chunk_gives_the_whole(derivative: str, operator: str, name: str) -> None:
    every_chunk_gives_the_whole(derivative, operator, name, every=True)


def test_all_structured_operators_can_be_split_but_those_with_the_outer_derivative_in_reverse() -> (
    None
):
    for derivative, registry in REGISTRIES.items():
        others = CHUNKED.get(derivative, registry)
        whole = {name for name in registry if name not in others} - {"sparse"}
        rest = {"structured-rev-fwd", "structured-rev-rev"} if derivative == "hessian" else set()
        assert whole == rest


@pytest.mark.slow
@settings(max_examples=5)
@given(programs, st.sampled_from(["fwd", "rev"]))
def test_random_compositions_in_every_chunk(
    program: tuple[list[str], tuple[int, int]], direction: str
) -> None:
    f, x = composed(program[0]), points(*program[1], seed="p")
    whole = quickly(lambda x: jax.jacrev(f)(x), x)
    for found in in_every_chunk("jacobian", f"structured-{direction}", f, x):
        assert_close(found, whole)


@settings(max_examples=3)
@given(programs, st.sampled_from(["fwd-fwd", "fwd-rev"]))
def test_random_hessians_in_every_chunk(
    program: tuple[list[str], tuple[int, int]], way: str
) -> None:
    f, x = composed(program[0][:2]), points(*program[1], seed="p")
    whole = quickly(lambda x: jax.hessian(f)(x), x)
    for found in in_every_chunk("hessian", f"structured-{way}", f, x):
        assert_close(found, whole)


@pytest.mark.slow
@settings(max_examples=60)
@given(programs, st.sampled_from(["fwd", "rev", "fwd-fwd", "fwd-rev"]))
def test_many_random_compositions_in_every_chunk(
    program: tuple[list[str], tuple[int, int]], way: str
) -> None:
    derivative = "hessian" if "-" in way else "jacobian"
    f, x = composed(program[0][: 3 if derivative == "hessian" else 5]), points(*program[1])
    whole = quickly(lambda x: REGISTRIES[derivative][REFERENCE[derivative]](f, x), x)
    for found in in_every_chunk(derivative, f"structured-{way}", f, x):
        assert_close(found, whole)


def test_a_chunk_of_a_structured_derivative_multiplies_no_zeros() -> None:
    """A diagonal's columns: what a window of three costs does not grow with the rest."""
    from jaccli.derivative import cost

    def operations(size: int) -> float:
        x = points(size)
        f = lambda x: jnp.sin(x) * x**2  # noqa: E731
        (kernel,) = CHUNKED["jacobian"]["structured-fwd"](f, x).kernels(4)
        index = np.zeros(1, np.int32)
        return cost.of(
            jax.jit(lambda x, i: kernel.compute(x, i)).lower(x, index).compile()
        ).transcendentals

    assert operations(400) <= 2 * 400
