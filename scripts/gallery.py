"""The gallery: a picture of each spec in `configs/` (docs/images/configs), and docs/gallery.md.

    .venv/bin/python scripts/gallery.py [NAME...]

Draws the pictures that are named, or all, and writes the page.  Needs the extra `figures`.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
IMAGES = DOCS / "images" / "configs"
_COLORS = 48
"""Of a picture: they are drawings, and half as large with a palette."""

GROUPS: dict[str, tuple[str, ...]] = {
    "First examples": ("polar", "rosenbrock", "logdet", "van_der_waals", "black_scholes"),
    "Uncertainty and fits": (
        "end_gauge", "impedance", "shunt_sweep", "thermometer", "misra1a", "rat43",
        "michaelis_menten", "challenger",
    ),
    "Dynamics and steady states": (
        "rabbits_sheep", "sir", "chemostat", "bratu_steady", "lorenz96", "lorenz96_tangent",
        "lorenz96_adjoint",
    ),
    "Robots and cameras": (
        "planar_arm", "planar_arm_sweep", "puma560", "bundle_adjustment",
    ),
    "Grids and sparse matrices": ("bratu", "heat", "brusselator", "rosenbrock_chained"),
    "Networks": (
        "forecast", "forecast_params", "forecast_batch", "forecast_hessian",
        "forecast_batch_hessian", "softmax_cross_entropy", "mlp_xor", "hvp_sinsum",
    ),
}  # fmt: skip
"""The specs of each part of the page; every spec is in one of them."""

COMMANDS: dict[str, str] = {
    "polar": "jacobian {} --layout matrix",
    "rosenbrock": "hessian {} --layout matrix",
    "logdet": "gradient {}",
    "van_der_waals": "run {} --set derivative=gradient "
    "--set 'sweep={{inputs.v: {{linspace: [0.7, 2, 40]}}}}'",
    "black_scholes": "gradient {}",
    "end_gauge": "propagate {}",
    "impedance": "propagate {}",
    "thermometer": "covariance {}",
    "misra1a": "covariance {} --select residuals",
    "rat43": "covariance {} --select residuals",
    "chemostat": "jacobian {} --scale log --layout matrix",
    "bratu_steady": "run {} --set 'sweep={{inputs.lam: {{linspace: [0.2, 3.5, 34]}}}}'",
    "sir": "jacobian {} --layout matrix",
    "puma560": "jacobian {} --allow-python",
    "bundle_adjustment": "jacobian {} --allow-python",
    "rosenbrock_chained": "hessian {} --mode sparse",
    "challenger": "hessian {}",
    "forecast_hessian": "hessian {} --rows 'y[0:2]'",
    "michaelis_menten": "run {} --set wrt=k --set 'sweep={{inputs.s: {{linspace: [0, 1.1, 45]}}}}'",
    "forecast_params": "jacobian {} --layout matrix",
}
"""What draws a spec, where it is not `run`."""


def command(name: str) -> str:
    """Return the command that draws a spec, as on the page."""
    line = "jaccli " + COMMANDS.get(name, "run {}").format(f"configs/{name}.yaml")
    if name == "shunt_sweep":  # one table, whatever is asked
        return f"{line} --table {name}.png"
    if "sweep" in line:
        return f"{line} --no-folder --table {name}.png"
    return f"{line} -o {name}.png"


def draw(name: str) -> None:
    """Draw a spec's picture, and reduce its colors."""
    from PIL import Image

    target = str(IMAGES / f"{name}.png")
    arguments = [target if word == f"{name}.png" else word for word in shlex.split(command(name))]
    jaccli = [sys.executable, "-m", "jaccli", *arguments[1:]]
    subprocess.run([*jaccli, "--format", "none", "--force", "-q"], cwd=ROOT, check=True)
    with Image.open(target) as picture:
        small = picture.convert("RGB").quantize(_COLORS)
    small.save(target, optimize=True)


def page() -> str:
    """Return the page, from the specs' descriptions and sources."""
    lines = [
        "# Gallery",
        "",
        "Each spec of `configs/`, what draws its picture, and where it comes from.",
        "`jaccli examples` lists them, `jaccli examples NAME --copy DIR` copies one with the files",
        "that it reads. The commands below run in a checkout, which has `configs/`. With jaccli",
        "installed and no checkout, `jaccli examples NAME --copy .` puts the spec in your folder,",
        "and `NAME.yaml` takes the place of `configs/NAME.yaml`. The pictures need the extra",
        "`figures`. `scripts/gallery.py` draws them and writes this page.",
    ]
    for title, names in GROUPS.items():
        lines += ["", f"## {title}"]
        for name in names:
            spec = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
            if "source" not in spec:
                base = (ROOT / "configs" / spec["base"]).read_text(encoding="utf-8")
                spec = {**yaml.safe_load(base), **spec}
            lines += [
                "", f"### {name}", "",
                f"{spec['description']} ([{name}.yaml](../configs/{name}.yaml))", "",
                "```sh", command(name), "```", "",
                f"![{spec['description']}](images/configs/{name}.png)", "",
                f"{spec['source'].rstrip('.')}.",
            ]  # fmt: skip
    return "\n".join([*lines, ""])


def main() -> None:
    """Draw the pictures that are named, or all, and write the page."""
    every = [name for names in GROUPS.values() for name in names]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    names = parser.parse_args().names or every
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name not in every:
            parser.error(f"{name!r} is none of {', '.join(every)}")
        draw(name)
        print(f"{name}: {(IMAGES / f'{name}.png').stat().st_size / 1024:.0f} KiB", flush=True)
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
