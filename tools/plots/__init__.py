"""Plays what the documentation tells of the simulator: `python -m tools.plots`, or `make plots`.

It writes ``docs/assets/simulator/*.svg``, and ``benchmarks/results/simulated.md`` and ``.json``, from
which the pages take their tables and figures.  Equal code gives equal bytes.
"""
