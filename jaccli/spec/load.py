"""From a spec's text and the options over it to a checked `Spec`.

Boundary: reads spec files; never the input files that a spec names.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from jaccli.errors import Problem, SourceError, SpecError
from jaccli.spec.nested_inputs import heads, with_groups
from jaccli.spec.nodes import Node, Text
from jaccli.spec.overrides import Override, apply, extend
from jaccli.spec.schema import SPEC
from jaccli.spec.schema_types import ProblemCollector
from jaccli.spec.spec import Spec
from jaccli.spec.validate import build, check_given
from jaccli.spec.yaml12 import MAX_BYTES, lines, parse, too_large
from jaccli.storage import files
from jaccli.storage.local_files import STDIN

_DATA = (".csv", ".tsv", ".dat", ".npy", ".npz", ".mtx")
"""Suffixes of what is no spec."""


def load(name: str | None, overrides: Iterable[Override] = ()) -> Spec:
    """Return the checked spec of a file, of standard input (`-`), or of options alone (None).

    A spec with a sweep has the first value of each entry that is swept.

    Raises:
        SpecError: all that is wrong with the entries, each with its place.
    """
    report = ProblemCollector()
    overrides = list(overrides)
    root = _nothing() if name is None else _read(name, report)
    if root.value is None:
        hint = "`jaccli init` writes one to start from."
        raise SpecError(f"{root.text.name}: the spec is empty.", hint=hint)
    if not isinstance(root.value, dict):  # else an option would be blamed
        SPEC.check(root, "", report)
        raise SpecError(*report.problems)
    for override in overrides:
        root = apply(root, override) if override.path == ("base",) else root
    root = _with_base(root, report, None if name == STDIN else name)
    root = apply(root, *overrides)
    if root.get("sweep") is not None:
        from jaccli.spec.sweep import apply_first

        root = apply_first(root, report)
    spec = check(name or "-e", root, report)
    check_given(spec)
    return spec


def check(name: str, root: Node, report: ProblemCollector) -> Spec:
    """Return the checked spec of a tree; `report` may hold problems that are known already.

    Raises:
        SpecError: all that is wrong with the entries, each with its place.
    """
    root = with_groups(_with_names(root))
    values = SPEC.check(root, "", report)
    spec = None if values is None else build(name, values, root, report)
    if report.problems or spec is None:
        raise SpecError(*_in_order(report.problems))
    return spec


def _with_names(root: Node) -> Node:
    """Return the tree with a `vector` whose keys all are names known to hold names.

    `{value: 1}` is a source, unless an input of `wrt`, or an output, is called `value`.
    """
    vector = root.get("vector")
    if vector is None or not isinstance(vector.value, dict) or not isinstance(root.value, dict):
        return root
    inputs, wrt = root.get("inputs"), root.get("wrt")
    names = (
        {str(leaf.value) for leaf in wrt.leaves()} if wrt else set(inputs.keys if inputs else ())
    )
    names |= heads(names).keys()
    for entry in ("expressions", "unknowns"):
        outputs = root.get("model", entry)
        names |= set(outputs.keys if outputs else ())
    if not vector.value or not vector.value.keys() <= names:
        return root
    return replace(root, value=root.value | {"vector": replace(vector, named=True)})


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Sort by position, text by text, and say each thing once."""

    def position(problem: Problem) -> tuple[str, int, int]:
        place = problem.place
        return (place.source, place.line, place.column) if place else ("", 0, 0)

    return sorted(dict.fromkeys(problems), key=position)


def _nothing() -> Node:
    """Return the tree of a spec that options alone make."""
    return Node({}, Text("", Path(), ("",), is_file=False))


def _read(name: str, report: ProblemCollector, place_of: Node | None = None) -> Node:
    """Return the tree of a file or of standard input."""
    try:
        data = files.read(name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "" if place_of else spec_advice(name)
        place = place_of.place if place_of else None
        path = "base" if place_of else ""
        problem = Problem(f"{name}: {reason}.", path, place, hint)
        raise SpecError(problem) from error
    shown = "<stdin>" if name == STDIN else name
    if place_of is None and Path(name).suffix.lower() in _DATA:
        hint = f"Numbers are the value of an input: --at x=@{name}."
        raise SpecError(Problem(f"{name}: a file of numbers, not a spec.", hint=hint))
    if len(data) > MAX_BYTES:
        raise too_large(shown)
    folder = Path() if name == STDIN else Path(name).parent
    return parse(Text(shown, folder, decode(shown, data)), report.problems)


def spec_advice(name: str) -> str:
    """Return what to type in place of a SPEC that is no file."""
    path = Path(name)
    near = [path.with_suffix(suffix) for suffix in (".yaml", ".yml")] if path.name else []
    found = next((each for each in near if files.is_local() and _is_readable(each)), None)
    if found is not None:
        return f"Did you mean '{found}'?"
    if re.fullmatch(r"[A-Za-z_][\w.]*=.*", name):
        return f"Inputs are given by --at: --at {shlex.quote(name)}."
    if re.search(r"[*+(^=]|\s[-/]\s", name) or re.fullmatch(r"[A-Za-z]", name):
        return f"An expression is given by -e: -e {shlex.quote(name)}."
    return "SPEC is a YAML file, or - for standard input."


def _is_readable(path: Path) -> bool:
    try:
        stream, _ = files.open_to_read(path)
    except (OSError, SourceError):
        return False
    stream.close()
    return True


def decode(name: str, data: bytes) -> tuple[str, ...]:
    """Return the lines of a spec.

    Raises:
        SpecError: it is not text in UTF-8.
    """
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        message = f"{name}: not text in UTF-8: byte 0x{byte:02x} at offset {error.start}."
        raise SpecError(message, hint="A spec is a YAML file.") from error
    return lines(content)


def _with_base(
    root: Node, report: ProblemCollector, name: str | None, seen: tuple[str, ...] = ()
) -> Node:
    """Return the tree of the file `name` over the one that its `base:` names, and so on down."""
    base = root.get("base")
    if base is None or not isinstance(base.value, str):
        return root
    path = str(base.text.folder / base.value)
    seen = (*seen, files.identity(name)) if name else seen
    if files.identity(path) in seen:
        raise SpecError(Problem(f"{base.value!r} extends itself.", "base", base.place))
    below = _with_base(_read(path, report, base), report, path, seen)
    if not isinstance(below.value, dict):
        message = f"{base.value!r} is {below.describe()}, not a spec: a mapping of keys."
        raise SpecError(Problem(message, "base", base.place))
    return extend(below, root)
