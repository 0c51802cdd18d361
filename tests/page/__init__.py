"""The page of `jaccli serve` in a real browser; scripts/test-page runs these tests."""
