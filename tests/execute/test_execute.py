"""Plans compiled and run: budget, precision, dtypes, failures, and what is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from pipeline import Silent, assert_blocks, plan_of, result_of, solve

from jaccli.errors import BudgetError, ComputationError
from jaccli.execute import execute

X = np.array([0.5, -1.25, 2.0])
Call = Callable[..., Any]


# What is recorded


def test_the_account_of_a_result() -> None:
    result = result_of({"y": "x**2"}, {"x": X}, "jacobian", mode="rev", precision="high")
    assert (result.derivative, result.mode, result.reason) == ("jacobian", "rev", "as asked")
    assert (result.device, result.dtype, result.precision) == ("cpu:0", "float64", "high")
    assert result.batch is None
    assert set(result.seconds) == {"compile", "run"}
    assert result.seconds["compile"] > result.seconds["run"] > 0
    assert result.versions["jax"] == jax.__version__
    assert re.fullmatch("[0-9a-f]{64}", result.spec_sha256)


# Memory

TEMPORARIES = {"f": "sum(tanh((x[:, None] * x) @ (x[:, None] - x)))"}
"""Two matrices out of one vector: 300 numbers need more than 1 MiB."""


def test_temporaries_count_against_the_budget(jaccli: Call) -> None:
    args = ["gradient", "-e", TEMPORARIES["f"], "--at", "x={linspace: [0, 1, 300]}"]
    refused = jaccli(*args, "--memory", "512KiB", check=False)
    assert refused.exit_code == 3
    assert refused.stdout == ""
    assert re.fullmatch(
        r"jaccli: gradient: inputs, result and temporaries take \d\.\d MiB, more than the memory "
        r"budget of 512\.0 KiB \(the largest block, f\.x, has the shape \(300,\)\)\.\n"
        r"Raise --memory, or choose fewer entries with --wrt and --select\.\n",
        refused.stderr,
    )
    assert jaccli(*args, "--memory", "16MiB").exit_code == 0


def test_where_the_user_s_chunk_is_too_large_the_remedy_is_a_smaller_one() -> None:
    model, at = {"y": "tanh((x[:, None] * x) @ (x[:, None] - x)) @ x"}, {"x": np.linspace(0, 1, 60)}
    with pytest.raises(BudgetError) as caught:
        result_of(model, at, "jacobian", mode="fwd", memory="512KiB", chunk=40)
    assert caught.value.problems[0].hint == (
        "Raise --memory, or take fewer rows at a time with --chunk."
    )
    expected = solve(model, at, "jacobian", mode="rev")
    chunked = solve(model, at, "jacobian", mode="fwd", memory="512KiB", chunk=2)
    assert_blocks(chunked, expected, 1e-12)
    assert_blocks(solve(model, at, "jacobian", mode="fwd", memory="512KiB"), expected, 1e-12)


def test_what_chunks_collect_counts_against_the_budget() -> None:
    """A chunk's program is small; the whole result is kept beside it."""
    model, at = {"y": "sin(x)"}, {"x": np.ones(100)}
    whole = 8 * (100 + 100 * 100)
    assert solve(model, at, "jacobian", chunk=1, memory=whole + 8192)["y.x"].shape == (100, 100)
    with pytest.raises(BudgetError, match="inputs, result and temporaries"):
        solve(model, at, "jacobian", chunk=50, memory=whole + 8192)


def test_what_chunks_of_a_batch_collect_counts_against_the_budget() -> None:
    model, at = {"y": "x[:, None] * x"}, {"x": np.ones((50, 10))}
    whole = 8 * (50 * 10 + 50 * 10 * 10 * 10)
    entries: dict[str, Any] = {"batch": ["x"], "memory": whole + 64 * 1024}
    assert solve(model, at, "jacobian", chunk=1, **entries)["y.x"].shape == (50, 10, 10, 10)
    with pytest.raises(BudgetError, match="inputs, result and temporaries"):
        solve(model, at, "jacobian", chunk=25, **entries)


# Precision


