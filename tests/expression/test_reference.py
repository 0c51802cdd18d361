"""The generated reference: complete, and its derivatives and domains right.

The derivatives of `docs/_ext/function_facts.txt` are held against differences of mpmath's formulas,
those of functions of arrays against differences of the functions themselves.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import jaccli
from jaccli.commands import COMMANDS
from jaccli.expression import FUNCTIONS, evaluate, parse
from jaccli.spec.schema import json_schema

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "oracles"))
import generated_reference
from api_page import python_api
from digits_cases import CASES, Case
from function_page import ELEMENTWISE, functions, original, parameters, read_facts
from spec_page import spec_keys

ROOT = Path(__file__).parents[2]
FACTS = read_facts((ROOT / "docs/_ext/function_facts.txt").read_text())


def value(text: str, **names: Any) -> Any:
    return np.asarray(evaluate(parse(text), names, dtype="float64"))


def is_moderate(point: tuple[float, ...]) -> bool:
    """Whether closed forms keep their digits there, and no kink or integer is near."""
    return all(0.1 < abs(x) < 4 and abs(x - round(x)) > 1e-3 for x in point)


def differences(case: Case, point: tuple[float, ...]) -> list[float]:
    """Return the first derivatives of a case's formula by each argument."""
    with mp.workdps(60):
        x, h = [mp.mpf(each) for each in point], mp.mpf(10) ** -20
        slopes = []
        for k in range(len(x)):
            high, low = ([each + s * h * (j == k) for j, each in enumerate(x)] for s in (1, -1))
            slopes.append(float((case.formula(*high) - case.formula(*low)) / (2 * h)))
    return slopes


def test_every_element_wise_function_has_facts_and_nothing_else_has_but_functions() -> None:
    needed = {original(f) for f in FUNCTIONS.values() if f.category in ELEMENTWISE}
    assert needed - set(FACTS) == set()
    assert set(FACTS) - set(FUNCTIONS) == set()


def arguments(name: str, case: Case, point: tuple[float, ...]) -> dict[str, Any]:
    """Return a function's arguments at a point: of those that are not given, the defaults."""
    inner = FUNCTIONS[name].signature.partition("(")[2].rpartition(")")[0]
    defaults = dict(part.strip().split("=") for part in inner.split(",") if "=" in part)
    values = (*case.before, *point, *case.after)
    given = dict(zip(parameters(FUNCTIONS[name]), values, strict=False))
    return {**{key: float(v) for key, v in defaults.items() if v[0].isdigit()}, **given}


def with_literals(text: str, known: dict[str, Any]) -> str:
    """Put whole numbers into a text where the language wants literals."""
    for key in ("n", "d"):
        if isinstance(known.get(key), int):
            text = text.replace(f"{key} + 1", str(known[key] + 1))
            text = text.replace(f"arange({key})", f"arange({known[key]})")
    return text


@pytest.mark.parametrize("name", [name for name in CASES if name in FACTS and name != "clip"])
def test_documented_derivatives_are_those_of_the_formulas(name: str) -> None:
    names = parameters(FUNCTIONS[name])
    slopes = dict(zip(names, FACTS[name].derivatives, strict=False))
    checked = 0
    for case in CASES[name]:
        if (name, case.after) == ("gelu", (False,)):
            continue  # the page has the derivative of the default
        places = names[len(case.before) :][: case.arity]
        for point in [point for point in case.points if is_moderate(point)][::7][:2]:
            known = arguments(name, case, point)
            for place, expected in zip(places, differences(case, point), strict=True):
                if slopes[place] != "-" and slopes[place][0] != '"':
                    found = value(with_literals(slopes[place], known), **known)
                    assert found == pytest.approx(expected, rel=1e-7, abs=1e-12), (point, place)
                    checked += 1
    assert checked


SQUARE = np.array([[2.0, 0.5, -0.3], [0.1, 1.5, 0.7], [0.4, -0.2, 3.0]])
OTHER = np.array([[0.3, -1.2, 0.8], [0.9, 0.4, -0.5], [-0.7, 0.2, 0.6]])


@pytest.mark.parametrize(
    "name", [n for n in FACTS if FUNCTIONS[n].category not in ELEMENTWISE and n != "prod"]
)
def test_documented_differentials_are_those_of_the_functions(name: str) -> None:
    names = [each for each in parameters(FUNCTIONS[name]) if each in ("x", "a", "b")]
    if name == "logsumexp":
        names = ["x"]
    point = dict(zip(names, (SQUARE, OTHER + np.eye(3)), strict=False))
    moves = {f"d{key}": OTHER.T + 0.1 * k for k, key in enumerate(names)}
    text = FACTS[name].derivatives[0].partition(', "')[0]
    call = f"{name}({', '.join(names)})"

    def moved(h: float) -> Any:
        return value(call, **{key: point[key] + h * moves[f"d{key}"] for key in names})

    expected = (8 * (moved(1e-3) - moved(-1e-3)) - moved(2e-3) + moved(-2e-3)) / 12e-3
    np.testing.assert_allclose(value(text, **point, **moves), expected, rtol=1e-7, atol=1e-9)


BOUNDED = {n: f.domain for n, f in FACTS.items() if any(c in f.domain for c in "<>")}


@pytest.mark.parametrize(
    "name", [n for n, d in BOUNDED.items() if ";" not in d and "all" not in d and n in CASES]
)
def test_functions_are_finite_in_their_domains_alone(name: str) -> None:
    names = parameters(FUNCTIONS[name])
    conditions = [each.strip() for each in FACTS[name].domain.split(",")]
    for x in (-2.3, -0.7, 0.4, 0.9, 1.7, 2.6):
        for y in (-1.3, 0.6, 1.9):
            point = dict(zip(names, (x, y, 0.35 if y > 0 else 1.2), strict=False))
            inside = all(value(each, **point) for each in conditions)
            call = f"{name}({', '.join(names)})"
            assert np.isfinite(value(call, **point)) == inside, point


def test_pages_have_every_command_option_key_function_and_name() -> None:
    page = generated_reference.commands()
    for name, command in COMMANDS.items():
        _, _, section = page.partition(f"\n## {name}\n")
        section = section.partition("\n## ")[0]
        for option in command.request().options.values():
            if option.is_typed:
                for flag in option.flags or [option.metavar]:
                    assert f"`{generated_reference.cell(flag)}`" in section, (name, flag)
    assert all(f"\n| `{key}` |" in spec_keys() for key in json_schema()["properties"])
    facts = (ROOT / "docs/_ext/function_facts.txt").read_text()
    listed = functions(facts, (ROOT / "docs/digits.md").read_text())
    for function in FUNCTIONS.values():
        assert f"\n| `{function.signature}`" in listed, function.name
    api = python_api()
    for name in set(jaccli.__all__) - {"__version__"}:
        assert f"\n## `{name}`\n" in api
        assert inspect.getdoc(getattr(jaccli, name)).splitlines()[0] in api  # type: ignore[union-attr]


def test_accuracy_is_that_of_the_digits_page() -> None:
    facts = (ROOT / "docs/_ext/function_facts.txt").read_text()
    page = functions(facts, "| `exp(x)` | 0 | 2.0e-16 | 3.0e-15 | 0 | 0 | 0 |\n")
    (row,) = [line for line in page.splitlines() if line.startswith("| `exp(x)`")]
    row = row.replace("\N{NON-BREAKING HYPHEN}", "-")
    assert row.endswith("| 0, 2.0e-16, 3.0e-15 |")
