"""Benchmarks: each line of their table is measured side by side with a named reference, in the same run."""
