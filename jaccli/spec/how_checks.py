"""The checks of how a derivative is computed: that it has the mode, the storage, the devices.

Each `check_…` reports what is wrong; nothing here raises, so that all is reported at once.
"""

from __future__ import annotations

from typing import Any

from jaccli.choices import APPROXIMATED, BUILT_ON, MODES, modes_of
from jaccli.errors import expected
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import ProblemCollector

Values = dict[str, Any]


def check_modes(values: Values, root: Node, report: ProblemCollector) -> None:
    """Report modes that a derivative does not have."""
    derivatives = values["derivative"]
    node = root.get("mode") or root
    if is_written(node) and not is_written(root.get("derivative") or node):
        # The command asks for another derivative than the spec, whose mode is not for that one.
        fits = any(values["mode"] in modes_of(name) for name in derivatives)
        values["mode"] = values["mode"] if fits else "auto"
    mode = values["mode"]
    choices = [name for name in derivatives if len(modes_of(name)) > 1] or derivatives
    for name in choices:
        if mode not in modes_of(name):
            report.add(node, "mode", f"{name} has no mode {mode!r}.", expected(modes_of(name)))


def is_written(node: Node) -> bool:
    """Whether an entry stands in the spec's file, not on the command line."""
    return node.text.is_file


def check_approximation(values: Values, root: Node, report: ProblemCollector) -> None:
    """Report an approximation that the command line asks for of what has none."""
    derivatives = [BUILT_ON.get(name, name) for name in values["derivative"]]
    node = root.get("approximation") or root
    if values["approximation"] in (None, "none") or set(derivatives) & set(APPROXIMATED):
        return
    if is_written(node) and not is_written(root.get("derivative") or node):
        return  # the command asks for another derivative than the spec
    message = f"{derivatives[0]} has no approximation."
    report.add(node, "approximation", message, f"It goes with {' and '.join(APPROXIMATED)}.")


def check_storage(values: Values, root: Node, report: ProblemCollector) -> None:
    """Report sparse storage of what is not a matrix."""
    derivatives = values["derivative"]
    if values["storage"] != "sparse" or any("sparse" in modes_of(name) for name in derivatives):
        return
    node = root.get("storage") or root
    if is_written(node) and not is_written(root.get("derivative") or node):
        return  # the command asks for another derivative than the spec
    kinds = [name for name, modes in MODES.items() if "sparse" in modes]
    message = f"{derivatives[0]} is not kept sparse."
    report.add(node, "storage", message, f"It goes with {', '.join(kinds)}.")


def check_devices(values: Values, root: Node, report: ProblemCollector) -> None:
    """Report a number of devices beside a device that is one of them."""
    device, count = values["device"], values["devices"]
    if count is not None and device is not None and ":" in device:
        platform = device.partition(":")[0]
        hint = f"Write {platform!r} for the platform, or leave out the number of devices."
        message = f"{count} devices, and the device {device!r}, which is one."
        report.add(root.get("devices") or root, "devices", message, hint)
