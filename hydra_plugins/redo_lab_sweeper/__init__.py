"""How Hydra finds our sweeper."""
