"""The thin client: a command line that a service performs.  Standard library alone."""
