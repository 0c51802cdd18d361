"""Between a spec's files and a plan: the pattern that it starts from, and what a file can hold.

Boundary: reads the pattern alone; computes and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaccli import memory
from jaccli.models import LoadedModel
from jaccli.plan import Plan
from jaccli.result import check_dense, check_layout
from jaccli.result.io.pattern_files import read_pattern
from jaccli.spec import Spec

if TYPE_CHECKING:
    from jaccli.derivative.sparse import Pattern


def given_pattern(spec: Spec, model: LoadedModel) -> Pattern | None:
    """Return the pattern that the user vouches for, read within what the model's arrays leave.

    Raises:
        SourceError: its file cannot be read.
    """
    if spec.sparsity is None:
        return None
    from jaccli.derivative.sparse import Pattern

    return Pattern(*read_pattern(spec.sparsity, limit=memory.budget(spec.memory) - model.nbytes))


def check_fits(plan: Plan, suffix: str) -> None:
    """Refuse what a file of this suffix cannot hold.

    Raises:
        UsageError: the layout is not one of the format's, or there are several arrays for one.
        BudgetError: a sparse result would have to be written with all of its zeros.
    """
    spec, model = plan.spec, plan.model
    check_layout(
        suffix,
        spec.layout,
        plan.derivative,
        plan.blocks,
        model.batch_size,
        storage=plan.storage,
        part=spec.part,
    )
    if plan.storage == "sparse" and spec.layout != "long":
        check_dense(suffix, plan.dense_bytes, plan.budget)
