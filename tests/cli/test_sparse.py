"""Sparse derivatives from the command line: modes, storage, files, patterns, refusals."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

Call = Callable[..., Any]

CHAIN = ("jacobian", "-e", "r = x[1:] - x[:-1]**2", "--at", "x=[1, 2, 3, 4]")
EXPECTED = np.array([[-2, 1, 0, 0], [0, -4, 1, 0], [0, 0, -6, 1]], np.float64)
TRIPLES = """\
r[0] x[0] -2.0
r[0] x[1]  1.0
r[1] x[1] -4.0
r[1] x[2]  1.0
r[2] x[2] -6.0
r[2] x[3]  1.0
"""
PATTERN = "%%MatrixMarket matrix coordinate pattern general\n3 4 6\n1 1\n1 2\n2 2\n2 3\n3 3\n3 4\n"


def pattern(folder: Path, text: str = PATTERN) -> tuple[str, str]:
    (folder / "pattern.mtx").write_text(text)
    return "--set", f"sparsity={{file: {folder}/pattern.mtx}}"


def test_sparse_mode_prints_the_non_zeros(jaccli: Call) -> None:
    outcome = jaccli(*CHAIN, "--mode", "sparse")
    assert outcome.stdout == TRIPLES
    assert "sparse: density 50 %, by links, no coloring" in outcome.stderr


@pytest.mark.parametrize("mode", ["auto", "fwd", "rev", "loop", "structured", "tuned"])
def test_every_mode_can_be_kept_sparse(jaccli: Call, mode: str) -> None:
    assert jaccli(*CHAIN, "--mode", mode, "--storage", "sparse").stdout == TRIPLES


def test_sparse_mode_can_be_kept_dense(jaccli: Call, tmp_path: Path) -> None:
    target = tmp_path / "J.npy"
    jaccli(*CHAIN, "--mode", "sparse", "--storage", "dense", "-o", target)
    np.testing.assert_array_equal(np.load(target), EXPECTED)


def test_files_hold_the_entries(jaccli: Call, tmp_path: Path) -> None:
    sparse = (*CHAIN, "--mode", "sparse", "--layout", "matrix", "-o")
    jaccli(*sparse, tmp_path / "J.npz")
    jaccli(*sparse, tmp_path / "J.mtx")
    jaccli(*CHAIN, "--mode", "sparse", "-o", tmp_path / "J.json")
    found = scipy.sparse.load_npz(tmp_path / "J.npz")
    assert found.nnz == 6
    np.testing.assert_array_equal(found.toarray(), EXPECTED)
    np.testing.assert_array_equal(
        scipy.io.mmread(tmp_path / "J.mtx", spmatrix=False).toarray(), EXPECTED
    )
    block = json.loads((tmp_path / "J.json").read_text())["blocks"]["r.x"]
    assert block["shape"] == [3, 4]
    dense = np.zeros((3, 4))
    dense[tuple(np.transpose(block["indices"]))] = block["values"]
    np.testing.assert_array_equal(dense, EXPECTED)
    assert jaccli("compare", tmp_path / "J.npz", tmp_path / "J.mtx").exit_code == 0


def test_a_million_inputs_allocate_no_matrix(jaccli: Call, tmp_path: Path) -> None:
    n = 1_000_000
    linspace = f"x={{linspace: [0, 1, {n}]}}"
    args = ("-e", "sum((x[1:] - x[:-1]**2)**2)", "--at", linspace, "--mode", "sparse")
    jaccli("hessian", *args, "--memory", "1GiB", "--layout", "matrix", "-o", tmp_path / "H.npz")
    found = scipy.sparse.load_npz(tmp_path / "H.npz")
    x = np.linspace(0, 1, n)
    main = np.zeros(n)
    main[:-1] = 12 * x[:-1] ** 2 - 4 * x[1:]
    main[1:] += 2
    np.testing.assert_allclose(found.diagonal(), main, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.diagonal(1), -4 * x[:-1], rtol=1e-12)
    assert found.nnz == 3 * n - 2


def test_batches_have_the_pattern_in_every_row(jaccli: Call) -> None:
    outcome = jaccli(
        "jacobian", "-e", "r = x[1:] * x[:-1]", "--at", "x=[[1, 2, 3], [4, 5, 6]]",
        "--batch", "x", "--mode", "sparse",
    )  # fmt: skip
    assert (
        outcome.stdout
        == """\
