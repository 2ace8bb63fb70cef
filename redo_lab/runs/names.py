"""Names of metrics that are written in one place and read in another. No dots: W&B nests keys at them."""

from __future__ import annotations

EVALUATION_RETURN = "evaluation/return_mean"
TRAINING_RETURN = "training/return"
DORMANT_TOTAL = "dormant/total_tau"


def tau_text(tau: float) -> str:
    """τ as it ends a metric's name: 0.025 → 0p025."""
    return f"{tau:g}".replace(".", "p")


def tau_value(text: str) -> float:
    """The τ that `tau_text` wrote."""
    return float(text.replace("p", "."))
