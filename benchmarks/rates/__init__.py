"""A quota that nobody tells, and that changes: `RateLimiter.adaptive` beside botocore's and nopanic's.

On virtual time (`holdfast.simulation`), so that minutes take a second.  ``python -m benchmarks rates``.
"""
