"""The commands that compute: each derivative, `run`, and `plan`, which stops before."""

from __future__ import annotations

from collections.abc import Callable

from jaccli.cli import run
from jaccli.cli.options import CLUSTER, OF, OPTIONS, SWEEP, shared, with_options

Command = Callable[..., int | None]


def derivative_command(name: str) -> Command:
    """Return the command that computes the derivative of that name."""
    return with_options(lambda values: run.run(values, name), (*OPTIONS, CLUSTER))


def run_command(_: str) -> Command:
    """Return `run`: what the spec's `derivative:` says."""
    return with_options(run.run_spec, (*OPTIONS, CLUSTER, *SWEEP))


def plan_command(_: str) -> Command:
    """Return `plan`: prints what a command would do."""
    options = shared(("show", "digits", "fail_on_nonfinite", "explain"), run.PLAN_FORMATS)
    return with_options(lambda values: run.plan(values, values["of"]), (OF, *options))
