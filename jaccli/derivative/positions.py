"""Where a primitive that moves elements reads or writes: flat positions, in numpy.

What slices, pads, gathers and the like do to values, to links and to sparsity patterns follows
from one array: for each element of the result, the flat position in the operand that it is read
from, -1 where it is a constant.

Boundary: numpy only; equations are read, values are not.  Arrays so large that what is made of
their positions has no room in memory are refused here, before there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaccli import memory

Shape = tuple[int, ...]
Positions = NDArray[np.int64]
Equation = Any  # JaxprEqn, whose variables are typed too loosely to be of use


def counted(shape: Shape) -> Positions:
    """Return the flat position of every element of an array of `shape`.

    Raises:
        Exhausted: they take more memory than they may.
    """
    _require_room(shape)
    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


_EACH = 40
"""Bytes for every element: its position, and what is made of it before it is used."""
_HELD = 8
"""Bytes for each position of those that are held all at once."""


def _require_room(shape: Shape) -> None:
    memory.check_growth(_EACH * math.prod(shape))


def read_positions(eqn: Equation, *indices: Any) -> Positions | None:
    """Return where each element of the result stands in the first operand, -1 where nowhere.

    `indices` are the other operands, which must be known.  None if the primitive does not move the
    elements of its first operand.

    Raises:
        Exhausted: as `counted`.
    """
    move = _MOVES.get(eqn.primitive.name)
    if move is None:
        return None
    shape = tuple(eqn.invars[0].aval.shape)
    _require_room(tuple(eqn.outvars[0].aval.shape))
    moved: Positions = move(eqn.params, counted(shape), *indices)
    return moved


def write_positions(eqn: Equation, indices: NDArray[Any], updates: Shape) -> Positions | None:
    """Return the flat position in the result that each update of a scatter goes to, -1: dropped."""
    _require_room(updates)
    numbers, operand = eqn.params["dimension_numbers"], tuple(eqn.outvars[0].aval.shape)
    aside = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    windows = iter(updates[d] for d in numbers.update_window_dims)
    sizes = tuple(1 if d in aside else next(windows) for d in range(len(operand)))
    mode = _mode(eqn.params["mode"])
    if mode == "ONE_HOT":
        return None
    return gathered(
        operand,
        indices,
        sizes,
        offset_dims=numbers.update_window_dims,
        collapsed=numbers.inserted_window_dims,
        index_map=numbers.scatter_dims_to_operand_dims,
        batching=numbers.operand_batching_dims,
        index_batching=numbers.scatter_indices_batching_dims,
        clip=mode == "CLIP",
    )


def gathered(
    operand: Shape,
    indices: NDArray[Any],
    sizes: Sequence[int],
    *,
    offset_dims: Sequence[int],
    collapsed: Sequence[int],
    index_map: Sequence[int],
    batching: Sequence[int],
    index_batching: Sequence[int],
    clip: bool,
) -> Positions:
    """Return the flat position that each result of a gather reads (XLA's semantics), -1: outside.

    `clip` moves windows inside; otherwise a window that is not wholly inside is dropped.
    """
    around = indices.shape[:-1]
    rank = len(around) + len(offset_dims)
    batch_dims = [d for d in range(rank) if d not in offset_dims]
    windows = [d for d in range(len(operand)) if d not in (*collapsed, *batching)]
    flat = np.zeros((1,) * rank, np.int64)
    inside: Any = None
    for d, size in enumerate(operand):
        at = np.zeros((1,) * rank, np.int64)
        if d in index_map:
            start = np.asarray(indices[..., list(index_map).index(d)], np.int64)
            last = size - sizes[d]
            if clip:
                start = np.clip(start, 0, last)
            else:
                fits = _spread((start >= 0) & (start <= last), batch_dims, rank)
                inside = fits if inside is None else inside & fits
            at = at + _spread(start, batch_dims, rank)
        if d in batching:
            axis = index_batching[list(batching).index(d)]
            at = at + _along(np.arange(size), batch_dims[axis], rank)
        if d in windows and sizes[d] > 1:
            at = at + _along(np.arange(sizes[d]), offset_dims[windows.index(d)], rank)
        flat = flat * size + at
    shape = [0] * rank
    for d, n in zip(batch_dims, around, strict=True):
        shape[d] = n
    for d, w in zip(offset_dims, windows, strict=True):
        shape[d] = sizes[w]
    whole = np.broadcast_to(flat, shape)
    return whole if inside is None or inside.all() else np.where(inside, whole, -1)


def _spread(array: NDArray[Any], dims: Sequence[int], rank: int) -> NDArray[Any]:
    """Return the array with its axes at `dims` of `rank`."""
    shape = [1] * rank
    for d, n in zip(dims, array.shape, strict=True):
        shape[d] = n
    return array.reshape(shape)


def _along(array: NDArray[Any], dim: int, rank: int) -> NDArray[Any]:
    return _spread(array, [dim], rank)


def _mode(mode: Any) -> str:
    return str(getattr(mode, "name", mode))


Params = dict[str, Any]


def window_positions(params: Params, shape: Shape, out: Shape) -> list[Positions]:
    """Return, for each element of a reduction's window, the position that every result reads.

    `params` are those of `reduce_window_sum`; -1 is outside.
    """
    ones = (1,) * len(shape)
    return _taps(
        shape,
        out,
        params["window_dimensions"],
        params["window_strides"],
        [low for low, _ in params["padding"]],
        params.get("window_dilation") or ones,
        params.get("base_dilation") or ones,
    )


def convolution_positions(
    params: Params, window: Sequence[int], shape: Shape, out: Shape
) -> list[Positions]:
    """Return the same for the taps of a convolution, of arrays `(n, *space)`."""
    return _taps(
        shape,
        out,
        (1, *window),
        (1, *params["window_strides"]),
        (0, *(low for low, _ in params["padding"])),
        (1, *params["rhs_dilation"]),
        (1, *params["lhs_dilation"]),
    )


def convolution_links(
    params: Params, signal: Shape, kernel: Shape, result: Shape
) -> Iterator[tuple[Positions, Positions, Positions]]:
    """Yield flat positions in the result, the signal and the kernel that belong together.

    Groups of features and of the batch are seen; one item for each tap and each channel that a
    result sums over.
    """
    numbers = params["dimension_numbers"]
    left, right, out = (
        counted(shape).transpose(spec)
        for shape, spec in ((signal, numbers[0]), (kernel, numbers[1]), (result, numbers[2]))
    )  # (batch, channel, *space), (result's channel, channel of a group, *taps), as the first
    batch, _, *space = left.shape
    features, depth, *taps = right.shape
    count, _, *places = out.shape
    each = np.arange(features)
    group = each // (features // params["feature_group_count"])
    row = each // (features // params["batch_group_count"]) * count + np.arange(count)[:, None]
    reads = convolution_positions(params, taps, (batch, *space), (batch, *places))
    ones = (1,) * len(places)
    for tap, read in zip(np.ndindex(*taps), reads, strict=True):
        at = read[row]  # (count, features, *places)
        inside = at >= 0
        images, pixels = np.divmod(np.where(inside, at, 0), math.prod(space))
        for channel in range(depth):
            inputs = np.broadcast_to((group * depth + channel).reshape(-1, *ones), at.shape)
            by_pixel = left.reshape(batch, -1, math.prod(space))
            weights = np.broadcast_to(right[:, channel, *tap].reshape(-1, *ones), at.shape)
            sources = by_pixel[images[inside], inputs[inside], pixels[inside]]
            yield out[inside], sources, weights[inside]


def _taps(
    shape: Shape,
    out: Shape,
    window: Sequence[int],
    strides: Sequence[int],
    low: Sequence[int],
    dilation: Sequence[int],
    gaps: Sequence[int],
) -> list[Positions]:
    """Return where results read the signal, which has `gaps` between its elements, for each tap."""
    memory.check_growth(_HELD * math.prod(window) * math.prod(out))
    ones = (1,) * len(shape)
    reads = []
    for tap in np.ndindex(*window):
        flat: Any = np.zeros(ones, np.int64)
        inside: Any = np.ones(ones, np.bool_)
        for d, t in enumerate(tap):
            where = np.arange(out[d]) * strides[d] - low[d] + t * dilation[d]
            fits = (where % gaps[d] == 0) & (where >= 0) & (where // gaps[d] < shape[d])
            flat = flat * shape[d] + _along(np.where(fits, where // gaps[d], 0), d, len(shape))
            inside = inside & _along(fits, d, len(shape))
        reads.append(np.broadcast_to(np.where(inside, flat, -1), out))
    return reads


def _gather(params: Params, at: Positions, indices: NDArray[Any]) -> Positions:
    numbers = params["dimension_numbers"]
    return gathered(
        at.shape,
        np.asarray(indices),
        params["slice_sizes"],
        offset_dims=numbers.offset_dims,
        collapsed=numbers.collapsed_slice_dims,
        index_map=numbers.start_index_map,
        batching=numbers.operand_batching_dims,
        index_batching=numbers.start_indices_batching_dims,
        clip=_mode(params["mode"]) != "FILL_OR_DROP",
    )


def _broadcast(params: Params, at: Positions, *dynamic: Any) -> Positions:
    return np.broadcast_to(
        _spread(at, params["broadcast_dimensions"], len(params["shape"])), params["shape"]
    )


def _reshape(params: Params, at: Positions, *dynamic: Any) -> Positions:
    first = params["dimensions"]  # `lax.reshape` may permute before
    return (at if first is None else at.transpose(first)).reshape(params["new_sizes"])


def _slice(params: Params, at: Positions) -> Positions:
    strides = params["strides"] or (1,) * at.ndim
    return at[tuple(map(slice, params["start_indices"], params["limit_indices"], strides))]


def _pad(params: Params, at: Positions, filler: Any = None) -> Positions:
    moved: Positions = padded(at, params["padding_config"], -1)
    return moved


def padded(array: NDArray[Any], padding: Sequence[tuple[int, int, int]], filler: Any) -> Any:
    """Return `lax.pad` of a numpy array; negative widths cut."""
    for d, (low, high, interior) in enumerate(padding):
        if (low, high, interior) == (0, 0, 0):
            continue
        size = array.shape[d]
        length = size + max(size - 1, 0) * interior
        wide = max(low, 0) + length + max(high, 0)
        out = np.full((*array.shape[:d], wide, *array.shape[d + 1 :]), filler, array.dtype)
        at: list[slice] = [slice(None)] * array.ndim
        at[d] = slice(max(low, 0), max(low, 0) + length, interior + 1)
        out[tuple(at)] = array
        at[d] = slice(max(-low, 0), max(wide - max(-high, 0), max(-low, 0)))
        array = out[tuple(at)]
    return array


def flat_position(index: Mapping[Any, Any], labels: Sequence[Any], sizes: Mapping[Any, int]) -> Any:
    """Return the flat position of indices by label, the last label counting fastest."""
    at: Any = np.int64(0)
    for k in labels:
        at = at * sizes[k] + index[k]
    return at


def repeated(shape: Shape, out: Shape) -> Positions:
    """Return where each result of an elementwise operation reads an operand of `shape`."""
    _require_room(out)
    at = counted(shape).reshape((1,) * (len(out) - len(shape)) + shape)
    return np.broadcast_to(at, out)


def corner(operand: Shape, window: Shape, starts: Sequence[Any]) -> Shape:
    """Return the corner of a dynamic slice, clamped as JAX does."""
    return tuple(
        min(max(int(i), 0), n - m) for i, n, m in zip(starts, operand, window, strict=True)
    )


def _dynamic_slice(params: Params, at: Positions, *starts: Any) -> Positions:
    sizes = params["slice_sizes"]
    first = corner(at.shape, sizes, starts)
    return at[tuple(slice(i, i + m) for i, m in zip(first, sizes, strict=True))]


def _tile(params: Params, at: Positions) -> Positions:
    return np.tile(at, params["reps"])


_MOVES: dict[str, Callable[..., Positions]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": lambda params, at: at.squeeze(tuple(params["dimensions"])),
    "transpose": lambda params, at: at.transpose(params["permutation"]),
    "rev": lambda params, at: np.flip(at, params["dimensions"]),
    "slice": _slice,
    "pad": _pad,
    "gather": _gather,
    "dynamic_slice": _dynamic_slice,
    "tile": _tile,
}
