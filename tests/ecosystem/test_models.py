"""Jacobian and Hessian of every model in the modes that read its structure, or one clean error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jaccli
from tests.ecosystem import models  # noqa: F401
from tests.ecosystem.cases import CASES, Case, Tree
from tests.ecosystem.oracles import Differences, along, differences, evaluated, reference

MODES = ("auto", "structured", "sparse")
OPERATORS: dict[int, Callable[..., Any]] = {1: jaccli.jacobian, 2: jaccli.hessian}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_derivatives(case: Case, subtests: pytest.Subtests) -> None:
    """One test for each model: its oracles are computed once for all modes.

    `structured` may raise a clean error in place of a value.  Where JAX has no derivative, every
    mode raises one, or has a derivative that is right.
    """
    for order, operator in OPERATORS.items():
        expected, found = reference(case, order), differences(case, order)
        with subtests.test(f"{operator.__name__} by JAX"):
            assert (expected is None) == (order in case.refused), "`refused` is out of date"
            if expected is not None:
                assert_agrees(expected, case, order, found)
        for mode in MODES:
            with subtests.test(f"{operator.__name__} by {mode}"):
                try:
                    actual = evaluated(operator(case.model, mode=mode), case.point)
                except Exception as error:
                    if mode != "structured" and expected is not None:
                        raise
                    assert_clean(error)
                    continue
                if expected is not None:
                    assert_equal(actual, expected, case.rtol)
                assert_agrees(actual, case, order, found)


def assert_equal(actual: Tree, expected: Tree, rtol: float) -> None:
    """Trees, shapes and dtypes are the same; entries differ by `rtol` times the largest at most."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    leaves = jax.tree.leaves(expected)
    largest = max(np.max(np.abs(leaf), initial=0.0) for leaf in leaves)
    for one, other in zip(jax.tree.leaves(actual), leaves, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * largest + 1e-14)


def assert_agrees(derivative: Tree, case: Case, order: int, found: Differences) -> None:
    """Along random directions the derivative is what values of the model say."""
    actual = along(derivative, case.point, order, found.directions)
    size = max(np.max(np.abs(found.quotients)), found.size)
    np.testing.assert_allclose(actual, found.quotients, rtol=0, atol=case.differences_rtol * size)


def assert_clean(error: Exception) -> None:
    """The error is one of jaccli's own, in one line, and was not raised while handling another.

    Not clean: an exception out of the inside of jaccli, of JAX or of a library.
    """
    assert type(error).__module__.startswith("jaccli."), repr(error)
    assert len(str(error).splitlines()) == 1
    assert error.__context__ is None or error.__cause__ is not None