@pytest.mark.parametrize(
    ("entries", "written"),
    [
        ({}, "HIGHEST"),
        ({"precision": "highest"}, "HIGHEST"),
        ({"precision": "high"}, "HIGH"),
        ({"precision": "default"}, "DEFAULT"),
    ],
)
@pytest.mark.parametrize("chunk", [None, 1])
def test_the_precision_reaches_every_matrix_product_of_the_program(
    lowered: Callable[[], str], entries: dict[str, str], written: str, chunk: int | None
) -> None:
    given = entries | ({"chunk": chunk} if chunk else {})
    w = np.ones((2, 3))
    solve({"y": "tanh(w @ x)"}, {"w": w, "x": X}, "jacobian", wrt="x", dtype="float32", **given)
    products = [line for line in lowered().splitlines() if "= stablehlo.dot_general" in line]
    assert products
    for line in products:
        assert f"precision = [{written}, {written}]" in line


@pytest.fixture
def lowered(tmp_path: Path) -> Any:
    """Returns the StableHLO of what was compiled since the test began."""
    before = jax.config.read("jax_dump_ir_to")
    jax.config.update("jax_dump_ir_to", str(tmp_path))
    yield lambda: "\n".join(path.read_text() for path in tmp_path.rglob("*.mlir"))
    jax.config.update("jax_dump_ir_to", before)


# Dtypes

CREATING = {"y": "x * [0.1, 2, pi] + zeros(3) + eye(3) @ x / 3 + arange(3) + linspace(0, 1, 3)**x"}


def test_float32_stays_float32_from_end_to_end(lowered: Callable[[], str]) -> None:
    for derivative in ("evaluate", "jacobian", "hessian"):
        for values in solve(CREATING, {"x": abs(X)}, derivative, dtype="float32").values():
            assert values.dtype == np.float32
    assert "f32" in lowered()
    assert not re.search(r"[fi]64>", lowered().replace("index", ""))


def test_float32_stays_float32_beside_wide_integers() -> None:
    """Which need 64 bits, and so does JAX then."""
    model = {"y": CREATING["y"] + " + k % 7 + argmax(x) / 2"}
    at = {"x": abs(X), "k": np.array(2**40 + 3)}
    value = solve(model, at, "evaluate", dtype="float32")["y"]
    assert value.dtype == np.float32
    assert solve(model, at, "jacobian", dtype="float32")["y.x"].dtype == np.float32
    x = abs(X)
    expected = x * [0.1, 2, np.pi] + x / 3 + range(3) + np.linspace(0, 1, 3) ** x
    expected += (2**40 + 3) % 7 + 1
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("expression", "dtype", "slope"),
    [
        # Closed forms; no product in the order that is written leaves the range, others do.
        ("tanh(x * 1e-300) * 1e200 * 1e200", "float64", 1e100),
        ("(x * 1e-300) / 1e-200 / 1e-200", "float64", 1e100),
        ("x / 1e200 * 1e300 / 1e200", "float64", 1e-100),
        ("1e25 * (1e20 * (w * x))", "float32", 1e15),
    ],
)
def test_literal_factors_are_multiplied_in_the_order_that_is_written(
    expression: str, dtype: str, slope: float
) -> None:
    inputs = {"x": np.array([1.0, 2.0]), "w": np.full(2, 1e-30)}
    for mode in ("fwd", "structured"):
        found = solve({"y": expression}, inputs, "jacobian", mode=mode, dtype=dtype, wrt="x")
        np.testing.assert_allclose(found["y.x"], slope * np.eye(2), rtol=1e-6)


def test_float64_has_64_bits() -> None:
    third = solve({"y": "x / 3"}, {"x": 1.0}, "evaluate")["y"]
    assert third.dtype == np.float64
    assert third == 1 / 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_beyond_31_bits_keep_their_value(dtype: str) -> None:
    k = 2**53 + 2
    found = solve(
        {"y": "(k - n) * x"},
        {"k": np.array(k), "n": np.array(k - 5), "x": 2.0},
        "jacobian",
        dtype=dtype,
    )
    assert found["y.x"] == 5


