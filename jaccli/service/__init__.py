"""The resident service, and the thin client that calls it.

client → wire → (server) → session

The client (`client`, `address`, `wire`) imports the standard library alone, and little of it: a
whole call takes less than importing numpy would.
"""
