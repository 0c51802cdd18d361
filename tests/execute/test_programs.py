"""Compiled programs on disk: found again, never trusted blindly, and never a reason to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli import backend
from jaccli.execute import executable_cache
from jaccli.storage import disk_cache
from tests.thinned import thinned

Call = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent
VECTORS = ("--at", "w={random: normal, shape: [3, 4], seed: 1}")
MODEL = ("-e", "tanh(w @ x)", *VECTORS, "--wrt", "x")
SCALAR = ("-e", "sum(tanh(w @ x)**2)", *VECTORS, "--wrt", "x")


def at(seed: int, shape: str = "[4]") -> tuple[str, str]:
    return "--at", f"x={{random: normal, shape: {shape}, seed: {seed}}}"


def blobs(home: Path) -> list[Path]:
    return sorted((home / "jaccli" / "programs").glob("*.bin"))


CASES = {
    "jacobian": ("jacobian", *MODEL),
    "chunks": ("jacobian", *MODEL, "--mode", "fwd", "--chunk", "2"),
    "loop": ("jacobian", *MODEL, "--mode", "loop"),
    "pieces": ("jacobian", *MODEL, "--wrt", "w", "--mode", "structured", "--chunk", "3"),
    "sparse": ("jacobian", "-e", "x[1:] * x[:-1]", "--mode", "sparse", "--layout", "matrix"),
    "hessian": ("hessian", *SCALAR),
    "float32": ("hessian", *SCALAR, "--dtype", "float32"),
    "vjp": ("vjp", *MODEL, "--vector", "[1, 2, 3]"),
    "hvp": ("hvp", *SCALAR, "--vector", "[1, 2, 3, 4]"),
    "evaluate": ("evaluate", *MODEL),
    "lapack": ("gradient", "-e", "slogdet(outer(x, x) + diag(x**2))[1]"),
}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_a_program_that_is_found_computes_the_same_bytes(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """And at another point, what a program compiled for that point computes."""

    def computed(seed: int) -> tuple[dict[str, bytes], str]:
        jaccli(*arguments, *at(seed), "-o", "r.npz", "--force")
        with np.load("r.npz") as archive:
            arrays = {name: archive[name].tobytes() for name in archive}
        manifest = arrays.pop("manifest", b"").decode("utf-32")
        return arrays, json.loads(manifest)["cache"]

    first, again, other = computed(5), computed(5), computed(6)
    assert (first[1], again[1], other[1]) == ("miss", "hit", "hit")
    assert first[0] == again[0] != other[0]
    monkeypatch.setenv(disk_cache.OFF, "1")
    assert computed(6) == (other[0], "off")


def test_the_summary_says_that_it_was_found(jaccli: Call) -> None:
    first, again = (jaccli("jacobian", *MODEL, *at(5)) for _ in range(2))
    assert first.stdout == again.stdout
    assert "(cached), run" not in first.stderr
    assert "(cached), run" in again.stderr


def test_a_batch_in_chunks_is_found(jaccli: Call) -> None:
    arguments = ("jacobian", *MODEL, "--batch", "x", "--chunk", "2", "--format", "json")
    first, again = (json.loads(jaccli(*arguments, *at(5, "[5, 4]")).stdout) for _ in range(2))
    assert (first["cache"], again["cache"]) == ("miss", "hit")
    assert first["blocks"] == again["blocks"]


@pytest.mark.parametrize("change", [
    ("--dtype", "float32"), ("--mode", "rev"), ("--precision", "default"), ("--chunk", "1"),
    ("--wrt", "w"), ("--at", "w={random: normal, shape: [5, 4], seed: 1}"),
], ids=lambda change: change[0] + change[1][:9])  # fmt: skip
def test_another_program_is_not_taken_for_it(
    jaccli: Call, cache_home: Path, change: tuple[str, ...]
) -> None:
    jaccli("jacobian", *MODEL, *at(5), "-q")
    (known,) = blobs(cache_home)
    jaccli("jacobian", *MODEL, *at(5), *change, "-q")
    assert known in blobs(cache_home)
    assert len(blobs(cache_home)) > 1


def test_the_folder_and_its_files_are_the_user_s_alone(jaccli: Call, cache_home: Path) -> None:
    jaccli("jacobian", *MODEL, *at(5), "-q")
    (blob,) = blobs(cache_home)
    for path in (blob.parent, blob.parent.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    assert blob.stat().st_mode & 0o777 == 0o600


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "scribbled": lambda content: content[:100] + b"scribble" + content[108:],
    "longer": lambda content: content + b"\0",
    "text": lambda content: b"not a program" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_program_is_compiled_again_without_a_word(
    jaccli: Call, cache_home: Path, damage: Callable[[bytes], bytes]
) -> None:
    first = json.loads(jaccli("jacobian", *MODEL, *at(5), "--format", "json").stdout)
    for path in blobs(cache_home):
        path.write_bytes(damage(path.read_bytes()))
    outcome = jaccli("jacobian", *MODEL, *at(5), "--format", "json")
    found = json.loads(outcome.stdout)
    assert (found["cache"], found["blocks"]) == ("miss", first["blocks"])
    assert len(outcome.stderr.splitlines()) == 1  # the summary
    assert json.loads(jaccli("jacobian", *MODEL, *at(5), "--format", "json").stdout)["cache"] == (
        "hit"
    )


def test_what_is_whole_but_no_program_is_compiled_again(jaccli: Call, cache_home: Path) -> None:
    jaccli("jacobian", *MODEL, *at(5), "-q")
    (path,) = blobs(cache_home)
    assert disk_cache.write_blob("programs", path.stem, b"no pickle")
    assert "(cached)" not in jaccli("jacobian", *MODEL, *at(5)).stderr


def writable_by_others(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    for path in paths:
        path.chmod(0o666)
    return "miss"


def a_link(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    for path in paths:
        path.rename(path.with_suffix(".moved"))
        path.symlink_to(path.with_suffix(".moved"))
    return "miss"


def of_somebody_else(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    return "off"


def unwritable(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """Root may write anywhere, so the refusal is made."""
    for path in paths:
        path.unlink()
    monkeypatch.setattr(disk_cache, "_store", lambda *_: False)
    return "off"


def turned_off(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(disk_cache.OFF, "1")
    return "off"


@pytest.mark.parametrize(
    "spoil",
    [writable_by_others, a_link, of_somebody_else, unwritable, turned_off],
    ids=lambda spoil: spoil.__name__,
)
def test_what_others_may_have_written_is_not_run(
    jaccli: Call, cache_home: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., str]
) -> None:
    first = json.loads(jaccli("jacobian", *MODEL, *at(5), "--format", "json").stdout)
    expected = spoil(blobs(cache_home), monkeypatch)
    outcome = jaccli("jacobian", *MODEL, *at(5), "--format", "json")
    found = json.loads(outcome.stdout)
    assert (found["cache"], found["blocks"]) == (expected, first["blocks"])
    assert len(outcome.stderr.splitlines()) == 1


def test_the_name_depends_on_all_that_decides_on_code(monkeypatch: pytest.MonkeyPatch) -> None:
    backend.configure(x64=True)
    device = backend.find("cpu")

    def name() -> str | None:
        executable_cache._surroundings.cache_clear()
        return executable_cache.key(device, "program")

    names = [name()]
    assert names == [name()]
    versions = {**backend.versions(), "jaxlib": "0.0.0"}
    changes: list[Callable[[pytest.MonkeyPatch], None]] = [
        lambda patch: patch.setattr(disk_cache, "processor", lambda: ["another"]),
        lambda patch: patch.setattr(executable_cache, "_own_files", lambda: [("jaccli.py", 1, 1)]),
        lambda patch: patch.setattr(backend, "versions", lambda: versions),
        lambda patch: patch.setattr(sys, "version", "3.0"),
        lambda patch: patch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
        lambda patch: patch.setenv("NPROC", "1"),
    ]
    for change in changes:
        with monkeypatch.context() as patch:
            change(patch)
            names.append(name())
    names += [executable_cache.key(device, "another"), executable_cache.key(device, "pro", "gram")]
    executable_cache._surroundings.cache_clear()
    assert None not in names
    assert len(set(names)) == len(names)


@pytest.fixture
def written_models() -> Iterator[None]:
    """Modules of models do not outlive the test."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("model"):
            del sys.modules[name]


