"""The table of commands, and the Typer application built from it.

A new command is one entry in `COMMANDS`.  Only the command that was named is imported and built:
all of them together would cost every call 50 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

COMPUTE = "Compute"
INSPECT = "Inspect"
SETUP = "Set up"


@dataclass(frozen=True)
class Command:
    """A command: its help panel, and the function that makes its callback."""

    panel: str
    factory: str
    """`module:function`; called with the command's name, it returns the callback."""

    def callback(self, name: str) -> Callable[..., int | None]:
        """Import and return the command's function."""
        module, _, function = self.factory.partition(":")
        made: Callable[..., int | None] = getattr(import_module(module), function)(name)
        return made


_DERIVATIVE = "jaccli.cli.compute:derivative_command"
COMMANDS: dict[str, Command] = {
    "jacobian": Command(COMPUTE, _DERIVATIVE),
    "hessian": Command(COMPUTE, _DERIVATIVE),
    "gradient": Command(COMPUTE, _DERIVATIVE),
    "jvp": Command(COMPUTE, _DERIVATIVE),
    "vjp": Command(COMPUTE, _DERIVATIVE),
    "hvp": Command(COMPUTE, _DERIVATIVE),
    "evaluate": Command(COMPUTE, _DERIVATIVE),
    "run": Command(COMPUTE, "jaccli.cli.compute:run_command"),
    "plan": Command(INSPECT, "jaccli.cli.compute:plan_command"),
    "validate": Command(INSPECT, "jaccli.cli.describe:validate_command"),
    "functions": Command(INSPECT, "jaccli.cli.describe:functions_command"),
    "devices": Command(INSPECT, "jaccli.cli.describe:devices_command"),
    "init": Command(SETUP, "jaccli.cli.describe:init_command"),
    "schema": Command(SETUP, "jaccli.cli.describe:schema_command"),
}


def build(arguments: Sequence[str]) -> Callable[..., int | None]:
    """Return the application with the command that `arguments` name, or with all of them."""
    named = arguments[0] if arguments else ""
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
        if named not in COMMANDS or name == named:
            callback = command.callback(name)
            app.command(name, rich_help_panel=command.panel, no_args_is_help=False)(callback)
    built: Callable[..., int | None] = typer.main.get_command(app)
    return built


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
