"""Several devices: the same numbers as one, whatever is split.

`test_devices.py` runs this file in a process in which the CPU is four devices: their number is
settled when JAX starts, and other tests want one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from cases import CASES
from pipeline import assert_blocks, plan_of, result_of, solve

from jaccli import backend
from jaccli.execute import prepare
from jaccli.result import Partial, dense

Jaccli = Callable[..., Any]

_rng = np.random.default_rng(12)
MODEL = {"y": "tanh(w @ x) * s", "z": "sum(x**3)"}
AT = {"w": _rng.normal(size=(7, 5)), "x": _rng.normal(size=5), "s": 1.5}
BATCH = AT | {"x": _rng.normal(size=(5, 10)), "s": _rng.normal(size=10)}
BY_BATCH: dict[str, Any] = {"wrt": ["w", "x"], "batch": {"x": 1, "s": 0}}
BANDED = {"y": "x[1:]**2 * x[:-1] + sin(x[1:])"}


def same_bits(model: dict[str, str], at: dict[str, Any], derivative: str, **entries: Any) -> str:
    """Compare several devices with one that takes chunks as large, bit by bit; return their name.

    A `chunk` is what one device computes at a time.
    """
    plan = plan_of(model, at, derivative, **entries)
    chunk = prepare(plan).plan.chunk
    several = result_of(model, at, derivative, **entries)
    one = result_of(model, at, derivative, **entries | {"devices": 1, "chunk": chunk})
    assert one.device == "cpu:0"
    for a, b in zip(several.blocks, one.blocks, strict=True):
        assert np.array_equal(dense(a.values), dense(b.values)), a.key
    return several.device


def test_there_are_four_devices_here() -> None:
    assert len(jax.devices("cpu")) == 4


@pytest.mark.parametrize("mode", ["fwd", "rev", "loop", "structured-fwd", "structured-rev"])
def test_the_jacobian_is_the_one_derived_by_hand(mode: str) -> None:
    for case in CASES[::4]:
        entries: dict[str, Any] = {"wrt": list(case.wrt), "mode": mode, "devices": 3}
        found = solve(case.expressions, case.inputs, "jacobian", **entries)
        assert_blocks(found, case.expected(1), 1e-12)


@pytest.mark.parametrize("mode", ["fwd-rev", "rev-rev", "structured-fwd-rev"])
def test_the_hessian_is_the_one_derived_by_hand(mode: str) -> None:
    for case in CASES[1::6]:
        entries: dict[str, Any] = {"wrt": list(case.wrt), "mode": mode, "devices": "all"}
        found = solve(case.expressions, case.inputs, "hessian", **entries)
        assert_blocks(found, case.expected(2), 1e-12)


@pytest.mark.parametrize(
    ("derivative", "mode"),
    [("jacobian", "fwd"), ("jacobian", "structured-rev"), ("hessian", "structured-fwd-rev")],
)
def test_unit_vectors_have_the_bits_of_one_device_with_the_same_chunk(
    derivative: str, mode: str
) -> None:
    entries: dict[str, Any] = {"mode": mode, "wrt": ["x", "s"]}
    assert same_bits(MODEL, AT, derivative, devices=3, **entries) == "cpu:0-2"
    assert same_bits(MODEL, AT, derivative, devices=4, chunk=1, **entries) == "cpu:0-3"


@pytest.mark.parametrize("devices", [2, 3, 4])
def test_batch_rows_have_the_bits_of_one_device_with_the_same_chunk(devices: int) -> None:
    # Ten rows are split evenly by two devices alone.
    name = same_bits(MODEL, BATCH, "jacobian", devices=devices, **BY_BATCH)
    assert name == f"cpu:0-{devices - 1}"
    same_bits(MODEL, BATCH, "jacobian", devices=devices, chunk=1, **BY_BATCH)


@pytest.mark.parametrize("entries", [{"devices": 3}, {"device": "cpu:2"}, {"devices": 2}])
def test_a_program_is_found_again_for_these_devices_alone(entries: dict[str, Any]) -> None:
    def computed(**entries: Any) -> Any:
        return result_of(MODEL, BATCH, "jacobian", **BY_BATCH, **entries)

    computed()
    computed(devices="all")
    first, again = (computed(**entries) for _ in range(2))
    assert (first.cache, again.cache) == ("miss", "hit")
    for a, b in zip(first.blocks, again.blocks, strict=True):
        assert np.array_equal(dense(a.values), dense(b.values)), a.key


def test_what_all_rows_share_is_not_summed_over_the_devices() -> None:
    found = solve({"y": "w * x"}, {"w": 2.0, "x": np.arange(4.0)}, "gradient", batch=["x"],
                  wrt=["w"], mode="rev", devices="all")  # fmt: skip
    assert_blocks(found, {"y.w": np.arange(4.0)})


@pytest.mark.parametrize("derivative", ["evaluate", "jvp", "vjp"])
def test_products_and_values_of_a_batch_are_split(derivative: str) -> None:
    vectors = {
        "evaluate": None,
        "jvp": {"w": np.ones((7, 5)), "x": _rng.normal(size=(10, 5))},
        "vjp": {"y": np.ones(7), "z": 2.0},
    }
    entries: dict[str, Any] = {**BY_BATCH, "vector": vectors[derivative]}
    if derivative == "evaluate":
        del entries["vector"]
    if derivative == "jvp":
        entries["vector"]["w"] = np.broadcast_to(np.ones((7, 5)), (10, 7, 5))
    expected = solve(MODEL, BATCH, derivative, **entries)
    assert plan_of(MODEL, BATCH, derivative, devices=3, **entries).device.count == 3
    found = solve(MODEL, BATCH, derivative, devices=3, **entries)
    assert_blocks(found, expected, 1e-14)


def test_the_colors_of_a_sparse_jacobian_are_split() -> None:
    at = {"x": _rng.normal(size=40)}
    entries: dict[str, Any] = {"mode": "sparse", "storage": "sparse"}
    one = solve(BANDED, at, "jacobian", **entries)
    found = result_of(BANDED, at, "jacobian", devices="all", **entries)
    assert_blocks({block.key: dense(block.values) for block in found.blocks}, one, 1e-14)


def test_no_more_devices_than_parts_and_the_reason_says_so() -> None:
    few = plan_of(MODEL, AT, "jacobian", mode="fwd", wrt=["s", "x"], devices=4, chunk=3)
    assert (few.device.name, few.rounds) == ("cpu:0-1", 1)
    assert few.reason == "as asked; 2 of 4 devices: it has 2 chunks"
    whole = plan_of(MODEL, AT, "evaluate", devices="all")
    assert whole.device.name == "cpu:0"
    assert whole.reason == "no derivative; 1 of 4 devices: it is computed in one piece"
    row = plan_of({"z": "sum(x**3)"}, {"x": np.ones(3)}, "gradient", devices=2)
    assert row.device.count == 1


def test_the_budget_of_a_cpu_is_for_all_of_its_devices() -> None:
    at = {"w": _rng.normal(size=(300, 40)), "x": _rng.normal(size=40)}
    model = {"y": "tanh(w @ x)"}
    held = {}
    for devices in (1, 4):
        program = prepare(plan_of(model, at, "jacobian", mode="fwd", wrt=["x"], devices=devices))
        held[devices] = program.cost.held
    assert held[4] > held[1] + 3 * at["w"].nbytes // 2  # each has a copy of what they share
    expected = solve(model, at, "jacobian", mode="fwd", wrt=["x"])
    tight = {"mode": "fwd", "wrt": ["x"], "devices": 4, "memory": held[4] - 50_000}
    chunk = prepare(plan_of(model, at, "jacobian", **tight)).plan.chunk
    assert chunk is not None
    assert chunk < 10
    assert_blocks(solve(model, at, "jacobian", **tight), expected, 1e-14)


LARGE = (
    "jacobian", "-e", "y = a * sum(b * x**2)", "--at", "a={linspace: [1, 2, 401]}",
    "--at", "b={linspace: [2, 3, 301]}", "--at", "x={linspace: [0, 1, 301]}", "--wrt", "x",
    "--memory", "400KiB",
)  # fmt: skip
ROWS = (
    "gradient", "-e", "sum(sin(x)**2)", "--at", "x={random: normal, shape: [503, 40], seed: 3}",
    "--batch", "x", "--memory", "280KiB",
)  # fmt: skip


@pytest.mark.parametrize("command", [LARGE, (*LARGE, "--mode", "fwd"), ROWS])
def test_a_streamed_file_has_the_bytes_of_one_device(
    jaccli: Jaccli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    jaccli(*command, "--chunk", "6", "-o", tmp_path / "one.npy")
    outcome = jaccli(*command, "--chunk", "6", "--devices", "3", "-o", tmp_path / "three.npy")
    assert "cpu:0-2" in outcome.stderr
    assert " chunks" in outcome.stderr
    assert (tmp_path / "three.npy").read_bytes() == (tmp_path / "one.npy").read_bytes()


def test_streamed_parts_fit_the_budget_and_are_resumed(
    jaccli: Jaccli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "J.npy"
    command = [*LARGE, "--devices", "3", "-o", str(target)]
    with monkeypatch.context() as patch:
        note = Partial.note

        def interrupted(partial: Partial, number: int) -> None:
            if number == 4:  # in the middle of what three devices computed
                raise KeyboardInterrupt
            note(partial, number)

        patch.setattr(Partial, "note", interrupted)
        assert jaccli(*command, check=False).exit_code == 130
    other = [*LARGE, "--devices", "2", "-o", str(target), "--resume"]
    refused = jaccli(*other, check=False)
    assert refused.exit_code == 2
    assert "what an earlier run has begun is not this" in refused.stderr
    resumed = jaccli(*command, "--resume")
    assert "4 of them by an earlier run" in resumed.stderr
    jaccli(*LARGE, "-o", tmp_path / "one.npy")
    assert target.read_bytes() == (tmp_path / "one.npy").read_bytes()


def test_a_sweeps_batched_call_is_split(jaccli: Jaccli, tmp_path: Path) -> None:
    spec = tmp_path / "sweep.yaml"
    spec.write_text(
        "model: {expressions: {y: tanh(k * x)}}\n"
        "inputs: {k: 1.0, x: {linspace: [0, 1, 5]}}\n"
        "wrt: x\nsweep: {inputs.k: {range: [1, 8, 1]}}\n"
    )
    for name, devices in (("one", "1"), ("all", "all")):
        jaccli("run", spec, "--set", f"devices={devices}", "--out-dir", tmp_path / name)
    manifest = json.loads((tmp_path / "all" / "manifest.json").read_text())
    assert {task["device"] for task in manifest["tasks"]} == {"cpu:0-3"}
    files = sorted(path.name for path in (tmp_path / "one").glob("*.npz"))
    assert len(files) == 7
    for name in files:
        one, found = (np.load(tmp_path / folder / name)["y.x"] for folder in ("one", "all"))
        np.testing.assert_allclose(found, one, rtol=0, atol=1e-15)


def test_results_and_plans_name_the_devices(jaccli: Jaccli) -> None:
    args = ("-e", "x**2", "--at", "x={linspace: [0, 1, 8]}", "--format", "json")
    result = json.loads(jaccli("jacobian", *args, "--devices", "3").stdout)
    assert result["device"] == "cpu:0-2"
    plan = json.loads(jaccli("plan", *args, "--device", "cpu", "--devices", "all").stdout)
    assert (plan["device"], plan["chunk"], plan["chunks"]) == ("cpu:0-3", 2, 4)
    shown = jaccli("plan", *args[:-2], "--devices", "all").stdout
    assert "\ndevice   cpu:0-3, float64, precision highest\n" in shown
    assert "for all devices\nchunks   4 of up to 2 unit vectors, 4 at a time\n" in shown
    one = json.loads(jaccli("jacobian", *args, "--devices", "1", "--device", "cpu").stdout)
    assert one["device"] == "cpu:0"


def test_every_command_takes_several_devices(jaccli: Jaccli) -> None:
    args = ("-e", "y = tanh(x)", "--at", "x={linspace: [0, 1, 9]}", "--devices", "3")
    assert jaccli("check", *args).exit_code == 0
    assert (
        "device   cpu:0-2" in jaccli("bench", *args, "--modes", "fwd,rev", "--repeat", "3").stdout
    )
    assert "cpu:0-2" in jaccli("jacobian", *args, "--mode", "tuned", "--format", "none").stderr


def test_more_devices_than_there_are_is_an_error(jaccli: Jaccli) -> None:
    refused = jaccli("jacobian", "-e", "x", "--at", "x=1", "--devices", "5", check=False)
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert refused.stderr == (
        "jaccli: fewer than 5 cpu devices here.\nAvailable: cpu:0, cpu:1, cpu:2, cpu:3. "
        "JAX_NUM_CPU_DEVICES=5 makes so many of one CPU.\n"
    )


def test_names_of_devices() -> None:
    assert [backend.find("cpu", n).name for n in (1, 2, "all")] == ["cpu:0", "cpu:0-1", "cpu:0-3"]
    assert backend.find("cpu:2").name == "cpu:2"
    apart = backend.Device((backend.find("cpu:0").handle, backend.find("cpu:2").handle))
    assert apart.name == "cpu:0,2"
