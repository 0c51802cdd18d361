"""What a CI server reads of an experiment: a JUnit report, and a page of Markdown.

Source of the JUnit format: what Jenkins, GitLab and GitHub's actions read in common
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
"""Rows of the page's table at most: job summaries are cut at 1 MiB."""
_FAILURES = 20
"""Failures that the page tells in full at most."""


def junit(records: Sequence[TaskRecord], name: str) -> str:
    """Return a JUnit report in which each task is a test case, with its seconds.

    What `expect:` finds is a failure, what could not be computed an error, and what was not run
    is skipped.
    """
    counts = {
        "tests": len(records),
        "failures": sum(_is_verdict(record) for record in records),
        "errors": sum(record.status == "failed" and not _is_verdict(record) for record in records),
        "skipped": sum(record.status == "pending" for record in records),
    }
    whole = {key: str(count) for key, count in counts.items()}
    whole["time"] = f"{sum(record.took for record in records):.6f}"
    root = ElementTree.Element("testsuites", {"name": "jaccli", **whole})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(name), **whole})
    for record in records:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": _xml(name), "name": _xml(record.name), "time": f"{record.took:.6f}"},
        )
        if record.status == "failed":
            kind = "failure" if _is_verdict(record) else "error"
            first = record.error.split("\n", 1)[0]
            told = ElementTree.SubElement(case, kind, {"message": _xml(first)})
            told.text = _xml(record.error)
        elif record.status == "pending":
            ElementTree.SubElement(case, "skipped", {"message": "not run"})
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _is_verdict(record: TaskRecord) -> bool:
    return record.verdict == "failed"


def _xml(text: str) -> str:
    """Return a text without the characters that XML has no way to write."""
    return _NOT_XML.sub("\ufffd", text)


def markdown(records: Sequence[TaskRecord], name: str, account: str) -> str:
    """Return a page: the account, failures in full, and a table of the tasks."""
    failures = [record for record in records if record.status == "failed"]
    lines = [f"## {_escaped(name)}", "", account, ""]
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
    """Return a text that Markdown shows as it is, on one line."""
    one_line = " ".join(text.split("\n"))
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", one_line)
