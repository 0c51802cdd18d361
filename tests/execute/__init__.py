"""Tests of compiling and running a plan."""