def test_integer_products_do_not_overflow_in_float32() -> None:
    found = solve(
        {"y": "k**2 * x"}, {"k": np.array(100_000), "x": 1.0}, "jacobian", dtype="float32"
    )
    assert found["y.x"] == np.float32(1e10)


@pytest.mark.parametrize("mode", ["fwd", "rev", "loop"])
def test_a_block_has_its_output_s_dtype_in_every_mode(mode: str) -> None:
    wide = {"value": [1.0, 2.0], "dtype": "float64"}
    found = solve(
        {"y": "sum(w) * x"}, {"x": wide, "w": 3.0}, "jacobian", dtype="float32", mode=mode
    )
    assert {name: values.dtype.name for name, values in found.items()} == {
        "y.x": "float64",
        "y.w": "float64",
    }


def test_specs_of_both_dtypes_take_turns_in_one_process() -> None:
    x = 1.0 + 2.0**-40  # which float32 does not have
    for dtype in ("float64", "float32", "float64", "float32"):
        values = solve({"y": "x * 1.0"}, {"x": x}, "evaluate", dtype=dtype)["y"]
        assert values.dtype == dtype
        assert values == (x if dtype == "float64" else 1.0)


@pytest.mark.parametrize("derivative", ["jvp", "vjp", "hvp"])
@pytest.mark.parametrize(
    "vector",
    [{"value": [1, 2, 3], "dtype": "int64"}, {"value": [1, 2, 3], "dtype": "float32"}, [1, 2, 3]],
    ids=["integers", "float32", "numbers"],
)
def test_vectors_take_the_dtype_of_what_they_go_with(derivative: str, vector: Any) -> None:
    model = {"y": "sum(x**3)" if derivative == "hvp" else "x**2"}
    at = {"x": {"value": X.tolist(), "dtype": "float64"}}
    (found,) = solve(model, at, derivative, dtype="float32", vector=vector).values()
    factor = 6 * X if derivative == "hvp" else 2 * X
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, factor * [1, 2, 3], rtol=1e-15)


# Failures


@pytest.fixture
def looping(tmp_path: Path) -> str:
    """A spec of a model that has no reverse mode: a loop whose length is not known."""
    (tmp_path / "looping.py").write_text(
        "import jax, jax.numpy as jnp\n"
        "def f(x):\n"
        "    return jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: 2 * y, x).sum()\n"
    )
    spec = tmp_path / "looping.yaml"
    spec.write_text("model: {python: 'looping.py:f'}\ninputs: {x: [1.0, 2.0]}\n")
    return str(spec)


def test_a_model_without_reverse_mode_says_so_and_names_the_others(
    jaccli: Call, looping: str
) -> None:
    refused = jaccli("jacobian", looping, "--allow-python", "--mode", "rev", check=False)
    assert refused.exit_code == 3
    assert refused.stderr == (
        "jaccli: jacobian by mode rev: reverse mode does not go through a `while_loop` "
        "(looping.py:3).\nUse --mode auto or fwd or structured.\n"
    )
    for mode in ("fwd", "auto", "structured", "tuned"):
        forward = jaccli("jacobian", looping, "--allow-python", "--mode", mode, "--format", "npy")
        with open("J.npy", "wb") as file:
            file.write(forward.stdout_bytes)
        np.testing.assert_array_equal(np.load("J.npy"), [4, 4])


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        (
            "RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.",
            "Take fewer rows at a time with --chunk.",
        ),
        ("INTERNAL: the device is lost", ""),
    ],
)
def test_a_failure_of_the_compiled_program_is_reported(
    monkeypatch: pytest.MonkeyPatch, reason: str, hint: str
) -> None:
    plan = plan_of({"y": "x**2"}, {"x": X}, "jacobian")

    def fail(*args: Any) -> None:
        raise jax.errors.JaxRuntimeError(f"{reason}\nand a long dump")

    monkeypatch.setattr(jax, "block_until_ready", fail)
    with pytest.raises(ComputationError) as caught:
        execute(plan, Silent())
    problem = caught.value.problems[0]
    assert (problem.message, problem.hint) == (f"jacobian failed: {reason}", hint)
