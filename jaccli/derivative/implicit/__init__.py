"""Functions defined by equations: the root of F(u, θ) = 0 as a function of θ, differentiable.

The order of reading: `linear_systems.py` (the Jacobian of the unknowns, factored),
`sparse_lu.py` (the same where it is sparse), `root_finding.py` (one point solved),
`implicit_function.py` (the derivative).
"""

from jaccli.derivative.implicit.implicit_function import implicit_function
from jaccli.derivative.implicit.linear_systems import DenseSystem, LinearSystem, system_of
from jaccli.derivative.implicit.root_finding import STEPS, Root, find_root

__all__ = [
    "STEPS",
    "DenseSystem",
    "LinearSystem",
    "Root",
    "find_root",
    "implicit_function",
    "system_of",
]
