"""Small functions of many points: one loop that computes a point's numbers and writes each once.

`mapped` is `jax.vmap` for what is small enough.  `scalars.py` takes the function of one point apart
into operations on single numbers, `scalar_rules.py` has what each primitive does to them, and
`fused_loop.py` runs them over the points.
"""

from jaccli.derivative.points.one_loop import FEWEST, mapped

__all__ = ["FEWEST", "mapped"]
