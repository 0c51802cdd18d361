"""Certificates: the computed derivative compared with ball arithmetic, block by block."""

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
"""Required correct digits of an entry, less those lost to its conditioning."""
_DERIVATIVES = ("gradient", "jacobian", "hessian")


def check_installed() -> None:
    """Raise a UsageError if there is no ball arithmetic here."""
    try:
        import flint  # noqa: F401
    except ImportError:
        hint = "Install the extra: pip install 'jaccli[exact]'."
        raise UsageError("--certify needs python-flint.", hint=hint) from None


def certificates(data: CheckData, digits: float | None) -> Iterator[CheckResult]:
    """Yield a row for each block, or one that says why there is no certificate."""
    plan, model = data.plan, data.plan.spec.model
    if plan.derivative not in _DERIVATIVES:
        yield CheckResult("certificate", SKIPPED, detail=f"there is none of {plan.derivative}")
        return
    if not isinstance(model, ExpressionModel):
        what = "of solved equations" if plan.model.equations else "of Python code"
        yield CheckResult(
            "certificate", SKIPPED, detail=f"there is none {what}, only of expressions"
        )
        return
    if not data.is_formed:
        yield CheckResult("certificate", SKIPPED, detail="the derivative is too large to be formed")
        return
    from jaccli.certify import evaluate
    from jaccli.certify.balls import Undecidable

    missing = evaluate.functions(model.expressions)
    if missing:
        said = "; ".join(f"{name} has none: {why}" for name, why in missing.items())
        yield CheckResult("certificate", SKIPPED, detail=said)
        return
    try:
        found = list(_entries(data, model))
    except evaluate.NoCertificate as error:
        yield CheckResult("certificate", SKIPPED, detail=str(error))
        return
    except Undecidable as error:
        yield CheckResult("certificate", UNDECIDED, detail=f"balls cannot decide: {error}")
        return
    needed = DIGITS[plan.spec.dtype] if digits is None else digits
    yield from _rows(data, found, needed)


Placed = tuple[tuple[int, ...], Any]
"""The place of an entry along `axes`, and the entry itself."""


def _entries(data: CheckData, model: ExpressionModel) -> Iterator[Placed]:
    from jaccli.certify.certificate import CertifiedProblem, certify

    plan = data.plan
    arrays = {name: array[...] for name, array in plan.model.primals.items()}
    for row in range(data.flat.rows):
        inputs = {
            name: np.take(array, row, plan.model.batch[name]) if name in plan.model.batch else array
            for name, array in arrays.items()
        }
        problem = CertifiedProblem(
            model.expressions, tuple(plan.outputs), inputs, plan.model.wrt, plan.spec.dtype
        )
        for entry in certify(problem, data.order, data.computed[row]):
            yield (row, *entry.place), entry


def _rows(data: CheckData, found: list[Placed], needed: float) -> Iterator[CheckResult]:
    """Yield the row of each block."""
    blocks: dict[tuple[int, ...], list[Placed]] = {}
    outputs = _owners([math.prod(shape) for shape in data.plan.outputs.values()])
    inputs = _owners([math.prod(data.plan.model.in_shape(name)) for name in data.flat.wrt])
    for place, entry in found:
        key = (outputs[place[1]], *(inputs[j] for j in place[2:]))
        blocks.setdefault(key, []).append((place, entry))
    names = (list(data.plan.outputs), list(data.flat.wrt), list(data.flat.wrt))
    name = data.namer(data.axes)
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
            counted(len(entries), "entry", "all " if len(entries) == _size(data, key) else ""),
            abs(worst.computed - worst.true),
            10.0**-certificate.needed * abs(worst.true),
            detail=certificate.text,
            certificate=certificate,
        )


def _size(data: CheckData, key: tuple[int, ...]) -> int:
    """Return how many entries a block has."""
    sizes = [math.prod(shape) for shape in data.plan.outputs.values()]
    wrt = [math.prod(data.plan.model.in_shape(name)) for name in data.flat.wrt]
    return data.flat.rows * sizes[key[0]] * math.prod(wrt[j] for j in key[1:])


def _owners(sizes: list[int]) -> Array:
    """Return for each flat entry the number of the array that it is of."""
    return np.repeat(np.arange(len(sizes)), sizes)
