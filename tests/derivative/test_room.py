"""What a derivative's structure may take of memory, and what becomes of it when it is too much."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from jaccli import memory
from jaccli.derivative.positions import counted, repeated
from jaccli.derivative.sparse import index_sets


@pytest.mark.parametrize("make", [counted, lambda shape: repeated((1, 1), shape)])
def test_positions_that_have_no_room_are_not_made(make: Callable[..., object]) -> None:
    shape = (1 << 20, 1 << 20)
    with pytest.raises(memory.Exhausted), memory.growing_by(1 << 30):
        make(shape)


def test_within_the_room_nothing_is_refused() -> None:
    with memory.growing_by(1 << 30):
        assert counted((2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
        memory.check_growth(1 << 29)
    memory.check_growth(1 << 60)  # nobody limits it here


def test_what_was_made_is_freed_while_the_error_is_held() -> None:
    made: list[weakref.ref[Any]] = []

    def structure() -> None:
        array = np.zeros(10)
        made.append(weakref.ref(array))
        memory.check_growth(1 << 60)

    with pytest.raises(memory.Exhausted) as held, memory.growing_by(0):
        structure()
    gc.collect()
    assert held.value.__traceback__ is not None
    assert made[0]() is None


def test_sets_that_are_united_one_by_one_have_a_limit() -> None:
    part = index_sets.identity(index_sets.MOST // 16)
    made: list[int] = []

    def parts() -> Iterator[Any]:
        for number in range(1000):
            made.append(number)
            yield part

    with pytest.raises(index_sets.TooDense):
        index_sets.united(parts())
    assert len(made) == 65
    assert index_sets.united([part, part, part]).nnz == part.nnz
