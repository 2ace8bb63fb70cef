"""A package outside redo_lab with parts of its own; the YAML files in `conf/` name its classes."""
