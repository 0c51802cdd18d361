"""Verification of derivatives.

    verify, checks, supplied                        `check`: verdicts on a `Plan` at its point
    flat_model, finite_differences, check_data      the model at many points, differences
    notes, report, render                           remarks on a failure; text and JSON

Boundary: compares; the planned derivative is computed by `execute`.
"""

from jaccli import backend  # noqa: F401  # sets what JAX reads when it is imported
