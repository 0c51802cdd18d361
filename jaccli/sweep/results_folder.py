"""The folder of a sweep: a result for each task, the records of all, and a table.

    manifest.json    the records of all tasks: pending ones at first, final ones at the end
    journal.jsonl    while the sweep runs: the record of each finished task, a line each
    results.csv      at the end, a row for each task
    STEM.npz …       the results

A process that is killed leaves the manifest and the journal, and the next run continues from them:
a result is up to date if its fingerprint is in one of them and its file exists.  An incomplete last
line of the journal is ignored.

Boundary: computes nothing.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from jaccli.errors import Problem, UsageError
from jaccli.storage.atomic import exists_already, remove_leftovers
from jaccli.storage.files import check_writable, publishing
from jaccli.sweep.task_names import labels
from jaccli.sweep.task_record import TaskRecord, from_json

MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
TABLE = "results.csv"
SCHEMA = 1


class Folder:
    """A sweep's folder, locked by this process from `open` to `close`.

    `earlier` has the records of earlier runs, by the name of the result's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.earlier: dict[str, TaskRecord] = {}
        self.journal: IO[str] | None = None
        self.has_begun = False

    def read(self) -> None:
        """Read the records of earlier runs, if there are any.

        Raises:
            UsageError: this is not a folder, or its manifest is not that of a sweep.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path}: this is not a folder.")
        for record in (*self._manifest(), *_lines(self.path / JOURNAL)):
            self.earlier[record.file] = record

    def _manifest(self) -> list[TaskRecord]:
        path = self.path / MANIFEST
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise ValueError("of another version")
            return [from_json(record) for record in (*data["earlier"], *data["tasks"])]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            hint = "Choose another folder with --out-dir."
            raise UsageError(f"{path}: this is not the manifest of a sweep.", hint=hint) from error

    def up_to_date(self, record: TaskRecord) -> TaskRecord | None:
        """Return the earlier record of the same task if its result exists; None otherwise."""
        earlier = self.earlier.get(record.file)
        if earlier is None or earlier.status != "done" or earlier.fingerprint != record.fingerprint:
            return None
        return earlier if (self.path / record.file).is_file() else None

    def check_targets(self, records: Iterable[TaskRecord], *, force: bool) -> None:
        """Refuse to replace files that no earlier run has written.

        Raises:
            UsageError: there is such a file.
        """
        own = [MANIFEST, JOURNAL, TABLE] if not self.earlier else []
        names = [*own, *(record.file for record in records if record.file not in self.earlier)]
        for name in names:
            if not force and os.path.lexists(self.path / name):
                raise exists_already(str(self.path / name))

    def open(self) -> None:
        """Create and lock the folder.

        Raises:
            UsageError: it cannot be written, or another process has locked it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"{self.path}: cannot be made: {reason}.") from error
        check_writable(self.path / MANIFEST, force=True)
        self.journal = (self.path / JOURNAL).open("a", encoding="utf-8")
        if not _lock(self.journal):
            self.journal.close()
            raise UsageError(Problem(f"{self.path}: another process is writing there."))

    def begin(self, head: dict[str, Any], records: Sequence[TaskRecord]) -> None:
        """Write the manifest with pending tasks: this run owns the files of the records now."""
        assert self.journal is not None
        if self.earlier:
            remove_leftovers(str(self.path))
        self._write_manifest(head, records)
        self.journal.truncate(0)
        self.has_begun = True

    def discard(self, record: TaskRecord) -> None:
        """Remove the file that an earlier run has written for a task that failed now."""
        if record.file in self.earlier:
            (self.path / record.file).unlink(missing_ok=True)

    def note(self, records: Iterable[TaskRecord]) -> None:
        """Append the records of finished tasks to the journal."""
        assert self.journal is not None
        for record in records:
            self.journal.write(json.dumps(record.as_json()) + "\n")
        self.journal.flush()

    def finish(self, head: dict[str, Any], records: Sequence[TaskRecord]) -> None:
        """Write manifest and table; the journal is no longer needed."""
        remove_leftovers(str(self.path))
        self._write_manifest(head, records)
        with publishing(self.path / TABLE, force=True) as stream:
            stream.write(table(records).encode())
        (self.path / JOURNAL).unlink(missing_ok=True)

    def close(self) -> None:
        """Unlock the folder; remove it if it is new and nothing was written."""
        if self.journal is None:
            return
        with suppress(OSError):
            if not self.has_begun and not (self.path / JOURNAL).stat().st_size:
                (self.path / JOURNAL).unlink()
                self.path.rmdir()  # which only succeeds where it is empty
        self.journal.close()

    def _write_manifest(self, head: dict[str, Any], records: Sequence[TaskRecord]) -> None:
        names = {record.file for record in records}
        others = [r for r in self.earlier.values() if r.file not in names]
        lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in head.items()]
        for name, listed in (("tasks", records), ("earlier", others)):
            rows = ",\n".join(f"  {json.dumps(record.as_json())}" for record in listed)
            lines.append(f'"{name}": [\n{rows}\n]' if rows else f'"{name}": []')
        content = ",\n".join(lines)
        with publishing(self.path / MANIFEST, force=True) as stream:
            stream.write(f"{{\n{content}\n}}\n".encode())


def _lines(path: Path) -> list[TaskRecord]:
    """Return the records of a journal up to the first damaged line."""
    records = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                records.append(from_json(json.loads(line)))
    except (OSError, ValueError):
        pass
    return records


def _lock(file: IO[str]) -> bool:
    """Lock a file; return whether that succeeded.  True where files cannot be locked."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def columns(records: Sequence[TaskRecord]) -> dict[str, str]:
    """Return the short name of each swept path; the path itself if a column has that name."""
    short_names = labels(dict.fromkeys(path for record in records for path in record.values))
    return {path: path if name in COLUMNS else name for path, name in short_names.items()}


def table(records: Sequence[TaskRecord]) -> str:
    """Return the table of all tasks as CSV, numbers in their shortest form."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    paths = list(columns(records))
    fields = [f"result.{name}" if name in paths else name for name in _FIELDS]
    writer.writerow(["task", "derivative", *paths, *fields])
    for record in records:
        values = [_cell(record.values.get(path)) for path in paths]
        cells = [_cell(read(record)) for read in _FIELDS.values()]
        writer.writerow([record.name, record.derivative, *values, *cells])
    return text.getvalue()


def shapes(record: TaskRecord) -> str:
    """Return the shapes of a task's blocks: `r.x (), y.x (2, 3)`."""
    return ", ".join(f"{key} {shape}" for key, shape in record.shapes.items())


_FIELDS: dict[str, Callable[[TaskRecord], Any]] = {
    "status": lambda r: r.status,
    "shapes": shapes,
    "norm": lambda r: r.norm,
    "min": lambda r: r.low,
    "max": lambda r: r.high,
    "nonfinite": lambda r: r.nonfinite if r.shapes else None,
    "condition": lambda r: r.condition,
    "expect": lambda r: r.verdict,
    "mode": lambda r: r.mode,
    "device": lambda r: r.device,
    "seconds": lambda r: r.total_seconds if r.seconds else None,
    "file": lambda r: r.file if r.shapes else "",
    "error": lambda r: r.error,
}


COLUMNS = frozenset({"task", "derivative", "bytes", *_FIELDS})
"""Names of columns, which no swept entry may have."""


def _cell(value: Any) -> str:
    """Return a value as a cell: numbers in full, lists and mappings as JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    return str(value)
