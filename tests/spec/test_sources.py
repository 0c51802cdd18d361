"""Each input source gives the array that numpy gives, in the dtype that the rules say."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from carets import marked
from numpy.typing import NDArray

from jaccli.spec import load
from jaccli.spec.overrides import from_set

Array = NDArray[Any]
BUDGET = 2**20
MODEL = "model: {expression: '0.5'}\n"

normal = np.random.default_rng(7).standard_normal((2, 3))

VALUES: dict[str, Array] = {
    "3": np.array(3.0),
    "-1e-3": np.array(-0.001),
    "[1, 2.5, .inf]": np.array([1, 2.5, np.inf]),
    "[[1, 2], [3, 4], [5, 6]]": np.array([[1.0, 2], [3, 4], [5, 6]]),
    "[]": np.zeros(0),
    "[[], []]": np.zeros((2, 0)),
    "{value: [0x10, 0o10]}": np.array([16.0, 8.0]),
    "{value: [1, 2], dtype: int64}": np.array([1, 2]),
    "{value: [1.0, -2.0], dtype: int64}": np.array([1, -2]),
    "{value: 9007199254740993, dtype: int64}": np.array(9007199254740993),
    "{value: 9223372036854775807, dtype: int64}": np.array(2**63 - 1),
    "{value: 9223372036854775808}": np.array(2.0**63),
    "{value: [0.1, 2], dtype: float32}": np.array([0.1, 2], np.float32),
    "{random: normal, shape: [2, 3], seed: 7}": normal,
    "{random: normal, shape: [2, 3], seed: 7, mean: 5, std: 0.5}": 5 + 0.5 * normal,
    "{random: normal, shape: [2, 3], seed: 7, dtype: float32}": normal.astype(np.float32),
    "{random: normal, shape: [], seed: 7}": normal[0, 0],
    "{random: uniform, shape: 4, seed: 7}": np.random.default_rng(7).random(4),
    "{random: uniform, shape: [4], seed: 7, low: -1, high: 3}": (
        np.random.default_rng(7).random(4) * 4 - 1
    ),
    "{random: uniform, shape: 2, seed: 0, low: 1, high: 1}": np.ones(2),
    "{zeros: [2, 3]}": np.zeros((2, 3)),
    "{zeros: 2}": np.zeros(2),
    "{zeros: []}": np.zeros(()),
    "{zeros: [0, 4]}": np.zeros((0, 4)),
    "{ones: [3, 1], dtype: int64}": np.ones((3, 1), np.int64),
    "{full: [1, 2], value: -7.5}": np.array([[-7.5, -7.5]]),
    "{full: 2, value: .nan}": np.array([np.nan, np.nan]),
    "{full: 2, value: -.inf}": np.array([-np.inf, -np.inf]),
    "{eye: 3}": np.identity(3),
    "{linspace: [0, 1, 5]}": np.array([0, 0.25, 0.5, 0.75, 1]),
    "{linspace: [1, 0, 1]}": np.array([1.0]),
    "{linspace: [0, 1, 0]}": np.zeros(0),
    "{arange: [0, 1, 0.25]}": np.array([0, 0.25, 0.5, 0.75]),
    "{arange: [5, 0, -2]}": np.array([5.0, 3, 1]),
    "{arange: [1, 0, 1]}": np.zeros(0),
    "{arange: [0, 3, 1], dtype: int64}": np.array([0, 1, 2]),
}


def source(text: str, dtype: str = "float64", budget: int = BUDGET) -> Array:
    """Return the array of the input `x` whose source is `text`."""
    changes = ("model.expression='0.5'", f"inputs.x={text}", f"dtype={dtype}")
    spec = load(None, [from_set(change) for change in changes])
    array: Array = spec.inputs["x"].load(dtype, budget)
    return array


@pytest.mark.parametrize("text", VALUES)
def test_values_are_numpys(text: str) -> None:
    found, expected = source(text), VALUES[text]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("text", VALUES)
def test_the_declared_shape_is_the_arrays(text: str) -> None:
    changes = ("model.expression='0.5'", f"inputs.x={text}")
    spec = load(None, [from_set(change) for change in changes])
    assert spec.inputs["x"].shape() == VALUES[text].shape


def test_random_values_are_drawn_in_float64_and_then_cast() -> None:
    text = "{random: normal, shape: [2, 3], seed: 7}"
    np.testing.assert_array_equal(source(text, "float32"), normal.astype(np.float32))


def test_the_specs_dtype_is_the_default_alone() -> None:
    assert source("[1, 2]", "float32").dtype == np.float32
    assert source("{value: [1, 2], dtype: float64}", "float32").dtype == np.float64


# Files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "ints.npy", np.array([1, 2, 3], np.int32))
    np.save(folder / "floats.npy", np.array([1.5, -2]))
    np.save(folder / "single.npy", np.array([0.1], np.float32))
    np.save(folder / "big_endian.npy", np.array([1.5, 2], ">f8"))
    np.save(folder / "fortran.npy", np.asfortranarray([[1.0, 2, 3], [4, 5, 6]]))
    np.save(folder / "bools.npy", np.array([True, False]))
    np.save(folder / "large.npy", np.array([1, 1e300]))
    np.save(folder / "unsigned.npy", np.array([1, 2**64 - 1], np.uint64))
    np.save(folder / "complex.npy", np.array([1j]))
    np.save(folder / "text.npy", np.array(["a"]))
    np.save(folder / "pickle.npy", np.array([None]), allow_pickle=True)
    np.savez(folder / "two.npz", k=np.array([1.0, 2]), j=np.array([[3]]))
    np.savez(folder / "one.npz", only=np.array([4.0, 5]))
    np.savez_compressed(folder / "small.npz", k=np.zeros(2**20))
    cut = (folder / "floats.npy").read_bytes()[:-3]
    files = {
        "cut.npy": cut,
        "empty.npy": b"",
        "words.npy": b"hello",
        "UPPER.NPY": (folder / "floats.npy").read_bytes(),
        "huge.npy": header((10**6, 10**6)),
        "version.npy": header((1,), version=9) + bytes(8),
        "negative.npy": header((-1,)),
        "damaged.npz": b"PK\3\4 and then nothing",
        "table.csv": b"a,b\n1,2\n3,4.5\n-1e3,6\n",
        "bom.csv": b"\xef\xbb\xbfa, b \r\n1, 2\r\n\r\n",
        "quoted.csv": b'"a b","c,d"\n"1","2"\n',
        "header.csv": b"a,b\n",
        "words.csv": b"a,b\n1,2\n3,x\n",
        "ragged.csv": b"a,b\n1,2\n3\n",
        "gap.csv": b"a,b\n1,\n",
        "latin.csv": b"\xe9\n1\n",
        "nothing.csv": b"",
        "bare.csv": b"1,2\n3,4\n",
        "twice.csv": b"a,b,a\n1,2,3\n",
        "grouped.csv": b"a\n1_0\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "words.npz", "w") as archive:
        archive.writestr("k.npy", "hello")
    return folder


def header(shape: tuple[int, ...], version: int = 1) -> bytes:
    stream = io.BytesIO()
    form = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, form)
    content = bytearray(stream.getvalue())
    content[6] = version
    return bytes(content)


FILES: dict[str, Array] = {
    "{file: ints.npy}": np.array([1, 2, 3], np.int32),
    "{file: ints.npy, dtype: float32}": np.array([1, 2, 3], np.float32),
    "{file: ints.npy, dtype: int64}": np.array([1, 2, 3]),
    "{file: bools.npy}": np.array([True, False]),
    "{file: floats.npy}": np.array([1.5, -2]),
    "{file: ./floats.npy}": np.array([1.5, -2]),
    "{file: single.npy}": np.array([np.float32(0.1)], np.float64),
    "{file: big_endian.npy}": np.array([1.5, 2]),
    "{file: fortran.npy}": np.array([[1.0, 2, 3], [4, 5, 6]]),
    "{file: unsigned.npy}": np.array([1, 2**64 - 1], np.uint64),
    "{file: UPPER.NPY}": np.array([1.5, -2]),
    "{file: two.npz, key: k}": np.array([1.0, 2]),
    "{file: two.npz, key: j}": np.array([[3]]),
    "{file: one.npz}": np.array([4.0, 5]),
    "{file: table.csv}": np.array([[1, 2], [3, 4.5], [-1000, 6]]),
    "{file: table.csv, column: b}": np.array([2, 4.5, 6]),
    "{file: table.csv, column: a, dtype: int64}": np.array([1, 3, -1000]),
    "{file: table.csv, columns: [b, a]}": np.array([[2, 1], [4.5, 3], [6, -1000]]),
    "{file: table.csv, columns: [b]}": np.array([[2], [4.5], [6]]),
    "{file: bom.csv, columns: [a, b]}": np.array([[1.0, 2]]),
    "{file: quoted.csv, column: 'c,d'}": np.array([2.0]),
    "{file: words.csv, column: a}": np.array([1.0, 3]),
    "{file: header.csv}": np.zeros((0, 2)),
}


@pytest.mark.parametrize("text", FILES)
def test_files_hold_what_was_written(
    monkeypatch: pytest.MonkeyPatch, folder: Path, text: str
) -> None:
    monkeypatch.chdir(folder)
    found, expected = source(text), FILES[text]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


# What is wrong with a source: known when the spec is checked

SHAPE = "A shape is a list of whole numbers: [16, 16]."
READERS = "Expected a name that ends in .npy, .npz, .csv, .tsv, .txt or .dat."
TABLES = "Tables are .csv, .tsv, .txt and .dat files."
SOURCES = (
    "Expected one of 'random', 'file', 'zeros', 'ones', 'full', 'eye', 'linspace', 'arange', "
    "'value'."
)
FAR = "inputs.x: the distance between the bounds does not fit float64."
WRONG = [
    (
        "«~»",
        "inputs.x: nothing is not a number.\n"
        "Expected a number, a list, or a source, as {file: x.npy}.",
    ),
    ("«a»", "inputs.x: 'a' is not a number."),
    ("«'1'»", "inputs.x: '1' is not a number.\nWrite 1, without quotes."),
    ("«true»", "inputs.x: true is not a number."),
    ("«no»", "inputs.x: 'no' is not a number."),
    ("«1_000»", "inputs.x: '1_000' is not a number.\nWrite 1000."),
    ("[1, «a»]", "inputs.x: 'a' is not a number."),
    (
        "[1, «[»2]]",
        "inputs.x: a ragged list: entry 1 has the shape (1,), those before ().\n"
        "All rows of an array are equally long.",
    ),
    (
        "[[1, 2], «[»3]]",
        "inputs.x: a ragged list: entry 1 has the shape (1,), those before (2,).\n"
        "All rows of an array are equally long.",
    ),
    ("«{»}", f"inputs.x: the mapping names no source.\n{SOURCES}"),
    ("{«vlaue»: 3}", "inputs.x: the mapping names no source.\nDid you mean 'value'?"),
    ("{value: «a»}", "inputs.x.value: 'a' is not a number."),
    (
        "{value: 3, dtype: «int32»}",
        "inputs.x.dtype: unknown value 'int32'.\nDid you mean 'int64'?",
    ),
    ("{value: 3, «shape»: 4}", "inputs.x: unknown key 'shape'.\nExpected one of 'value', 'dtype'."),
    (
        "{random: «gauss», shape: 3, seed: 1}",
        "inputs.x.random: unknown value 'gauss'.\nExpected one of 'normal', 'uniform'.",
    ),
    ("«{»random: normal, shape: 3}", "inputs.x: the key 'seed' is missing."),
    (
        "««{»»random: normal}",
        "inputs.x: the key 'shape' is missing.",
        "inputs.x: the key 'seed' is missing.",
    ),
    (
        "{random: normal, shape: 3, seed: «-1»}",
        "inputs.x.seed: -1 is not a whole number of at least 0.",
    ),
    (
        "{random: normal, shape: 3, seed: «1.5»}",
        "inputs.x.seed: 1.5 is not a whole number of at least 0.",
    ),
    ("{random: normal, shape: «-3», seed: 1}", f"inputs.x.shape: -3 is not a size.\n{SHAPE}"),
    ("{random: normal, shape: [3, «a»], seed: 1}", f"inputs.x.shape: 'a' is not a size.\n{SHAPE}"),
    ("{random: normal, shape: [«3.0»], seed: 1}", f"inputs.x.shape: 3.0 is not a size.\n{SHAPE}"),
    ("{random: normal, shape: 3, seed: 1, low: «0»}", "inputs.x: 'low' does not go with 'normal'."),
    (
        "{random: uniform, shape: 3, seed: 1, std: «2»}",
        "inputs.x: 'std' does not go with 'uniform'.",
    ),
    ("{random: uniform, shape: 3, seed: 1, low: «2»}", "inputs.x: 'low' is above 'high'."),
    ("{random: uniform, shape: 3, seed: 1, low: «-1e308», high: 1e308}", FAR),
    (
        "{random: normal, shape: 3, seed: 1, std: «-2»}",
        "inputs.x.std: -2 is not a finite number of at least 0.",
    ),
    (
        "{random: normal, shape: 3, seed: 1, mean: «.nan»}",
        "inputs.x.mean: .nan is not a finite number.",
    ),
    ("{ones: «a»}", f"inputs.x.ones: 'a' is not a size.\n{SHAPE}"),
    (
        f"{{zeros: «[»{','.join('1' * 33)}]}}",
        "inputs.x.zeros: 33 dimensions; arrays have at most 32.",
    ),
    ("«{»zeros: [1, 2305843009213693952]}", "inputs.x: more entries than any array holds."),
    ("«{»zeros: [0, 2305843009213693952]}", "inputs.x: more entries than any array holds."),
    ("«{»full: 3}", "inputs.x: the key 'value' is missing."),
    ("{full: 3, value: «[»2]}", "inputs.x.value: a list is not a number."),
    ("{eye: «-1»}", "inputs.x.eye: -1 is not a whole number of at least 0."),
    ("{eye: «[»2, 2]}", "inputs.x.eye: a list is not a whole number of at least 0."),
    ("«{»eye: 9223372036854775808}", "inputs.x: more entries than any array holds."),
    ("{linspace: «[»0, 1]}", "inputs.x.linspace: 2 entries in place of 3."),
    ("{linspace: [0, 1, «-5»]}", "inputs.x: -5 is not a count.\nlinspace: [first, last, count]."),
    ("{linspace: [0, 1, «5.0»]}", "inputs.x: 5.0 is not a count.\nlinspace: [first, last, count]."),
    ("{linspace: «[»-1e308, 1e308, 3]}", FAR),
    ("{arange: [0, 1, «0»]}", "inputs.x: the step is 0.\narange: [first, end, step]."),
    ("«{»arange: [0, 1e300, 1e-300]}", "inputs.x: more entries than any array holds."),
    ("{arange: «[»-1e308, 1e308, 1e300]}", FAR),
    ("{file: «a.xls»}", f"inputs.x: no reader for 'a.xls'.\n{READERS}"),
    ("{file: «a»}", f"inputs.x: no reader for 'a'.\n{READERS}"),
    ("{file: «3»}", "inputs.x.file: 3 is not a file name."),
    ("{file: «''»}", "inputs.x.file: '' is not a file name."),
    ('{file: «"a\\0.npy"»}', "inputs.x.file: 'a\\x00.npy' is not a file name."),
    ("{file: a.npy, key: «k»}", "inputs.x: 'key' goes with .npz files alone."),
    ("{file: a.npz, columns: «[»k]}", f"inputs.x: 'columns' goes with tables alone.\n{TABLES}"),
    (
        "«{»file: a.csv, column: a, columns: [b]}",
        "inputs.x: 'column' and 'columns' do not go together.",
    ),
    ("{file: a.csv, columns: «b»}", "inputs.x.columns: 'b' is not a list."),
    ("{file: a.csv, columns: «[»]}", "inputs.x.columns: 0 entries in place of at least 1."),
]


@pytest.mark.parametrize("case", WRONG, ids=[case[0] for case in WRONG])
def test_wrong_sources(jaccli: Callable[..., Any], case: tuple[str, ...]) -> None:
    text, *messages = case
    plain, expected = marked(f"{MODEL}inputs:\n  x: {text}\n", *messages)
    outcome = jaccli("validate", "-", stdin=plain, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


# What is wrong with its values: known when they are read

UNFIT = [
    ("«{»value: [1, 2.5], dtype: int64}", 2, "inputs.x: 2.5 does not fit int64."),
    ("«{»value: .nan, dtype: int64}", 2, "inputs.x: nan does not fit int64."),
    ("«{»value: 1e30, dtype: int64}", 2, "inputs.x: 1e+30 does not fit int64."),
    (
        "«{»random: normal, shape: 1, seed: 7, dtype: int64}",
        2,
        f"inputs.x: {normal[0, 0]} does not fit int64.",
    ),
    ("«{»value: -1e39, dtype: float32}", 2, "inputs.x: -1e+39 does not fit float32."),
    ("«{»file: large.npy, dtype: float32}", 2, "inputs.x: 1e+300 does not fit float32."),
    (
        "«{»file: unsigned.npy, dtype: int64}",
        2,
        "inputs.x: 18446744073709551615 does not fit int64.",
    ),
    (
        "{file: «two.npz»}",
        2,
        "inputs.x.file: two.npz holds 2 arrays.\nName one with `key`: 'k', 'j'.",
    ),
    (
        "{file: two.npz, key: «l»}",
        2,
        "inputs.x.key: two.npz has no array 'l'.\nExpected one of 'k', 'j'.",
    ),
    (
        "{file: table.csv, column: «c»}",
        2,
        "inputs.x.column: table.csv has no column 'c'.\nExpected one of 'a', 'b'.",
    ),
    (
        "{file: table.csv, columns: «[»a, aa]}",
        2,
        "inputs.x.columns: table.csv has no column 'aa'.\nDid you mean 'a'?",
    ),
    ("{file: «absent.npy»}", 3, "inputs.x: absent.npy: no such file."),
    ("{file: «absent.npz»}", 3, "inputs.x: absent.npz: no such file."),
    ("{file: «absent.csv»}", 3, "inputs.x: absent.csv: no such file."),
    ("{file: «complex.npy»}", 3, "inputs.x: complex.npy: holds complex128; real numbers are read."),
    ("{file: «text.npy»}", 3, "inputs.x: text.npy: holds <U1; real numbers are read."),
    (
        "{file: «pickle.npy»}",
        3,
        "inputs.x: pickle.npy: the array holds Python objects (a pickle), which are never loaded.",
    ),
    (
        "{file: «cut.npy»}",
        3,
        "inputs.x: cut.npy: the array is cut short: its shape (2,) needs 16 B, and 13 B are there.",
    ),
    (
        "{file: «huge.npy»}",
        3,
        "inputs.x: huge.npy: the array is cut short: its shape "
        "(1000000, 1000000) needs 7.3 TiB, and 0 B are there.",
    ),
    ("{file: «empty.npy»}", 3, "inputs.x: empty.npy: this is not an .npy array."),
    ("{file: «words.npy»}", 3, "inputs.x: words.npy: this is not an .npy array."),
    ("{file: «version.npy»}", 3, "inputs.x: version.npy: this is not an .npy array."),
    (
        "{file: «negative.npy»}",
        3,
        "inputs.x: negative.npy: this file is damaged: the array's shape (-1,) is not one.",
    ),
    (
        "{file: «damaged.npz»}",
        3,
        "inputs.x: damaged.npz: this file is damaged: file is not a zip file.",
    ),
    ("{file: «words.npz»}", 3, "inputs.x: words.npz: this is not an .npy array."),
    ("{file: «words.csv»}", 3, "inputs.x: words.csv: line 3, column 'b': 'x' is not a number."),
    ("{file: «ragged.csv»}", 3, "inputs.x: ragged.csv: line 3 has 1 cells, the header 2."),
    ("{file: «nothing.csv»}", 3, "inputs.x: nothing.csv: the file is empty."),
    (
        "{file: «bare.csv»}",
        3,
        "inputs.x: bare.csv: '1,2' is 2 numbers, or one with a decimal comma.\n"
        'Write {file: bare.csv, separator: ","} for 2 columns or {file: bare.csv, decimal: ","} '
        "for one.",
    ),
    (
        "{file: «twice.csv»}",
        3,
        "inputs.x: twice.csv: the header names the column 'a' twice.\n"
        "By place they are columns 0, 2.",
    ),
    (
        "{file: «grouped.csv»}",
        3,
        "inputs.x: grouped.csv: line 2, column 'a': '1_0' is not a number.",
    ),
    (
        "{file: «gap.csv»}",
        3,
        "inputs.x: gap.csv: line 2, column 'b': the cell is empty.\n"
        'To make it NaN: {file: gap.csv, missing: [""]}.',
    ),
    (
        "{file: «latin.csv»}",
        3,
        "inputs.x: latin.csv: line 1: the byte 0xe9 is not UTF-8.\n"
        "In latin-1 it is part of 'é': write {file: latin.csv, encoding: latin-1}.",
    ),
]


@pytest.mark.parametrize("case", UNFIT, ids=[case[0] for case in UNFIT])
def test_wrong_values(jaccli: Callable[..., Any], folder: Path, case: tuple[str, int, str]) -> None:
    text, code, message = case
    plain, expected = marked(f"{MODEL}inputs:\n  x: {text}\n  y: 1\nwrt: y\n", message)
    outcome = jaccli("evaluate", "-", stdin=plain, cwd=folder, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (code, "")


# The memory budget: nothing is allocated before it is asked

BUDGETS = [
    (
        "«{»zeros: [1000000, 1000000]}",
        "inputs.x: an array of shape (1000000, 1000000) takes "
        "7.3 TiB, more than the memory budget of 1.0 MiB.",
    ),
    (
        "«{»random: normal, shape: [400, 400], seed: 1}",
        "inputs.x: an array of shape (400, 400) "
        "takes 1.2 MiB, more than the memory budget of 1.0 MiB.",
    ),
    (
        "«{»eye: 100000}",
        "inputs.x: an array of shape (100000, 100000) takes 74.5 GiB, "
        "more than the memory budget of 1.0 MiB.",
    ),
    (
        "«{»linspace: [0, 1, 1000000000000]}",
        "inputs.x: an array of shape (1000000000000,) takes "
        "7.3 TiB, more than the memory budget of 1.0 MiB.",
    ),
    (
        "«{»arange: [0, 1000000000000, 1]}",
        "inputs.x: an array of shape (1000000000000,) takes "
        "7.3 TiB, more than the memory budget of 1.0 MiB.",
    ),
]


@pytest.mark.parametrize("case", BUDGETS, ids=[case[0] for case in BUDGETS])
def test_declared_sizes_are_held_against_the_budget(
    jaccli: Callable[..., Any], case: tuple[str, str]
) -> None:
    text, message = case
    plain, expected = marked(f"{MODEL}memory: 1MiB\ninputs:\n  x: {text}\n", message)
    for command in ("validate", "evaluate"):
        outcome = jaccli(command, "-", stdin=plain, check=False)
        assert outcome.stderr == expected
        assert (outcome.exit_code, outcome.stdout) == (3, "")


def test_inputs_count_together(jaccli: Callable[..., Any]) -> None:
    text, expected = marked(
        f"{MODEL}memory: 100\ninputs: «{{»x: {{zeros: 8}}, y: {{zeros: 8}}}}\n",
        "inputs: the inputs take 128 B, more than the memory budget of 100 B.",
    )
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stderr) == (3, expected)


def test_files_count_too(jaccli: Callable[..., Any], folder: Path) -> None:
    text, expected = marked(
        f"{MODEL}memory: 1MiB\ninputs:\n  x: {{file: «small.npz»}}\n",
        "inputs.x: small.npz: the array needs 8.0 MiB, more than the limit 1.0 MiB.\n"
        "Raise --memory: what a call reads must fit into it.",
    )
    outcome = jaccli("evaluate", "-", stdin=text, cwd=folder, check=False)
    assert (outcome.exit_code, outcome.stderr) == (3, expected)


# Folders


def test_paths_of_a_spec_are_relative_to_its_folder(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "sub" / "x.npy", np.array(2.0))
    np.save(tmp_path / "x.npy", np.array(5.0))
    (tmp_path / "sub" / "s.yaml").write_text("model: {expression: x}\ninputs: {x: {file: x.npy}}\n")
    assert jaccli("evaluate", "sub/s.yaml", "-q").stdout == "f 2.0\n"


@pytest.mark.parametrize("option", [("--at", "x=@x.npy"), ("--set", "inputs.x={file: x.npy}")])
def test_paths_of_options_are_relative_to_the_working_folder(
    jaccli: Callable[..., Any], tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "sub" / "x.npy", np.array(2.0))
    np.save(tmp_path / "x.npy", np.array(5.0))
    (tmp_path / "sub" / "s.yaml").write_text("model: {expression: x}\ninputs: {x: {file: x.npy}}\n")
    assert jaccli("evaluate", "sub/s.yaml", "-q", *option).stdout == "f 5.0\n"
