"""Texts made to hurt: each is refused at once, by an error of the program's own."""

from __future__ import annotations

import contextlib
import time

import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli.errors import BudgetError, SpecError
from jaccli.expression import check_names, evaluate, parse

MIB = 2**20
SECONDS = 5
"""How long a refusal may take: far longer than it does, since the machine may be busy."""

REFUSED = {
    "brackets": "(" * 5000 + "x" + ")" * 5000,
    "lists": "[" * 150 + "x" + "]" * 150,
    "open brackets": "[" * 20_000,
    "terms": "+".join(["x"] * 60_000),
    "terms below the length": "+".join(["x"] * 9_000),
    "too many nodes": ",".join(["x"] * 4_500),
    "powers": "**".join(["x"] * 5_000),
    "few powers": "**".join(["x"] * 150),
    "minus signs": "-" * 19_000 + "x",
    "spaced minus signs": "- " * 9_000 + "x",
    "nots": "not " * 4_900 + "x",
    "indices": "x" + "[0]" * 6_000,
    "calls": "x" + "()" * 9_000,
    "nested calls": "sin(" * 99 + "(x + 1)" + ")" * 99 + "**-1" * 60,
    "conditions": "x if x else " * 1_600 + "x",
    "comparisons": "<".join(["x"] * 9_000),
    "keywords": "sum(x," + ",".join(f"a{i}=1" for i in range(2_500)) + ")",
    "NUL": "x\0",
    "bell": "x + \x07",
    "form feed": "x\f+ 1",
    "surrogate": "x + \ud800",
    "byte order mark": "\ufeffx",
    "right-to-left override": "x + \u202ey",
    "digits": "1" * 5_000,
    "400 digits": "1" * 400,
    "hexadecimal": "0x" + "f" * 300,
    "look-alikes": "ｓｉｎ(x)",
    "bold": "𝐱 + 1",
    "f-string": "f'{x}'",
    "bytes": "b'x'",
    "raw string": "r'x'",
    "string": "'x' * 10**9",
    "triple quotes": "'''x'''",
    "escape": "'\\x41'",
    "walrus": "(x := 3)",
    "assignment": "x = 3",
    "lambda": "(lambda: x)()",
    "list comprehension": "[x for x in y]",
    "generator": "sum(x for x in y)",
    "attribute": "x.__class__",
    "attribute of a call": "sin(x).at[0].set(1)",
    "attribute of a literal": "().__class__.__bases__[0]",
    "import": "__import__('os').system('true')",
    "builtin": "open('/etc/passwd')",
    "eval": "eval('1')",
    "dunder": "__builtins__",
    "starred": "sin(*x)",
    "double starred": "sum(**x)",
    "repeated keyword": "sum(x, axis=0, axis=1)",
    "ellipsis": "... + x",
    "complex": "1j * x",
    "shift": "1 << 100000000000",
    "set": "{x}",
    "dict": "{1: x}",
    "yield": "(yield x)",
    "await": "await x",
    "slice outside": "sin(x)[1:2:]:",
    "closing first": "x) + (y",
    "statement": "x; y",
    "newline statement": "x\nimport os",
    "comment": "# nothing",
    "blank": " \n ",
    "nothing": "",
    "backslash": "x \\\n + 1",
    "odd letters": "$" * 19_000,
    "attributes": "+".join(["a.b"] * 3_000),
    "unknown functions": "+".join(["f(x)"] * 3_000),
    "a long attribute": "(" + "+".join(["x"] * 1_000) + ").T",
    "a long function": "f" * 19_000 + "(x)",
    "a long keyword": "sum(x, " + "k" * 19_000 + "=1)",
    "a long prefix": "f" * 19_000 + "'x'",
    "glued": "1if x else 2",
    "glued hexadecimal": "0xfor x",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=list(REFUSED))
