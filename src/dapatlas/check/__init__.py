"""Checks: medical validity, metrics, benchmarks."""
