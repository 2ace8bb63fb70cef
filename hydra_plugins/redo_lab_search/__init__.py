"""How Hydra finds the options that no file of `conf/` holds."""
