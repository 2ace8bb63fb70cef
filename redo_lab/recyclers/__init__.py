"""Recycling methods, one a file."""
