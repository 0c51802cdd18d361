"""What a compiled program costs, as XLA says, and how long that may take.

Boundary: reads compiled programs; runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_RATES = {"operations": 30e9, "traffic": 8e9, "transcendentals": 0.5e9}
"""Per second, of one CPU core and its memory.  Candidates are compared, so ratios matter alone."""


@dataclass(frozen=True)
class Cost:
    """The cost of one run of a program.

    `operations` and `transcendentals` are counts of floating-point operations and of calls of
    `exp`, `tanh` and the like; `traffic` is in bytes read and written; the rest in bytes held:
    `arguments`, `outputs`, and the `temporaries` beside them.  XLA counts the body of a loop once
    and library calls (LAPACK) not at all.
    """

    operations: float
    traffic: float
    transcendentals: float
    arguments: int
    outputs: int
    temporaries: int

    @property
    def seconds(self) -> float:
        """The predicted time of a run in seconds: good for comparing candidates, not as a clock."""
        return float(sum(getattr(self, name) / rate for name, rate in _RATES.items()))

    @property
    def held(self) -> int:
        """The bytes held while the program runs."""
        return self.arguments + self.outputs + self.temporaries


def of(compiled: Any) -> Cost:
    """Return the cost of a compiled program; what the platform does not tell is 0."""
    analysis = compiled.cost_analysis() or {}
    memory = compiled.memory_analysis()

    def size(name: str) -> int:
        return int(getattr(memory, f"{name}_size_in_bytes", 0))

    reused = size("alias")  # arguments that become outputs

    return Cost(
        operations=float(analysis.get("flops", 0.0)),
        traffic=float(analysis.get("bytes accessed", 0.0)),
        transcendentals=float(analysis.get("transcendentals", 0.0)),
        arguments=size("argument") - reused,
        outputs=size("output"),
        temporaries=size("temp"),
    )
