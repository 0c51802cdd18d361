"""Files that are damaged at random, and what every command does with a file.

Damage is drawn from a seed: bits and bytes that change, parts that are lost, doubled, swapped or
taken from another file, numbers that become extreme.  Archives are also put together again around
damaged members, so that their checksums are right.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse

from jaccli.analyze import from_file as analyzed
from jaccli.errors import JaccliError, verdict
from jaccli.result import Block, Result, Sparse, read, write
from jaccli.result.compare.compare import compare
from jaccli.result.io.pattern_files import read_pattern
from jaccli.result.sparse import Values
from jaccli.spec import input_files
from jaccli.spec.load import load
from tests.result.samples import POLAR, counted, jacobian, result_of

LIMIT = 256 << 20
"""The memory budget, in bytes."""
FORMATS = (".npy", ".npz", ".csv", ".json", ".mtx", ".yaml")
_SPECS = (
    "model: forecast\ninputs:\n  weight: {random: normal, shape: [3, 3], seed: 1}\n"
    "  bias: {zeros: 3}\n  x: {linspace: [0, 1, 3]}\nwrt: x\ndtype: float32\n",
    "model:\n  expressions:\n    r: sqrt(x**2 + y**2)\n    theta: arctan2(y, x)\n  outputs: [r]\n"
    "inputs: &i {x: 3.0, y: 4.0}\nderivative: [jacobian, hessian]\nmode: auto\nmemory: 512MiB\n",
    "model: {expression: 'sum(x**2) * k'}\ninputs: {x: [[1, 2], [3, 4]], k: pi/2}\nbatch: {x: 0}\n"
    "sweep: {inputs.k: {range: [0, 1, 0.5]}}\nvector: {x: [1, 0]}\nderivative: jvp\n",
)
_EXTREMES = (0, 1, -1, 2**7, 2**15, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 10**8)
_WORDS = (
    "-1", "0", "1e999", "-1e-999", "9" * 20, "9" * 5000, "1_0", "NaN", "Infinity", "nan", "True",
    "None", "null", "true", "[]", "{}", '""', '"\\ud800"', "'", '"', ",", "\x00", "²", "\ufeff",
    "1j", "[" * 2000, "{" * 300, "<f8", "|O", "<U4", ">i2", "|V0", "<f16", "csr", "coo", "dia",
    "&i", "*i", "!!x", ": ", "- ", "\t", "\r", "% ", "symmetric", "array", "pattern", "sparse",
)  # fmt: skip


def samples(folder: Path) -> dict[str, list[bytes]]:
    """Return the contents of whole files of each format."""
    found: dict[str, list[bytes]] = {suffix: [] for suffix in FORMATS}
    matrix = Sparse.from_dense(np.array([[0.0, 1.5, 0.0], [2.0, 0.0, -1.0]]))
    results: list[tuple[Result, str]] = [
        (jacobian((2,), (3,)), "blocks"),
        (jacobian((3,), (3,)), "matrix"),
        (POLAR, "blocks"),
        (POLAR, "matrix"),
        (result_of("jacobian", Block("y", ("x",), matrix, (2,), ((3,),))), "matrix"),
        (counted("gradient", ("f", ("a",), (), ((4,),)), batch=2), "blocks"),
        (counted("hessian", ("f", ("x", "x"), (), ((3,), (3,)))), "blocks"),
    ]
    for number, (result, layout) in enumerate(results):
        for suffix in (".npy", ".npz", ".csv", ".json", ".mtx"):
            try:
                write(result, folder / f"{number}{suffix}", layout=layout)
            except JaccliError:  # the format does not hold it
                continue
            found[suffix].append((folder / f"{number}{suffix}").read_bytes())
    for array in (np.arange(6, dtype=">i4"), np.ones((2, 3), np.float32, order="F"), np.eye(2) > 0):
        found[".npy"].append(_saved(np.save, array))
    for kind in ("csr", "csc", "coo", "bsr", "dia"):
        sparse: Any = scipy.sparse.random_array((4, 4), density=0.5, rng=0).asformat(kind)
        found[".npz"].append(_saved(scipy.sparse.save_npz, sparse, compressed=kind > "c"))
    found[".npz"].append(_saved(np.savez_compressed, np.ones((40, 3)), k=np.arange(3)))
    found[".csv"].append(b"a,b\n1,2\n3,4.5\n-1e3,6\n")
    found[".mtx"].append(_saved(scipy.io.mmwrite, np.array([[1.5, 2.0], [2.0, 4.0]])))
    found[".mtx"].append(b"%%MatrixMarket matrix coordinate pattern skew-symmetric\n3 3 1\n2 1\n")
    found[".yaml"] = [text.encode() for text in _SPECS]
    return found


def _saved(save: Callable[..., Any], *values: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *values, **options)
    return stream.getvalue()


def damaged(seed: int, wholes: Sequence[bytes]) -> bytes:
    """Return one of the contents, damaged as the seed has it."""
    draw = random.Random(seed)
    content, other = draw.choice(wholes), draw.choice(wholes)
    if content[:2] == b"PK" and draw.random() < 0.6:
        return _repacked(draw, content, other)
    return _hurt(draw, content, other)


def _repacked(draw: random.Random, content: bytes, other: bytes) -> bytes:
    """Return an archive of members some of which are damaged, with right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(list(members))
    match draw.randrange(5):
        case 0:
            del members[name]
        case 1:
            members[draw.choice(["rows.npy", "columns.npy", "matrix.npy", "manifest.npy", "x"])] = (
                members[name]
            )
        case 2:
            array = np.load(io.BytesIO(members[name]))
            values = (array.reshape(-1)[:1], array[None], array.reshape(-1)[0], array.astype(str))
            members[name] = _saved(np.save, draw.choice(values) if array.size else array)
        case _:
            members[name] = _hurt(draw, members[name], other)
    stream = io.BytesIO()
    kind = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    made = stream.getvalue()
    return made if draw.random() < 0.7 else _hurt(draw, made, other)


