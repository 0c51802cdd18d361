"""`.mat` and `.h5` as other programs read them, and back; and files that are none."""

from __future__ import annotations

import io
import json
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from jaccli.errors import SourceError, UsageError
from jaccli.result import BlockShape, Sparse, read, write
from jaccli.result.io import h5, mat, registry
from jaccli.result.io.registry import content

from .samples import POLAR, counted, jacobian

h5py = pytest.importorskip("h5py")


def loaded(result: Any, layout: str = "blocks") -> dict[str, Any]:
    found: dict[str, Any] = scipy.io.loadmat(io.BytesIO(content(result, ".mat", layout=layout)))
    return found


def opened(result: Any, layout: str = "blocks") -> Any:
    return h5py.File(io.BytesIO(content(result, ".h5", layout=layout)), "r")


def sparse() -> Any:
    made = jacobian((3,), (4,))
    kept = Sparse.from_indices((np.array([0, 2]), np.array([3, 1])), np.array([5.0, 7.0]), (3, 4))
    return replace(made, blocks=(replace(made.blocks[0], values=kept),))


def test_scipy_reads_the_variables_and_the_names_say_which_is_which() -> None:
    result = counted("jacobian", ("y", ("x",), (2,), ((3,),)), ("y_x", ("α",), (2,), ((),)))
    found = loaded(result)
    assert found["y_x"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert found["y_x_u03b1"].tolist() == [[6.0], [7.0]]
    names = [[cell[0] for cell in row] for row in found["names"]]
    assert names == [["y_x", "y.x"], ["y_x_u03b1", "y_x.α"]]
    manifest = json.loads(found["manifest"][0])
    assert (manifest["command"], manifest["mode"]) == ("jacobian", "fwd")


def test_names_of_variables_are_valid_and_differ() -> None:
    keys = ["y.x", "y_x", "_a", "end", "names", "1", "z" * 80, "z" * 81]
    named = mat.variables(keys)
    assert named["y.x"] == "y_x"
    assert named["y_x"] == "y_x_2"
    assert (named["_a"], named["end"], named["names"]) == ("v_a", "end_", "names_2")
    assert len(set(named.values())) == len(keys)
    assert all(name.isidentifier() and name[0].isalpha() and len(name) <= 63
               for name in named.values())  # fmt: skip
    assert mat.remarks(["y.x", "z"], "blocks") == ["variables: y.x is y_x; `names` has all."]
    assert mat.remarks(["z"], "blocks") == []


def test_a_matrix_in_mat_has_its_labels_and_a_sparse_one_stays_sparse() -> None:
    found = loaded(POLAR, "matrix")
    assert found["matrix"].tolist() == [[0.6, 0.8], [-0.16, 0.12]]
    assert [cell[0] for cell in found["rows"].ravel()] == ["r", "theta"]
    kept = loaded(sparse(), "matrix")["matrix"]
    assert scipy.sparse.issparse(kept)
    assert kept.toarray()[0, 3] == 5.0
    assert kept.toarray()[2, 1] == 7.0
    assert kept.nnz == 2
    with pytest.raises(UsageError, match="sparse storage holds one matrix"):
        content(sparse(), ".mat")


def test_h5py_reads_the_datasets_and_their_attributes() -> None:
    result = counted("hessian", ("f", ("x", "w"), (), ((2,), (2, 2))))
    with opened(result) as file:
        data = file["f.x.w"]
        assert np.array_equal(data[...], np.arange(8.0).reshape(2, 2, 2))
        assert data.attrs["output"] == "f"
        assert list(data.attrs["wrt"]) == ["x", "w"]
        assert list(data.attrs["axes"]) == ["wrt1", "wrt2", "wrt2"]
        assert json.loads(file.attrs["manifest"])["command"] == "hessian"
    with opened(POLAR, "matrix") as file:
        assert file["matrix"][...].tolist() == [[0.6, 0.8], [-0.16, 0.12]]
        assert file["rows"].asstr()[...].tolist() == ["r", "theta"]
    with opened(sparse()) as file:
        assert file["y.x"]["coordinates"][...].tolist() == [[0, 3], [2, 1]]
        assert file["y.x"]["values"][...].tolist() == [5.0, 7.0]
        assert file["y.x"].attrs["shape"].tolist() == [3, 4]


def test_values_of_outputs_are_beside() -> None:
    result = replace(counted("jvp", ("value", (), (2,), ())), value={"value": np.array([9.0, 8.0])})
    with opened(result) as file:
        assert file["value"][...].tolist() == [0.0, 1.0]
        assert file[".value"]["value"][...].tolist() == [9.0, 8.0]
    found = loaded(replace(jacobian((2,), (2,)), value={"y": np.array([9.0, 8.0])}))
    assert found["value_y"].tolist() == [[9.0], [8.0]]


@pytest.mark.parametrize("suffix", [".mat", ".h5"])
@pytest.mark.parametrize("layout", ["blocks", "matrix"])
def test_what_was_written_is_read_back(suffix: str, layout: str, tmp_path: Path) -> None:
    result = replace(
        counted("jacobian", ("y", ("x",), (2,), ((3,),)), ("z", ("x",), (), ((3,),))),
        value={"y": np.zeros(2), "z": np.zeros(())},
    )
    write(result, tmp_path / f"a{suffix}", layout=layout)
    found = read(tmp_path / f"a{suffix}")
    assert found.layout == layout
    if layout == "matrix":
        assert np.array_equal(np.asarray(found.arrays["matrix"]), np.arange(9.0).reshape(3, 3))
        assert list(found.rows) == ["y[0]", "y[1]", "z"]
    else:
        assert list(found.arrays) == ["y.x", "z.x"]
        assert np.array_equal(np.asarray(found.arrays["z.x"]), [6.0, 7.0, 8.0])  # one axis again
        assert found.arrays["z.x"].shape == (3,)
    first = (tmp_path / f"a{suffix}").read_bytes()
    assert first == content(result, suffix, layout=layout)  # the same each time, in any stream


def test_sparse_ones_are_read_back(tmp_path: Path) -> None:
    write(sparse(), tmp_path / "a.h5")
    write(sparse(), tmp_path / "a.mat", layout="matrix")
    for stored in (read(tmp_path / "a.h5"), read(tmp_path / "a.mat")):
        (values,) = stored.arrays.values()
        assert isinstance(values, Sparse)
        assert values.dense()[2, 1] == 7.0
        assert values.nnz == 2


def test_octave_files_without_our_names_are_read(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "b.mat", {"A": np.array([[1, 2], [3, 4]])}, do_compression=True)
    found = read(tmp_path / "b.mat")
    assert np.array_equal(np.asarray(found.arrays["A"]), [[1.0, 2.0], [3.0, 4.0]])


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for name in ("a.mat", "a.h5"):
        whole = content(jacobian((20,), (30,)), Path(name).suffix)
        for damaged in (b"", b"nonsense" * 100, whole[: len(whole) // 2]):
            (tmp_path / name).write_bytes(damaged)
            with pytest.raises(SourceError):
                read(tmp_path / name)
        (tmp_path / name).write_bytes(whole)
        with pytest.raises(SourceError, match="more than"):
            read(tmp_path / name, limit=1000)
    # a header that claims 2**31 entries, and a file of version 7.3
    (tmp_path / "c.mat").write_bytes(
        b"MATLAB 5.0 MAT-file".ljust(124)
        + struct.pack("<HH", 0x0100, 0x4D49)
        + struct.pack("<II", 14, 64) + struct.pack("<IIII", 6, 8, 6, 0)
        + struct.pack("<IIii", 5, 8, 1 << 16, 1 << 15) + struct.pack("<HH4s", 1, 1, b"A")
        + struct.pack("<II", 9, 8) + bytes(8)
    )  # fmt: skip
    with pytest.raises(SourceError):
        read(tmp_path / "c.mat")
    (tmp_path / "d.mat").write_bytes(content(jacobian((2,), (3,)), ".h5"))
    with pytest.raises(SourceError, match="save it with -v7"):
        read(tmp_path / "d.mat")


def test_links_out_of_an_h5_file_are_not_followed(tmp_path: Path) -> None:
    write(jacobian((2,), (3,)), tmp_path / "secret.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["y.x"] = h5py.ExternalLink("secret.h5", "/y.x")
    with pytest.raises(SourceError, match="a link out of the file is not followed"):
        read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        layout = h5py.VirtualLayout((2, 3), float)
        layout[...] = h5py.VirtualSource("secret.h5", "y.x", (2, 3))
        file.create_virtual_dataset("y.x", layout)
    with pytest.raises(SourceError, match="numbers outside the file are not read"):
        read(tmp_path / "b.h5")


def test_h5py_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError) as raised:
        h5.require()
    assert "pip install 'jaccli[hdf5]'" in str(raised.value)


def test_a_matrix_of_4_gib_is_refused_before_it_is_computed() -> None:
    with pytest.raises(UsageError, match="less than 4 GiB"):
        registry.check_layout(
            ".mat", "matrix", "jacobian", [BlockShape("y", ("x",), (1 << 14,), ((1 << 15,),))], None
        )
