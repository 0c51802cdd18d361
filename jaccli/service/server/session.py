"""A client's command line, performed in this process: the command line itself, lent other files.

What the client would find on its file system are answers that come with the call; where one is
missing the run ends with questions, and begins again when they are answered: what is asked is asked
before anything is computed.  What is printed and published is collected for the client to do.

Boundary: opens no file that a call names.  One call at a time: the standard streams are swapped.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import NoneType
from typing import TYPE_CHECKING, Any, BinaryIO

from jaccli import terminal
from jaccli.choices import SERVED
from jaccli.context import Context, using
from jaccli.errors import SourceError, UsageError
from jaccli.service.messages import ERR, FILE, OUT, Call, Reply
from jaccli.storage.files import MissingAnswers, MustRunLocally

if TYPE_CHECKING:
    from jaccli.context import Question
    from jaccli.service.messages import Answer, Stream

Event = tuple[Any, ...]
_ALONE = Context()


def perform(call: Call, shared: Context = _ALONE) -> Reply:
    """Run a call's command line and return what its client has to do.

    `shared` is what all calls share of a context.

    Whatever is wrong with the command line, its files or the computation is in the reply, as it
    would be on the screen.
    """
    from jaccli.cli.main import run

    if not call.arguments or call.arguments[0] not in SERVED:
        named = repr(call.arguments[0]) if call.arguments else "no command"
        message = f"jaccli: {named}: not in the service.\n"
        return Reply(UsageError.exit_code, [(ERR, message.encode())], [])
    events: list[Event] = []
    lent = shared.replace(
        files=_Client(call.answers, call.folder, events),
        environment=terminal.sound(call.environment),
        most_memory=None,  # else it is computed in smaller chunks, perhaps to other last digits
    )
    try:
        with using(lent), _streams(call, events):
            code = run(call.arguments)
    except MissingAnswers as unanswered:
        return Reply(0, [], list(unanswered.questions))
    except MustRunLocally as elsewhere:
        return Reply(0, [], [], elsewhere.reason)
    return Reply(code, events, [])


class _Client:
    """The files of a client: a provider for `files`."""

    local = False

    def __init__(self, answers: dict[Question, Answer], folder: str, events: list[Event]) -> None:
        self._answers, self._folder, self._events = answers, folder, events

    def ask(self, question: Question) -> Any:
        """Return the client's answer, or raise the error that it met."""
        match self._answers.get(question):
            case ("value", value) if type(value) in _VALUES[question[0]]:
                return value
            case ("system", 0, str(text)):
                raise OSError(text)
            case ("system", int(number), str(text)):
                raise OSError(number, text, question[1])
            case ("refused", str(kind), str(message), str(hint)) if kind in _REFUSALS:
                raise _REFUSALS[kind](message, hint=hint)
        raise MissingAnswers(question)

    def prefetch(self, questions: Iterable[Question]) -> None:
        """End the run here with all that is not answered."""
        missing = [question for question in questions if question not in self._answers]
        if missing:
            raise MissingAnswers(*dict.fromkeys(missing))

    def open(self, name: str) -> BinaryIO:
        """Return what is in a file."""
        return io.BytesIO(self.ask(("content", name)))

    @contextmanager
    def publishing(self, name: str, force: bool) -> Iterator[BinaryIO]:
        """Collect what the client shall write."""
        stream = io.BytesIO()
        yield stream
        self._events.append((FILE, name, force, stream.getvalue()))

    def folder(self) -> str:
        """Return the client's current folder."""
        return self._folder


_VALUES = {
    "read": (bytes,),
    "content": (bytes,),
    "check_writable": (NoneType,),
    "has_partial": (bool,),
    "is_special": (bool,),
    "make_folder": (NoneType,),
    "identity": (str,),
}
"""What each operation of `files.local` returns."""
_REFUSALS = {kind.__name__: kind for kind in (UsageError, SourceError)}
"""The errors that those raise, besides the operating system's."""


class _Sink(io.RawIOBase):
    """The end of a standard stream, which notes what is written in its place among the events."""

    def __init__(self, kind: str, events: list[Event]) -> None:
        self._kind, self._events = kind, events

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Add to the last event, or begin another."""
        if not self._events or self._events[-1][0] != self._kind:
            self._events.append((self._kind, bytearray()))
        self._events[-1][1].extend(data)
        return len(data)


class _Output(io.TextIOWrapper):
    """A standard stream over a sink; a client's may be a terminal."""

    def __init__(self, sink: _Sink, stream: Stream) -> None:
        self._terminal, encoding, lacking = stream
        super().__init__(
            io.BufferedWriter(sink), encoding, lacking, newline="\n", write_through=True
        )

    def isatty(self) -> bool:
        """Return whether the client's is a terminal."""
        return self._terminal


@contextmanager
def _streams(call: Call, events: list[Event]) -> Iterator[None]:
    """Collect what goes to the standard streams.

    Standard error is never a terminal: nobody sees progress that comes at the end.

    Raises:
        MustRunLocally: an encoding is none that this Python has.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    try:
        out = _Output(_Sink(OUT, events), call.stdout)
        err = _Output(_Sink(ERR, events), (False, *call.stderr[1:]))
    except (LookupError, ValueError):
        encodings = f"{call.stdout[1]!r} and {call.stderr[1]!r}"
        raise MustRunLocally(f"the service cannot write in the encodings {encodings}") from None
    sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO()), out, err
    try:
        yield
        out.flush()
        err.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
