"""The lines of a table's file: decoded, without comments, with their numbers.

Boundary: knows lines, not cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

from jaccli.errors import SourceError
from jaccli.spec.tables.keys import TableOptions, remedy
from jaccli.storage.reading import lines

_HEAD = 4096
"""Bytes from which an encoding is told."""
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks, and the encodings that they tell."""
_SPREADSHEET = re.compile(r"[ \t]*#(?:N/A|NA|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!)")
"""Cells in which a spreadsheet found no number: lines that begin so are rows."""
_SAMPLE_ROWS = 100
_SAMPLE = 1 << 16
"""Characters of the sample after which it ends, if it has the first lines."""
_SAMPLE_LEAST = 4


class TableLines:
    """The lines of a table, one after another, that are no comments.

    `sample` are the first ones, `is_whole` whether there are no others; `skipped` counts the
    comments that were met.
    """

    def __init__(
        self, stream: BinaryIO, options: TableOptions, entries: dict[str, Any], limit: int
    ) -> None:
        self._stream, self._options, self._entries = stream, options, entries
        self.encoding = _encoding(stream, options.encoding, entries)
        codec = {"utf-8": "utf-8-sig"}.get(self.encoding, self.encoding)
        self._lines = self._decoded(lines(stream, limit, codec))
        self._first: list[str] = []
        self.skipped = 0
        self.comment = ""
        """The last comment, without its mark: names of columns may stand there."""
        self.is_odd = False
        """Whether a line since this was last false has what `float` would misread."""
        self.sample, self.is_whole = self._take_sample()

    def __iter__(self) -> Iterator[str]:
        """Yield all lines, from the first on, with their ends; a mark in a quoted cell is text."""
        mark, comma = self._options.comment, self._options.decimal == ","
        starts = f"{mark[:1]} \t" if mark else ""
        inside = False
        for line in chain(self._first, self._lines):
            if line[0] in starts and not inside and self._is_comment(line):
                self.skipped += 1
                self.comment = line.strip().removeprefix(mark)
                continue
            if '"' in line:
                inside ^= line.count('"') % 2 == 1
            if comma or "_" in line:
                self.is_odd = True
            yield line
        self._first = []

    def _is_comment(self, line: str) -> bool:
        mark = self._options.comment
        return line.lstrip(" \t").startswith(mark) and not (
            mark == "#" and _SPREADSHEET.match(line)
        )

    def expect(self, decimal: str) -> None:
        """Take the decimal sign that was found: with a comma all lines are odd."""
        self._options = self._options._replace(decimal=decimal)

    def _take_sample(self) -> tuple[list[str], bool]:
        """Return the first lines that are no comments, which are read again later."""
        rest, first = self._lines, []
        taken: list[str] = []
        characters, whole = 0, True

        def noted() -> Iterator[str]:
            for line in rest:
                first.append(line)
                yield line

        self._lines = noted()
        for line in self:
            characters += len(line)
            taken.append(line)
            if len(taken) >= _SAMPLE_ROWS or (characters > _SAMPLE and len(taken) >= _SAMPLE_LEAST):
                whole = False
                break
        self._lines, self._first = rest, first
        self.skipped, self.is_odd = 0, False
        return taken, whole

    def _decoded(self, text: Iterator[str]) -> Iterator[str]:
        try:
            yield from text
        except UnicodeError as error:
            raise self._undecodable(error) from error

    def _undecodable(self, error: UnicodeError) -> SourceError:
        """Return the error for bytes that the encoding does not have."""
        name = self.encoding.upper()
        if not isinstance(error, UnicodeDecodeError) or self.encoding != "utf-8":
            return SourceError(f"this is no {name} text.")
        start = self._stream.tell() - len(error.object) + error.start
        self._stream.seek(0)
        before = self._stream.read(max(start, 0))
        line = len(re.findall(rb"\r\n|\r|\n", before)) + 1
        byte = error.object[error.start]
        # Windows has printable characters where Latin-1 has control codes.
        other = "cp1252" if 0x80 <= byte < 0xA0 else "latin-1"
        left = re.split(rb"[\r\n,;\t]", error.object[: error.start][-20:])[-1]
        right = re.split(rb"[\r\n,;\t]", error.object[error.start :][:20])[0]
        word = (left + right).decode(other, "replace").strip()
        return SourceError(
            f"line {line}: the byte 0x{byte:02x} is not UTF-8.",
            hint=f"In {other} it is part of {word!r}: write "
            f"{remedy(self._entries, encoding=other)}.",
        )


def _encoding(stream: BinaryIO, said: str | None, entries: dict[str, Any]) -> str:
    """Return the encoding that is said, or UTF-8.

    Raises:
        SourceError: the first bytes are those of another one.
    """
    head = stream.read(_HEAD)
    stream.seek(0)
    mark = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    order = _byte_order(head)
    if mark is not None and said is not None and not said.startswith(mark):
        raise SourceError(
            f"the file begins with the mark of {mark.upper()}, and encoding says {said}.",
            hint=f"Write {remedy(entries, encoding=mark)}.",
        )
    found = mark if mark == "utf-16" else order
    if found is not None and not (said or "").startswith("utf-16"):
        name = mark or order
        raise SourceError(
            f"this is {found.upper()} text, and {(said or 'utf-8').upper()} is read.",
            hint=f"Write {remedy(entries, encoding=name)}.",
        )
    if order is None and mark is None and b"\0" in head:
        raise SourceError("this is no text: it has bytes that are 0.")
    if said == "utf-16" and mark is None:
        if order is None:
            raise SourceError(
                "this is no UTF-16 text: it has no mark of the order of bytes.",
                hint="With the mark left out, it is utf-16-le or utf-16-be.",
            )
        return order
    if said in ("utf-16-le", "utf-16-be"):
        if mark is not None:
            return "utf-16"
        if order != said:
            raise SourceError(f"this is no {said.upper()} text.")
    return said or "utf-8"


def _byte_order(head: bytes) -> str | None:
    """Return the UTF-16 of mostly ASCII characters, of which every other byte is 0."""
    even, odd = head[::2], head[1::2]
    if not odd:
        return None
    if odd.count(0) > len(odd) // 2 and even.count(0) == 0:
        return "utf-16-le"
    if even.count(0) > len(even) // 2 and odd.count(0) == 0:
        return "utf-16-be"
    return None
