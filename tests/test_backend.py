"""Setting JAX up: versions that are refused, bits, memory, devices."""

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
from jaccli.errors import ComputationError, DeviceError

Call = Callable[..., Any]
ROOT = Path(__file__).parent.parent


def platforms() -> set[str]:
    return {device.name.partition(":")[0] for device in backend.devices()}


@pytest.mark.parametrize(
    ("package", "found", "why"),
    [
        ("jax", "0.10.2", "jax-ml/jax#39103: wrong numbers in batched Hessians on the CPU"),
        ("jaxlib", "0.10.2", "jax-ml/jax#39103: wrong numbers in batched Hessians on the CPU"),
        ("jax", "0.11.0", "jax-ml/jax#39257: crashes in compiled programs on the CPU"),
    ],
)
def test_versions_that_miscompile_are_refused(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch, package: str, found: str, why: str
) -> None:
    real = backend._version
    monkeypatch.setattr(backend, "_version", lambda name: found if name == package else real(name))
    refused = jaccli("jacobian", "-e", "x**2", "--at", "x=3", check=False)
    assert refused.exit_code == ComputationError.exit_code
    assert refused.stderr == (
        f"jaccli: {package} {found} gives wrong results ({why}).\n"
        "Install jax 0.10.1: pip install jax==0.10.1\n"
    )


def test_no_refused_version_is_the_one_that_is_recommended() -> None:
    assert "0.10.1" not in backend.MISCOMPILING


def test_bits_follow_the_last_call() -> None:
    for x64, dtype in ((True, np.float64), (False, np.float32), (True, np.float64)):
        backend.configure(x64=x64)
        assert jax.numpy.zeros(1, float).dtype == dtype


def test_gpu_memory_is_not_preallocated_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    backend.set_environment()
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    backend.set_environment()
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


def test_the_default_is_jaxs_first_device() -> None:
    assert backend.find(None).handle is jax.devices()[0]
    assert backend.devices()[0] == backend.find(None)
    assert "cpu" in platforms()


def test_a_platform_means_its_first_device() -> None:
    assert backend.find("cpu") == backend.find("cpu:0")
    assert backend.find("cpu").name == "cpu:0"


@pytest.mark.parametrize("name", ["gpu", "gpu:1", "tpu", "cpu:99"])
def test_an_absent_device_is_an_error_and_never_another_one(jaccli: Call, name: str) -> None:
    if name.partition(":")[0] in platforms() - {"cpu"}:
        pytest.skip(f"there is a {name} here")
    with pytest.raises(DeviceError, match=f"no device '{name}' here"):
        backend.find(name)
    refused = jaccli("jacobian", "-e", "x**2", "--at", "x=3", "--device", name, check=False)
    assert (refused.exit_code, refused.stdout) == (4, "")
    present = ", ".join(device.name for device in backend.devices())
    assert refused.stderr == f"jaccli: no device '{name}' here.\nAvailable: {present}.\n"


def test_platforms_that_are_not_there_are_no_device() -> None:
    if "gpu" in platforms():
        pytest.skip("there is a GPU here")
    done = subprocess.run(
        [sys.executable, "-m", "jaccli", "jacobian", "-e", "x**2", "--at", "x=3"],
        env={**os.environ, "JAX_PLATFORMS": "cuda"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "jaccli: JAX finds no device.\nJAX_PLATFORMS is 'cuda'; unset it, or name what is here.\n"
    )


def test_versions_name_what_a_result_depends_on() -> None:
    found = backend.versions()
    assert set(found) == {"jaccli", "jax", "jaxlib", "numpy"}
    assert (found["jax"], found["numpy"]) == (jax.__version__, np.__version__)


@pytest.mark.gpu
def test_the_forecast_on_a_gpu_is_the_one_of_the_cpu(jaccli: Call) -> None:
    backend.configure(x64=False)
    if "gpu" not in platforms():
        pytest.skip("no GPU here")
    for device in ("cpu", "gpu"):
        for name in ("forecast", "forecast_batch_hessian"):
            spec = str(ROOT / "configs" / f"{name}.yaml")
            jaccli("run", spec, "--device", device, "-o", f"{name}.{device}.npy")
    for name in ("forecast", "forecast_batch_hessian"):
        cpu, gpu = (np.load(f"{name}.{device}.npy") for device in ("cpu", "gpu"))
        np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-5 * np.max(np.abs(cpu)))


@pytest.mark.parametrize("package", ["analyze", "plan", "verify"])
def test_what_jax_reads_is_set_before_it_is_imported(package: str) -> None:
    """JAX looks once: its logs would be on the terminal of who runs a command that begins here."""
    code = f"""
import importlib, os, pkgutil, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "jax":
            print(os.environ.get("TF_CPP_MIN_LOG_LEVEL"))
            sys.stdout.flush()
            os._exit(0)

sys.meta_path.insert(0, Finder())
import jaccli
root = importlib.import_module("jaccli.{package}")
for module in pkgutil.iter_modules(root.__path__, "jaccli.{package}."):
    importlib.import_module(module.name)
"""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "3\n", done.stderr
