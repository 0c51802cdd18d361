"""The page in a browser: its parts as bytes, and the headers that confine it.

`page.html` is filled in here with what the tables of the program say: derivatives and their modes,
numbers, functions.  `page.js` and `page.css` are sent as they are; nothing is built, and nothing
comes from elsewhere.

Boundary: writes HTML; knows nothing of requests, and computes nothing.
"""

from __future__ import annotations

from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import NamedTuple

from jaccli import __version__
from jaccli.choices import FLOAT_DTYPES, INPUT_SUFFIXES, MODES, REPORTED, WITH_VECTOR
from jaccli.expression.function_table import CONSTANTS, functions
from jaccli.service.server.limits import Limits

PATH = "/"
PARTS = {
    PATH: ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
"""The file and the media type of each part, by its path."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Vary": "Sec-Fetch-Site",
}
_OWN = ("none", "same-origin")
_OTHERS = (".yaml", ".yml", ".mtx")
"""Suffixes of files that a spec may name beside arrays: its base, its pattern."""


class Part(NamedTuple):
    """A part of the page."""

    body: bytes
    media: str


def part(path: str, site: str, limits: Limits) -> Part:
    """Return a part of the page; `site` is where the request comes from, as `Sec-Fetch-Site` says.

    A page that a link of another site has opened computes nothing before its reader asks for it.
    """
    name, media = PARTS[path]
    if path != PATH:
        return Part(_file(name).encode(), media)
    return Part(_html(site in _OWN, limits.body), media)


@cache
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


@cache
def _html(trusted: bool, largest: int) -> bytes:
    filled = Template(_file("page.html")).substitute(
        version=escape(__version__),
        trusted="yes" if trusted else "no",
        largest=largest,
        derivatives="".join(map(_derivative, (*MODES, *REPORTED))),
        dtypes="".join(f"<option>{name}</option>" for name in FLOAT_DTYPES),
        suffixes=",".join((*INPUT_SUFFIXES, *_OTHERS)),
        constants=escape(" ".join(CONSTANTS)),
        functions="".join(_functions()),
    )
    return filled.encode()


def _derivative(name: str) -> str:
    """Return a derivative as an option: its modes, and its vector; reports are of specs alone."""
    modes = " ".join(MODES.get(name, MODES["jacobian"]))
    more = " data-specs data-report hidden" if name in REPORTED else ""
    if name in WITH_VECTOR:
        vector = "Cotangent, by output" if name == "vjp" else "Tangent, by input"
        more = f' data-vector="{vector}"'
    return f'<option value="{name}" data-modes="{modes}"{more}>{name}</option>'


def _functions() -> list[str]:
    """Return the functions as lists, a category each."""
    made = []
    for category, members in groupby(functions(), key=lambda function: function.category):
        entries = "".join(
            f"<div><dt><code>{escape(one.signature)}</code></dt>"
            f"<dd>{escape(one.summary)}</dd></div>"
            for one in members
        )
        made.append(f"<h3>{escape(category)}</h3><dl>{entries}</dl>")
    return made
