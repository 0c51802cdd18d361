"""`schema` and `validate` say the same of a spec, and what `validate` prints is the spec."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaccli.errors import SpecError
from jaccli.spec import load
from jaccli.spec.nodes import Text
from jaccli.spec.resolved import to_yaml
from jaccli.spec.schema import SPEC, json_schema
from jaccli.spec.schema_types import ProblemCollector
from jaccli.spec.yaml12 import lines, parse

from .test_keys import SQUARE, WRONG, WRONG_MODELS
from .test_sources import WRONG as WRONG_SOURCES

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


SCHEMA = jsonschema.Draft202012Validator(json_schema())


def plain(text: str) -> Any:
    return parse(Text("spec", Path(), lines(text))).plain()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_schema_accepts_the_examples(path: Path) -> None:
    assert [error.message for error in SCHEMA.iter_errors(plain(path.read_text()))] == []


def wrong_in_form(text: str) -> bool:
    """Whether an entry is wrong in itself: what names and sums must be is beyond a schema."""
    report = ProblemCollector()
    SPEC.check(parse(Text("spec", Path(), lines(text))), "", report)
    return any(not BEYOND.search(problem.message) for problem in report.problems)


BEYOND = re.compile(
    "go(es)? (with|together)|a count|the step|above|distance|ragged|more entries|no reader"
    r"|\.nan|\.inf|3\.0"
)
"""What a JSON Schema cannot say."""
CASES = {
    **{case[0]: f"{SQUARE}{case[0]}\n" for case in WRONG if not case[0].startswith("{")},
    **{case[0]: f"model: {case[0]}\ninputs: {{x: 3}}\n" for case in WRONG_MODELS},
    **{case[0]: f"model: forecast\ninputs: {{x: {case[0]}}}\n" for case in WRONG_SOURCES},
}
MARKLESS = {name: text.replace("«", "").replace("»", "") for name, text in CASES.items()}


@pytest.mark.parametrize("name", [n for n in MARKLESS if wrong_in_form(MARKLESS[n])])
def test_the_schema_rejects_what_validate_rejects(name: str) -> None:
    text = MARKLESS[name]
    assert not SCHEMA.is_valid(plain(text))


def test_the_command_prints_a_valid_schema_of_every_key(jaccli: Callable[..., Any]) -> None:
    printed = json.loads(jaccli("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == json_schema()
    assert {name: key["description"] for name, key in printed["properties"].items()} == {
        name: key.doc for name, key in SPEC.keys.items()
    }


# What `validate` prints


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_validate_prints_the_spec_it_read(jaccli: Callable[..., Any], path: Path) -> None:
    printed = jaccli("validate", path).stdout
    assert jaccli("validate", "-", stdin=printed, cwd=path.parent).stdout == printed
    (again,) = [load(str(path)).resolved]
    assert plain(printed) == again


numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from([1e-3, 1e22])
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1)


@given(value=st.lists(numbers, max_size=4), text=texts | st.sampled_from(["no", "1e-3", "~"]))
def test_printing_and_reading_change_nothing(value: list[float], text: str) -> None:
    spec = {"description": text, "model": {"expression": "x"}, "inputs": {"x": value}}
    assert plain(to_yaml(spec)) == spec


@given(
    st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=8,
    )
)
def test_any_value_of_an_input_is_checked_without_a_crash(value: Any) -> None:
    text = to_yaml({"model": {"expression": "1.0"}, "inputs": {"x": value}, "wrt": value})
    report = ProblemCollector()
    SPEC.check(parse(Text("spec", Path(), lines(text))), "", report)
    for problem in report.problems:
        assert problem.place
        assert problem.place.line > 0


def test_infinities_and_nan_survive() -> None:
    found = plain(to_yaml({"x": [math.inf, -math.inf, math.nan]}))["x"]
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])


def test_the_hash_of_a_spec_is_that_of_its_result(tmp_path: Path) -> None:
    """Formatting and output do not count; values, modes and dtypes do."""
    hashes = []
    for text in (
        SQUARE,
        f"# comment\n{SQUARE}mode: auto\noutput: {{path: a.npy}}\n",
        f"{SQUARE}dtype: float32\n",
        SQUARE.replace("3", "4"),
    ):
        (tmp_path / "spec.yaml").write_text(text)
        hashes.append(load(str(tmp_path / "spec.yaml")).sha256)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_load_raises_what_the_command_prints(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("model: forecast\n")
    with pytest.raises(SpecError, match="the forecast needs 'weight', 'bias', 'x'"):
        load(str(tmp_path / "spec.yaml"))
