"""Certificates: the computed derivative held against ball arithmetic, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaccli.errors import UsageError
from jaccli.result.result import Array
from jaccli.spec import ExpressionModel
from jaccli.verify.check_data import CheckData
from jaccli.verify.report import FAIL, OK, SKIPPED, UNDECIDED, Certificate, CheckResult, counted

DIGITS = {"float32": 5.0, "float64": 12.0}
"""Digits that an entry must have, less those that its conditioning takes."""
_DERIVATIVES = ("gradient", "jacobian", "hessian")


def check_installed() -> None:
    """Raise a UsageError if there is no ball arithmetic here."""
    try:
        import flint  # noqa: F401
    except ImportError:
        hint = "Install the extra: pip install 'jaccli[exact]'."
        raise UsageError("--certify needs python-flint.", hint=hint) from None


def certificates(subject: CheckData, digits: float | None) -> Iterator[CheckResult]:
    """Yield a row for each block, or one that says why there is no certificate."""
    plan, model = subject.plan, subject.plan.spec.model
    if plan.derivative not in _DERIVATIVES:
        yield CheckResult("certificate", SKIPPED, detail=f"there is none of {plan.derivative}")
        return
    if not isinstance(model, ExpressionModel):
        yield CheckResult(
            "certificate", SKIPPED, detail="there is none of Python code, only of expressions"
        )
        return
    if not subject.is_formed:
        yield CheckResult("certificate", SKIPPED, detail="the derivative is too large to be formed")
        return
    from jaccli.certify import evaluate
    from jaccli.certify.balls import Unclear

    missing = evaluate.functions(model.expressions)
    if missing:
        said = "; ".join(f"{name} has none: {why}" for name, why in missing.items())
        yield CheckResult("certificate", SKIPPED, detail=said)
        return
    try:
        found = list(_entries(subject, model))
    except evaluate.NoCertificate as error:
        yield CheckResult("certificate", SKIPPED, detail=str(error))
        return
    except Unclear as error:
        yield CheckResult("certificate", UNDECIDED, detail=f"balls cannot decide: {error}")
        return
    needed = DIGITS[plan.spec.dtype] if digits is None else digits
    yield from _rows(subject, found, needed)


Placed = tuple[tuple[int, ...], Any]
"""The place of an entry along `axes`, and the entry itself."""


def _entries(subject: CheckData, model: ExpressionModel) -> Iterator[Placed]:
    from jaccli.certify.certificate import CertifiedProblem, certify

    plan = subject.plan
    arrays = {name: array[...] for name, array in plan.model.primals.items()}
    for row in range(subject.flat.rows):
        inputs = {
            name: np.take(array, row, plan.model.batch[name]) if name in plan.model.batch else array
            for name, array in arrays.items()
        }
        problem = CertifiedProblem(
            model.expressions, tuple(plan.outputs), inputs, plan.model.wrt, plan.spec.dtype
        )
        for entry in certify(problem, subject.order, subject.computed[row]):
            yield (row, *entry.place), entry


def _rows(subject: CheckData, found: list[Placed], needed: float) -> Iterator[CheckResult]:
    """Yield the row of each block."""
    blocks: dict[tuple[int, ...], list[Placed]] = {}
    outputs = _owners([math.prod(shape) for shape in subject.plan.outputs.values()])
    inputs = _owners([math.prod(subject.plan.model.in_shape(name)) for name in subject.flat.wrt])
    for place, entry in found:
        key = (outputs[place[1]], *(inputs[j] for j in place[2:]))
        blocks.setdefault(key, []).append((place, entry))
    names = (list(subject.plan.outputs), list(subject.flat.wrt), list(subject.flat.wrt))
    name = subject.namer(subject.axes)
    for key, entries in sorted(blocks.items()):
        title = ".".join(names[axis][number] for axis, number in enumerate(key))
        place, worst = min(entries, key=lambda one: one[1].digits + one[1].lost)
        digits = [entry.digits for _, entry in entries]
        certificate = Certificate(
            title,
            len(entries),
            min(digits),
            float(np.median(digits)),
            name(place),
            worst.digits,
            worst.lost,
            max(0.0, needed - worst.lost),
            worst.computed,
            worst.true,
        )
        yield CheckResult(
            f"certificate {title}",
            OK if worst.digits >= certificate.needed else FAIL,
            counted(len(entries), "entry", "all " if len(entries) == _size(subject, key) else ""),
            abs(worst.computed - worst.true),
            10.0**-certificate.needed * abs(worst.true),
            detail=certificate.text,
            certificate=certificate,
        )


def _size(subject: CheckData, key: tuple[int, ...]) -> int:
    """Return how many entries a block has."""
    sizes = [math.prod(shape) for shape in subject.plan.outputs.values()]
    wrt = [math.prod(subject.plan.model.in_shape(name)) for name in subject.flat.wrt]
    return subject.flat.rows * sizes[key[0]] * math.prod(wrt[j] for j in key[1:])


def _owners(sizes: list[int]) -> Array:
    """Return for each flat entry the number of the array that it is of."""
    return np.repeat(np.arange(len(sizes)), sizes)
