"""Whether a derivative is right, and where it is not what it seems.

    verify, checks, supplied      `check`: verdicts on a `Plan` at its point
    flat, differences, subject    what they are reached by: the model at many points, differences
    notes, report, describe       remarks that may explain a failure; text and JSON
    explain, kinks, causes        kinks at the point, and what made an entry not finite

Boundary: judges; what is computed as planned is computed by `execute`.
"""
