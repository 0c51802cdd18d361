"""Fit Misra1a by the Gauss-Newton method: steps that solve J step = -r, until they are small."""

import numpy as np

import jaccli

model = jaccli.load("misra1a.yaml", set={"select": "residuals"})
b = np.array([250.0, 0.0005])  # NIST's second start
for iteration in range(20):
    at = {"b1": b[0], "b2": b[1]}
    r = model.evaluate(at=at).matrix()
    J = model.jacobian(at=at).matrix()
    print(f"{iteration}  b1 = {b[0]:.8f}  b2 = {b[1]:.8e}  sum of squares = {r @ r:.10f}")
    step = np.linalg.lstsq(J, -r, rcond=None)[0]
    b = b + step
    if np.max(np.abs(step / b)) < 1e-10:
        break
print(f"b1 = {b[0]:.8f}  b2 = {b[1]:.11e}")
