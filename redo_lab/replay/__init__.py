"""The replay: its ring in memory, its segments on disk."""
