"""The command `propagate`: the uncertainty of a model's outputs from that of its inputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from jaccli.choices import DRAWN
from jaccli.commands.options import (
    INPUTS,
    NAMED_INPUT,
    RESULT,
    STATISTICS,
    STORAGE,
    ResultRequest,
    SpecRequest,
)
from jaccli.commands.origin import origin
from jaccli.commands.outcome import Outcome
from jaccli.commands.reports import ReportRequest, TabledReport, check_tasks
from jaccli.commands.request import option
from jaccli.commands.tasks import (
    Task,
    check_targets,
    foresee_contents,
    load_model,
    programs_of,
    tasks,
    unused,
    warn_of_unused,
)
from jaccli.commands.warnings import nonfinite_problems, remarks
from jaccli.context import Context
from jaccli.errors import ComputationError, Problem, UsageError
from jaccli.spec.overrides import Override, option_node, value_node

if TYPE_CHECKING:
    from jaccli.backend import Device
    from jaccli.models import LoadedModel
    from jaccli.tune.program_cache import ProgramCache
    from jaccli.uncertainty.propagation import Propagation, PropagationOptions

NAME = "propagate"
_LISTED = 1000
"""Outputs of which text and JSON have the covariance."""


def _std(flag: str, values: Sequence[str]) -> Iterable[Override]:
    """Read `NAME=VALUE` as entries of `uncertainty`."""
    for value in values:
        match = NAMED_INPUT.match(value)
        if not match:
            place = option_node(flag, value).place
            hint = "Expected NAME=VALUE, as in --std x=0.1 or --std 'x={relative: 1e-3}'."
            raise UsageError(Problem(f"{value!r} is not NAME=VALUE.", place=place, hint=hint))
        yield Override(("uncertainty", match[1]), value_node(flag, value, match.end()))


class PropagateRequest(ReportRequest):
    """The uncertainty of each spec's outputs.

    There is no `wrt`: derivatives are taken with respect to the inputs that are uncertain.
    """

    # fmt: off
    std: tuple[str, ...] = option("--std",
        help="An input's standard uncertainty, or another form of an entry as YAML; or @FILE.",
        panel=INPUTS, metavar="NAME=VALUE", read=_std)
    order: int | None = option("--order", help="2 adds the GUM's second-order terms (1).",
        panel=STATISTICS, metavar="1|2", least=1, most=2, over_http=True)
    monte_carlo: str | None = option("--monte-carlo",
        help="Draw the inputs N times beside; auto: until the results are stable.",
        panel=STATISTICS, metavar="N", choices=("auto",), over_http=True)
    seed: int | None = option("--seed", help="Of the draws (0).", panel=STATISTICS, metavar="N",
        least=0, over_http=True)
    budget: bool = option("--budget", help="Show what each input contributes, be they many.",
        panel=STATISTICS, over_http=True)
    no_budget: bool = option("--no-budget", help="Leave out what each input contributes.",
        panel=STATISTICS, over_http=True)
    fail_on_nonfinite: bool = option("--fail-on-nonfinite",
        help="A NaN or infinity is an error.", panel=RESULT, over_http=True)
    # fmt: on
    storage: str | None = STORAGE
    wrt: tuple[str, ...] = ()
    performs: ClassVar[tuple[str, ...]] = (NAME,)

    @property
    def draws(self) -> int | None:
        """How many draws are asked for: 0 for as many as it takes, None for none.

        Raises:
            UsageError: it is no number of draws, or a seed without draws.
        """
        text = self.monte_carlo
        if text is None:
            if self.seed is not None:
                raise UsageError("--seed goes with --monte-carlo.")
            return None
        if text == "auto":
            return 0
        digits = text.replace("_", "")
        if not re.fullmatch(r"[0-9]{1,15}", digits) or int(digits) < _FEWEST:
            hint = f"Expected a whole number of at least {_FEWEST}, or 'auto'."
            raise UsageError(f"--monte-carlo: {text!r} is not a number of draws.", hint=hint)
        return int(digits)


_FEWEST = 2


@dataclass(frozen=True, kw_only=True, repr=False)
class Propagated(TabledReport):
    """The uncertainty of the outputs."""

    propagation: Propagation


def run(request: PropagateRequest, context: Context) -> Iterator[Outcome]:
    """Propagate the uncertainty of each spec's inputs.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    _ = request.draws  # what is no number of draws is refused before anything is read
    if request.budget and request.no_budget:
        raise UsageError("--budget and --no-budget do not go together.")
    asked = tasks(request, context, NAME)
    check_targets(asked, request, context)
    return reports(asked, request, context)


