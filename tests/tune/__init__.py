"""Tests of comparing modes: candidates, the tuned choice, the bench."""
