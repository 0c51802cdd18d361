"""Hashes that identify: no two values have the same, and those on disk stay what they are."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from jaccli.spec import load
from jaccli.spec.overrides import from_set
from jaccli.storage.digest import arrays_digest, digest, file_digest, text_digest
from jaccli.sweep.expand import expand
from jaccli.sweep.fingerprint import fingerprints

DIFFERENT = [
    (),
    ("",),
    (None,),
    ("None",),
    (b"None",),
    (1,),
    (1.0,),
    (True,),
    ("1",),
    (-0.0,),
    (0.0,),
    ("ab", "c"),
    ("a", "bc"),
    (("a", "b"), "c"),
    ("a", ("b", "c")),
    ({"a": "b"},),
    (("a", "b"),),
    ({"a": 1, "b": 2},),
    ({"b": 2, "a": 1},),
    ("str:1:a",),
    ("\ud800",),
    (np.zeros(2),),
    (np.zeros((1, 2)),),
    (np.zeros(4, np.float32),),
    (np.zeros(2).tobytes(),),
    ([0.0, 0.0],),
]


def test_different_values_have_different_digests() -> None:
    for one, other in itertools.combinations(DIFFERENT, 2):
        assert digest(*one) != digest(*other), (one, other)


def test_equal_values_have_one_digest() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert digest("a", [1, {"b": array}]) == digest("a", (1, {"b": array.T.copy().T}))
    assert digest(np.float64(0.1)) == digest(np.asarray(0.1))


def test_what_has_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError, match="nothing identifies a object"):
        digest("a", object())


def test_digests_in_files_of_earlier_runs_stay_what_they_are(tmp_path: Path) -> None:
    """Another value would mean that partial results and sweep folders are not gone on with."""
    assert text_digest("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    (tmp_path / "a").write_text("a")
    assert file_digest(tmp_path / "a") == text_digest("a")
    assert file_digest(tmp_path / "b") == "missing"
    arrays = {"x": np.arange(3.0), "k": np.array([[1, 2]])}
    assert arrays_digest(arrays) == ARRAYS
    settings = {
        "model.expression": "sin(a) * x",
        "inputs.x": "[1.0, 2.0]",
        "inputs.a": "0.5",
        "description": "two numbers",
        "output.path": "J.npy",
        "sweep": "{inputs.a: [0.5, 1]}",
    }
    spec = load(None, [from_set(f"{key}={value}") for key, value in settings.items()])
    assert spec.sha256 == SPEC
    fingerprint = fingerprints(".npy", {"jaccli": "1", "jax": "2"})
    assert [fingerprint(task) for task in expand(spec)] == TASKS


ARRAYS = "4610413e2208a2e5518961ae026f77d5cc4eb09ff4149e135511ad7667117fbe"
SPEC = "db99723d5954ed8d3a6047bd9761db8d3e89d627ce26deec592d237b8fe98462"
TASKS = [
    "29e378f1472f6ecc811f86cf0ddf6e121db21f53d63e6cf93d44c7fadf49c3a3",
    "b45626da943f14fc57be69091c6617a15274af46b20ef76245577e74d6240821",
]
