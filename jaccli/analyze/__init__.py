"""What a derivative says as a matrix: spectrum, rank, condition, definiteness, stationary point.

problem, from_model, from_file    the matrix: formed, read from a file, or known by its products
linear_operator                   these products, compiled
dense, lanczos, iterative         its `Spectrum`, by LAPACK or by Lanczos' method
classify                          what follows from the spectrum, and what does not
vectors, render                   text and JSON
"""
