"""One file for each kind of figure; figures/NAME.yaml says which kind, of which runs."""
