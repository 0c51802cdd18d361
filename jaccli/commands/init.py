"""The command `init`: a spec to start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jaccli.commands.options import CallRequest
from jaccli.commands.outcome import Outcome, PlainText
from jaccli.commands.request import argument, check_choice, option
from jaccli.commands.templates import STARTERS
from jaccli.context import Context
from jaccli.errors import UsageError


class InitRequest(CallRequest):
    """Which spec, and where it goes."""

    # fmt: off
    path: str = argument("[PATH]", "The file to write; - prints it.", default="model.yaml")
    model: str = option("--model", metavar="MODEL",
        help=f"What it is of: {', '.join(STARTERS)}.",
        choices=tuple(STARTERS), default="expressions")
    force: bool = option("--force", help="Overwrite an existing file.")
    # fmt: on


def run(request: InitRequest, context: Context) -> Iterator[Outcome]:
    """Write the spec, and what goes beside it.

    Raises:
        UsageError: a file is there, or cannot be written.
    """
    check_choice(request, "model")
    starter, path = STARTERS[request.model], request.path
    if path == "-":
        yield PlainText(text=starter.spec.rstrip)
        return
    files = {Path(path): starter.spec}
    files |= {Path(path).with_name(name): text for name, text in starter.beside.items()}
    for file in files:
        if file.exists() and not request.force:
            raise UsageError(f"{file}: exists already.", hint="Overwrite it with --force.")
    for file, text in files.items():
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}.") from error
    written = ", ".join(map(str, files))
    command = f"jaccli {starter.command} {path}{starter.flags}"
    yield Outcome(notes=(f"Wrote {written}. Next: {command}",))
