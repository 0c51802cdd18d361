"""What the account of a file says of the shapes of its arrays.  Others may have written it."""

from __future__ import annotations

from typing import Any


def shapes_of(manifest: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a manifest has under `shapes`; none that are no shapes."""
    found = manifest.get("shapes")
    if not isinstance(found, dict):
        return {}
    return {
        str(key): tuple(shape)
        for key, shape in found.items()
        if isinstance(shape, list)
        and all(isinstance(size, int) and 0 <= size < 1 << 48 for size in shape)
    }
