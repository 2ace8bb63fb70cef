"""Every figure and table launched and drawn: `python -m tests.paper`. It takes too long for pytest."""
