"""Models as JAX users write them, with the libraries they use, held against JAX itself."""
