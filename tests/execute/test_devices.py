"""Several devices: what is refused, and the tests that need more than one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaccli import backend
from jaccli.errors import DeviceError
from jaccli.spec.schema import json_schema

Jaccli = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent
MODEL = ("-e", "x**2", "--at", "x={linspace: [0, 1, 8]}")


@pytest.mark.slow
def test_on_four_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         str(Path(__file__).with_name("on_four_devices.py"))],
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "4", "JAX_PLATFORMS": "cpu",
             "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("value", ["0", "-1", "some", "2.5", "true"])
def test_what_is_no_number_of_devices_is_refused(jaccli: Jaccli, value: str) -> None:
    refused = jaccli("jacobian", *MODEL, "--devices", value, check=False)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"--devices: {value!r} is not a number of devices.\n"
        f"  {value}\n"
        f"  {'^' * len(value)}\n"
        "Expected 'all', or a whole number of at least 1.\n"
    )


def test_a_number_of_devices_does_not_go_with_one_of_them(jaccli: Jaccli) -> None:
    several = ("--devices", "2")
    refused = jaccli("jacobian", *MODEL, "--device", "cpu:1", *several, check=False)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "--devices: 2 devices, and the device 'cpu:1', which is one.\n"
        "  2\n"
        "  ^\n"
        "Write 'cpu' for the platform, or leave out the number of devices.\n"
    )


def test_more_devices_than_there_are_are_an_error() -> None:
    count = len(jax.devices("cpu")) + 1
    with pytest.raises(DeviceError, match=f"fewer than {count} cpu devices here"):
        backend.find("cpu", count)
    with pytest.raises(DeviceError, match="no device 'tpu' here"):
        backend.find("tpu", "all")


def test_the_schema_takes_a_number_or_all() -> None:
    schema = json_schema()["properties"]["devices"]
    assert schema["anyOf"] == [{"type": "integer", "minimum": 1}, {"enum": ["all"]}]


@pytest.mark.gpu
def test_all_gpus_give_the_numbers_of_the_cpu(jaccli: Jaccli) -> None:
    backend.configure(x64=False)
    if not any(device.name.startswith("gpu") for device in backend.devices()):
        pytest.skip("no GPU here")
    spec = str(ROOT / "configs" / "forecast_batch_hessian.yaml")
    jaccli("run", spec, "--device", "cpu", "-o", "cpu.npy")
    jaccli("run", spec, "--device", "gpu", "--devices", "all", "-o", "gpu.npy")
    cpu, gpu = np.load("cpu.npy"), np.load("gpu.npy")
    np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-5 * np.max(np.abs(cpu)))
