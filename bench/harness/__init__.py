"""Measures the three programs, and other engines doing the streamer's work, on one machine.

Entry points are modules: `python -m harness.compare`, `.startup`, `.freshness`, … Each runs where a Kafka and a
PostgreSQL are (bench/run gives them), writes one file into bench/results, and prints what it wrote.
`python -m harness.page` turns those files into docs/benchmarks.md; it needs nothing but Python.
"""
