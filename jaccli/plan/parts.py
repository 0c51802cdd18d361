"""The parts of a derivative in a plan: blocks of some entries, diagonals and traces.

Boundary: reads shapes and structure; computes nothing big.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaccli import memory
from jaccli.choices import PARTED
from jaccli.derivative import cost, diagonals
from jaccli.derivative.diagonals import Builder, Directions, Pairs
from jaccli.derivative.select_mode import Choice
from jaccli.derivative.sparse import Pattern, detect
from jaccli.derivative.sparse.index_sets import MOST, TooDense
from jaccli.derivative.trace_info import TraceInfo
from jaccli.entry_names import Names
from jaccli.errors import JaccliError, Problem, SpecError, UnderivableError, expected, listed
from jaccli.models import LoadedModel
from jaccli.plan.shapes import BlockPlan, avals
from jaccli.spec import Spec

_FEW = 16
"""Numbers of inputs up to which no pattern is looked for: so many directions cost little."""
_DENSE = 0.25
"""The share of non-zeros from which on `auto` takes a matrix for one without zeros."""
_TRACED = 256 << 20
"""Bytes that a mode's structure may take that is only compared with another one."""
AT_A_TIME = 1024
"""Directions that are taken at a time, where nobody says how many."""
_COMPARED = 1 << 30
"""Bytes, at most, that `auto` spends on looking for a pattern."""


def part_of(spec: Spec, derivative: str) -> str:
    """Return the part of a derivative that is computed: of what has no diagonal, all."""
    return spec.part if derivative in PARTED else "full"


def named_blocks(model: LoadedModel, blocks: Sequence[BlockPlan]) -> tuple[BlockPlan, ...]:
    """Return the blocks with the names of their entries, where these are not all of an array's."""
    if model.whole is None:
        return tuple(blocks)
    rows, cols = model.rows, model.cols
    gradient = model.gradient_of

    def of_gradient(block: BlockPlan) -> BlockPlan:
        assert gradient is not None
        assert block.entries is not None
        first = gradient.wrt
        return replace(
            block,
            wrt=(first.name, *block.wrt),
            out_shape=gradient.output.shape,
            in_shapes=(first.shape, *block.in_shapes),
            entries=(gradient.output, (first, *block.entries[1])),
        )

    def named(block: BlockPlan) -> BlockPlan:
        output = None
        if block.output is not None:
            output = Names.of(block.output, block.out_shape)
            output = rows[block.output].names if block.output in rows else output
        wrt = tuple(
            cols[name].names if name in cols else Names.of(name, shape)
            for name, shape in zip(block.wrt, block.in_shapes, strict=True)
        )
        return replace(block, entries=(output, wrt))

    if gradient is not None:
        return tuple(of_gradient(named(block)) for block in blocks)
    return tuple(map(named, blocks))


def parted_blocks(
    spec: Spec, derivative: str, blocks: Sequence[BlockPlan]
) -> tuple[BlockPlan, ...]:
    """Return the blocks of the part that the spec asks for.

    Mixed blocks of a Hessian, by two inputs, have no diagonal and drop out.

    Raises:
        SpecError: a block of a Jacobian is not square.
    """
    part = part_of(spec, derivative)
    if part == "full":
        return tuple(blocks)
    if derivative == "hessian":
        return tuple(_hessian_part(part, b) for b in blocks if b.wrt[0] == b.wrt[1])
    joined = spec.layout == "matrix"
    if joined:
        blocks = _paired(spec, blocks)
    problems = [_not_square(spec, b) for b in blocks if not joined and not _is_square(b)]
    if problems:
        raise SpecError(*problems)
    names = list(dict.fromkeys(str(block.output) for block in blocks))
    whole = f"({', '.join(names)})" if joined and len(names) > 1 else ""
    return tuple(_jacobian_part(part, block, whole) for block in blocks)


def _names(block: BlockPlan) -> tuple[Names | None, tuple[Names, ...]]:
    if block.entries is not None:
        return block.entries
    assert block.output is not None
    ins = tuple(map(Names.of, block.wrt, block.in_shapes))
    return Names.of(block.output, block.out_shape), ins


def _hessian_part(part: str, block: BlockPlan) -> BlockPlan:
    output, wrt = _names(block)
    kept = 1 if part == "diagonal" else 0
    return replace(block, in_shapes=block.in_shapes[:kept], entries=(output, wrt[:kept]))


def _jacobian_part(part: str, block: BlockPlan, whole: str) -> BlockPlan:
    _, wrt = _names(block)
    if part == "diagonal":
        return replace(block, out_shape=(), entries=(None, wrt))
    name = Names(whole or str(block.output))
    return replace(block, out_shape=(), in_shapes=(), entries=(name, ()))


def _is_square(block: BlockPlan) -> bool:
    return block.out_shape == block.in_shapes[0]


