"""Every error that the program raises on purpose, with its exit code beside it.

    JaccliError
    ├── VerdictError          1  an expectation that does not hold
    ├── UsageError            2  options that do not fit together, a refused target
    │   └── SpecError         2  entries of a spec or of an expression, each with its place
    ├── ComputationError      3  the computation failed
    │   ├── BudgetError       3  more memory needed than the budget allows
    │   └── SourceError       3  a source file that cannot be read
    └── DeviceError           4  the device is not there

An error holds one or more `Problem`s; a `Problem` may hold the `Place` it concerns.  This module
imports nothing of the package, and everything may import it.
"""

from __future__ import annotations

from collections.abc import Iterable
from errno import EBADF
from heapq import nsmallest
from itertools import takewhile
from typing import ClassVar, NamedTuple

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
DEFECT = "This is a defect;"
"""What begins the hint of an error that nobody foresaw."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SHOWN = 100
"""Characters of a source line that an error shows at most."""
LISTED = 30
"""Entries of a list that are shown at most: names in a message, problems of an error."""
_NAME = 100
"""Characters of a name that a list shows at most, and of one that is compared with others."""
_MESSAGE = 2_000
"""Characters of a message that are shown at most."""
_COMPARED = 1_000
"""Names that a name is compared with at most, to suggest one."""


class Place(NamedTuple):
    """A stretch of text the user wrote.

    `source` is a file name or an option (`--set`); `line` and `column` count from 1, and `line` is
    0 where there is only one line (options).  `text` is the line to show, with carets under
    `text[caret : caret + length]`.
    """

    source: str
    line: int
    column: int
    text: str
    caret: int
    length: int

    def within(self, value: str, start: int, end: int) -> Place:
        """Return the place of `value[start:end]`, where `value` is the scalar that begins here."""
        before = value[:start]
        row = before.count("\n")
        offset = start - (before.rfind("\n") + 1)
        line = value.split("\n")[row] if value else ""
        length = max(1, min(end, start + len(line) - offset) - start)
        quote = 1 if self.text.startswith(("'", '"'), self.caret) else 0
        if row == 0 and self.text.startswith(line, self.caret + quote):  # no copy: it may be long
            shift = quote + offset
            return self._replace(
                column=self.column + shift, caret=self.caret + shift, length=length
            )
        if self.line and row:  # the lines of a block are indented as its first one is
            moved = self._replace(line=self.line + row, column=self.column + offset)
            return moved._replace(text=line, caret=offset, length=length)
        return self._replace(text=line, caret=offset, length=length)

    def __str__(self) -> str:
        if not self.line:
            return self.source
        return f"{self.source}:{self.line}:{self.column}" if self.source else ""

    def picture(self) -> str:
        """Return the line with carets below it, cut around the carets when it is long."""
        text, caret = self.text.expandtabs(1), self.caret
        if len(text) > _SHOWN:
            start = max(0, min(caret - _SHOWN // 2, len(text) - _SHOWN))
            stop = start + _SHOWN
            left, right = "…" if start else "", "…" if stop < len(text) else ""
            text, caret = left + text[start:stop] + right, caret - start + len(left)
        length = max(1, min(self.length, len(text) - caret))
        return f"  {text}\n  {' ' * caret}{'^' * length}"


class Problem(NamedTuple):
    """One thing that is wrong: `message` quotes the value, `hint` says what is accepted."""

    message: str
    path: str = ""
    place: Place | None = None
    hint: str = ""

    def of(self, name: object) -> Problem:
        """Return the problem as one of a file, or another thing, of that name."""
        return self._replace(message=f"{name}: {self.message}")

    def __str__(self) -> str:
        where = str(self.place) if self.place else ""
        # An option names its own entry, so `--wrt: wrt: …` would say it twice.
        path = "" if self.place and not self.place.line and self.place.source else self.path
        message = shortened(self.message, _MESSAGE)
        stop = "" if message.endswith((".", "?")) else "."
        lines = [": ".join(part for part in (where, path, message + stop) if part)]
        if self.place and self.place.text.strip():
            lines.append(self.place.picture())
        if self.hint:
            lines.append(shortened(self.hint, 2 * _MESSAGE))
        return "\n".join(lines)


class JaccliError(Exception):
    """The root: everything the program raises on purpose."""

    exit_code: ClassVar[int] = 3

    def __init__(self, *problems: Problem | str, hint: str = "") -> None:
        self.problems: tuple[Problem, ...] = tuple(
            Problem(problem, hint=hint) if isinstance(problem, str) else problem
            for problem in problems
        )
        super().__init__("\n".join(self.paragraphs()))

    def paragraphs(self) -> list[str]:
        """Return what is said of each problem, of the first ones where there are very many."""
        said = [str(problem) for problem in self.problems[:LISTED]]
        more = len(self.problems) - len(said)
        return [*said, f"and {more:,} more problems."] if more else said


class VerdictError(JaccliError):
    """The results are not what the user said they would be."""

    exit_code = 1


class UsageError(JaccliError):
    """Options that do not fit together, or a target that must not be written."""

    exit_code = 2


class SpecError(UsageError):
    """Entries of a spec that are wrong: all of them at once, each with its place."""


class ComputationError(JaccliError):
    """The computation failed, or its result is not what the user demanded."""

    exit_code = 3


class BudgetError(ComputationError):
    """The work needs more memory than the budget allows."""


class UnderivableError(ComputationError):
    """JAX, or the structured engine, refuses to differentiate a model; `reason` says why."""

    def __init__(self, message: str, reason: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class SourceError(ComputationError):
    """A source file that cannot be read."""


class DeviceError(JaccliError):
    """The device that was asked for is not available."""

    exit_code = 4


def verdict(error: BaseException, *, to_user: bool = True) -> tuple[str, int]:
    """Return what is said of an error that ends the program, and the exit code.

    Without `to_user` nothing that only the program knows is said.
    """
    if isinstance(error, JaccliError):
        return "\n".join(map(_prefixed, error.paragraphs())), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "jaccli: interrupted.", INTERRUPTED
    failed = ComputationError.exit_code
    if isinstance(error, UnicodeEncodeError) and to_user:
        lacking = error.object[error.start]
        return (
            f"jaccli: standard output: the encoding {error.encoding!r} has no {lacking!a}.\n"
            "Set PYTHONIOENCODING=utf-8."
        ), failed
    if isinstance(error, OSError) and error.errno == EBADF and error.filename is None:
        return "jaccli: standard output is closed.", failed
    if isinstance(error, OSError):
        where = (error.filename if to_user else None) or "standard output"
        return f"jaccli: {where}: {(error.strerror or str(error)).lower()}.", failed
    if isinstance(error, MemoryError):
        return "jaccli: out of memory. Take smaller pieces with --chunk.", failed
    if isinstance(error, RecursionError):
        return "jaccli: the model is nested too deeply.", UsageError.exit_code
    if isinstance(error, SystemExit):
        return "", int(error.code or 0) if not isinstance(error.code, str) else failed
    message = f"jaccli: unexpected {type(error).__name__}"
    if not to_user:
        return f"{message}.\n{DEFECT} it may show without --server.", failed
    reason = str(error).strip().split("\n")[0]
    return f"{message}: {reason}\n{DEFECT} --debug shows where it happened.", failed


def _prefixed(problem: str) -> str:
    """Return a problem as it is printed: with the program's name where it has no place."""
    first = problem.split("\n", 1)[0]
    return problem if "\n  " in problem and ": " in first else f"jaccli: {problem}"


