"""The pages of the reference that are generated from the program, into `docs/_generated`.

| page | from |
|---|---|
| `commands.md` | the requests of the commands, whose fields are their options |
| `functions.md` | the function table, `function_facts.txt`, and the table of docs/digits.md |
| `spec_keys.md` | the JSON Schema of a spec |
| `exit_codes.md` | the tree of errors |
| `python_api.md` | the signatures and docstrings of what `jaccli` exports |
| `contributing.md`, `changelog.md` | the files at the root of the repository |

A page is written only where it has changed, so that Sphinx reads again what it must.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from api_page import python_api
from function_page import functions
from spec_page import spec_keys

import jaccli
from jaccli import errors
from jaccli.cli.app import _place as panel_order
from jaccli.commands import COMMANDS, Command
from jaccli.commands.request import Option

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
TARGET = DOCS / "_generated"


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ").strip()


def commands() -> str:
    """Return the page of all commands with all their options."""
    lines = [
        "# Commands",
        "",
        f"The commands of jaccli {jaccli.__version__}, generated from their declarations: what",
        "`jaccli COMMAND --help` prints. `jaccli COMMAND [SPEC...] [OPTIONS]`; each also takes",
        "`--help`, and `jaccli --version` prints the version.",
        "",
        "| command | |",
        "|---|---|",
        *(f"| [`{name}`](#{name}) | {cell(each.summary)} |" for name, each in COMMANDS.items()),
        "",
    ]
    for name, command in COMMANDS.items():
        lines += _command(name, command)
    return "\n".join(lines)


def _command(name: str, command: Command) -> list[str]:
    options = sorted(
        (each for each in command.request().options.values() if each.is_typed), key=panel_order
    )
    arguments = [each for each in options if not each.flags]
    usage = " ".join(["jaccli", name, "[OPTIONS]", *(each.metavar for each in arguments)])
    lines = [f"## {name}", "", cell(command.summary), "", "```text", usage, "```", ""]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{cell(each.metavar)}` | {cell(each.help)} |" for each in arguments]
        lines += [""]
    panel = None
    for each in options:
        if not each.flags:
            continue
        if each.panel != panel:
            panel = each.panel
            lines += ["", f"**{panel or 'Options'}**", "", "| option | value | |", "|---|---|---|"]
        lines.append(_option(each))
    return [*lines, ""]


def _option(option: Option) -> str:
    flags = ", ".join(f"`{flag}`" for flag in sorted(option.flags, key=len))
    values = f"`{cell(option.metavar)}`" if option.metavar and option.kind is not bool else ""
    notes = [option.help]
    if option.choices and not all(choice in option.help for choice in option.choices):
        notes.append("One of " + ", ".join(f"`{choice}`" for choice in option.choices) + ".")
    if option.kind is tuple:
        notes.append("May be given several times.")
    if option.path:
        notes.append(f"In a spec: `{'.'.join(option.path)}`.")
    return f"| {flags} | {values} | {cell(' '.join(notes))} |"


def exit_codes() -> str:
    """Return the page of exit codes, as the tree of errors has them."""
    tree = (errors.__doc__ or "").split("\n\n")[1]
    return "\n".join(
        [
            "# Exit codes",
            "",
            "| code | |",
            "|---|---|",
            "| 0 | done; of `check`, `compare` and `expect:` a verdict that holds |",
            "| 1 | a verdict that fails, or a task of a sweep that failed |",
            "| 2 | usage, or a spec: an option that is not there, a target that exists |",
            "| 3 | the computation failed: over the budget, a file unread, not finite |",
            "| 4 | the device is not there |",
            f"| {errors.INTERRUPTED} | interrupted with Ctrl-C |",
            "| 143, 129 | ended by SIGTERM, SIGHUP |",
            "",
            "The errors of the program, from its source, with the code beside each:",
            "",
            "```text",
            *(line.removeprefix("    ") for line in tree.splitlines()),
            "```",
            "",
            "An error is one short paragraph on standard error: the place, what is wrong with the",
            "value quoted, what is accepted. `--debug` shows a traceback besides. [How to use them",
            "in CI](../how-to/check-in-ci.md).",
            "",
        ]
    )


def from_root(name: str) -> str:
    """Return a page of the repository's root, its links made relative to `_generated`."""
    text = (ROOT / name).read_text(encoding="utf-8")

    def link(match: re.Match[str]) -> str:
        path = match[1]
        if re.match(r"https?:|#", path):
            return match[0]
        if path.startswith("docs/"):
            return f"](../{path.removeprefix('docs/')})"
        return f"](../../{path})"

    return re.sub(r"\]\(([^)]+)\)", link, text)


def generate(app: Any) -> None:
    """Write every page that has changed."""
    digits = (DOCS / "digits.md").read_text(encoding="utf-8")
    facts = (DOCS / "_ext" / "function_facts.txt").read_text(encoding="utf-8")
    pages = {
        "commands.md": commands(),
        "functions.md": functions(facts, digits),
        "spec_keys.md": spec_keys(),
        "exit_codes.md": exit_codes(),
        "python_api.md": python_api(),
        "contributing.md": from_root("CONTRIBUTING.md"),
        "changelog.md": from_root("CHANGELOG.md"),
    }
    TARGET.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = TARGET / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Generate the pages before Sphinx looks for them."""
    app.connect("config-inited", lambda app, config: generate(app))
    return {"parallel_read_safe": True}
