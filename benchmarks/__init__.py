"""Benchmarks of Holdfast: each sub-package is one, run as ``python -m benchmarks NAME``."""