def _not_square(spec: Spec, block: BlockPlan) -> Problem:
    (in_shape,) = block.in_shapes
    message = (
        f"the block {block.key} is not square: it has the shape {block.out_shape + in_shape}, "
        f"of an output {block.out_shape} by an input {in_shape}."
    )
    hint = "Choose others with --select, --wrt, --rows and --cols."
    return spec.problem("part", message, hint)


def _paired(spec: Spec, blocks: Sequence[BlockPlan]) -> list[BlockPlan]:
    """Return the blocks on the diagonal of the joined matrix: the first output by the first input.

    Raises:
        SpecError: the matrix is not square, or its diagonal goes through other blocks.
    """
    outputs = list(dict.fromkeys(str(block.output) for block in blocks))
    inputs = list(dict.fromkeys(block.wrt[0] for block in blocks))
    by_name = {(block.output, block.wrt[0]): block for block in blocks}
    rows = [math.prod(by_name[output, inputs[0]].out_shape) for output in outputs]
    columns = [math.prod(by_name[outputs[0], name].in_shapes[0]) for name in inputs]
    if rows != columns:
        what = f"the outputs {listed(map(repr, outputs))} have the sizes {listed(map(str, rows))}, "
        what += f"the inputs {listed(map(repr, inputs))} {listed(map(str, columns))}"
        square = "is not square" if sum(rows) != sum(columns) else "has a diagonal across blocks"
        message = f"the joined matrix, ({sum(rows)}, {sum(columns)}), {square}: {what}."
        hint = "Choose others with --select, --wrt, --rows and --cols."
        raise SpecError(spec.problem("part", message, hint))
    return [by_name[pair] for pair in zip(outputs, inputs, strict=True)]


def choice(
    spec: Spec,
    model: LoadedModel,
    derivative: str,
    pairs: Pairs,
    facts: TraceInfo,
    budget: int,
) -> tuple[Choice, Directions | None]:
    """Return how the part is computed, and the directions that do for it, if these are fewer.

    Raises:
        SpecError: the derivative's part has no such mode.
        UnderivableError: a pattern is asked for, and there is no way to it.
    """
    modes = diagonals.HESSIAN_MODES if derivative == "hessian" else diagonals.JACOBIAN_MODES
    asked, part = spec.mode, spec.part
    if asked not in ("auto", "sparse", *modes):
        message = f"mode {asked!r} has no {part} of the {derivative}."
        raise SpecError(spec.problem("mode", message, expected(("auto", "sparse", *modes))))
    if asked in ("fwd-rev", "rev-rev") and facts.outputs > 1:
        message = f"mode {asked!r} has the {part} of one number; there are {facts.outputs}."
        raise SpecError(spec.problem("mode", message, expected(("auto", "sparse", "fwd-fwd"))))
    plain = modes[0]
    if derivative == "hessian" and facts.outputs == 1 and facts.no_forward:
        plain = "rev-rev"
    if derivative == "jacobian" and facts.no_forward:
        plain = "rev"
    elif derivative == "hessian" and asked == "auto" and facts.outputs == 1:
        plain = _cheaper(model, part, budget)
    operator = asked if asked in modes else plain
    count = facts.inputs if operator != "rev" else facts.outputs
    noun = "output" if operator == "rev" else "input"
    words = f"{_counted(count, noun)}: {_WORDS[operator]}, the {part} alone"
    # A diagonal of several outputs has as many numbers as there are products.
    useful = part == "trace" or derivative == "jacobian" or facts.outputs == 1
    reverse = derivative == "hessian" and part == "diagonal"
    barred = facts.no_forward or (reverse and facts.no_reverse)
    if asked in modes or not useful or (barred and asked == "auto"):
        if asked == "sparse" and not useful:
            message = f"a diagonal of {facts.outputs} outputs has no fewer directions."
            raise SpecError(spec.problem("mode", message, expected(("auto", "fwd-fwd"))))
        return Choice(asked if asked in modes else operator, operator, words), None
    found = None
    if asked == "sparse" or facts.inputs > _FEW:
        found = _found(model, derivative, pairs, asked, budget)
    if found is None or (asked == "auto" and 2 * found.count > facts.inputs):
        return Choice(operator, operator, words), None
    reason = f"{_counted(found.count, 'direction')} for {_counted(facts.inputs, 'input')}"
    reason += f", the {part} alone"
    return Choice("sparse", "sparse", reason), found


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cheaper(model: LoadedModel, part: str, budget: int) -> str:
    """Return the mode of a Hessian's part that a trace says is faster: forward, unless it fails."""

    def function(mode: str) -> Any:
        build = diagonals.hessian(mode, part, None)
        return lambda wrt, rest: build(lambda wrt: model.function({**rest, **wrt}), wrt)(wrt)

    predict, _ = cost.measures(function, avals(model), min(budget, _TRACED))
    return min(diagonals.HESSIAN_MODES[:2], key=predict)


