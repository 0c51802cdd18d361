"""Tests of uncertainty propagation: reference cases, the law, Monte Carlo, the command."""