batch[0] r[0] x[0] 2.0
batch[0] r[0] x[1] 1.0
batch[0] r[1] x[1] 3.0
batch[0] r[1] x[2] 2.0
batch[1] r[0] x[0] 5.0
batch[1] r[0] x[1] 4.0
batch[1] r[1] x[1] 6.0
batch[1] r[1] x[2] 5.0
"""
    )


LOOP = """\
import jax
import jax.numpy as jnp

def roots(x):
    def step(state):
        y, _ = state
        change = (y * y - x) / (2 * y)
        return y - change, jnp.max(jnp.abs(change))
    return jax.lax.while_loop(lambda s: s[1] > 1e-14, step, (x, jnp.inf))[0]
"""


def looping(folder: Path, n: int) -> list[str]:
    (folder / "own.py").write_text(LOOP)
    inputs = f"{{x: {{linspace: [1, 2, {n}]}}}}"
    model = f"model={{python: '{folder}/own.py:roots'}}"
    return ["--set", model, "--set", f"inputs={inputs}", "--allow-python"]


def largest_of_three(folder: Path, n: int) -> list[str]:
    """Return a model that the engine cannot link: which element it is depends on the point."""
    (folder / "largest.py").write_text(
        "from jax import lax\n\n\n"
        "def f(x):\n"
        "    return lax.reduce_window(x**2, -float('inf'), lax.max, (3,), (1,), 'VALID')\n"
    )
    model = f"model={{python: '{folder}/largest.py:f'}}"
    inputs = f"inputs={{x: {{linspace: [1, 2, {n}]}}}}"
    return ["--set", model, "--set", inputs, "--allow-python"]


def test_auto_takes_a_coloring_where_it_wins_and_keeps_the_result_dense(
    jaccli: Call, tmp_path: Path
) -> None:
    args = ("jacobian", *largest_of_three(tmp_path, 300), "-o", tmp_path / "J.npy")
    outcome = jaccli(*args)
    assert "sparse: density 1 %, 3 colors for 300 columns" in outcome.stderr
    expected = np.eye(298, 300, 2) * 2 * np.linspace(1, 2, 300)
    np.testing.assert_allclose(np.load(tmp_path / "J.npy"), expected, rtol=1e-12)


def test_colors_are_taken_in_chunks(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "f.mtx").write_text(PATTERN)
    given = ("--set", f"sparsity={{file: {tmp_path}/f.mtx}}")
    assert jaccli(*CHAIN, *given, "--mode", "sparse", "--chunk", "1").stdout == TRIPLES
    plan = jaccli("plan", *CHAIN[1:], *given, "--mode", "sparse", "--chunk", "1").stdout
    assert "mode     sparse: density 50 %, 2 colors for 4 columns, pattern of f.mtx" in plan
    assert "chunks   2 of up to 1 colors" in plan


def test_the_pattern_of_a_hessian_may_be_one_half(jaccli: Call, tmp_path: Path) -> None:
    half = "%%MatrixMarket matrix coordinate pattern general\n3 3 5\n1 1\n2 1\n2 2\n3 2\n3 3\n"
    args = ("-e", "sum(x[1:]**2 * x[:-1]**2)", "--at", "x=[1, 2, 3]", *pattern(tmp_path, half))
    found = jaccli("hessian", *args, "--mode", "sparse").stdout
    assert found == jaccli("hessian", *args[:4], "--mode", "sparse").stdout
    assert "x[0] x[1]" in found


def test_a_pattern_that_misses_an_entry_fails_the_check(jaccli: Call, tmp_path: Path) -> None:
    right = jaccli("check", *CHAIN[1:], *pattern(tmp_path))
    assert right.exit_code == 0
    short = PATTERN.replace("3 4 6", "3 4 5").removesuffix("3 4\n")
    wrong = jaccli("check", *CHAIN[1:], *pattern(tmp_path, short), check=False)
    assert wrong.exit_code == 1
    assert "verdict  FAIL: mode, sparsity pattern" in wrong.stdout


# sparsity


def test_sparsity_shows_size_colors_and_a_picture(jaccli: Call) -> None:
    outcome = jaccli("sparsity", *CHAIN[1:])
    assert outcome.stdout == (
        "pattern  jacobian of -e\n"
        "blocks   r.x\n"
        "size     3 x 4\n"
        "nnz      6, 2 in each row, density 50 %\n"
        "colors   2 for 4 columns, 2 times fewer products\n"
        "method   density 50 %, by links, no coloring\n"
        "saves    96 B in place of 96 B\n"
        "┌──┐\n"
        "│⠙⠦│\n"
        "└──┘\n"
    )


def test_sparsity_of_more_rows_than_32_bits_number(jaccli: Call) -> None:
    """Row (i, j) of the Hessian of r[i] = x[i] x[i+1] has one entry if j is i or i + 1."""
    args = ("-e", "r = x[1:] * x[:-1]", "--at", "x={ones: [70000]}", "--of", "hessian")
    found = json.loads(jaccli("sparsity", *args, "--format", "json").stdout)
    assert found["shape"] == [69999 * 70000, 70000]
    assert (found["nnz"], found["row_nnz"]) == (2 * 69999, [0, 1])
    assert (found["colors"], found["colored"]) == (1, "columns")


def test_patterns_of_several_specs_go_to_a_folder(jaccli: Call, tmp_path: Path) -> None:
    configs = Path(__file__).parents[2] / "configs"
    specs = [configs / "polar.yaml", configs / "heat.yaml"]
    jaccli("sparsity", *specs, "--out-dir", tmp_path / "found")
    assert sorted(p.name for p in (tmp_path / "found").iterdir()) == ["heat.mtx", "polar.mtx"]
    assert scipy.io.mmread(tmp_path / "found/heat.mtx", spmatrix=False).nnz == 151


def test_sparsity_leaves_mode_and_chunk_of_the_spec_aside(jaccli: Call) -> None:
    plain = jaccli("sparsity", *CHAIN[1:]).stdout
    assert jaccli("sparsity", *CHAIN[1:], "--set", "mode=fwd", "--set", "chunk=2").stdout == plain


def test_what_a_coloring_saves_is_counted_in_full(jaccli: Call) -> None:
    many = jaccli("sparsity", "-e", "x**2", "--at", "x={ones: [5000]}").stdout
    assert "\ncolors   1 for 5,000 columns, 5,000 times fewer products\n" in many
    one = jaccli("sparsity", "-e", "x**2", "--at", "x=3").stdout
    assert "\ncolors   1 for 1 column\nmethod   density 100 %, no zeros known\n" in one


def test_bench_times_the_sparse_mode_that_is_asked_for(jaccli: Call) -> None:
    found = json.loads(
        jaccli("bench", *CHAIN[1:], "--modes", "sparse,fwd", "--format", "json").stdout
    )
    assert list(found["modes"]) == ["sparse", "fwd"]
    assert found["modes"]["sparse"]["difference"] == 0


def test_sparsity_as_json_and_as_a_file(jaccli: Call, tmp_path: Path) -> None:
    target = tmp_path / "p.mtx"
    outcome = jaccli("sparsity", *CHAIN[1:], "--format", "json", "-o", target)
    found = json.loads(outcome.stdout)
    assert (found["shape"], found["nnz"], found["colors"]) == ([3, 4], 6, 2)
    assert target.read_text() == PATTERN
    again = jaccli("sparsity", *CHAIN[1:], "-o", target, check=False)
    assert again.exit_code == 2
    assert target.read_text() == PATTERN


def test_rows_and_columns_are_in_the_order_of_the_matrix_layout(
    jaccli: Call, tmp_path: Path
) -> None:
    """Names that JAX would sort: outputs b, a by inputs z, y."""
    args = (
        "-e", "b = z**2", "-e", "a = y * sum(z)", "--at", "z=[1, 2]", "--at", "y=[3, 4]",
        "--wrt", "z", "--wrt", "y",
    )  # fmt: skip
    expected = np.array([[2, 0, 0, 0], [0, 4, 0, 0], [3, 3, 3, 0], [4, 4, 0, 3]])
    jaccli("sparsity", *args, "-o", tmp_path / "p.mtx")
    found = scipy.io.mmread(tmp_path / "p.mtx", spmatrix=False).toarray()
    np.testing.assert_array_equal(found, expected != 0)
    given = ("--set", f"sparsity={{file: {tmp_path}/p.mtx}}", "--mode", "sparse")
    matrix = ("--layout", "matrix", "-o", tmp_path / "J.npz")
    jaccli("jacobian", *args, *given, *matrix)
    np.testing.assert_array_equal(scipy.sparse.load_npz(tmp_path / "J.npz").toarray(), expected)


# Refusals

WRONG = [
    (
        ("jvp", *CHAIN[1:], "--vector", "[1, 1, 1, 1]", "--storage", "sparse"),
        2,
        "--storage: jvp is not kept sparse.",
    ),
    (
        (*CHAIN, "--mode", "sparse", "-o", "J.npz"),
        2,
        "jaccli: npz: sparse storage holds one matrix.\n"
        "Add --layout matrix, or use .json, or --storage dense.\n",
    ),
    (
        (*CHAIN, "--mode", "sparse", "--chunk", "1"),
        2,
        "--chunk: the mode sparse computes the Jacobian of one point in one piece.",
    ),
    (
        ("sparsity", *CHAIN[1:], "-o", "p.txt"),
        2,
        "jaccli: -o: p.txt: a pattern is written as MatrixMarket.\n"
        "Expected a name that ends in .mtx.\n",
    ),
    (
        ("sparsity", *CHAIN[1:], "--of", "jvp"),
        2,
        "jaccli: --of: 'jvp' is no matrix.\nExpected one of 'gradient', 'jacobian', 'hessian'.\n",
    ),
    (
        ("sparsity", *CHAIN[1:], "--set", "derivative=jvp"),
        2,
        "--set: jvp is no matrix, and has no pattern.\n"
        "  derivative=jvp\n"
        "             ^^^\n"
        "Choose with --of hessian.\n",
    ),
    (
        ("sparsity", *CHAIN[1:], "--show", "r[0]"),
        2,
        "jaccli sparsity: --show is an option of jacobian, ",
    ),
    (
        ("hessian", "-e", "x[1:] * x[:-1]", "--at", "x={ones: [3000000]}", "--mode", "sparse"),
        2,
        "--expression: the hessian would have 26999991000000000000 entries; "
        "sparse storage numbers 2**63 - 1.\n"
        "  x[1:] * x[:-1]\n"
        "  ^\n"
        "Choose fewer with --wrt and --select.\n",
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=[" ".join(case[0][-2:]) for case in WRONG])
def test_what_cannot_be_is_refused(jaccli: Call, tmp_path: Path, case: Any) -> None:
    args, code, message = case
    outcome = jaccli(*args, cwd=tmp_path, check=False)
    assert (outcome.exit_code, outcome.stdout) == (code, "")
    assert outcome.stderr.startswith(message), outcome.stderr
    assert not list(tmp_path.glob("*.*"))


SHAPES = [
    (
        PATTERN.replace("3 4 6", "4 4 6"),
        2,
        "--set: the pattern has the shape (4, 4); the derivative's is (3, 4).",
    ),
    ("a text\n", 3, "pattern.mtx: "),
    (PATTERN.replace("3 4\n", "9 9\n"), 3, "pattern.mtx: "),
]


@pytest.mark.parametrize("case", SHAPES, ids=["shape", "text", "range"])
def test_patterns_that_do_not_fit_are_refused(jaccli: Call, tmp_path: Path, case: Any) -> None:
    text, code, message = case
    outcome = jaccli(*CHAIN, *pattern(tmp_path, text), check=False)
    assert (outcome.exit_code, outcome.stdout) == (code, "")
    assert message in outcome.stderr


def test_a_dense_file_of_a_large_sparse_result_is_refused_before_computing(
    jaccli: Call, tmp_path: Path
) -> None:
    args = ("-e", "x**2", "--at", "x={linspace: [0, 1, 100000]}", "--mode", "sparse")
    outcome = jaccli("jacobian", *args, "-o", "J.npy", cwd=tmp_path, check=False)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("jaccli: npy: this format is dense, and the dense form")
    assert not (tmp_path / "J.npy").exists()


@pytest.mark.parametrize("mode", ["auto", "sparse"])
def test_a_large_dense_derivative_allocates_no_positions(
    jaccli: Call, tmp_path: Path, mode: str
) -> None:
    """A rank-one Jacobian of 10^10 entries: nothing of its size is made before it is refused."""
    n = 100_000
    args = ("jacobian", "-e", "y = a * sum(x**2)", "--at", f"a={{ones: {n}}}", "--wrt", "x")
    at = ("--at", f"x={{ones: {n}}}", "--memory", "256MiB", "--mode", mode)
    tracemalloc.start()
    outcome = jaccli(*args, *at, "-o", tmp_path / "J.json", check=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome.exit_code == 3
    assert "more than the memory budget of 256.0 MiB" in outcome.stderr
    assert peak < 100 << 20


def test_a_pattern_that_is_not_known_is_one_sentence(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import jax\ndef f(x):\n    r = jax.new_ref(x * 1)\n    r[0] += x[3]\n    return r[...]\n"
    )
    (tmp_path / "s.yaml").write_text("model: {python: 'm.py:f'}\ninputs: {x: [1, 2, 3, 4]}\n")
    outcome = jaccli("sparsity", "s.yaml", "--allow-python", cwd=tmp_path, check=False)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("jaccli: jacobian: its pattern is not known: sparse: ")
    assert "(m.py:" in outcome.stderr
