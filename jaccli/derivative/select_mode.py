"""The operator for a mode, selected by sizes and structure, with the reason in words.

The rule runs nothing and compiles one candidate.  For a call that compiles and runs once, the
seconds of both together are predicted (`compile_cost.py`).

Boundary: no JAX; `TraceInfo` in, `Choice` out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaccli.derivative.compile_cost import OneCall
    from jaccli.derivative.trace_info import TraceInfo

Count = Callable[[str], int]
"""An operator's number of equations, from a trace of its program."""
Predict = Callable[[str], float]
"""An operator's estimated seconds, from a trace of its program (`cost.py`)."""
MIN_SAVING = 1.25
"""For one call, another operator is selected if it is predicted to take this many times less."""
WORTH_TRACING = 0.1
"""For one call, directions are traced and compared if a plain mode may run for these seconds."""
COMPARED_ENTRIES = 4096
"""Number of entries from which on both directions are traced and compared."""
MANY_ENTRIES = 16_384
"""Number of entries from which on a run matters more than how long its program compiles."""
MANY_EQUATIONS = 300
"""Number of equations of a function from which on compile times are compared."""
MAX_EQUATION_RATIO = 1.5
"""The plain mode is selected if the structured one has this many times its equations."""
MIN_SPEEDUP = 1.25
"""The other direction is selected if it is estimated to be this many times faster."""


@dataclass(frozen=True)
class Choice:
    """A mode, the operator that computes it, and why it was chosen, in words for the user.

    `mode` is the user's word (`structured`), `operator` the entry of the registry of operators
    (`structured-fwd`).
    """

    mode: str
    operator: str
    reason: str


def choose(
    derivative: str,
    facts: TraceInfo,
    mode: str = "auto",
    predict: Predict | None = None,
    equations: Count | None = None,
    once: OneCall | None = None,
) -> Choice:
    """Return what `mode` stands for: `auto` and `structured` are decided, others are as asked.

    Sizes decide on the direction, unless `predict` says that structure makes the other one much
    cheaper.  A small derivative of a long program is a matter of compile time: `auto` takes the
    plain mode where that has clearly fewer `equations`.

    With `once`, the program runs once: `auto` takes the operator that `once` predicts to compile
    and run soonest, where that is clearly sooner than what it would take otherwise.
    """
    if derivative in _DIRECTIONS and mode == "auto" and once is not None:
        return _for_one_call(derivative, facts, predict, once)
    if derivative in _DIRECTIONS and mode in ("auto", "structured"):
        choice = _decided(derivative, facts, mode, predict)
        plain = choice.operator.removeprefix("structured-")
        if (
            mode == "auto"
            and equations is not None
            and plain != choice.operator
            and facts.equations >= MANY_EQUATIONS
            and facts.entries(derivative) < MANY_ENTRIES
            and equations(choice.operator) > MAX_EQUATION_RATIO * equations(plain)
        ):
            why = f"{_sizes(facts)}: {_WORDS[plain]}, with fewer equations to compile"
            return Choice(plain, plain, why)
        return choice
    if mode == "auto":
        return _product(derivative, facts)
    return Choice(mode, mode, "as asked")


def alternatives(derivative: str, facts: TraceInfo) -> tuple[str, ...]:
    """Return the plain operators, those first that are expected to work, then to be fast."""
    if derivative not in _PLAIN:
        return ()
    forward = derivative in _DIRECTIONS and facts.inputs <= facts.outputs

    def rank(operator: str) -> tuple[int, bool]:
        # The outer derivative is of what the inner one became: a custom rule is gone by then.
        unavailable = facts.no_reverse * operator.count("rev") + facts.no_forward * (
            operator.endswith("fwd")
        )
        return unavailable, not (forward and operator == "fwd")

    return tuple(sorted(_PLAIN[derivative], key=rank))


_PLAIN = {
    "gradient": ("rev", "fwd"),
    "jacobian": ("rev", "fwd"),
    "hessian": ("fwd-rev", "fwd-fwd", "rev-fwd", "rev-rev"),
    "jvp": ("fwd", "rev-rev", "rev"),
    "vjp": ("rev", "fwd"),
    "hvp": ("fwd-rev", "rev-rev", "fwd-fwd"),
}
"""Operators that know of no structure, the usual one first."""


def may_be_colored(derivative: str, facts: TraceInfo) -> bool:
    """Return whether a coloring may win, and looking for one is known to end soon."""
    return (
        derivative in _DIRECTIONS
        and not facts.mixes
        and facts.entries(derivative) >= _WORTH_COLORING
    )


_WORTH_COLORING = 2**16
"""Entries of a dense derivative that takes longer than to look for a coloring."""


def family(operator: str) -> str:
    """Return the mode that an operator belongs to, in the user's words."""
    return "structured" if operator.startswith("structured-") else operator


