"""Every config in the browser comes to what the command line comes to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.page import tab
from tests.service.servers import ROOT, Server

CONFIGS = sorted(ROOT.glob("configs/*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_the_page_equals_the_command_line(page: Any, service: Server, config: Path) -> None:
    text = config.read_text()
    files = [config.parent / name for name in re.findall(r"(?:file|base): ([^,}\s]+)", text)]
    status = tab.write_spec(page, service, text, *files)
    if re.search(r"^sweep:|python:", text, re.MULTILINE):
        assert status == "No result."
        assert re.search("sweep|python", tab.error(page))
        return
    assert tab.error(page) == ""
    wanted = by_command_line(config)
    found = [json.loads(tab.saved(page, "Download .json", at)) for at in range(len(wanted))]
    assert [one["derivative"] for one in found] == [one["derivative"] for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert tab.same(tab.data(json.dumps(one)), tab.data(json.dumps(other)))
        assert tab.data(json.dumps(one))


def by_command_line(config: Path) -> list[Any]:
    environment = {name: value for name, value in os.environ.items() if name != "JACCLI_SERVER"}
    done = subprocess.run(
        [sys.executable, "-m", "jaccli", "run", str(config), "--format", "json", "-q"],
        capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]
