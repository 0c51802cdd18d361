"""From a `Plan` to a `Result`: compile, run, time.  Of modes it chooses none; chunks must fit."""

from jaccli.execute.execute import execute, run
from jaccli.execute.prepare import Program, prepare
from jaccli.execute.progress import Progress

__all__ = ["Program", "Progress", "execute", "prepare", "run"]
