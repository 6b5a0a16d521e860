"""What a request costs here and elsewhere: `python -m tests.benchmarks --help`."""
