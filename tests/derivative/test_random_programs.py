"""What holds for every program: modes equal JAX's derivative, patterns miss no entry.

The quick tests take a few programs each, the slow ones hundreds; `scripts/soak/fuzz_programs.py`
takes thousands, and prints the programs that fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli import backend
from jaccli.derivative.sparse.pattern import Pattern

from . import program_checks
from .program_checks import MODES, VARIANTS, Unusable, failures
from .random_programs import MOVES, Program, draw_program, program_of

QUICK, CHUNK = 6, 3
VALUES, PATTERNS, LARGE_CHUNK = 50, 200, 50
USABLE = 0.9
"""The share of programs that JAX differentiates, at least."""


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def chunks(count: int, size: int) -> list[range]:
    return [range(first, first + size) for first in range(0, count, size)]


def names(seeds: range) -> str:
    return f"{seeds.start}-{seeds.stop - 1}"


def assert_right(programs: Iterable[Program], derivative: str, modes: tuple[str, ...]) -> None:
    """Fail with what is wrong, and with the programs; most programs must be usable."""
    found, count, unusable = [], 0, 0
    for program in programs:
        count += 1
        try:
            problems = failures(program, derivative, modes)
        except Unusable:
            unusable += 1
            continue
        if problems:
            found.append("\n".join([f"seed {program.seed}", *map(str, problems), program.text]))
    assert count - unusable >= USABLE * count - 1
    jax.clear_caches()
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("seeds", chunks(QUICK, CHUNK), ids=names)
def test_jacobians_of_random_programs(seeds: range) -> None:
    assert_right(map(draw_program, seeds), "jacobian", MODES)


@pytest.mark.parametrize("seeds", chunks(QUICK, 3 * CHUNK), ids=names)
def test_hessians_of_random_programs(seeds: range) -> None:
    assert_right(map(draw_program, seeds[::3]), "hessian", ("auto", "sparse prepared before"))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(VALUES, LARGE_CHUNK), ids=names)
def test_jacobians_of_many_random_programs(seeds: range) -> None:
    assert_right(map(draw_program, seeds), "jacobian", (*MODES, *VARIANTS))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(VALUES, LARGE_CHUNK), ids=names)
def test_hessians_of_many_random_programs(seeds: range) -> None:
    assert_right(map(draw_program, seeds[::3]), "hessian", MODES)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(PATTERNS, LARGE_CHUNK), ids=names)
def test_patterns_of_many_random_programs(seeds: range) -> None:
    assert_right(map(draw_program, seeds), "jacobian", ())


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_every_move_alone(name: str) -> None:
    for n in (1, 5):
        assert_right([program_of(name, n, n)], "jacobian", MODES)


# The checks and the programs themselves


def test_what_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of("roll back")
    empty = SimpleNamespace(pattern=Pattern(np.zeros(0, int), np.zeros(0, int), (5, 5)))
    monkeypatch.setitem(program_checks._PREPARED, "pattern", lambda *args: empty)
    derivatives = {
        "auto": lambda f: lambda x: jax.jacfwd(f)(x).at[0, 0].add(1e-5),
        "structured": lambda f: lambda x: jax.jacfwd(f)(x).T[:4],
        "sparse": lambda f: lambda x: jnp.asarray(f, float),
    }
    monkeypatch.setitem(program_checks._OPERATORS, "jacobian", lambda f, mode: derivatives[mode](f))
    found = dict(
        str(failure).split(": ", 1) for failure in failures(program, modes=tuple(derivatives))
    )
    assert found["jacobian auto"].startswith("differs by ")
    assert found["jacobian structured"] == "has the shape (4, 5), not (5, 5)"
    assert found["jacobian sparse"].startswith("TypeError")
    assert found["jacobian pattern"] == "misses 10 of 10 entries"


def test_a_seed_names_a_program_and_its_text_is_the_program() -> None:
    for seed in range(4):
        program = draw_program(seed)
        assert program.text == draw_program(seed).text
        module: dict[str, object] = {}
        exec(program.text, module)
        x = jnp.asarray(program.point())
        np.testing.assert_array_equal(module["f"](x), program.f(x))  # type: ignore[operator]


def test_consecutive_seeds_walk_through_the_table_of_moves() -> None:
    used = {move for seed in range(20) for move in draw_program(seed).moves}
    assert len(used & set(MOVES)) > 50


def test_points_are_within_reach_and_their_entries_apart() -> None:
    program = draw_program(3)
    for number in range(5):
        apart = np.diff(np.sort(np.abs(program.point(number))))
        assert apart.min() > 0.3 / program.n
        assert np.abs(program.point(number)).max() < 1.5
