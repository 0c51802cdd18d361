"""Reading expressions is light: no JAX, no numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "work",
    [
        "X.check_names(X.parse('sum(w[:, 0] * tanh(x)) + pi'), ['w'])",
        "[f.signature for f in X.functions()]",
        "X.check_name('sin')",
    ],
)
def test_parsing_and_listing_load_neither_jax_nor_numpy(work: str) -> None:
    code = (
        f"import sys; import jaccli.expression as X; {work}; "
        "print([name for name in ('jax', 'jaxlib', 'numpy', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_evaluate_is_loaded_when_asked_for() -> None:
    import jaccli.expression as package

    assert callable(package.evaluate)
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = package.evalute
