"""What a real Slurm does to real runs; `make test-slurm`."""
