"""What holds of every choice, whatever the facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaccli.choices import DECIDED_MODES, MODES
from jaccli.derivative.operators import REGISTRIES
from jaccli.derivative.select_mode import choose, family
from jaccli.derivative.trace_info import TraceInfo

sizes = st.one_of(st.integers(0, 4), st.integers(0, 10**9))
some_facts = st.builds(TraceInfo, sizes, sizes, st.booleans(), st.booleans())
RULED = ["gradient", "jacobian", "hessian"]
ruled = st.sampled_from(RULED)


def directions(operator: str) -> list[str]:
    return operator.removeprefix("structured-").split("-")


@given(st.sampled_from(sorted(REGISTRIES)), some_facts, st.data())
def test_the_chosen_operator_is_built(
    derivative: str, facts: TraceInfo, data: st.DataObject
) -> None:
    modes = [m for m in MODES[derivative] if m not in ("tuned",)]
    mode = data.draw(st.sampled_from(modes))
    choice = choose(derivative, facts, mode)
    assert choice.operator in REGISTRIES[derivative]
    assert choice.reason
    if mode not in DECIDED_MODES:
        assert (choice.mode, choice.operator) == (mode, mode)
    else:
        assert choice.mode == family(choice.operator)


@given(ruled, some_facts, st.sampled_from(["auto", "structured"]))
def test_a_barred_direction_is_not_taken_when_the_other_is_open(
    derivative: str, facts: TraceInfo, mode: str
) -> None:
    inner = directions(choose(derivative, facts, mode).operator)[-1]
    if facts.no_forward and not facts.no_reverse:
        assert inner == "rev"
    if facts.no_reverse and not facts.no_forward:
        assert inner == "fwd"


@given(ruled, some_facts)
def test_a_loop_bars_reverse_on_both_levels(derivative: str, facts: TraceInfo) -> None:
    if facts.no_reverse and not facts.no_forward:
        assert "rev" not in directions(choose(derivative, facts).operator)


@given(ruled, some_facts)
def test_structured_is_always_a_structured_operator(derivative: str, facts: TraceInfo) -> None:
    choice = choose(derivative, facts, "structured")
    assert choice.mode == "structured"
    assert choice.operator.startswith("structured-")


@given(ruled, some_facts)
def test_auto_takes_the_direction_that_structured_takes(derivative: str, facts: TraceInfo) -> None:
    auto, structured = (choose(derivative, facts, mode) for mode in ("auto", "structured"))
    assert directions(auto.operator) == directions(structured.operator)


@given(ruled, st.integers(0, 10**6), st.integers(0, 10**6))
def test_with_nothing_barred_the_side_with_fewer_unit_vectors_is_taken(
    derivative: str, inputs: int, outputs: int
) -> None:
    inner = directions(choose(derivative, TraceInfo(inputs, outputs)).operator)[-1]
    weight = 4 if derivative == "hessian" and inputs > 1 else 1
    assert inner == ("fwd" if weight * inputs <= outputs else "rev")


def test_structure_decides_where_it_makes_the_other_direction_much_cheaper() -> None:
    def predict(operator: str) -> float:
        asked.append(operator)
        return {"structured-fwd": 1.0, "structured-rev": 3.5}[operator]

    asked: list[str] = []
    choice = choose("jacobian", TraceInfo(300, 200), "auto", predict)
    assert choice.operator == "structured-fwd"
    assert choice.reason == (
        "300 inputs, 200 outputs: forward, which its structure makes cheaper, zeros left out"
    )
    assert sorted(asked) == ["structured-fwd", "structured-rev"]
    asked.clear()
    assert choose("jacobian", TraceInfo(80, 60), "auto", predict).operator == "structured-fwd"
    asked.clear()
    assert choose("jacobian", TraceInfo(30, 20), "auto", predict).operator == "structured-rev"
    assert asked == []


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_auto_is_plain_where_one_row_or_column_is_all(
    inputs: int, outputs: int, no_forward: bool, no_reverse: bool
) -> None:
    choice = choose("jacobian", TraceInfo(inputs, outputs, no_forward, no_reverse))
    count = inputs if directions(choice.operator)[-1] == "fwd" else outputs
    assert (choice.mode == "structured") == (count > 1)


@pytest.mark.parametrize(
    ("facts", "inner", "word"),
    [
        (TraceInfo(9, 2, no_reverse=True), "fwd", "(its loop"),
        (TraceInfo(2, 9, no_forward=True), "rev", "(its custom rule"),
    ],
)
@pytest.mark.parametrize("derivative", RULED)
def test_the_reason_says_what_is_barred_where_that_decides(
    derivative: str, facts: TraceInfo, inner: str, word: str
) -> None:
    barred = choose(derivative, facts)
    assert directions(barred.operator)[-1] == inner
    assert word in barred.reason
    free = choose(derivative, TraceInfo(facts.outputs, facts.inputs, facts.no_forward,
                                    facts.no_reverse))  # fmt: skip
    assert directions(free.operator)[-1] == inner
    assert word not in free.reason
