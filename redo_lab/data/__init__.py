"""Labelled images for supervised studies, one source a file."""
