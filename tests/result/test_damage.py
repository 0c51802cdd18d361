"""Whatever the bytes of a file are, it is read or refused in one sentence."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaccli.errors import SourceError
from jaccli.result import read
from jaccli.spec import input_files
from jaccli.storage.npy import read_array
from tests.result.damage import FORMATS, damaged, fault, samples

QUICK = 200
ALL = 2_000
SECONDS = 5


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("first", "last"), [(0, QUICK), pytest.param(QUICK, ALL, marks=pytest.mark.slow)]
)
def test_damage_is_one_sentence(tmp_path: Path, suffix: str, first: int, last: int) -> None:
    wholes = samples(tmp_path)[suffix]
    for whole in wholes:
        (tmp_path / f"whole{suffix}").write_bytes(whole)
        assert fault(tmp_path / f"whole{suffix}") == ""
    for seed in range(first, last):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(damaged(seed, wholes))
        start = time.monotonic()
        assert fault(path) == "", seed
        assert time.monotonic() - start < SECONDS, seed


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(content: bytes, name: str = "y.x.npy", **changes: int) -> bytes:
    """Return an archive of one member; `changes` are bytes at places of its records."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    made = bytearray(stream.getvalue())
    for record, signature in (("local", b"PK\3\4"), ("central", b"PK\1\2")):
        for key, value in changes.items():
            if key.startswith(record):
                made[made.index(signature) + int(key.removeprefix(record))] = value
    return bytes(made)


def labelled(rows: object) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, matrix=np.ones((1, 2)), rows=np.array(rows), columns=np.array(["a", "b"]))
    return stream.getvalue()


def far() -> bytes:
    """Return an archive whose member begins at 2^63."""
    made = bytearray(zipped(saved(np.ones(2))))
    at = made.index(b"PK\1\2")
    extra = struct.pack("<HHQ", 1, 8, 2**63)
    made[at + 42 : at + 46] = b"\xff" * 4
    made[at + 30 : at + 32] = struct.pack("<H", len(extra))
    made[at + 46 + len("y.x.npy") : at + 46 + len("y.x.npy")] = extra
    end = made.index(b"PK\5\6")
    made[end + 12 : end + 16] = struct.pack("<I", end - at)
    return bytes(made)


ONES = saved(np.ones(6))
CASES: dict[str, tuple[str, bytes, str]] = {
    "no text in a name": (
        ".npz",
        zipped(ONES, "\u00e9.npy", local30=0xFF, central46=0xFF),
        "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ),
    "begins at 2^63": (".npz", far(), "cannot fit 'int' into an offset-sized integer"),
    "shorter than it says": (
        ".npz",
        zipped(ONES[:-3], central24=len(ONES), local22=len(ONES)),
        "the array ends after 45 of its 48 bytes",
    ),
    "encrypted": (
        ".npz",
        zipped(ONES, local6=1, central8=1),
        "file ",
    ),
    "no such compression": (
        ".npz",
        zipped(ONES, local8=99, central10=99),
        "that compression method is not supported",
    ),
    "a wrong checksum": (".npz", zipped(ONES, central16=7), "bad CRC-32 for file 'y.x.npy'"),
    "labels without an axis": (
        ".npz",
        labelled("a"),
        "rows has the shape (), and labels have one axis",
    ),
    "labels that are no text": (
        ".npz",
        labelled(["\ud800"]),
        "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
    ),
    "a truth value as a length": (
        ".npy",
        ONES.replace(b"(6,), ", b"(True,)"),
        "the array's shape (True,) is not one",
    ),
    "a lone surrogate": (
        ".json",
        b'{"matrix": {"shape": [1, 1], "values": [[1]]}, "rows": ["\\ud800"], "columns": ["a"]}',
        "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
    ),
    "brackets without end": (".json", b"[" * 100_000, "maximum recursion depth exceeded"),
    "a long cell": (".csv", b",a\nr," + b"1" * 200_000, "field larger than field limit (131072)"),
    "a long integer": (
        ".json",
        b'{"blocks": {"f": {"shape": [], "values": ' + b"9" * 5000 + b"}}}",
        "exceeds the limit (4300 digits) for integer string conversion",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_libraries_raise_is_one_sentence(tmp_path: Path, case: str) -> None:
    suffix, content, reason = CASES[case]
    path = tmp_path / f"r{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError) as error:
        read(path)
    said = str(error.value).replace(": y.x.npy: ", ": ")
    assert said.startswith(f"{path}: this file is damaged: {reason}")
    if suffix != ".json":
        with pytest.raises(SourceError):
            input_files.read(path, {"file": str(path), "key": "rows"}, 1 << 20)


@pytest.mark.parametrize("bounds", [[0, 2**40], [0, 2**62], [2**40, 2]])
def test_bounds_of_rows_allocate_nothing_that_is_not_there(
    tmp_path: Path, bounds: list[int]
) -> None:
    arrays = {"indices": [0, 1], "indptr": bounds, "shape": [1, 2], "data": [1.0, 2.0]}
    np.savez(tmp_path / "s.npz", format=np.array(b"csr"), **arrays)
    with pytest.raises(SourceError, match="this sparse matrix is damaged"):
        read(tmp_path / "s.npz")


def test_a_table_is_read_within_its_limit(tmp_path: Path) -> None:
    rows = b"".join(b"r%d,1,2,3\n" % number for number in range(10_000))
    (tmp_path / "t.csv").write_bytes(b",a,b,c\n" + rows)
    with pytest.raises(SourceError, match=r"the first \d+ rows need .*more than the limit"):
        read(tmp_path / "t.csv", limit=100_000)
    with pytest.raises(SourceError, match=r"the first \d+ rows need .*more than the limit"):
        input_files.read(tmp_path / "t.csv", {"file": "t.csv", "columns": ["a", "b"]}, 100_000)


def test_one_endless_line_is_refused_before_it_is_split(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b",".join([b"1"] * (1 << 20)))
    with pytest.raises(SourceError, match=r"a line needs 32.0 MiB, more than the limit 1.0 MiB"):
        read(tmp_path / "t.csv", limit=1 << 20)


def test_values_of_json_count_before_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"[" + b"0," * 100_000 + b"0]")
    with pytest.raises(SourceError, match=r"the values of the text need 6.3 MiB, more than"):
        read(tmp_path / "r.json", limit=1 << 20)


def test_texts_of_no_characters_are_refused() -> None:
    content = saved(np.array(["ab"])).replace("ab".encode("utf-32-le"), b"\x20" * 8)
    with pytest.raises(SourceError, match="its texts have characters that do not exist"):
        read_array(io.BytesIO(content), len(content), 1000)
    swapped = saved(np.array(["ab"], ">U2"))
    assert read_array(io.BytesIO(swapped), len(swapped), 1000).tolist() == ["ab"]
