"""The verbs of `redo-lab`, one a file: words in, text out."""
