"""Propagation of distributions by Monte Carlo (JCGM 101:2008, the GUM's Supplement 1).

Inputs are drawn by numpy's `default_rng(seed)` (PCG64) in float64, block by block, so that every
device, and every size of chunks, sees the same draws; the model is evaluated by JAX.

Boundary: outputs are planned and compiled by the packages for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, prod, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaccli.backend import Device
from jaccli.context import Silent
from jaccli.errors import BudgetError, format_bytes, listed
from jaccli.execute import functions, run
from jaccli.execute.compile_plan import prepare
from jaccli.models import LoadedModel
from jaccli.plan import make
from jaccli.result import dense
from jaccli.spec import Spec
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.coverage_interval import DIGITS, shortest, symmetric, tolerance
from jaccli.uncertainty.input_covariance import NORMAL, STUDENT, InputCovariance
from jaccli.uncertainty.random_draws import by_row, draw, members

if TYPE_CHECKING:
    from jaccli.context import Progress

_BLOCK = 10_000
"""Draws of a block (7.9.4), where the inputs are few."""
_ENTRIES = 1 << 22
"""Numbers that a block draws at most."""
_CHUNK = 1 << 17
"""Draws that are evaluated together at most."""
_MOST = 10_000_000
"""Draws after which the adaptive procedure ends in any case."""
GENERATOR = "numpy.random.default_rng (PCG64)"


class Interval(NamedTuple):
    """A value with its standard uncertainty and the ends of its interval, `(*batch, M)`."""

    value: Array
    u: Array
    low: Array
    high: Array


class Trials(NamedTuple):
    """How many draws (0: until the results are stable), the seed, and the coverage probability."""

    draws: int
    seed: int
    coverage: float


@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """What the draws say of each output entry, `(*batch, M)`.

    `shortest` and `symmetric` are coverage intervals, `(2, *batch, M)`.  `tolerance` is δ of clause
    7.9.2, `differences`, `(2, *batch, M)`, those of the law's interval from the symmetric one
    (8.1), and `validated` says whether both are within δ.  `stable` tells of the adaptive procedure
    whether it has come to its end, None without it.  `failed` counts draws that are not finite.
    """

    draws: int
    seed: int
    mean: Array
    u: Array
    shortest: Array
    symmetric: Array
    tolerance: Array
    differences: Array
    validated: Array
    stable: bool | None
    failed: int
    notes: tuple[str, ...]


def monte_carlo(
    spec: Spec,
    model: LoadedModel,
    device: Device,
    inputs: InputCovariance,
    law: Interval,
    trials: Trials,
    progress: Progress,
) -> MonteCarlo:
    """Draw the inputs, evaluate the model, and compare with what the law of propagation says.

    Raises:
        BudgetError: the draws do not fit the memory budget.
        ComputationError: the model fails.
    """
    block = max(1, min(_BLOCK, _ENTRIES // (inputs.size * (inputs.batch or 1))))
    evaluator = _Evaluator(spec, model, device, inputs, block, trials.draws or _MOST)
    adaptive = trials.draws == 0
    # Sorting makes a copy.
    most = evaluator.most(copies=2)
    if not adaptive and trials.draws > most:
        needed = format_bytes(2 * trials.draws * law.value.size * 8)
        message = f"--monte-carlo: {trials.draws:,} draws of all outputs take {needed}"
        hint = f"Raise --memory, or draw {most:,} times at most."
        raise BudgetError(f"{message}, more than the memory budget leaves.", hint=hint)
    generator = np.random.default_rng(trials.seed)
    progress.start(ceil(trials.draws / evaluator.chunk) if trials.draws else 0)
    found: list[Array] = []
    if adaptive:
        stable = _until_stable(evaluator, generator, found, trials.coverage, min(most, _MOST))
    else:
        stable = None
        done = 0
        while done < trials.draws:
            outputs = evaluator.outputs(generator)[: trials.draws - done]
            found.append(outputs)
            done += len(outputs)
            progress.advance(1)
    draws = np.concatenate(found)
    found.clear()
    return _summary(draws, inputs, law, trials, stable)


# Evaluation


class _Evaluator:
    """The compiled model, for a chunk of draws at a time."""

    def __init__(
        self,
        spec: Spec,
        model: LoadedModel,
        device: Device,
        inputs: InputCovariance,
        block: int,
        draws: int,
    ) -> None:
        self.inputs, self.block, self.model = inputs, block, model
        self.chunk = block * max(1, min(_CHUNK, draws) // block)
        self.plan = make(*_of_draws(spec, model, inputs, self.chunk), "evaluate", device)
        self.program = prepare(self.plan)
        self.point = functions.arguments(self.plan)

    def most(self, copies: int) -> int:
        """Return how many draws of all outputs fit what the memory budget leaves."""
        left = self.plan.budget - self.program.cost.held
        each = 8 * sum(prod(block.shape) for block in self.plan.blocks) // self.chunk
        return max(left // (copies * each), 0)

    def outputs(self, generator: np.random.Generator) -> Array:
        """Return the outputs of the next draws, `(chunk, *batch, M)`."""
        blocks = [
            {each.name: values for each, values in draw(self.inputs, generator, self.block)}
            for _ in range(self.chunk // self.block)
        ]
        wrt, rest, vectors = self.point
        drawn = {}
        for each in self.inputs.inputs:
            values = np.concatenate([one[each.name] for one in blocks])
            values = values.reshape((*values.shape[:-1], *each.shape))
            if each.name in self.model.batch:
                values = np.moveaxis(values, 1, 1 + self.model.batch[each.name] % values[0].ndim)
            drawn[each.name] = np.asarray(values, wrt[each.name].dtype)
        result = run(self.program, Silent(), ({**wrt, **drawn}, rest, vectors))
        lead = () if self.inputs.batch is None else (self.inputs.batch,)
        return np.concatenate(
            [
                np.asarray(dense(block.values), np.float64).reshape(self.chunk, *lead, -1)
                for block in result.blocks
            ],
            axis=-1,
        )


def _of_draws(
    spec: Spec, model: LoadedModel, inputs: InputCovariance, chunk: int
) -> tuple[Spec, LoadedModel]:
    """Return the model with uncertain inputs that have an axis of draws, as its batch."""
    function, own = model.function, by_row(inputs)
    rows: dict[str, int] = {}
    if model.batch:
        rows = {**dict.fromkeys(own, 0), **model.batch}

        def function(values: Mapping[str, Any]) -> dict[str, Any]:
            import jax

            axes = {name: rows.get(name) for name in values}
            found: dict[str, Any] = jax.vmap(model.function, in_axes=(axes,))(dict(values))
            return found

    primals = dict(model.primals)
    batch = {}
    for each in inputs.inputs:
        value = np.asarray(model.primals[each.name])
        spread = each.name in own and each.name not in model.batch
        shape = (inputs.batch, *value.shape) if spread else value.shape
        primals[each.name] = np.broadcast_to(value, (chunk, *shape))
        batch[each.name] = 0
    # Draws without a solution are NaN, and counted.
    derived = replace(model, function=function, primals=primals, batch=batch, equations=None)
    starts = "" if model.equations is None else model.equations.digest
    mark = ["draws", sorted(rows.items()), spec.resolved["model"], starts]
    return replace(spec, resolved=spec.resolved | {"model": mark}), derived


# The adaptive procedure


def _until_stable(
    evaluator: _Evaluator,
    generator: np.random.Generator,
    found: list[Array],
    coverage: float,
    most: int,
) -> bool:
    """Draw blocks until mean, u and interval ends are stable (7.9.4); return whether they are."""
    size = max(_BLOCK, ceil(round(100 / (1 - coverage), 6)))
    statistics: list[Array] = []
    rest = np.empty((0,))
    done = 0
    while done + size <= most:
        parts = [rest] if rest.size else []
        while sum(map(len, parts)) < size:
            parts.append(evaluator.outputs(generator))
        drawn = np.concatenate(parts)
        while len(drawn) >= size and done + size <= most:
            block, drawn = drawn[:size], drawn[size:]
            found.append(block)
            done += size
            low, high = symmetric(np.sort(block, axis=0), coverage)
            statistics.append(np.stack([block.mean(0), block.std(0, ddof=1), low, high]))
            if len(statistics) > 1 and _is_stable(np.array(statistics)):
                return True
        rest = drawn
    if not found:
        raise BudgetError(
            "--monte-carlo: the draws do not fit the memory budget.", hint="Raise --memory."
        )
    return False


def _is_stable(statistics: Array) -> bool:
    """Return whether the standard deviations of averages over blocks are within half of δ."""
    count = len(statistics)
    spread = statistics.std(axis=0, ddof=1) / sqrt(count)
    allowed = tolerance(statistics[:, 1].mean(axis=0))
    return bool((2 * spread <= allowed).all())


# Results


def _summary(
    draws: Array, inputs: InputCovariance, law: Interval, trials: Trials, stable: bool | None
) -> MonteCarlo:
    bad = ~np.isfinite(draws)
    failed = int(bad.reshape(len(draws), -1).any(axis=1).sum())
    with np.errstate(invalid="ignore"):
        middle = draws.mean(axis=0)
        u = np.sqrt(((draws - middle) ** 2).sum(axis=0) / max(len(draws) - 1, 1))
    draws.sort(axis=0)
    ends = np.stack(symmetric(draws, trials.coverage))
    short = np.stack(shortest(draws, trials.coverage))
    hidden = bad.any(axis=0)
    ends[:, hidden] = short[:, hidden] = np.nan
    allowed = tolerance(u)
    differences = np.abs(np.stack([law.low - ends[0], law.high - ends[1]]))
    validated = (differences <= allowed).all(axis=0)
    notes = list(_notes(inputs, trials, failed, len(draws), stable))
    return MonteCarlo(
        draws=len(draws),
        seed=trials.seed,
        mean=middle,
        u=u,
        shortest=short,
        symmetric=ends,
        tolerance=allowed,
        differences=differences,
        validated=validated,
        stable=stable,
        failed=failed,
        notes=tuple(notes),
    )


def _notes(
    inputs: InputCovariance, trials: Trials, failed: int, draws: int, stable: bool | None
) -> Iterator[str]:
    """Yield what to know of the draws."""
    if failed:
        yield (
            f"Monte Carlo: {failed:,} of {draws:,} draws gave a NaN or an infinity; the model is "
            "not defined in all of the inputs' range."
        )
    if stable is False:
        yield f"Monte Carlo: not stable to {DIGITS} digits of u after {draws:,} draws."
    least = ceil(round(1e4 / (1 - trials.coverage), 6))
    if stable is None and draws < least:
        yield f"Monte Carlo: {draws:,} draws are few; Supplement 1 (7.2.2) advises {least:,}."
    normal = {each.name for one in inputs.coupled for each in members(inputs, one)}
    other = [e.name for e in inputs.inputs if e.name in normal and e.distribution != NORMAL]
    if other:
        yield f"Monte Carlo: correlated inputs are drawn as normal: {listed(other, 5)}."
    heavy = [
        each.name
        for each in inputs.inputs
        if each.distribution == STUDENT and each.dof <= 2 and each.name not in normal
    ]
    if heavy:
        yield (
            f"Monte Carlo: with 2 degrees of freedom or fewer, {listed(heavy, 5)} has no finite "
            "variance; u of what depends on it does not settle."
        )
