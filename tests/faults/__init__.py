"""Faults done to real processes: `python -m tests.faults`. Takes too long for pytest, which doesn't collect it."""
