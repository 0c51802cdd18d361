"""Print the oldest allowed version of each dependency, as constraints for pip.

    python scripts/oldest.py > oldest.txt

Those that pyproject.toml gives a lower bound, for the Python that runs this.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Print a line for each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        if requirement.marker is None or requirement.marker.evaluate():
            for bound in requirement.specifier:
                if bound.operator == ">=":
                    print(f"{requirement.name}=={bound.version}")


if __name__ == "__main__":
    main()
