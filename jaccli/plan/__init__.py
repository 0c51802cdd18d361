"""From a model and a request to a `Plan`: shapes, bytes, mode and chunks.  Computes nothing big."""

from jaccli.plan.plan import Plan, at, check_budget, check_result, instead, make, with_choice
from jaccli.plan.program_key import identity
from jaccli.plan.render import as_json, as_text
from jaccli.plan.shapes import BlockPlan

__all__ = [
    "BlockPlan",
    "Plan",
    "as_json",
    "as_text",
    "at",
    "check_budget",
    "check_result",
    "identity",
    "instead",
    "make",
    "with_choice",
]
