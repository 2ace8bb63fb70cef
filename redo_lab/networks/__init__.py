"""Networks and the declaration of their hidden layers."""
