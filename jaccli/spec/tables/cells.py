"""Cells of tables: the numbers in them, and what is said of those that are none.

Boundary: knows cells, not where they stand.
"""

from __future__ import annotations

import re

_FORTRAN = re.compile(r"([+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+))[dD]([+-]?[0-9]+)\Z")
"""A double precision number as Fortran writes it, always with a point: `1.5D+03`."""
_COMMA = re.compile(r"[+-]?(?:[0-9]+,[0-9]+|,[0-9]+)(?:[eEdD][+-]?[0-9]+)?\Z")
_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+\Z")
"""What may be a number with thousands separators, or with a decimal comma: `1,000`."""


def number(cell: str, decimal: str) -> float:
    """Return the number of a cell; blanks around it do not count.

    The spellings of `float` are read, `nan` and `inf` among them, without `1_000`, and Fortran's
    `1.5D+03`.

    Raises:
        ValueError: it is no number.
    """
    cell = cell.strip()
    if "_" in cell or (decimal == "," and "." in cell):
        raise ValueError(cell)
    if decimal == ",":
        cell = cell.replace(",", ".")
    try:
        return float(cell)
    except ValueError:
        found = _FORTRAN.match(cell)
        if found is None:
            raise
        return float(f"{found[1]}e{found[2]}")


def is_number(cell: str, decimal: str) -> bool:
    """Whether a cell is a number."""
    try:
        number(cell, decimal)
    except ValueError:
        return False
    return True


def has_comma(cell: str) -> bool:
    """Whether a cell is a number if its comma is the decimal sign: `1,5`."""
    return _COMMA.match(cell) is not None


def is_grouped(cell: str) -> bool:
    """Whether a cell is a number if its commas group thousands: `1,000`."""
    return _GROUPS.match(cell) is not None


_N = r"[+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?"
_GROUPED = r"[+-]?[0-9]{1,3}(?:[,.'’\s][0-9]{3})+(?:[.,][0-9]+)?"
MISSING = re.compile(
    r"(?i)(?:#?n\.?/?a\.?|#n/a n/a|<na>|null|nil|none|missing|nd|-+|\.+|\?+|\*+|x{3,}"
    r"|-?1\.#(?:ind|qnan|inf)|#(?:num|div/0|value|ref|name)[!?]?)\Z"
)
"""How other programs write that there is no number."""
_DATA = re.compile(r"[+\-−$€£¥]?[.,]?[0-9].*", re.DOTALL)
_PLAIN = "Numbers are written as 1.5, -2 or 1e-3."
_KINDS = (
    (rf"{_N}\s*[%‰]", "has a percent sign", "Take it out and divide by 100: 5% is 0.05."),
    (r"[−–‒]\s*[0-9].*", "has a dash for its minus", "A minus sign is the character -."),
    (
        r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[T ].*)?"
        r"|[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{2,4}(?: .*)?"
        r"|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}(?: .*)?",
        "is a date",
        "Write it as a number, as of the days since the first.",
    ),
    (
        r"[0-9]{1,3}(?::[0-9]{2}){1,2}(?:[.,][0-9]+)?(?:\s*[AaPp]\.?[Mm]\.?)?",
        "is a time of day",
        "Write it as a number, as of seconds.",
    ),
    (r"(?i)[+-]?0[xob][0-9a-f]+", "is not in decimal notation", _PLAIN),
    (r"(?i)true|false|yes|no", "is a truth value", "Write 1 and 0."),
    (r"[+-]?[0-9]+[dD][+-]?[0-9]+", "has an exponent with D and no point", "Write 1.0D3 or 1e3."),
    (
        r"[+-]?[0-9]*\.[0-9]*[+-][0-9]{3}",
        "lost the letter of its exponent",
        "Fortran drops it above 99: write it with E, as by the format ES24.16E3.",
    ),
    (rf"{_N}\s*[+-]\s*{_N}\s*[ij]|{_N}[ij]", "is a complex number", "Real numbers are read."),
    (r"[$€£¥]\s*[0-9].*", "has a currency sign", _PLAIN),
    (rf"{_N}\s*[A-Za-zµμΩ°/²³^ ]+[0-9]?", "has a unit", "Units stand in the header: T (K)."),
)


def may_be_data(cell: str) -> bool:
    """Whether a cell that is no number is like one, and so rather not a column's name."""
    return _DATA.match(cell) is not None or MISSING.match(cell) is not None


def describe(cell: str, decimal: str) -> tuple[str, str]:
    """Return what is wrong with a cell that is no number, quoted, and the remedy or ''."""
    quoted = repr(cell)
    if re.fullmatch(_GROUPED, cell):
        bare = re.sub(r"[^0-9+-]", "", cell)
        if decimal == "." and is_grouped(cell):
            return f"{quoted} has a comma.", f"If it groups thousands, write {bare}."
        return f"{quoted} has thousands separators.", "Write numbers without them."
    if decimal == "." and has_comma(cell):
        return f"{quoted} has a decimal comma.", ""
    if decimal == "," and is_number(cell, "."):
        message = f"{quoted} has a point where the decimal sign is a comma."
        return message, "Write one sign in all cells."
    for pattern, what, hint in _KINDS:
        if re.fullmatch(pattern, cell):
            return f"{quoted} {what}.", hint
    return f"{quoted} is not a number.", ""
