"""A run on disk: identity, record, status, and the table of many runs."""
