"""Specs are read as YAML 1.2 reads them; what is no spec is refused at its place, and fast."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from carets import marked
from hypothesis import given
from hypothesis import strategies as st

from jaccli import terminal
from jaccli.errors import Problem, SpecError
from jaccli.spec.nodes import Text
from jaccli.spec.yaml12 import lines, parse

SQUARE = "model: {expression: x**2}\n"
KEYS = (
    "Expected one of 'description', 'source', 'base', 'model', 'inputs', 'wrt', 'batch', "
    "'derivative', 'select', 'rows', 'cols', 'part', 'mode', 'storage', 'device', 'devices', "
    "'dtype', 'precision', 'memory', 'chunk', 'layout', 'vector', 'uncertainty', "
    "'correlation', 'covariance', 'coverage', 'sigma', 'predict', 'approximation', "
    "'output' and 3 more."
)
MODES = (
    "Expected one of 'auto', 'fwd', 'rev', 'loop', "
    "'structured', 'structured-fwd', 'structured-rev', 'sparse', 'tuned', "
    "'fwd-fwd', 'fwd-rev', 'rev-fwd', 'rev-rev', 'structured-fwd-fwd', 'structured-fwd-rev', "
    "'structured-rev-fwd', 'structured-rev-rev'."
)
NO_INPUT_Y = "wrt: no input named 'y'.\nExpected 'x'."
SECONDS = 10.0
"""What hostile input may take, on a slow machine."""

SCALARS: dict[str, Any] = {
    "1e-3": 1e-3,
    "1E5": 1e5,
    "+.5e+2": 50.0,
    "1.": 1.0,
    "-0": 0,
    "+12": 12,
    "017": 17,
    "0o17": 15,
    "0x1F": 31,
    ".inf": math.inf,
    "-.Inf": -math.inf,
    "+.INF": math.inf,
    "true": True,
    "False": False,
    "~": None,
    "null": None,
    "": None,
    "no": "no",
    "on": "on",
    "yes": "yes",
    "off": "off",
    "y": "y",
    "nULL": "nULL",
    "1_000": "1_000",
    "0b11": "0b11",
    "0o8": "0o8",
    "-0x1F": "-0x1F",
    "190:20:30": "190:20:30",
    "2001-01-01": "2001-01-01",
    "1e": "1e",
    ".": ".",
    "inf": "inf",
    "nan": "nan",
    "'1'": "1",
    '"true"': "true",
    "!!str 1": "1",
    "!!float 3": 3,
    "|\n  a\n  b\n": "a\nb\n",
    ">-\n  a\n  b\n": "a b",
    '"a\\tb"': "a\tb",
}


def read(text: str) -> Any:
    return parse(Text("spec", Path(), lines(text))).plain()


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_the_core_schema(text: str) -> None:
    found = read(f"a: {text}")["a"]
    assert (type(found), found) == (type(SCALARS[text]), SCALARS[text])


def test_nan_is_read() -> None:
    assert math.isnan(read(".nan"))


def test_keys_stay_text() -> None:
    assert read("{1: a, true: b, no: c, ~: d, 1e-3: e}") == {
        "1": "a",
        "true": "b",
        "no": "c",
        "~": "d",
        "1e-3": "e",
    }


def test_an_alias_stands_for_its_anchor() -> None:
    assert read("{a: &a [1, 2], b: *a, c: [*a, *a]}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": [[1, 2], [1, 2]],
    }


LAYOUTS = {
    "block": "model:\n  expression: x**2\ninputs:\n  x: 3\n",
    "comments": "# a\nmodel: {expression: x**2}  # b\ninputs: {x: 3} # c",
    "byte order mark": "\ufeffmodel: {expression: x**2}\ninputs: {x: 3}\n",
    "CRLF": "model: {expression: x**2}\r\ninputs:\r\n  x: 3\r\n",
    "CR": "model: {expression: x**2}\rinputs: {x: 3}\r",
    "tabs between": "model:\t{expression: x**2}\t\ninputs: {x:\t3}\n",
    "end of document": "---\nmodel: {expression: x**2}\ninputs: {x: 3}\n...\n",
    "directive": "%YAML 1.2\n---\nmodel: {expression: x**2}\ninputs: {x: 3}\n",
    "line ends of YAML 1.1": "# a\u2028b\x85c\u2029d\nmodel: {expression: x**2}\ninputs: {x: 3}\n",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_the_same_spec_in_other_clothes(jaccli: Callable[..., Any], text: str) -> None:
    plain = jaccli("validate", "-", stdin=SQUARE + "inputs: {x: 3}\n").stdout
    assert jaccli("validate", "-", stdin=text).stdout == plain


WRONG: dict[str, tuple[str, ...]] = {
    "duplicate keys": (
        f"{SQUARE}inputs: {{x: 1, «x»: 2}}\n«model»: forecast\n",
        "the key 'x' stands here a second time.\nFirst on line 2.",
        "the key 'model' stands here a second time.\nFirst on line 1.",
    ),
    "unknown key": (
        f"{SQUARE}inputs: {{x: 1}}\n«wtr»: x",
        "unknown key 'wtr'.\nDid you mean 'wrt'?",
    ),
    "key in capitals": (
        f"{SQUARE}inputs: {{x: 1}}\n«Mode»: fwd",
        "unknown key 'Mode'.\nDid you mean 'mode'?",
    ),
    "wrong everywhere": (
        "mode: «fast»\nmodel: {expression: sin(«q»)}\ninputs: {x: 1, y: 2, z: 3}\n"
        "batch: {«w»: 0}\n«dtpye»: float32\ndtype: «3»\nwrt: [x, «w»]\n",
        f"mode: unknown value 'fast'.\n{MODES}",
        "model.expression: no input or expression named 'q'.\n"
        "Expected one of 'x', 'y', 'z'; or give it a value under inputs, or with --at q=VALUE.",
        "batch: no input named 'w'.\nExpected one of 'x', 'y', 'z'.",
        "unknown key 'dtpye'.\nDid you mean 'dtype'?",
        "dtype: 3 is not a word.\nExpected one of 'float32', 'float64'.",
        "wrt: no input named 'w'.\nExpected one of 'x', 'y', 'z'.",
    ),
    "code in a tag": (
        f"{SQUARE}inputs: {{x: «!»!python/object/apply:os.system [echo hi]}}\n",
        "the tag '!!python/object/apply:os.system' is not allowed.\nA spec has no tags.",
    ),
    "code in a scalar's tag": (
        "a: «!»!python/name:os.system ''\n",
        "the tag '!!python/name:os.system' is not allowed.\nA spec has no tags.",
    ),
    "private tag": (
        "%TAG ! tag:example.com,2000:\n---\nmodel: «!»foo x\n",
        "the tag 'tag:example.com,2000:foo' is not allowed.\nA spec has no tags.",
    ),
    "cycle of a list": ("a: &a [«*»a]\n", "the alias '*a' holds itself."),
    "cycle of a mapping": ("a: &a {b: {c: «*»a}}\n", "the alias '*a' holds itself."),
    "alias to nothing": ("a: «*»b\n", "no anchor '&b' before this alias."),
    "two documents": (
        f"{SQUARE}inputs: {{x: 1}}\n«-»--\nmodel: forecast\n",
        "a second document begins here.\nA spec is one YAML document.",
    ),
    "key that is a list": ("«[»a]: 2\n", "a key must be a name."),
    "key that is a mapping": ("? «{»a: b}\n: 2\n", "a key must be a name."),
    "merge key": (
        f"{SQUARE}inputs: {{x: 1}}\n«<<»: {{mode: fwd}}\n",
        f"unknown key '<<'.\n{KEYS}",
    ),
    "tab for indentation": (
        f"{SQUARE}inputs:\n«\t»x: 3\n",
        "not YAML: '\\t' cannot begin a value.\nIndent with spaces.",
    ),
    "at sign": (
        "model: «@»x\n",
        "not YAML: '@' cannot begin a value.\nQuote texts that begin so.",
    ),
    "open brace": (
        "model: {expression: x**2\ninputs«:» {x: 3}\n",
        "not YAML: did not find expected ',' or '}'.\n"
        "While parsing a flow mapping that begins on line 1.",
    ),
    "open bracket": (
        "wrt: [x,«»\n\n# the end\n",
        "not YAML: did not find expected node content.",
    ),
    "open quote": (
        "model: 'x\ninputs: {x: 1}«»\n",
        "not YAML: found unexpected end of stream.\n"
        "While scanning a quoted scalar that begins on line 1.",
    ),
    "two colons": (
        "a: b«:» c\n",
        "not YAML: mapping values are not allowed in this context.\n"
        "Write {NAME: VALUE}, or NAME: VALUE on a line of its own below, indented.",
    ),
    "NUL": (f"{SQUARE}inputs: {{é: 3«\0»}}\n", "not YAML: the character U+0000 is not allowed."),
    "escape character": ("# é\na: «\x1b»[31m\n", "not YAML: the character U+001B is not allowed."),
    "byte order mark inside": ("a: «\ufeff»\n", "not YAML: the character U+FEFF is not allowed."),
    "number beyond floats": (
        f"{SQUARE}inputs: {{x: [1, «-1e400»], y: «1e999»}}\n",
        "-1e400 does not fit float64.",
        "1e999 does not fit float64.",
    ),
    "text": ("«hello»\n", f"'hello' is not a spec: a mapping of keys.\n{KEYS}"),
    "list": ("«[»1, 2]\n", f"a list is not a spec: a mapping of keys.\n{KEYS}"),
    "number": ("«3»\n", f"3 is not a spec: a mapping of keys.\n{KEYS}"),
    "spec without a model": ("«i»nputs: {x: 3}\n", "the key 'model' is missing."),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_all_that_is_wrong_is_said_at_its_place(
    jaccli: Callable[..., Any], case: tuple[str, ...]
) -> None:
    text, expected = marked(*case)
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == terminal.shown(expected)
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_places_do_not_depend_on_the_kind_of_line_end(jaccli: Callable[..., Any]) -> None:
    text, expected = marked("# é\nmodel: {expression: x}\ninputs: {x: 1}\nwrt: «y»\n", NO_INPUT_Y)
    for end in ("\n", "\r\n", "\r"):
        written = text.replace("\n", end)
        assert jaccli("validate", "-", stdin=written, check=False).stderr == expected


EMPTY = {"nothing": "", "lines": "\n\n", "comments": "# a\n# b\n", "marker": "---\n", "null": "~\n"}


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_an_empty_spec_is_told_of_init(jaccli: Callable[..., Any], text: str) -> None:
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == (
        "jaccli: <stdin>: the spec is empty.\n`jaccli init` writes one to start from.\n"
    )
    assert outcome.exit_code == 2


BYTES = {
    "latin-1": (b"model: forecast # caf\xe9\n", "byte 0xe9 at offset 21"),
    "numpy": (b"\x93NUMPY\x01\x00v\x00", "byte 0x93 at offset 0"),
    "UTF-16": ("model: forecast".encode("utf-16"), "byte 0xff at offset 0"),
}


@pytest.mark.parametrize(("data", "where"), BYTES.values(), ids=BYTES)
def test_what_is_no_text_is_refused(
    jaccli: Callable[..., Any], tmp_path: Path, data: bytes, where: str
) -> None:
    (tmp_path / "spec.yaml").write_bytes(data)
    outcome = jaccli("validate", "spec.yaml", check=False)
    assert outcome.stderr == (
        f"jaccli: spec.yaml: not text in UTF-8: {where}.\nA spec is a YAML file.\n"
    )
    assert outcome.exit_code == 2


UNREADABLE = {
    "absent.yaml": "absent.yaml: no such file or directory",
    ".": ".: is a directory",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_spec_that_is_not_there(jaccli: Callable[..., Any], name: str) -> None:
    outcome = jaccli("validate", name, check=False)
    assert outcome.stderr == (
        f"jaccli: {UNREADABLE[name]}.\nSPEC is a YAML file, or - for standard input.\n"
    )
    assert outcome.exit_code == 2


# Input made to hurt: refused within seconds, whatever its size


def laughs(levels: int) -> str:
    """Nine aliases to the level above, on every level."""
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    return first + "".join(
        f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(levels)
    )


IN_FILES = "\nKeep large arrays in .npy files: {file: x.npy}."
HOSTILE = {
    "deep lists": ("[" * 20_000, ":1:101: nested deeper than 100 levels."),
    "deep mappings": ("{a: " * 20_000, ":1:401: nested deeper than 100 levels."),
    "deep and closed": (
        "x: " + "[" * 20_000 + "]" * 20_000,
        ":1:103: nested deeper than 100 levels.",
    ),
    "deep dashes": ("- " * 20_000 + "a", ":1:201: nested deeper than 100 levels."),
    "deep keys": ("? " * 20_000 + "a", ":1:201: nested deeper than 100 levels."),
    "deep blocks": (
        "".join(f"{' ' * level}a:\n" for level in range(5_000)),
        ":101:101: nested deeper than 100 levels.",
    ),
    "deep blocks, 20,000": (
        "".join(f"{' ' * level}a:\n" for level in range(20_000)),
        f": more than 32.0 MiB of text.{IN_FILES}",
    ),
    "billion laughs": (laughs(9), ":7:5: more than 2,000,000 values, aliases expanded."),
    "laughs over a long list": (
        f"a: &a [{', '.join(['1'] * 1000)}]\nb: &b [{', '.join(['*a'] * 1000)}]\nc: [*b, *b, *b]\n",
        ":3:4: more than 2,000,000 values, aliases expanded.",
    ),
    "huge": ("#" * (33 * 2**20), f": more than 32.0 MiB of text.{IN_FILES}"),
    "5,000 digits": (f"a: {'1' * 5000}\n", ":1:4: an integer of 5000 digits."),
    "5,000 hexadecimal digits": (f"a: 0x{'f' * 5000}\n", ":1:4: an integer of 5002 digits."),
    "400 digits": (
        f"inputs: {{x: {'1' * 400}}}\n{SQUARE}",
        f":1:13: {'1' * 57}... does not fit float64.",
    ),
    "long name": (
        f"{SQUARE}inputs: {{x: 1, {'y' * 1_000}: 2}}\n",
        f":2:16: inputs: '{'y' * 56}... is not a name.",
    ),
}


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_fast(jaccli: Callable[..., Any], text: str, expected: str) -> None:
    start = time.perf_counter()
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert time.perf_counter() - start < SECONDS
    first = outcome.stderr.removeprefix("jaccli: ")
    assert first.startswith(f"<stdin>{expected}\n")
    assert outcome.exit_code == 2
    assert len(outcome.stderr) < 1000


def test_endless_text_is_not_read_to_its_end(jaccli: Callable[..., Any]) -> None:
    outcome = jaccli("validate", "/dev/zero", check=False)
    assert outcome.stderr == (
        "jaccli: /dev/zero: more than 32.0 MiB of text.\n"
        "Keep large arrays in .npy files: {file: x.npy}.\n"
    )
    assert outcome.exit_code == 2


@given(st.text(st.sampled_from("abx019.-+:,[]{}#&*!|>'\"%@`? \t\n\r\0é\u2028<~"), max_size=60))
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    for problem in problems_of(text):
        assert problem.message
        assert problem.place


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        read(text)
    except SpecError as error:
        return error.problems
    return ()
