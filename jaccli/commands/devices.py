"""The command `devices`: what JAX sees, and whether it computes right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaccli.commands.options import CallRequest
from jaccli.commands.outcome import Outcome, Report
from jaccli.commands.request import check_choice, option
from jaccli.context import Context
from jaccli.errors import VerdictError

if TYPE_CHECKING:
    from jaccli.backend import Device

_FORMATS = ("plain", "json")


class DevicesRequest(CallRequest):
    """Whether the devices are checked too."""

    check: bool = option("--check", help="Compute known answers on each device.")
    format: str = option(
        "--format", metavar="FORMAT", help="plain or json.", choices=_FORMATS, default="plain"
    )


def run(request: DevicesRequest, context: Context) -> Iterator[Outcome]:
    """List the devices.

    Raises:
        DeviceError: JAX has none.
    """
    check_choice(request, "format")
    from jaccli import backend

    backend.configure(x64=True)
    rows = [_row(device, is_default=not index, check=request.check)
            for index, device in enumerate(backend.devices())]  # fmt: skip
    failed = any(row.get("check", "ok") != "ok" for row in rows)
    yield Report(
        form=request.format,
        text=lambda: "\n".join(map(_as_text, rows)),
        data=lambda: {"devices": rows, "versions": backend.versions()},
        exit_code=VerdictError.exit_code if failed else 0,
    )


def _row(device: Device, *, is_default: bool, check: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "device": device.name,
        "kind": device.handle.device_kind,
        "default": is_default,
    }
    if check:
        from jaccli.execute.self_test import check as check_device

        row["check"] = check_device(device) or "ok"
    return row


def _as_text(row: dict[str, object]) -> str:
    default = "  (default)" if row["default"] else ""
    verdict = f"  {row['check']}" if "check" in row else ""
    return f"{row['device']:8} {row['kind']}{default}{verdict}"
