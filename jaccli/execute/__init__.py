"""From a `Plan` to a `Result`: compile, run, time.  Chooses nothing."""

from jaccli.execute.execute import Progress, execute

__all__ = ["Progress", "execute"]
