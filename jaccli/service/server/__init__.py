"""The service: HTTP in, workers that compute, answers out."""
