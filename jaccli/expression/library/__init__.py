"""Functions that JAX lacks, a family in each module; `expression.table` says where each is."""
