"""Messages as bytes: what is written is read back, what is damaged is refused."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaccli import __version__
from jaccli.service.messages import BadMessage, Call, Reply, decode, encode, versions

STREAM = (True, "utf-8", "strict")
TEXT = st.text(st.characters(codec=None), max_size=8)  # file names may hold lone surrogates
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


def shallow(value: Any, depth: int = 8) -> bool:
    if not isinstance(value, list | dict):
        return True
    return depth > 0 and all(
        shallow(item, depth - 1) for item in (value.values() if isinstance(value, dict) else value)
    )


@given(PLAIN.filter(shallow))
def test_plain_data_is_read_back(value: Any) -> None:
    found = decode(encode(value))
    assert found == value
    assert type(found) is type(value)


@given(PLAIN.filter(shallow), st.data())
def test_what_is_cut_short_is_refused(value: Any, data: st.DataObject) -> None:
    message = encode([value])
    with pytest.raises(BadMessage):
        decode(message[: data.draw(st.integers(0, len(message) - 1))])


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for read in (decode, Call.decode, Reply.decode):
        try:
            read(data)
        except BadMessage:
            continue
        assert read is decode


DAMAGED = {
    b"": "cut short, or damaged.",
    b"nn": "there is something behind the end.",
    b"99999999999999999999:": "cut short, or damaged.",
    b"-1:": "cut short, or damaged.",
    b"1_0:0123456789": "cut short, or damaged.",
    b"i1": "cut short, or damaged.",
    b"i--1e": "cut short, or damaged.",
    b"u2:\xff\xff": "a text is not in UTF-8.",
    b"d2:abne": "a name is missing.",
    b"du1:ae": "a name is missing.",
    b"l" * 9 + b"e" * 9: "nested too deeply.",
    b"l" * 100_000: "nested too deeply.",
}


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: repr(data[:20]))
def test_a_damaged_message_says_what_is_wrong(data: bytes) -> None:
    with pytest.raises(BadMessage) as error:
        decode(data)
    assert str(error.value) == DAMAGED[data]


def test_a_call_and_a_reply_are_read_back() -> None:
    answers = {
        ("read", "a\udcff.yaml"): ("value", b"\x00\xff"),
        ("check_writable", "J.npy", True): ("value", None),
        ("content", "x.npy"): ("system", 2, "No such file or directory"),
        ("has_partial", "J.npy"): ("refused", "UsageError", "message", "hint"),
    }
    call = Call(["jacobian", "a\udcff.yaml"], "/here", {"TERM": "dumb"}, STREAM, STREAM, answers)
    found = Call.decode(call.encode())
    for name in Call.__slots__:
        assert getattr(found, name) == getattr(call, name)
    reply = Reply(3, [("out", b"1"), ("file", "J.npy", False, b"2")], [("content", "x.npy")])
    back = Reply.decode(reply.encode())
    assert (back.code, back.events, back.questions) == (3, reply.events, reply.questions)


OTHERS = [
    None,
    [],
    [[1], "/", {}, [True, "a", "b"], [True, "a", "b"], []],
    [["a"], "/", {"a": 1}, [True, "a", "b"], [True, "a", "b"], []],
    [["a"], "/", {}, [1, "a", "b"], [True, "a", "b"], []],
    [["a"], "/", {}, [True, "a"], [True, "a", "b"], []],
    [["a"], "/", {}, [True, "a", "b"], [True, "a", "b"], [[["read", []], []]]],
    [["a"], "/", {}, [True, "a", "b"], [True, "a", "b"], [[["read"]]]],
    [["a"], "/", {}, [True, "a", "b"], [True, "a", "b"], "text"],
    ["a", "/", {}, [True, "a", "b"], [True, "a", "b"], []],
]


@pytest.mark.parametrize("value", OTHERS, ids=repr)
def test_a_message_of_something_else_is_no_call(value: Any) -> None:
    with pytest.raises(BadMessage, match=r"^this is not a call\.$"):
        Call.decode(encode(value))


@pytest.mark.parametrize("value", [None, [], ["0", [], []], [True, [], []], [0, [1], []]], ids=repr)
def test_a_message_of_something_else_is_no_reply(value: Any) -> None:
    with pytest.raises(BadMessage, match=r"^this is not a reply\.$"):
        Reply.decode(encode(value))


def test_versions_are_those_that_are_installed() -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    assert versions() == f"jaccli/{__version__} jax/{version('jax')} python/{python}"
