"""The command `examples`: the specs that come with the program, listed, printed and copied."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaccli.commands.options import REPORTS, CallRequest
from jaccli.commands.outcome import Outcome, PlainText, Report
from jaccli.commands.request import argument, check_choice, option
from jaccli.context import Context
from jaccli.errors import ComputationError, UsageError, listed, suggest


class ExamplesRequest(CallRequest):
    """Which examples, and where copies go."""

    # fmt: off
    names: tuple[str, ...] = argument("[NAME]...", "Print these specs; without any, list all.")
    copy: str | None = option("--copy", metavar="DIR",
        help="Copy them, or without NAME all, with the files that they read.")
    force: bool = option("--force", help="Overwrite existing files.")
    format: str | None = option("--format", metavar="FORMAT",
        help=f"Of the list: {', '.join(REPORTS)}.", choices=REPORTS)
    # fmt: on


class Example(NamedTuple):
    """A spec: its description, the command that runs it, and the files that it reads.

    The files are relative to the folder of the examples, the spec itself first.
    """

    description: str
    command: str
    files: tuple[str, ...]


def run(request: ExamplesRequest, context: Context) -> Iterator[Outcome]:
    """List the examples, print or copy them.

    Raises:
        UsageError: no example has a name, an option has no effect, or a file exists.
        ComputationError: the examples are not installed.
    """
    if request.force and request.copy is None:
        raise UsageError("--force: nothing is written without --copy.")
    if request.copy == "":
        raise UsageError("--copy: no folder is named.")
    check_choice(request, "format")
    if request.format and (request.names or request.copy is not None):
        raise UsageError("--format: it is the list's; NAME and --copy give none.")
    folder = examples_folder()
    stems = sorted(path.stem for path in folder.glob("*.yaml"))
    names = [Path(name).stem if name.endswith(".yaml") else name for name in request.names]
    for name in names:
        if name not in stems:
            hint = suggest(name, stems) or "`jaccli examples` lists them."
            raise UsageError(f"examples: no example named {name!r}.", hint=hint)
    if request.copy is not None:
        yield _copied(folder, list(dict.fromkeys(names)) or stems, request.copy, request.force)
    elif names:
        texts = [(folder / f"{name}.yaml").read_text(encoding="utf-8").rstrip() for name in names]
        yield PlainText(text=lambda: "\n---\n".join(texts))
    else:
        examples = {name: example(folder, name) for name in stems}
        yield Report(
            form=request.format or ("table" if context.is_terminal else "plain"),
            text=lambda: _table(examples),
            data=lambda: {"examples": {name: each._asdict() for name, each in examples.items()}},
        )


def examples_folder() -> Path:
    """Return the folder of the examples: in an installed package, or in the repository.

    Raises:
        ComputationError: there is none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "polar.yaml").is_file():
            return folder
    raise ComputationError(f"{package / 'configs'}: the examples are not installed.")


def example(folder: Path, name: str) -> Example:
    """Read what there is to say of an example."""
    spec = _read(folder, name)
    whole = {**(_read(folder, Path(spec["base"]).stem) if "base" in spec else {}), **spec}
    model = whole.get("model")
    code = (
        model["python"].rpartition(":")[0] if isinstance(model, dict) and "python" in model else ""
    )
    named = [spec.get("base", ""), code, *_data_files(whole)]
    files = tuple(dict.fromkeys([f"{name}.yaml", *filter(None, named)]))
    return Example(spec["description"], _command(Path(f"{name}.yaml"), bool(code)), files)


def _command(path: Path, is_python: bool) -> str:
    return f"jaccli run {shlex.quote(str(path))}{' --allow-python' if is_python else ''}"


def _read(folder: Path, name: str) -> dict[str, Any]:
    import yaml

    content: dict[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def _data_files(value: object) -> Iterator[str]:
    """Yield the files that sources name, anywhere in a spec."""
    if isinstance(value, Mapping):
        if isinstance(value.get("file"), str):
            yield value["file"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _data_files(each)


def _table(examples: Mapping[str, Example]) -> str:
    """Return a line for each example: its name and description."""
    width = max(map(len, examples))
    lines = [f"{name:{width}}  {each.description}" for name, each in examples.items()]
    last = (
        "Copy one with its files: jaccli examples NAME --copy DIR. Then: jaccli run DIR/NAME.yaml"
    )
    return "\n".join([*lines, "", last])


def _copied(folder: Path, names: list[str], target: str, force: bool) -> Outcome:
    """Copy examples with the files that they read; all of them, or none where one exists."""
    found = {name: example(folder, name) for name in names}
    files = list(dict.fromkeys(file for each in found.values() for file in each.files))
    into = Path(target)
    if into.exists() and not into.is_dir():
        raise UsageError(f"{target}: not a folder.")
    taken = [str(into / file) for file in files if (into / file).exists()]
    if taken and not force:
        verb = "exists" if len(taken) == 1 else "exist"
        raise UsageError(f"{listed(taken)}: {verb} already.", hint="Overwrite with --force.")
    try:
        for file in files:
            (into / file).parent.mkdir(parents=True, exist_ok=True)
            (into / file).write_bytes((folder / file).read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{error.filename}: {reason}.") from error
    first = found[names[0]]
    command = _command(into / first.files[0], first.command.endswith("--allow-python"))
    written = listed((str(into / file) for file in files), 6)
    return Outcome(notes=(f"Wrote {written}. Next: {command}",))
