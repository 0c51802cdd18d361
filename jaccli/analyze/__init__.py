"""Spectral analysis of a derivative: spectrum, rank, condition, definiteness, stationary points.

problem, from_model, from_file    the matrix: formed, read from a file, or an operator
linear_operator                   compiled products with it
dense, lanczos, iterative         its `Spectrum`, by LAPACK or by Lanczos' method
classify                          conclusions from the spectrum, proven or not
eigenvalues                       those of a matrix that is not symmetric, with error bounds
nonsymmetric                      all of them, by LAPACK
arnoldi, spectral_region          those that decide on stability, and that there are no others
equilibrium                       the kind of an equilibrium
vectors, render                   text and JSON
render_equilibrium                the same of eigenvalues and equilibria
"""

from jaccli import backend  # noqa: F401  # sets what JAX reads when it is imported
