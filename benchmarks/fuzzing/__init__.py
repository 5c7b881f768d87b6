"""What `benchmarks/fuzz_readers.py` and the tests damage logs with, and how they judge what comes of it."""
