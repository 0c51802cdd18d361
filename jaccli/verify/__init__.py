"""Whether a derivative is right.

    verify, checks, supplied                        `check`: verdicts on a `Plan` at its point
    flat_model, finite_differences, check_data      the model at many points, differences
    notes, report, render                           remarks on a failure; text and JSON

Boundary: judges; what is computed as planned is computed by `execute`.
"""
