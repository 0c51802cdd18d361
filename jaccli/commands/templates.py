"""The specs that `jaccli init` writes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Starter:
    """A spec, the files that go beside it, and the command that it is for, with its options."""

    spec: str
    beside: dict[str, str] = field(default_factory=dict)
    flags: str = ""
    command: str = "run"


_EXPRESSIONS = """\
# Run it:             jaccli run THIS_FILE
# Another derivative: jaccli hessian THIS_FILE --select r
# Another point:      jaccli run THIS_FILE --at x=1 --at y=1
description: polar coordinates

model:
  expressions:            # in order; later ones may use earlier ones
    r: sqrt(x**2 + y**2)
    theta: arctan2(y, x)  # `jaccli functions` lists what can be called

inputs:                   # numbers, lists, files ({file: x.npy}), random arrays
  x: 3.0
  y: 4.0

derivative: jacobian      # evaluate, gradient, jacobian, hessian, jvp, vjp, hvp
# wrt: [x]                # default: every input that is a float
# output: {path: J.npz}
"""

_FORECAST = """\
# Run it: jaccli run THIS_FILE
description: the dense + tanh forecast, y = tanh(weight @ x + bias)

model: forecast

inputs:
  weight: {random: normal, shape: [8, 16], seed: 1}   # (outputs, inputs)
  bias:   {random: normal, shape: [8], seed: 2}
  x:      {random: normal, shape: [16], seed: 3}

wrt: x
derivative: jacobian
dtype: float32
"""

_PYTHON = """\
# Run it: jaccli run THIS_FILE --allow-python
description: a Python function of the inputs, written with jax.numpy

model: {python: "model.py:energy"}

inputs:
  position: [0.3, -0.2]
  stiffness: 2.0

wrt: position
derivative: hessian
"""

_MODEL_PY = '''\
import jax.numpy as jnp


def energy(position, stiffness):
    """A spring with a cubic term; an array or a dict of arrays may be returned."""
    return stiffness * jnp.sum(position**2) / 2 + jnp.prod(position) ** 2
'''

_EQUATIONS = """\
# Run it: jaccli run THIS_FILE
description: the positive root of k c**2 + c = feed, as a function of k and feed

model:
  equations:              # each is zero at the solution; as many as unknowns
    balance: k*c**2 + c - feed
  unknowns:               # where the root finder starts: numbers, lists, sources
    c: 1.0
  expressions:            # of inputs and unknowns; without any, the unknowns are the outputs
    rate: k*c**2

inputs:
  k: 2.0
  feed: 3.0

derivative: jacobian
"""

_UNCERTAINTY = """\
# Run it: jaccli run THIS_FILE
description: a resistance from a voltage and a current that were measured

model:
  expressions:
    R: V/I

inputs:                   # best estimates; may be left out where `samples` give them
  V: 4.999
  I: 0.019661

uncertainty:              # standard uncertainties, or what they follow from
  V: {samples: [5.007, 4.994, 5.005, 4.990, 4.999]}     # type A: the mean's
  I: {half_width: 2.0e-5, distribution: uniform}        # type B: limits of an instrument
# correlation: [[V, I, -0.36]]

derivative: propagate
"""

_FIT = """\
# Run it: jaccli run THIS_FILE
description: standard errors of a straight line, at its least-squares solution

model:
  expressions:
    residuals: y - (a + b*x)
    at_5: a + b*5         # a prediction
  outputs: [residuals]    # all that was minimised; parameters are in wrt

inputs:
  x: [1.0, 2.0, 3.0, 4.0]
  y: [2.1, 3.9, 6.2, 7.8]
  a: 0.15                 # as fitted: `covariance` does not fit
  b: 1.94

wrt: [a, b]
derivative: covariance
predict: [at_5]
"""

_DYNAMICS = """\
# Run it:             jaccli analyze THIS_FILE --system continuous
# The matrix alone:   jaccli run THIS_FILE
# Another parameter:  jaccli analyze THIS_FILE --system continuous --at damping=-0.1
description: a damped pendulum, dx/dt = f(x), and whether its rest is stable

model:
  expressions:            # the rates, in the order of the states in wrt
    angle_rate: speed
    speed_rate: -gravity/length*sin(angle) - damping*speed

inputs:
  angle: 0.0              # an equilibrium: all rates are 0 here
  speed: 0.0
  gravity: 9.81           # m/s**2
  length: 1.0             # m
  damping: 0.5            # 1/s

wrt: [angle, speed]       # the states; other inputs are parameters
derivative: jacobian      # its eigenvalues decide: --system continuous, or discrete for x' = f(x)
layout: matrix            # rows are rates, columns are states
"""

_SWEEP = """\
# Run it:             jaccli run THIS_FILE --no-folder --table all.csv
# The tasks alone:    jaccli run THIS_FILE --dry-run
# A file for each:    jaccli run THIS_FILE      (into a folder beside, with an account of all)
description: the derivatives of a reaction rate, over concentrations and temperatures

model:
  expressions:
    k: A*exp(-Ea/(8.314*T))        # Arrhenius' law, 1/s
    rate: k*c/(1 + c/Ks)
  outputs: rate

inputs:
  c: 0.5                  # mol/l
  T: 300.0                # K
  A: 1.0e7
  Ea: 5.0e4               # J/mol
  Ks: 2.0

wrt: [c, T]
derivative: gradient

sweep:                    # a task for each combination; paths as `--set` takes them
  inputs.c: [0.1, 1.0, 10.0]
  inputs.T: {linspace: [290, 310, 3]}       # also {range: ...}, {logspace: ...}
# zip: {inputs.c: [...], inputs.T: [...]}   # in step, in place of all combinations
"""

STARTERS: dict[str, Starter] = {
    "expressions": Starter(_EXPRESSIONS),
    "equations": Starter(_EQUATIONS),
    "uncertainty": Starter(_UNCERTAINTY),
    "fit": Starter(_FIT),
    "dynamics": Starter(_DYNAMICS, flags=" --system continuous", command="analyze"),
    "sweep": Starter(_SWEEP, flags=" --no-folder --table all.csv"),
    "forecast": Starter(_FORECAST),
    "python": Starter(_PYTHON, {"model.py": _MODEL_PY}, " --allow-python"),
}
