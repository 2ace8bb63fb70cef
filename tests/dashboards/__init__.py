"""What W&B shows of many runs."""
