"""How the chunks of a derivative are spread over the devices: each computes one at a time.

One program is compiled for all devices.  What the chunks share is on each of them, what a chunk has
of its own on the one that computes it; nothing travels between them, so that a chunk has the bits
that it would have on one device.

Boundary: knows chunks as arguments and results alone, not what they are chunks of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Axes

from jaccli.backend import Device
from jaccli.derivative.basis import Tree
from jaccli.derivative.cost import Cost
from jaccli.plan import Plan

Compile = Callable[..., tuple[Callable[..., Tree], Cost]]
"""`compile(plan, what, function, *args, where=sharding of the results)`: a call, and its cost."""
Call = Callable[[Tree, Sequence[Tree]], list[Tree]]
"""`call(shared, owns)` computes as many chunks as there are `owns`, one for a device at most."""


class OneDevice:
    """A device as the chunks of a derivative see it: it computes one chunk after another."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def shared(self, tree: Tree) -> Tree:
        """Return the arrays on every device."""
        return jax.device_put(tree, self._device.handle)

    def compiled(
        self,
        compile: Compile,
        plan: Plan,
        what: str,
        function: Callable[[Tree, Tree], Tree],
        shared: Tree,
        own: Tree,
    ) -> tuple[Call, Cost]:
        """Compile `function(shared, own)`, the result of one chunk; `own` are numpy arrays.

        The cost is that of a round: what all devices that share a memory hold at a time.
        """
        run, cost = compile(plan, what, function, shared, self.shared(own))
        return lambda shared, owns: [run(shared, self.shared(own)) for own in owns], cost

    def copied(self, shared: Tree, own: Tree) -> int:
        """Return the bytes of arguments that a round holds beside one copy of `shared`."""
        return _bytes(own)


class SeveralDevices(OneDevice):
    """Devices compute a chunk each: arrays have a first axis with a row for each device."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._mesh = Mesh(np.array(device.handles), ("chunks",))
        self._rows = NamedSharding(self._mesh, Axes("chunks"))

    def shared(self, tree: Tree) -> Tree:
        return jax.device_put(tree, NamedSharding(self._mesh, Axes()))

    def compiled(
        self,
        compile: Compile,
        plan: Plan,
        what: str,
        function: Callable[[Tree, Tree], Tree],
        shared: Tree,
        own: Tree,
    ) -> tuple[Call, Cost]:
        def row(shared: Tree, own: Tree) -> Tree:
            result = function(shared, jax.tree.map(lambda leaf: leaf[0], own))
            return jax.tree.map(lambda leaf: leaf[None], result)

        # Unchecked: nothing goes from one device to another, and the check refuses seeds and zeros
        # that are made on the way, the same on every device.
        rows = jax.shard_map(
            row,
            mesh=self._mesh,
            in_specs=(Axes(), Axes("chunks")),
            out_specs=Axes("chunks"),
            check_vma=False,
        )
        run, cost = compile(plan, what, rows, shared, self._dealt([own]), where=self._rows)

        def call(shared: Tree, owns: Sequence[Tree]) -> list[Tree]:
            result = run(shared, self._dealt(owns))
            return [self._taken(result, device) for device in range(len(owns))]

        pooled = self._device.pooled
        outputs, temporaries = pooled * cost.outputs, pooled * cost.temporaries
        return call, replace(cost, outputs=outputs, temporaries=temporaries)

    def copied(self, shared: Tree, own: Tree) -> int:
        pooled = self._device.pooled
        return pooled * _bytes(own) + (pooled - 1) * _bytes(shared)

    def _dealt(self, owns: Sequence[Tree]) -> Tree:
        """Return the arrays of all chunks, a row on each device; a device too many has the last."""
        handles = list(self._device.handles)
        padded = [*owns, *[owns[-1]] * (len(handles) - len(owns))]

        def rows(*leaves: Any) -> Any:
            placed = jax.device_put([leaf[None] for leaf in leaves], handles)
            shape = (len(handles), *leaves[0].shape)
            return jax.make_array_from_single_device_arrays(shape, self._rows, placed)

        return jax.tree.map(rows, *padded)

    def _taken(self, tree: Tree, device: int) -> Tree:
        """Return what one of the devices has computed, as numpy arrays."""
        handle = self._device.handles[device]

        def row(leaf: Any) -> Any:
            (shard,) = (shard for shard in leaf.addressable_shards if shard.device == handle)
            return np.asarray(shard.data)[0]

        return jax.tree.map(row, tree)


def _bytes(tree: Tree) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def spread(device: Device) -> OneDevice:
    """Return the device, or the devices, as what chunks are spread over."""
    return OneDevice(device) if device.count == 1 else SeveralDevices(device)
