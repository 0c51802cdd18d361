"""The zeros of what people write are found, none of the entries is missed, and values agree."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaccli
from jaccli import backend
from jaccli.derivative import cost, sparse
from jaccli.derivative.sparse import detect
from jaccli.derivative.traced_function import traced
from tests.sparsity.models_with_zeros import MODELS, Model
from tests.thinned import thinned

MORE = 1.35
"""So many times more entries than there are is how many a pattern may have."""


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def points(n: int, count: int = 3) -> Any:
    return np.random.default_rng(n).uniform(0.3, 1.5, (count, n))


def dense(model: Model) -> Any:
    """Return the derivative by JAX's plain modes, its rows of all outputs: `(*out, n)`."""
    if model.derivative == "hessian":
        return jax.jacfwd(jax.jacrev(model.f))
    return jax.jacfwd(model.f)


@pytest.mark.parametrize("name", thinned(MODELS, 16))
def test_zeros_are_found_and_no_entry_is_missed(name: str) -> None:
    model = MODELS[name]
    compute = jax.jit(dense(model))
    there = np.any([np.asarray(compute(x)) != 0 for x in points(model.n)], axis=0)
    there = there.reshape(-1, model.n)
    f = traced(lambda x, _: model.f(x), points(model.n)[0], None)
    patterns = {
        "detected": detect.PATTERNS[model.derivative](f, points(model.n)[0], None),
        "prepared": sparse.prepare(model.derivative, f, points(model.n)[0]).pattern,
    }
    for how, pattern in patterns.items():
        found = np.zeros(there.shape, np.bool_)
        found[pattern.rows, pattern.columns] = True
        assert not (there & ~found).any(), how
        assert pattern.sorted().nnz <= MORE * model.entries, how


@pytest.mark.parametrize(
    "mode",
    [
        "structured",
        pytest.param("auto", marks=pytest.mark.slow),
        pytest.param("sparse", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", thinned(MODELS, 16))
def test_values_are_those_of_plain_modes(name: str, mode: str) -> None:
    model = MODELS[name]
    operator = jaccli.hessian if model.derivative == "hessian" else jaccli.jacobian
    (x,) = points(model.n, 1)
    both = jax.jit(lambda x: (operator(model.f, mode=mode)(x), dense(model)(x)))
    found, expected = map(np.asarray, both(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_a_small_derivative_of_single_entries_has_few_equations() -> None:
    """Terms for each input would make it ten times the program that plain modes are."""
    f = MODELS["formulas_on_single_entries"].f
    x = np.linspace(0.5, 1.5, 9)
    structured = cost.equations(jaccli.hessian(f, mode="structured-fwd-rev"), x)
    plain = cost.equations(jaccli.hessian(f, mode="fwd-rev"), x)
    assert structured < 1.5 * plain


def test_constants_filled_cell_by_cell_are_one_constant() -> None:
    f = traced(MODELS["table_filled_cell_by_cell"].f, np.ones(400))
    assert len(f.jaxpr.jaxpr.eqns) > 1000
    assert len(f.folded.jaxpr.eqns) < 10


def test_masks_of_large_matrices_are_not_held_while_tracing() -> None:
    """A mask of 4,000 by 4,000 stays a value of the program."""

    def f(x: Any) -> Any:
        i = jnp.arange(4000)
        return jnp.where(i[:, None] == i[None, :], x, 0.0).sum(1)

    closed = traced(f, np.ones(4000)).folded
    assert max((np.size(const) for const in closed.consts), default=0) <= 2**20
