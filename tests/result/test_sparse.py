"""Sparse results say what their dense forms say, and none of their formats makes a dense form."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaccli.errors import BudgetError, UsageError
from jaccli.result import (
    BlockShape,
    Result,
    Sparse,
    Stored,
    check_dense,
    check_layout,
    check_show,
    dense,
    first_nonfinite,
    read,
    render,
    summary,
    write,
)
from jaccli.result.compare.compare import compare
from jaccli.result.matrix import matrix
from jaccli.result.selection import show
from jaccli.result.sparse import assemble, nonzeros
from jaccli.result.view import whole

from .samples import Array, block, counted, result_of, results, same

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = st.sampled_from([0.0, 0.0, 1.0, -2.5, 0.1, 1e-300, np.nan, np.inf, -np.inf])
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
dtypes = st.sampled_from([np.float64, np.float32])
arrays = st.tuples(dtypes, shapes).flatmap(lambda one: hnp.arrays(*one, elements=numbers))


def kept(result: Result, *, zeros: bool = False) -> Result:
    """Return a result with sparse storage; with `zeros` some of them are kept, too."""

    def sparse(values: Array) -> Sparse:
        if not zeros:
            return Sparse.from_dense(values)
        flat = values.reshape(-1)
        where = np.flatnonzero((flat != 0) | (np.arange(flat.size) % 3 == 0))
        return Sparse(where, flat[where], values.shape)

    blocks = [replace(one, values=sparse(dense(one.values))) for one in result.blocks]
    return replace(result, blocks=tuple(blocks))


def printed(result: Result, form: str, **options: Any) -> str:
    out = io.StringIO()
    render(result, form, out, **options)
    return out.getvalue()


def mostly_zero(shape: tuple[int, int], seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.3, rng.standard_normal(shape), 0.0)


@given(arrays)
def test_the_dense_form_is_the_array(values: Array) -> None:
    sparse = Sparse.from_dense(values)
    assert same(sparse, values)
    assert sparse.nnz == np.count_nonzero(values)
    assert (sparse.size, sparse.ndim, sparse.dtype) == (values.size, values.ndim, values.dtype)
    assert sparse.density == (sparse.nnz / values.size if values.size else 0)
    assert sparse.nbytes == sparse.nnz * (8 + values.itemsize)


@given(arrays)
def test_entries_in_any_order_make_the_same_array(values: Array) -> None:
    indices = np.nonzero(values) if values.ndim else ()
    order = np.random.default_rng(0).permutation(np.count_nonzero(values))
    found = Sparse.from_indices(
        [index[order] for index in indices], values[values != 0][order], values.shape
    )
    assert same(found, values)
    assert np.array_equal(found.where, Sparse.from_dense(values).where)
    assert all(map(np.array_equal, found.indices(), indices))


def test_entries_at_one_place_are_summed_and_those_outside_refused() -> None:
    rows, columns = np.array([1, 0, 1]), np.array([2, 0, 2])
    found = Sparse.from_indices((rows, columns), np.array([1.5, 4.0, 2.0]), (2, 3))
    assert found.dense().tolist() == [[4, 0, 0], [0, 0, 3.5]]
    for shape in ((1, 3), (2, 2)):
        with pytest.raises(ValueError, match="an index lies outside the shape"):
            Sparse.from_indices((rows, columns), np.ones(3), shape)
    with pytest.raises(ValueError, match="too many entries"):
        Sparse.from_indices((rows, columns), np.ones(3), (2**32, 2**32))


@given(arrays, st.data())
def test_a_part_is_what_numpy_picks(values: Array, data: st.DataObject) -> None:
    index = data.draw(hnp.basic_indices(values.shape, allow_ellipsis=False))
    index = index if isinstance(index, tuple) else (index,)
    assert same(Sparse.from_dense(values)[index], np.asarray(values[index]))


@given(arrays, st.integers(1, 5), st.lists(st.integers(0, 255)))
def test_stretches_chunks_and_single_entries_are_those_of_the_array(
    values: Array, size: int, positions: list[int]
) -> None:
    sparse, flat = Sparse.from_dense(values), values.reshape(-1)
    for start in range(0, flat.size, size):
        assert same(sparse.stretch(start, start + size), flat[start : start + size])
    if flat.size:
        places = np.array(positions, np.int64) % flat.size
        assert same(sparse.at(places), flat[places])
    for form in (sparse, values):
        found = np.zeros_like(flat)
        for places, part in nonzeros(form, size):
            found[places] = part
        assert same(found, flat)


def test_scipy_has_the_same_matrix() -> None:
    values = mostly_zero((7, 5))
    rows = Sparse.from_dense(values).scipy()
    rows.check_format(full_check=True)
    assert rows.has_canonical_format
    assert same(rows.toarray(), values)
    with pytest.raises(ValueError, match="a matrix has two axes, not 1"):
        Sparse.from_dense(values[0]).scipy()


@quick
@given(results(), st.booleans())
def test_the_matrix_layout_of_the_sparse_is_that_of_the_dense(result: Result, zeros: bool) -> None:
    expected, found = matrix(whole(result)), matrix(whole(kept(result, zeros=zeros)))
    assert isinstance(found.values, Sparse)
    assert same(found.values, dense(expected.values))
    assert np.all(np.diff(found.values.where) > 0)
    assert found.labels == expected.labels


def test_dense_and_sparse_pieces_make_a_sparse_array() -> None:
    pieces = [((0, 0), np.array([[1.0, 0.0]])), ((1, 1), Sparse.from_dense(np.array([[2.0]])))]
    found = assemble(pieces, (2, 2))
    assert isinstance(found, Sparse)
    assert found.dense().tolist() == [[1, 0], [0, 2]]
    assert found.nnz == 2


@quick
@given(results(), st.sampled_from([".json", ".npz", ".mtx", ".npy", ".csv"]), st.booleans())
def test_every_format_gives_back_the_numbers(
    tmp_path: Path, result: Result, suffix: str, zeros: bool
) -> None:
    sparse, path = kept(result, zeros=zeros), tmp_path / f"r{suffix}"
    expected = dense(matrix(whole(result)).values)
    try:
        write(sparse, path, layout="matrix", force=True)
    except UsageError:
        assert suffix != ".json"
        assert expected.ndim > 2
        return
    (back,) = read(path).arrays.values()
    assert isinstance(back, Sparse) == (suffix in (".json", ".npz", ".mtx"))
    if isinstance(back, Sparse):
        # What is kept stays kept, zeros as well.
        assert np.array_equal(back.where, matrix(whole(sparse)).values.where)  # type: ignore[union-attr]
    back = back.astype(expected.dtype)
    if suffix in (".mtx", ".csv") or (suffix == ".npz" and expected.ndim == 1):
        expected = expected.reshape(len(expected), -1) if expected.size else dense(back)
    assert same(back, expected)


@quick
@given(results())
def test_blocks_come_back_from_json(tmp_path: Path, result: Result) -> None:
    write(kept(result), tmp_path / "r.json", force=True)
    back = read(tmp_path / "r.json").arrays
    assert list(back) == [one.key for one in result.blocks]
    for one in result.blocks:
        assert same(back[one.key].astype(one.values.dtype), dense(one.values))


def test_scipy_reads_the_files(tmp_path: Path) -> None:
    values = mostly_zero((6, 4))
    result = kept(result_of("jacobian", block("y", ("x",), values, (6,), (2, 2))))
    write(result, tmp_path / "r.npz", layout="matrix")
    write(result, tmp_path / "r.mtx")
    assert same(scipy.sparse.load_npz(tmp_path / "r.npz").toarray(), values)
    assert same(scipy.io.mmread(tmp_path / "r.mtx", spmatrix=False).toarray(), values)
    with np.load(tmp_path / "r.npz") as archive:
        assert json.loads(str(archive["manifest"]))["command"] == "jacobian"
        scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.csr_array(values), compressed=False)
        with np.load(tmp_path / "s.npz") as other:
            assert set(archive.files) == {*other.files, "manifest"}
            assert all(np.array_equal(archive[name], other[name]) for name in other.files)


@quick
@given(results())
def test_text_of_all_entries_is_that_of_the_dense(result: Result) -> None:
    clean = replace(  # -0.0 is not kept
        result,
        blocks=tuple(replace(one, values=one.values + 0.0) for one in result.blocks),  # type: ignore[operator]
    )
    if matrix(whole(clean)).values.ndim <= 2:
        assert printed(kept(clean), "csv") == printed(clean, "csv")
    assert first_nonfinite(kept(clean)) == first_nonfinite(clean)
    assert summary(kept(clean)).split(", nnz")[0].removesuffix("empty") == summary(
        clean
    ).removesuffix("empty")


def test_the_summary_counts_what_is_kept() -> None:
    values = np.zeros((100, 50))
    values[3, 4] = -2.0
    result = kept(result_of("jacobian", block("y", ("x",), values, (100,), (50,))))
    assert summary(result).endswith("min -2 max 0 norm 2, nnz 1 of 5000 (0.02 %)")
    full = kept(result_of("gradient", block("y", ("x",), np.array([1.0, 2.0]), (), (2,))))
    assert summary(full).endswith("nnz 2 of 2 (100 %)")


MATRIX = np.array([[0.0, 1.5, 0.0], [-2.0, 0.0, 0.25]])
ONE = kept(result_of("jacobian", block("y", ("x",), MATRIX, (2,), (3,))))


def test_plain_lists_the_nonzeros() -> None:
    assert printed(ONE, "plain") == "y[0] x[1]  1.5\ny[1] x[0] -2.0\ny[1] x[2] 0.25\n"
    blocks = [block(name, ("x",), MATRIX, (2,), (3,)) for name in ("y", "z")]
    blocks.append(block("n", ("x",), np.zeros((2, 3)), (2,), (3,)))
    several = kept(result_of("jacobian", *blocks))
    assert printed(several, "plain", show_text="x[0]") == (
        "# d y / d x[0]  (2,)  1 non-zero\ny[1] x[0] -2.0\n\n"
        "# d z / d x[0]  (2,)  1 non-zero\nz[1] x[0] -2.0\n\n"
        "# d n / d x[0]  (2,)  0 non-zeros\n"
    )
    assert printed(several, "plain", layout="matrix") == (
        "y[0] x[1]  1.5\ny[1] x[0] -2.0\ny[1] x[2] 0.25\n"
        "z[0] x[1]  1.5\nz[1] x[0] -2.0\nz[1] x[2] 0.25\n"
    )


def test_plain_names_batch_rows_and_outputs_of_a_hessian() -> None:
    values = np.zeros((2, 2, 3, 3))
    values[1, 0, 2, 1] = 7.0
    hessian = block("y", ("x", "x"), values, (2,), (3,), (3,))
    result = kept(result_of("hessian", hessian, batch=2))
    assert printed(result, "plain") == "batch[1] y[0] x[2] x[1] 7.0\n"
    assert printed(result, "plain", show_text="batch[1], y, x[2]") == "y[0] x[2] x[1] 7.0\n"
    scalar = block("f", ("w", "w"), values[1], (), (1, 2), (3, 3))
    gradient = block("f", ("w",), MATRIX, (), (2, 3))
    assert printed(kept(result_of("gradient", gradient)), "plain") == (
        "w[0,1]  1.5\nw[1,0] -2.0\nw[1,2] 0.25\n"
    )
    scalar = block("f", ("x", "x"), values[1, 0], (), (3,), (3,))
    assert printed(kept(result_of("hessian", scalar)), "plain") == "x[2] x[1] 7.0\n"


def test_one_entry_is_shown_even_if_it_is_zero() -> None:
    assert printed(ONE, "plain", show_text="y[0], x[0]").split() == ["x[0]", "y[0]", "0.0"]
    assert printed(ONE, "plain", show_text="y[1], x[0]").split() == ["x[0]", "y[1]", "-2.0"]


def test_a_table_is_elided_and_plain_is_not() -> None:
    result = kept(counted("jacobian", ("y", ("x",), (100,), ((3,),))))
    lines = printed(result, "table", width=60).splitlines()
    assert lines[0] == "∂y/∂x  (100, 3)  299 non-zeros"
    assert lines[1].split() == ["y[0]", "x[1]", "1"]
    assert lines[11] == "⋮"
    assert lines[-1].split() == ["y[99]", "x[2]", "299"]
    assert len(lines) == 22
    assert len(printed(result, "plain").splitlines()) == 299
    empty = kept(result_of("jacobian", block("y", ("x",), 0 * MATRIX, (2,), (3,))))
    assert printed(empty, "table") == "∂y/∂x  (2, 3)  0 non-zeros\n"
    assert printed(empty, "plain") == "# d y / d x  (2, 3)  0 non-zeros\n"


def test_json_has_coordinates() -> None:
    assert json.loads(printed(ONE, "json"))["blocks"] == {
        "y.x": {
            "shape": [2, 3],
            "storage": "sparse",
            "indices": [[0, 1], [1, 0], [1, 2]],
            "values": [1.5, -2.0, 0.25],
        }
    }
    document = json.loads(printed(ONE, "json", layout="matrix"))
    assert document["matrix"]["indices"] == [[0, 1], [1, 0], [1, 2]]
    assert (document["rows"], document["columns"]) == (["y[0]", "y[1]"], ["x[0]", "x[1]", "x[2]"])


def test_show_picks_the_same_part(tmp_path: Path) -> None:
    values = mostly_zero((6, 8))
    result = result_of("jacobian", block("y", ("x",), values, (6,), (8,)))
    for text in ("y[1:5:2], x[::-1]", "y[-1]", "x[3]", "y[4:2], x[0:3]"):
        (expected,), (found,) = show(result, text).parts, show(kept(result), text).parts
        assert found.slot == expected.slot
        assert same(found.values, dense(expected.values))


def test_nonfinite_names_the_entry() -> None:
    values = np.zeros((2, 50, 40))
    values[1, 49, 2] = np.nan
    values[1, 49, 3] = np.inf
    result = result_of("jacobian", block("y", ("x",), values, (50,), (40,)), batch=2)
    assert str(first_nonfinite(kept(result))) == (
        "d y[49] / d x[2] at batch row 1 is NaN (2 of 4000 entries are not finite)"
    )


pairs = st.tuples(dtypes, shapes).flatmap(
    lambda one: st.tuples(*[hnp.arrays(*one, elements=numbers)] * 2)
)


@quick
@given(pairs, st.sampled_from(["entry", "max", "fro"]), st.sampled_from([0, 0.5]), st.booleans())
def test_comparing_sparse_is_comparing_dense(
    both: tuple[Array, Array], norm: Any, tolerance: float, zeros: bool
) -> None:
    def stored(values: Array | Sparse) -> Stored:
        return Stored({"y": values}, "blocks")

    a, b = both
    if zeros:  # entries that are kept and are 0
        where = np.arange(b.size)
        sparse_b = Sparse(where, b.reshape(-1), b.shape)
    else:
        sparse_b = Sparse.from_dense(b)
    sparse_a = Sparse.from_dense(a)
    expected = compare(stored(a), stored(b), norm=norm, rtol=tolerance, atol=tolerance)
    for x, y in ((sparse_a, sparse_b), (sparse_a, b), (a, sparse_b)):
        found = compare(stored(x), stored(y), norm=norm, rtol=tolerance, atol=tolerance)
        assert found.passed == expected.passed
        assert found.verdicts[0].failed == expected.verdicts[0].failed
        assert found.verdicts[0].difference == pytest.approx(expected.verdicts[0].difference)
        assert [one.excess for one in found.worst] == [one.excess for one in expected.worst]
        if norm == "entry" and expected.worst:
            names = {one.name for one in found.worst}
            assert len(names) == len(expected.worst)


@quick
@given(results(), st.sampled_from([".json", ".npz", ".mtx"]), st.booleans())
def test_a_dense_file_equals_the_sparse_one(
    tmp_path: Path, result: Result, suffix: str, layout: bool
) -> None:
    # In a Hessian of several outputs, the axis that joins them belongs to no single block.
    outputs = {one.output: one.out_shape for one in result.blocks}
    if result.derivative == "hessian" and list(outputs.values()) != [()]:
        return
    try:
        write(kept(result), tmp_path / f"sparse{suffix}", layout="matrix", force=True)
    except UsageError:
        return
    form = "matrix" if layout else "blocks"
    write(result, tmp_path / "dense.npz", layout=form, force=True)
    a, b = read(tmp_path / "dense.npz"), read(tmp_path / f"sparse{suffix}")
    for one, other in ((a, b), (b, a), (result, b), (kept(result), a), (kept(result), b)):
        assert compare(one, other, rtol=0).passed


def test_blocks_of_sparse_json_meet_a_sparse_matrix(tmp_path: Path) -> None:
    blocks = [block(name, ("x",), MATRIX + n, (2,), (3,)) for n, name in enumerate("yz")]
    result = kept(result_of("jacobian", *blocks))
    write(result, tmp_path / "blocks.json")
    write(result, tmp_path / "matrix.mtx")
    a, b = read(tmp_path / "blocks.json"), read(tmp_path / "matrix.mtx")
    assert compare(a, b, rtol=0).passed
    changed = kept(result_of("jacobian", blocks[0], block("z", ("x",), MATRIX, (2,), (3,))))
    comparison = compare(changed, b)
    assert not comparison.passed
    assert comparison.verdicts[0].failed == 6
    assert {one.name for one in comparison.worst} <= {
        f"z[{row}], x[{column}]" for row in range(2) for column in range(3)
    }


def test_a_sparse_npz_names_its_entries(tmp_path: Path) -> None:
    for number, matrix_ in enumerate([MATRIX, MATRIX + np.eye(2, 3)]):
        blocks = [
            block("y", ("x",), matrix_[:, 1:], (2,), (1, 2)),
            block("y", ("c",), matrix_[:, 0], (2,), ()),
        ]
        result = kept(result_of("jacobian", *blocks))
        write(result, tmp_path / f"{number}.npz", layout="matrix")
    a, b = read(tmp_path / "0.npz"), read(tmp_path / "1.npz")
    assert (list(a.rows), list(a.columns)) == (["y[0]", "y[1]"], ["x[0,0]", "x[0,1]", "c"])
    assert str(compare(a, b)) == (
        "matrix: 2 of 6 entries differ\n  y[0], c: 0.0 and 1.0\n  y[1], x[0,0]: 0.0 and 1.0"
    )
    with np.load(tmp_path / "0.npz") as archive:
        arrays = dict(archive)
    for manifest in ("", "[]", '{"command": "jacobian", "blocks": {}}', '{"blocks": 3}',
                     '{"command": "jacobian", "blocks": {"y.x": {"out_shape": [2], "in_shapes": '
                     '[[10000000000000000000]]}}}'):  # fmt: skip
        np.savez(tmp_path / "m.npz", **arrays | {"manifest": np.array(manifest)})
        assert (read(tmp_path / "m.npz").rows, read(tmp_path / "m.npz").columns) == ((), ())
    np.savez(tmp_path / "m.npz", **arrays | {"shape": np.array([2, 9])})
    assert read(tmp_path / "m.npz").columns == ()


def shape_of(batch: int | None, *blocks: BlockShape, derivative: str = "jacobian") -> Any:
    return derivative, list(blocks), batch


JACOBIAN = BlockShape("y", ("x",), (4,), ((3,),))
HESSIAN = BlockShape("y", ("x", "x"), (2,), ((3,), (3,)))


@pytest.mark.parametrize(
    ("suffix", "layout", "asked", "message"),
    [
        (
            ".npz",
            "blocks",
            shape_of(None, JACOBIAN),
            "npz: sparse storage holds one matrix.\n"
            "Add --layout matrix, or use .json, or --storage dense.",
        ),
        (
            ".npz",
            "matrix",
            shape_of(None, HESSIAN, derivative="hessian"),
            "npz: two axes at most with sparse storage, and the matrix layout of the result has "
            "the shape (2, 3, 3).\nUse .json, or --storage dense.",
        ),
        (
            ".mtx",
            "blocks",
            shape_of(7, JACOBIAN),
            "mtx: two axes at most, and the matrix layout of the result has the shape (7, 4, 3).\n"
            "Use .json, or .npz with --storage dense.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_from_shapes_alone(
    suffix: str, layout: str, asked: Any, message: str
) -> None:
    derivative, blocks, batch = asked
    with pytest.raises(UsageError) as error:
        check_layout(suffix, layout, derivative, blocks, batch, storage="sparse")
    assert str(error.value) == message
    check_layout(".json", layout, derivative, blocks, batch, storage="sparse")
    check_layout(".npz", layout, derivative, blocks, batch)


def test_sparse_blocks_are_refused_as_npz_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write(ONE, tmp_path / "r.npz")
    assert not list(tmp_path.iterdir())


def test_dense_formats_are_checked_against_the_budget() -> None:
    for suffix in (".npy", ".csv"):
        check_dense(suffix, 1 << 30, 1 << 30)
        with pytest.raises(BudgetError) as error:
            check_dense(suffix, 8 * 10**12, 1 << 30)
        assert str(error.value) == (
            f"{suffix[1:]}: this format is dense, and the dense form of the result takes 7.3 TiB, "
            "more than the memory budget of 1.0 GiB.\n"
            "Use .mtx, .json, or .npz with --layout matrix; or raise --memory."
        )
    for suffix in (".npz", ".mtx", ".json"):
        check_dense(suffix, 8 * 10**12, 1 << 30)


N = 300_000


def banded() -> Result:
    """Return the Jacobian of x[i]**2 - x[i + 1], whose dense form would take 655 GiB."""
    row = np.arange(N)
    where = np.sort(np.concatenate((row * N + row, row[:-1] * N + row[:-1] + 1)))
    values = np.where(where % (N + 1) == 0, 2.0, -1.0)
    return result_of(
        "jacobian", replace(ONE.blocks[0], values=Sparse(where, values, (N, N)), out_shape=(N,),
                            in_shapes=((N,),)),
    )  # fmt: skip


USES: dict[str, Callable[[Result, Path], Any]] = {
    "summary": lambda result, folder: summary(result),
    "nonfinite": lambda result, folder: first_nonfinite(result),
    "npz": lambda result, folder: write(result, folder / "r.npz", layout="matrix"),
    "mtx": lambda result, folder: write(result, folder / "r.mtx"),
    "table": lambda result, folder: printed(result, "table"),
    "show": lambda result, folder: printed(result, "plain", show_text="y[5:9]"),
    "check_show": lambda result, folder: check_show("y[5], x[:]", result.blocks, None),
    "compare": lambda result, folder: compare(result, banded(), rtol=0),
}


@pytest.mark.parametrize("use", USES)
def test_memory_is_a_small_multiple_of_the_entries(tmp_path: Path, use: str) -> None:
    result = banded()
    tracemalloc.start()
    try:
        USES[use](result, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * result.blocks[0].values.nbytes + (16 << 20)


def test_large_files_come_back(tmp_path: Path) -> None:
    result = banded()
    values = result.blocks[0].values
    write(result, tmp_path / "r.npz", layout="matrix")
    write(result, tmp_path / "r.mtx")
    for suffix in (".npz", ".mtx"):
        back = read(tmp_path / f"r{suffix}")
        assert isinstance(back.arrays["matrix"], Sparse)
        assert back.arrays["matrix"].shape == values.shape
        assert compare(result, back, rtol=0).passed
    other = kept(result_of("jacobian", block("y", ("x",), MATRIX, (2,), (3,))))
    assert not compare(other, back).passed
