"""What the protection achieves: one workload and one fault at a time, ours beside the peers.

On virtual time (`holdfast.simulation`), through the public API, with the same arrivals and service
times for everybody.  ``python -m benchmarks scenarios`` plays all experiments; a module ``eNN_*.py``
is one of them, and `experiment` says what it is made of.
"""