def _decided(derivative: str, facts: TraceInfo, mode: str, predict: Predict | None) -> Choice:
    """Take the direction with fewer unit vectors; one of them alone has no structure to keep."""
    hessian = derivative == "hessian"
    # A Hessian's inner derivative meets the outer one's columns: it goes in reverse for longer.
    weight = _INNER_FORWARD if hessian and facts.inputs > 1 else 1
    forward = weight * facts.inputs <= facts.outputs
    direction, why = _direction(facts, forward)
    count = facts.inputs if direction == "fwd" or hessian else facts.outputs
    directions = _DIRECTIONS[derivative]
    if count <= 1 and mode == "auto":
        return Choice(
            directions[direction],
            directions[direction],
            f"{_sizes(facts)}: {_ALONE[directions[direction]]}{why}",
        )
    operator = f"structured-{directions[direction]}"
    if (
        predict is not None
        and facts.entries(derivative) >= COMPARED_ENTRIES
        and not (facts.no_forward or facts.no_reverse)
    ):
        other = f"structured-{directions['rev' if direction == 'fwd' else 'fwd']}"
        if MIN_SPEEDUP * predict(other) < predict(operator):
            operator, why = other, ", which its structure makes cheaper"
    words = _WORDS[operator.removeprefix("structured-")]
    return Choice("structured", operator, f"{_sizes(facts)}: {words}{why}, zeros left out")


def _for_one_call(
    derivative: str, facts: TraceInfo, predict: Predict | None, once: OneCall
) -> Choice:
    """Take what is predicted to be compiled and run soonest; unless clearly, what runs fastest."""
    usual = _decided(derivative, facts, "auto", None)
    if (
        predict is not None
        and once.run(usual.operator.removeprefix("structured-")) >= WORTH_TRACING
    ):
        usual = _decided(derivative, facts, "auto", predict)
    ways = list(_DIRECTIONS[derivative].values())
    if facts.no_forward or facts.no_reverse:
        ways = [usual.operator.removeprefix("structured-")]
    seconds = {name: once.total(name) for way in ways for name in (way, f"structured-{way}")}
    best = min(seconds, key=seconds.__getitem__)
    if MIN_SAVING * seconds[best] >= seconds[usual.operator]:
        return usual
    words = _WORDS[best.removeprefix("structured-")]
    if family(best) == "structured":
        words += ", zeros left out"
    instead = f"{_seconds(seconds[usual.operator])} by {usual.operator}"
    why = f"{words}, {_seconds(seconds[best])} for one call ({instead})"
    return Choice(family(best), best, f"{_sizes(facts)}: {why}")


def _seconds(seconds: float) -> str:
    """Return seconds as a rough number in words."""
    return f"{float(f'{seconds:.1g}'):,g} s"


def _direction(facts: TraceInfo, forward: bool) -> tuple[str, str]:
    """Return `fwd` or `rev`, and what bars the other where that decides."""
    if facts.no_reverse and not facts.no_forward:
        return "fwd", "" if forward else " (its loop has no reverse mode)"
    if facts.no_forward and not facts.no_reverse:
        return "rev", " (its custom rule has no forward mode)" if forward else ""
    return ("fwd" if forward else "rev"), ""


_INNER_FORWARD = 4
_JACOBIAN = {"fwd": "fwd", "rev": "rev"}
_DIRECTIONS = {
    "gradient": _JACOBIAN,
    "jacobian": _JACOBIAN,
    # The outer derivative has at least as many outputs as inputs, so it goes forward.
    "hessian": {"fwd": "fwd-fwd", "rev": "fwd-rev"},
}
_ALONE = {
    "fwd": "1 column by forward mode",
    "rev": "1 row by reverse mode",
    "fwd-fwd": "forward over forward",
    "fwd-rev": "forward over reverse",
}
_WORDS = {
    "fwd": "forward",
    "rev": "reverse",
    "fwd-fwd": "forward over forward",
    "fwd-rev": "forward over reverse",
}


def _product(derivative: str, facts: TraceInfo) -> Choice:
    """Return how a product is taken: as it usually is, unless that way is barred."""
    if derivative == "evaluate":
        return Choice("auto", "auto", "no derivative")
    operator = alternatives(derivative, facts)[0]
    return Choice(operator, operator, _PRODUCTS[derivative, operator])


_PRODUCTS = {
    ("jvp", "fwd"): "one tangent pushed forward",
    ("jvp", "rev-rev"): "its custom rule has no forward mode: two reverse passes",
    ("jvp", "rev"): "its loop has no reverse mode, nor its custom rule a forward one: row by row",
    ("vjp", "rev"): "one cotangent pulled back",
    ("vjp", "fwd"): "its loop has no reverse mode: one column for each input",
    ("hvp", "fwd-rev"): "derivative of the gradient along the tangent, no Hessian formed",
    ("hvp", "rev-rev"): "pullback of the tangent through the gradient, no Hessian formed",
    (
        "hvp",
        "fwd-fwd",
    ): "its loop has no reverse mode: gradient of the tangent's derivative",
}


def _sizes(facts: TraceInfo) -> str:
    return f"{_count(facts.inputs, 'input')}, {_count(facts.outputs, 'output')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
