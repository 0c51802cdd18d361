"""Asks the service what its own description permits, and what it does not: nothing may be a 5xx.

    .venv/bin/pip install -c constraints.txt -e '.[service,fuzz]'
    .venv/bin/python scripts/soak/fuzz_service.py [--examples 60]

schemathesis makes the requests, out of the OpenAPI description that the service gives.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = b"model: {expression: sum(x**2)}\ninputs: {x: [1.0, 2.0]}\nvector: [1.0, 0.0]\n"
HOOKS = """
import schemathesis


@schemathesis.serializer("application/x-npy", "application/vnd.jaccli.call")
def raw(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_query(context, query):
    # A model that is registered: any other is a 404, which says little.
    return query | {{"model": "{model}"}} if query and "model" in query else query
"""
"""What schemathesis is told besides: media types of ours, and the id of a model."""
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance")


def main() -> int:
    """Run the service and schemathesis, and return what that says."""
    parser = argparse.ArgumentParser(description="Fuzz the service.")
    parser.add_argument("--examples", type=int, default=60, help="of each operation (default 60)")
    examples = parser.parse_args().examples
    beside = Path(sys.executable).with_name("schemathesis")
    tool = str(beside) if beside.exists() else shutil.which("schemathesis")
    if tool is None:
        sys.exit("schemathesis is not here: install the extra fuzz")
    # A minute is enough for what it invents; a large result would only cost time.
    command = [sys.executable, "-m", "jaccli", "serve", "--port", "0", "--result", "4MiB"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        if "serving at " not in line:
            sys.exit(f"no server: {line}{process.stderr.read()}")
        url = line.split("serving at ")[1].split(" with ")[0]
        run = [tool, "run", f"{url}/openapi.json", "--url", url, "--no-color"]
        run += ["--checks", ",".join(CHECKS), "--max-examples", str(examples)]
        with urllib.request.urlopen(f"{url}/v1/models", SPEC) as answer:
            hooks = HOOKS.format(model=json.load(answer)["id"])
        with tempfile.TemporaryDirectory() as folder:  # where it keeps its own notes, too
            Path(folder, "hooks.py").write_text(hooks)
            environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": folder}
            run += ["--seed", "1"]
            return subprocess.run(run, cwd=folder, env=environment, check=False).returncode
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
