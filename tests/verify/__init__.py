"""Tests of `jaccli check`, and of kinks and causes explained."""
