"""Which linear primitives the expression language's functions produce, and what each falls to."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaccli.derivative import structured
from jaccli.derivative.structured import interpret
from jaccli.derivative.structured.fallback import fallback
from jaccli.derivative.structured.registry import RULES
from jaccli.derivative.traced_function import traced
from tests.expression.cases import CASES, Case, Kind
from tests.expression.test_functions import model, used
from tests.structured.agreement import assert_close

SMOOTH = [case for cases in CASES.values() for case in cases if case.kind is Kind.SMOOTH]
NO_RULE = {
    "complex", "cond", "custom_linear_solve", "dynamic_slice", "dynamic_update_slice",
    "triangular_solve",
}  # fmt: skip
"""The primitives that the function table produces and that always fall back there."""
BY_VALUE = {"conv_general_dilated", "gather", "scan", "scatter-add"}
"""Those with a rule for some operands (known indices, a signal) and none for others (a kernel).

JAX 0.12 writes no loop of the first kind: its `polyval` is none.
"""


@pytest.mark.slow
def test_every_primitive_of_the_function_table_has_a_rule_or_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ruled: dict[str, str] = {}
    fallen: dict[str, str] = {}
    text = ""

    def noted(rule: Any) -> Any:
        def spy(eqn: Any, *operands: Any) -> Any:
            result = rule(eqn, *operands)
            ruled.setdefault(eqn.primitive.name, text)
            return result

        return spy

    def spy(eqn: Any, operands: Any) -> Any:
        fallen.setdefault(eqn.primitive.name, text)
        return fallback(eqn, operands)

    for name, rule in RULES.items():
        monkeypatch.setitem(RULES, name, noted(rule))
    monkeypatch.setattr(interpret, "fallback", spy)
    for case in SMOOTH:
        text = case.text
        x = used(text)
        f = traced(model(text), x)
        for direction in ("fwd", "rev"):
            jax.eval_shape(lambda x, f=f, d=direction: structured.jacobian(f, x, d), x)
    for name in sorted({*ruled, *fallen}):
        print(f"{name:24s} rule: {ruled.get(name, '-'):28s} falls back: {fallen.get(name, '-')}")
    assert fallen.keys() - ruled.keys() - BY_VALUE == NO_RULE
    assert fallen.keys() & ruled.keys() <= BY_VALUE <= fallen.keys()


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=case.text) for case in SMOOTH])
def test_every_function_of_the_table_equals_plain_modes(case: Case) -> None:
    f, x = model(case.text), used(case.text)

    def compute(x: Any) -> Any:
        found = [structured.densified(structured.jacobian(f, x, d)) for d in ("fwd", "rev")]
        return found, jax.jacfwd(f)(x)

    found, expected = jax.jit(compute)(jax.tree.map(np.asarray, x))
    for result in found:
        assert_close(result, expected)
