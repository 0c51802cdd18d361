"""The functions with singular points: what to write so that the derivative is finite.

One entry of `SINGULAR` per function.  What is produced where is measured (see `causes`); this is
what to do about it.
"""

from __future__ import annotations

from typing import NamedTuple


class Singular(NamedTuple):
    """The operand that is to be kept off a function's singular points.

    Attributes:
        operand: the name of its parameter.
        safe: a value for it that has finite derivatives.
        remedy: what to write against an infinite slope, with the operands in braces.
        domain: what to do where the value itself is not finite.
        code: what the remedy says to write for the whole operation, by which it is tried.
        within: what it says to write for the operand alone.
    """

    operand: str
    safe: str
    remedy: str
    domain: str = ""
    code: str = ""
    within: str = ""


def _above(operand: str, bound: str, smallest: str, safe: str) -> Singular:
    """Return the row of a function of what is above a bound."""
    within = f"maximum({{{operand}}}, {smallest})"
    remedy = f"Keep {{{operand}}} above {bound}, as in {within}."
    return Singular(operand, safe, remedy, remedy, within=within)


def _between(low: str, high: str, safe: str, operand: str = "x") -> Singular:
    """Return the row of a function of what is between two bounds."""
    within = f"clip({{{operand}}}, {low} + 1e-12, {high} - 1e-12)"
    remedy = f"Keep {{{operand}}} between {low} and {high}, as in {within}."
    return Singular(operand, safe, remedy, remedy, within=within)


def _off(operand: str, where: str) -> Singular:
    """Return the row of a function that has poles."""
    remedy = f"Keep {{{operand}}} off {where}."
    return Singular(operand, "1", remedy, remedy)


def _of_matrix(operand: str, remedy: str) -> Singular:
    """Return the row of a function of matrices, which have no safe value."""
    return Singular(operand, "", remedy, remedy)


_INVERTIBLE = "The matrix must be invertible; adding a small multiple of eye(n) makes it so."
_EQUAL = "Vectors of equal eigenvalues have no derivative; functions of the values alone do."
_MASKED = (
    "Where everything is masked, mask with a large negative number, as -1e30, in place of -inf."
)
_POLES = "0 and the negative integers"

SINGULAR: dict[str, Singular] = {
    "sqrt": Singular(
        "x", "1", "Keep it off 0: sqrt({x} + 1e-12).", "{x} must not be negative.",
        "sqrt({x} + 1e-12)",
    ),
    "rsqrt": _off("x", "0"),
    "cbrt": _off("x", "0"),
    "norm": Singular(
        "x", "1", "A norm has no slope at 0; write sqrt(sum({x}**2) + 1e-12).",
        code="sqrt(sum({x}**2) + 1e-12)",
    ),
    "std": Singular(
        "x", "1", "Equal entries give it no slope; write sqrt(var({x}) + 1e-12).",
        code="sqrt(var({x}) + 1e-12)",
    ),
    "power": Singular(
        "x1", "1", "Keep the base off 0: ({x1} + 1e-12)**{x2}.",
        "A negative number has no real power of a fraction.",
        code="({x1} + 1e-12)**{x2}",
    ),
    "log": _above("x", "0", "1e-12", "1"),
    "log2": _above("x", "0", "1e-12", "1"),
    "log10": _above("x", "0", "1e-12", "1"),
    "log1p": _above("x", "-1", "1e-12 - 1", "0"),
    "entr": _above("x", "0", "1e-12", "1"),
    "xlogy": _above("y", "0", "1e-12", "1"),
    "xlog1py": _above("y", "-1", "1e-12 - 1", "0"),
    "arccosh": _above("x", "1", "1 + 1e-12", "2"),
    "arcsin": _between("-1", "1", "0"),
    "arccos": _between("-1", "1", "0"),
    "arctanh": _between("-1", "1", "0"),
    "erfinv": _between("-1", "1", "0"),
    "ndtri": _between("0", "1", "0.5", "p"),
    "logit": _between("0", "1", "0.5"),
    "reciprocal": _off("x", "0"),
    "expi": _off("x", "0"),
    "exp1": _above("x", "0", "1e-12", "1"),
    "y0": _above("x", "0", "1e-12", "1"),
    "y1": _above("x", "0", "1e-12", "1"),
    "divide": _off("x2", "0"),
    "gammaln": _off("x", _POLES),
    "gammafn": _off("x", _POLES),
    "digamma": _off("x", _POLES),
    "arctan2": Singular("x2", "1", "The origin has no angle; leave it out with where."),
    "eigh": _of_matrix("a", _EQUAL),
    "svd": _of_matrix("a", _EQUAL),
    "inv": _of_matrix("a", _INVERTIBLE),
    "solve": _of_matrix("a", _INVERTIBLE),
    "logdet": _of_matrix("a", _INVERTIBLE),
    "slogdet": _of_matrix("a", _INVERTIBLE),
    "cholesky": _of_matrix("a", "The matrix must be positive definite."),
    "pinv": _of_matrix("a", "Its rank must not change nearby: keep all singular values off 0."),
    "softmax": _of_matrix("x", _MASKED),
    "log_softmax": _of_matrix("x", _MASKED),
    "logsumexp": _of_matrix("x", _MASKED),
    "corrcoef": _of_matrix("x", "Rows without variance have no correlation."),
}  # fmt: skip
"""Remedies by the function's name in the expression language."""
