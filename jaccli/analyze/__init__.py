"""Spectral analysis of a derivative: spectrum, rank, condition, definiteness, stationary points.

problem, from_model, from_file    the matrix: formed, read from a file, or an operator
linear_operator                   compiled products with it
dense, lanczos, iterative         its `Spectrum`, by LAPACK or by Lanczos' method
classify                          conclusions from the spectrum, proven or not
vectors, render                   text and JSON
"""
