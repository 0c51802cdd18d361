"""Modes compared on the user's own model and machine.

`candidates.py` compiles them, `tuned.py` chooses one for `--mode tuned`, `bench.py` times all for
the command `bench` (with `row_loop.py`, `agreement.py`, `render.py`).  Nothing is imported here:
most calls need `tuned.py` alone.
"""
