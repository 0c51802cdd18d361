"""The entries `rows`, `cols` and `part` of a spec, as far as no shapes are needed to check them.

Boundary: text alone; which entries there are is known to `jaccli.models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaccli.choices import PARTED, RESTRICTED
from jaccli.errors import Problem, did_you_mean, expected
from jaccli.selections import Index, SelectionError, selections
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import ProblemCollector

if TYPE_CHECKING:
    from collections.abc import Collection

    from jaccli.spec.spec import Spec

PART_MODES = {
    "jacobian": ("auto", "sparse", "fwd", "rev"),
    "hessian": ("auto", "sparse", "fwd-fwd", "fwd-rev", "rev-rev"),
}
"""The modes of a diagonal and a trace."""
KEYS = ("rows", "cols", "part")


def check_parts(values: Mapping[str, Any], root: Node, report: ProblemCollector) -> None:
    """Report parts of what has none, and texts that cannot be read."""
    for key in KEYS:
        if values[key] in (None, "full"):
            continue
        node = root.get(key) or root
        kinds = PARTED if key == "part" else RESTRICTED
        for derivative in values["derivative"]:
            if derivative not in kinds:
                message = f"{derivative} is not computed in parts."
                report.add(node, key, message, f"It goes with {', '.join(kinds)}.")
                break
        else:
            if key != "part":
                try:
                    selections(values[key])
                except SelectionError as error:
                    report.add(node, key, error.message, error.hint)
    if values["part"] in (None, "full"):
        return
    modes = PART_MODES.get(values["derivative"][0], (values["mode"],))
    if values["mode"] not in modes:
        node = root.get("mode") or root
        message = f"mode {values['mode']!r} has no {values['part']} of its own."
        report.add(node, "mode", message, expected(modes))
    if values["storage"] == "sparse":
        node = root.get("storage") or root
        report.add(node, "storage", f"a {values['part']} is not kept sparse.", "Leave it out.")


def by_name(
    spec: Spec, key: str, known: Collection[str], what: str
) -> tuple[dict[str, list[Index]], list[Problem]]:
    """Return the indices of each name that `rows` or `cols` picks, in their order; and problems.

    `known` are the names that there are, `what` says of what.
    """
    text = getattr(spec, key)
    found: dict[str, list[Index]] = {}
    problems: list[Problem] = []
    for name, index in selections(text):
        if name in known:
            found.setdefault(name, []).append(index)
        else:
            hint = expected(known) if len(known) < 10 else did_you_mean(name, known)
            problems.append(spec.problem(key, f"no {what} named {name!r}.", hint))
    return found, problems
