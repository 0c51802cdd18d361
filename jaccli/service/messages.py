"""What client and session say to each other, as bytes: a call, a reply, and the handshake.

Plain data is written as bencoding does it, with a few types more: a blob costs its own bytes, and
reading checks every length before it takes anything.  JSON would need base64 and 2 ms to import.
Standard library only.
"""

from __future__ import annotations

import os
import sys

from jaccli import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jaccli.context import Question

PATH = "/v1/call"
MEDIA_TYPE = "application/vnd.jaccli.call"
VERSIONS = "Jaccli-Versions"
"""The header of a request and of its answer that holds `versions()`; unequal ones are refused
with the status 409, and the client runs the call itself."""

_DEEPEST = 8
"""Lists and dicts inside each other at most."""

OUT, ERR, FILE = "out", "err", "file"


class BadMessage(Exception):
    """The bytes are no message: cut short, damaged, or of something else."""


class Call:
    """A command line as a client sends it.

    Args:
        arguments: the command and its arguments.
        folder: the current folder, for what is relative to it; never opened.
        environment: `terminal.described()`.
        stdout: whether standard output is a terminal, its encoding, and that of what it lacks.
        stderr: the same of standard error.
        answers: to the questions that the session has asked before, or may ask.
    """

    __slots__ = ("answers", "arguments", "environment", "folder", "stderr", "stdout")

    def __init__(
        self,
        arguments: list[str],
        folder: str,
        environment: dict[str, str],
        stdout: Stream,
        stderr: Stream,
        answers: dict[Question, Answer],
    ) -> None:
        self.arguments = arguments
        self.folder = folder
        self.environment = environment
        self.stdout = stdout
        self.stderr = stderr
        self.answers = answers

    def encode(self) -> bytes:
        """Return the call as bytes."""
        answers = [[list(question), list(answer)] for question, answer in self.answers.items()]
        return encode(
            [
                self.arguments,
                self.folder,
                self.environment,
                list(self.stdout),
                list(self.stderr),
                answers,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Call:
        """Return the call that the bytes hold.

        Raises:
            BadMessage: they hold none.
        """
        try:
            arguments, folder, environment, stdout, stderr, answers = decode(data)
            checked = {
                tuple(_plain(question)): tuple(_list(answer)) for question, answer in answers
            }
            return cls(
                [_text(argument) for argument in _list(arguments)],
                _text(folder),
                {_text(name): _text(value) for name, value in _dict(environment).items()},
                _stream(stdout),
                _stream(stderr),
                checked,
            )
        except (TypeError, ValueError) as error:
            raise BadMessage("this is not a call.") from error


class Reply:
    """What a client has to do: ask the user's files, or print, write and leave.

    Args:
        code: the exit code, if there are no questions.
        events: in their order `(OUT, bytes)`, `(ERR, bytes)` and `(FILE, name, force, bytes)`.
        questions: what must be answered before the call can be performed.
        elsewhere: why the client has to perform the call, if no service does or this one cannot.
    """

    __slots__ = ("code", "elsewhere", "events", "questions")

    def __init__(
        self,
        code: int,
        events: list[tuple[Any, ...]],
        questions: list[Question],
        elsewhere: str = "",
    ) -> None:
        self.code, self.events, self.questions = code, events, questions
        self.elsewhere = elsewhere

    def encode(self) -> bytes:
        """Return the reply as bytes."""
        events, questions = list(map(list, self.events)), list(map(list, self.questions))
        return encode([self.code, events, questions, self.elsewhere])

    @classmethod
    def decode(cls, data: bytes) -> Reply:
        """Return the reply that the bytes hold.

        Raises:
            BadMessage: they hold none.
        """
        try:
            code, events, questions, elsewhere = decode(data)
            if type(code) is not int:
                raise TypeError
            return cls(
                code,
                [tuple(_list(event)) for event in events],
                [tuple(_plain(question)) for question in questions],
                _text(elsewhere),
            )
        except (TypeError, ValueError) as error:
            raise BadMessage("this is not a reply.") from error


if TYPE_CHECKING:
    Stream = tuple[bool, str, str]
    Answer = tuple[Any, ...]
    """`("value", V)`, `("system", ERRNO, TEXT)` or `("refused", CLASS OF ERROR, MESSAGE, HINT)`."""


def encode(value: Any) -> bytes:
    """Return plain data as bytes: None, bool, int, str, bytes, and lists and dicts of them."""
    parts: list[bytes] = []
    _encode(value, parts.append)
    return b"".join(parts)


def _encode(value: Any, put: Any) -> None:
    if value is None:
        put(b"n")
    elif value is True or value is False:
        put(b"t" if value else b"f")
    elif isinstance(value, int):
        put(b"i%de" % value)
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        put(b"u%d:" % len(data))
        put(data)
    elif isinstance(value, bytes | bytearray):
        put(b"%d:" % len(value))
        put(value)
    elif isinstance(value, list):
        put(b"l")
        for item in value:
            _encode(item, put)
        put(b"e")
    elif isinstance(value, dict):
        put(b"d")
        for key, item in value.items():
            _encode(key, put)
            _encode(item, put)
        put(b"e")
    else:
        raise TypeError(f"{type(value).__name__} is not plain data.")


def decode(data: bytes) -> Any:
    """Return the plain data that the bytes hold.

    Raises:
        BadMessage: they are damaged, or nested too deeply.
    """
    value, end = _decode(data, 0, _DEEPEST)
    if end != len(data):
        raise BadMessage("there is something behind the end.")
    return value


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at + 1
    if kind == b"i":
        end = data.find(b"e", at, at + 24)
        return _number(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        if not depth:
            raise BadMessage("nested too deeply.")
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _decode(data, at, depth - 1)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        if len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise BadMessage("a name is missing.")
        return dict(zip(items[::2], items[1::2], strict=True)), at + 1
    start = at + 1 if kind == b"u" else at
    colon = data.find(b":", start, start + 21)
    length = _number(data[start:colon]) if colon >= 0 else -1
    begin = colon + 1
    if length < 0 or begin + length > len(data):
        raise BadMessage("cut short, or damaged.")
    blob = data[begin : begin + length]
    if kind != b"u":
        return blob, begin + length
    try:
        return blob.decode("utf-8", "surrogatepass"), begin + length
    except UnicodeDecodeError as error:
        raise BadMessage("a text is not in UTF-8.") from error


_CONSTANTS = {b"n": None, b"t": True, b"f": False}


def _number(digits: bytes) -> int:
    if not digits.removeprefix(b"-").isdigit():
        raise BadMessage("cut short, or damaged.")
    return int(digits)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _dict(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _plain(value: Any) -> list[Any]:
    """Return the parts of a question."""
    if not all(isinstance(part, str | int) for part in _list(value)):
        raise TypeError
    return _list(value)


def _stream(value: Any) -> tuple[bool, str, str]:
    terminal, encoding, errors = value
    if not isinstance(terminal, bool):
        raise TypeError
    return terminal, _text(encoding), _text(errors)


def versions() -> str:
    """Return the versions that decide whether a service does what a local run would do."""
    numbers = ".".join(map(str, sys.version_info[:3]))
    return f"jaccli/{__version__} jax/{_installed('jax')} python/{numbers}"


def _installed(package: str) -> str:
    """Return a package's version by the name of its folder: `importlib.metadata` takes 15 ms."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith(f"{package}-") and name.endswith(".dist-info"):
                return name[len(package) + 1 : -len(".dist-info")]
    return "unknown"
