"""Reports of a sweep for CI servers: JUnit XML and Markdown.

Source of the JUnit format: the subset that Jenkins, GitLab and GitHub's actions read
(https://github.com/testmoapp/junitxml).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from jaccli.sweep.table import summary, text_of
from jaccli.sweep.task_record import TaskRecord

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ROWS = 100
"""Maximum number of rows of the Markdown table: job summaries are cut at 1 MiB."""
_FAILURES = 20
"""Maximum number of failures that are quoted in full."""


def junit(records: Sequence[TaskRecord], name: str) -> str:
    """Return a JUnit report in which each task is a test case, with its seconds.

    A task whose `expect:` failed is a failure, one that could not be computed an error, and one
    that was not run is skipped.
    """
    counts = {
        "tests": len(records),
        "failures": sum(_is_verdict(record) for record in records),
        "errors": sum(record.status == "failed" and not _is_verdict(record) for record in records),
        "skipped": sum(record.status == "pending" for record in records),
    }
    totals = {key: str(count) for key, count in counts.items()}
    totals["time"] = f"{sum(record.total_seconds for record in records):.6f}"
    root = ElementTree.Element("testsuites", {"name": "jaccli", **totals})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(name), **totals})
    for record in records:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": _xml(name),
                "name": _xml(record.name),
                "time": f"{record.total_seconds:.6f}",
            },
        )
        if record.status == "failed":
            kind = "failure" if _is_verdict(record) else "error"
            first = record.error.split("\n", 1)[0]
            detail = ElementTree.SubElement(case, kind, {"message": _xml(first)})
            detail.text = _xml(record.error)
        elif record.status == "pending":
            ElementTree.SubElement(case, "skipped", {"message": "not run"})
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _is_verdict(record: TaskRecord) -> bool:
    return record.verdict == "failed"


def _xml(text: str) -> str:
    """Return the text with characters that XML cannot represent replaced."""
    return _NOT_XML.sub("\ufffd", text)


def markdown(records: Sequence[TaskRecord], name: str, summary_line: str) -> str:
    """Return a page: the summary line, the failures in full, and a table of the tasks."""
    failures = [record for record in records if record.status == "failed"]
    lines = [f"## {_escaped(name)}", "", summary_line, ""]
    for record in failures[:_FAILURES]:
        fence = "`" * max(3, 1 + _longest_run(record.error))
        lines += [f"**{_escaped(record.name)}** failed:", "", fence, record.error, fence, ""]
    if len(failures) > _FAILURES:
        lines += [f"and {len(failures) - _FAILURES} more failures.", ""]
    rows = summary(records)
    header = list(rows[0]) if rows else []
    lines += [_line(header), _line(["---"] * len(header))]
    lines += [_line([text_of(cell, 6) for cell in row.values()]) for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        lines += ["", f"and {len(rows) - _ROWS} more tasks."]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _escaped(text: str) -> str:
    """Return the text escaped for Markdown, on one line."""
    one_line = " ".join(text.split("\n"))
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", one_line)
