"""Interventions inside an update, one a file: in the loss, or on the gradients before the optimizer steps."""
