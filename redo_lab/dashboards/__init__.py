"""What W&B shows of many runs: a dashboard from code, and the aggregates that W&B can't compute itself."""
