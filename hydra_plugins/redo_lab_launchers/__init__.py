"""The few lines by which Hydra finds our launchers."""
