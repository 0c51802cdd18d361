"""Modes compared on the user's own model and machine: candidates, the tuned choice, the bench."""

from jaccli.tune.bench import Report, measure
from jaccli.tune.candidates import Candidate, candidates
from jaccli.tune.tune import tuned

__all__ = ["Candidate", "Report", "candidates", "measure", "tuned"]
