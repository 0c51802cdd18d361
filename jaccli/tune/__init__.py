"""Modes compared on the user's own model and machine.

`candidates.py` compiles them, `tune.py` chooses one for `--mode tuned`, `bench.py` times all for
the command `bench` (with `eager.py`, `agreement.py`, `describe.py`).  Nothing is imported here:
most calls need `tune.py` alone.
"""
