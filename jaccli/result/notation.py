"""How derivatives are written: `∂²y[0]/∂x∂w` as a title, `d2 y[0] / d x[1] d w[2]` for an entry."""

from __future__ import annotations

from collections.abc import Sequence

from jaccli.result.labels import LabelledAxis


def title(derivative: str, output: str, wrt: Sequence[str], *, ascii_only: bool = False) -> str:
    """Return what a panel shows: `∂y/∂x`, or `d y / d x` in plain ASCII."""
    if derivative == "evaluate":
        return output
    if derivative in ("jvp", "hvp", "vjp"):
        product = {"jvp": "J v", "hvp": "H v", "vjp": "uᵀJ"}[derivative]
        concerned = {"jvp": output, "hvp": f"{output}, {', '.join(wrt)}", "vjp": ", ".join(wrt)}
        shown = "u J" if ascii_only and derivative == "vjp" else product
        return f"{shown}: {concerned[derivative]}"
    if ascii_only:
        return entry(derivative, output, wrt)
    order = "²" if derivative == "hessian" else ""
    if order and wrt[0] == wrt[1]:
        return f"∂²{output}/∂{wrt[0]}²"
    return f"∂{order}{output}/{''.join(f'∂{name}' for name in wrt)}"


def entry(derivative: str, output: str | None, wrt: Sequence[str]) -> str:
    """Return the name of one entry: `d y[2] / d x[0]`, `d2 y / d x[0] d x[1]`, `y[2]`."""
    if derivative in ("gradient", "jacobian", "hessian"):
        order = "d2" if derivative == "hessian" else "d"
        return f"{order} {output} / {' '.join(f'd {name}' for name in wrt)}"
    return wrt[0] if wrt else str(output)


def joined(
    wholes: Sequence[tuple[str, tuple[str, ...]] | None],
) -> tuple[str, tuple[str, ...]]:
    """Return the output and the inputs that blocks are of, each several together.

    >>> joined([("u", ("x",)), ("v", ("y",))])
    ('(u, v)', ('(x, y)',))
    """
    there = [whole for whole in wholes if whole is not None]
    outputs = list(dict.fromkeys(output for output, _ in there))
    inputs = [list(dict.fromkeys(names)) for names in zip(*(wrt for _, wrt in there), strict=True)]
    output, *wrt = (
        names[0] if len(names) == 1 else f"({', '.join(names)})" for names in (outputs, *inputs)
    )
    return output, tuple(wrt)


def group(axis: LabelledAxis) -> str:
    """Return the name of arrays that share a side: `x`, or `(x, y)`.

    An array of which one entry was picked is called by that entry, `y[0]`.
    """
    names = [part[0] if part.shape == () else part.name for part in axis.parts]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as Python writes it: `(16,)`, `(16, 16)`."""
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
