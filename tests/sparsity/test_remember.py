"""Colorings on disk: reused by structure, not by numbers; damaged ones are as if not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaccli import backend
from jaccli.derivative.sparse import detect
from jaccli.derivative.sparse.sparse_derivative import prepared_by_coloring


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def f(x: Any, rest: Any) -> Any:
    return rest["w"] * jnp.roll(x, 1) + x**2


def prepared(n: int = 10, scale: float = 1.0) -> Any:
    return prepared_by_coloring("jacobian", f, np.full(n, scale), {"w": np.full(n, scale)})


def kept(home: Path) -> list[Path]:
    return sorted((home / "jaccli" / "colorings").glob("*.npz"))


def test_other_numbers_find_the_coloring_and_other_shapes_do_not(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared()
    assert len(kept(cache_home)) == 1

    def refuse(*_: Any) -> Any:
        raise AssertionError("detected again")

    monkeypatch.setitem(detect.PATTERNS, "jacobian", refuse)
    again = prepared(scale=2.0)
    np.testing.assert_array_equal(again.coloring.colors, first.coloring.colors)
    np.testing.assert_array_equal(again.pattern.columns, first.pattern.columns)
    with pytest.raises(AssertionError, match="detected again"):
        prepared(11)


def test_index_arrays_are_part_of_the_structure(cache_home: Path) -> None:
    for which in ([0, 2], [1, 2]):
        index = np.array(which)
        pattern = prepared_by_coloring("jacobian", lambda x, _, k=index: x[k] ** 2, np.ones(3))
        np.testing.assert_array_equal(pattern.pattern.columns, which)
    assert len(kept(cache_home)) == 2


@pytest.mark.parametrize("damage", ["text", "cut", "range", "colors"])
def test_a_damaged_file_is_as_if_it_were_not_there(cache_home: Path, damage: str) -> None:
    expected = prepared()
    (path,) = kept(cache_home)
    if damage == "text":
        path.write_text("not an archive")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        arrays = dict(np.load(path))
        arrays["columns" if damage == "range" else "colors"] += 100
        np.savez(path, **arrays)
    found = prepared()
    np.testing.assert_array_equal(found.pattern.columns, expected.pattern.columns)
    np.testing.assert_array_equal(found.coloring.colors, expected.coloring.colors)
