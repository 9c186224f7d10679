"""``python -m benchmarks run`` compares loaders; the files bench_*.py ask one question each."""