def python_model(jaccli: Call, text: str) -> dict[str, Any]:
    Path("model.py").write_text(f"import jax\nimport jax.numpy as jnp\n\n\n{text}")
    spec = "model: {python: 'model.py:f'}\ninputs: {x: [1.0, 2.0]}\n"
    options = ("--allow-python", "--format", "json", "-q")
    found: dict[str, Any] = json.loads(jaccli("jacobian", "-", *options, stdin=spec).stdout)
    return found


def test_a_python_model_is_known_by_what_it_does(jaccli: Call, written_models: None) -> None:
    once, again = (python_model(jaccli, "def f(x):\n    return 2 * x\n") for _ in range(2))
    other = python_model(jaccli, "def f(x):\n    return 3 * x\n")
    assert [found["cache"] for found in (once, again, other)] == ["miss", "hit", "miss"]
    values = [found["blocks"]["f.x"]["values"] for found in (once, again, other)]
    assert values == [[[2.0, 0.0], [0.0, 2.0]]] * 2 + [[[3.0, 0.0], [0.0, 3.0]]]


def test_arrays_of_one_shape_are_not_taken_for_each_other(
    jaccli: Call, written_models: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of programs that are known by their text, which does not say whose its arrays are."""
    inputs = "inputs: {a: [1.0, 2.0], b: [3.0, 4.0]}"
    specs = []
    for number, result in enumerate(("a**2", "b**2", "{'u': a**2, 'v': b**2}", "{'v': a**2}")):
        Path(f"model{number}.py").write_text(f"def f(a, b):\n    return {result}\n")
        specs.append(f"model: {{python: 'model{number}.py:f'}}\n{inputs}\n")
    for inverse in ("inv(diag(a)) @ b", "inv(diag(b)) @ a"):
        spec = f"model: {{expression: {inverse}}}\n{inputs}\n"
        specs += [f"{spec}wrt: {wrt}\n" for wrt in ("[a]", "[b]", "[a, b]")]
    arguments = ("evaluate", "-", "--allow-python", "--quiet")
    kept = [jaccli(*arguments, stdin=spec).stdout for spec in specs]
    monkeypatch.setenv(disk_cache.OFF, "1")
    assert kept == [jaccli(*arguments, stdin=spec).stdout for spec in specs]


A, B = "a: [[2, 1], [1, 3]]", "b: [[4, 1], [1, 4]]"
UNUSED = {
    "the other input": ("inv(b)", f"{A}, {B}"),
    "another name": ("inv(c)", "c: [[2, 1], [1, 3]], " + B),
    "one more": ("inv(a)", f"{A}, {B}, c: 1"),
    "one less": ("inv(a)", A),
    "another shape": ("inv(a)", f"{A}, b: [1, 2]"),
}


@pytest.mark.parametrize(("expression", "inputs"), UNUSED.values(), ids=UNUSED)
def test_what_is_known_by_its_text_is_known_by_its_arguments_too(
    jaccli: Call, expression: str, inputs: str
) -> None:
    """Neither an argument's name nor one that the model does not use is in the text."""
    jaccli("evaluate", "-e", "inv(a)", "--set", f"inputs={{{A}, {B}}}", "-q")
    given = ("--set", f"inputs={{{inputs}}}")
    outcome = jaccli("evaluate", "-e", expression, *given, "--format", "json")
    found = json.loads(outcome.stdout)
    matrix = [[4, 1], [1, 4]] if expression == "inv(b)" else [[2, 1], [1, 3]]
    assert found["cache"] == "miss"
    np.testing.assert_allclose(found["blocks"]["f"]["values"], np.linalg.inv(matrix), rtol=1e-12)


def test_a_program_that_calls_this_process_is_not_kept(
    jaccli: Call, cache_home: Path, written_models: None
) -> None:
    text = """def f(x):
    jax.debug.callback(lambda x: None, x[0])
    return 2 * x
"""
    for _ in range(2):
        assert python_model(jaccli, text)["cache"] == "off"
    assert blobs(cache_home) == []


def specs(count: int) -> list[str]:
    names = []
    for seed in range(count):
        text = f"x: {{random: normal, shape: [4], seed: {seed}}}"
        text = f"model: {{expression: 'tanh(x) * x[0]'}}\ninputs:\n  {text}\n"
        Path(f"s{seed}.yaml").write_text(text)
        names.append(f"s{seed}.yaml")
    return names


def test_several_specs_of_one_structure_share_a_program(
    jaccli: Call, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = specs(3)
    outcome = jaccli("jacobian", *names, "--out-dir", "out")
    assert [" (cached)" in line for line in outcome.stderr.splitlines()] == [False, True, True]
    assert len(blobs(cache_home)) == 1
    monkeypatch.setenv(disk_cache.OFF, "1")
    for name in names:
        jaccli("jacobian", name, "-o", "alone.npz", "--force", "-q")
        with np.load("alone.npz") as alone, np.load(f"out/{Path(name).stem}.npz") as found:
            assert alone["f.x"].tobytes() == found["f.x"].tobytes()


SWEEP = """
model: {expression: tanh(w @ x) * s}
inputs: {w: {random: normal, shape: [3, 4], seed: 1}, x: [1, 2, 3, 4], s: 1}
sweep: {inputs.s: [1, 2, 3]}
"""
IN_PROCESSES: dict[str, tuple[str, ...]] = {
    # Loaded without having been lowered, such a program would crash the process.
    "lapack": ("jacobian", "-e", "inv(a)", "--at", "a=[[2, 1], [1, 3]]"),
    "sweep": ("run", "sweep.yaml", "--out-dir", "out", "--force"),
    "sweep of two processes": ("run", "sweep.yaml", "--out-dir", "out", "--force", "--jobs", "2"),
}


@pytest.mark.parametrize(
    "arguments", thinned([(arguments,) for arguments in IN_PROCESSES.values()], 3), ids=IN_PROCESSES
)
def test_a_new_process_finds_programs_and_is_silent_about_it(
    cache_home: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    del environment["TF_CPP_MIN_LOG_LEVEL"]  # that of these tests
    calls, known = [], []
    for _ in range(2):
        command = [sys.executable, "-m", "jaccli", *arguments]
        calls.append(
            subprocess.run(
                command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
            )
        )
        known.append(blobs(cache_home))
    first, again = calls
    assert known[0] == known[1] != []
    assert first.stdout == again.stdout
    assert len(again.stderr.splitlines()) == 1  # the summary
