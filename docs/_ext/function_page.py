"""The page of functions: signature, domain, derivative, kinks and accuracy of each."""

from __future__ import annotations

import re
from typing import NamedTuple

from jaccli.diagnose.kink_table import KINKS
from jaccli.expression.function_table import CONSTANTS, SPELLINGS, Function
from jaccli.expression.function_table import functions as all_functions

ELEMENTWISE = ("activation", "elementwise", "special", "trigonometric")
"""Categories whose every function has facts."""
_ALIAS = re.compile(r"the same as (\w+)")
_UNBROKEN = "\N{NON-BREAKING HYPHEN}"
_OF_A_CATEGORY = {
    "comparison": "Truth values: piecewise constant, so no derivative passes through them.",
    "creation": "Constants: their derivative is 0.",
    "linear algebra": "The derivative is the differential, with `da` the change of `a`.",
    "reduction": "The derivative is the differential, with `dx` the change of `x`; `axis` as\n"
    "in the function.",
    "shape": "They move or pick entries, so the derivative does the same to the entries' changes;\n"
    "`argsort`, `searchsorted`, `shape`, `size` and `ndim` are whole numbers without one.",
}


class Facts(NamedTuple):
    """A function's domain, and its derivatives by the arguments in turn."""

    domain: str
    derivatives: tuple[str, ...]


def read_facts(text: str) -> dict[str, Facts]:
    """Read `function_facts.txt`."""
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    facts = {}
    for row in rows:
        name, domain, derivatives = (part.strip() for part in row.split(" | ", 2))
        facts[name] = Facts(domain, tuple(part.strip() for part in derivatives.split(" ; ")))
    return facts


def parameters(function: Function) -> list[str]:
    """Return the names of a function's arguments."""
    inner = function.signature.partition("(")[2].rpartition(")")[0]
    return [part.split("=")[0].strip() for part in inner.split(",") if part.strip() != "*"]


def original(function: Function) -> str:
    """Return the name of the function that an alias stands for, or the function's own."""
    alias = _ALIAS.match(function.summary)
    return alias[1] if alias else function.name


def functions(facts_text: str, digits_text: str) -> str:
    """Return the page."""
    facts, digits = read_facts(facts_text), _digits(digits_text)
    lines = [
        "# Functions of expressions",
        "",
        "What an expression may call, as `jaccli functions` lists it, with the domain (elsewhere",
        "the result is not finite), the derivative by each argument in turn, written in the",
        "language itself, and the worst relative errors in float64 that were measured, of the",
        "value, the first and the second derivative. How they are measured, and those of float32,",
        "is in [digits of derivatives](../digits.md); 0 is an error below the rounding of",
        "the arguments.",
        "What the derivative is at a kink, and what to write at a singular point, is in",
        "[kinks](../kinks.md).",
        "",
        f"Constants: {', '.join(f'`{name}`' for name in CONSTANTS)}. Other spellings: "
        + ", ".join(f"`{other}` for `{name}`" for other, name in sorted(SPELLINGS.items()))
        + ".",
    ]
    category = ""
    for function in all_functions():
        if function.category != category:
            category = function.category
            lines += ["", f"## {category.capitalize()}", ""]
            if category in _OF_A_CATEGORY:
                lines += [_OF_A_CATEGORY[category], ""]
            if category in ELEMENTWISE:
                lines += ["| function | domain | derivative | errors |", "|---|---|---|---|"]
            elif category in ("reduction", "linear algebra"):
                lines += ["| function | derivative | where it has none |", "|---|---|---|"]
            else:
                lines += ["| function | |", "|---|---|"]
        lines.append(_row(function, facts, digits))
    return "\n".join([*lines, ""])


def _row(function: Function, facts: dict[str, Facts], digits: dict[str, str]) -> str:
    name = original(function)
    summary = function.summary.replace("*", "\\*").replace("_", "\\_")
    call = f"`{function.signature}` {summary}"
    kink = _kink(name)
    if function.category in ELEMENTWISE:
        known = facts[name]
        slopes = ", ".join(_slope(each) for each in known.derivatives if each != "-")
        error = digits.get(function.name) or digits.get(name, "")
        cells = [call, f"{known.domain}", f"{slopes}{kink}", error]
    elif function.category in ("reduction", "linear algebra"):
        slopes = (
            ", ".join(_slope(each) for each in facts[name].derivatives) if name in facts else ""
        )
        domain = f"outside of: {facts[name].domain}" if name in facts else ""
        if domain.removeprefix("outside of: ").startswith(("every", "shapes")):
            domain = ""
        cells = [call, slopes, "; ".join(filter(None, (domain, kink.removeprefix("; "))))]
    else:
        cells = [call, kink.removeprefix("; ")] if kink else [call, ""]
    return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"


def _slope(text: str) -> str:
    expression, _, words = text.partition('"')
    parts = [f"`{expression.strip(' ,')}`" if expression.strip(" ,") else "", words.rstrip('"')]
    return ", ".join(filter(None, parts))


def _kink(name: str) -> str:
    """Say where a function has a kink, in the words of the warnings."""
    if name not in KINKS:
        return ""
    takes = re.sub(r"\{(\w+)\}", r"`\1`", KINKS[name].takes)
    return (
        f"; {KINKS[name].kind}: {takes[0].lower() if takes[:3] != 'JAX' else takes[0]}{takes[1:]}"
    )


def _digits(text: str) -> dict[str, str]:
    """Return the errors in float64 by function, of several rows of one the worst."""
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        if match := re.match(r"\| `(\w+)\(.*?\)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", line):
            row = [float(match[k]) for k in (2, 3, 4)]
            old = found.get(match[1], [0.0] * 3)
            found[match[1]] = [max(pair) for pair in zip(old, row, strict=True)]
    return {
        name: ", ".join(f"{error:.1e}".replace("-", _UNBROKEN) if error else "0" for error in row)
        for name, row in found.items()
    }
