"""What a run does, one kind of study a file."""
