"""Print the oldest allowed version of each dependency, as constraints for pip.

    python scripts/oldest.py [EXTRA,...] > oldest.txt

Those that pyproject.toml gives a lower bound, for the Python that runs this; with extras, theirs.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def main(extras: list[str]) -> None:
    """Print a line for each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    for text in sum((optional[extra] for extra in extras), project["dependencies"]):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            for bound in requirement.specifier:
                if bound.operator == ">=":
                    print(f"{requirement.name}=={bound.version}")


if __name__ == "__main__":
    main([extra for argument in sys.argv[1:] for extra in argument.split(",")])
