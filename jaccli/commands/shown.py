"""What `--show` prints, computed alone: the spec and the model of that part.

Where something else needs the rest (a file, values beside it, a comparison, a look at all entries),
the whole is computed, and `--show` picks from it.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from jaccli.choices import RESTRICTED
from jaccli.commands.options import SpecRequest
from jaccli.selections import Index, narrowed, text_of

if TYPE_CHECKING:
    from jaccli.commands.tasks import Task
    from jaccli.models import LoadedModel
    from jaccli.plan import Plan
    from jaccli.result.selection import Picks
    from jaccli.spec import Spec


class Shown(NamedTuple):
    """What is planned for a task: `derivative` of `model`, as `spec` has it."""

    spec: Spec
    model: LoadedModel
    derivative: str


def shown_alone(task: Task, model: LoadedModel, request: SpecRequest) -> Shown | None:
    """Return what is computed where only what `--show` prints is needed; None for the whole.

    Raises:
        UsageError: `--show` picks what is not there.
    """
    spec, text = task.spec, request.show
    if text is None or not _is_alone(task, request):
        return None
    from jaccli.models import outputs_of
    from jaccli.result import BlockShape, check_show, picks_of
    from jaccli.storage.memmap import MemmapArray

    if any(isinstance(array, MemmapArray) for array in model.primals.values()):
        return None  # its rows are read a chunk at a time
    outputs = outputs_of(model)
    if task.derivative == "gradient" and any(shape != () for shape in outputs.values()):
        return None  # it is refused
    ins = {name: model.in_shape(name) for name in model.wrt}
    second = ins if task.derivative == "hessian" else {None: None}
    blocks = [
        BlockShape(
            output,
            (name,) if other is None else (name, other),
            outputs[output],
            (ins[name],) if other is None else (ins[name], ins[other]),
        )
        for output in outputs
        for name in ins
        for other in second
    ]
    check_show(text, blocks, model.batch_size)
    picks = picks_of(text, blocks, model.batch_size)
    sides = [(outputs, picks.output)] if picks.output is not None else []
    for shapes, (name, index) in [*sides, *((ins, pick) for pick in picks.wrt)]:
        if not len(narrowed(name, shapes[name], index, text)):
            return None  # an empty part has the shape of the whole's
    at = model if model.batch_size is None else _at_rows(model, picks.batch)
    found = _picked(spec, at, task.derivative, picks)
    return Shown(spec, at, task.derivative) if found is None and at is not model else found


def is_shown(task: Task, plan: Plan) -> bool:
    """Whether a plan is of what `--show` prints alone."""
    picked = (plan.spec.rows, plan.spec.cols) != (task.spec.rows, task.spec.cols)
    return picked or plan.model.batch_rows is not None


def _at_rows(model: LoadedModel, index: Index) -> LoadedModel:
    """Return the model at the batch rows that are shown: as it is, where all are or none."""
    from jaccli.models import at_rows

    if not index:
        return model
    item, every = index[0], range(model.batch_size or 0)
    rows = range(every[item], every[item] + 1) if isinstance(item, int) else every[item]
    return model if not len(rows) or rows == every else at_rows(model, rows)


def _picked(
    spec: Spec,
    model: LoadedModel,
    derivative: str,
    picks: Picks,
) -> Shown | None:
    """Return what is computed of the picked outputs and inputs; None for all."""
    from jaccli.models import in_part

    rows = None if picks.output is None else text_of(*picks.output)
    if derivative == "hessian":
        return _of_hessian(spec, model, picks, rows)
    cols = ", ".join(text_of(*pick) for pick in picks.wrt) or None
    if rows is None and cols is None:
        return None
    spec = replace(spec, rows=rows, cols=cols)
    return Shown(spec, in_part(spec, model), derivative)


def _is_alone(task: Task, request: SpecRequest) -> bool:
    """Whether nothing but what `--show` prints is made of a task's derivative."""
    spec = task.spec
    needed = (
        task.target is not None,
        task.form == "none",
        task.derivative not in RESTRICTED,
        getattr(request, "with_value", False),
        getattr(request, "fail_on_nonfinite", False),
        spec.expect is not None,
        spec.sparsity is not None,
        spec.part != "full" or spec.rows is not None or spec.cols is not None,
    )
    return not any(needed)


def _of_hessian(
    spec: Spec,
    model: LoadedModel,
    picks: Picks,
    rows: str | None,
) -> Shown | None:
    """Return the rows of the Hessian of one number as the Jacobian of some of its gradient.

    Of several outputs, or where the mode is one of Hessians, only outputs are picked beforehand.
    """
    from jaccli.models import gradient_of, in_part, outputs_of

    if rows is not None:
        only_rows = replace(spec, rows=rows)
        part = in_part(only_rows, model)
    else:
        only_rows, part = spec, model
    sizes = [prod(shape) for shape in outputs_of(part).values()]
    if sizes == [1] and picks.wrt and spec.mode == "auto" and spec.storage != "sparse":
        first, *others = picks.wrt
        cols = ", ".join(text_of(*pick) for pick in others) or None
        of_gradient = gradient_of(spec, part, text_of(*first))
        made = in_part(replace(spec, rows=None, cols=cols), of_gradient)
        said = f"of the gradient by {text_of(*first)}"
        return Shown(replace(spec, rows=said, cols=cols), made, "jacobian")
    return None if rows is None else Shown(only_rows, part, "hessian")
