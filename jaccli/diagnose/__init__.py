"""Warnings at a point: kinks, and what made an entry NaN or infinite.

A model, an expression or a Python function, is evaluated operation by operation (`operations`);
`kink_table` and `singularity_table` say which operations are at a point without a derivative.
"""
