"""What a call works with: whose files, how much memory, whose terminal, who is told how far it is.

A context is made at the edge (the command line, a session, a request over HTTP, the Python door)
and handed to the command.  While the command works it is the thread's current one, as a decimal
context is, so that what reads a file deep inside asks the right one: calls in two threads of one
process, with different contexts, do not meet.

Boundary: imports nothing of the package, and little else: a client of the service starts with it.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO, Protocol

    Question = tuple[Any, ...]
    """The name of an operation in `local_files.OPERATIONS`, and its arguments, the file's name
    first."""

    class Provider(Protocol):
        """Where the user's files are."""

        local: bool

        def ask(self, question: Question) -> Any: ...
        def prefetch(self, questions: Iterable[Question]) -> None: ...
        def open(self, name: str) -> BinaryIO: ...
        def publishing(self, name: str, force: bool) -> AbstractContextManager[BinaryIO]: ...
        def folder(self) -> str: ...

    class Progress(Protocol):
        """Told what is done, how many steps it has, and when some are done."""

        def begin(self, what: str) -> None:
            """Begin something that has no steps, as compiling."""
            ...

        def start(self, total: int, done: int = 0) -> None:
            """Begin with `total` steps, of which some were `done` before."""
            ...

        def advance(self, steps: int) -> None:
            """Count `steps` more as done."""
            ...

    class Reporter(Protocol):
        """Told what people read while a command works; results are no matter of it."""

        def tell(self, text: str) -> None:
            """Say what the caller asked for, as the plan, or must know."""
            ...

        def note(self, text: str) -> None:
            """Say a line or more about the work."""
            ...

        def detail(self, text: str) -> None:
            """Say what `--verbose` asks for."""
            ...

        def warn(self, text: str) -> None:
            """Say what may be wrong."""
            ...

        def progress(self) -> AbstractContextManager[Progress]:
            """Return a block in which the progress that it yields is shown."""
            ...


class Silent:
    """A reporter, and a progress, of which nobody hears."""

    def tell(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def detail(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Return a block that shows nothing."""
        return nullcontext(self)

    def begin(self, what: str) -> None:
        """Begin something."""

    def start(self, total: int, done: int = 0) -> None:
        """Begin."""

    def advance(self, steps: int) -> None:
        """Go on."""


class Context:
    """What a call works with; it never changes.

    Args:
        files: the provider of the user's files; None for the file system of this machine.
        reporter: told what people read while the command works.
        most_memory: the greatest memory budget that a call gets, in bytes; None for no limit.
        most_result: the greatest result, in bytes; None for no limit.
        is_terminal: whether results are printed to a terminal.
        environment: the variables that say what the person's terminal is like; None for those of
            this process.
        programs: a `ProgramCache` that calls share; None where each compiles its own.
    """

    __slots__ = (
        "environment", "files", "is_terminal", "most_memory", "most_result", "programs", "reporter",
    )  # fmt: skip

    def __init__(
        self,
        *,
        files: Provider | None = None,
        reporter: Reporter | None = None,
        most_memory: int | None = None,
        most_result: int | None = None,
        is_terminal: bool = False,
        environment: Mapping[str, str] | None = None,
        programs: object | None = None,
    ) -> None:
        self.files = files
        self.reporter: Reporter = reporter or Silent()
        self.most_memory = most_memory
        self.most_result = most_result
        self.is_terminal = is_terminal
        self.environment = environment
        self.programs = programs

    def replace(self, **changes: Any) -> Context:
        """Return the same with some of the arguments changed."""
        return Context(**{name: getattr(self, name) for name in self.__slots__} | changes)


_current: ContextVar[Context] = ContextVar("jaccli")
_DEFAULT = Context()


def current() -> Context:
    """Return the context of the call that this thread works for."""
    return _current.get(_DEFAULT)


@contextmanager
def using(context: Context) -> Iterator[Context]:
    """Work for the call of this context, in this thread, until the block ends."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
