"""Kept programs give what fresh ones give, and are taken for nothing but their own kind."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pipeline import Silent, assert_blocks, solve, spec_of

from jaccli import backend, models
from jaccli.plan import Plan, identity
from jaccli.result import dense
from jaccli.spec import load as load_spec
from jaccli.spec.overrides import from_set
from jaccli.tune.program_cache import ProgramCache


class Programs:
    """The cache of a test."""

    def __init__(self) -> None:
        self.cache = ProgramCache(8, 64 << 20)


PROGRAMS = Programs()


@pytest.fixture(autouse=True)
def memory() -> None:
    PROGRAMS.cache = ProgramCache(8, 64 << 20)


def plan_of(
    expressions: dict[str, str], inputs: dict[str, Any], derivative: str, **entries: Any
) -> Plan:
    spec = spec_of(expressions, inputs, derivative=derivative, **entries)
    point = models.read(spec)
    backend.configure(x64=models.needs_x64(spec, point))
    return PROGRAMS.cache.planned(spec, models.load(spec, point), derivative, backend.find(None))


def computed(*args: Any, **entries: Any) -> tuple[dict[str, Any], float]:
    """Return the blocks, and the seconds that went into compiling."""
    from jaccli.execute import run

    result = run(PROGRAMS.cache.compiled(plan_of(*args, **entries), Silent()), Silent())
    return {b.key: dense(b.values) for b in result.blocks}, result.seconds["compile"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "rev"),
        ("storage", "sparse"),
        ("chunk", 2),
        ("layout", "matrix"),
        ("dtype", "float32"),
        ("precision", "high"),
        ("memory", 1 << 20),
    ],
)
def test_what_a_command_replaces_in_a_spec_makes_another_plan(name: str, value: Any) -> None:
    """`sparsity` and `analyze` plan for purposes of their own, with the same text of a spec."""
    plan = plan_of(MODEL, draw(0), "jacobian")
    spec = replace(plan.spec, **{name: value})
    made = [identity(s, plan.model, "jacobian", plan.device) for s in (plan.spec, spec)]
    assert made[0] != made[1]


def draw(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {"w": random.normal(size=(3, 4)), "x": random.normal(size=4)}


MODEL = {"y": "tanh(w @ x)"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "jacobian": ("jacobian", {"wrt": "x"}),
    "both": ("jacobian", {}),
    "loop": ("jacobian", {"wrt": "x", "mode": "loop"}),
    "chunks": ("jacobian", {"wrt": "x", "mode": "fwd", "chunk": 2}),
    "sparse": ("jacobian", {"wrt": "w", "storage": "sparse"}),
    "colored": ("jacobian", {"wrt": "w", "mode": "sparse", "storage": "dense"}),
    "hessian": ("hessian", {"wrt": "x"}),
    "float32": ("hessian", {"wrt": "x", "dtype": "float32"}),
    "evaluate": ("evaluate", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_kept_program_computes_another_point_as_a_fresh_one_does(name: str) -> None:
    derivative, entries = CASES[name]
    _, compiling = computed(MODEL, draw(1), derivative, **entries)
    assert compiling > 0
    found, compiling = computed(MODEL, draw(2), derivative, **entries)
    assert compiling == 0
    expected = solve(MODEL, draw(2), derivative, **entries)
    assert_blocks(found, expected, 1e-6 if "dtype" in entries else 1e-14)


@pytest.mark.parametrize("derivative", ["jvp", "hvp"])
def test_vectors_are_arguments(derivative: str) -> None:
    expressions = {"y": "sum(tanh(w @ x))"}
    for seed in (1, 2):
        vector = np.random.default_rng(seed).normal(size=4)
        entries = {"wrt": "x", "vector": {"x": vector}}
        found, compiling = computed(expressions, draw(7), derivative, **entries)
        assert_blocks(found, solve(expressions, draw(7), derivative, **entries), 1e-14)
    assert compiling == 0


@pytest.mark.parametrize("entries", [{"mode": "sparse"}, {"mode": "fwd"}, {"batch": {"k": 0}}])
def test_indices_are_never_those_of_another_call(entries: dict[str, Any]) -> None:
    """A sparse program holds its indices: where its entries are depends on them."""
    for k in ([0, 2], [3, 1]):
        rows = np.array([k, k[::-1]]) if "batch" in entries else np.array(k)
        inputs = {"x": np.arange(1.0, 5.0), "k": rows}
        found, _ = computed({"y": "x[k]**2"}, inputs, "jacobian", **entries)
        assert_blocks(found, solve({"y": "x[k]**2"}, inputs, "jacobian", **entries), 1e-14)


LIKE = ({"y": "x**2"}, {"x": np.array([1.0, 2.0])}, "jacobian", {})
UNLIKE: dict[str, tuple[dict[str, str], dict[str, Any], str, dict[str, Any]]] = {
    "literal": ({"y": "x**3"}, *LIKE[1:]),
    "name": ({"z": "x**2"}, *LIKE[1:]),
    "shape": (LIKE[0], {"x": np.array([1.0, 2.0, 3.0])}, *LIKE[2:]),
    "derivative": (*LIKE[:2], "hessian", {}),
    "dtype": (*LIKE[:3], {"dtype": "float32"}),
    "mode": (*LIKE[:3], {"mode": "rev"}),
    "precision": (*LIKE[:3], {"precision": "default"}),
    "memory": (*LIKE[:3], {"memory": "1GiB"}),
    "batch": (*LIKE[:3], {"batch": ["x"]}),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_what_is_unlike_is_compiled_for_itself(name: str) -> None:
    *like, entries = LIKE
    computed(*like, **entries)
    assert computed(*like, **entries)[1] == 0
    *unlike, entries = UNLIKE[name]
    found, compiling = computed(*unlike, **entries)
    assert compiling > 0
    assert_blocks(found, solve(*unlike, **entries), 1e-14)


def test_the_spec_of_a_kept_plan_is_the_callers_own() -> None:
    first = plan_of(*LIKE[:3])
    second = plan_of(LIKE[0], {"x": np.array([5.0, 6.0])}, "jacobian")
    assert first.spec.sha256 != second.spec.sha256


def test_the_least_recently_used_goes_first() -> None:
    PROGRAMS.cache = ProgramCache(2, 64 << 20)
    for expression in ("x**2", "x**3", "x**2", "x**4"):
        computed({"y": expression}, *LIKE[1:3])
    assert computed({"y": "x**2"}, *LIKE[1:3])[1] == 0
    assert computed({"y": "x**3"}, *LIKE[1:3])[1] > 0


def test_bytes_are_bounded() -> None:
    PROGRAMS.cache = ProgramCache(8, 5 << 20)
    for expression in ("x**2", "x**3", "x**4", "x**5", "x**6"):  # of 1 MiB each, at least
        computed({"y": expression}, *LIKE[1:3])
    assert computed({"y": "x**2"}, *LIKE[1:3])[1] > 0
    assert computed({"y": "x**6"}, *LIKE[1:3])[1] == 0


def test_nothing_is_kept_unless_asked_for() -> None:
    PROGRAMS.cache = ProgramCache(0, 0)
    computed(*LIKE[:3])
    assert computed(*LIKE[:3])[1] > 0


def test_python_models_are_compiled_anew(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their code may change between two calls, within a second and in one character."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "model.py"
    for power in (2, 3):
        path.write_text(f"def f(x):\n    return x**{power}\n")
        content = [f"model={{python: '{path}:f'}}", "inputs={x: 2.0}"]
        spec = load_spec(None, [from_set(entry) for entry in content])
        point = models.read(spec)
        backend.configure(x64=True)
        loaded = models.load(spec, point, allow_python=True)
        plan = PROGRAMS.cache.planned(spec, loaded, "jacobian", backend.find(None))
        from jaccli.execute import run

        (block,) = run(PROGRAMS.cache.compiled(plan, Silent()), Silent()).blocks
        assert float(dense(block.values)) == power * 2.0 ** (power - 1)


def test_a_program_that_is_kept_is_not_chosen_for_one_call() -> None:
    """30 steps of a pendulum: reverse, which runs faster, is compiled for twice as long or more."""
    steps = {f"s{k + 1}": f"s{k} + 0.05 * stack([s{k}[1], -sin(s{k}[0])])" for k in range(30)}
    expressions = {"s0": "x", **steps, "y": "s30[0]"}
    spec = spec_of(expressions, {"x": [0.3, 0.1]}, derivative="gradient", select=["y"])
    point = models.read(spec)
    backend.configure(x64=models.needs_x64(spec, point))

    def operator(programs: ProgramCache) -> str:
        plan = programs.planned(spec, models.load(spec, point), "gradient", backend.find(None))
        return plan.operator

    assert [operator(ProgramCache()) for _ in range(2)] == ["fwd", "fwd"]
    assert operator(PROGRAMS.cache) == "rev"
