"""Marks the suite, and says which warnings of the libraries it lets pass."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import jax
import pytest

LIBRARIES = (
    "diffrax", "distrax", "equinox", "flax", "haiku", "jraph", "lineax", "numpyro", "optax",
    "optimistix",
)  # fmt: skip
collect_ignore_glob = [] if all(find_spec(name) for name in LIBRARIES) else ["*.py"]

WARNINGS = (
    # The mode has no way through the model, and another one was taken.
    "ignore:.*; computed by mode:jaccli.derivative.structure_losses.StructureWarning",
    # Flax keeps the statistics of a batch normalization in single precision.
    "ignore:scatter inputs have incompatible types:FutureWarning",
)
"""What may be said while a model is differentiated; whatever else is, is an error."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder (the hook is shown those of the others, too)."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ecosystem)
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield
