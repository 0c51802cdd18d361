"""Tests of spectra: LAPACK and Lanczos, what follows from them, the command."""
