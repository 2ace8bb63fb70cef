"""From run directories to aggregates and figures; never imports torch."""
