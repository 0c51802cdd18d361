"""`tuned`: one of the candidates, measured once, remembered by what matters and nothing else."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pipeline import Silent, assert_blocks, plan_of, solve

import jaccli as door
from jaccli import backend
from jaccli.derivative import autotune, operators, repeated_calls
from jaccli.derivative.select_mode import Choice
from jaccli.execute import run
from jaccli.plan import Plan
from jaccli.storage import disk_cache
from jaccli.tune.tuned import cached_choice, tuned
from tests.thinned import thinned

Call = Callable[..., Any]
_rng = np.random.default_rng(23)
W, X, V = _rng.normal(size=(3, 5)), _rng.normal(size=5), _rng.normal(size=5)
MODEL, AT = {"y": "tanh(w @ x)"}, {"w": W, "x": X}


def planned(derivative: str = "jacobian", at: Any = None, **entries: Any) -> Plan:
    entries = {"wrt": "x", "mode": "tuned"} | entries
    return plan_of(entries.pop("model", MODEL), AT | (at or {}), derivative, **entries)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operators of the plans that are compiled."""
    prepare = importlib.import_module("jaccli.execute.compile_plan")
    real, names = prepare.Compiler._compiled, list[str]()

    def spy(self: Any, plan: Plan, *rest: Any) -> Any:
        names.append(plan.operator)
        return real(self, plan, *rest)

    monkeypatch.setattr(prepare.Compiler, "_compiled", spy)
    return names


def record_of(cache_home: Path) -> Path:
    (path,) = (cache_home / "jaccli" / "tuned").iterdir()
    return path


def as_another_process() -> None:
    """Forget what this process has measured, and the calls that it has traced."""
    autotune._MEMORY.clear()
    repeated_calls._PROGRAMS.clear()


# The choice


@pytest.mark.parametrize("derivative", ["jacobian", "hessian", "gradient", "hvp"])
def test_the_choice_is_one_of_the_candidates_and_its_numbers_are_right(
    derivative: str, compiled: list[str]
) -> None:
    scalar = derivative in ("gradient", "hvp")
    model = {"f": "sum(tanh(w @ x))"} if scalar else MODEL
    vector = {"vector": V} if derivative == "hvp" else {}
    program = tuned(planned(derivative, model=model, **vector), Silent())
    candidates = set(operators.REGISTRIES[derivative]) - {"loop", "sparse"}
    if derivative == "hvp":
        candidates.discard("fwd-fwd")  # for loops without a reverse mode
    assert program.plan.operator in candidates == set(compiled)
    found = {block.key: block.values for block in run(program, Silent()).blocks}
    auto = solve(model, AT, derivative, wrt="x", **vector)
    assert_blocks(found, auto, 1e-13)


@pytest.mark.parametrize("derivative", ["evaluate", "jvp", "vjp"])
def test_what_has_one_way_is_not_measured(derivative: str, cache_home: Path) -> None:
    vector = {"jvp": {"vector": V}, "vjp": {"vector": V[:3]}}.get(derivative, {})
    at = solve(MODEL, AT, derivative, wrt="x", mode="auto", **vector)
    assert_blocks(at, solve(MODEL, AT, derivative, wrt="x", **vector))
    assert not (cache_home / "jaccli" / "tuned").exists()


