"""The command `check`: whether a derivative is right at the spec's point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from jaccli import memory
from jaccli.commands.options import (
    ATOL,
    CHUNK,
    HOW,
    INPUTS,
    MODE,
    OF,
    RTOL,
    STORAGE,
    VECTOR,
    TargetRequest,
)
from jaccli.commands.outcome import Outcome, Report
from jaccli.commands.request import option
from jaccli.commands.tasks import Task, check_suffix, check_targets, plans, tasks
from jaccli.context import Context
from jaccli.errors import UsageError, VerdictError

if TYPE_CHECKING:
    from jaccli.result import Stored

    _File = tuple[str, Stored, float | None, float]
    """What a derivative is compared with: a name, the arrays, rtol and atol."""


class CheckRequest(TargetRequest):
    """What each spec's derivative is held against."""

    # fmt: off
    of: str | None = OF
    probes: int | None = option("--probes",
        help="Random directions where entries are too many (5).", panel=HOW, metavar="N", least=1,
        over_http=True)
    against: str | None = option("--against", help="Check the derivative in this file too.",
        panel=INPUTS, metavar="FILE")
    certify: bool = option("--certify", help="Count correct digits by ball arithmetic.", panel=HOW)
    correct_digits: int | None = option("--correct-digits",
        help="Digits that must be correct (12; 5 with float32).", panel=HOW, metavar="N", least=1,
        most=16)
    # fmt: on
    rtol: float | None = RTOL
    atol: float | None = ATOL
    mode: str | None = MODE
    storage: str | None = STORAGE
    chunk: int | None = CHUNK
    vector: tuple[str, ...] = VECTOR


def run(request: CheckRequest, context: Context) -> Iterator[Outcome]:
    """Verify each derivative.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    if request.correct_digits is not None and not request.certify:
        raise UsageError("--correct-digits: without --certify no digits are counted.")
    if request.certify:
        from jaccli.verify.certificates import check_installed

        check_installed()
    asked = tasks(request, context, request.of)
    check_suffix(asked, ".json", "check writes JSON")
    if request.against is not None and len(asked) > 1:
        hint = "Choose one with --of."
        raise UsageError(f"--against: one file for {len(asked)} derivatives.", hint=hint)
    check_targets(asked, request, context)
    # Read before anything is computed in vain.
    files: list[list[_File]] = []
    for task in asked:
        files.append(_files(task, request, _held(files)))
    planned = plans(asked, request, context, holds_result=lambda _: any(files), held=_held(files))
    for (task, plan, _), given in zip(planned, files, strict=True):
        from jaccli.verify.render import as_json, as_text
        from jaccli.verify.supplied import Supplied
        from jaccli.verify.verify import PROBES as DEFAULT
        from jaccli.verify.verify import verify

        with context.reporter.progress() as progress:
            report = verify(
                plan,
                progress,
                probes=request.probes or DEFAULT,
                rtol=request.rtol,
                atol=request.atol or 0.0,
                supplied=[Supplied(*file) for file in given],
                certify=request.certify,
                digits=request.correct_digits,
            )
        yield Report(
            form=task.form,
            target=task.target,
            force=task.spec.output.force,
            text=partial(as_text, report),
            data=partial(as_json, report),
            exit_code=0 if report.passed else VerdictError.exit_code,
        )


def _held(files: Sequence[Sequence[_File]]) -> int:
    """Return the bytes of files that have been read."""
    return sum(stored.nbytes for found in files for _, stored, *_ in found)


def _files(task: Task, request: CheckRequest, held: int) -> list[_File]:
    """Read what the derivative shall be compared with; `held` bytes have been read before."""
    from jaccli.result import read

    rtol, atol, expect = request.rtol, request.atol, task.spec.expect
    left = memory.budget(task.spec.memory) - held
    found: list[_File] = []
    if request.against is not None:
        against = read(request.against, limit=left)
        found.append((f"against {request.against}", against, rtol, atol or 0.0))
    if expect is not None and request.of is None:  # it is of the spec's own derivative
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
