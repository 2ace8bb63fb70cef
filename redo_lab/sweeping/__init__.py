"""A multirun of Hydra as many runs: its jobs as checked plans, then here or on a Slurm cluster."""
