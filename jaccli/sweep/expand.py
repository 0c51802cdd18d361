"""A spec with a sweep → its tasks: one derivative of one setting each.

Boundary: checks every task's entries and reads no input file; neither numpy nor JAX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaccli.choices import REPORTED
from jaccli.errors import Problem, SpecError, UsageError
from jaccli.spec import Spec
from jaccli.spec.load import check
from jaccli.spec.overrides import apply
from jaccli.spec.schema_types import ProblemCollector
from jaccli.spec.sweep import Setting, settings, without
from jaccli.sweep import task_names


@dataclass(frozen=True)
class SweepTask:
    """One derivative of one setting: `name` is its file's stem, `values` are by path.

    `spec` is the whole spec with the values set, without the sweep.
    """

    name: str
    spec: Spec
    derivative: str
    values: dict[str, Any]


def expand(spec: Spec) -> tuple[SweepTask, ...]:
    """Return the tasks of a sweep: the last entry varies fastest, and derivatives even faster.

    Raises:
        SpecError: an entry cannot be swept, there are too many tasks, or a swept value is invalid.
    """
    report = ProblemCollector()
    all_settings = list(settings(spec.root, report))
    if report.problems:
        raise SpecError(*report.problems)
    titles = [task_names.title(setting) for setting in all_settings]
    _check_repeated(spec, titles)
    specs = _specs(spec, all_settings)
    many_derivatives = any(len(task_spec.derivative) > 1 for task_spec in specs)
    tasks = []
    for stem, setting, task_spec in zip(task_names.stems(titles), all_settings, specs, strict=True):
        values = {".".join(override.path): override.node.plain() for override in setting}
        for derivative in task_spec.derivative:
            name = f"{stem}.{derivative}" if many_derivatives else stem
            one = (task_spec, derivative)
            if derivative not in REPORTED:
                one = task_spec.of_derivative(derivative)
            tasks.append(SweepTask(name, *one, values))
    return tuple(tasks)


def _check_repeated(spec: Spec, titles: list[str]) -> None:
    """Refuse a sweep in which a setting occurs twice."""
    seen: set[str] = set()
    for title in titles:
        if title in seen:
            raise SpecError(spec.problem("sweep", f"the task {title} is there a second time."))
        seen.add(title)


def _specs(spec: Spec, all_settings: list[Setting]) -> list[Spec]:
    """Return the checked spec of each setting."""
    root = without(spec.root)
    specs: list[Spec] = []
    problems: dict[Problem, None] = {}
    for setting in all_settings:
        try:
            specs.append(check(spec.name, apply(root, *setting), ProblemCollector()))
        except UsageError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise SpecError(*problems)
    return specs
