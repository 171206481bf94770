"""Two ways of one costly step, side by side in one run: `make bench`, or `python -m benchmarks.<name>`."""
