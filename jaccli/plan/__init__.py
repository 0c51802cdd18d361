"""From a model and a request to a `Plan`: shapes, bytes, mode and chunks.  Computes nothing big."""

from jaccli.plan.describe import as_json, as_text
from jaccli.plan.plan import BlockPlan, Plan, check_budget, make, with_choice

__all__ = ["BlockPlan", "Plan", "as_json", "as_text", "check_budget", "make", "with_choice"]