def _hurt(draw: random.Random, content: bytes, other: bytes) -> bytes:
    """Return the content with one to four damages."""
    found = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        start, length = draw.randrange(len(found) + 1), draw.choice([1, 2, 4, 8, 40])
        match draw.randrange(9):
            case 0:
                found = found[:start]
            case 1:
                found[start:start] = draw.randbytes(length)
            case 2:
                found[start : start + length] = b""
            case 3:
                found[start:start] = found[start : start + 40]
            case 4:
                stop = min(start + 2 * length, len(found))
                half = (start + stop) // 2
                found[start:stop] = found[half:stop] + found[start:half]
            case 5:
                begin = draw.randrange(len(other))
                found[start : start + length] = other[begin : begin + length]
            case 6 if len(found) > 8:
                size, value = draw.choice([1, 2, 4, 8]), draw.choice(_EXTREMES)
                at = _field(draw, found, size)
                order = draw.choice(["little", "big"])
                found[at : at + size] = (value % 256**size).to_bytes(size, order)
            case 7:
                numbers = [match.span() for match in re.finditer(rb"[0-9.]+|\w+", found)]
                begin, end = draw.choice(numbers or [(start, start)])
                found[begin:end] = draw.choice(_WORDS).encode("utf-8", "surrogatepass")
            case _:
                if found:
                    found[start % len(found)] ^= 1 << draw.randrange(8)
    return bytes(found)


def _field(draw: random.Random, found: bytearray, size: int) -> int:
    """Return where a number may stand: near the signature of an archive's record, or anywhere."""
    records = [match.start() for match in re.finditer(rb"PK..", found)]
    if records and draw.random() < 0.7:
        return min(draw.choice(records) + draw.randrange(4, 46), len(found) - size)
    return draw.randrange(len(found) - size + 1)


def uses(path: Path) -> Iterator[Callable[[], object]]:
    """Yield what is done with a file, each to be called: it may raise `JaccliError`."""
    if path.suffix == ".yaml":
        yield lambda: load(str(path))
        return
    yield lambda: _compared(path)
    yield lambda: analyzed.spectral_problem(path, None, memory=LIMIT, top=1)
    if path.suffix in (".mtx", ".npz"):
        yield lambda: read_pattern(path, limit=LIMIT)
    if path.suffix in (".npy", ".npz", ".csv"):
        for key in (None, "matrix", "y.x"):
            entries = {"file": str(path), "key": key}
            yield partial(input_files.read, path, entries, LIMIT)


def _compared(path: Path) -> str:
    """Compare a file with itself, and with other numbers, as text."""
    stored = read(path, limit=LIMIT)
    others = {key: _other(values) for key, values in stored.arrays.items()}
    changed = replace(stored, arrays=others)
    texts = [str(compare(stored, other, norm="fro")) for other in (stored, changed)]
    return "".join((*texts, str(compare(changed, stored)))).encode().decode()


def _other(values: Values) -> Values:
    """Return numbers that are not those."""
    if isinstance(values, Sparse):
        return replace(values, values=np.asarray(_other(values.values)))
    return ~values if values.dtype == bool else np.asarray(-values)


def fault(path: Path) -> str:
    """Return what is wrong with how a file is used: an exception that nobody foresaw, or nothing.

    What is said of it must be one paragraph that can be printed.
    """
    for number, use in enumerate(uses(path)):
        try:
            use()
        except JaccliError as error:
            text, code = verdict(error)
            text.encode()
            if code not in (2, 3) or len(text) > 20_000:
                return f"{number}: {code}: {text}"
        except Exception as error:
            return f"{number}: {type(error).__name__}: {error}"
    return ""
