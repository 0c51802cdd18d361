"""The table of commands, and the Typer application built from it.

A new command is one entry in `COMMANDS`.  Only the command that is named is imported and built, and
help for all of them takes the table alone: building them would cost every call 100 ms.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, NamedTuple

import typer

_COMPUTE = "Compute"
_INSPECT = "Inspect"
_SET_UP = "Set up"


class Command(NamedTuple):
    """A command: its help panel, what it does, and `module:function` that makes its callback.

    The function is called with the name of the command.
    """

    panel: str
    summary: str
    factory: str

    def callback(self, name: str) -> Callable[..., int | None]:
        """Import and return the command's function."""
        module, _, function = self.factory.partition(":")
        made: Callable[..., int | None] = getattr(import_module(module), function)(name)
        made.__doc__ = self.summary
        return made


_DERIVATIVE = "jaccli.cli.compute:derivative_command"
COMMANDS: dict[str, Command] = {
    "jacobian": Command(_COMPUTE, "Compute the Jacobian: (*batch, *out, *in).", _DERIVATIVE),
    "hessian": Command(
        _COMPUTE,
        "Compute the Hessian of each output entry: (*batch, *out, *in1, *in2).",
        _DERIVATIVE,
    ),
    "gradient": Command(
        _COMPUTE, "Compute the gradient of a scalar output: (*batch, *in).", _DERIVATIVE
    ),
    "jvp": Command(
        _COMPUTE, "Compute the Jacobian times a tangent (--vector): (*batch, *out).", _DERIVATIVE
    ),
    "vjp": Command(
        _COMPUTE, "Compute a cotangent (--vector) times the Jacobian: (*batch, *in).", _DERIVATIVE
    ),
    "hvp": Command(
        _COMPUTE,
        "Compute the Hessian of a scalar output times a tangent, never forming the Hessian.",
        _DERIVATIVE,
    ),
    "evaluate": Command(
        _COMPUTE, "Compute the outputs at the primal point: (*batch, *out).", _DERIVATIVE
    ),
    "run": Command(
        _COMPUTE,
        "Compute what the spec's `derivative:` says, and compare it with its `expect:`.",
        "jaccli.cli.compute:run_command",
    ),
    "plan": Command(
        _INSPECT,
        "Print what would be computed, how and why, without computing it.",
        "jaccli.cli.compute:plan_command",
    ),
    "bench": Command(
        _INSPECT,
        "Time every mode on this machine, the row-by-row loop included.",
        "jaccli.cli.bench:bench_command",
    ),
    "sparsity": Command(
        _INSPECT,
        "Show where a Jacobian or Hessian may be non-zero, and what that saves.",
        "jaccli.cli.sparsity:sparsity_command",
    ),
    "check": Command(
        _INSPECT,
        "Verify the derivative: finite differences, other modes, identities, a supplied file.",
        "jaccli.cli.check:check_command",
    ),
    "compare": Command(
        _INSPECT,
        "Compare two result files, entry by entry or by a norm.",
        "jaccli.cli.compare:compare_command",
    ),
    "analyze": Command(
        _INSPECT,
        "Spectrum, rank, condition, definiteness, kind of stationary point; of a spec or a result.",
        "jaccli.cli.analyze:analyze_command",
    ),
    "validate": Command(
        _INSPECT,
        "Check a spec's names, types and declared sizes, and print it with its defaults.",
        "jaccli.cli.info:validate_command",
    ),
    "functions": Command(
        _INSPECT,
        "List the functions and constants of expressions, a line each.",
        "jaccli.cli.info:functions_command",
    ),
    "devices": Command(
        _INSPECT,
        "List the devices; with --check, compute known answers on each.",
        "jaccli.cli.info:devices_command",
    ),
    "cache": Command(
        _SET_UP,
        "Show or clear what is kept from one call to the next.",
        "jaccli.cli.cache:cache_command",
    ),
    "serve": Command(
        _SET_UP,
        "Run the resident service that --server and HTTP requests call.",
        "jaccli.service.server.command:serve_command",
    ),
    "init": Command(_SET_UP, "Write a spec to start from.", "jaccli.cli.info:init_command"),
    "schema": Command(
        _SET_UP,
        "Print the JSON Schema of a spec, for editors.",
        "jaccli.cli.info:schema_command",
    ),
}


def build(arguments: Sequence[str]) -> Callable[..., int | None]:
    """Return the application with the command that is named, or with the names of all."""
    return _built(_named(arguments))


@cache
def _built(named: str | None) -> Callable[..., int | None]:
    """Make the application once: it takes 5 ms, half of what a call of a resident process takes."""
    app = typer.Typer(
        name="jaccli",
        help="Jacobians, Hessians and their products from a YAML spec or an expression.",
        epilog="Start with: jaccli init, or jaccli gradient -e 'x**2 * y' --at x=3 --at y=2",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name, command in COMMANDS.items():
        if named is None:
            app.command(name, help=command.summary, rich_help_panel=command.panel)(_nothing)
        elif name == named:
            app.command(name)(command.callback(name))
    built: Callable[..., int | None] = typer.main.get_command(app)
    return built


def _named(arguments: Sequence[str]) -> str | None:
    """Return the command that the arguments name, or the words that a shell wants to complete."""
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    words = arguments or typed.split()[1:]
    return words[0] if words and words[0] in COMMANDS else None


def _nothing() -> None:
    """Stand for a command whose name and help are all that is needed."""


def _version(asked: bool) -> None:
    if asked:
        from jaccli import __version__

        typer.echo(f"jaccli {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Print the version, or leave the work to a command."""
