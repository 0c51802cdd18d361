"""Expressions are evaluated in double precision, in whatever order the tests run."""

from __future__ import annotations

import jax
import pytest

jax.config.update("jax_enable_x64", True)  # for arrays that modules make as they are imported


@pytest.fixture(autouse=True)
def _double() -> None:
    jax.config.update("jax_enable_x64", True)