def test_refused_at_once(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(SpecError) as caught:
        parse(text, path="model.expression")
    message = str(caught.value)
    assert len(caught.value.problems) <= 20
    assert time.perf_counter() - began < SECONDS
    assert message.startswith("model.expression: ")
    assert ("^" in message) == bool(text.strip())
    assert all(len(line) < 400 for line in message.splitlines())


EXPENSIVE = [
    "zeros(1000000, 1000000)",
    "zeros((1000000, 1000000))",
    "ones(10**9, 10**9, 10**9, 10**9)",
    "full((10**6, 10**6), x[0])",
    "eye(10**7)",
    "eye(1, 10**9)",
    "tri(10**6)",
    "identity(10**6)",
    "arange(10**12)",
    "arange(0, 1, 1e-12)",
    "linspace(0, 1, 10**12)",
    "linspace(0, x, 10**7)",
    "logspace(0, 1, num=10**12)",
    "tile(x, 10**9)",
    "tile(x, (10**5, 10**5))",
    "repeat(x, 10**12)",
    "repeat(x, (10**12, 0, 0))",
    "broadcast_to(x, (10**9, 3))",
    "pad(x, 10**10)",
    "pad(x, ((0, 10**10),))",
    "pad(tile(x, (2, 1)), ((1, 1), (10**8, 0)))",
    "vander(x, 10**9)",
    "diag(x, 10**6)",
    "meshgrid(arange(10**4), arange(10**4))[0]",
    "outer(arange(10**4), arange(10**4))",
    "kron(arange(10**4), arange(10**4))",
    "toeplitz(arange(10**4))",
    "block_diag(arange(10**4), arange(10**4))",
]


@pytest.mark.parametrize("text", EXPENSIVE)
def test_arrays_beyond_the_limit_are_never_made(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(BudgetError, match=r"needs (more than )?[\d.]+ .iB; the limit is 16.0 MiB"):
        evaluate(parse(text), {"x": jnp.ones(3)}, dtype="float64", limit=16 * MIB)
    assert time.perf_counter() - began < SECONDS


def test_the_error_names_the_call_and_both_sizes() -> None:
    with pytest.raises(BudgetError) as caught:
        evaluate(parse("1 + sum(zeros(1000, 1000))"), {}, dtype="float32", limit=MIB)
    assert str(caught.value) == (
        "zeros(1000, 1000) needs 3.8 MiB; the limit is 1.0 MiB.\n"
        "  1 + sum(zeros(1000, 1000))\n"
        "          ^^^^^^^^^^^^^^^^^\n"
        "Make it smaller, or raise the memory budget: --memory."
    )


def test_what_fits_the_limit_exactly_is_made() -> None:
    assert evaluate(parse("zeros(4, 2)"), {}, dtype="float64", limit=64).shape == (4, 2)
    with pytest.raises(BudgetError):
        evaluate(parse("zeros(4, 2)"), {}, dtype="float64", limit=63)


def test_without_a_limit_impossible_sizes_are_still_refused() -> None:
    with pytest.raises(BudgetError, match="needs more than 8192 PiB"):
        evaluate(parse("zeros(10**15, 10**15)"), {}, dtype="float64")


@pytest.mark.parametrize("text", ["diff(x, n=10**9)", "arange(0, inf)", "arange(0, 1, 0)"])
def test_unbounded_work_is_refused(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(SpecError, match="cannot be computed"):
        evaluate(parse(text), {"x": jnp.ones(3)}, dtype="float64", limit=MIB)
    assert time.perf_counter() - began < SECONDS


def test_a_repeated_tuple_is_a_product() -> None:
    result = evaluate(parse("(1,)*10**9"), {}, dtype="float64", limit=MIB)
    assert result.tolist() == [1e9]


def test_a_sum_of_a_thousand_terms_works() -> None:
    text = " + ".join(f"x*{k}" for k in range(1, 1001))
    assert float(evaluate(parse(text), {"x": 2.0}, dtype="float64")) == 1001000


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="xy01.,:()[]{}+-*/%@<>=!&|^~ '\"#\\\n\tifelsandortéｘ_", max_size=40))
def test_any_text_parses_or_raises_a_spec_error(text: str) -> None:
    with contextlib.suppress(SpecError):
        for problem in check_names(parse(text), ["x"]):
            assert "no input or expression named" in str(problem)
