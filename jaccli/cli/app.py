"""The Typer application, made from the table of commands and from their requests.

Only the command that is named is built: building all would cost every call 100 ms.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaccli import context
from jaccli.cli.console import Terminal, show
from jaccli.commands import COMMANDS, Command
from jaccli.context import using

if TYPE_CHECKING:
    from jaccli.commands.request import Option, Request


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
            app.command(name)(_callback(command))
    built: Callable[..., int | None] = typer.main.get_command(app)
    return built


def _callback(command: Command) -> Callable[..., int]:
    """Return a command as the function that Typer calls with the values of its options."""
    request_type = command.request()

    def call(**values: Any) -> int:
        given = {name: value for name, value in values.items() if value is not None}
        for name, value in given.items():
            if isinstance(value, list):
                given[name] = tuple(value)
        return perform(command, request_type(**given))

    typed = [option for option in request_type.options.values() if option.is_typed]
    parameters = [_parameter(option) for option in sorted(typed, key=_place)]
    call.__doc__ = command.summary
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def perform(command: Command, request: Request) -> int:
    """Perform a command, show its outcomes, and return the exit code."""
    here = context.current().replace(
        reporter=Terminal(
            quiet=getattr(request, "quiet", False), verbose=getattr(request, "verbose", False)
        ),
        is_terminal=sys.stdout.isatty(),
    )
    code = 0
    for outcome in command.perform(request, here):
        with using(here):
            show(outcome, here.reporter)
        code = max(code, outcome.exit_code)
    return code


_PANELS = ("", "Model", "Inputs", "Derivative", "How it is computed", "Result", "This call")
"""The panels of a command's help, in their order; others stand before the last."""


def _place(option: Option) -> int:
    """Return where an option's panel stands in the help."""
    if option.panel in _PANELS:
        return 2 * _PANELS.index(option.panel)
    return 2 * len(_PANELS) - 3


def _parameter(option: Option) -> inspect.Parameter:
    """Return an option as a parameter of a Typer command."""
    kind: Any = list[str] if option.kind is tuple else option.kind
    if not option.flags:
        declared: Any = typer.Argument(metavar=option.metavar, help=option.help, show_default=False)
    else:
        declared = typer.Option(
            *option.flags,
            help=option.help,
            metavar=option.metavar or None,
            rich_help_panel=option.panel or None,
            show_default=False,
            autocompletion=option.complete if option.choices else None,
        )
    required = option.default is None and not option.flags and not option.metavar.startswith("[")
    absent: Any = inspect.Parameter.empty if required else False if kind is bool else None
    annotation: Any = Annotated[kind if kind is bool or required else kind | None, declared]
    where = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(option.name, where, default=absent, annotation=annotation)


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
