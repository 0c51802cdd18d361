"""From a `Plan` to a `Result`: compile, run, time.  Of modes it chooses none; chunks must fit."""

from jaccli.execute.compile_plan import Program, prepare
from jaccli.execute.run_plan import execute, run

__all__ = ["Program", "execute", "prepare", "run"]
