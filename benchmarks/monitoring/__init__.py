"""Whether monitoring keeps its promises: `python -m benchmarks.monitoring`."""
