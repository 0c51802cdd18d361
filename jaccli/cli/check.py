"""The command `check`: whether a derivative is right at the spec's point."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jaccli import memory
from jaccli.cli import console
from jaccli.cli.options import (
    AGAINST,
    ATOL,
    CERTIFY,
    CORRECT_DIGITS,
    OF,
    PROBES,
    RTOL,
    Values,
    shared,
    with_options,
)
from jaccli.cli.tasks import Task, check_targets, plans, tasks
from jaccli.errors import UsageError, VerdictError

if TYPE_CHECKING:
    from jaccli.result import Stored

    _File = tuple[str, Stored, float | None, float]
    """What a derivative is compared with: a name, the arrays, rtol and atol."""

_RESULTS = (
    "out_dir", "suffix", "layout", "show", "digits", "fail_on_nonfinite", "explain", "resume",
)  # fmt: skip
"""Options of results and plans, of which a report has none."""
_FORMATS = ("table", "plain", "json", "none")


def check_command(_: str) -> Callable[..., int | None]:
    """Return `check`."""
    own = (OF, PROBES, AGAINST, CERTIFY, CORRECT_DIGITS, RTOL, ATOL)
    return with_options(check, (*own, *shared(_RESULTS, _FORMATS)))


def check(values: Values) -> int:
    """Verify each derivative, print the report, and write it as JSON."""
    _check_numbers(values)
    asked = tasks(values, values["of"], _FORMATS)
    for task in asked:
        if task.target is not None and task.target.suffix.lower() != ".json":
            hint = "Expected a name that ends in .json."
            raise UsageError(f"-o: {task.target}: check writes JSON.", hint=hint)
    if values["against"] is not None and len(asked) > 1:
        hint = "Choose one with --of."
        raise UsageError(f"--against: one file for {len(asked)} derivatives.", hint=hint)
    check_targets(asked, values)
    # Read before anything is computed in vain.
    files: list[list[_File]] = []
    for task in asked:
        files.append(_files(task, values, _held(files)))
    passed = True
    planned = plans(asked, values, holds_result=lambda _: any(files), held=_held(files))
    for (task, plan), given in zip(planned, files, strict=True):
        from jaccli.verify.render import as_json, as_text
        from jaccli.verify.supplied import Supplied
        from jaccli.verify.verify import PROBES as DEFAULT
        from jaccli.verify.verify import verify

        with console.progress(quiet=bool(values["quiet"])) as progress:
            report = verify(
                plan,
                progress,
                probes=DEFAULT if values["probes"] is None else values["probes"],
                rtol=values["rtol"],
                atol=values["atol"] or 0.0,
                supplied=[Supplied(*file) for file in given],
                certify=bool(values["certify"]),
                digits=values["correct_digits"],
            )
        passed = passed and report.passed
        data = as_json(report)
        if task.target is not None:
            from jaccli.storage.files import publishing

            with publishing(task.target, force=task.spec.output.force) as stream:
                stream.write(f"{json.dumps(data, indent=2)}\n".encode())
        if task.form == "json":
            console.out(console.json_line(data))
        elif task.form != "none":
            console.out(as_text(report))
    return 0 if passed else VerdictError.exit_code


def _check_numbers(values: Values) -> None:
    """Refuse what is not a count or a tolerance, before anything is read."""
    probes = values["probes"]
    if probes is not None and probes < 1:
        message = f"--probes: {probes} is not a count of directions."
        raise UsageError(message, hint="Expected 1 or more.")
    digits = values["correct_digits"]
    if digits is not None and not values["certify"]:
        raise UsageError("--correct-digits: without --certify no digits are counted.")
    if digits is not None and not 1 <= digits <= 16:
        message = f"--correct-digits: {digits} is not a number of digits."
        raise UsageError(message, hint="Expected 1 to 16.")
    if values["certify"]:
        from jaccli.verify.certificates import check_installed

        check_installed()
    for name in ("rtol", "atol"):
        if values[name] is not None and not 0 <= values[name] < float("inf"):
            message = f"--{name}: {values[name]} is not a tolerance."
            raise UsageError(message, hint="Expected 0 or more.")


def _held(files: Sequence[Sequence[_File]]) -> int:
    """Return the bytes of files that have been read."""
    return sum(stored.nbytes for found in files for _, stored, *_ in found)


def _files(task: Task, values: Values, held: int) -> list[_File]:
    """Read what the derivative shall be compared with; `held` bytes have been read before."""
    from jaccli.result import read

    rtol, atol, expect = values["rtol"], values["atol"], task.spec.expect
    left = memory.budget(task.spec.memory) - held
    found: list[_File] = []
    if values["against"] is not None:
        against = read(values["against"], limit=left)
        found.append((f"against {values['against']}", against, rtol, atol or 0.0))
    if expect is not None and values["of"] is None:  # it is of the spec's own derivative
        tolerances = (
            expect.rtol if rtol is None else rtol,
            expect.atol if atol is None else atol,
        )
        found.append(
            (
                f"expect {expect.path.name}",
                read(expect.path, limit=left - _held([found])),
                *tolerances,
            )
        )
    return found
