"""A plan in words and as JSON."""

from __future__ import annotations

from typing import Any

from jaccli.derivative.structure_losses import Loss
from jaccli.errors import format_bytes
from jaccli.models.gauss_newton import is_point
from jaccli.plan.plan import Plan

_OPERATORS = {
    "evaluate": "the outputs",
    "gradient": "gradient",
    "jacobian": "Jacobian",
    "hessian": "Hessian",
    "jvp": "Jacobian times tangent",
    "vjp": "cotangent times Jacobian",
    "hvp": "Hessian times tangent",
}


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain data."""
    return {
        "derivative": plan.derivative,
        **({} if plan.part == "full" else {"part": plan.part}),
        **({} if plan.spec.rows is None else {"rows": plan.spec.rows}),
        **({} if plan.spec.cols is None else {"cols": plan.spec.cols}),
        "mode": plan.mode,
        "reason": plan.reason,
        "device": plan.device.name,
        "dtype": plan.spec.dtype,
        "precision": plan.spec.precision,
        "inputs": {
            name: list(array.shape)
            for name, array in plan.model.primals.items()
            if not is_point(name)
        },
        "outputs": {name: list(shape) for name, shape in plan.outputs.items()},
        "wrt": list(plan.model.wrt),
        "batch": plan.model.batch_size,
        "blocks": {block.key: list(block.shape) for block in plan.blocks},
        "bytes": {
            "inputs": plan.input_bytes,
            "mapped": plan.mapped_bytes,
            "result": plan.result_bytes,
            "budget": plan.budget,
        },
        "chunk": plan.chunk,
        "chunks": plan.chunks,
        **({"dense": [_lost(loss) for loss in plan.losses]} if plan.losses else {}),
        **({"warnings": list(plan.warnings)} if plan.warnings else {}),
    }


def as_text(plan: Plan) -> str:
    """Return the plan as lines of `name  what`, for a person."""
    blocks = [
        f"{block.key} {_shape(block.shape)}, {format_bytes(block.nbytes)}" for block in plan.blocks
    ]
    inputs = [
        f"{name} {_shape(array.shape)}{_role(plan, name)}"
        for name, array in plan.model.primals.items()
        if not is_point(name)
    ]
    rows = [
        ("plan", f"{_operator(plan)} of {plan.spec.name}"),
        ("mode", f"{plan.mode}: {plan.reason}"),
        *_column("dense", [_lost(loss) for loss in plan.losses]),
        *_column("warning", list(plan.warnings)),
        ("device", f"{plan.device.name}, {plan.spec.dtype}, precision {plan.spec.precision}"),
        *_column("inputs", inputs),
        *_column("outputs", [f"{name} {_shape(shape)}" for name, shape in plan.outputs.items()]),
        *_column("blocks", blocks),
        ("memory", _memory(plan)),
    ]
    if plan.model.batch_size is not None:
        rows.append(("batch", f"{plan.model.batch_size:,} rows"))
    if plan.chunk is not None:
        by_color = plan.prepared is not None
        what = "colors" if by_color else "unit vectors"
        what = "directions" if plan.part != "full" else what
        if plan.model.batch_size is not None:
            what = "batch rows"
        at_a_time = f", {plan.device.count} at a time" if plan.device.count > 1 else ""
        rows.append(("chunks", f"{plan.chunks} of up to {plan.chunk} {what}{at_a_time}"))
    return "\n".join(f"{name:8} {text}" for name, text in rows)


def _operator(plan: Plan) -> str:
    """Return what is computed: `rows y[0] of the Jacobian`, `trace of the Hessian`."""
    name, spec = _OPERATORS[plan.derivative], plan.spec
    if plan.approximation != "none":
        name = f"Gauss-Newton {name}"
    if plan.model.gradient_of is not None:
        return f"{name} {spec.rows}" + (f", columns {spec.cols}" if spec.cols else "")
    picked = {"rows": spec.rows, "columns": spec.cols}
    said = [f"{side} {text}" for side, text in picked.items() if text is not None]
    if not said and plan.part == "full":
        return name
    name = f"the {name}" if plan.derivative != "evaluate" else name
    name = f"{plan.part} of {name}" if plan.part != "full" else name
    return f"{' and '.join(said)} of {name}" if said else name


def _lost(loss: Loss) -> str:
    """Return what made a derivative dense, and what to write instead."""
    return loss.place + (f": {loss.advice}" if loss.advice else "")


def _memory(plan: Plan) -> str:
    inputs, result = format_bytes(plan.input_bytes), format_bytes(plan.result_bytes)
    if plan.mapped_bytes:
        inputs += f" and {format_bytes(plan.mapped_bytes)} in files, read by chunks"
    whose = ""
    if plan.device.count > 1:
        whose = " for all devices" if plan.device.pooled > 1 else " for the host and each device"
    return f"inputs {inputs}, result {result}, budget {format_bytes(plan.budget)}{whose}"


def _role(plan: Plan, name: str) -> str:
    """Return what the derivative does with an input."""
    roles = ["wrt"] if name in plan.model.wrt and plan.derivative != "evaluate" else []
    if name in plan.model.batch:
        roles.append(f"batch axis {plan.model.batch[name]}")
    return f" [{', '.join(roles)}]" if roles else ""


def _column(name: str, lines: list[str]) -> list[tuple[str, str]]:
    """Return rows that name their column once."""
    return [(name if index == 0 else "", line) for index, line in enumerate(lines)]


def _shape(shape: tuple[int, ...]) -> str:
    return "scalar" if shape == () else str(shape)
