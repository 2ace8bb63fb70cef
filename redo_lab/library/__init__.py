"""redo_lab from a notebook: runs as tables, trained agents, dormancy and ReDo on any network."""
