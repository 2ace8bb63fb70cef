"""Trackers beside the run directory, one a file."""
