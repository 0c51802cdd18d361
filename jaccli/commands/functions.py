"""The command `functions`: what can be called in an expression."""

from __future__ import annotations

from collections.abc import Iterator

from jaccli.commands.options import CallRequest
from jaccli.commands.outcome import Outcome, PlainText
from jaccli.commands.request import argument
from jaccli.context import Context
from jaccli.errors import UsageError, suggest


class FunctionsRequest(CallRequest):
    """Which functions."""

    word: str | None = argument("[WORD]", "Only those that mention it.")


def run(request: FunctionsRequest, context: Context) -> Iterator[Outcome]:
    """List the functions and constants.

    Raises:
        UsageError: no function mentions the word.
    """
    lines = _lines((request.word or "").lower())
    if not lines:
        from jaccli.expression.function_table import FUNCTIONS

        word = str(request.word)
        raise UsageError(f"no function mentions {word!r}.", hint=suggest(word, FUNCTIONS))
    yield PlainText(text=lambda: "\n".join(lines))


def _lines(word: str) -> list[str]:
    """Return a line for each function that mentions a word, by category."""
    from jaccli.expression.function_table import CONSTANTS, SPELLINGS
    from jaccli.expression.function_table import functions as all_functions

    lines, category = [], ""
    for function in all_functions():
        line = f"  {function.signature:44} {function.summary}"
        if word not in f"{line} {function.category}".lower():
            continue
        if function.category != category:
            category = function.category
            lines.append(category)
        lines.append(line)
    others = [
        f"  {other:44} {name}"
        for other, name in sorted(SPELLINGS.items())
        if not word or word in (other, name)
    ]
    if others:
        lines += ["other spellings, which inputs and expressions may have as names", *others]
    if not word:
        lines.append(f"constants\n  {', '.join(CONSTANTS)}")
    return lines