def _found(
    model: LoadedModel, derivative: str, pairs: Pairs, asked: str, budget: int
) -> Directions | None:
    """Return directions by the pattern; None where nobody asked and it is dense or not known."""
    wrt, rest = avals(model)
    constants = model.constants
    sizes = [math.prod(wrt[name].shape) for name in sorted(wrt)]
    n = sum(sizes)
    most = MOST if asked == "sparse" else int(_DENSE * n * n)

    def f(wrt: Any, rest: Any) -> Any:
        return model.function({**rest, **constants, **wrt})

    try:
        with memory.growing_by(budget if asked == "sparse" else min(budget // 4, _COMPARED)):
            if derivative == "hessian":
                pattern = _hessian_pattern(f, wrt, rest, most)
                return diagonals.directions(pattern.rows, pattern.columns, sizes)
            pattern = detect.jacobian_pattern(f, wrt, rest, most)
            near = _within(pattern, f, wrt, rest, pairs)
            return diagonals.directions(*near, sizes)
    except (JaccliError, MemoryError):
        if asked == "sparse":
            raise
    except Exception as error:  # what JAX and the rules of libraries raise is of every type
        if asked == "sparse":
            reason = (
                "the pattern is dense" if isinstance(error, TooDense) else str(error).split("\n")[0]
            )
            message = f"{derivative} by mode sparse: {reason}."
            raise UnderivableError(message, reason) from error
    return None


def _hessian_pattern(f: Any, wrt: Any, rest: Any, most: int) -> Pattern:
    """Return the pattern of the Hessians of all outputs together: that of a sum with weights."""
    out = jax.eval_shape(f, wrt, rest)
    if sum(leaf.size for leaf in jax.tree.leaves(out)) == 1:

        def alone(wrt: Any, rest: Any) -> Any:
            return jax.tree.leaves(f(wrt, rest))[0].reshape(())

        return detect.hessian_pattern(alone, wrt, rest, most)

    def weighed(wrt: Any, rest: Any) -> Any:
        others, weights = rest
        pairs = zip(jax.tree.leaves(f(wrt, others)), jax.tree.leaves(weights), strict=True)
        return sum((y * w).sum() for y, w in pairs)

    return detect.hessian_pattern(weighed, wrt, (rest, out), most)


def _within(pattern: Pattern, f: Any, wrt: Any, rest: Any, pairs: Pairs) -> tuple[Any, Any]:
    """Return the entries of a Jacobian's square blocks, as places among its inputs."""
    outs = [leaf.size for leaf in jax.tree.leaves(jax.eval_shape(f, wrt, rest))]
    ins = [leaf.size for leaf in jax.tree.leaves(wrt)]
    row_starts, column_starts = (np.cumsum([0, *sizes]) for sizes in (outs, ins))
    found: list[tuple[Any, Any]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for o, i in pairs:
        here = (pattern.rows >= row_starts[o]) & (pattern.rows < row_starts[o + 1])
        here &= (pattern.columns >= column_starts[i]) & (pattern.columns < column_starts[i + 1])
        found.append((pattern.rows[here] - row_starts[o] + column_starts[i], pattern.columns[here]))
    rows, columns = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(columns)


def pairs_of(blocks: Sequence[BlockPlan]) -> Pairs:
    """Return the blocks of a Jacobian by the positions of output and input in JAX's order."""
    outputs = sorted({str(block.output) for block in blocks})
    inputs = sorted({block.wrt[0] for block in blocks})
    return [(outputs.index(str(b.output)), inputs.index(b.wrt[0])) for b in blocks]


def builder(
    derivative: str, part: str, operator: str, colors: Directions | None, pairs: Pairs
) -> Builder:
    """Return what computes a part by an operator of its own."""
    if derivative == "hessian":
        mode = "fwd-rev" if operator == "sparse" and part == "diagonal" else operator
        return diagonals.hessian("fwd-fwd" if mode == "sparse" else mode, part, colors)
    return diagonals.jacobian("fwd" if operator == "sparse" else operator, part, colors, pairs)


def alternatives(derivative: str, facts: TraceInfo) -> tuple[str, ...]:
    """Return the operators of a part, the usual one first."""
    if derivative == "jacobian":
        return diagonals.JACOBIAN_MODES
    return diagonals.HESSIAN_MODES if facts.outputs == 1 else diagonals.HESSIAN_MODES[:1]


_WORDS = {
    "fwd-fwd": "forward over forward",
    "fwd-rev": "forward over reverse",
    "rev-rev": "reverse over reverse",
    "fwd": "forward",
    "rev": "reverse",
}
