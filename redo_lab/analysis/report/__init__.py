"""One HTML file that a co-author can open: numbers, figures, curves to look into, runs, costs, warnings."""
