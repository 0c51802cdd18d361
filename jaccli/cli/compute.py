"""The commands that compute: each derivative, `run`, and `plan`, which stops before."""

from __future__ import annotations

from collections.abc import Callable

from jaccli.cli import job
from jaccli.cli.options import FORMAT, OF, OPTIONS, RESULT, with_options

Command = Callable[..., int | None]

_DOCS = {
    "evaluate": "Compute the outputs at the primal point: (*batch, *out).",
    "gradient": "Compute the gradient of a scalar output: (*batch, *in).",
    "jacobian": "Compute the Jacobian: (*batch, *out, *in).",
    "hessian": "Compute the Hessian of each output entry: (*batch, *out, *in1, *in2).",
    "jvp": "Compute the Jacobian times a tangent (--vector): (*batch, *out).",
    "vjp": "Compute a cotangent (--vector) times the Jacobian: (*batch, *in).",
    "hvp": "Compute the Hessian of a scalar output times a tangent, never forming the Hessian.",
}


def derivative_command(name: str) -> Command:
    """Return the command that computes the derivative of that name."""
    return with_options(lambda values: job.run(values, name), name, _DOCS[name], OPTIONS)


def run_command(name: str) -> Command:
    """Return `run`: what the spec's `derivative:` says."""
    doc = "Compute what the spec's `derivative:` says, and compare it with its `expect:`."
    return with_options(lambda values: job.run(values, None), name, doc, OPTIONS)


def plan_command(name: str) -> Command:
    """Return `plan`: prints what a command would do."""
    doc = "Print what would be computed, how and why, without computing it."

    options = (OF, *(option for option in OPTIONS if option.panel != RESULT), FORMAT)
    return with_options(lambda values: job.plan(values, values["of"]), name, doc, options)
