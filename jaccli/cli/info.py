"""The commands that compute no derivative: validate, functions, devices, init, schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from jaccli.cli import console
from jaccli.cli.options import OPTIONS, RESULT, Values, overrides, shared, with_options
from jaccli.cli.tasks import load_all, warn_of_unused
from jaccli.errors import UsageError, VerdictError, expected, suggest

Command = Callable[..., int | None]


def validate_command(_: str) -> Command:
    """Return `validate`: checks specs and prints them resolved."""

    def validate(values: Values) -> int:
        from jaccli.spec.resolved import to_yaml

        specs = load_all(values, overrides(values))
        for spec in specs:
            if spec.sweep is not None:
                from jaccli.sweep import expand

                expand(spec)
            warn_of_unused(spec, values)
        console.out("\n---\n".join(to_yaml(spec.resolved).rstrip() for spec in specs))
        return 0

    results = (option.name for option in OPTIONS if option.panel == RESULT)
    without = {*results, "explain", "verbose"} - {"layout"}
    return with_options(validate, shared(without))


def functions_command(_: str) -> Command:
    """Return `functions`: the expression language."""

    def functions(
        word: Annotated[
            str | None, typer.Argument(metavar="[WORD]", help="Only those that mention it.")
        ] = None,
    ) -> int:
        from jaccli.expression.function_table import CONSTANTS, FUNCTIONS, SPELLINGS
        from jaccli.expression.function_table import (
            functions as listed,  # the package's may be a module
        )

        lines, category = [], ""
        for function in listed():
            line = f"  {function.signature:44} {function.summary}"
            if word and word.lower() not in f"{line} {function.category}".lower():
                continue
            if function.category != category:
                category = function.category
                lines.append(category)
            lines.append(line)
        others = [
            f"  {other:44} {name}"
            for other, name in sorted(SPELLINGS.items())
            if not word or word.lower() in (other, name)
        ]
        if others:
            lines += ["other spellings, which inputs and expressions may have as names", *others]
        if word and not lines:
            raise UsageError(f"no function mentions {word!r}.", hint=suggest(word, FUNCTIONS))
        if not word:
            lines.append(f"constants\n  {', '.join(CONSTANTS)}")
        console.out("\n".join(lines))
        return 0

    return functions


def devices_command(_: str) -> Command:
    """Return `devices`: what JAX sees, and whether it computes right."""

    def devices(
        check: Annotated[
            bool, typer.Option("--check", help="Compute known answers on each device.")
        ] = False,
        form: Annotated[
            str, typer.Option("--format", metavar="FORMAT", help="plain or json.")
        ] = "plain",
        debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
    ) -> int:
        from jaccli import backend

        if form not in ("plain", "json"):
            raise UsageError(f"--format: unknown value {form!r}.", hint=expected(("plain", "json")))
        backend.configure(x64=True)
        rows = []
        for index, device in enumerate(backend.devices()):
            row: dict[str, object] = {
                "device": device.name,
                "kind": device.handle.device_kind,
                "default": index == 0,
            }
            if check:
                from jaccli.execute.self_test import check as check_device

                row["check"] = check_device(device) or "ok"
            rows.append(row)
        if form == "json":
            console.out(json.dumps({"devices": rows, "versions": backend.versions()}))
        else:
            for row in rows:
                default = "  (default)" if row["default"] else ""
                verdict = f"  {row['check']}" if check else ""
                console.out(f"{row['device']:8} {row['kind']}{default}{verdict}")
        failed = any(row.get("check", "ok") != "ok" for row in rows)
        return VerdictError.exit_code if failed else 0

    return devices


def schema_command(_: str) -> Command:
    """Return `schema`: the JSON Schema of a spec."""

    def schema() -> int:
        from jaccli.spec.schema import json_schema

        console.out(json.dumps(json_schema(), indent=2))
        return 0

    return schema


def init_command(_: str) -> Command:
    """Return `init`: a spec to start from."""

    def init(
        path: Annotated[
            str, typer.Argument(metavar="[PATH]", help="The file to write; - prints it.")
        ] = "model.yaml",
        model: Annotated[
            str, typer.Option("--model", metavar="MODEL", help="expressions, forecast or python.")
        ] = "expressions",
        force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    ) -> int:
        from jaccli.cli.templates import STARTERS

        if model not in STARTERS:
            raise UsageError(f"--model: unknown value {model!r}.", hint=expected(STARTERS))
        starter = STARTERS[model]
        if path == "-":
            console.out(starter.spec.rstrip())
            return 0
        files = {Path(path): starter.spec}
        files |= {Path(path).with_name(name): text for name, text in starter.beside.items()}
        for file in files:
            if file.exists() and not force:
                raise UsageError(f"{file}: exists already.", hint="Overwrite it with --force.")
        for file, text in files.items():
            try:
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}.") from error
        console.err(f"Wrote {', '.join(map(str, files))}. Next: jaccli run {path}{starter.flags}")
        return 0

    return init