def reports(
    asked: Sequence[Task], request: PropagateRequest | ResultRequest, context: Context
) -> Iterator[Propagated]:
    """Propagate for tasks whose targets are checked."""
    check_tasks(asked, request)
    for task in asked:
        held = _of_budget(task)
        if held and isinstance(request, PropagateRequest) and request.no_budget:
            raise UsageError(f"--no-budget: a {held} holds the budget.")
    foresee_contents(path for task in asked for path in task.spec.input_files())
    programs: ProgramCache | None = None
    for task in asked:
        # Derivatives are with respect to uncertain inputs, whatever the spec differentiates.
        model, device = load_model(replace(task.spec, wrt=None), request, context)
        warn_of_unused(task.spec, context)
        programs = programs or programs_of(context, several=len(asked) > 1)
        yield _propagated(task, model, device, programs, request, context)


def _propagated(
    task: Task,
    model: LoadedModel,
    device: Device,
    programs: ProgramCache,
    request: PropagateRequest | ResultRequest,
    context: Context,
) -> Propagated:
    spec, options = task.spec, _options(task, request)
    from jaccli.plan import as_text
    from jaccli.uncertainty import (
        propagation,
        propagation_document,
        propagation_files,
        propagation_text,
    )

    with context.reporter.progress() as progress:
        found = propagation.propagate(spec, model, device, options, programs, progress)
    if request.explain or request.verbose:
        context.reporter.tell(as_text(found.plan))
    if found.undefined is not None and request.fail_on_nonfinite:
        raise ComputationError(f"propagate: {found.undefined}.")
    if found.nonfinite is not None and request.fail_on_nonfinite:
        raise ComputationError(*nonfinite_problems(found.plan, found.nonfinite))
    said = (*found.notes, *found.result.warnings)
    if not request.quiet or task.is_json:
        said += remarks(found.plan, found.nonfinite, debug=request.debug)
    digits = None if task.form == "plain" else request.digits or 6
    every = (*((unused(spec),) if spec.unused else ()), *said)
    return Propagated(
        form=task.form,
        target=task.target,
        force=spec.output.force,
        notes=(_summary(found),),
        warnings=said,
        text=partial(propagation_text.as_text, found, digits),
        data=partial(propagation_files.as_json, found, every),
        rows=partial(propagation_files.summary, found),
        table=partial(propagation_files.as_csv, found),
        arrays=partial(propagation_files.write_npz, found),
        document=partial(
            propagation_document.as_file, found, origin(spec, model), every, request.digits or 6
        ),
        propagation=found,
    )


def _of_budget(task: Task) -> str:
    """Return the suffix of what is written or printed and holds the budget; or nothing."""
    suffix = "" if task.target is None else task.target.suffix.lower()
    if suffix in (".csv", *DRAWN):
        return suffix
    return ".csv" if task.form == "csv" else ""


def _options(task: Task, request: SpecRequest) -> PropagationOptions:
    """Return what is asked for besides u."""
    from jaccli.uncertainty.propagation import PropagationOptions

    held = bool(_of_budget(task))
    matrix: int | None = _LISTED
    if task.target is not None and task.target.suffix.lower() == ".npz":
        matrix = None
    if not isinstance(request, PropagateRequest):
        return PropagationOptions(budget=True if held else None, matrix=matrix)
    budget: Any = True if request.budget or held else False if request.no_budget else None
    return PropagationOptions(
        order=request.order or 1,
        draws=request.draws,
        seed=request.seed or 0,
        budget=budget,
        matrix=matrix,
    )


def _summary(found: Propagation) -> str:
    """Return the line about how it was computed."""
    from jaccli.result import duration

    inputs, outputs = found.inputs.size, len(found.rows)
    result = found.result
    seconds = duration(sum(result.seconds.values()))
    nouns = f"{outputs:,} output{'s' * (outputs != 1)} of {inputs:,} uncertain input"
    return f"propagate: {nouns}{'s' * (inputs != 1)}, Jacobian by {result.mode}, {seconds}"