def expected(choices: Iterable[str], most: int = LISTED) -> str:
    """Return `Expected one of 'a', 'b'.`, the usual hint."""
    choices = list(choices)
    return f"Expected {'one of ' if len(choices) != 1 else ''}{listed(map(repr, choices), most)}."


def listed(items: Iterable[str], most: int = LISTED) -> str:
    """Return `a, b, c`; of more than `most`, the first ones: `a, b, c and 19,990 more`.

    Every list in a message is made here, so that no message is endless.
    """
    items = list(items)
    shown = ", ".join(shortened(item, _NAME) for item in items[:most])
    more = len(items) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


def install(extra: str) -> str:
    """Return the hint where an optional extra is missing."""
    return f"Install the extra: pip install 'jaccli[{extra}]'."


def shortened(text: str, most: int) -> str:
    """Return a text, or its first characters where there are more than `most`."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def suggest(name: str, choices: Iterable[str]) -> str:
    """Return `Did you mean 'b'?` for the closest choice, or nothing where none is close.

    Of very many choices, those that begin like the name and are about as long are looked at.
    """
    import difflib  # for errors alone: 2 ms that a right spec does not pay

    from jaccli.synonyms import meant

    if len(name) > _NAME:
        return ""
    choices = [choice for choice in choices if len(choice) <= 2 * _NAME]
    known = meant(name, choices)
    if known:
        return f"Did you mean {known!r}?"
    if len(choices) > _COMPARED:
        choices = nsmallest(_COMPARED, choices, key=lambda choice: _unlike(name, choice))
    close = difflib.get_close_matches(name, choices, n=10)
    nearest = min(close, key=lambda choice: _edits(name, choice), default="")
    return f"Did you mean {nearest!r}?" if nearest else ""


_CERTAIN = 2
"""Edits up to which a word is hardly another one."""


def likely(name: str, choices: Iterable[str]) -> str:
    """Return `Did you mean 'b'?` where that is hardly in doubt, else the list of all.

    For few words with meanings of their own, of which another is no better than none.
    """
    from jaccli.synonyms import meant

    choices = list(choices)
    known = meant(name, choices) if len(name) <= _NAME else ""
    if not known and 3 < len(name) <= _NAME:
        edits, nearest = min((_edits(name, choice), choice) for choice in choices)
        known = nearest if edits <= _CERTAIN else ""
    return f"Did you mean {known!r}?" if known else expected(choices)


def _unlike(name: str, choice: str) -> tuple[int, int]:
    """Return how far a choice is from a name, at a glance: by its beginning and its length."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(name, choice, strict=False))
    return -sum(1 for _ in alike), abs(len(choice) - len(name))


def _edits(one: str, other: str) -> int:
    """Return the fewest letters to add, drop, change or swap with a neighbor between two words."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, opposite in enumerate(other, 1):
            cost = min(row[-1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + (letter != opposite))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == opposite:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return `Did you mean 'b'?` for the closest choice, or the list of all where none is close."""
    choices = list(choices)
    return suggest(name, choices) or (expected(choices) if choices else "")


def format_bytes(count: float) -> str:
    """Return a size in binary units: `1.5 GiB` (`count` in bytes)."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.1f} {_UNITS[power]}" if power else f"{int(count)} B"
