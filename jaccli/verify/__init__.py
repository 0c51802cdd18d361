"""Whether a derivative is right: checks of a `Plan` at its point, and a report.

    flat, differences   the model at many points; finite differences
    subject             what is verified, and what it is held against
    checks, supplied    the checks
    notes               remarks on the model that may explain a failure
    report, describe    verdicts, as data, text and JSON

Boundary: judges; what is computed as planned is computed by `execute`.
"""

from jaccli.verify.describe import as_json, as_text
from jaccli.verify.report import Report
from jaccli.verify.supplied import Supplied
from jaccli.verify.verify import PROBES, verify

__all__ = ["PROBES", "Report", "Supplied", "as_json", "as_text", "verify"]
