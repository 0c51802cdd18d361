"""What a derivative says as a matrix: spectrum, rank, condition, definiteness, stationary point.

subject, products, files   the matrix: formed, read from a file, or known by its products alone
dense, lanczos, iterative  its `Spectrum`, by LAPACK or by Lanczos' method
verdict                    what follows from the spectrum, and what does not
describe                   text and JSON
"""
