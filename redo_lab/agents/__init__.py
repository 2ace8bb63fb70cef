"""Agents, one a file."""
