"""What the program does: a module for each command, and the table of all.

A command is a frozen request and a function `run(request, context)` that yields outcomes.  It knows
neither Typer nor HTTP and prints nothing: the edges (`cli`, `service`, the Python door) make its
request and its context, and show its outcomes.

Only the named command's module is imported; help for all of them takes this table alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jaccli.context import Context, using

if TYPE_CHECKING:
    from jaccli.commands.outcome import Outcome
    from jaccli.commands.request import Request

    class RunCommand(Protocol):
        """What a command does."""

        def __call__(self, request: Any, context: Context) -> Iterator[Outcome]: ...


COMPUTE, INSPECT, SET_UP = "Compute", "Inspect", "Set up"
"""The panels of the program's help."""


class Command(NamedTuple):
    """A command: its help panel, what it does, and the class of its request.

    The request's module has the command's `run`.
    """

    panel: str
    summary: str
    module: str
    request_name: str

    def request(self) -> type[Request]:
        """Return the class of the command's request."""
        found: type[Request] = getattr(import_module(self.module), self.request_name)
        return found

    def takes(self, flag: str) -> bool:
        """Return whether the command has an option of that name, as `--vector`."""
        return any(flag in option.flags for option in self.request().options.values())

    def perform(self, request: Request, context: Context) -> Iterator[Outcome]:
        """Perform what is asked, and yield each outcome as soon as it is there.

        While it works the context is the thread's current one; between two outcomes it is not.

        Raises:
            JaccliError: with the place in the user's text.
        """
        run: RunCommand = import_module(self.module).run
        with using(context):
            outcomes = run(request, context)
        while True:
            with using(context):
                outcome = next(outcomes, None)
            if outcome is None:
                return
            yield outcome


_HERE = "jaccli.commands"
_DERIVATIVE = f"{_HERE}.derivative"
COMMANDS: dict[str, Command] = {
    "jacobian": Command(
        COMPUTE, "Compute the Jacobian: (*batch, *out, *in).", _DERIVATIVE, "JacobianRequest"
    ),
    "hessian": Command(
        COMPUTE,
        "Compute the Hessian of each output entry: (*batch, *out, *in1, *in2).",
        _DERIVATIVE,
        "HessianRequest",
    ),
    "gradient": Command(
        COMPUTE,
        "Compute the gradient of a scalar output: (*batch, *in).",
        _DERIVATIVE,
        "GradientRequest",
    ),
    "jvp": Command(
        COMPUTE,
        "Compute the Jacobian times a tangent (--vector): (*batch, *out).",
        _DERIVATIVE,
        "JVPRequest",
    ),
    "vjp": Command(
        COMPUTE,
        "Compute a cotangent (--vector) times the Jacobian: (*batch, *in).",
        _DERIVATIVE,
        "VJPRequest",
    ),
    "hvp": Command(
        COMPUTE,
        "Compute the Hessian of a scalar output times a tangent, never forming the Hessian.",
        _DERIVATIVE,
        "HVPRequest",
    ),
    "evaluate": Command(
        COMPUTE,
        "Compute the outputs at the primal point: (*batch, *out).",
        _DERIVATIVE,
        "EvaluateRequest",
    ),
    "propagate": Command(
        COMPUTE,
        "Propagate uncertainty: the covariance of the outputs, and what each input contributes.",
        f"{_HERE}.propagate",
        "PropagateRequest",
    ),
    "covariance": Command(
        COMPUTE,
        "Estimate the covariance of a fit's parameters: the selected outputs are its residuals.",
        f"{_HERE}.covariance",
        "CovarianceRequest",
    ),
    "run": Command(
        COMPUTE,
        "Compute what the spec's `derivative:` says, and compare it with its `expect:`.",
        f"{_HERE}.run",
        "RunRequest",
    ),
    "plan": Command(
        INSPECT,
        "Print what would be computed, how and why, without computing it.",
        f"{_HERE}.plan",
        "PlanRequest",
    ),
    "bench": Command(
        INSPECT,
        "Time every mode on this machine, the row-by-row loop included.",
        f"{_HERE}.bench",
        "BenchRequest",
    ),
    "sparsity": Command(
        INSPECT,
        "Show where a Jacobian or Hessian may be non-zero, and what that saves.",
        f"{_HERE}.sparsity",
        "SparsityRequest",
    ),
    "check": Command(
        INSPECT,
        "Verify the derivative: finite differences, other modes, identities, a supplied file.",
        f"{_HERE}.check",
        "CheckRequest",
    ),
    "compare": Command(
        INSPECT,
        "Compare two result files, entry by entry or by a norm.",
        f"{_HERE}.compare",
        "CompareRequest",
    ),
    "analyze": Command(
        INSPECT,
        "Spectrum, rank, condition, definiteness, kind of stationary point; of a spec or a result.",
        f"{_HERE}.analyze",
        "AnalyzeRequest",
    ),
    "validate": Command(
        INSPECT,
        "Check a spec's names, types and declared sizes, and print it with its defaults.",
        f"{_HERE}.validate",
        "ValidateRequest",
    ),
    "functions": Command(
        INSPECT,
        "List the functions and constants of expressions, a line each.",
        f"{_HERE}.functions",
        "FunctionsRequest",
    ),
    "devices": Command(
        INSPECT,
        "List the devices; with --check, compute known answers on each.",
        f"{_HERE}.devices",
        "DevicesRequest",
    ),
    "cache": Command(
        SET_UP,
        "Show or clear what is kept from one call to the next.",
        f"{_HERE}.cache",
        "CacheRequest",
    ),
    "serve": Command(
        SET_UP,
        "Run the resident service that --server and HTTP requests call.",
        "jaccli.service.server.command",
        "ServeRequest",
    ),
    "init": Command(SET_UP, "Write a spec to start from.", f"{_HERE}.init", "InitRequest"),
    "examples": Command(
        SET_UP,
        "List, print and copy the example specs that come with the program.",
        f"{_HERE}.examples",
        "ExamplesRequest",
    ),
    "schema": Command(
        SET_UP,
        "Print the JSON Schema of a spec, for editors.",
        f"{_HERE}.schema",
        "SchemaRequest",
    ),
}