class Runs:
    """Candidates whose times the test gives, on a clock that only they move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.log = 0.0, list[str]()
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def candidate(self, name: str, predicted: float, seconds: float) -> autotune.TimedCandidate:
        def call() -> None:
            self.log.append(name)
            self.now += seconds

        return autotune.TimedCandidate(predicted, call)


def test_the_fastest_wins_whatever_was_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch)
    times = {"fwd": (1.0, 0.25), "rev": (2.0, 0.125), "structured-fwd": (1.5, 0.5)}
    found = {name: runs.candidate(name, *times[name]) for name in times}
    choice = autotune.pick(found, "fwd")
    assert (choice.mode, choice.operator) == ("rev", "rev")
    assert choice.reason == "rev was the fastest of 3, fwd 2.00x, structured-fwd 4.00x"


def test_the_hopeless_are_not_run_but_the_rule_s_own_is(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch)
    times = {"fwd": (1.0, 0.5), "rev": (3.1, 0.1), "structured-fwd": (9.0, 0.25), "x": (3.0, 1.0)}
    found = {name: runs.candidate(name, *times[name]) for name in times}
    choice = autotune.pick(found, "structured-fwd")
    assert set(runs.log) == {"fwd", "structured-fwd", "x"}
    assert (choice.mode, choice.operator) == ("structured", "structured-fwd")
    assert choice.reason.endswith("; 1 not run, predicted above 3x")


# Memory


def test_a_choice_is_measured_once(compiled: list[str], cache_home: Path) -> None:
    first = tuned(planned(), Silent())
    assert sorted(compiled) == sorted(set(operators.JACOBIAN) - {"loop", "sparse"})
    record = json.loads(record_of(cache_home).read_text())
    assert record == {"operator": first.plan.operator, "reason": first.plan.reason}
    for forget in (lambda: None, as_another_process):
        forget()
        compiled.clear()
        again = tuned(planned(), Silent())
        assert compiled == [first.plan.operator] == [again.plan.operator]
        assert again.plan.reason == f"{first.plan.reason} (remembered)"


@pytest.mark.parametrize("operator", ["fwd", "structured-rev"])
def test_what_was_remembered_is_taken_untested(compiled: list[str], operator: str) -> None:
    first = tuned(planned(), Silent())
    for key in autotune._MEMORY:
        autotune.store_choice(key, Choice(operator, operator, "once"))
    compiled.clear()
    found = tuned(planned(), Silent())
    assert compiled == [operator]
    assert found.plan.mode == operator.split("-")[0]
    assert_blocks(*({b.key: b.values for b in run(p, Silent()).blocks} for p in (found, first)))


BATCH = {"at": {"x": np.stack([X, V])}, "batch": ["x"]}
OTHER: dict[str, dict[str, Any]] = {
    "shape": {"at": {"w": W[:2]}},
    "dtype": {"dtype": "float32"},
    "derivative": {"derivative": "hessian"},
    "batch": BATCH,
    "precision": {"precision": "default"},
    "wrt": {"wrt": ["w", "x"]},
    "model": {"model": {"y": "sin(w @ x)"}},
    "chunk": {"chunk": 2},
    "budget": {"memory": "3MiB"},
}


def test_the_key_depends_on_what_changes_the_times_and_on_no_number() -> None:
    tuned(planned(), Silent())
    for name, entries in OTHER.items():
        assert cached_choice(planned(**entries)) is None, name
    numbers = {"w": _rng.normal(size=W.shape), "x": _rng.normal(size=X.shape)}
    assert cached_choice(planned(at=numbers)) is not None
    assert cached_choice(planned(model={"z": "tanh(w @ x)"})) is not None  # a label


def test_another_machine_with_the_same_home_measures_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tuned(planned(), Silent())
    as_another_process()
    assert cached_choice(planned()) is not None
    monkeypatch.setattr(disk_cache, "processor", lambda: ["another"])
    assert cached_choice(planned()) is None


def test_the_key_of_a_batch_depends_on_its_length_and_axis() -> None:
    first = planned(**BATCH)
    tuned(first, Silent())
    assert cached_choice(planned(**BATCH)) is not None
    longer = {"at": {"x": np.stack([X, V, X])}, "batch": ["x"]}
    turned = {"at": {"x": np.stack([X, V], 1)}, "batch": {"x": 1}}
    for other in (longer, turned):
        assert cached_choice(planned(**other)) is None


CORRUPT = {
    "cut": b'{"operator": "rev", "rea',
    "not a record": b"[]",
    "empty": b"{}",
    "no reason": b'{"operator": "rev"}',
    "an unknown operator": b'{"operator": "sideways", "reason": "once"}',
    "the baseline": b'{"operator": "loop", "reason": "once"}',
    "a number": b'{"operator": 3, "reason": 4}',
}


@pytest.mark.parametrize("name", thinned(CORRUPT, 6))
def test_a_corrupt_record_is_measured_anew(
    compiled: list[str], cache_home: Path, name: str
) -> None:
    tuned(planned(), Silent())
    path = record_of(cache_home)
    path.write_bytes(CORRUPT[name])
    as_another_process()
    compiled.clear()
    again = tuned(planned(), Silent())
    assert len(compiled) == 4
    assert json.loads(path.read_text())["operator"] == again.plan.operator


def test_without_a_cache_folder_every_process_measures(
    compiled: list[str], cache_home: Path
) -> None:
    cache_home.write_text("a file in its place")
    for _ in range(2):
        as_another_process()
        compiled.clear()
        tuned(planned(), Silent())
        assert len(compiled) == 4


# The command line


def test_the_command_says_what_it_found_and_that_it_remembers(jaccli: Call) -> None:
    args = ("jacobian", "-e", "sin(x)", "--at", "x=[1, 2]", "--mode", "tuned", "--format", "json")
    first, second = (json.loads(jaccli(*args).stdout) for _ in range(2))
    assert first["mode"] in ("fwd", "rev", "structured")
    assert "was the fastest of 4" in first["reason"]
    assert second["mode"] == first["mode"]
    assert second["reason"] == f"{first['reason']} (remembered)"


def test_a_plan_of_what_is_not_measured_yet_says_so_and_then_what_was_found(jaccli: Call) -> None:
    args = ("-e", "sin(x)", "--at", "x=[1, 2]", "--mode", "tuned")
    assert "not measured yet" in jaccli("plan", *args).stdout
    jaccli("jacobian", *args)
    after = jaccli("plan", *args).stdout
    assert "not measured yet" not in after
    assert "(remembered)" in after


def test_candidates_that_cannot_be_derived_are_left_out(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import jax\n"
        "def f(x):\n"
        "    return jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: 2 * y, x)\n"
    )
    text = "model: {python: 'm.py:f'}\ninputs: {x: [1.0, 2.0]}\n"
    (tmp_path / "m.yaml").write_text(text)
    args = ("m.yaml", "--allow-python", "--mode", "tuned", "--format", "json")
    found = json.loads(jaccli("jacobian", *args).stdout)
    assert found["blocks"]["f.x"]["values"] == [[4, 0], [0, 4]]
    assert "of 2" in found["reason"]


# The Python door


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def forecast(w: Any, x: Any) -> Any:
    return jnp.tanh(w @ x)


def slope(w: Any) -> Any:
    return (1 - np.tanh(w @ X) ** 2)[:, None] * w


TRANSFORMED: dict[str, tuple[Callable[[], Any], Any]] = {
    "as it is": (lambda: door.jacobian(forecast, 1, mode="tuned")(W, X), slope(W)),
    "jit": (lambda: jax.jit(door.jacobian(forecast, 1, mode="tuned"))(W, X), slope(W)),
    "vmap": (
        lambda: jax.vmap(door.jacobian(forecast, 1, mode="tuned"), (0, None))(
            np.stack([W, 2 * W]), X
        ),
        np.stack([slope(W), slope(2 * W)]),
    ),
    "hvp": (
        lambda: door.hvp(lambda x: (x**3).sum(), mode="tuned")(X, V),
        6 * X * V,
    ),
    "hvp under jit": (
        lambda: jax.jit(door.hvp(lambda x: (x**3).sum(), mode="tuned"))(X, V),
        6 * X * V,
    ),
    "hvp under vmap": (
        lambda: jax.vmap(door.hvp(lambda x: (x**3).sum(), mode="tuned"))(
            np.stack([X, V]), np.stack([V, V])
        ),
        np.stack([6 * X * V, 6 * V * V]),
    ),
    "hessian": (
        lambda: door.hessian(lambda x: (x**3).sum(), mode="tuned")(X),
        np.diag(6 * X),
    ),
    "nested": (
        lambda: door.jacobian(door.jacobian(lambda x: (x**3).sum(), mode="tuned"), mode="tuned")(X),
        np.diag(6 * X),
    ),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_the_door_measures_under_transformations_too(name: str, cache_home: Path) -> None:
    call, expected = TRANSFORMED[name]
    np.testing.assert_allclose(call(), expected, rtol=0, atol=1e-13)
    assert list((cache_home / "jaccli" / "tuned").iterdir())


@pytest.mark.parametrize("transform", [jax.jit, lambda f: lambda w: jax.vmap(f)(w[None])[0]])
def test_the_door_measures_functions_that_close_over_traced_arrays(transform: Any) -> None:
    f = transform(lambda w: door.jacobian(lambda x: forecast(w, x), mode="tuned")(X))
    np.testing.assert_allclose(f(W), slope(W), rtol=0, atol=1e-13)


def test_the_door_remembers_by_shape_and_not_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    as_another_process()
    measured: list[int] = []
    real = autotune.pick

    def spy(found: Any, first: str) -> Choice:
        measured.append(len(found))
        return real(found, first)

    monkeypatch.setattr(autotune, "pick", spy)
    jacobian = door.jacobian(forecast, 1, mode="tuned")
    for w, x in ((W, X), (2 * W, V), (W, X.astype(np.float64))):
        jacobian(w, x)
    as_another_process()
    jacobian(W, X)
    assert measured == [4]
    jacobian(W[:, :2], X[:2])
    jacobian(W.astype(np.float32), X.astype(np.float32))
    with jax.default_matmul_precision("highest"):
        jacobian(W, X)
    assert measured == [4] * 4


def test_the_door_ignores_a_record_of_what_is_not_built(cache_home: Path) -> None:
    as_another_process()
    jacobian = door.jacobian(forecast, 1, mode="tuned")
    jacobian(W, X)
    record_of(cache_home).write_bytes(CORRUPT["an unknown operator"])
    as_another_process()
    np.testing.assert_allclose(jacobian(W, X), slope(W), rtol=0, atol=1e-13)


def test_a_function_that_no_mode_can_derive_says_why() -> None:
    with pytest.raises(TypeError, match="only floats are differentiated"):
        door.jacobian(lambda x: x * 2.0, mode="tuned")(np.arange(3))
