"""What the commands share that end in a report about a derivative: `propagate`, `covariance`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, TextIO

from jaccli.choices import DOCUMENTS, DRAWN
from jaccli.commands.options import (
    CHUNK,
    COVERAGE,
    DIGITS,
    EXPLAIN,
    MODE,
    OUT_DIR,
    ResultRequest,
    SpecRequest,
    TargetRequest,
    printed,
    suffixes,
    written,
)
from jaccli.commands.outcome import Data, Report
from jaccli.commands.tasks import Task
from jaccli.errors import SpecError, UsageError, expected
from jaccli.storage.files import publishing

Number = Callable[[float], str]
SUFFIXES = (".json", ".npz", ".csv", *DOCUMENTS, *DRAWN)
FORMATS = ("table", "plain", "json", "csv", "none")
OF_RESULTS = ("layout", "show", "resume", "cluster", "scale", "with_value")
"""Options of `run` that concern results, which a report is not."""


class ReportRequest(TargetRequest):
    """What a command takes that ends in a report."""

    coverage: float | None = COVERAGE
    output: str | None = written(*SUFFIXES)
    format: str | None = printed(FORMATS)
    mode: str | None = MODE
    chunk: int | None = CHUNK
    digits: int | None = DIGITS
    out_dir: str | None = OUT_DIR
    suffix: str | None = suffixes(*SUFFIXES)
    explain: bool = EXPLAIN
    default_suffix: ClassVar[str] = ".json"


@dataclass(frozen=True, kw_only=True, repr=False)
class TabledReport(Report):
    """A `Report` that is also a table, for `.csv`, and arrays, for `.npz`.

    `document` returns it as a file for people of a suffix: a page, tables, a figure.
    `rows` is what a sweep prints of it: a header and a row for each entry, with numbers as they
    are to be written.
    """

    table: Callable[[], str]
    rows: Callable[[Number], list[list[str]]]
    arrays: Callable[[BinaryIO], None]
    document: Callable[[str], bytes]

    def write(self) -> None:
        """Write the file, in the format that its suffix names."""
        suffix = "" if self.target is None else self.target.suffix.lower()
        if self.target is None or suffix == ".json":
            super().write()
            return
        with publishing(self.target, force=self.force) as stream:
            if suffix == ".npz":
                self.arrays(stream)
            elif suffix in (*DOCUMENTS, *DRAWN):
                stream.write(self.document(suffix))
            else:
                stream.write(self.table().encode())

    def content(self, form: str) -> bytes:
        """Return the report as JSON, or its table."""
        return self.table().encode() if form == "csv" else super().content(form)

    def as_data(self) -> Data:
        """Return what a page in a browser shows of it."""
        return {**super().as_data(), "derivative": self.data()["derivative"]}

    def print(self, out: TextIO) -> None:
        """Print in the format that is asked for."""
        if self.form == "csv":
            out.write(self.table())
            out.flush()
        else:
            super().print(out)


def check_tasks(asked: Iterable[Task], request: SpecRequest) -> None:
    """Refuse targets and formats that hold no report, and files to compare it with.

    Raises:
        UsageError, SpecError: there is one.
    """
    for task in asked:
        if task.target is not None and task.target.suffix.lower() not in SUFFIXES:
            hint = f"Expected a name that ends in {', '.join(SUFFIXES)}."
            raise UsageError(f"-o: {task.target}: {task.derivative} writes reports.", hint=hint)
        if task.target is not None and task.target.suffix.lower() in (".html", *DRAWN):
            from jaccli.result.figures import style

            style.require(task.target.suffix.lower()[1:])
        if task.form not in FORMATS:
            message = f"--format: {task.form!r} is not a format of {task.derivative}."
            raise UsageError(message, hint=expected(FORMATS))
        if task.spec.expect is not None and isinstance(request, ResultRequest):  # that of `run`
            message = f"a report of {task.derivative} is not compared with a file."
            raise SpecError(task.spec.problem("expect", message))


def check_honoured(request: ResultRequest, barred: Container[str], derivative: str) -> None:
    """Refuse options that mean nothing to a report.

    Raises:
        UsageError: one of those that are barred is given.
    """
    for given, _ in request.given():
        if given.name in barred:
            raise UsageError(f"{given.flag}: not with {derivative}, which writes a report.")
