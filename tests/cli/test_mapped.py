"""Batches that stay in their files: the bytes and the errors of those that are read whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.errors import SourceError
from jaccli.result import Partial
from jaccli.storage.memmap import MemmapArray, blocks
from jaccli.storage.npy import map_array

Call = Callable[..., Any]

ROWS = 2_000
SMALL = ("--memory", "160KiB")
CHUNKS = ("--chunk", "64", "--mode", "structured")
"""The same for both: chunks of other sizes are of other programs, which may round otherwise."""
_rng = np.random.default_rng(4)
X = _rng.normal(size=(ROWS, 8))
K = _rng.integers(0, 8, size=ROWS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    arrays = {
        "x64": X,
        "x32": X.astype(np.float32),
        "transposed": np.ascontiguousarray(X.T),
        "fortran": np.asfortranarray(X),
        "big_endian": X.astype(">f8"),
        "k": K,
        "large": np.where(np.arange(ROWS)[:, None] == 1_700, 1e300, X),
        "nan": np.where(np.arange(ROWS)[:, None] == 1_700, np.nan, X),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x64.npy").read_bytes()[:-9])
    return tmp_path


def mapped_bytes(jaccli: Call, *args: str) -> int:
    """Return how much of the inputs the plan leaves in files."""
    plan = json.loads(jaccli("plan", *args, "--format", "json").stdout)
    return int(plan["bytes"]["mapped"])


CASES = {
    "streamed": ("jacobian", "sin(x) * sum(x)", "x=@x64.npy", "x", "float64"),
    "cast down": ("jacobian", "sin(x) * sum(x)", "x=@x64.npy", "x", "float32"),
    "cast up": ("jacobian", "sin(x) * sum(x)", "x=@x32.npy", "x", "float64"),
    "another axis": ("jacobian", "sin(x) * sum(x)", "x=@transposed.npy", "x=-1", "float64"),
    "held": ("evaluate", "sum(x**2)", "x=@x64.npy", "x", "float64"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_are_those_of_an_input_read_whole(jaccli: Call, folder: Path, name: str) -> None:
    derivative, expression, at, batch, dtype = CASES[name]
    model = ("-e", expression, "--at", at, "--batch", batch, "--dtype", dtype, *CHUNKS)
    if derivative == "evaluate":
        model = (*model[:-1], "auto")
    assert mapped_bytes(jaccli, "--of", derivative, *model, *SMALL, "-o", "plan.npy") == ROWS * 64
    assert mapped_bytes(jaccli, "--of", derivative, *model) == 0
    outcome = jaccli(derivative, *model, *SMALL, "-o", folder / "mapped.npy")
    assert (" chunks" in outcome.stderr) == (name != "held")
    jaccli(derivative, *model, "-o", folder / "whole.npy")
    assert (folder / "mapped.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_the_chunk_is_found_and_the_numbers_are_right(jaccli: Call, folder: Path) -> None:
    model = ("-e", "y = sum(sin(x)**2)", "--at", "x=@x64.npy", "--batch", "x")
    jaccli("gradient", *model, *SMALL, "-o", folder / "g.npy")
    np.testing.assert_allclose(np.load(folder / "g.npy"), np.sin(2 * X), rtol=0, atol=1e-14)
    plan = jaccli("plan", "--of", "gradient", *model, *SMALL, "-o", "plan.npy").stdout
    assert "memory   inputs 0 B and 125.0 KiB in files, read by chunks, result 125.0 KiB" in plan


def test_integers_stay_integers(jaccli: Call, folder: Path) -> None:
    np.save(folder / "many.npy", np.tile(K, 10))
    model = ("-e", "w[k]", "--at", "k=@many.npy", "--batch", "k", "--at", "w={arange: [0, 8, 1]}")
    assert mapped_bytes(jaccli, "--of", "evaluate", *model, "--memory", "500KiB") == ROWS * 80
    jaccli("evaluate", *model, "--memory", "500KiB", "-o", folder / "y.npy")
    np.testing.assert_array_equal(np.load(folder / "y.npy"), np.tile(K, 10))


@pytest.mark.parametrize("vector", ["v=@x64.npy", "@x64.npy"])
def test_tangents_stay_in_their_files_too(jaccli: Call, folder: Path, vector: str) -> None:
    model = ("-e", "y = sum(x**3)", "--at", "x=@x64.npy", "--batch", "x")
    vector = vector.replace("v=", "x=")
    assert mapped_bytes(jaccli, "--of", "jvp", *model, *SMALL, "--vector", vector) == ROWS * 128
    jaccli("jvp", *model, *SMALL, "--vector", vector, "-o", folder / "y.npy")
    np.testing.assert_allclose(np.load(folder / "y.npy"), np.sum(3 * X**3, 1), rtol=1e-12)


def test_a_tangent_that_all_rows_share_must_fit(jaccli: Call, folder: Path) -> None:
    model = ("-e", "y = sum(w) * x", "--at", "w={zeros: [2000, 8]}", "--wrt", "w")
    batch = ("--at", "x={ones: 3}", "--batch", "x", "--vector", "@x64.npy")
    jaccli("jvp", *model, *batch, "--memory", "400KiB", "-o", folder / "y.npy")
    np.testing.assert_allclose(np.load(folder / "y.npy"), np.full(3, X.sum()), rtol=1e-12)


@pytest.mark.parametrize("name", ["fortran", "big_endian"])
def test_what_stands_otherwise_in_the_file_is_read_whole(
    jaccli: Call, folder: Path, name: str
) -> None:
    model = ("-e", "y = sum(x**2)", "--at", f"x=@{name}.npy", "--batch", "x", "--memory", "300KiB")
    assert mapped_bytes(jaccli, "--of", "evaluate", *model) == 0
    jaccli("evaluate", *model, "-o", folder / "y.npy")
    np.testing.assert_allclose(np.load(folder / "y.npy"), np.sum(X**2, 1), rtol=1e-12)


def test_what_is_not_taken_by_rows_must_fit(jaccli: Call, folder: Path) -> None:
    at = ("--at", "x=@x64.npy", "--memory", "100KiB")
    outcome = jaccli("evaluate", "-e", "sum(x)", *at, check=False)
    assert outcome.exit_code == 3
    assert "the array needs 125.0 KiB, more than the limit 100.0 KiB." in outcome.stderr
    outcome = jaccli("check", "-e", "sum(x)", *at, "--batch", "x", check=False)
    assert outcome.exit_code == 3
    assert "the array needs 125.0 KiB, more than the limit 100.0 KiB." in outcome.stderr


def test_a_chunk_whose_rows_do_not_fit_is_refused_unread(jaccli: Call, folder: Path) -> None:
    model = ("-e", "sum(x**2)", "--at", "x=@x64.npy", "--batch", "x", "--memory", "100KiB")
    outcome = jaccli("evaluate", *model, "--chunk", "1500", check=False)
    assert outcome.exit_code == 3
    assert outcome.stderr == (
        "jaccli: evaluate: a chunk's rows in files take 187.5 KiB, more than the memory budget of "
        "100.0 KiB (the largest block, f, has the shape (2000,)).\n"
        "Raise --memory, or take fewer rows at a time with --chunk.\n"
    )


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("large", ("jacobian", "-e", "sin(x)", "--dtype", "float32", "-o", "y.npy"), 2),
        ("large", ("evaluate", "-e", "sum(x)", "--dtype", "float32"), 2),
        ("cut", ("evaluate", "-e", "sum(x)"), 3),
        ("nan", ("evaluate", "-e", "sum(x)", "--fail-on-nonfinite"), 3),
        ("missing", ("evaluate", "-e", "sum(x)"), 3),
    ],
)
def test_errors_are_those_of_an_input_read_whole(
    jaccli: Call, folder: Path, name: str, args: tuple[str, ...], code: int
) -> None:
    model = (*args, "--at", f"x=@{name}.npy", "--batch", "x")
    mapped = jaccli(*model, *SMALL, check=False)
    assert (mapped.exit_code, mapped.stdout) == (code, "")
    assert mapped.stderr == jaccli(*model, check=False).stderr
    assert not list(folder.glob("*y.npy*"))


def test_other_numbers_in_the_file_are_not_mixed_in(
    jaccli: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder / "J.npy"
    model = ("-e", "sin(x) * sum(x)", "--at", "x=@x64.npy", "--batch", "x", *CHUNKS)
    command = ("jacobian", *model, *SMALL, "-o", target)
    with monkeypatch.context() as patch:
        note = Partial.note

        def interrupted(partial: Partial, number: int) -> None:
            if number == 3:
                raise KeyboardInterrupt
            note(partial, number)

        patch.setattr(Partial, "note", interrupted)
        assert jaccli(*command, check=False).exit_code == 130
    np.save(folder / "x64.npy", X + (np.arange(ROWS)[:, None] == 1_999))
    refused = jaccli(*command, "--resume", check=False)
    assert refused.exit_code == 2
    assert "what an earlier run has begun is not this: inputs was" in refused.stderr
    np.save(folder / "x64.npy", X)
    jaccli(*command, "--resume")
    jaccli("jacobian", *model, "-o", folder / "whole.npy")
    assert target.read_bytes() == (folder / "whole.npy").read_bytes()


def opened(path: Path) -> MemmapArray:
    with path.open("rb") as stream:
        found = map_array(stream, path.name, path.stat().st_size, 0)
    assert isinstance(found, MemmapArray)
    return found


def test_parts_are_those_of_the_array(folder: Path) -> None:
    mapped = opened(folder / "x64.npy")
    for index in (np.s_[3:7], np.s_[:, 2:3], np.s_[5], np.s_[...]):
        np.testing.assert_array_equal(mapped[index], X[index])
        assert mapped[index].flags.owndata or not np.ndim(mapped[index])
    for array in (mapped, X, X.T):
        flat = np.concatenate(list(blocks(array)))
        np.testing.assert_array_equal(flat, np.ravel(array[...]))


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_that_changes_is_not_read_on(folder: Path, cut: bool) -> None:
    path = folder / "x64.npy"
    mapped = opened(path)
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(500)
        stream.write(b"other")
        if cut:
            stream.truncate(100)
    # The times of a file are coarse: what is written soon after may have the same.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + (0 if cut else 1)))
    with pytest.raises(SourceError) as caught:
        mapped[:10]
    assert str(caught.value) == "x64.npy: the file was changed while it was being read."
