"""The resident service, and the thin client that calls it.

client → messages → (server) → session

The client, and what it shares with the server (`address`, `messages`), imports the standard library
alone, and little of it: a whole call takes less than importing numpy would.
"""
